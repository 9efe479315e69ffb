"""``autoloops learn`` over real UDP with controllers, console and OSC edge as main has them, and MIDI made up."""

import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoloops_bridges import cli
from autoloops_bridges.control.console import Console
from autoloops_bridges.control.learn import Status
from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.osc.edge import OscEdge
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_bridges.processes.controllers import Controllers
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Target

WAIT_S = 10.0
RIG = '# mine\n[[map]]\nsource = "cc"\nchannel = 1\nnumber = 20\ntarget = "/al/tempo"\nrange = [60, 180]\n'


def now_us() -> int:
    return time.monotonic_ns() // 1000


class Engine:
    """A main loop in small, in a thread: OSC in, controllers, OSC out."""

    def __init__(self, rig: Path) -> None:
        self.surface = MemorySurface()
        options = PlayOptions(
            parts=("melody", "bass"),
            channels={"melody": 1, "bass": 2},
            rig_file=str(rig),
            rig=rig.read_text(encoding="utf-8"),
        )
        self.controllers = Controllers(options, self.surface, self._tell)
        console = Console(self.surface, self.controllers.learner, self.controllers.touched)
        self.edge = OscEdge(console, NtpClock(now_us(), time.time_ns() // 1000))
        self.midi: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.ready: Callable[[], None] = lambda: None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = str(self._socket.getsockname()[1])
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._leaving.set()
        self._thread.join(WAIT_S)
        self._socket.close()

    def _tell(self, status: Status) -> None:
        self.edge.tell("/al/learn/status", status.state.value, status.address, status.control, status.text)
        if status.state.value == "control":
            self.ready()

    def _serve(self) -> None:
        while not self._leaving.is_set():
            if select.select([self._socket], [], [], 0.002)[0]:
                packet, peer = self._socket.recvfrom(65_535)
                self.edge.receive(packet, peer, now_us())
            while not self.midi.empty():
                self.controllers.receive(MidiIn("keys", self.midi.get(), now_us()), now_us())
            self.controllers.advance(now_us())
            for data, to in self.edge.advance(now_us()):
                self._socket.sendto(data, to)


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIG, encoding="utf-8")
    return path


@pytest.fixture
def engine(rig: Path) -> Iterator[Engine]:
    engine = Engine(rig)
    yield engine
    engine.close()


def learn(engine: Engine, *words: str) -> object:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as end:
        cli.main(["learn", *words, "--osc-port", engine.port])
    return end.value.code


def moves(engine: Engine, number: int) -> Callable[[], None]:
    """Moves a control as soon as it is asked for."""

    def move() -> None:
        for value in range(0, 50, 10):
            engine.midi.put(bytes((0xB0, number, value)))

    return move


def until(done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline_s, "it never came to that"
        time.sleep(0.001)


def test_a_control_is_learnt_kept_and_forgotten(engine: Engine, rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine.ready = moves(engine, 50)
    assert learn(engine, "/al/bass/knob/7") == 0
    out = capsys.readouterr().out
    assert "Move the control" in out
    assert "/al/bass/knob/7 (cc 50 on channel 1 of keys): Learnt." in out
    until(lambda: "/al/bass/knob/7" in rig.read_text(encoding="utf-8"))
    assert rig.read_text(encoding="utf-8").startswith(RIG)
    for value in (64, 127):
        engine.midi.put(bytes((0xB0, 50, value)))
    until(lambda: engine.surface.values[Target("knob", "bass", 7)] == (1.0,))
    assert learn(engine, "--forget", "/al/bass/knob/7") == 0
    until(lambda: "/al/bass/knob/7" not in rig.read_text(encoding="utf-8"))
    assert learn(engine, "--undo") == 0
    until(lambda: "/al/bass/knob/7" in rig.read_text(encoding="utf-8"))


def test_a_conflict_changes_nothing_unless_it_is_said_how(
    engine: Engine, rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.ready = moves(engine, 20)
    assert learn(engine, "/al/bass/knob/7") == 1
    said = capsys.readouterr()
    assert "It has /al/tempo already" in said.out
    assert "--replace or --both" in said.err
    assert rig.read_text(encoding="utf-8") == RIG
    assert learn(engine, "/al/bass/knob/7", "--both") == 0
    until(lambda: rig.read_text(encoding="utf-8").count("[[map]]") == 2)
    assert learn(engine, "/al/bass/knob/8", "--replace") == 0
    until(lambda: "/al/bass/knob/8" in rig.read_text(encoding="utf-8"))
    assert "/al/tempo" not in rig.read_text(encoding="utf-8")
    assert rig.read_text(encoding="utf-8").startswith("# mine\n")


def test_what_a_control_has_by_default_is_shown_and_kept_beside_the_new(
    engine: Engine, rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.ready = moves(engine, 5)
    assert learn(engine, "/al/bass/knob/7") == 1
    assert "It has /al/melody/knob/5 (by default) already" in capsys.readouterr().out
    assert rig.read_text(encoding="utf-8") == RIG
    assert learn(engine, "/al/bass/knob/7", "--both") == 0
    until(lambda: rig.read_text(encoding="utf-8").count("[[map]]") == 3)
    for value in (64, 127):
        engine.midi.put(bytes((0xB0, 5, value)))
    until(lambda: engine.surface.values[Target("knob", "bass", 7)] == (1.0,))
    assert engine.surface.values[Target("knob", "melody", 5)] == (1.0,)


def test_what_cannot_be_learnt_is_one_sentence(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert learn(engine, "/al/nowhere") == 1
    assert "no such address" in capsys.readouterr().err
    assert learn(engine, "--undo") == 1
    assert "nothing to undo" in capsys.readouterr().err
    assert learn(engine, "--forget") == 2
    assert learn(engine, "/al/tempo", "--replace", "--both") == 2


def test_it_says_when_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with pytest.raises(SystemExit) as end:
        cli.main(["learn", "/al/tempo", "--osc-port", port])
    assert end.value.code == 1
    assert "Nothing listens" in capsys.readouterr().err
