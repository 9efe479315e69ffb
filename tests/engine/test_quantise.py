"""A part has a launch quantisation of its own, which holds where none is asked for."""

import msgspec
import pytest

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import RemovePart
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
BEGUN_BARS = 4.55
NAMES = ("melody", "bass")
QUANTISE = Target("quantise", "melody")


def performance() -> Performance:
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, latent_space(decoder.manifest), 3) for i, name in enumerate(NAMES)]
    joined = Performance(Session(setups, 7, TEMPO_BPM), dict.fromkeys(NAMES, decoder), TEMPO_BPM)
    joined.session.act(Target("hear"), (60, 90), 0)
    joined.session.act(Target("store", "melody", 1), (), 0)
    joined.session.act(Target("start"), (), 0)
    joined.run_until(round(BEGUN_BARS * BAR_US))
    return joined


def lined_up(joined: Performance, part: str = "melody") -> list[float]:
    """The bars at which something is launched that has not been yet."""
    state = joined.session.state()
    places = [launch.position_ub for launch in state.parts[part].launches]
    return [place_ub / 4_000_000 for place_ub in (*places, *state.leaving.values())]


def do(joined: Performance, name: str, *values: float | str, key: int | None = None) -> None:
    joined.session.act(Target(name, "melody", key), values, joined.now_us)
    for phrase in joined.session.take_phrases():
        joined.session.take_up(phrase, [1.0, 0.0, 0.0, 0.0], joined.now_us)


VERBS: list[tuple[str, Values, int | None]] = [
    ("fire", (), None),
    ("fire", ("vary",), None),
    ("restart", (), None),
    ("slot", (), 1),
    ("back", (0,), None),
    ("capture", (), None),
    ("capture", (0.5,), None),
    ("load", ("tune.mid",), None),
    ("remove", (), None),
]


@pytest.mark.parametrize(("name", "values", "key"), VERBS)
@pytest.mark.parametrize(("word", "bar"), [("2bars", 6), ("4bars", 8), ("loop", 6)])
def test_it_holds_for_every_verb_that_takes_a_launch_point(
    name: str, values: Values, key: int | None, word: str, bar: float
) -> None:
    joined = performance()
    joined.session.set(QUANTISE, (word,), joined.now_us)
    assert joined.session.get(QUANTISE) == (word,)
    do(joined, name, *values, key=key)
    assert lined_up(joined) == [bar]


def test_what_is_asked_for_counts_more_and_other_parts_and_the_rig_go_by_their_own() -> None:
    joined = performance()
    joined.session.set(QUANTISE, ("4bars",), joined.now_us)
    do(joined, "restart", "2bars")
    assert lined_up(joined) == [6]
    joined.session.act(Target("restart", "bass"), (), joined.now_us)
    joined.session.act(Target("slot", "", 1), ("2bars",), joined.now_us)
    assert lined_up(joined) == [6, 6]


def test_now_is_heard_within_the_bar_and_leaving_is_at_once() -> None:
    joined = performance()
    joined.session.set(QUANTISE, ("now",), joined.now_us)
    before = joined.session.get(Target("z", "melody"))
    do(joined, "fire", "new")
    joined.run_until(joined.now_us + BAR_US // 8)
    assert joined.session.get(Target("z", "melody")) != before
    do(joined, "remove")
    assert joined.session.parts() == ("bass",)
    assert RemovePart("melody") in joined.session.take_messages()


def test_it_is_a_value_like_any_other() -> None:
    joined = performance()
    session = joined.session
    assert session.get(QUANTISE) == ("bar",)
    with pytest.raises(UsageError, match="It takes now, beat"):
        session.set(QUANTISE, ("soon",), joined.now_us)
    session.set(QUANTISE, ("loop",), joined.now_us)
    assert QUANTISE in session.touched()
    state = msgspec.json.decode(msgspec.json.encode(session.state()), type=SessionState)
    heir = Session(session.cast(), 1, TEMPO_BPM, 1)
    heir.restore(state)
    assert heir.get(QUANTISE) == ("loop",)
    session.act(Target("undo"), (), joined.now_us)
    assert session.get(QUANTISE) == ("bar",)
