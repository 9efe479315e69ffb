"""What takes effect at a position of the song, together with a launch, and is no launch of a part itself."""

from typing import Final

from msgspec import structs

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.session import sounding
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.scene import Choke, Ground, Later, Manner
from autoloops_engine.session.sharing import set_motion
from autoloops_engine.session.stage import FREEZE_LEAD_US, LAUNCH_MARGIN_US, Stage
from autoloops_engine.session.surface import Target
from autoloops_engine.units import BAR_UB

# What ends so little before its place is not missed; a note struck there and cut off would be heard. The player knows
# before it freezes the bar of that place, so that the bar is told as it is going to be heard.
_AHEAD_US: Final = FREEZE_LEAD_US + LAUNCH_MARGIN_US


def choke(stage: Stage, part: PartSession, position_ub: int, now_us: int) -> None:
    """A part is launched at a position: from there on it is heard, and the others of its choke group are silent."""
    if stage.habits[part.name].choke:
        line_up(stage, Choke(position_ub, part.name), now_us)


def line_up(stage: Stage, later: Later, now_us: int) -> None:
    """Let something take effect at its position; while nothing plays, at once."""
    stage.later = (*stage.later, later)
    if stage.playing:
        settle(stage, now_us)
    else:
        _do(stage, [later], now_us)


def settle(stage: Stage, now_us: int) -> None:
    """Do what has reached its position by ``now_us``."""
    if stage.playing:
        _do(stage, [each for each in stage.later if _is_due(stage, each, now_us)], now_us)


def jump(stage: Stage, now_us: int) -> None:
    """The position jumped: everything takes effect, as launches do."""
    _do(stage, list(stage.later), now_us)


def next_due_us(stage: Stage) -> int | None:
    """When ``settle`` has to be called next; None: nothing waits for a time."""
    if not stage.playing:
        return None
    return min((_due_us(stage, each) for each in stage.later if not isinstance(each, Ground)), default=None)


def _is_due(stage: Stage, later: Later, now_us: int) -> bool:
    if not isinstance(later, Ground):
        return _due_us(stage, later) <= now_us
    # Every bar before it is frozen, so that those from it on can be decoded by it.
    staying = (part for name, part in stage.parts.items() if name not in stage.leaving)
    return all(part.next_bar * BAR_UB >= later.position_ub for part in staying)


def _due_us(stage: Stage, later: Later) -> int:
    state = stage.transport.state
    return state.song.time_of(later.position_ub) - state.lead_us - _AHEAD_US


def _do(stage: Stage, due: list[Later], now_us: int) -> None:
    stage.later = tuple(each for each in stage.later if each not in due)
    for each in sorted(due, key=lambda later: later.position_ub):
        match each:
            case Choke(part=name) if name in stage.parts:
                sounding.choke_others(stage, stage.parts[name])
            case Ground():
                _set_ground(stage, each, now_us)
            case Manner():
                _set_manner(stage, each)


def _set_ground(stage: Stage, ground: Ground, now_us: int) -> None:
    for name, value in (("scale", ground.scale), ("chords", ground.chords)):
        if getattr(stage.harmony, name) != value:
            stage.touch(Target(name))
    if (stage.harmony.scale, stage.harmony.chords) != (ground.scale, ground.chords):
        stage.keep_to(Harmony().with_scale(ground.scale).with_chords(ground.chords), now_us)
    # Of those who share a point by now the first one counts.
    for name, moves in reversed(ground.moves.items()):
        part = stage.parts.get(name)
        if part is not None and moves.fits(part.settings.point.space.size):
            set_motion(stage, part, moves.motion, moves.corners)


def _set_manner(stage: Stage, manner: Manner) -> None:
    if manner.swing != stage.swing:
        stage.set_swing(manner.swing)
        stage.touch(Target("swing"))
    parts = [part for part in stage.parts.values() if part.name in manner.muted]
    for part in parts:
        own_swing = manner.own_swings[part.name]
        if part.feel.own != own_swing:
            with stage.settling(part):
                part.feel = structs.replace(part.feel, own=own_swing)
            stage.touch(Target("swing", part.name))
    with sounding.telling(stage):
        for part in parts:
            if part.muted != manner.muted[part.name]:
                part.muted = manner.muted[part.name]
                stage.touch(Target("mute", part.name))
    held = stage.sync is not None and stage.sync.holds_tempo
    if manner.tempo_bpm is not None and not held and manner.tempo_bpm != stage.transport.tempo_bpm:
        stage.messages.append(stage.transport.tell_tempo(manner.tempo_bpm))
        stage.touch(Target("tempo"))
