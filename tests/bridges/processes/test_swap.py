"""A wish for another model: granted ready to play, or denied; nothing in between reaches the music."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autoloops_bridges.processes import parts, swap
from autoloops_bridges.processes.swap import Denied, Granted, ModelLoader, PartLoop, Wish
from autoloops_engine.bundle.load import Bundle
from autoloops_engine.codecs.registry import MELODY, LoopSteps
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import DecodedSteps, Floats, Posterior, Tokens
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_engine.units import MAX_COORDINATE

PLAYED = [LoopSteps((40, *([0] * 15)))] * 2


class Encoder(StubDecoder):
    """Answers an empty loop as usual and any other with this mean."""

    def __init__(self, mu: Floats) -> None:
        super().__init__()
        self.mu = mu

    def encode(self, features: Floats) -> Posterior:
        answer = super().encode(features)
        return answer._replace(mu=self.mu) if features.any() else answer


class BadBars(StubDecoder):
    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        answer = super().bar(state, embedding, previous, temperature, noise, bias)
        return answer._replace(tokens=answer.tokens + 90)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[StubDecoder], Granted | Denied]:
    """What becomes of a wish for a model that runs like this."""

    def wish(decoder: StubDecoder) -> Granted | Denied:
        bundle = Bundle(tiny_manifest(), tmp_path, "0" * 64, {})
        monkeypatch.setattr(swap, "find_bundle", lambda name: tmp_path)
        monkeypatch.setattr(parts, "load_bundle", lambda path: bundle)
        monkeypatch.setattr(parts, "OnnxDecoder", lambda bundle: decoder)
        answered = threading.Event()
        loader = ModelLoader(answered.set)
        loader.wish(Wish("melody", 1, "other", {"melody": PartLoop(MELODY, PLAYED)}))
        assert answered.wait(timeout=20)
        (became,) = loader.take()
        return became

    return wish


def test_a_model_that_works_is_granted_with_the_loop_as_it_encodes_it(
    answer: Callable[[StubDecoder], Granted | Denied],
) -> None:
    granted = answer(Encoder(np.array([[0.5, -0.5, 1.0, 99.0]], np.float32)))
    assert isinstance(granted, Granted)
    assert granted.z == [0.5, -0.5, 1.0, 99.0]


@pytest.mark.parametrize(
    ("mu", "reason"),
    [
        ([[np.nan] * 4], "numbers that are none"),
        ([[np.inf, 0, 0, 0]], "numbers that are none"),
        ([[0.0] * 3], "other sizes"),
        ([0.0] * 4, "other sizes"),
        ([[2 * MAX_COORDINATE, 0, 0, 0]], f"{MAX_COORDINATE:g}"),
    ],
)
def test_a_loop_encoded_as_no_latent_point_is_denied(
    answer: Callable[[StubDecoder], Granted | Denied], mu: list[list[float]], reason: str
) -> None:
    denied = answer(Encoder(np.array(mu, np.float32)))
    assert isinstance(denied, Denied)
    assert reason in denied.reason


def test_a_model_whose_bars_cannot_be_played_is_denied_before_it_plays(
    answer: Callable[[StubDecoder], Granted | Denied],
) -> None:
    denied = answer(BadBars())
    assert isinstance(denied, Denied)
    assert "no class" in denied.reason


def test_whatever_a_model_raises_is_a_denial_in_words(answer: Callable[[StubDecoder], Granted | Denied]) -> None:
    class Raising(StubDecoder):
        def start(self, z: Floats) -> object:  # type: ignore[override]
            raise self.error

        error: Exception = ModelError("It broke.")

    model = Raising()
    assert answer(model) == Denied("melody", "It broke.")
    model.error = MemoryError()
    assert isinstance(answer(model), Denied)
