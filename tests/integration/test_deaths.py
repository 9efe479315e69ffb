"""Deaths on stage: whatever is killed or hangs, the music goes on, or ends without a hanging note.

``AUTOLOOPS_DEATHS`` says how many times in a row (default 3).
"""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.integration.playing import PATIENCE_S, Playing, alive, playing

from autoloops_engine.bundle.installed import find_bundle

DEATHS = int(os.environ.get("AUTOLOOPS_DEATHS", "3"))
OPTIONS = ("--parts", "melody", "--seed", "5", "--tempo", "480")
BAR_S = 0.5


def successor(engine: Playing, name: str, dead: int) -> int:
    """The process that took over from ``dead``."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            pid = engine.child(name)
        except ValueError:
            pid = dead
        if pid != dead:
            return pid
        engine.hear(0.02)
    raise AssertionError(f"no new {name}")


def bars_with_notes(engine: Playing, known: int) -> tuple[list[int], set[int]]:
    """The numbers of the bars that began, and of those in which a note began, since ``known``."""
    began: list[int] = []
    sounded: set[int] = set()
    for heard in engine.heard[known:]:
        if heard.address == "/al/bar":
            began.append(int(str(heard.arguments[0])))
        elif heard.address in {"/al/melody/note", "/al/melody/tie"} and began:
            sounded.add(began[-1])
    return began, sounded


@pytest.mark.timeout(120 + 10 * DEATHS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_main_dies_no_bar_is_silent_and_the_session_goes_on(number: int) -> None:
    with playing(*OPTIONS) as engine:
        engine.listen()
        engine.send("/al/melody/knob/2", 0.75)
        engine.send("/al/melody/temperature", 0.5)
        engine.send("/al/melody/temperature")
        engine.hear_until("/al/melody/temperature")
        engine.hear_until("/al/bar")
        known = len(engine.heard)
        answers_s = []
        for _ in range(DEATHS):
            dead = engine.child("main")
            os.kill(dead, number)
            answers_s.append(engine.ping())
            successor(engine, "main", dead)
            engine.send("/al/melody/knob/2")
            assert engine.hear_until("/al/melody/knob/2").arguments == (0.75,)
            engine.hear(BAR_S)
        engine.hear(2 * BAR_S)
        engine.end()
    began, sounded = bars_with_notes(engine, known)
    assert began == list(range(began[0], began[0] + len(began)))
    assert set(began[:-1]) <= sounded
    assert max(answers_s) <= 3.0
    assert not any("Traceback" in line for line in engine.said)
    cause = "SIGKILL ended it" if number == signal.SIGKILL else "it had stood still for "
    assert sum(f"The main process was replaced ({cause}" in line for line in engine.said) == DEATHS


@pytest.mark.timeout(120 + 10 * DEATHS)
def test_what_main_answered_before_it_was_killed_holds_without_a_record_too() -> None:
    with playing("--parts", "melody", "--seed", "5", "--tempo", "960", "--no-record") as engine:
        engine.listen()
        for _ in range(6):
            engine.hear_until("/al/bar")
        for death in range(DEATHS):
            dead = engine.child("main")
            for step in range(1, 11):
                engine.send("/al/melody/temperature", (10 * death + step) / 256)
            engine.send("/al/melody/transpose", death % 12)
            engine.send("/al/melody/temperature")
            answered = engine.hear_until("/al/melody/temperature", (10 * death + 10) / 256)
            os.kill(dead, signal.SIGKILL)
            successor(engine, "main", dead)
            engine.ping()
            known = len(engine.heard)
            engine.send("/al/melody/temperature")
            engine.send("/al/melody/transpose")
            engine.hear_until("/al/melody/transpose", death % 12)
            (asked,) = [heard for heard in engine.heard[known:] if heard.address == "/al/melody/temperature"]
            assert asked.arguments == answered.arguments
        # So many bars before the last one, the last successor was not there yet.
        known = len(engine.heard)
        for bars_ago in range(4, 8):
            engine.send("/al/melody/keep/1", bars_ago)
        engine.ping()
        assert [heard.address for heard in engine.heard[known:]].count("/al/error") < 4
        assert engine.end() == 0


@pytest.mark.timeout(120 + 10 * DEATHS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_when_the_player_dies_there_is_music_within_a_bar(number: int) -> None:
    with playing("--parts", "melody", "--seed", "5", "--tempo", "120") as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        waits_s = []
        for _ in range(DEATHS):
            engine.hear_until("/al/melody/note")
            dead = engine.child("player")
            killed_s = time.monotonic()
            os.kill(dead, number)
            successor(engine, "player", dead)
            engine.hear_until("/al/beat")
            waits_s.append(time.monotonic() - killed_s)
            assert not alive(dead)
            # A listener that says nothing for a minute is let go.
            engine.ping()
        engine.hear_until("/al/bar")
        engine.hear_until("/al/melody/note")
        engine.end()
    assert max(waits_s) < 2.0
    numbers = [heard.arguments[0] for heard in engine.all("/al/bar")]
    assert numbers == sorted(numbers)  # type: ignore[type-var]


@pytest.mark.timeout(60 + 10 * DEATHS)
def test_when_the_parent_dies_nothing_is_left() -> None:
    for _ in range(DEATHS):
        with playing(*OPTIONS) as engine:
            engine.listen()
            children = [engine.child("main"), engine.child("player")]
            engine.hear_until("/al/melody/note")
            engine.process.kill()
            until_s = time.monotonic() + 3.0
            while any(alive(child) for child in children):
                assert time.monotonic() < until_s, "a child outlived its parent"
                engine.take()


@pytest.mark.timeout(120 + 20 * DEATHS)
def test_both_children_may_die_at_once() -> None:
    waits_s = []
    with playing(*OPTIONS) as engine:
        engine.listen()
        engine.send("/al/melody/transpose", 7)
        engine.hear_until("/al/bar")
        for _ in range(DEATHS):
            dead = {name: engine.child(name) for name in ("main", "player")}
            killed_s = time.monotonic()
            for pid in dead.values():
                os.kill(pid, signal.SIGKILL)
            for name, pid in dead.items():
                successor(engine, name, pid)
            engine.ping()
            engine.send("/al/melody/transpose")
            assert engine.hear_until("/al/melody/transpose").arguments == (7,)
            engine.hear_until("/al/melody/note")
            waits_s.append(time.monotonic() - killed_s)
            engine.hear_until("/al/bar")
        assert engine.end() == 0
    assert max(waits_s) <= 3.0
    assert not any("Traceback" in line for line in engine.said)


def another_model(folder: Path) -> Path:
    """A copy of the melody model under another name."""
    copy = shutil.copytree(find_bundle("melody-2bar"), folder / "another")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"name": "another"}))
    return copy


def abort_main(engine: Playing) -> None:
    """End main as a graph does that makes onnxruntime abort, and wait until its successor answers."""
    dead = engine.child("main")
    os.kill(dead, signal.SIGABRT)
    successor(engine, "main", dead)
    engine.ping()


def model_of(engine: Playing) -> str:
    """What the melody's model is called."""
    engine.send("/al/melody/model")
    return str(engine.hear_until("/al/melody/model").arguments[0])


def test_when_a_bundle_aborts_the_process_the_session_goes_on_at_last_with_the_model_of_the_start(
    tmp_path: Path,
) -> None:
    with playing(*OPTIONS) as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        engine.send("/al/melody/model", str(another_model(tmp_path)))
        engine.hear_until("/al/melody/model", "another")
        engine.send("/al/melody/temperature", 0.5)
        engine.hear(BAR_S)
        known = len(engine.heard)
        models = []
        for _ in range(3):
            abort_main(engine)
            models.append(model_of(engine))
        engine.send("/al/melody/temperature")
        assert engine.hear_until("/al/melody/temperature").arguments == (0.5,)
        engine.hear(2 * BAR_S)
        assert engine.end() == 0
    assert models == ["another", "another", "melody-2bar"]
    began, sounded = bars_with_notes(engine, known)
    assert began == list(range(began[0], began[0] + len(began)))
    assert set(began[:-1]) <= sounded
    assert any("models of the start are used" in line for line in engine.said)
