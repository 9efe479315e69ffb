"""A rerun on whatever port there is. Takes the time; the port is the only thing that it touches."""

from collections.abc import Callable
from typing import Final

from autoloops_bridges.processes.book import LedgeredSink
from autoloops_bridges.record.rerun import Rerun
from autoloops_engine.player.events import Kind
from autoloops_engine.units import US_PER_MS

# From here on a note counts as late.
LATE_US: Final = US_PER_MS


class Playback:
    """Thread: the timing thread only. Blocks: never.

    Args:
        rerun: What is to be heard.
        clock: The monotonic time in microseconds, for how late something really left.
    """

    def __init__(self, rerun: Rerun, clock: Callable[[], int]) -> None:
        self._rerun = rerun
        self._clock = clock
        self._sink: LedgeredSink | None = None
        self._latency_us = 0
        self._played = 0
        self._late = 0
        self._late_max_us = 0
        self._unheard = 0

    def attach(self, sink: LedgeredSink | None, latency_us: int = 0) -> None:
        """Play to this port from now on, or to none.

        Args:
            sink: The port with its book of sounding notes.
            latency_us: How long after it was sent something sounds there.
        """
        self._sink, self._latency_us = sink, latency_us

    def advance(self, now_us: int) -> None:
        """Send what is due."""
        sink = self._sink
        for event in self._rerun.due(now_us, self._ahead_us()):
            if sink is None:
                self._unheard += event.kind is Kind.ON
                continue
            sent = event._replace(at_us=event.at_us - self._latency_us)
            sink.send(sent, now_us)
            if event.kind is Kind.ON:
                late_us = self._clock() + sink.sink.lead_us - sent.at_us
                self._played += 1
                self._late += late_us > LATE_US
                self._late_max_us = max(self._late_max_us, late_us)
        if sink is not None:
            sink.sink.flush(now_us)
            sink.settle(now_us)

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to do; None: everything was sent."""
        next_us = self._rerun.next_us()
        return None if next_us is None else next_us - self._ahead_us()

    def end(self, now_us: int) -> None:
        """End every note at once."""
        if self._sink is not None:
            # What was handed over ahead of its time is to begin before it ends.
            self._sink.end_all(now_us + self._sink.sink.lead_us, now_us)

    def told(self) -> str:
        """One line on how it went."""
        latest_ms = max(0, self._late_max_us) / US_PER_MS
        late = f"{self._late} of them over {LATE_US // US_PER_MS} ms late (at most {latest_ms:.1f} ms)"
        lines = [f"Notes played: {self._played}, {late}."]
        if self._unheard:
            lines.append(f"Found no port: {self._unheard}.")
        if self._rerun.left_out:
            lines.append(f"Left out, being far too late: {self._rerun.left_out}.")
        return " ".join(lines)

    def _ahead_us(self) -> int:
        return self._latency_us + (self._sink.sink.lead_us if self._sink is not None else 0)
