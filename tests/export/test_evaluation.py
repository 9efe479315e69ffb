"""Figures and knobs, measured through the decoder protocol on models whose answers are known."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.latent import latent_space
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_export.evaluation.figures import measure, onset_f1, pitch_accuracy
from autoloops_export.evaluation.loops import LoopSet, decode_loops, encode_loops, forced_logits
from autoloops_export.knobs import (
    calibrate,
    change_per_unit,
    check_knobs,
    dead_zone,
    knob_figures,
    principal_directions,
    rank_knobs,
)

LATENT = 32


class Speaking(StubDecoder):
    """Plays one note a step: the pitch class of step i is the i-th coordinate of the point, rounded.

    Every step depends on its own coordinate alone, so what each direction changes is known exactly.
    """

    def __init__(self, weights: npt.NDArray[np.float64] | None = None) -> None:
        super().__init__(tiny_manifest(latent_size=LATENT, state_size=1, bars=2))
        self.weights = np.ones(LATENT) if weights is None else weights

    def encode(self, features: Floats) -> Posterior:
        mu = (features.argmax(axis=2) - 45) / self.weights
        return Posterior(mu.astype(np.float32), np.full_like(mu, 1e-6, dtype=np.float32))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), 1, 1), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        which = (int(state[0, 0]) + np.arange(16)) % LATENT
        tokens = np.clip(np.rint(embedding[:, which] * self.weights[which] + 45), 2, 89).astype(np.int64)
        logits = np.eye(90, dtype=np.float32)[tokens] * 50
        sharp = np.where(temperature > 0, temperature, 1)[:, None, None]
        chosen = np.where(temperature[:, None, None] > 0, (logits + bias) / sharp + noise, logits + bias).argmax(axis=2)
        states = np.broadcast_to(state[:, None] + np.arange(1, 17)[None, :, None], (len(state), 16, 1))
        return DecodedSteps(chosen, states.astype(np.float32), logits)


def loops(count: int = 40, seed: int = 0) -> LoopSet:
    return LoopSet(np.random.default_rng(seed).integers(30, 60, (count, 32)).astype(np.uint8))


def test_a_model_that_copies_is_right_everywhere() -> None:
    figures = measure(Speaking(), loops())
    assert figures.loops == 40
    for name in ("teacher_forced", "free_at_1", "free_at_02", "onset_f1_at_1", "pitch_at_1", "pitch_at_02"):
        assert getattr(figures, name) == 1.0, name
    assert figures.no_event == 0.0
    assert figures.reconstruction < 1e-6
    assert figures.active_dimensions == LATENT


def test_figures_are_the_same_for_the_same_seed() -> None:
    decoder = StubDecoder()
    assert measure(decoder, loops(), seed=3) == measure(decoder, loops(), seed=3)
    assert measure(decoder, loops(), seed=3) != measure(decoder, loops(), seed=4)


def test_onsets_and_pitches_are_counted_by_hand() -> None:
    truth = np.array([[40, 0, 41, 1]])
    found = np.array([[40, 42, 50, 0]])
    assert onset_f1(found, truth) == pytest.approx(2 * 2 / 5)
    assert pitch_accuracy(found, truth) == 0.5
    silent = np.zeros((1, 4), dtype=np.int64)
    assert onset_f1(silent, silent) == 1.0
    assert pitch_accuracy(silent, truth) == 0.0


def test_many_loops_at_once_are_what_each_is_alone() -> None:
    decoder = StubDecoder()
    z = np.random.default_rng(1).standard_normal((600, 4)).astype(np.float32)
    together = decode_loops(decoder, z)
    np.testing.assert_array_equal(
        together[[3, 400]], np.concatenate([decode_loops(decoder, z[i : i + 1]) for i in (3, 400)])
    )
    assert encode_loops(decoder, loops(600))[0].shape == (600, 4)


def test_logits_on_forced_tokens_are_those_after_the_true_ones() -> None:
    decoder = StubDecoder()
    z = np.random.default_rng(2).standard_normal((5, 4)).astype(np.float32)
    own = decode_loops(decoder, z)
    assert (forced_logits(decoder, z, own).argmax(axis=2) == own).all()


def test_change_is_counted_in_steps_per_unit() -> None:
    weights = np.zeros(LATENT)
    weights[[4, 9]] = 1.0
    decoder = Speaking(weights + 1e-9)
    z = np.zeros((10, LATENT), dtype=np.float32)
    both = np.zeros((1, LATENT))
    both[0, [4, 9]] = 1.0
    change = change_per_unit(decoder, z, np.concatenate([np.eye(LATENT), both]))
    assert change.tolist() == [1.0 if i in (4, 9) else 0.0 for i in range(LATENT)] + [2.0]


def test_the_most_telling_direction_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoloops_export.knobs.CALIBRATION_LOOPS", 16)
    weights = np.full(LATENT, 0.2)
    weights[7] = 1.0
    knobs, ranking = rank_knobs(Speaking(weights), loops(200))
    assert len(knobs) == 30
    changes = [knob.change_per_unit for knob in knobs]
    assert changes == sorted(changes, reverse=True)
    if ranking.kept == "axes":
        assert knobs[0].direction[7] == 1.0
    assert ranking.principal_change is not None
    assert (ranking.kept == "principal") == (ranking.principal_change > ranking.axes_change)


def test_principal_directions_are_unit_vectors_of_the_widest_spread() -> None:
    rng = np.random.default_rng(0)
    along = np.zeros(6)
    along[[1, 2]] = -0.6, -0.8
    mu = rng.standard_normal((300, 1)) * 5 * along + rng.standard_normal((300, 6)) * 0.1
    directions = principal_directions(mu.astype(np.float32))
    np.testing.assert_allclose(directions[0], -along, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)


def test_a_curve_makes_equal_travel_equal_change() -> None:
    class Late(Speaking):
        """Nothing changes below an offset of 2, then a step every 0.25: a raw axis would be dead for half its way."""

        def start(self, z: Floats) -> LoopStart:
            along = np.maximum(np.abs(z[:, :1]) - 2, 0) * 4
            return LoopStart(np.zeros((len(z), 1, 1), np.float32), np.repeat(along, LATENT, axis=1)[:, None])

    curve = calibrate(Late(), np.zeros((4, LATENT), np.float32), np.eye(LATENT)[0])
    positions, offsets = [p for p, _ in curve], [o for _, o in curve]
    assert positions[0] == 0.0
    assert positions[-1] == 1.0
    assert (0.5, 0.0) in curve
    assert all(a < b for a, b in pairwise(offsets))
    above = [o for p, o in curve if p > 0.5]
    np.testing.assert_allclose(above, np.linspace(2.1, 4.0, 20), atol=0.15)


def test_a_side_that_changes_more_ends_where_the_other_one_has_no_more_to_give() -> None:
    class Lopsided(Speaking):
        """Up, a step for every unit; down, three."""

        def start(self, z: Floats) -> LoopStart:
            along = np.where(z[:, :1] > 0, z[:, :1], 3 * z[:, :1]) * 2
            return LoopStart(np.zeros((len(z), 1, 1), np.float32), np.repeat(along, LATENT, axis=1)[:, None])

    curve = calibrate(Lopsided(), np.zeros((4, LATENT), np.float32), np.eye(LATENT)[0])
    assert curve[0][1] == pytest.approx(-4 / 3, abs=0.15)
    assert curve[-1][1] == pytest.approx(4.0, abs=0.15)


def test_a_dead_zone_is_the_longest_stretch_without_change() -> None:
    even = np.ones(100)
    assert dead_zone(even) == 0.0
    gap = even.copy()
    gap[40:52] = 0
    assert dead_zone(gap) == pytest.approx(0.13, abs=0.011)
    assert dead_zone(np.zeros(100)) == 1.0


def test_knobs_are_checked_by_turning_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoloops_export.knobs.CHECKED_LOOPS", 4)

    class Stuck(Speaking):
        """Knob 1 does something in its lower half only."""

        def start(self, z: Floats) -> LoopStart:
            along = np.minimum(z[:, :1] * 8, 0)
            return LoopStart(np.zeros((len(z), 1, 1), np.float32), np.repeat(along, LATENT, axis=1)[:, None])

        def encode(self, features: Floats) -> Posterior:
            return Posterior(*(np.zeros((len(features), LATENT), np.float32),) * 2)

    stuck = Stuck()
    reports = check_knobs(stuck, latent_space(stuck.manifest).knobs, loops())
    assert len(reports) == 16
    assert reports[0].dead_zone == pytest.approx(0.55, abs=0.06)
    assert sum(reports[0].tenths) == pytest.approx(1, abs=0.01)
    assert max(reports[0].tenths[5:]) < 0.02
    assert knob_figures(reports)["knob_dead_zone"] == 1.0
