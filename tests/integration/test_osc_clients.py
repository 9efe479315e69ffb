"""OSC against clients that nobody here wrote: liblo's oscsend and oscdump, and a Pd patch that controls and listens."""

import importlib.util
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloops_bridges.osc import codec
from autoloops_bridges.osc.sink import OscSink
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.session.surface import Target

SCRIPT = Path(__file__).parent / "osc_engine.py"
WAIT_S = 10.0

PD_PATCH = """\
#N canvas 0 0 600 500 10;
#X obj 20 20 netreceive -u -b {pd_port} 127.0.0.1;
#X obj 20 50 oscparse;
#X obj 20 80 list trim;
#X obj 20 110 route al;
#X obj 20 140 route melody;
#X obj 20 170 route note;
#X obj 20 200 oscformat al ping;
#X obj 20 230 list prepend send;
#X obj 20 260 list trim;
#X obj 20 400 netsend -u -b;
#X obj 300 20 loadbang;
#X obj 300 50 t b b b b;
#X msg 300 110 connect 127.0.0.1 {engine_port};
#X msg 300 140 1 {pd_port};
#X obj 300 170 oscformat al listen;
#X msg 300 200 0.25;
#X obj 300 230 oscformat al melody knob 1;
#X msg 300 260 list vary now;
#X obj 300 290 oscformat al melody fire;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 3 0 4 0;
#X connect 4 0 5 0;
#X connect 5 0 6 0;
#X connect 6 0 7 0;
#X connect 7 0 8 0;
#X connect 8 0 9 0;
#X connect 10 0 11 0;
#X connect 11 3 12 0;
#X connect 12 0 9 0;
#X connect 11 2 13 0;
#X connect 13 0 14 0;
#X connect 14 0 7 0;
#X connect 11 1 15 0;
#X connect 15 0 16 0;
#X connect 16 0 7 0;
#X connect 11 0 17 0;
#X connect 17 0 18 0;
#X connect 18 0 7 0;
"""


def load_engine() -> Any:
    spec = importlib.util.spec_from_file_location("osc_engine", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.OscEngine()


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = load_engine()
    yield engine
    engine.socket.close()


def step_until(engine: Any, done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline_s, "nothing came in time"
        engine.step(0.05)


def test_a_pd_patch_controls_and_hears_every_note(engine: Any, pd: Callable[[str], object], free_port: int) -> None:
    pd(PD_PATCH.format(pd_port=free_port, engine_port=engine.port))
    fire = (Target("fire", "melody"), ("vary", "now"))
    step_until(engine, lambda: fire in engine.surface.done)
    assert engine.surface.values[Target("knob", "melody", 1)] == (0.25,)
    assert [(listener.host, listener.port) for listener in engine.edge.listeners()] == [("127.0.0.1", free_port)]

    pinged: list[tuple[object, ...]] = []
    receive = engine.edge.receive

    def spy(packet: bytes, peer: tuple[str, int], now_us: int) -> None:
        message = codec.parse(packet)
        assert isinstance(message, codec.Message)
        if message.address == "/al/ping":
            pinged.append(message.arguments)
        receive(packet, peer, now_us)

    engine.edge.receive = spy
    sink = OscSink(engine.socket, engine.clock, [("127.0.0.1", free_port)], 0)
    played = []
    for number in range(100):
        at_us = time.monotonic_ns() // 1000
        sink.send(Event(at_us, Kind.ON, "melody", 1, number, 100 + number % 20, 250_000), at_us)
        sink.flush(at_us)
        played.append((float(number), float(100 + number % 20), 0.25))
        engine.step(0.002)
    step_until(engine, lambda: len(pinged) >= len(played))
    assert pinged == played
    assert engine.edge.counters.malformed == engine.edge.counters.refused == 0


@pytest.fixture
def served(own_network: list[str]) -> Iterator[list[str]]:
    """An engine on port 7400 of its own network; the words to get there."""
    command = [*own_network, sys.executable, str(SCRIPT), "7400"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield own_network
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def test_oscsend_sets_and_asks_and_oscdump_sees_answers_echoes_and_errors(
    served: list[str], require: Callable[[str], str]
) -> None:
    oscsend, oscdump = require("oscsend"), require("oscdump")

    def send(address: str, *typed: str) -> None:
        subprocess.run([*served, oscsend, "osc.udp://127.0.0.1:7400", address, *typed], check=True, timeout=WAIT_S)

    with subprocess.Popen([*served, oscdump, "-L", "9600"], stdout=subprocess.PIPE, text=True) as dump:
        assert dump.stdout is not None
        lines = iter(dump.stdout.readline, "")

        def heard(address: str) -> str:
            # The test's own time limit ends a wait for what never comes.
            return next(line.split(maxsplit=1)[1].strip() for line in lines if f" {address} " in line)

        # oscdump says nothing when it is ready: ask until the first answer is seen.
        send("/al/listen", "ii", "1", "9600")
        while not _readable(dump):
            send("/al/ping", "if", "7", "0.5")
        assert heard("/al/pong") == "/al/pong if 7 0.500000"
        send("/al/tempo", "s", "131.5")
        assert heard("/al/tempo") == "/al/tempo f 131.500000"
        send("/al/melody/z", "ffff", "0.5", "0.25", "0", "-1")
        assert heard("/al/melody/z") == "/al/melody/z ffff 0.500000 0.250000 0.000000 -1.000000"
        send("/al/melody/mute", "T")
        assert heard("/al/melody/mute") == "/al/melody/mute i 1"
        send("/al/bass/knob/30")
        assert heard("/al/bass/knob/30") == "/al/bass/knob/30 f 0.500000"
        send("/al/tempo", "i", "5")
        assert '"/al/tempo" "bpm must lie between 20 and 999 BPM, not 5."' in heard("/al/error")
        dump.terminate()


def _readable(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0.1)[0])
