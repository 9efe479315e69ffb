"""What takes effect at a position of the song, together with a launch, and is no launch of a part itself."""

from typing import Final

from autoloops_engine.session import sounding
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import FREEZE_LEAD_US, LAUNCH_MARGIN_US, Stage
from autoloops_engine.session.state import Choke, Later

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
        _do(stage, [later])


def settle(stage: Stage, now_us: int) -> None:
    """Do what has reached its position by ``now_us``."""
    if stage.playing:
        _do(stage, [each for each in stage.later if _due_us(stage, each) <= now_us])


def jump(stage: Stage) -> None:
    """The position jumped: everything takes effect, as launches do."""
    _do(stage, list(stage.later))


def next_due_us(stage: Stage) -> int | None:
    """When ``settle`` has to be called next; None: nothing waits for a time."""
    if not stage.playing:
        return None
    return min((_due_us(stage, each) for each in stage.later), default=None)


def _due_us(stage: Stage, later: Later) -> int:
    state = stage.transport.state
    return state.song.time_of(later.position_ub) - state.lead_us - _AHEAD_US


def _do(stage: Stage, due: list[Later]) -> None:
    stage.later = tuple(each for each in stage.later if each not in due)
    for each in sorted(due, key=lambda later: later.position_ub):
        if each.part in stage.parts:
            sounding.choke_others(stage, stage.parts[each.part])
