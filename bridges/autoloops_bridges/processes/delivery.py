"""Hands events to the sinks that they are for, each at its time."""

import select
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.book import LedgeredSink
from autoloops_bridges.processes.routes import Routes
from autoloops_engine.messages import LATE_BOUNDS_US
from autoloops_engine.player.events import Event
from autoloops_engine.player.outlets import Emission
from autoloops_engine.units import US_PER_S


class _Due(NamedTuple):
    at_us: int
    key: str
    sink: LedgeredSink
    event: Event


def _pause(us: int) -> None:
    select.select([], [], [], us / US_PER_S)


class Delivery:
    """Thread: the timing thread only. Blocks: until the last event is due, ``READY_US`` at most.

    Attributes:
        sinks: By key.
        events: How many were handed over.
        late_max_us: How late the latest was.
        late_counts: How many were late by how much, between ``LATE_BOUNDS_US``.

    Args:
        routes: Which port is for which part.
        clock: The monotonic time, in microseconds.
        pause: Waits for so many microseconds.
    """

    def __init__(
        self, routes: Routes, clock: Callable[[], int] = monotonic_us, pause: Callable[[int], None] = _pause
    ) -> None:
        self.sinks: dict[str, LedgeredSink] = {}
        self.events = 0
        self.late_max_us = 0
        self.late_counts = [0] * (len(LATE_BOUNDS_US) + 1)
        self._routes = routes
        self._clock = clock
        self._pause = pause

    def hand_over(self, emissions: Iterable[Emission], now_us: int) -> None:
        """Send each event to the sink of its key, when that one wants it; what is for nobody is left out."""
        touched: dict[str, LedgeredSink] = {}
        # Whatever is due already does not wait for what is not.
        for due in sorted(self._due(emissions), key=lambda due: due.at_us):
            early_us = due.at_us - self._clock()
            if early_us > 0:
                self._flush(touched, now_us)
                touched = {}
                self._pause(early_us)
            due.sink.send(due.event, now_us)
            touched[due.key] = due.sink
            self._count(due.at_us)
        self._flush(touched, now_us)

    def settle(self, now_us: int) -> None:
        """Let the books of all sinks forget what has surely ended."""
        for sink in self.sinks.values():
            sink.settle(now_us)

    def _due(self, emissions: Iterable[Emission]) -> Iterable[_Due]:
        for key, event in emissions:
            sink = self.sinks.get(key)
            led = self._routes.led(key, event, event.at_us + (sink.latency_us if sink is not None else 0))
            # Else a port that is gone, or that of another part.
            if sink is not None and led is not None:
                yield _Due(event.at_us - sink.sink.lead_us, key, sink, led)

    def _flush(self, touched: dict[str, LedgeredSink], now_us: int) -> None:
        for sink in touched.values():
            sink.sink.flush(now_us)

    def _count(self, due_us: int) -> None:
        late_us = self._clock() - due_us
        self.events += 1
        self.late_max_us = max(self.late_max_us, late_us)
        self.late_counts[bisect_right(LATE_BOUNDS_US, late_us)] += 1
