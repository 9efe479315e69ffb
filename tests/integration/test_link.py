"""Ableton's test plan for Link (TEST-PLAN.md of its repository), with the engine as the app and a peer as LinkHut.

Everything happens in networks of our own. ``AUTOLOOPS_JOINS`` says how often a session is joined; 50 take two minutes.
"""

import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from tests.integration.conftest import network
from tests.integration.linking import Heard, Peer, Rehearsal, ask, onset_errors_ms, send, values
from tests.integration.playing import Playing

JOINS = int(os.environ.get("AUTOLOOPS_JOINS", "3"))
# A tempo travels in whole microseconds a beat.
TEMPO_TOLERANCE_BPM = 0.02
# Of the beat: what a busy machine may be late, at the tempos that are played here.
NEAR_BEATS = 0.05


class Stage(NamedTuple):
    """Somebody with Link, and the engine beside it."""

    rehearsal: Rehearsal
    hut: Peer
    app: Playing


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    pytest.importorskip("link")
    with network() as inside, Rehearsal(inside) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="module")
def together() -> Iterator[Stage]:
    """The engine, stopped, in the session of a peer; a test leaves it stopped."""
    pytest.importorskip("link")
    with network() as inside, Rehearsal(inside) as rehearsal:
        hut = rehearsal.peer(130.0)
        with rehearsal.engine(hut, "--tempo", "100", "--stopped") as app:
            hut.until(lambda seen: seen.peers == 1)
            yield Stage(rehearsal, hut, app)


@pytest.fixture(scope="module")
def alone() -> Iterator[Stage]:
    """The engine, playing alone at 240 BPM; the peer only listens."""
    pytest.importorskip("link")
    with network() as inside, Rehearsal(inside) as rehearsal:
        hut = rehearsal.peer(97.0, enabled=False)
        with rehearsal.engine(hut, "--tempo", "240") as app:
            yield Stage(rehearsal, hut, app)


def is_beat(heard: Heard) -> bool:
    return heard.address == "/al/beat"


def assert_on(heard: Heard, grid: float = 1) -> None:
    """It came on a multiple of so many beats of the peer's."""
    assert abs(heard.beat / grid - round(heard.beat / grid)) * grid < NEAR_BEATS, heard


def assert_even(beats: list[Heard], beat_us: int) -> None:
    """No beat is missing, and they are equally far apart."""
    numbers = [heard.arguments[0] for heard in beats]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # type: ignore[call-overload, operator]
    assert np.abs(np.diff([heard.at_us for heard in beats]) - beat_us).max() < NEAR_BEATS * beat_us


def test_tempo_1_tempo_changes_go_both_ways(together: Stage) -> None:
    _, hut, app = together
    send(hut, app, "/al/tempo", 260.0)
    hut.until(lambda seen: seen.tempo_bpm == pytest.approx(260.0, abs=TEMPO_TOLERANCE_BPM))
    send(hut, app, "/al/start")
    assert_on(hut.hear_until(is_beat))
    hut.ask("tempo", 281.5)
    assert_on(hut.hear_until(is_beat))
    hut.until(lambda _: values(hut, app, "/al/tempo")[0] == pytest.approx(281.5, abs=TEMPO_TOLERANCE_BPM))
    send(hut, app, "/al/tempo", 250.0)
    hut.until(lambda seen: seen.tempo_bpm == pytest.approx(250.0, abs=TEMPO_TOLERANCE_BPM))
    for _ in range(3):
        assert_on(hut.hear_until(is_beat))
    send(hut, app, "/al/stop")


@pytest.mark.timeout(90 + 15 * JOINS)
def test_tempo_2_joining_does_not_change_the_sessions_tempo(rehearsal: Rehearsal) -> None:
    hut = rehearsal.peer(430.0)
    for number in range(JOINS):
        # Some wait, some play at once, which is nobody else's business.
        with rehearsal.engine(hut, "--tempo", "100", *(["--stopped"] if number % 2 else [])) as app:
            hut.until(lambda seen: seen.peers == 1)
            if number % 2 == 0:
                assert_on(hut.hear_until(is_beat))
            hut.until(lambda _: values(hut, app, "/al/tempo")[0] == pytest.approx(430.0, abs=TEMPO_TOLERANCE_BPM))
            assert not hut.look().playing
        hut.until(lambda seen: seen.peers == 0)
    assert hut.tempos() == {430.0}


def test_tempo_3_a_session_taken_up_again_does_not_change_the_tempo(rehearsal: Rehearsal) -> None:
    """Our document is what a process that died leaves to the next one."""
    hut = rehearsal.peer(430.0)
    with rehearsal.engine(hut, "--tempo", "100") as app:
        hut.until(lambda seen: seen.peers == 1)
        hut.hear_until(is_beat)
        for child in ("main", "player"):
            os.kill(app.child(child), signal.SIGKILL)
            for _ in range(3):
                assert_on(hut.hear_until(is_beat))
        assert values(hut, app, "/al/tempo")[0] == pytest.approx(430.0, abs=TEMPO_TOLERANCE_BPM)
    assert hut.tempos() == {430.0}


@pytest.mark.parametrize("tempo_bpm", [20.0, 999.0])
def test_tempo_4_the_whole_range_is_followed(together: Stage, tempo_bpm: float) -> None:
    _, hut, app = together
    hut.ask("tempo", 480)
    send(hut, app, "/al/start")
    hut.hear_until(is_beat)
    hut.ask("tempo", tempo_bpm)
    hut.until(lambda seen: values(hut, app, "/al/tempo")[0] == pytest.approx(tempo_bpm, abs=0.05))
    for _ in range(5):
        answer = ask(hut, app, "/al/position")
        (position_beats,) = answer.arguments
        off_beats = (answer.beat - position_beats) % 4  # type: ignore[operator]
        assert min(off_beats, 4 - off_beats) < 2 * NEAR_BEATS
    send(hut, app, "/al/stop")
    hut.ask("tempo", 480)


def test_startstopstate_1_a_peers_start_and_stop_are_obeyed(together: Stage) -> None:
    _, hut, app = together
    hut.ask("start")
    first = hut.hear_until(is_beat)
    assert first.arguments == (1,)
    assert_on(first, 4)
    hut.ask("stop")
    hut.hear_until(lambda heard: heard.address == "/al/playing" and heard.arguments == (0,))
    assert values(hut, app, "/al/playing") == (0,)


def test_audioengine_1_onsets_lie_on_the_peers_beats(together: Stage) -> None:
    _, hut, app = together
    hut.take()
    hut.heard.clear()
    send(hut, app, "/al/start")
    hut.hear_until(lambda heard: is_beat(heard) and heard.arguments == (13,))
    send(hut, app, "/al/stop")
    errors_ms = np.abs(onset_errors_ms(hut.heard, 0.25, "/al/melody/note"))
    assert len(errors_ms) > 5
    # The plan's own tolerance for the worst; `benchmarks/link.py` tells what a quiet machine reaches.
    assert np.percentile(errors_ms, 90) < 3.0, errors_ms
    assert np.median(errors_ms) < 1.0, errors_ms


def test_startstopstate_2_our_start_and_stop_are_sent(rehearsal: Rehearsal) -> None:
    hut = rehearsal.peer(400.0)
    hut.ask("start")
    with rehearsal.engine(hut, "--stopped") as app:
        hut.until(lambda seen: seen.peers == 1)
        assert values(hut, app, "/al/playing") == (0,)
        assert hut.look().playing
        send(hut, app, "/al/start")
        assert_on(hut.hear_until(is_beat), 4)
        assert hut.look().playing
        send(hut, app, "/al/stop")
        hut.until(lambda seen: not seen.playing)
        send(hut, app, "/al/start")
        hut.until(lambda seen: bool(seen.playing))
        first = hut.hear_until(is_beat)
        assert first.arguments == (1,)
        assert_on(first, 4)


def test_tempo_5_alone_the_tempo_stays(alone: Stage) -> None:
    _, hut, app = alone
    hut.hear_until(is_beat)
    assert values(hut, app, "/al/tempo")[0] == pytest.approx(240.0, abs=TEMPO_TOLERANCE_BPM)


def test_beattime_1_alone_the_beats_run_on(alone: Stage) -> None:
    """From the first one on, whatever Link does in its first seconds."""
    hut = alone.hut
    hut.hear_until(lambda heard: is_beat(heard) and heard.arguments == (12,), since=0)
    assert_even([heard for heard in hut.heard if is_beat(heard)], 250_000)


def test_beattime_2_the_beats_run_on_when_somebody_joins(alone: Stage) -> None:
    rehearsal, hut, _ = alone
    guest = rehearsal.peer(97.0)
    guest.until(lambda seen: seen.peers == 1)
    assert guest.look().tempo_bpm == pytest.approx(240.0, abs=TEMPO_TOLERANCE_BPM)
    hut.hear_until(is_beat)
    guest.ask("disable")
    for _ in range(3):
        hut.hear_until(is_beat)
    assert_even([heard for heard in hut.heard if is_beat(heard)], 250_000)


def test_a_session_that_vanishes_leaves_us_in_time(together: Stage) -> None:
    _, hut, app = together
    hut.ask("tempo", 300)
    send(hut, app, "/al/start")
    assert_on(hut.hear_until(is_beat))
    hut.ask("disable")
    # The peer counts on by itself, and so do we.
    for _ in range(5):
        assert_on(hut.hear_until(is_beat))
    assert values(hut, app, "/al/tempo")[0] == pytest.approx(300.0, abs=TEMPO_TOLERANCE_BPM)
