"""Swing: what comes late, what stays, and that nothing is lost when it changes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.time.swing import Swing, Swings
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT

SWINGS = st.builds(Swing, st.floats(50, 75), st.sampled_from([8, 16]))


@st.composite
def histories(draw: st.DrawFn) -> Swings:
    swings, after_ub = Swings(), 0
    for swing in draw(st.lists(SWINGS, max_size=6)):
        after_ub += draw(st.integers(0, 3 * BAR_UB))
        swings = swings.changed(swing, after_ub)
    return swings


@pytest.mark.parametrize(
    ("swing", "steps"),
    [
        (Swing(), (0, 1, 2, 3, 4)),
        (Swing(75.0, 16), (0, 1.5, 2, 3.5, 4)),
        (Swing(75.0, 8), (0, 1.5, 3, 3.5, 4)),
        (Swing(60.0, 8), (0, 1.2, 2.4, 3.2, 4)),
    ],
)
def test_every_second_note_comes_late_and_beats_stay(swing: Swing, steps: Sequence[float]) -> None:
    for bar in (-1, 0, 5):
        line_ub = bar * BAR_UB
        sounding = [swing.sounding_at(line_ub + step * STEP_UB) - line_ub for step in range(5)]
        assert sounding == [step * STEP_UB for step in steps]


@given(histories(), st.integers(-(10**7), 10**8), st.integers(0, 10**7))
def test_swing_keeps_the_order_and_inverts(swings: Swings, written_ub: int, step_ub: int) -> None:
    assert swings.sounding_at(written_ub) <= swings.sounding_at(written_ub + step_ub)
    assert swings.sounding_at(swings.written_at(written_ub)) <= written_ub
    assert swings.sounding_at(swings.written_at(written_ub) + 1) > written_ub


@given(histories(), st.integers(-10, 200))
def test_no_swing_moves_a_beat(swings: Swings, beat: int) -> None:
    assert swings.sounding_at(beat * UB_PER_BEAT) == beat * UB_PER_BEAT


@given(histories(), SWINGS, st.integers(1, 10**8))
def test_a_change_of_swing_leaves_what_lies_before_it(swings: Swings, swing: Swing, after_ub: int) -> None:
    after_ub = max(after_ub, swings.changes[-1][0])
    changed = swings.changed(swing, after_ub)
    assert changed.latest == swing
    for written_ub in range(after_ub - BAR_UB, after_ub, STEP_UB // 3):
        assert changed.sounding_at(written_ub) == swings.sounding_at(written_ub)
