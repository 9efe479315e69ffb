"""``autoloops play --resume``: whatever ended the last session, the next one goes on with its settings."""

import os
import signal
from pathlib import Path

import pytest
from tests.integration.playing import Playing, playing

from autoloops_bridges.processes.shared import open_shared

VALUES: dict[str, tuple[object, ...]] = {
    "/al/parts": ("melody", "low"),
    "/al/tempo": (480.0,),
    "/al/scale": ("a", "minor"),
    "/al/melody/temperature": (0.25,),
    "/al/melody/knob/2": (0.75,),
    "/al/melody/transpose": (7,),
    "/al/low/mute": (1,),
    "/al/low/channel": (5,),
}


def values(engine: Playing) -> dict[str, tuple[object, ...]]:
    return {address: asked(engine, address) for address in VALUES}


def asked(engine: Playing, address: str) -> tuple[object, ...]:
    engine.send(address)
    return engine.hear_until(address).arguments


@pytest.mark.timeout(60)
def test_the_next_session_goes_on_with_what_the_last_one_was_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with playing("--parts", "melody", "--seed", "5", "--tempo", "240", "--resume") as engine:
        engine.listen()
        engine.send("/al/parts/add", "low", "bass-2bar", 5)
        engine.hear_until("/al/parts", "melody", "low")
        for address, value in VALUES.items():
            if address not in {"/al/parts", "/al/low/channel"}:
                engine.send(address, *value)  # type: ignore[arg-type]
        point = asked(engine, "/al/melody/z")
        assert values(engine) == VALUES
        for pid in (engine.process.pid, engine.child("main"), engine.child("player")):
            os.kill(pid, signal.SIGKILL)
        left = open_shared(engine.port).path
    with playing("--resume") as engine:
        left.unlink()
        engine.listen()
        engine.hear_until("/al/melody/note")
        assert values(engine) == VALUES
        assert asked(engine, "/al/melody/z") == point
        assert not [heard for heard in engine.heard if heard.address == "/al/low/note"]
        engine.send("/al/low/mute", 0)
        engine.send("/al/stop")
        engine.hear_until("/al/playing", 0)
        assert engine.end() == 0
    with playing("--resume") as engine:
        engine.listen()
        assert asked(engine, "/al/playing") == (0,)
        assert values(engine) == {**VALUES, "/al/low/mute": (0,)}
        engine.send("/al/start")
        engine.hear_until("/al/low/note")
        assert engine.end() == 0
