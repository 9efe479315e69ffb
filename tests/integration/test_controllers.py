"""A controller on a real JACK server before the real processes: mapped, lit, learnt, unplugged and back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.playing import Playing, playing

try:
    from tests.integration.desk import Desk
except (ImportError, OSError) as error:
    # JACK-Client raises OSError where there is no JACK library.
    pytest.skip(f"JACK-Client is not there: {error}", allow_module_level=True)

RIG = """\
# The desk of the test
[ports.desk]
in = "desk:out"
out = "desk:in"

[parts.melody]
output = "desk"

[set]
"/al/tempo" = 96

[[map]]
source = "cc"     # the first fader
channel = 1
number = 20
port = "desk"
target = "/al/melody/knob/3"
feedback = true

[[map]]
source = "laser"
target = "/al/tempo"

[[map]]
source = "note"
channel = 1
number = 36
port = "desk"
target = "/al/melody/mute"
feedback = true
"""


def cc(number: int, value: int) -> bytes:
    return bytes((0xB0, number, value))


@pytest.fixture
def desk(jack_server: object) -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(RIG)
    return path


def settles(engine: Playing, address: str, value: float, move: Callable[[], None] = lambda: None) -> None:
    """Moves the control and asks, until the answer is this value: a cycle that is dropped takes its message with it."""
    until_s = time.monotonic() + 10
    while True:
        move()
        engine.send(address)
        heard = engine.hear_until(address)
        if abs(float(str(heard.arguments[0])) - value) < 1e-3:
            return
        assert time.monotonic() < until_s, f"{address} is {heard.arguments}, not {value}"


def learn(engine: Playing, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "autoloops_bridges", "learn", *words, "--osc-port", str(engine.port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    assert any(text in line for line in iter(process.stdout.readline, ""))


def test_a_controller_is_mapped_lit_learnt_unplugged_and_back_and_played_to(desk: Desk, rig: Path) -> None:
    options = ("--parts", "melody", "--stopped", "--rig", str(rig), "--midi-api", "jack")
    with playing(*options, "--midi-out", "none", "--midi-in", "none") as engine:
        # The mistake is told, and the rest of the file works.
        settles(engine, "/al/tempo", 96)
        assert desk.hears(cc(20, 64))
        desk.send(b"\x90\x24\x40")
        settles(engine, "/al/melody/knob/3", 1.0, lambda: desk.send(cc(20, 127)))
        assert desk.hears(b"\x90\x24\x7f")

        process = learn(engine, "/al/melody/knob/5")
        wait_for_line(process, "Move the control")
        desk.send(*(cc(50, value) for value in range(0, 60, 10)))
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, ""), out
        until_s = time.monotonic() + 10
        while "/al/melody/knob/5" not in rig.read_text():
            assert time.monotonic() < until_s
        assert rig.read_text().startswith(RIG)
        settles(engine, "/al/melody/knob/5", 1.0, lambda: desk.send(cc(50, 64), cc(50, 127)))

        process = learn(engine, "/al/tempo")
        wait_for_line(process, "Move the control")
        desk.send(*(cc(20, value) for value in range(0, 60, 10)))
        out, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "/al/melody/knob/3" in out
        assert "--replace" in err

        desk.unplug()
        engine.send("/al/melody/mute", 0)
        engine.send("/al/melody/knob/3", 0.25)
        settles(engine, "/al/melody/knob/3", 0.25)
        desk.plug_in()
        assert desk.hears(b"\x90\x24\x00")
        assert desk.hears(cc(20, 32))

        engine.send("/al/start")
        assert desk.hears_some(lambda message: message[0] == 0x90 and message[1] != 36 and message[2] > 0)

        desk.forget()
        os.kill(engine.child("player"), signal.SIGKILL)
        assert desk.hears(cc(20, 32))
        assert desk.hears_some(lambda message: message[0] == 0x90 and message[1] != 36 and message[2] > 0)
        desk.forget()
        assert engine.end() == 0
        # Every note that sounds at the end is ended: the last thing that any of them hears is its end.
        last = {message[1]: message[0] for message in desk.heard if message[0] in {0x80, 0x90} and message[1] != 36}
        assert set(last.values()) <= {0x80}
        assert any("Line 21: " in line and "laser" in line for line in engine.said)


def test_a_part_that_joins_in_plays_to_a_port_that_nobody_played_to_and_leaves_nothing_sounding_there(
    desk: Desk, tmp_path: Path
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[ports.desk]\nin = "desk:out"\nout = "desk:in"\n')
    options = ("--parts", "melody", "--tempo", "240", "--rig", str(rig), "--midi-api", "jack")

    def plays(message: bytes) -> bool:
        return message[0] == 0x96 and message[2] > 0

    with playing(*options, "--midi-out", "none", "--midi-in", "none") as engine:
        engine.listen()
        engine.send("/al/parts/add", "low", "bass-2bar", 7, "desk")
        assert desk.hears_some(plays)
        os.kill(engine.child("player"), signal.SIGKILL)
        engine.hear(0.5)
        desk.forget()
        assert desk.hears_some(plays)
        engine.send("/al/low/remove", "beat")
        assert engine.hear_until("/al/parts").arguments == ("melody",)
        engine.hear(0.2)
        last = {message[1]: message[0] for message in desk.heard if message[0] in {0x86, 0x96}}
        assert set(last.values()) == {0x86}
        assert not [message for message in desk.heard if message[0] == 0x90]
        assert engine.end() == 0


def test_a_part_is_led_to_another_port_and_back_whatever_dies_and_nothing_is_left_sounding(
    desk: Desk, tmp_path: Path
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[ports.desk]\nin = "desk:out"\nout = "desk:in"\n')
    options = ("--parts", "melody", "--tempo", "240", "--rig", str(rig), "--midi-api", "jack")

    def plays(message: bytes) -> bool:
        return message[0] == 0x90 and message[2] > 0

    def left_sounding() -> set[int]:
        last = {message[1]: message for message in desk.heard if message[0] in {0x80, 0x90}}
        return {number for number, message in last.items() if plays(message)}

    def plays_elsewhere() -> None:
        """The part is heard, and not at the desk, where what sounded has ended."""
        engine.hear_until("/al/bar")
        engine.hear_until("/al/bar")
        assert left_sounding() == set()
        desk.forget()
        for _ in range(3):
            engine.hear_until("/al/melody/note")
        assert not [message for message in desk.heard if message[0] in {0x80, 0x90}]

    with playing(*options, "--midi-out", "none", "--midi-in", "none") as engine:
        engine.listen()
        engine.hear_until("/al/melody/note")
        plays_elsewhere()
        engine.send("/al/melody/port", "desk")
        engine.send("/al/melody/port")
        assert engine.hear_until("/al/melody/port").arguments == ("desk",)
        assert desk.hears_some(plays)
        os.kill(engine.child("main"), signal.SIGKILL)
        engine.hear(0.5)
        engine.ping()
        engine.send("/al/melody/port")
        assert engine.hear_until("/al/melody/port").arguments == ("desk",)
        os.kill(engine.child("player"), signal.SIGKILL)
        engine.hear(0.5)
        desk.forget()
        assert desk.hears_some(plays)
        engine.send("/al/melody/port", "midi_out")
        plays_elsewhere()
        engine.send("/al/melody/port", "nowhere")
        told, reason = engine.hear_until("/al/error").arguments
        assert told == "/al/melody/port"
        assert "those that have one: desk" in str(reason)
        assert engine.end() == 0
