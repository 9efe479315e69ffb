"""Parts that share a latent point share how it moves: whichever of them is told to, it is one motion."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.latent import latent_space
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
NAMES = ("melody", "bass", "lead")
MOTION = ("corners", "pad", "walk", "orbit")
SPACE = latent_space(StubDecoder().manifest, family="tiny")


def performance(*, linked: bool = True) -> Performance:
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, SPACE, 2) for i, name in enumerate(NAMES)]
    joined = Performance(Session(setups, 7, TEMPO_BPM), dict.fromkeys(NAMES, decoder), TEMPO_BPM)
    for slot in range(1, 4):
        joined.session.act(Target("fire", "melody"), ("new",), 0)
        for name in NAMES:
            joined.session.set(Target("z", name), joined.session.get(Target("z", "melody")), 0)
            joined.session.act(Target("store", name, slot), (), 0)
    # They do not freeze their bars at the same moment.
    joined.session.set(Target("offset", "bass"), (-30.0,), 0)
    joined.session.set(Target("offset", "lead"), (20.0,), 0)
    if linked:
        joined.session.set(Target("link", "melody"), ("bass", "lead"), 0)
        joined.session.set(Target("z", "melody"), joined.session.get(Target("z", "melody")), 0)
    joined.session.act(Target("start"), (), 0)
    bars_on(joined, 1.5)
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def points(joined: Performance) -> list[Values]:
    return [joined.session.get(Target("z", name)) for name in NAMES]


def shown(joined: Performance, name: str) -> list[Values]:
    return [joined.session.get(Target(each, name)) for each in MOTION]


COMMANDS = st.one_of(
    st.tuples(st.just("corners"), st.sampled_from([(1, 2), (2, 3), (0,)])),
    st.tuples(st.just("pad"), st.floats(0, 1).map(lambda x: (x,))),
    st.tuples(st.just("walk"), st.sampled_from([(0.0,), (0.3,), (1.0,)])),
    st.tuples(st.just("orbit"), st.sampled_from([(0.0, 4.0), (0.5, 4.0), (1.0, 3.0)])),
    st.tuples(st.just("glide"), st.sampled_from([(1,), (3,)])),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(COMMANDS, st.sampled_from(NAMES), st.sampled_from([0.0, 0.4, 1.0])), min_size=1, max_size=8))
def test_whoever_is_told_to_move_it_is_the_same_motion(script: list[tuple[tuple[str, Values], str, float]]) -> None:
    among, alone = performance(), performance()
    for (command, values), name, bars in script:
        for joined, told in ((among, name), (alone, "melody")):
            if command == "glide":
                joined.session.act(Target("glide", told, 2), values, joined.now_us)
            else:
                joined.session.set(Target(command, told), values, joined.now_us)
            bars_on(joined, bars)
        assert points(among) == points(alone)
        assert len(set(points(among))) == 1
        assert shown(among, "melody") == shown(among, "bass") == shown(among, "lead")


def test_a_walk_on_one_leaves_the_pad_of_the_other_alone() -> None:
    joined = performance()
    joined.session.set(Target("corners", "melody"), (1, 2), joined.now_us)
    joined.session.set(Target("pad", "melody"), (0.5,), joined.now_us)
    on_the_pad = points(joined)
    joined.session.touched()
    joined.session.set(Target("walk", "lead"), (0.5,), joined.now_us)
    assert {Target("walk", name) for name in NAMES} <= set(joined.session.touched())
    bars_on(joined, 3)
    assert points(joined) != on_the_pad
    joined.session.set(Target("walk", "bass"), (0.0,), joined.now_us)
    assert points(joined)[0] == pytest.approx(on_the_pad[0])
    assert shown(joined, "bass")[:2] == [(1, 2), (0.5, 0.0)]


def test_a_walk_takes_one_step_a_bar_however_many_share_it() -> None:
    shared, alone = performance(), performance(linked=False)
    shared.session.set(Target("walk", "bass"), (0.5,), shared.now_us)
    alone.session.set(Target("walk", "melody"), (0.5,), alone.now_us)
    bars_on(shared, 5)
    bars_on(alone, 5)
    assert points(shared)[0] == points(alone)[0]


def test_who_is_linked_moves_along_and_who_leaves_goes_on_from_there() -> None:
    joined = performance(linked=False)
    session = joined.session
    session.set(Target("walk", "melody"), (0.5,), joined.now_us)
    bars_on(joined, 2)
    session.set(Target("link", "lead"), ("melody",), joined.now_us)
    assert session.get(Target("walk", "lead")) == (0.5,)
    bars_on(joined, 3)
    assert points(joined)[0] == points(joined)[2]
    session.set(Target("link", "lead"), ("none",), joined.now_us)
    assert points(joined)[0] == points(joined)[2]
    bars_on(joined, 2)
    assert points(joined)[0] != points(joined)[2]
    session.act(Target("remove", "melody"), ("now",), joined.now_us)
    bars_on(joined, 3)
    assert session.get(Target("walk", "lead")) == (0.5,)


def test_it_is_undone_for_all_and_outlives_the_main_process() -> None:
    joined = performance()
    before = [*points(joined), *(shown(joined, name) for name in NAMES)]
    joined.session.set(Target("orbit", "lead"), (0.5, 4.0), joined.now_us)
    bars_on(joined, 1)
    state = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    heir = Session(joined.session.cast(), 1, TEMPO_BPM, 1)
    heir.restore(state)
    assert [heir.get(Target("orbit", name)) for name in NAMES] == [(0.5, 4.0)] * 3
    joined.session.act(Target("undo"), (), joined.now_us)
    assert [*points(joined), *(shown(joined, name) for name in NAMES)] == before
