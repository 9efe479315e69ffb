"""A ramp of the tempo where others have a say: small steps, until anybody else wants another tempo. Pure."""

from typing import Final

from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US

# Steps of a thousandth are heard by nobody, and are few enough for a network.
STEP: Final = 1e-3
# A Link session counts in whole microseconds.
_ROUNDED_NS: Final = NS_PER_US


class Ramp:
    """The ramp under way, if there is one."""

    def __init__(self) -> None:
        self._line: Timeline | None = None
        self._told_ns = 0

    def begin(self, line: Timeline, goal_ns: int, ramp_ub: int) -> None:
        """Go from the tempo of ``line`` to ``goal_ns`` within ``ramp_ub`` micro-beats of its known point."""
        self._line = line.with_ramp(goal_ns, ramp_ub, line.time_us)
        self._told_ns = line.ns_per_beat

    def end(self) -> None:
        """Stay at the tempo that was reached."""
        self._line = None

    def step(self, present_ns: int, now_us: int) -> int | None:
        """The tempo to propose now, in nanoseconds a beat; None: the present one will do.

        Args:
            present_ns: Nanoseconds in a beat, as everybody has it by now.
            now_us: The present time.
        """
        line = self._line
        if line is None:
            return None
        if abs(present_ns - self._told_ns) > _ROUNDED_NS:
            self.end()
            return None
        wanted_ns = line.ns_per_beat_at(line.position_at(now_us))
        if wanted_ns == line.goal_ns_per_beat:
            self.end()
        elif abs(wanted_ns / self._told_ns - 1) < STEP:
            return None
        self._told_ns = wanted_ns
        return wanted_ns
