"""Launch quantisation: where something asked for at one position takes effect."""

from enum import StrEnum

from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT


class When(StrEnum):
    """When a launch takes effect."""

    NOW = "now"
    BEAT = "beat"
    BAR = "bar"
    TWO_BARS = "2bars"
    FOUR_BARS = "4bars"
    LOOP = "loop"


def next_multiple(position: int, quantum: int, origin: int = 0) -> int:
    """The first ``origin + k * quantum`` at or after ``position``."""
    return position + (origin - position) % quantum


def launch_position_ub(when: When, earliest_ub: int, loop_bars: int, origin_bar: int) -> int:
    """Where a launch takes effect.

    Args:
        when: The launch quantisation; ``now`` means the next sixteenth, since a bar is spliced on the grid.
        earliest_ub: The first position that can still be changed, in micro-beats.
        loop_bars: Bars in the part's loop.
        origin_bar: Song bar at which the loop's first bar falls.

    Returns:
        A position in micro-beats, at or after ``earliest_ub``.
    """
    match when:
        case When.NOW:
            return next_multiple(earliest_ub, STEP_UB)
        case When.BEAT:
            return next_multiple(earliest_ub, UB_PER_BEAT)
        case When.BAR:
            return next_multiple(earliest_ub, BAR_UB)
        case When.TWO_BARS:
            return next_multiple(earliest_ub, 2 * BAR_UB)
        case When.FOUR_BARS:
            return next_multiple(earliest_ub, 4 * BAR_UB)
        case When.LOOP:
            return next_multiple(earliest_ub, loop_bars * BAR_UB, origin_bar * BAR_UB)
