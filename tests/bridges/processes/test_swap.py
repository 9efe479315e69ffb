"""A wish for another model: granted ready to play, or denied; nothing in between reaches the music."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autoloops_bridges.processes import parts, swap
from autoloops_bridges.processes.swap import Denied, Granted, ModelLoader, PartLoop, Wish
from autoloops_engine.bundle.load import Bundle
from autoloops_engine.codecs.registry import DRUMS, MELODY, LoopSteps
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import DecodedSteps, Floats, Posterior, Tokens
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_manifest, tiny_trio_manifest
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


class HeardTrio(TrioStub):
    """Remembers what its encoder read last."""

    def encode(self, features: Floats) -> Posterior:
        self.features = features
        return super().encode(features)


@pytest.fixture
def trio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Granted | Denied]]:
    """What becomes of wishes for a trio, one after the other; each opening of it is noted."""
    bundle = Bundle(tiny_trio_manifest(), tmp_path, "1" * 64, {})
    monkeypatch.setattr(swap, "find_bundle", lambda name: tmp_path)
    monkeypatch.setattr(parts, "load_bundle", lambda path: bundle)
    monkeypatch.setattr(parts, "OnnxDecoder", lambda bundle: HeardTrio())

    def wishes(*wanted: Wish) -> list[Granted | Denied]:
        answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        loader = ModelLoader(lambda: answered.put(None))
        for wish in wanted:
            loader.wish(wish)
        for _ in wanted:
            answered.get(timeout=20)
        return loader.take()

    return wishes


LOOPS = {
    "lead": PartLoop(MELODY, [LoopSteps((50, *([0] * 15))), LoopSteps((51, *([0] * 15)))]),
    "bass": PartLoop(MELODY, [LoopSteps((20, *([0] * 15)))]),
    "drums": PartLoop(DRUMS, [LoopSteps((3, *([0] * 15)), (np.ones((16, 9), np.float32),) * 2)]),
    "beat": PartLoop(DRUMS, []),
}


@pytest.mark.parametrize(
    ("part", "bundle", "output"),
    [
        ("bass", "trio", "bass"),
        ("lead", "trio", "melody"),
        ("beat", "trio", "drums"),
        ("lead", "trio#bass", "bass"),
    ],
)
def test_a_part_gets_the_output_that_is_named_else_its_own_else_one_that_speaks_the_same(
    trio: Callable[..., list[Granted | Denied]], part: str, bundle: str, output: str
) -> None:
    (granted,) = trio(Wish(part, 3, bundle, LOOPS))
    assert isinstance(granted, Granted)
    assert granted.part.reference.endswith(f"#{output}")
    assert granted.part.setup.space.output == output
    assert granted.part.setup.model == ("tiny-trio" if part == output else f"tiny-trio#{output}")
    assert (granted.z is None) == (part == "beat"), "what has not sounded cannot be encoded"


def test_the_encoder_hears_the_loop_beside_what_the_others_play_now(
    trio: Callable[..., list[Granted | Denied]],
) -> None:
    (granted,) = trio(Wish("lead", 3, "trio#melody", LOOPS))
    assert isinstance(granted, Granted)
    model = granted.part.model
    assert isinstance(model, HeardTrio)
    melody, bass, drums = np.split(model.features[0], [90, 180], axis=1)
    assert melody.argmax(axis=1).nonzero()[0].tolist() == list(range(0, 256, 16))
    assert set(melody.argmax(axis=1)[::16]) == {50, 51}
    assert set(bass.argmax(axis=1)[::16]) == {20}
    assert (drums[::16, :2] == 1).all()
    assert drums[1:16].sum() == 0


def test_an_output_that_is_none_is_denied_in_words(trio: Callable[..., list[Granted | Denied]]) -> None:
    assert trio(Wish("bass", 3, "trio#flute", LOOPS)) == [
        Denied("bass", "The model tiny-trio has no output flute; it has: melody, bass, drums.")
    ]


def test_parts_that_ask_for_one_bundle_share_it(trio: Callable[..., list[Granted | Denied]]) -> None:
    first, second = trio(Wish("bass", 3, "trio", LOOPS), Wish("drums", 3, "trio", LOOPS))
    assert isinstance(first, Granted)
    assert isinstance(second, Granted)
    assert first.part.model is second.part.model
    assert first.part.setup.space.same_model(second.part.setup.space)
    assert first.part.budget_key != second.part.budget_key, "each output takes its own time"
    (third,) = trio(Wish("lead", 3, "trio", LOOPS, (first.part,)))
    assert isinstance(third, Granted)
    assert third.part.model is first.part.model


def test_a_part_that_plays_the_same_output_again_is_not_warmed_up_again(
    trio: Callable[..., list[Granted | Denied]],
) -> None:
    first, second = trio(Wish("bass", 3, "trio", LOOPS), Wish("lead", 3, "trio#bass", LOOPS))
    assert isinstance(first, Granted)
    assert isinstance(second, Granted)
    assert second.part.warm_up_us is first.part.warm_up_us
