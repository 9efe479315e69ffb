"""The process that plays a record in real time, in the player's place. Started by the launcher; a thin shell.

It has the player's ports, book of notes and priority. Where it began is kept in the shared memory, so that its
successor, should it die, goes on where the music is by then.
"""

import gc
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.latency import port_latency_us
from autoloops_bridges.midi.names import VIRTUAL
from autoloops_bridges.midi.ports import MidiSink
from autoloops_bridges.processes.birth import Born, be_born
from autoloops_bridges.processes.book import LedgeredSink
from autoloops_bridges.processes.options import Replay
from autoloops_bridges.processes.playback import Playback
from autoloops_bridges.processes.ports import News, watch_ports
from autoloops_bridges.processes.realtime import claim_realtime
from autoloops_bridges.processes.report import Printer
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.timekeeping import BEAT_US, PORTS_PATIENCE_S, SWITCH_INTERVAL_S, is_closed
from autoloops_bridges.processes.waker import Waker
from autoloops_bridges.record.excerpt import excerpt
from autoloops_bridges.record.lines import heard_in, read_lines
from autoloops_bridges.record.rerun import Rerun
from autoloops_engine.player.ledger import NoteLedger
from autoloops_engine.units import BEATS_PER_BAR, US_PER_MS, US_PER_S

# A server that cuts time into periods drops some when a client comes, and what was handed over last has to leave.
_CALM_US: Final = 300 * US_PER_MS
_PRINT_S: Final = 0.5


class ReplayProcess:
    """Carries events from the record to the port. Thread: the timing thread only."""

    def __init__(self, born: Born, replay: Replay) -> None:
        self._born = born
        self._replay = replay
        self._life = born.sockets["life"]
        self._life.setblocking(False)
        self._waker = Waker()
        self._shared = Shared(Path(born.shared))
        self._ledger = NoteLedger(self._shared.ledger)
        self._watch = watch_ports(born.options, self._shared.connections, self._waker.wake)
        self._sink: MidiSink | None = None
        self._sent: LedgeredSink | None = None
        self._playback: Playback | None = None
        self._printer = Printer()
        self._told_bars = 0
        self._leaving = False

    def open_port(self) -> bool:
        """Open the port and end what a former process left sounding there; False when there is no such port."""
        self._watch.start(PORTS_PATIENCE_S)
        remarks = self._take_news()
        if self._sink is None and remarks and not self._born.generation:
            self._watch.close()
            sys.stderr.write(f"autoloops: {' '.join(remarks)}\n")
            return False
        for remark in remarks:
            self._printer.line(remark)
        if self._sink is not None and not self._born.generation:
            self._printer.line(f"MIDI out: {self._sink.name}.")
        return True

    def run(self) -> None:
        """Play to the end, or until the life line closes; then no note sounds any more."""
        heard = excerpt(heard_in(read_lines(Path(self._replay.record))), self._replay.first_bar, self._replay.bars)
        self._printer.line(claim_realtime().remark)
        gc.collect()
        gc.freeze()
        gc.disable()
        begins_us = self._begin()
        rerun = Rerun(heard, begins_us, monotonic_us())
        self._playback = playback = Playback(rerun, monotonic_us)
        playback.attach(self._sent, self._latency_us())
        while not self._leaving:
            now_us = monotonic_us()
            playback.advance(now_us)
            self._tell_bar(rerun.beats, now_us - begins_us)
            due_us = playback.next_deadline_us()
            if due_us is None and now_us > rerun.end_us + _CALM_US:
                break
            self._wait(now_us + BEAT_US if due_us is None else min(due_us, now_us + BEAT_US))
        playback.end(monotonic_us())
        self._watch.close()
        if self._sent is not None:
            self._sent.settle(sys.maxsize)
        # The parent may be gone, and nobody looks for the memory of this replay again.
        self._shared.end()
        self._printer.line(playback.told())
        self._printer.close(_PRINT_S)

    def _tell_bar(self, beats: int, since_us: int) -> None:
        if beats <= self._told_bars * BEATS_PER_BAR:
            return
        self._told_bars = -(-beats // BEATS_PER_BAR)
        minutes, seconds = divmod(max(0, since_us) // US_PER_S, 60)
        self._printer.line(f"bar {self._replay.first_bar - 1 + self._told_bars:4}  {minutes}:{seconds:02}")

    def _begin(self) -> int:
        """When the first event is to be heard: when a port of our own is connected, or the patience for that is over.

        JACK alone tells of connections. The successor of a process that had begun asks nobody.
        """
        began = self._shared.session.read()
        if began:
            return int(began)
        patient_until_us = monotonic_us() + round(self._replay.wait_s * US_PER_S)
        waits = self._born.options.midi_out == VIRTUAL and self._replay.wait_s > 0
        if waits:
            patience = f"it begins then, or in {self._replay.wait_s:g} s"
            self._printer.line(f"Connect {self._name()} to what is to sound: {patience}.")
        while waits and not self._leaving and monotonic_us() < patient_until_us:
            if self._sink is not None and self._sink.joined:
                break
            self._wait(min(patient_until_us, monotonic_us() + BEAT_US))
        lead_us = self._sink.lead_us if self._sink is not None else 0
        begins_us = monotonic_us() + _CALM_US + max(0, lead_us + self._latency_us())
        self._shared.session.write(str(begins_us).encode())
        return begins_us

    def _wait(self, until_us: int) -> None:
        self._shared.beat("player", monotonic_us())
        timeout_s = max(0, until_us - monotonic_us()) / US_PER_S
        readers: list[Waker | socket.socket] = [self._waker, self._life]
        readable, _, _ = select.select(readers, [], [], timeout_s)
        if self._life in readable:
            self._leaving = is_closed(self._life)
        if self._waker in readable:
            self._waker.drain()
            for remark in self._take_news():
                self._printer.line(remark)
        if self._watch.is_stuck(monotonic_us()):
            # The successor, which the parent starts at once, ends the notes and opens the port anew.
            os._exit(1)

    def _take_news(self) -> list[str]:
        remarks: list[str] = []
        for news in self._watch.take():
            self._take_port(news)
            remarks += news.state.remarks
        return remarks

    def _take_port(self, news: News) -> None:
        if news.sink is self._sink:
            return
        if self._sink is not None:
            # What sounds stays in the book for the port that comes next.
            self._watch.let_go(self._sink)
        self._sink = news.sink
        self._sent = None if news.sink is None else LedgeredSink(news.sink, self._ledger)
        if self._sent is not None:
            self._sent.end_left_over(monotonic_us())
        if self._playback is not None:
            self._playback.attach(self._sent, self._latency_us())

    def _latency_us(self) -> int:
        sink = self._sink
        if sink is None:
            return 0
        return port_latency_us((sink.name, sink.again, *sink.cables), self._born.options.latencies_ms)

    def _name(self) -> str:
        return "the port" if self._sink is None else self._sink.name


def main() -> int:
    """Play the record that the launcher names; its child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    born = be_born()
    assert born.options.replay is not None
    process = ReplayProcess(born, born.options.replay)
    if not process.open_port():
        return 1
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
