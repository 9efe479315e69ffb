"""MIDI clock against parts that nobody here wrote: jack_midi_clock is followed, jack_mclk_dump follows.

On a busy machine the server drops cycles, and with them ticks and notes (xruns): such a run is tried again, and the
figures are those of benchmarks/clock.py on a quiet one.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest
from tests.integration.conftest import JackServer, Require, ended
from tests.integration.playing import playing
from tests.integration.receiving import Heard, Receiver, Report, until

Frames = npt.NDArray[np.float64]
ATTEMPTS = 2
TEMPO_BPM = 187.5
# 640 frames: five periods.
TICK_FRAMES = 48_000 * 60 / TEMPO_BPM / 24


def connect(source: str, target: str) -> None:
    """Connect two ports as soon as both take part."""
    assert until(lambda: subprocess.run(["jack_connect", source, target], capture_output=True).returncode == 0)


@contextmanager
def transport(require: Require) -> Iterator["subprocess.Popen[bytes]"]:
    """JACK's own transport control; it takes commands line by line."""
    process = subprocess.Popen([require("jack_transport")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        ended(process)


def say(process: "subprocess.Popen[bytes]", command: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(command + b"\n")
    process.stdin.flush()


def clocks(heard: list[Heard]) -> list[int]:
    return [message.frame for message in heard if message.data == b"\xf8"]


def onsets(heard: list[Heard]) -> list[int]:
    return [message.frame for message in heard if message.data[0] & 0xF0 == 0x90]


def followed(require: Require) -> Report:
    """What a receiver of both the master's clock and our notes hears."""
    receiver = Receiver()
    master = subprocess.Popen(
        [require("jack_midi_clock"), "-b", str(TEMPO_BPM), "-B"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    options = ("--sync", "midi", "--midi-api", "jack", "--midi-out", "virtual", "--midi-in", "virtual")
    try:
        with playing(*options, "--parts", "melody,bass", "--seed", "7") as engine, transport(require) as control:
            connect("jack_midi_clock:mclk_out", "AutoLoops-in:in")
            connect("jack_midi_clock:mclk_out", "receiver:in")
            connect("AutoLoops:out", "receiver:in")
            engine.listen()
            say(control, b"play")
            engine.hear_until("/al/bar", 4)
            say(control, b"stop")
            silent = until(lambda: receiver.state()[1] == 0)
    finally:
        ended(master)
    report = receiver.finish()
    # What the server dropped, the receiver cannot have heard.
    assert silent or report.xruns, "Stop ended every note"
    return report


def test_notes_keep_to_the_ticks_of_jack_midi_clock(jack_server: JackServer, require: Require) -> None:
    bound_ms = 1 + 1000 * jack_server.period / jack_server.samplerate_hz
    for _ in range(ATTEMPTS):
        report = followed(require)
        heard = [message.data for message in report.heard if message.data != b"\xfc"]
        # In a second run JACK's transport stands elsewhere, and the master says Continue.
        assert heard[0] in {b"\xfa", b"\xfb"}, "nothing sounds before Start"
        ticks = np.array(clocks(report.heard), dtype=np.float64)
        # After the first beat every note lies on a sixteenth of the master's grid.
        notes = np.array([frame for frame in onsets(report.heard) if frame > ticks[24]], dtype=np.float64)
        assert notes.size > 10
        grid = np.median(ticks - np.arange(ticks.size) * TICK_FRAMES)
        if not report.xruns:
            assert np.percentile(off_ms(notes - grid, 6 * TICK_FRAMES), 99) <= bound_ms
            return
    # Dropouts cost ticks, so the grid is known but for whole ticks.
    assert np.median(off_ms(notes - grid, TICK_FRAMES)) <= bound_ms


def off_ms(frames: Frames, grid_frames: float) -> Frames:
    """How far each frame is from the nearest multiple, in milliseconds."""
    return np.abs(frames - np.round(frames / grid_frames) * grid_frames) / 48


def led(require: Require) -> tuple[Report, list[str]]:
    """What the receiver hears of our clock, and what jack_mclk_dump says of it."""
    receiver = Receiver()
    options = ("--midi-api", "jack", "--midi-in", "none", "--clock-out", "virtual", "--tempo", str(TEMPO_BPM))
    with playing(*options, "--midi-out", "none", "--parts", "melody", "--stopped") as engine:
        connect("AutoLoops-clock-1:out", "receiver:in")
        dump = subprocess.Popen(
            ["stdbuf", "-oL", require("jack_mclk_dump"), "-n", "AutoLoops-clock-1:out"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            engine.listen()
            engine.send("/al/start")
            engine.hear_until("/al/bar", 3)
            engine.send("/al/stop")
            assert until(lambda: receiver.count() > 0)
            time.sleep(0.1)
        finally:
            dump.terminate()
            said = dump.communicate()[0].replace("\r", "\n").splitlines()
    return receiver.finish(), said


def test_jack_mclk_dump_reads_our_tempo_and_every_tick_lies_on_its_frame(
    jack_server: JackServer, require: Require
) -> None:
    for _ in range(ATTEMPTS):
        report, said = led(require)
        filtered = [float(line.split("flt:")[1].split("[")[0]) for line in said if "flt:" in line and "?" not in line]
        words = [message.data for message in report.heard if message.data != b"\xf8"]
        assert words[:1] == [b"\xfa"]
        gaps = np.diff(clocks(report.heard))
        assert np.median(gaps) == TICK_FRAMES
        if not report.xruns:
            running = report.heard[[message.data for message in report.heard].index(b"\xfa") :]
            running = running[: [message.data for message in running].index(b"\xfc")]
            assert set(np.diff(clocks(running))) == {TICK_FRAMES}
            assert filtered[-1] == pytest.approx(TEMPO_BPM, abs=0.05)
            return
