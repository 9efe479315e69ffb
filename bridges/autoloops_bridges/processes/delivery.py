"""Hands events to the sinks that they are for, each at its time."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import NamedTuple

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.book import LedgeredSink
from autoloops_bridges.processes.routes import Routes
from autoloops_engine.messages import LATE_BOUNDS_US
from autoloops_engine.player.events import Event
from autoloops_engine.player.outlets import Emission


class _Ready(NamedTuple):
    due_us: int
    key: str
    sink: LedgeredSink
    event: Event


_DUE_US = attrgetter("due_us")


class Delivery:
    """Events wait here, ready, until their sink wants them. Thread: the timing thread only. Blocks: never.

    Attributes:
        sinks: By key; what waits for one that is gone is left out.
        events: How many were handed over.
        late_max_us: How late the latest was.
        late_counts: How many were late by how much, between ``LATE_BOUNDS_US``.

    Args:
        routes: Which port is for which part.
        clock: The monotonic time, in microseconds.
    """

    def __init__(self, routes: Routes, clock: Callable[[], int] = monotonic_us) -> None:
        self.sinks: dict[str, LedgeredSink] = {}
        self.events = 0
        self.late_max_us = 0
        self.late_counts = [0] * (len(LATE_BOUNDS_US) + 1)
        self._routes = routes
        self._clock = clock
        self._ready: list[_Ready] = []

    @property
    def next_due_us(self) -> int | None:
        """When ``deliver`` is to be called next; None: nothing waits."""
        return self._ready[0].due_us if self._ready else None

    def take(self, emissions: Iterable[Emission]) -> None:
        """Keep events until they are due; what is for nobody is left out."""
        for key, event in emissions:
            sink = self.sinks.get(key)
            led = self._routes.led(key, event, event.at_us + (sink.latency_us if sink is not None else 0))
            # Else a port that is gone, or that of another part.
            if sink is not None and led is not None:
                insort(self._ready, _Ready(event.at_us - sink.sink.lead_us, key, sink, led), key=_DUE_US)

    def deliver(self, now_us: int) -> None:
        """Send what is due by ``now_us``, in order of time."""
        count = bisect_right(self._ready, now_us, key=_DUE_US)
        due, self._ready = self._ready[:count], self._ready[count:]
        self._send(due, now_us)

    def deliver_all(self, now_us: int, key: str | None = None) -> None:
        """Send what waits for one sink, or for any, before it is due: nothing will be sent there afterwards."""
        leaving = [ready for ready in self._ready if key in {None, ready.key}]
        self._ready = [ready for ready in self._ready if key not in {None, ready.key}]
        self._send(leaving, now_us)

    def settle(self, now_us: int) -> None:
        """Let the books of all sinks forget what has surely ended."""
        for sink in self.sinks.values():
            sink.settle(now_us)

    def _send(self, ready: Iterable[_Ready], now_us: int) -> None:
        touched: dict[str, LedgeredSink] = {}
        for due_us, key, sink, event in ready:
            # A port that came in the place of another is told no end of what waited for that one, nor its beginning.
            if self.sinks.get(key) is sink:
                sink.send(event, now_us)
                touched[key] = sink
                self._count(due_us)
        for sink in touched.values():
            sink.sink.flush(now_us)

    def _count(self, due_us: int) -> None:
        late_us = self._clock() - due_us
        self.events += 1
        self.late_max_us = max(self.late_max_us, late_us)
        self.late_counts[bisect_right(LATE_BOUNDS_US, late_us)] += 1
