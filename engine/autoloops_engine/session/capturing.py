"""Playing in: notes are remembered as they come, and a part takes up the last ones when it is told to."""

from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import point_at
from autoloops_engine.session import later
from autoloops_engine.session.ear import Phrase, rotated
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import flag, number, whole
from autoloops_engine.time.quantum import When
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT

MAX_PITCH: Final = 127


def read_ear(stage: Stage, target: Target) -> Values:
    """Whether notes that come in over MIDI are played in."""
    return (int(stage.listens),)


def write_ear(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let notes that come in over MIDI be played in, instead of firing parts."""
    stage.listens = flag(values)
    stage.touch(target)


def hear(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """A key of an instrument went down, or up (velocity 0), at ``now_us``."""
    pitch, velocity = whole(values[:1], 0, MAX_PITCH), whole(values[1:], 0, MAX_PITCH)
    stage.ear.hear(pitch, velocity, _position_ub(stage, now_us))


def capture(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let a part take up what was played in last."""
    part = stage.part(target.part)
    amount, when = _how(stage, part, values)
    first_bar, steps = stage.ear.loop(part.codec, part.model_bars, _position_ub(stage, now_us))
    # It stays where it was played: on the bar of the loop that sounds there.
    turned = (-part.loop_bar(first_bar)) % part.model_bars if stage.playing else 0
    stage.phrases.append(Phrase(part.name, tuple(rotated(steps, turned)), "", amount, when))


def load(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let a part take up a MIDI file."""
    part = stage.part(target.part)
    stage.phrases.append(Phrase(part.name, (), str(values[0]), *_how(stage, part, values[1:])))


def _how(stage: Stage, part: PartSession, values: Values) -> tuple[float, When]:
    """How far towards a phrase the loop goes, from 0 to 1, and when."""
    return number(values[:1], 0, 1) if values else 1.0, stage.when(part, values[1:])


def take_up(stage: Stage, phrase: Phrase, z: list[float], now_us: int) -> None:
    """Launch the point that a phrase was encoded as.

    Raises:
        UsageError: the part is gone, or its model is another by now.
    """
    part = stage.part(phrase.part)
    point = part.settings.point
    if len(z) != point.space.size:
        raise UsageError(f"{part.name} plays another model by now: capture it again.")
    try:
        heard = z if phrase.amount >= 1 else point.space.between((point.z(), z), phrase.amount)
        taken = point_at(point.space, heard)
    except ValueError as error:
        raise UsageError(str(error)) from error
    stage.fired[part.name] = Fired(stage.fired[part.name].count, taken, part.settings.seed)
    position_ub = stage.launch(part, phrase.when, now_us, point=stage.drifting(part, taken))
    later.choke(stage, part, position_ub, now_us)


def _position_ub(stage: Stage, now_us: int) -> int:
    state = stage.transport.state
    if stage.playing:
        return max(0, state.song_at(now_us))
    # While nothing plays, the tempo alone gives the grid.
    return now_us * NS_PER_US * UB_PER_BEAT // state.ns_per_beat
