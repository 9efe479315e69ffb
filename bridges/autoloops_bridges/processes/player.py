"""The player process: time, MIDI ports and timed OSC. Started by the launcher; a thin shell around the core.

It loads neither numpy nor onnxruntime, writes no log and collects no garbage while it plays.
"""

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from autoloops_bridges.clock import both_us, monotonic_us
from autoloops_bridges.midi.latency import port_latency_us
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.midi.ports import MidiSink, MidiSource
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_bridges.osc.sink import sinks_for
from autoloops_bridges.processes.birth import Born, be_born
from autoloops_bridges.processes.book import READY_US, LedgeredSink
from autoloops_bridges.processes.delivery import Delivery
from autoloops_bridges.processes.options import SAME
from autoloops_bridges.processes.ports import Ends, News, watch_ports
from autoloops_bridges.processes.realtime import claim_realtime
from autoloops_bridges.processes.routes import MAIN, Routes, Span, is_port, port_key
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.sources import open_source
from autoloops_bridges.processes.timekeeping import BEAT_US, PORTS_PATIENCE_S, SWITCH_INTERVAL_S, is_closed
from autoloops_bridges.processes.waker import Waker
from autoloops_bridges.processes.wire import Wire
from autoloops_engine.messages import (
    AddPart,
    Adopt,
    Ask,
    PlayerStats,
    PortsState,
    Quit,
    SendMidi,
    SetListeners,
    SetPart,
    ToPlayer,
    decode_to_player,
    encode,
)
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Sink
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger
from autoloops_engine.player.outlets import Emission
from autoloops_engine.player.transcript import Transcript
from autoloops_engine.sync.guide import Guide
from autoloops_engine.sync.midi_clock import MidiClock
from autoloops_engine.sync.midi_transport import is_of_clock
from autoloops_engine.units import US_PER_S

_RECORD: Final = "record"


class PlayerProcess:
    """Carries messages between the core, the main process and the ports.

    Thread: the timing thread only; drivers' callbacks only wake it.
    """

    def __init__(self, born: Born) -> None:
        now_us = monotonic_us()
        self._osc = born.sockets["osc"]
        self._life = born.sockets["life"]
        self._wire = Wire(born.sockets["wire"])
        self._waker = Waker()
        self._shared = Shared(Path(born.shared))
        self._player = Player(born.options.tempo_bpm, now_us, born.generation, born.cause)
        source = open_source(born.options, born.generation, now_us, self._waker.wake)
        self._midi_clock = source if isinstance(source, MidiClock) else None
        self._guide = Guide(self._player, source, now_us)
        self._clock = NtpClock(*both_us())
        self._observe_us = now_us + US_PER_S
        self._transcript = Transcript(born.generation)
        self._records = born.options.record
        if self._records:
            self._player.attach(_RECORD, READY_US, now_us, patient=True)
        self._sink: MidiSink | None = None
        self._source: MidiSource | None = None
        self._rig: Mapping[str, Ends] = {}
        self._routes = Routes(
            born.options.outputs,
            born.options.drum_maps,
            [port.name for port in born.options.ports if port.output != NONE],
        )
        self._delivery = Delivery(self._routes)
        self._sinks = self._delivery.sinks
        self._clocks: Sequence[MidiSink | None] = ()
        self._clock_with_notes = SAME in born.options.clock_out
        self._watch = watch_ports(born.options, self._shared.connections, self._waker.wake)
        self._latencies_ms = born.options.latencies_ms
        self._ports = PortsState((), (), ())
        self._torn = 0
        self._leaving = False

    def open_ports(self, remark: str) -> None:
        """Open what the performer asked for; what cannot be had is said in a sentence and is no reason to stop.

        Args:
            remark: Something else to tell the performer at the start.
        """
        self._watch.start(PORTS_PATIENCE_S)
        news = self._watch.take()
        for each in news:
            self._take_ports(each)
        self._tell_ports(*(remark for each in news for remark in each.state.remarks), remark)

    def _tell_ports(self, *remarks: str) -> None:
        self._ports = replace(self._ports, remarks=remarks)
        self._wire.send(encode(self._ports))
        # They are told once; who asks later hears what is, not what was.
        self._ports = replace(self._ports, remarks=())

    def _take_ports(self, news: News) -> None:
        """Swap the ports for those that the watch has now."""
        now_us = monotonic_us()
        if self._sink is not None and self._sink is not news.sink:
            # Nobody is there to hear the ends of what sounds: the notes stay in the book for whatever comes next.
            self._detach(MAIN, now_us)
            self._player.detach_clock(MAIN)
            self._watch.let_go(self._sink)
        if self._source is not None and self._source is not news.source:
            self._watch.let_go(self._source)
        if news.sink is not None and news.sink is not self._sink:
            latency_us = self._latency_us(news.sink)
            self._attach(MAIN, news.sink, NoteLedger(self._shared.ledger), latency_us)
            self._sinks[MAIN].end_left_over(now_us)
            if self._clock_with_notes:
                self._player.attach_clock(MAIN, self._sinks[MAIN].lead_us, now_us)
        self._take_clocks(news.clocks, now_us)
        self._take_rig(news.rig, now_us)
        self._sink, self._source = news.sink, news.source
        self._ports = news.state

    def _take_rig(self, rig: Mapping[str, Ends], now_us: int) -> None:
        """Swap the ports of the rig file, those that parts play to with what sounds there."""
        before, self._rig = self._rig, rig
        for name, ends in rig.items():
            former = before.get(name, Ends(None, None))
            for old, new in zip(former, ends, strict=True):
                if old is not None and old is not new:
                    self._watch.let_go(old)
            if name not in self._routes.ports or ends.sink is former.sink:
                continue
            key = port_key(name)
            if former.sink is not None:
                self._detach(key, now_us)
            self._play_to(name, now_us)

    def _play_to(self, port: str, now_us: int) -> None:
        """Let parts play to a port of the rig file, if it is open."""
        sink, key = self._rig.get(port, Ends(None, None)).sink, port_key(port)
        if sink is not None and key not in self._sinks:
            ledger = self._shared.rig_ledger(self._routes.number(port))
            self._attach(key, sink, NoteLedger(ledger), self._latency_us(sink))
            self._sinks[key].end_left_over(now_us)

    def _lead(self, route: SetPart, now_us: int, *, plays: bool) -> None:
        """Let a part play to the port that it is meant for; ``plays``: it plays to another one meanwhile."""
        if not self._routes.leads(route.part, route.port):
            # What has to be said of it yet is for the port that it played to.
            self._advance(now_us)
            self._play_to(route.port, now_us)
            self._routes.lead(route.part, route.port, self._told(now_us) if plays else None)

    def _told(self, now_us: int) -> Span:
        """How far the ports have been told what is to be heard."""
        ahead_us = [sink.ahead_us for key, sink in self._sinks.items() if is_port(key)]
        # A port that was just attached hears what begins after that moment.
        return Span(now_us + min([0, *ahead_us]), monotonic_us() + max([0, *ahead_us]))

    def _take_clocks(self, clocks: Sequence[MidiSink | None], now_us: int) -> None:
        """Swap the ports that are led by clock alone."""
        for number, (old, new) in enumerate(zip_longest(self._clocks, clocks), 1):
            key = f"clock {number}"
            if old is not None and old is not new:
                del self._sinks[key]
                self._player.detach_clock(key)
                self._watch.let_go(old)
            if new is not None and old is not new:
                # Clocks need no book: nothing of them goes on sounding.
                self._sinks[key] = LedgeredSink(new, NoteLedger(bytearray(LEDGER_SIZE)))
                self._player.attach_clock(key, self._sinks[key].lead_us, now_us)
        self._clocks = clocks

    def run(self) -> None:
        """Play until told to leave or until the life line closes; then end every note."""
        while not self._leaving:
            now_us = monotonic_us()
            self._shared.beat("player", now_us)
            self._advance(now_us)
            self._delivery.settle(now_us)
            self._report(now_us)
            self._wait(now_us + BEAT_US)
        self._handle(Quit(), monotonic_us())
        self._advance(monotonic_us())
        self._delivery.deliver_all(monotonic_us())
        self._guide.close()
        self._watch.close()
        self._delivery.settle(sys.maxsize)

    def _wait(self, until_us: int) -> None:
        dues_us = (self._guide.next_deadline_us(), self._delivery.next_due_us)
        deadline_us = min([until_us, *(due_us for due_us in dues_us if due_us is not None)])
        writers = [self._wire] if self._wire.waiting else []
        timeout_s = max(0, deadline_us - monotonic_us()) / US_PER_S
        readers: list[Wire | Waker | socket.socket] = [self._wire, self._waker, self._life]
        readable, writable, _ = select.select(readers, writers, [], timeout_s)
        if not readable and not writable:
            return
        now_us = monotonic_us()
        self._advance(now_us)
        if self._life in readable:
            self._leaving = is_closed(self._life)
        if self._waker in readable:
            self._waker.drain()
            self._pass_on_midi()
            for news in self._watch.take():
                self._take_ports(news)
                self._tell_ports(*news.state.remarks)
        self._wire.flush()
        for line in self._wire.receive():
            message = decode_to_player(line)
            if message is None:
                self._torn += 1
            else:
                self._handle(message, now_us)

    def _handle(self, message: ToPlayer, now_us: int) -> None:
        if isinstance(message, SetListeners):
            self._set_listeners(message, now_us)
        elif isinstance(message, SendMidi):
            ends = self._rig.get(message.port)
            if ends is not None and ends.sink is not None:
                ends.sink.send_raw(message.data)
        elif isinstance(message, SetPart):
            self._lead(message, now_us, plays=True)
        elif isinstance(message, AddPart):
            self._lead(message.route, now_us, plays=False)
        elif isinstance(message, Adopt):
            for route in message.parts:
                self._lead(route, now_us, plays=False)
        elif isinstance(message, Ask):
            self._wire.send(encode(self._ports))
            self._wire.send(encode(self._transcript.again()))
        elif isinstance(message, Quit):
            self._leaving = True
        self._guide.handle(message, now_us)

    def _advance(self, now_us: int) -> None:
        # What is ready leaves before anything is got ready.
        self._delivery.deliver(now_us)
        self._emit(self._guide.advance(now_us))
        self._delivery.deliver(monotonic_us())
        self._emit(self._player.catch_up())
        for message in self._guide.take_messages():
            self._wire.send(encode(message))
        sounded = self._transcript.take()
        if sounded is not None:
            self._wire.send(encode(sounded))

    def _emit(self, emissions: Sequence[Emission]) -> None:
        self._delivery.take([each for each in emissions if each[0] != _RECORD])
        for key, event in emissions:
            if key == _RECORD:
                self._transcript.add(event)

    def _set_listeners(self, message: SetListeners, now_us: int) -> None:
        groups = {f"osc {sink.lead_us}": sink for sink in sinks_for(message.listeners, self._osc, self._clock)}
        for key in [key for key in self._sinks if key.startswith("osc") and key not in groups]:
            self._player.detach(key, now_us)
            self._emit(self._player.advance(now_us))
            self._delivery.deliver_all(now_us, key)
            del self._sinks[key]
            self._lead_record()
        for key, sink in groups.items():
            if key in self._sinks:
                # The same look-ahead with other receivers: what they hear goes on.
                self._sinks[key].sink = sink
            else:
                # What OSC receivers were told of ends by itself: nothing of it has to outlive this process.
                self._attach(key, sink, NoteLedger(bytearray(LEDGER_SIZE)))

    def _latency_us(self, sink: MidiSink) -> int:
        return port_latency_us((sink.name, sink.again, *sink.cables), self._latencies_ms)

    def _attach(self, key: str, sink: Sink, ledger: NoteLedger, latency_us: int = 0) -> None:
        self._sinks[key] = LedgeredSink(sink, ledger, latency_us)
        self._player.attach(key, self._sinks[key].lead_us, monotonic_us(), latency_us)
        self._lead_record()

    def _detach(self, key: str, now_us: int) -> None:
        """Serve a port no more that nobody hears."""
        del self._sinks[key]
        self._player.detach(key, now_us)
        self._lead_record()

    def _lead_record(self) -> None:
        """What comes too late for the ports comes too late for the record; without ports, for those who listen."""
        if self._records:
            ports_us = [sink.ahead_us for key, sink in self._sinks.items() if is_port(key)]
            listeners_us = [sink.ahead_us for key, sink in self._sinks.items() if key.startswith("osc")]
            self._player.set_lead(_RECORD, max(ports_us or listeners_us, default=READY_US))

    def _pass_on_midi(self) -> None:
        if self._source is not None:
            for message in self._source.read():
                if self._midi_clock is not None:
                    self._midi_clock.feed(message.data, message.at_us)
                    if is_of_clock(message.data):
                        # Main would only do again what the clock does here.
                        continue
                self._wire.send(encode(message))
        for name, ends in self._rig.items():
            for message in ends.source.read() if ends.source is not None else ():
                self._wire.send(encode(replace(message, port=name)))

    def _report(self, now_us: int) -> None:
        if now_us < self._observe_us:
            return
        self._observe_us = now_us + US_PER_S
        if self._watch.is_stuck(now_us):
            # The successor, which the parent starts at once, ends the notes and opens the ports anew.
            os._exit(1)
        self._clock.observe(*both_us())
        player, delivery = self._player, self._delivery
        stats = PlayerStats(
            delivery.events,
            delivery.late_max_us,
            tuple(delivery.late_counts),
            player.fallbacks,
            player.dropped + self._wire.dropped + self._torn,
            player.bars,
        )
        self._wire.send(encode(stats))


def main() -> int:
    """Run the player process; the launcher's child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    born = be_born()
    born.sockets["life"].setblocking(False)
    process = PlayerProcess(born)
    process.open_ports(claim_realtime().remark)
    gc.collect()
    gc.freeze()
    gc.disable()
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
