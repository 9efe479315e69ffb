"""A sink that keeps book of its sounding notes."""

from typing import Final

from autoloops_engine.player.events import Event, Kind, Sink
from autoloops_engine.player.ledger import NoteLedger
from autoloops_engine.units import US_PER_MS

# A note-off that was handed over may still wait for its frame in this process: for so long after its time the note
# stays in the book, and dying meanwhile costs a second note-off instead of a hanging note.
_SURE_US: Final = 50 * US_PER_MS
_CALM_US: Final = 50 * US_PER_MS
# A sink that wants its events at their very time is given them from so early on: what it takes to get them ready, on a
# machine that has other things to do, is over by then.
READY_US: Final = 2 * US_PER_MS


class LedgeredSink:
    """A sink with its book of sounding notes: written before a note-on leaves, and after a note-off surely left.

    Args:
        sink: Where events go.
        ledger: The book; it may name notes of a process that died.
        latency_us: How long after it was sent an event is heard there; negative: it is to be held back.
    """

    def __init__(self, sink: Sink, ledger: NoteLedger, latency_us: int = 0) -> None:
        self.sink: Sink = sink
        self.latency_us = latency_us
        self._ledger = ledger
        self._leaving: dict[tuple[int, int], int] = {}

    @property
    def lead_us(self) -> int:
        """How long before it is to be sent an event is to be ready."""
        return max(self.sink.lead_us, READY_US)

    @property
    def ahead_us(self) -> int:
        """How long before it is to be heard an event is to be ready; negative: after."""
        return self.lead_us + self.latency_us

    def send(self, event: Event, now_us: int) -> None:
        """Hand one event over."""
        key = event.channel, event.number
        if event.kind is Kind.ON:
            self._leaving.pop(key, None)
            self._ledger.on(*key)
        self.sink.send(event, now_us)
        if event.kind is Kind.OFF:
            self._leaving[key] = max(event.at_us, now_us) + self.sink.lead_us + _SURE_US

    def settle(self, now_us: int) -> None:
        """Take the notes out of the book whose ends have surely left."""
        for key in [key for key, left_us in self._leaving.items() if left_us <= now_us]:
            del self._leaving[key]
            self._ledger.off(*key)

    def end_left_over(self, now_us: int) -> None:
        """End every note in the book: an earlier player, or a port that is gone, left it sounding."""
        # A server that cuts time into periods drops some when a client comes, and connects from a later one on.
        self.end_all(now_us + 2 * self.sink.lead_us + _CALM_US if self.sink.lead_us else now_us, now_us)

    def end_all(self, at_us: int, now_us: int) -> None:
        """End every note in the book at ``at_us``."""
        for channel, pitch in self._ledger.sounding():
            self.send(Event(at_us, Kind.OFF, "", channel, pitch, early=True), now_us)
        self.sink.flush(now_us)
