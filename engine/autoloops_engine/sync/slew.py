"""How a line is led back to its master's without going backwards. Pure."""

from typing import Final

from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT

# Beyond this a listener hears a wrong place rather than a wrong moment, so the position jumps.
JUMP_UB: Final = UB_PER_BEAT // 4
# An error is spread over four times its length, a beat at most: so the tempo changes by a quarter at most. It takes a
# tick of a MIDI clock at least.
_STRETCH: Final = 4
_SHORTEST_UB: Final = UB_PER_BEAT // 24


def error_ub(own: Timeline, master: Timeline, now_us: int) -> int:
    """How far ``own`` is ahead of ``master``, in micro-beats; negative when behind."""
    return own.position_at(now_us) - master.position_at(now_us)


def error_us(own: Timeline, master: Timeline, now_us: int) -> int:
    """The same in microseconds of the master's tempo."""
    return error_ub(own, master, now_us) * master.ns_per_beat // (NS_PER_US * UB_PER_BEAT)


def lead_back(own: Timeline, master: Timeline, now_us: int) -> tuple[Timeline, int] | None:
    """A line through the present position of ``own`` that meets ``master`` within a beat.

    Returns:
        The line and when it meets the master's; None when they are too far apart for that.
    """
    ahead_ub = error_ub(own, master, now_us)
    if abs(ahead_ub) > JUMP_UB:
        return None
    span_ub = max(_SHORTEST_UB, _STRETCH * abs(ahead_ub))
    meets_us = now_us + span_ub * master.ns_per_beat // (NS_PER_US * UB_PER_BEAT)
    position_ub = own.position_at(now_us)
    way_ub = master.position_at(meets_us) - position_ub
    slope_ns = (meets_us - now_us) * NS_PER_US * UB_PER_BEAT // way_ub
    return Timeline(slope_ns, position_ub, now_us), meets_us
