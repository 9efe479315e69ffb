"""Calibration on a real JACK server: a cable from out to in, a client that delays, and wrong wiring."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import JackServer

from autoloops_bridges.calibrate.clicking import CHANNEL

try:
    import jack
except (ImportError, OSError) as error:
    pytest.skip(f"JACK-Client is not there: {error}", allow_module_level=True)

OUT, IN = "AutoLoops-calibrate:out", "AutoLoops-calibrate-in:in"
CLICKS = 8
PATIENCE_S = 60.0
PERIOD_MS = 128 / 48
STRANGER = bytes((0x90 | (CHANNEL - 1), 30, 100))


class Delay:
    """A client that sends what it hears on, so many frames later, and perhaps notes of its own."""

    def __init__(self, frames: int, stranger: bool = False) -> None:
        self._client = jack.Client("delay", no_start_server=True)
        self._in = self._client.midi_inports.register("in")
        self._out = self._client.midi_outports.register("out")
        self._frames, self._stranger = frames, stranger
        self._waiting: list[tuple[int, bytes]] = []
        self._cycles = 0
        self._client.set_process_callback(self._process)

    def _process(self, length: int) -> None:
        start = self._client.last_frame_time
        for offset, data in self._in.incoming_midi_events():
            self._waiting.append((start + offset + self._frames, bytes(data)))
        self._out.clear_buffer()
        while self._waiting and self._waiting[0][0] < start + length:
            frame, data = self._waiting.pop(0)
            self._out.write_midi_event(max(0, frame - start), data)
        self._cycles += 1
        if self._stranger and self._cycles % 100 == 0:
            self._out.write_midi_event(length - 1, STRANGER)

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._client:
            yield


ATTEMPTS = 3


def calibrate(tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from autoloops_bridges.cli import main; main()", "calibrate"]
    command += ["--midi-api", "jack", "--clicks", str(CLICKS), *words]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def kept(tmp_path: Path) -> dict[str, float]:
    return dict(json.loads((tmp_path / "autoloops" / "latency.json").read_text())["ports"])


def connect(process: "subprocess.Popen[str]") -> None:
    """Lay the cable as soon as both ports are there."""
    with jack.Client("patchbay", no_start_server=True) as patchbay:
        while process.poll() is None:
            names = {port.name for port in patchbay.get_ports(is_midi=True)}
            if {OUT, IN} <= names:
                try:
                    patchbay.connect(OUT, IN)
                except jack.JackError:
                    # Ports are there a moment before their client is active.
                    continue
                return


@pytest.fixture(autouse=True)
def fast_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


def test_a_cable_from_out_to_in_takes_no_longer_than_two_periods(jack_server: JackServer, tmp_path: Path) -> None:
    process = calibrate(tmp_path)
    connect(process)
    status, out, err = finished(process)
    assert (status, err) == (0, "")
    assert f"{CLICKS} of {CLICKS} clicks" in out
    assert -1.0 <= kept(tmp_path)["virtual"] <= 2 * PERIOD_MS


def test_a_delay_is_found_within_a_millisecond(jack_server: JackServer, tmp_path: Path) -> None:
    with Delay(20 * 48).running():
        for _ in range(ATTEMPTS):
            status, out, err = finished(calibrate(tmp_path, "--midi-out", "delay:in", "--midi-in", "delay:out"))
            # On a busy machine the server drops clicks, and the command says so.
            if not err.rstrip().endswith("try again."):
                break
    assert (status, err) == (0, "")
    sys.stdout.write(f"\n{out}")
    assert kept(tmp_path)["delay:in"] == pytest.approx(20, abs=1.0)


def test_what_plays_along_is_refused_and_nothing_is_written(jack_server: JackServer, tmp_path: Path) -> None:
    with Delay(480, stranger=True).running():
        status, _, err = finished(calibrate(tmp_path, "--midi-out", "delay:in", "--midi-in", "delay:out"))
    assert status == 1
    assert "Other notes came in (number 30)" in err
    assert not (tmp_path / "autoloops").exists()
