"""The line between time and musical position: straight, or bending from one tempo to another.

Position is never "elapsed time times tempo": it is a line through one known point, and a change of tempo is another
line through the point of the change (as in Ableton Link, ``Timeline.hpp``), so nothing accumulates. A ramp is one line
too: from its known point on the tempo in beats per minute changes evenly with the beats, as a straight tempo curve of a
sequencer does, and after so many beats the line is straight again.
"""

import math
from typing import Final, Protocol

from msgspec import Struct

from autoloops_engine.units import BAR_UB, NS_PER_S, NS_PER_US, UB_PER_BEAT

# Microseconds times this, over nanoseconds in a beat, are micro-beats.
_NS_UB: Final = NS_PER_US * UB_PER_BEAT


class Line(Protocol):
    """Whatever turns times into positions and back; neither ever goes backwards."""

    def position_at(self, time_us: int) -> int:
        """The position reached at ``time_us``, in micro-beats, rounded down."""

    def time_of(self, position_ub: int) -> int:
        """When ``position_ub`` is reached, rounded up: ``position_at(time_of(p)) >= p``."""


class Timeline(Struct, frozen=True):
    """A tempo, one point on its line, and perhaps another tempo that it bends to from there.

    Attributes:
        ns_per_beat: Nanoseconds in a beat, above 0: fine enough for a tempo to be exact for hours.
        position_ub: The known position, in micro-beats from the start of bar 1.
        time_us: The monotonic time of that position.
        ramp_ub: For so many micro-beats after the known point the tempo changes; 0: it stays.
        to_ns_per_beat: The tempo after the ramp, in nanoseconds a beat.
    """

    ns_per_beat: int
    position_ub: int
    time_us: int
    ramp_ub: int = 0
    to_ns_per_beat: int = 0

    @property
    def goal_ns_per_beat(self) -> int:
        """The tempo in the end, in nanoseconds a beat."""
        return self.to_ns_per_beat if self.ramp_ub else self.ns_per_beat

    @property
    def tempo_bpm(self) -> float:
        """The tempo, in beats per minute."""
        return 60 * NS_PER_S / self.ns_per_beat

    def position_at(self, time_us: int) -> int:
        """The position reached at ``time_us``, in micro-beats, rounded down."""
        since_us = time_us - self.time_us
        if not self.ramp_ub or since_us <= 0:
            return self.position_ub + since_us * _NS_UB // self.ns_per_beat
        behind_ns = since_us * NS_PER_US - self._ramp_ns()
        if behind_ns >= 0:
            return self.position_ub + self.ramp_ub + behind_ns * UB_PER_BEAT // self.to_ns_per_beat
        # The formula is good to a fraction of a micro-beat; what counts is that it inverts ``time_of``.
        moved_ub = min(self.ramp_ub, math.floor(self._bent_ub(since_us)))
        while self._bent_us(moved_ub) > since_us:
            moved_ub -= 1
        while self._bent_us(moved_ub + 1) <= since_us:
            moved_ub += 1
        return self.position_ub + moved_ub

    def time_of(self, position_ub: int) -> int:
        """When ``position_ub`` is reached, rounded up: ``position_at(time_of(p)) >= p``."""
        behind_ub = self.position_ub - position_ub
        if not self.ramp_ub or behind_ub >= 0:
            return self.time_us - behind_ub * self.ns_per_beat // _NS_UB
        return self.time_us + self._bent_us(-behind_ub)

    def ns_per_beat_at(self, position_ub: int) -> int:
        """The tempo at a position, in nanoseconds a beat."""
        moved_ub = position_ub - self.position_ub
        if not self.ramp_ub or moved_ub <= 0:
            return self.ns_per_beat
        if moved_ub >= self.ramp_ub:
            return self.to_ns_per_beat
        # Frequencies are what changes evenly: 1/p = 1/a + (1/b - 1/a) x.
        a_ns, b_ns = self.ns_per_beat, self.to_ns_per_beat
        return a_ns * b_ns * self.ramp_ub // (b_ns * self.ramp_ub + (a_ns - b_ns) * moved_ub)

    def with_tempo(self, ns_per_beat: int, at_us: int) -> "Timeline":
        """The line through the position of ``at_us`` at another tempo; a ramp ends there."""
        return Timeline(ns_per_beat, self.position_at(at_us), at_us)

    def with_ramp(self, ns_per_beat: int, ramp_ub: int, at_us: int) -> "Timeline":
        """The line that bends from the position of ``at_us`` on to reach a tempo ``ramp_ub`` micro-beats later."""
        position_ub = self.position_at(at_us)
        present_ns = self.ns_per_beat_at(position_ub)
        if ramp_ub == 0 or present_ns == ns_per_beat:
            return Timeline(ns_per_beat, position_ub, at_us)
        return Timeline(present_ns, position_ub, at_us, ramp_ub, ns_per_beat)

    def moved(self, at_us: int, position_ub: int, time_us: int) -> "Timeline":
        """The line that goes on from another point as this one would from ``at_us`` on, with what is left of a ramp."""
        reached_ub = self.position_at(at_us)
        present_ns = self.ns_per_beat_at(reached_ub)
        left_ub = min(self.ramp_ub, self.position_ub + self.ramp_ub - reached_ub)
        if left_ub <= 0 or present_ns == self.to_ns_per_beat:
            return Timeline(present_ns, position_ub, time_us)
        return Timeline(present_ns, position_ub, time_us, left_ub, self.to_ns_per_beat)

    def _ramp_ns(self) -> int:
        """How long the whole ramp takes."""
        return round(self._bent_ns(self.ramp_ub))

    def _bent_us(self, moved_ub: int) -> int:
        """How long it takes to get ``moved_ub`` (from 0) beyond the known point, rounded up."""
        if moved_ub < self.ramp_ub:
            return math.ceil(self._bent_ns(moved_ub) / NS_PER_US)
        behind_ns_ub = (moved_ub - self.ramp_ub) * self.to_ns_per_beat
        return -((-self._ramp_ns() * UB_PER_BEAT - behind_ns_ub) // _NS_UB)

    def _bent_ns(self, moved_ub: int) -> float:
        """The integral of the period over the beats: with frequencies 1/p even in beats, a logarithm."""
        a_ns, b_ns = self.ns_per_beat, self.to_ns_per_beat
        steepness = (a_ns - b_ns) / b_ns
        return self.ramp_ub / UB_PER_BEAT * a_ns * math.log1p(steepness * moved_ub / self.ramp_ub) / steepness

    def _bent_ub(self, since_us: int) -> float:
        """The inverse of ``_bent_ns``, from microseconds."""
        steepness = (self.ns_per_beat - self.to_ns_per_beat) / self.to_ns_per_beat
        beats = since_us * NS_PER_US / self.ns_per_beat
        return self.ramp_ub * math.expm1(steepness * beats * UB_PER_BEAT / self.ramp_ub) / steepness


def bar_of(position_ub: int) -> int:
    """The song bar that holds a position, from 0."""
    return position_ub // BAR_UB
