"""A performance with random controls, a main process that is killed, and the record that brings it back.

``AUTOLOOPS_REPLAY_S`` says how many seconds are played (default 6).
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import pytest
from tests.integration.playing import playing

from autoloops_bridges.processes.shared import open_shared
from autoloops_bridges.record.lines import heard_in, read_lines
from autoloops_bridges.record.replaying import PlayedNote, notes_of

REPLAY_S = float(os.environ.get("AUTOLOOPS_REPLAY_S", "6"))
OPTIONS = ("--parts", "melody,bass,drums", "--seed", "5", "--tempo", "240")


def autoloops(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "autoloops_bridges", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def random_control(rng: random.Random) -> tuple[object, ...]:
    part = rng.choice(["melody", "bass", "drums"])
    return rng.choice(
        [
            (f"/al/{part}/knob/{rng.randint(1, 8)}", rng.random()),
            (f"/al/{part}/mute", rng.randint(0, 1)),
            (f"/al/{part}/fire", rng.choice(["new", "vary", "again"]), rng.choice(["now", "beat", "bar", "loop"])),
            (f"/al/{part}/temperature", 2 * rng.random()),
            (f"/al/{part}/store/{rng.randint(1, 3)}",),
            (f"/al/{part}/slot/{rng.randint(1, 3)}", "bar"),
            (f"/al/{part}/hold", rng.randint(0, 1)),
            (f"/al/{part}/octave", rng.randint(-1, 1)),
            ("/al/tempo", rng.uniform(200, 300)),
            ("/al/scale", rng.choice(["a minor", "off"])),
            ("/al/undo",),
        ]
    )


@pytest.mark.timeout(90 + 3 * REPLAY_S)
@pytest.mark.parametrize("lookahead_ms", [0.0, 100.0])
def test_the_record_of_a_wild_session_has_every_note_that_was_heard(
    lookahead_ms: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    rng = random.Random(7)
    with playing(*OPTIONS) as engine:
        engine.listen(lookahead_ms)
        engine.hear_until("/al/bar")
        until_s = time.monotonic() + REPLAY_S
        killed = False
        while time.monotonic() < until_s:
            engine.send(*random_control(rng))  # type: ignore[arg-type]
            engine.hear(0.05)
            if not killed and time.monotonic() > until_s - REPLAY_S / 2:
                killed = True
                os.kill(engine.child("main"), signal.SIGKILL)
                engine.ping()
        engine.send("/al/stop")
        engine.hear_until("/al/playing")
        engine.hear(0.3)
        assert engine.end() == 0
    (record,) = (tmp_path / "autoloops" / "sessions").iterdir()
    recorded = notes_of(heard_in(read_lines(record)))
    heard = [
        (str(each.address).split("/")[2], *each.arguments[:2])
        for each in engine.heard
        if str(each.address).endswith("/note")
    ]
    # The listener came a moment after the first note.
    assert 0 <= len(recorded) - len(heard) <= 12
    assert sorted(as_heard(note) for note in recorded[len(recorded) - len(heard) :]) == sorted(heard)
    files = [tmp_path / "one.mid", tmp_path / "two.mid"]
    for file in files:
        done = autoloops("replay", "--out", str(file))
        assert done.returncode == 0, done.stderr
        assert f"{len(recorded)} notes" in done.stdout
    assert files[0].read_bytes() == files[1].read_bytes()
    listed = autoloops("sessions")
    assert record.stem in listed.stdout


def as_heard(note: PlayedNote) -> tuple[str, int, int]:
    return (note.part, note.pitch, note.velocity)


def test_slots_are_there_again_after_everything_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with playing("--parts", "melody", "--seed", "5", "--tempo", "240") as engine:
        engine.listen()
        engine.send("/al/melody/temperature", 0.25)
        engine.send("/al/melody/store/2")
        engine.send("/al/tempo", 999.0)
        engine.hear_until("/al/bar", 6)
        engine.send("/al/sequence/add")
        engine.hear_until("/al/sequence", 1)
        engine.ping()
        for pid in (engine.process.pid, engine.child("main"), engine.child("player")):
            os.kill(pid, signal.SIGKILL)
        open_shared(engine.port).path.unlink()
    with playing("--parts", "melody", "--seed", "6", "--tempo", "240") as engine:
        engine.listen()
        engine.send("/al/melody/slot/2")
        engine.hear_until("/al/melody/temperature", 0.25)
        engine.send("/al/sequence")
        engine.hear_until("/al/sequence", 1)
        assert engine.end() == 0
    done = autoloops("slots", "--out", str(tmp_path / "loops"))
    assert done.returncode == 0, done.stderr
    assert "slot 2: melody (melody-2bar)" in done.stdout
    loop = mido.MidiFile(tmp_path / "loops" / "slot-2.mid")
    assert [track.name for track in loop.tracks] == ["AutoLoops", "melody"]
    assert any(message.type == "note_on" for message in loop.tracks[1])
    done = autoloops("sequence", "--out", str(tmp_path / "sequence.mid"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("entry 1: melody, 2 bars, 999 BPM")


@pytest.mark.parametrize("words", [("replay", "nowhere"), ("replay", "/dev/null")])
def test_what_is_no_record_is_said_in_a_sentence(words: tuple[str, ...]) -> None:
    done = autoloops(*words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
