"""Taking a target over without a jump, curves and back, and the codes of endless encoders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.curves import Curve, Scale
from autoloops_bridges.control.relative import Encoding, Guess, guess, steps_of
from autoloops_bridges.control.rows import Type
from autoloops_bridges.control.takeover import NEAR, Follower, Takeover

UNIT = st.floats(0, 1)
CURVES = st.sampled_from(["linear", "exp", "log", "s"])
# What happens: the control moves there, or somebody else moves the target there.
STORY = st.lists(st.tuples(st.booleans(), UNIT), max_size=40)


def lived(way: Takeover, start: float, story: list[tuple[bool, float]]) -> list[tuple[float, float, float | None]]:
    """For each move of the control: its way, the target before, and where the target goes."""
    follower, target, ours = Follower(way), start, False
    control: float | None = None
    moves = []
    for by_control, to in story:
        if not by_control:
            target, ours = to, False
            continue
        goes = follower.move(to, target, ours=ours)
        moves.append((abs(to - control) if control is not None else 0.0, target, goes))
        control = to
        if goes is not None:
            target, ours = goes, True
    return moves


@given(UNIT, STORY)
def test_pickup_never_moves_the_target_further_than_the_control_moved(
    start: float, story: list[tuple[bool, float]]
) -> None:
    for moved, target, goes in lived(Takeover.PICKUP, start, story):
        assert goes is None or abs(goes - target) <= moved + NEAR + 1e-12


@given(UNIT, UNIT, UNIT)
def test_pickup_happens_at_the_crossing_however_fast_it_is(start: float, before: float, after: float) -> None:
    follower = Follower(Takeover.PICKUP)
    first = follower.move(before, start, ours=False)
    second = follower.move(after, first if first is not None else start, ours=first is not None)
    if first is not None or min(before, after) <= start <= max(before, after):
        assert second == after
    elif abs(after - start) > NEAR:
        assert second is None


@given(UNIT, st.lists(UNIT, min_size=1, max_size=40))
def test_scaling_goes_the_control_s_way_and_never_out_of_range(start: float, track: list[float]) -> None:
    follower, target, ours = Follower(Takeover.SCALE), start, False
    control: float | None = None
    for to in track:
        goes = follower.move(to, target, ours=ours)
        if goes is not None:
            assert -1e-12 <= goes <= 1 + 1e-12
            assert control is None or (goes - target) * (to - control) >= -1e-12
            target, ours = goes, True
        control = to
    for end in (1.0, 0.0):
        goes = follower.move(end, target, ours=ours)
        if control is not None and control != end:
            assert goes == pytest.approx(end, abs=1e-9)
            target = end
        control = end


@given(UNIT, st.lists(UNIT, max_size=20))
def test_a_jumping_control_is_always_obeyed(start: float, track: list[float]) -> None:
    story = [(True, to) for to in track]
    assert [goes for _, _, goes in lived(Takeover.JUMP, start, story)] == track


@given(UNIT, st.lists(st.floats(-1, 1), max_size=40))
def test_encoders_stop_at_the_ends(start: float, turns: list[float]) -> None:
    follower, target, ours = Follower(Takeover.JUMP), start, False
    for by in turns:
        goes = follower.turn(by, target, ours=ours)
        assert goes == min(1.0, max(0.0, target + by))
        target, ours = goes, True


@given(CURVES, st.booleans(), UNIT, UNIT)
def test_curves_keep_order_and_ends_and_can_be_undone(curve: Curve, invert: bool, one: float, other: float) -> None:
    scale = Scale(-2.0, 3.0, curve=curve, invert=invert)
    values = [float(scale.value(position)) for position in sorted((one, other))]
    assert values == sorted(values, reverse=invert)
    assert {scale.value(0.0), scale.value(1.0)} == {-2.0, 3.0}
    # Near the flat end of a bend many positions share a value but for the last bits.
    assert scale.position(scale.value(one)) == pytest.approx(one, abs=1e-6)


@given(CURVES, st.floats(-1000, 1000), st.floats(-1000, 1000), st.sampled_from(list(Type)), st.floats(-5, 5))
def test_no_position_leads_out_of_the_range(curve: Curve, low: float, high: float, kind: Type, at: float) -> None:
    value = Scale(low, high, kind, curve).value(at)
    assert not isinstance(value, str)
    if kind is not Type.BOOL:
        slack = 0.5 if kind is Type.INT else 0.0
        assert min(low, high) - slack <= value <= max(low, high) + slack


@given(st.sampled_from([code for code in Encoding if code is not Encoding.ABSOLUTE]), st.integers(-15, 15))
def test_each_code_says_every_number_of_steps(encoding: Encoding, steps: int) -> None:
    spelt = {
        Encoding.TWOS_COMPLEMENT: steps % 128,
        Encoding.BINARY_OFFSET: 64 + steps,
        Encoding.SIGN_BIT: steps if steps >= 0 else 64 - steps,
    }
    assert steps_of(encoding, spelt[encoding]) == steps


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 1, 2, 1, 127, 127, 126], Guess(Encoding.TWOS_COMPLEMENT, True)),
        ([65, 65, 66, 65, 63, 63], Guess(Encoding.BINARY_OFFSET, True)),
        ([1, 1, 2, 1, 65, 65, 66], Guess(Encoding.SIGN_BIT, True)),
        ([1, 1, 1, 1], Guess(Encoding.TWOS_COMPLEMENT, False)),
        ([65, 65, 65, 65], Guess(Encoding.BINARY_OFFSET, False)),
        ([127, 0, 127, 0], Guess(Encoding.ABSOLUTE, True)),
        ([10, 11, 13, 15, 18, 24, 30], Guess(Encoding.ABSOLUTE, True)),
        ([64, 65, 66, 67, 68], Guess(Encoding.ABSOLUTE, True)),
        ([40], Guess(Encoding.ABSOLUTE, True)),
        ([], Guess(Encoding.ABSOLUTE, True)),
    ],
)
def test_what_an_encoder_is_shows_when_it_is_turned(values: list[int], found: Guess) -> None:
    assert guess(values) == found


@given(st.lists(st.integers(0, 127), unique=True, max_size=40))
def test_a_control_that_never_says_the_same_twice_is_no_encoder(values: list[int]) -> None:
    assert guess(values).encoding is Encoding.ABSOLUTE


@given(
    st.sampled_from([code for code in Encoding if code is not Encoding.ABSOLUTE]),
    st.lists(st.integers(1, 4), min_size=6, max_size=20),
    st.lists(st.integers(1, 4), min_size=6, max_size=20),
)
def test_an_encoder_turned_slowly_both_ways_is_known_for_what_it_is(
    encoding: Encoding, up: list[int], down: list[int]
) -> None:
    steps = [1, 1, 1, 1, *up, *(-step for step in (1, 1, 1, 1, *down))]
    spelt = {
        Encoding.TWOS_COMPLEMENT: [step % 128 for step in steps],
        Encoding.BINARY_OFFSET: [64 + step for step in steps],
        Encoding.SIGN_BIT: [step if step > 0 else 64 - step for step in steps],
    }
    assert guess(spelt[encoding]) == Guess(encoding, True)
