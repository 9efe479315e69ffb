"""Parts of one choke group take turns where the launch takes effect, not where it was asked for."""

from collections.abc import Iterable

import msgspec
import pytest

from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Mute
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
NAMES = ("melody", "bass", "drums")
# Before its place, a mute ends what sounds by so much at most.
AHEAD_US = 10_000


def performance() -> Performance:
    """Melody and bass take turns; the bass has been silent so far."""
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, latent_space(decoder.manifest), 2) for i, name in enumerate(NAMES)]
    joined = Performance(Session(setups, 7, TEMPO_BPM), dict.fromkeys(NAMES, decoder), TEMPO_BPM)
    for name in ("melody", "bass"):
        joined.session.set(Target("choke", name), (1,), 0)
    joined.session.set(Target("mute", "bass"), (1,), 0)
    joined.session.act(Target("start"), (), 0)
    bars_on(joined, 4.55)
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def begun_us(joined: Performance) -> int:
    return joined.player.line.time_us


def onsets(events: Iterable[Event], part: str) -> list[int]:
    return [event.at_us for event in events if event.part == part and event.kind is Kind.ON]


def mutes(session: Session) -> dict[str, Values]:
    return {name: session.get(Target("mute", name)) for name in NAMES}


@pytest.mark.parametrize(("when", "bar"), [("bar", 5), ("2bars", 6), ("4bars", 8), ("beat", 4.75), ("now", 4.5625)])
@pytest.mark.parametrize("verb", ["fire", "slot", "back"])
def test_the_old_loop_goes_on_up_to_the_launch_point(verb: str, when: str, bar: float) -> None:
    joined = performance()
    session, line_us = joined.session, begun_us(joined) + round(bar * BAR_US)
    session.act(Target("store", "bass", 1), (), joined.now_us)
    key, values = {"fire": (None, ("new", when)), "slot": (1, (when,)), "back": (None, (1, when))}[verb]
    session.act(Target(verb, "bass", key), values, joined.now_us)
    bars_on(joined, bar - 4.5 + 4)
    melody, bass = onsets(joined.events, "melody"), onsets(joined.events, "bass")
    assert melody[-1] < line_us
    assert line_us - BAR_US < melody[-1], "it went on until then"
    assert line_us - AHEAD_US <= bass[0] < line_us + BAR_US
    ended = [e.at_us for e in joined.events if e.part == "melody" and e.kind is Kind.OFF]
    assert ended[-1] <= line_us
    assert mutes(session) == {"melody": (1,), "bass": (0,), "drums": (0,)}
    assert onsets(joined.events, "drums")[-1] > line_us


def test_a_phrase_that_is_taken_up_takes_the_turn_and_a_slot_of_the_rig_does_not() -> None:
    joined = performance()
    session = joined.session
    session.act(Target("hear"), (60, 90), joined.now_us)
    session.act(Target("capture", "bass"), (1.0, "2bars"), joined.now_us)
    session.take_up(session.take_phrases()[0], [1.0] * 4, joined.now_us)
    assert mutes(session)["melody"] == (0,)
    bars_on(joined, 2)
    assert mutes(session) == {"melody": (1,), "bass": (0,), "drums": (0,)}
    session.act(Target("back"), (1, "bar"), joined.now_us)
    bars_on(joined, 2)
    assert mutes(session) == {"melody": (1,), "bass": (0,), "drums": (0,)}


def test_the_echo_comes_when_it_is_heard_and_undo_calls_it_off_or_takes_it_back() -> None:
    joined = performance()
    session, before = joined.session, mutes(joined.session)
    session.act(Target("fire", "bass"), ("new", "4bars"), joined.now_us)
    session.touched()
    session.act(Target("undo"), (), joined.now_us)
    bars_on(joined, 6)
    assert mutes(session) == before
    session.act(Target("redo"), (), joined.now_us)
    bars_on(joined, 1)
    assert mutes(session) == {"melody": (1,), "bass": (0,), "drums": (0,)}
    assert {Target("mute", "melody"), Target("mute", "bass")} <= set(session.touched())
    session.act(Target("undo"), (), joined.now_us)
    assert mutes(session) == before


def test_a_change_of_tempo_moves_it_and_whoever_is_launched_last_is_heard() -> None:
    joined = performance()
    session = joined.session
    session.act(Target("fire", "bass"), ("new", "bar"), joined.now_us)
    session.act(Target("fire", "melody"), ("again", "2bars"), joined.now_us)
    session.set(Target("tempo"), (60.0,), joined.now_us)
    bars_on(joined, 0.8)
    assert mutes(session)["bass"] == (1,), "half a bar takes twice as long by now"
    bars_on(joined, 0.2)
    assert (mutes(session)["melody"], mutes(session)["bass"]) == ((1,), (0,))
    bars_on(joined, 2)
    assert (mutes(session)["melody"], mutes(session)["bass"]) == ((0,), (1,))


def test_while_nothing_plays_and_where_the_position_jumps_it_is_done_at_once() -> None:
    joined = performance()
    session = joined.session
    session.act(Target("fire", "bass"), ("new", "4bars"), joined.now_us)
    session.act(Target("stop"), (), joined.now_us)
    bars_on(joined, 4)
    assert mutes(session)["bass"] == (1,), "a launch waits for its place, too"
    session.act(Target("start"), (), joined.now_us)
    bars_on(joined, 0.5)
    assert mutes(session) == {"melody": (1,), "bass": (0,), "drums": (0,)}
    session.act(Target("stop"), (), joined.now_us)
    joined.settle()
    session.act(Target("fire", "melody"), ("new", "4bars"), joined.now_us)
    assert mutes(session) == {"melody": (0,), "bass": (1,), "drums": (0,)}


def test_it_outlives_the_main_process() -> None:
    joined = performance()
    joined.session.act(Target("fire", "bass"), ("new", "4bars"), joined.now_us)
    joined.settle()
    state = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    joined.session = Session(joined.session.cast(), 1, TEMPO_BPM, 1)
    joined.session.restore(state)
    bars_on(joined, 4)
    assert mutes(joined.session) == {"melody": (1,), "bass": (0,), "drums": (0,)}


def test_a_part_that_was_choked_does_not_take_its_turn_back_by_itself() -> None:
    joined = performance()
    session = joined.session
    session.set(Target("follow", "bass"), ("vary", 1), joined.now_us)
    session.take_messages()
    bars_on(joined, 8)
    assert mutes(session)["melody"] == (0,)
    assert not [message for message in session.take_messages() if isinstance(message, Mute)]
