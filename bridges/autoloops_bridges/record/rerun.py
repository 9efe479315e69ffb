"""What sounded in a session, on its way out a second time. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from autoloops_engine.messages import Heard
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.units import US_PER_MS

# A note that would begin so late (a laptop that slept) is left out: a heap of notes at once is no music.
TOO_LATE_US: Final = 200 * US_PER_MS
_NOTES: Final = {int(Kind.ON): Kind.ON, int(Kind.OFF): Kind.OFF}


class Rerun:
    """Every note at its distance from the first event of the record.

    Attributes:
        left_out: How many notes would have begun too late.
        beats: How many beats have begun.

    Args:
        heard: What sounded, by time; at least one event.
        begins_us: When the first event is to be heard.
        now_us: What was to be heard before is over: somebody else has played it.
    """

    def __init__(self, heard: Sequence[Heard], begins_us: int, now_us: int) -> None:
        self.left_out = 0
        self._heard = heard
        self._shift_us = begins_us - heard[0].at_us
        self._next = bisect_left(heard, now_us - self._shift_us, key=lambda event: event.at_us)
        self.beats = sum(event.kind == Kind.BEAT for event in heard[: self._next])

    @property
    def end_us(self) -> int:
        """When the last event is to be heard."""
        return self._heard[-1].at_us + self._shift_us

    def due(self, now_us: int, ahead_us: int) -> list[Event]:
        """The notes and ends that are to be heard up to ``ahead_us`` from ``now_us``, once each, in order."""
        events = []
        while (next_us := self.next_us()) is not None and next_us <= now_us + ahead_us:
            heard = self._heard[self._next]
            self._next += 1
            self.beats += heard.kind == Kind.BEAT
            kind = _NOTES.get(heard.kind)
            if kind is Kind.ON and next_us + TOO_LATE_US < now_us:
                self.left_out += 1
            elif kind is not None:
                events.append(Event(next_us, kind, heard.part, heard.channel, heard.number, heard.velocity))
        return events

    def next_us(self) -> int | None:
        """When the next event is to be heard; None: that was all."""
        return self._heard[self._next].at_us + self._shift_us if self._next < len(self._heard) else None
