"""What is said of made-up loops, on loops whose distributions are known."""

import numpy as np
import pytest
from msgspec import structs

from autoloops_engine.bundle.manifest import Manifest, Output
from autoloops_engine.codecs.melody import token_of
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_export.data.melody import transposed
from autoloops_export.evaluation.distributions import distributions
from autoloops_export.evaluation.loops import LoopSet
from autoloops_export.evaluation.samples import RealLoops, measure_samples, nearest_neighbour

DRUMS = structs.replace(tiny_manifest(), outputs=(Output("drums", "groove-512", 512),))


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand loops tell of loops as plain as these what ten thousand would."""
    monkeypatch.setattr("autoloops_export.evaluation.samples.MADE_UP", 1_000)


class Parrot(StubDecoder):
    """Plays one of its loops, whichever the first coordinate is nearest to."""

    def __init__(self, loops: np.ndarray) -> None:
        super().__init__(tiny_manifest(latent_size=2, state_size=1, bars=2))
        self.loops = loops

    def encode(self, features: Floats) -> Posterior:
        mu = np.stack([features.argmax(axis=2).sum(axis=1) % 7, np.ones(len(features))], axis=1).astype(np.float32)
        return Posterior(mu, np.ones_like(mu))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), 1, 1), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        which = (np.abs(embedding[:, 0] * 1000)).astype(np.int64) % len(self.loops)
        first = int(state[0, 0])
        tokens = self.loops[which, first : first + 16].astype(np.int64)
        states = np.full((len(tokens), 16, 1), 16, np.float32)
        return DecodedSteps(tokens, states, np.zeros((len(tokens), 16, 90), np.float32))


def lines(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((count, 32)) < 0.4, rng.integers(40, 60, (count, 32)), 0).astype(np.uint8)


def real(test: int, train: np.ndarray) -> RealLoops:
    return RealLoops(LoopSet(lines(test, seed=1)), LoopSet(lines(100, seed=4)), LoopSet(train))


def test_a_parrot_sounds_like_its_loops_and_is_found_out() -> None:
    known = lines(50)
    figures = measure_samples(Parrot(known), real(400, known))
    assert min(figures.prior_overlap.values()) > 0.8
    assert figures.copies == 1.0
    assert figures.empty == 0.0
    assert min(figures.valid_overlap.values()) > 0.8
    transposing = measure_samples(Parrot(transposed(known, 3)), real(40, known))
    assert transposing.copies == 1.0


def test_new_loops_are_no_copies_and_silence_is_counted() -> None:
    played = lines(60, seed=2)
    played[:30] = 0
    figures = measure_samples(Parrot(played), real(400, lines(50)))
    assert figures.copies == 0.0
    assert 0.3 < figures.empty < 0.7
    assert figures.prior_overlap["density"] < 0.8
    assert figures.as_dict()["prior_overlap"] == min(figures.prior_overlap.values())


def test_a_path_of_one_loop_stands_still() -> None:
    figures = measure_samples(Parrot(lines(1)), real(30, lines(50)))
    assert figures.path_change == 0.0
    assert figures.path_monotone == 1.0


def test_distributions_of_a_line_are_counted_by_hand() -> None:
    tokens = np.zeros((1, 32), dtype=np.int64)
    tokens[0, [0, 4, 12]] = token_of(60), token_of(64), 1
    found = distributions(tiny_manifest(), LoopSet(tokens))
    assert found["density"][2] == 1.0
    assert found["pitch class"][[0, 4]].tolist() == [0.5, 0.5]
    assert found["interval"][24 + 4] == 1.0
    assert found["time between onsets"][4] == 1.0
    assert found["length"][[4, 8]].tolist() == [0.5, 0.5]


def test_distributions_of_drums_are_counted_by_hand() -> None:
    tokens = np.zeros((1, 32), dtype=np.int64)
    tokens[0, [0, 18]] = 0b11, 0b100
    extras = np.zeros((1, 32, 9), np.float32), np.zeros((1, 32, 9), np.float32)
    extras[0][0, 0, 0] = 1.0
    manifest: Manifest = DRUMS
    found = distributions(manifest, LoopSet(tokens, extras))
    assert found["voice"][:3].tolist() == pytest.approx([1 / 3] * 3)
    assert found["time between onsets"][18] == 1.0
    assert found["step"][2] == pytest.approx(1 / 3)
    assert found["velocity"][[0, 15]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found["timing"][8] == 1.0


def test_the_nearest_neighbour_is_the_window_with_most_steps_right() -> None:
    train = np.array([[1, 2, 3, 4], [1, 2, 9, 9]])
    assert nearest_neighbour(np.array([[1, 2, 3, 9]]), train) == 0.75
