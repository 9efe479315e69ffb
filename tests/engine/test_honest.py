"""Honest faders in a session: heard at once by their curve, then as found; on a clock that only tests move."""

import msgspec
import numpy as np
import pytest

from autoloops_engine.bundle.manifest import Attribute
from autoloops_engine.codecs.attributes import LINE_ATTRIBUTES
from autoloops_engine.inference.decoder import DecodedSteps, Floats, Tokens
from autoloops_engine.latent import latent_space
from autoloops_engine.session.core import Session
from autoloops_engine.session.honest import STILL_US
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, tiny_manifest

BAR_US = 2_000_000
SEARCH_US = 300_000
SPAN = (2.0, 14.0)
DENSITY, Z = Target("attr", "melody", "density"), Target("z", "melody")


class Dense(StubDecoder):
    """The higher coordinate 1, the more notes, all of them middle C."""

    def __init__(self) -> None:
        curve = ((0.0, -2.0), (0.5, 0.0), (1.0, 2.0))
        attribute = Attribute("density", (1.0, 0.0, 0.0, 0.0), curve, low=SPAN[0], high=SPAN[1])
        super().__init__(msgspec.structs.replace(tiny_manifest(), attributes=(attribute,)))

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        steps = super().bar(state, embedding, previous, temperature, noise, bias)
        onset = 0.3 * embedding[:, :1] + noise[:, :, 41] - noise[:, :, 0] + bias[:, :, 41] - bias[:, :, 0] > 0
        return steps._replace(tokens=np.where(onset, 41, 0).astype(np.int64))


def performance(search_us: int = SEARCH_US) -> Performance:
    decoder = Dense()
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), 2)], 7, 120.0)
    joined = Performance(session, {"melody": decoder}, 120.0, decode_us=lambda _: 4_000, search_us=search_us)
    session.set_budget(12_000)
    session.act(Target("start"), (), 0)
    joined.run_until(3 * BAR_US)
    return joined


def density(joined: Performance) -> float:
    """Of the loop as it last sounded, in its range."""
    tokens = np.concatenate([bar.tokens for bar in joined.session.loop_steps("melody")])[None]
    return float((LINE_ATTRIBUTES["density"](tokens, ())[0] - SPAN[0]) / (SPAN[1] - SPAN[0]))


def z(joined: Performance) -> list[float]:
    return [float(value) for value in joined.session.get(Z)]


@pytest.mark.parametrize("position", [0.15, 0.7, 0.85])
def test_a_fader_sits_where_the_loop_is_measured(position: float) -> None:
    joined = performance()
    joined.session.set(DENSITY, (position,), joined.now_us)
    joined.run_until(joined.now_us + 6 * BAR_US)
    assert density(joined) == pytest.approx(position, abs=0.03)
    assert joined.session.get(DENSITY) == (position,)
    assert (joined.session.misses, joined.session.fallbacks) == (0, 0)


def test_the_curve_is_heard_at_once_and_what_was_found_after_the_search() -> None:
    joined = performance()
    rest = z(joined)
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    by_curve = z(joined)
    assert by_curve[0] == pytest.approx(rest[0] + 1.4)
    joined.run_until(joined.now_us + STILL_US + SEARCH_US - 1)
    assert z(joined) == by_curve
    joined.session.touched()
    joined.run_until(joined.now_us + 1)
    assert z(joined) != by_curve
    assert z(joined)[1:] == rest[1:]
    assert Z in joined.session.touched()


def test_a_search_waits_until_the_hand_is_still() -> None:
    joined = performance()
    for step in range(10):
        joined.session.set(DENSITY, (0.6 + step / 100,), joined.now_us)
        joined.run_until(joined.now_us + STILL_US // 2)
        assert not joined._searching
    joined.run_until(joined.now_us + STILL_US)
    assert [request.point.attribute("density") for _, request in joined._searching] == [0.69]


def test_an_answer_that_comes_too_late_is_dropped() -> None:
    joined = performance()
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    joined.run_until(joined.now_us + STILL_US + SEARCH_US // 2)
    joined.session.set(DENSITY, (0.2,), joined.now_us)
    by_curve = z(joined)
    joined.run_until(joined.now_us + SEARCH_US // 2 + 1)
    assert z(joined) == by_curve
    joined.run_until(joined.now_us + 6 * BAR_US)
    assert density(joined) == pytest.approx(0.2, abs=0.03)


def test_a_fader_that_comes_back_needs_no_second_search() -> None:
    joined = performance()
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    found = z(joined)
    joined.session.set(DENSITY, (0.5,), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    assert z(joined) == found


def test_without_a_fader_off_its_rest_nothing_is_searched_for() -> None:
    joined = performance()
    joined.session.act(Target("fire", "melody"), ("new", "bar"), joined.now_us)
    joined.session.set(Target("temperature", "melody"), (0.7,), joined.now_us)
    joined.run_until(joined.now_us + 2 * BAR_US)
    assert joined.session.take_searches(joined.now_us + BAR_US) == []


def test_while_something_else_moves_what_was_found_serves_on() -> None:
    joined = performance()
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    found = z(joined)
    joined.session.set(Target("knob", "melody", 3), (0.9,), joined.now_us)
    moved = z(joined)
    assert moved[:2] == pytest.approx(found[:2])
    assert moved[2] != found[2]


def test_a_point_of_its_own_has_nothing_of_what_was_found() -> None:
    joined = performance()
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    joined.session.set(Z, (0.5, 0.0, 0.0, 0.0), joined.now_us)
    assert z(joined) == [0.5, 0.0, 0.0, 0.0]
    assert joined.session.get(DENSITY) == (0.5,)


def test_a_variation_is_near_what_was_found() -> None:
    joined = performance()
    joined.session.set(DENSITY, (0.85,), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    found, base = np.array(z(joined)), np.array(joined.session._parts["melody"].settings.point.base)
    joined.session.act(Target("fire", "melody"), ("vary", "bar"), joined.now_us)
    joined.run_until(joined.now_us + 2 * BAR_US)
    varied = np.array(z(joined))
    assert np.linalg.norm(varied - found) < np.linalg.norm(varied - base)
