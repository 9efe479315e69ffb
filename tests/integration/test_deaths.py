"""Deaths on stage: whatever is killed or hangs, the music goes on, or ends without a hanging note.

``AUTOLOOPS_DEATHS`` says how many times in a row (default 3).
"""

import os
import signal
import time

import pytest
from tests.integration.playing import PATIENCE_S, Playing, alive, playing

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


def test_both_children_may_die_at_once() -> None:
    with playing(*OPTIONS) as engine:
        engine.listen()
        engine.send("/al/melody/transpose", 7)
        engine.hear_until("/al/bar")
        for name in ("main", "player"):
            os.kill(engine.child(name), signal.SIGKILL)
        engine.ping()
        engine.send("/al/melody/transpose")
        assert engine.hear_until("/al/melody/transpose").arguments == (7,)
        engine.hear_until("/al/melody/note")
        assert engine.end() == 0
