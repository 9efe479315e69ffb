"""The affine line between time and musical position.

Position is never "elapsed time times tempo": it is a line through one known point, and a change of tempo is another
line through the point of the change (as in Ableton Link, ``Timeline.hpp``), so nothing accumulates.
"""

from typing import Final

from msgspec import Struct

from autoloops_engine.units import BAR_UB, NS_PER_S, NS_PER_US, UB_PER_BEAT

# Microseconds times this, over nanoseconds in a beat, are micro-beats.
_NS_UB: Final = NS_PER_US * UB_PER_BEAT


class Timeline(Struct, frozen=True):
    """A tempo and one point on its line.

    Attributes:
        ns_per_beat: Nanoseconds in a beat, above 0: fine enough for a tempo to be exact for hours.
        position_ub: The known position, in micro-beats from the start of bar 1.
        time_us: The monotonic time of that position.
    """

    ns_per_beat: int
    position_ub: int
    time_us: int

    @property
    def tempo_bpm(self) -> float:
        """The tempo, in beats per minute."""
        return 60 * NS_PER_S / self.ns_per_beat

    def position_at(self, time_us: int) -> int:
        """The position reached at ``time_us``, in micro-beats, rounded down."""
        return self.position_ub + (time_us - self.time_us) * _NS_UB // self.ns_per_beat

    def time_of(self, position_ub: int) -> int:
        """When ``position_ub`` is reached, rounded up: ``position_at(time_of(p)) >= p``."""
        return self.time_us - (self.position_ub - position_ub) * self.ns_per_beat // _NS_UB

    def with_tempo(self, ns_per_beat: int, at_us: int) -> "Timeline":
        """The line through the position of ``at_us`` at another tempo."""
        return Timeline(ns_per_beat, self.position_at(at_us), at_us)


def bar_of(position_ub: int) -> int:
    """The song bar that holds a position, from 0."""
    return position_ub // BAR_UB
