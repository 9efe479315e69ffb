"""The latent point: each control moves its own term and nothing else."""

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.bundle.manifest import Attribute, Knob
from autoloops_engine.interpolation import slerp
from autoloops_engine.latent import LatentPoint, latent_space, point_at, prior_sample
from autoloops_engine.testing import tiny_manifest

SPACE = latent_space(
    msgspec.structs.replace(
        tiny_manifest(),
        knobs=(
            Knob((1.0, 0.0, 0.0, 0.0), ((0.0, -3.0), (0.5, 0.0), (1.0, 1.0))),
            Knob((0.0, 0.6, 0.8, 0.0), ((0.0, -1.0), (0.5, 0.0), (0.9, 1.0), (1.0, 4.0))),
        ),
        attributes=(Attribute("density", (0.0, 0.0, 0.0, 2.0), ((0.0, -1.0), (0.3, 0.0), (1.0, 1.0)), rest=0.3),),
    )
)
positions = st.floats(0, 1)
coordinates = st.floats(-100, 100)
vectors = st.lists(coordinates, min_size=4, max_size=4)

Move = Callable[[LatentPoint], LatentPoint]
moves: st.SearchStrategy[tuple[str, Move]] = st.one_of(
    st.builds(lambda i, p: (f"knob {i}", lambda x: x.with_knob(i, p)), st.integers(0, 1), positions),
    st.builds(lambda p: ("density", lambda x: x.with_attribute("density", p)), positions),
    st.builds(lambda i, v: (f"base {i}", lambda x: x.with_coordinate(i, v)), st.integers(0, 3), coordinates),
    st.builds(lambda v: ("motion", lambda x: x.with_motion(v)), vectors),
)


def test_the_sum_is_base_knobs_attributes_and_motion() -> None:
    point = point_at(SPACE, [1, 2, 3, 4]).with_knob(0, 1.0).with_knob(1, 0.9).with_attribute("density", 1.0)
    np.testing.assert_allclose(point.with_motion([0.5, 0, 0, 0]).z(), [2.5, 2.6, 3.8, 6.0])


def test_a_knob_follows_its_curve_and_rests_in_the_middle() -> None:
    point = point_at(SPACE, np.zeros(4))
    assert [point.with_knob(0, p).z()[0] for p in (0, 0.25, 0.5, 0.75, 1)] == [-3, -1.5, 0, 0.5, 1]


def test_without_calibration_a_knob_moves_its_axis_by_two_deviations() -> None:
    space = latent_space(tiny_manifest(latent_size=40))
    assert len(space.knobs) == 30
    z = point_at(space, np.zeros(40)).with_knob(7, 1.0).z()
    assert z[7] == 2
    assert np.count_nonzero(z) == 1


@given(vectors, st.lists(moves, max_size=8), moves)
def test_moving_one_control_never_moves_another(
    z: list[float], before: list[tuple[str, Move]], last: tuple[str, Move]
) -> None:
    def shown(point: LatentPoint) -> dict[str, object]:
        return {
            **{f"knob {i}": point.knob(i) for i in range(2)},
            **{f"base {i}": float(point.base[i]) for i in range(4)},
            "density": point.attribute("density"),
            "motion": None if point.motion is None else point.motion.tolist(),
        }

    point = point_at(SPACE, z)
    for _, move in before:
        point = move(point)
    was = shown(point)
    now = shown(last[1](point))
    assert {name for name in was if was[name] != now[name]} <= {last[0]}
    assert shown(point) == was


@given(vectors, st.lists(moves, max_size=6), vectors)
def test_a_whole_new_point_brings_every_control_to_rest(
    z: list[float], before: list[tuple[str, Move]], new: list[float]
) -> None:
    point = point_at(SPACE, z)
    for _, move in before:
        point = move(point)
    point = point.at(new)
    assert point.z().tolist() == new
    assert (point.knob(0), point.knob(1), point.attribute("density")) == (0.5, 0.5, 0.3)


@given(st.permutations([0, 1, 2, 3]))
def test_the_order_of_moves_does_not_matter(order: list[int]) -> None:
    todo: list[Move] = [
        lambda x: x.with_knob(0, 0.3),
        lambda x: x.with_knob(1, 0.7),
        lambda x: x.with_attribute("density", 0.1),
        lambda x: x.with_coordinate(2, 0.123),
    ]
    point = point_at(SPACE, [0.1, 0.2, 0.3, 0.4])
    for index in order:
        point = todo[index](point)
    assert point.z().tolist() == todo[3](todo[2](todo[1](todo[0](point_at(SPACE, [0.1, 0.2, 0.3, 0.4]))))).z().tolist()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1001.0])
def test_numbers_that_are_none_or_too_large_are_refused_everywhere(bad: float) -> None:
    point = point_at(SPACE, np.zeros(4))
    edges: list[Callable[[], object]] = [
        lambda: point_at(SPACE, [0, 0, bad, 0]),
        lambda: point.at([0, 0, bad, 0]),
        lambda: point.with_coordinate(1, bad),
        lambda: point.with_knob(0, bad),
        lambda: point.with_attribute("density", bad),
        lambda: point.with_motion([bad, 0, 0, 0]),
    ]
    for edge in edges:
        with pytest.raises(ValueError, match=r"between 0 and 1|from -100 to 100"):
            edge()


def test_wrong_sizes_and_unknown_controls_are_refused() -> None:
    point = point_at(SPACE, np.zeros(4))
    with pytest.raises(ValueError, match="4 numbers, not 3"):
        point.at([0, 0, 0])
    with pytest.raises(ValueError, match="knobs 1 to 2, not 3"):
        point.with_knob(2, 0.5)
    with pytest.raises(ValueError, match="coordinates 1 to 4, not 0"):
        point.with_coordinate(-1, 0.5)
    with pytest.raises(ValueError, match="no attribute swing; it has: density"):
        point.with_attribute("swing", 0.5)
    with pytest.raises(ValueError, match="4 numbers"):
        point.at(["a", "b", "c", "d"])


@given(vectors, vectors)
def test_slerp_starts_and_ends_where_it_should(a: list[float], b: list[float]) -> None:
    np.testing.assert_allclose(slerp(a, b, 0.0), a, atol=1e-6)
    np.testing.assert_allclose(slerp(a, b, 1.0), b, atol=1e-6)


def test_slerp_keeps_the_length_and_turns_evenly() -> None:
    path = np.array([slerp([2, 0], [0, 2], t) for t in (0, 1 / 3, 2 / 3, 1)])
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2)
    np.testing.assert_allclose(np.degrees(np.arctan2(path[:, 1], path[:, 0])), [0, 30, 60, 90])


@given(vectors, vectors, positions)
def test_slerp_is_never_longer_than_the_longer_end(a: list[float], b: list[float], amount: float) -> None:
    longest = max(np.linalg.norm(a), np.linalg.norm(b))
    assert np.linalg.norm(slerp(a, b, amount)) <= longest * (1 + 1e-6)


def test_nearly_opposite_points_do_not_lead_far_out() -> None:
    assert np.linalg.norm(slerp([1, 0, 0, 0], [-4, 0.01, 0, 0], 0.5)) == pytest.approx(2.5, rel=1e-4)


def test_the_prior_is_standard_normal_and_can_be_had_again() -> None:
    sample = prior_sample(5, 10_000)
    assert abs(sample.mean()) < 0.05
    assert abs(sample.std() - 1) < 0.05
    np.testing.assert_array_equal(sample, prior_sample(5, 10_000))
    assert not np.array_equal(sample, prior_sample(6, 10_000))
    assert not np.array_equal(sample, prior_sample(5, 10_000, index=1))
