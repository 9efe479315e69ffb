"""The JACK transport between the engine, a client that conducts, and ``jack_transport``, at a real server."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.integration.conftest import JackServer, Require
from tests.integration.playing import PATIENCE_S, playing

SCRIPT = Path(__file__).parent / "jack_conductor.py"
RATE_HZ = 48_000
OPTIONS = ("--sync", "jack", "--parts", "melody", "--seed", "5", "--midi-api", "jack", "--midi-in", "none")


class Note(NamedTuple):
    """A note that began, and the transport's frame there."""

    frame: int
    pitch: int


class Conductor:
    """The other process; see ``jack_conductor.py``."""

    def __init__(self) -> None:
        pytest.importorskip("jack")
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def ask(self, *words: object) -> Any:
        """Give a command and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def notes(self) -> list[Note]:
        """Notes that began since it was last asked."""
        heard = [(frame, bytes.fromhex(data)) for frame, data in self.ask("heard")]
        return [Note(frame, data[1]) for frame, data in heard if data[0] & 0xF0 == 0x90 and data[2]]

    def notes_until(self, count: int) -> list[Note]:
        """The next so many notes, or a few more."""
        notes: list[Note] = []
        self.until(lambda: len(notes.__iadd__(self.notes())) >= count)
        return notes

    def until(self, done: Callable[[], bool]) -> None:
        """Wait for something."""
        until_s = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < until_s, self.ask("look")
            time.sleep(0.01)

    def close(self) -> None:
        """End it, and wait until it is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


@pytest.fixture
def conductor(jack_server: JackServer) -> Iterator[Conductor]:
    conductor = Conductor()
    yield conductor
    conductor.close()


def off_grid(notes: list[Note], tempo_bpm: float) -> int:
    """How many frames notes are away from the transport's sixteenths; the median, for a busy machine drops cycles."""
    step = RATE_HZ * 15 / tempo_bpm
    return round(statistics.median(abs(note.frame / step - round(note.frame / step)) * step for note in notes))


def test_frames_are_followed_to_the_frame(conductor: Conductor) -> None:
    """Nobody leads: our own tempo says where the beats are; start, stop and relocation come from elsewhere."""
    with playing(*OPTIONS, "--tempo", "480", "--midi-out", "conductor") as app:
        app.listen()
        conductor.ask("start")
        app.hear_until("/al/beat", 1)
        notes = conductor.notes_until(8)
        # The first beat cannot be known before the transport rolls.
        assert off_grid(notes[3:], 480) <= 2, notes
        conductor.ask("locate", 100 * RATE_HZ)
        app.hear_until("/al/bar", 201)
        notes = [note for note in conductor.notes_until(8) if note.frame > 50 * RATE_HZ]
        assert off_grid(notes[3:], 480) <= 2, notes
        # A player that takes over follows again.
        os.kill(app.child("player"), signal.SIGKILL)
        conductor.notes()
        # Its map of the server's time is new, and settles.
        assert off_grid(conductor.notes_until(9)[2:], 480) <= 30
        conductor.ask("stop")
        app.hear_until("/al/playing", 0)


def test_a_timebase_masters_tempo_and_bars_are_followed(conductor: Conductor) -> None:
    """Even by who would lead, if nobody did."""
    conductor.ask("lead", 400)
    conductor.ask("locate", 9 * RATE_HZ)
    with playing(*OPTIONS, "--midi-out", "conductor", "--jack-timebase", "--stopped") as app:
        app.listen()
        conductor.ask("start")
        # 9 s at 400 BPM are 60 beats.
        app.hear_until("/al/bar", 16)
        conductor.notes()
        # A tick is 3.75 frames: the master rounds down to it.
        assert off_grid(conductor.notes_until(8)[3:], 400) <= 10
        app.send("/al/tempo", 100.0)
        app.send("/al/tempo")
        assert app.hear_until("/al/tempo").arguments[0] == pytest.approx(400.0, abs=0.2)
        assert conductor.ask("look")[2] == pytest.approx(400)


def test_we_lead_on_request(conductor: Conductor, require: Require) -> None:
    """Tempo and bars are ours for everybody; our start is everybody's."""
    with playing(*OPTIONS, "--tempo", "480", "--midi-out", "conductor", "--jack-timebase") as app:
        app.listen()
        conductor.until(lambda: bool(conductor.ask("look")[0]))
        notes = conductor.notes_until(8)
        assert off_grid(notes[3:], 480) <= 2, notes
        rolling, frame, tempo_bpm, bar, beat, tick = conductor.ask("look")
        assert (rolling, tempo_bpm) == (1, pytest.approx(480))
        assert (bar - 1) * 4 + beat - 1 + tick / 1920 == pytest.approx(frame / RATE_HZ * 8, abs=0.001)
        app.send("/al/tempo", 360.0)
        conductor.until(lambda: conductor.ask("look")[2] == pytest.approx(360))
        # jack_transport is another judge, and stops everybody.
        command = [require("jack_transport")]
        subprocess.run(command, input=b"stop\nquit\n", capture_output=True, timeout=PATIENCE_S, check=True)
        app.hear_until("/al/playing", 0)


def test_without_a_server_we_play_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jack")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"autoloops-none-{os.getpid()}")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    with playing("--sync", "jack", "--parts", "melody", "--tempo", "240") as app:
        app.listen()
        app.hear_until("/al/beat")
