"""The main process: OSC in, session, inference. Started by the launcher; a thin shell around the cores."""

import gc
import secrets
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import structs

from autoloops_bridges.clock import both_us, monotonic_us, wall_us
from autoloops_bridges.control.console import Console
from autoloops_bridges.control.learn import Status
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_bridges.processes.birth import Born, be_born
from autoloops_bridges.processes.controllers import Controllers
from autoloops_bridges.processes.datagrams import DatagramPort
from autoloops_bridges.processes.diary import Diary
from autoloops_bridges.processes.eventlog import EventLog, default_log_path
from autoloops_bridges.processes.last_session import LastSessionFile, last_session_path
from autoloops_bridges.processes.left import Left, read_left, read_noted
from autoloops_bridges.processes.lifeline import heard
from autoloops_bridges.processes.newcomers import NewcomerSurface
from autoloops_bridges.processes.parts import LoadedPart
from autoloops_bridges.processes.past_book import PastBook
from autoloops_bridges.processes.resuming import resume
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.stats import Named, Stats, flat
from autoloops_bridges.processes.succession import Keeper, left_by, load_models
from autoloops_bridges.processes.thinking import Reports, Thinking
from autoloops_bridges.processes.waker import Waker
from autoloops_bridges.processes.wire import Wire
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.archive import Archive
from autoloops_bridges.record.lines import Done
from autoloops_bridges.view.scene import Scene
from autoloops_bridges.view.views import View, open_view
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import (
    Ask,
    EndAfter,
    Ended,
    FromPlayer,
    Frozen,
    Hello,
    MidiIn,
    PlayerStats,
    PortsState,
    SetListeners,
    TransportState,
    decode_from_player,
    encode,
)
from autoloops_engine.session.core import Session
from autoloops_engine.session.surface import Surface, Target
from autoloops_engine.units import US_PER_MS, US_PER_S

# The models are loaded long before; should the player not answer, the show goes on without its ports' names.
_PORTS_PATIENCE_US: Final = 1_500_000
# The parent takes a main process that is silent for 1 s for hung.
_BEAT_US: Final = 250 * US_PER_MS


class MainProcess:
    """Carries messages between the session, the player, what thinks and OSC.

    Thread: the process's main one; others only wake it.
    """

    def __init__(self, born: Born, parts: list[LoadedPart]) -> None:
        now_us = monotonic_us()
        names, channels = [part.setup.name for part in parts], {part.setup.name: part.setup.channel for part in parts}
        self._options = structs.replace(born.options, parts=tuple(names), channels=channels)
        self._osc = DatagramPort(born.sockets["osc"])
        self._life = born.sockets["life"]
        self._wire = Wire(born.sockets["wire"])
        self._waker = Waker()
        assert born.options.seed is not None
        self._generation, self._cause = born.generation, born.cause
        self._shared = Shared(Path(born.shared))
        setups = [part.setup for part in parts]
        self._session = Session(setups, born.options.seed, born.options.tempo_bpm, born.generation)
        reports = Reports(self._decoded, self._failed, self._told, self._joined, self._done)
        self._thinking = Thinking(self._session, parts, reports, self._waker.wake)
        self._clock = NtpClock(*both_us())
        self._observe_us = now_us + US_PER_S
        static = [(address.host, address.port) for address in born.options.osc_send]
        self._stats = Stats(now_us)
        self._stats.restarts = born.generation
        self._log = EventLog(default_log_path(), wall_us)
        self._diary = Diary(self._log)
        self._view = self._open_view()
        self._midi_port = ""
        osc, midi = self._surface(self._osc_client), self._surface(lambda: self._midi_port)
        self._controllers = Controllers(self._options, midi, self._tell_learning)
        console = Console(osc, self._controllers.learner, self._controllers.touched)
        self._edge = OscEdge(console, self._clock, static, lambda: flat(self._figures()))
        self._greet_by_us = now_us + _PORTS_PATIENCE_US if born.generation == 0 else None
        self._keeper = Keeper(self._shared, self._leave)
        self._changed, self._kept_rig = False, ""
        self._past = PastBook(self._shared.past)
        left = read_left(self._shared) if born.generation > 0 else None
        self._left = left
        self._performance = left.performance if left is not None else secrets.token_hex(8)
        self._last = LastSessionFile(last_session_path(), self._shared.path, lambda: self._keeper.kept)
        record = Path(left.record) if left is not None and left.record else None
        self._archive = Archive(born.options, self._session, record, wall_us())
        self._start_unless_playing = False
        self._torn = 0
        self._ended = False

    def _surface(self, source: Callable[[], str]) -> Surface:
        """What a controller is to act on; ``source`` says which one acts at this moment."""
        ports = self._options.ports
        return NewcomerSurface(self._view.surface(source), ports, lambda: self._controllers.written_parts)

    def _open_view(self) -> View:
        osc, budget = self._osc.address, self._thinking.budget
        return open_view(Scene(self._options, osc, self._session, self._stats, budget, self._listening))

    def _tell_learning(self, status: Status) -> None:
        self._edge.tell("/al/learn/status", status.state.value, status.address, status.control, status.text)
        self._view.line(f"{' '.join(('Learning', status.address)).rstrip()}: {status.text}")

    def _decoded(self, decode_us: int) -> None:
        self._stats.decoded(decode_us)
        self._view.decoded(decode_us)

    def _failed(self, address: str, reason: str) -> None:
        if address:
            self._edge.fail(address, reason, monotonic_us())
        self._view.line(reason)
        self._diary.failed(reason)

    def _told(self, text: str) -> None:
        self._view.line(text)

    def _joined(self, part: str, now_us: int) -> None:
        for remark in self._controllers.joined(part, now_us):
            self._view.line(remark)

    def _done(self, done: Done) -> None:
        self._archive.add(done)
        self._changed = True

    def _listening(self) -> int:
        return len(self._edge.listeners())

    def _osc_client(self) -> str:
        host, port = self._edge.client
        return f"{host}:{port}"

    def run(self) -> None:
        """Work until the life line closes or the bars asked for have sounded."""
        try:
            self._run()
        except Exception:
            self._diary.failed(traceback.format_exc())
            raise
        finally:
            self._diary.ended(self._figures())
            self._archive.close()
            self._last.close(patience_s=1.0)
            self._log.close(patience_s=1.0)
            self._view.close(patience_s=1.0)

    def _run(self) -> None:
        self._thinking.start()
        self._diary.started(self._options, self._osc.address, self._thinking.budget.total_us, self._generation)
        self._archive.opened(self._options, self._thinking.parts, self._generation, monotonic_us(), wall_us())
        self._take_up()
        while not self._ended:
            self._work(monotonic_us())
            self._wait()
        self._changed = True
        self._keep(monotonic_us())
        self._thinking.stop()

    def _take_up(self) -> None:
        """Begin the session, or go on with the one that a main process that died left in shared memory."""
        if self._generation == 0:
            self._send_end()
            if self._begin() and not self._options.waits:
                self._session.act(Target("start"), (), monotonic_us())
            return
        self._diary.restarted("main", self._generation, self._cause)
        left = self._left
        if left is None:
            # It died before it had done anything; whether the music began only the player knows.
            self._view.line(f"The main process was replaced before it had begun ({self._cause}).")
            self._start_unless_playing = self._begin() and not self._options.waits
            self._send_end()
            self._wire.send(encode(Ask()))
            return
        self._session.restore(left.session)
        self._session.restore_past(self._past.read())
        for control in read_noted(self._shared):
            do_again(self._session, control, monotonic_us())
        self._controllers.take_up(left.rig)
        for listener in left.listeners:
            self._edge.adopt(listener, monotonic_us())
        self._view.line(f"The main process was replaced ({self._cause}); the session goes on.")

    def _begin(self) -> bool:
        """Set what is to be set before the first bar; whether music is to begin by itself."""
        resumed = resume(self._session, self._options, self._thinking.parts, monotonic_us())
        self._controllers.set_up(monotonic_us(), anew=resumed is None)
        if resumed is None:
            return True
        for remark in resumed.remarks:
            self._view.line(remark)
        self._archive.add(resumed.line)
        return resumed.plays

    def _send_end(self) -> None:
        if self._options.bars is not None:
            self._wire.send(encode(EndAfter(self._options.bars)))

    def _leave(self) -> Left:
        record, listeners = str(self._archive.path or ""), self._edge.listeners()
        rig, parts = self._controllers.rig, self._thinking.parts
        return left_by(self._performance, self._session, parts, listeners, rig, record)

    def _wait(self) -> None:
        now_us = monotonic_us()
        self._shared.beat("main", now_us)
        deadlines_us = [self._observe_us, self._session.next_deadline_us(), self._edge.next_deadline_us(now_us)]
        deadlines_us += [self._greet_by_us, self._view.next_deadline_us(), self._keeper.next_deadline_us()]
        deadlines_us += [self._controllers.next_deadline_us(), now_us + _BEAT_US]
        deadline_us = min(deadline_us for deadline_us in deadlines_us if deadline_us is not None)
        writers = [self._wire] if self._wire.waiting else []
        readers: list[DatagramPort | Wire | Waker | socket.socket] = [self._osc, self._wire, self._waker, self._life]
        readable, _, _ = select.select(readers, writers, [], max(0, deadline_us - now_us) / US_PER_S)
        if self._life in readable:
            keys = heard(self._life)
            self._ended |= keys is None
            self._view.press(keys or b"", now_us)

    def _work(self, now_us: int) -> None:
        self._wire.flush()
        for packet, peer in self._osc.receive():
            self._edge.receive(packet, peer, now_us)
        self._waker.drain()
        self._thinking.take(now_us)
        for line in self._wire.receive():
            report = decode_from_player(line)
            if report is None:
                self._torn += 1
            else:
                self._take_report(report, now_us)
        if now_us >= self._observe_us:
            self._clock.observe(*both_us())
            self._observe_us = now_us + US_PER_S
            self._diary.counted(self._figures(), self._edge.last_refusal)
        if self._greet_by_us is not None and now_us >= self._greet_by_us:
            self._greet(None)
        for light in self._controllers.advance(now_us):
            self._wire.send(encode(light))
        self._session.advance(now_us)
        answers = self._edge.advance(now_us)
        # Whoever is answered can rely on it: the player has it, the record has it, and a successor will have it.
        self._carry(now_us)
        self._keep(now_us)
        self._osc.send(answers)
        self._view.advance(now_us)

    def _keep(self, now_us: int) -> None:
        self._past.add(self._session.take_past())
        for remark in self._archive.advance():
            self._view.line(remark)
        rig = self._controllers.rig
        changed, self._kept_rig = self._changed or rig is not self._kept_rig, rig
        self._changed = False
        for remark in self._keeper.advance(now_us, self._archive.controls, whole=changed):
            self._view.line(remark)
        for remark in self._last.advance(now_us):
            self._view.line(remark)

    def _carry(self, now_us: int) -> None:
        for message in self._session.take_messages():
            self._wire.send(encode(message))
            self._view.sent(message, now_us)
        self._thinking.carry(now_us)
        if self._edge.take_listeners_change():
            self._changed = True
            self._wire.send(encode(SetListeners(self._edge.listeners())))

    def _take_report(self, report: FromPlayer, now_us: int) -> None:
        if isinstance(report, Frozen):
            self._osc.send(self._edge.announcement(report))
        self._session.on_player(report)
        self._archive.heard(report)
        self._view.heard(report)
        match report:
            case Frozen():
                self._diary.froze(report, self._session.misses)
            case TransportState():
                self._edge.transport(report)
                self._controllers.playing(report.playing)
                if self._start_unless_playing:
                    self._start_unless_playing = False
                    if not report.playing:
                        self._session.act(Target("start"), (), now_us)
            case MidiIn():
                self._midi_port = report.port
                self._controllers.receive(report, now_us)
            case PlayerStats():
                self._stats.played(report)
            case Hello(generation=generation, cause=cause) if generation > 0:
                # Behind what the session hands over: a player that took over knows no listeners and no end.
                self._carry(now_us)
                self._wire.send(encode(SetListeners(self._edge.listeners())))
                self._controllers.player_came()
                self._send_end()
                self._stats.restarts += 1
                self._diary.restarted("player", generation, cause)
                self._view.line(f"The player was replaced ({cause}); its notes were ended, the music goes on.")
            case PortsState():
                self._controllers.ports(report, now_us)
                self._diary.ports(report)
                self._greet(report)
            case Ended():
                self._ended = True

    def _figures(self) -> list[Named]:
        """All counters of this moment, by name."""
        return [
            *self._stats.figures(monotonic_us()),
            ("misses", self._session.misses),
            ("silences", self._session.silences),
            ("budget_ms", self._thinking.budget.total_us / US_PER_MS),
            *self._edge.figures(),
            *self._controllers.figures(),
            ("wire_waiting", self._wire.waiting_bytes),
            ("wire_dropped", self._wire.dropped + self._torn),
            ("lines_dropped", self._view.dropped),
            ("log_lost", self._log.lost),
        ]

    def _greet(self, ports: PortsState | None) -> None:
        if self._greet_by_us is None:
            for remark in ports.remarks if ports is not None else ():
                self._view.line(remark)
            return
        self._greet_by_us = None
        self._view.greet(ports)
        for remark in self._controllers.remarks:
            self._view.line(remark)


def main() -> int:
    """Run the main process; the launcher's child. Status 1: it said on standard error what is wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    born = be_born()
    born.sockets["life"].setblocking(False)
    try:
        process = MainProcess(born, load_models(born))
    except AutoLoopsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.collect()
    gc.freeze()
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
