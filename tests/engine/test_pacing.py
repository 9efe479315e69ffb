"""Floods of control values: few decodes, and yet the last value in time is heard."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.inference.requests import DecodeRequest
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.pacing import CLOSE_US
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
DECODE_US = 2_500
# A decode that runs when a value comes, and the one of that value.
BUDGET_US = 2 * DECODE_US + 500


def playing(parts: int) -> tuple[Performance, list[int]]:
    """A performance that plays, and the moments at which its worker began a decode."""
    decoder = StubDecoder()
    setups = [PartSetup(f"p{i}", i + 1, latent_space(decoder.manifest), 2) for i in range(parts)]
    session = Session(setups, 7, TEMPO_BPM)
    session.set_budget(BUDGET_US * parts)
    decodes_us: list[int] = []

    def decode_us(_: DecodeRequest) -> int:
        decodes_us.append(joined.now_us)
        return DECODE_US

    joined = Performance(session, {setup.name: decoder for setup in setups}, TEMPO_BPM, decode_us=lambda _: 0)
    joined.run_until(1_000_000)
    joined._decode_us = decode_us
    session.act(Target("start"), (), joined.now_us)
    joined.run_until(joined.now_us + BAR_US // 2)
    return joined, decodes_us


@pytest.mark.parametrize(("parts", "hz"), [(1, 2_000), (16, 30)])
def test_a_flood_of_points_leaves_the_worker_half_of_its_time_and_no_bar_misses_one(parts: int, hz: int) -> None:
    joined, decodes_us = playing(parts)
    decodes_us.clear()
    began_us, seconds = joined.now_us, 4
    for turn in range(hz * seconds):
        joined.run_until(began_us + turn * 1_000_000 // hz)
        for part in joined.session.parts():
            joined.session.set(Target("z", part, 1), (turn / (hz * seconds),), joined.now_us)
        joined.settle()
    assert joined.session.misses == 0
    assert joined.session.fallbacks == 0
    assert len(decodes_us) * DECODE_US <= 0.6 * seconds * 1_000_000


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3 * BUDGET_US), min_size=1, max_size=40), st.integers(0, BAR_US))
def test_of_a_burst_of_points_the_last_one_in_time_is_heard(gaps_us: list[int], before_us: int) -> None:
    joined, _ = playing(1)
    joined.run_until(joined.now_us + max(0, BAR_US - before_us))
    for turn, gap_us in enumerate(gaps_us):
        joined.session.set(Target("z", "p0", 1), (turn / 100,), joined.now_us)
        joined.run_until(joined.now_us + gap_us)
    joined.run_until(joined.now_us + 2 * BAR_US)
    assert joined.session.misses == 0


def test_a_value_close_to_the_freeze_line_is_decoded_at_once() -> None:
    joined, decodes_us = playing(1)
    frozen = [message for message in joined.heard if isinstance(message, Frozen)][-1]
    freeze_us = frozen.due_us + BAR_US
    close_us = freeze_us - CLOSE_US
    for at_us in (close_us, close_us + DECODE_US + 100):
        joined.run_until(at_us)
        joined.session.set(Target("z", "p0", 1), (at_us / 1e9,), joined.now_us)
        joined.settle()
        assert decodes_us[-1] == at_us
