"""Parts join in and leave a running engine over UDP, whatever dies meanwhile; the record brings all of it back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import mido
import pytest
from tests.integration.playing import Playing, playing

OPTIONS = ("--seed", "5", "--tempo", "240")


def answered(engine: Playing, address: str, *arguments: float | str) -> tuple[object, ...]:
    """What the engine answers on this address."""
    engine.send(address, *arguments)
    return engine.hear_until(address).arguments


def refused(engine: Playing, address: str, *arguments: float | str) -> str:
    """Why the engine does not do something."""
    engine.send(address, *arguments)
    told, reason = engine.hear_until("/al/error").arguments
    assert told == address
    return str(reason)


def test_a_part_comes_survives_every_process_goes_and_is_back_by_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with playing("--parts", "melody", *OPTIONS) as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        engine.send("/al/parts/add", "low", "bass-2bar", 7)
        assert engine.hear_until("/al/parts").arguments == ("melody", "low")
        engine.hear_until("/al/low/note")
        assert answered(engine, "/al/low/channel") == (7,)
        engine.send("/al/low/temperature", 0.25)
        engine.ping()
        engine.hear(0.1)
        os.kill(engine.child("main"), signal.SIGKILL)
        engine.hear(0.2)
        engine.ping()
        assert answered(engine, "/al/parts") == ("melody", "low")
        assert answered(engine, "/al/low/temperature") == (0.25,)
        engine.hear_until("/al/low/bar")
        os.kill(engine.child("player"), signal.SIGKILL)
        engine.hear(0.3)
        engine.hear_until("/al/low/note")
        engine.send("/al/low/remove")
        assert engine.hear_until("/al/parts").arguments == ("melody",)
        assert "no part low" in refused(engine, "/al/low/temperature")
        gone = len(engine.all("/al/low/note"))
        engine.hear_until("/al/bar")
        engine.hear_until("/al/melody/note")
        assert len(engine.all("/al/low/note")) == gone
        engine.send("/al/undo")
        assert engine.hear_until("/al/parts").arguments == ("melody", "low")
        assert answered(engine, "/al/low/temperature") == (0.25,)
        engine.hear_until("/al/low/note")
        assert engine.end() == 0
    out = tmp_path / "out.mid"
    command = [sys.executable, "-m", "autoloops_bridges", "replay", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [track.name for track in mido.MidiFile(out).tracks] == ["AutoLoops", "melody", "low"]


def test_what_cannot_join_in_is_said_to_who_asked_and_nothing_stalls() -> None:
    with playing("--parts", "melody", *OPTIONS) as engine:
        engine.send("/al/ping", 1)
        assert "already" in refused(engine, "/al/parts/add", "melody")
        assert "no bundle nowhere" in refused(engine, "/al/parts/add", "low", "nowhere")
        assert "No bundle is known" in refused(engine, "/al/parts/add", "low")
        assert "no port moog" in refused(engine, "/al/parts/add", "low", "bass-2bar", 3, "moog")
        assert "cannot name a part" in refused(engine, "/al/parts/add", "tempo", "bass-2bar")
        assert "no part low" in refused(engine, "/al/low/remove")
        assert answered(engine, "/al/parts") == ("melody",)
        assert engine.end() == 0
