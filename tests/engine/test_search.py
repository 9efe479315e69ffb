"""Honest faders: what the search finds on models whose attributes follow the latent point as written here."""

import queue
from collections.abc import Generator
from types import MappingProxyType
from typing import Literal, TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.bundle.manifest import Output
from autoloops_engine.bundle.shapes import starts_of
from autoloops_engine.codecs.attributes import DRUM_ATTRIBUTES, LINE_ATTRIBUTES
from autoloops_engine.codecs.melody import token_of
from autoloops_engine.codecs.registry import DRUMS, LoopSteps
from autoloops_engine.constraints.bias import FORBIDDEN
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.budget import DecodeBudget
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Tokens
from autoloops_engine.inference.levers import Found, Levers, SearchRequest
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed, decode
from autoloops_engine.inference.rollout import Loops, rollout
from autoloops_engine.inference.search import BATCH, search
from autoloops_engine.inference.views import views_of
from autoloops_engine.inference.worker import InferenceWorker
from autoloops_engine.latent import Fader, LatentSpace, latent_space, point_at
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_manifest, tiny_trio_manifest

T = TypeVar("T")
SIZE = 4
# Where a fader does nothing.
REST = 0.5
DENSITY_SPAN, PITCH_SPAN = (2.0, 14.0), (54.0, 78.0)
# One more or less in the two bars, in shares of the span: some steps change together whatever is tried.
ONE_ONSET = 0.5 / (DENSITY_SPAN[1] - DENSITY_SPAN[0]) + 1e-9
# What the line stub plays: a pitch for every second one between them.
LOWEST, PITCHES = 48, 20


class Line(StubDecoder):
    """A melody whose density follows coordinate 1 and whose pitch follows coordinate 2, noisily; 3 and 4 do nothing."""

    def __init__(self) -> None:
        super().__init__(tiny_manifest(latent_size=SIZE))
        self.runs: list[int] = []

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        batch, steps, classes = noise.shape
        self.runs.append(batch)
        logits = np.full((batch, steps, classes), -30.0, dtype=np.float32)
        logits[:, :, 0] = 3.0
        onsets = [token_of(LOWEST + 2 * index) for index in range(PITCHES)]
        wanted = PITCHES / 2 + 2 * embedding[:, 1]
        apart = np.arange(PITCHES)[None] - wanted[:, None]
        logits[:, :, onsets] = (embedding[:, :1] - 0.1 * apart**2)[:, None]
        chosen = (logits + bias) / np.maximum(temperature, 1e-6)[:, None, None] + noise
        tokens = chosen.argmax(axis=2)
        return DecodedSteps(tokens, np.zeros((batch, steps, 6), np.float32), logits)


class Kit(StubDecoder):
    """Drums that never change, a little quieter between the beats."""

    def __init__(self) -> None:
        outputs = (Output("drums", DRUMS.name, DRUMS.classes),)
        super().__init__(msgspec.structs.replace(tiny_manifest(latent_size=SIZE), outputs=outputs, graphs={}))

    def start(self, z: Floats) -> LoopStart:
        return LoopStart(np.zeros((len(z), starts_of(self.manifest), 6), np.float32), z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        batch, steps, _ = noise.shape
        tokens = np.tile(np.array([1, 4, 6, 4] * (steps // 4)), (batch, 1))
        loud = np.where(np.arange(steps) % 2, 0.4, 0.7)[None, :, None]
        extras = (np.broadcast_to(loud, (batch, steps, 9)), np.zeros((batch, steps, 9)))
        floats = tuple(np.ascontiguousarray(extra, dtype=np.float32) for extra in extras)
        return DecodedSteps(tokens, np.zeros((batch, steps, 6), np.float32), np.zeros_like(noise), floats)


def fader(axis: int, span: tuple[float, float] | None) -> Fader:
    return Fader(np.eye(SIZE)[axis], (0.0, REST, 1.0), (-2.0, 0.0, 2.0), REST, span)


def space(density: int = 0, span: tuple[float, float] | None = DENSITY_SPAN) -> LatentSpace:
    """Density moves along one axis, pitch along another."""
    return LatentSpace(
        SIZE, (), MappingProxyType({"density": fader(density, span), "pitch": fader(1, PITCH_SPAN)}), family="line"
    )


KIT = LatentSpace(
    SIZE, (), MappingProxyType({"loudness": fader(0, (0.2, 0.9)), "swing": fader(1, (-0.3, 0.5))}), family="kit"
)


def asked(
    of: LatentSpace, seed: int, biases: tuple[Floats | None, ...] = (None, None), **faders: float
) -> SearchRequest:
    point = point_at(of, np.zeros(SIZE))
    for name, position in faders.items():
        point = point.with_attribute(name, position)
    return SearchRequest("melody", "key", point, seed, 0, 1.0, biases)


def ended(running: Generator[None, None, T]) -> T:
    while True:
        try:
            next(running)
        except StopIteration as done:
            result: T = done.value
            return result


def found(decoder: StubDecoder, request: SearchRequest) -> tuple[Levers, Loops]:
    """What is found, and the loop that is played with it, bar by bar as a part decodes it."""
    levers = ended(search(decoder, request))
    bars: list[LoopSteps] = []
    state, previous = None, 0
    z = levers.z(request.point).astype(np.float32)
    for bar, bias in enumerate(request.biases):
        decoded = decode(
            decoder,
            DecodeRequest("", 0, z, bar, request.seed, 0, 1.0, state, previous, bias=levers.bias(bias)),
        )
        state, previous = decoded.states[-1], decoded.tokens[-1]
        bars.append(levers.touch(LoopSteps(decoded.tokens, decoded.extras), 0))
    tokens = np.concatenate([bar.tokens for bar in bars])[None]
    extras = (np.concatenate(of_bars)[None] for of_bars in zip(*(bar.extras for bar in bars), strict=True))
    return levers, Loops(tokens, tuple(extras))


def reached(name: str, loop: Loops, span: tuple[float, float]) -> float:
    measure = {**DRUM_ATTRIBUTES, **LINE_ATTRIBUTES}[name]
    return (float(measure(loop.tokens, loop.extras)[0]) - span[0]) / (span[1] - span[0])


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 1).filter(lambda position: position != REST), st.integers(0, 1000))
def test_density_sits_where_the_fader_does(position: float, seed: int) -> None:
    levers, loop = found(Line(), asked(space(), seed, density=position))
    assert reached("density", loop, DENSITY_SPAN) == pytest.approx(position, abs=ONE_ONSET)
    assert not levers.term[1:].any(), "the direction of another fader"


@pytest.mark.parametrize("position", [0.1, 0.9])
def test_what_the_direction_cannot_reach_a_tilt_does(position: float) -> None:
    levers, loop = found(Line(), asked(space(density=2), 3, density=position))
    assert levers.tilt is not None
    assert reached("density", loop, DENSITY_SPAN) == pytest.approx(position, abs=0.03)


def test_what_the_direction_reaches_is_not_tilted() -> None:
    levers, _ = found(Line(), asked(space(), 3, density=0.6))
    assert levers.tilt is None


def test_two_faders_are_both_honest() -> None:
    _, loop = found(Line(), asked(space(), 5, density=0.7, pitch=0.3))
    assert reached("density", loop, DENSITY_SPAN) == pytest.approx(0.7, abs=0.05)
    assert reached("pitch", loop, PITCH_SPAN) == pytest.approx(0.3, abs=0.05)


def test_what_cannot_be_measured_follows_its_curve() -> None:
    request = asked(space(span=None), 1, density=0.75)
    levers, _ = found(Line(), request)
    assert levers.z(request.point) == pytest.approx(request.point.z())
    assert levers.tilt is None


def test_what_is_forbidden_stays_so() -> None:
    bias = np.zeros((16, 90), dtype=np.float32)
    bias[:8, 2:] = FORBIDDEN
    _, loop = found(Line(), asked(space(density=2), 3, (bias, None), density=0.9))
    assert not (loop.tokens[0, :8] > 1).any()


def test_drums_get_louder_and_swing_without_another_hit() -> None:
    request = asked(KIT, 1, loudness=0.8, swing=0.9)
    levers, loop = found(Kit(), request)
    assert reached("loudness", loop, (0.2, 0.9)) == pytest.approx(0.8, abs=0.01)
    assert reached("swing", loop, (-0.3, 0.5)) == pytest.approx(0.9, abs=0.01)
    assert levers.z(request.point) == pytest.approx(np.zeros(SIZE))
    assert levers.tilt is None


def test_the_rest_of_a_bar_is_touched_as_the_whole_is() -> None:
    rng = np.random.default_rng(1)
    extras = tuple(rng.random((16, 9), dtype=np.float32) for _ in range(2))
    levers, whole = Levers(np.zeros(SIZE), None, 0.7, 0.3), LoopSteps((0,) * 16, extras)
    for part, rest in zip(levers.touch(whole, 0).rest(5).extras, levers.touch(whole.rest(5), 5).extras, strict=True):
        np.testing.assert_array_equal(part, rest)


@pytest.mark.parametrize("kind", ["flat", "hierarchical"])
def test_what_is_searched_is_what_is_played(kind: Literal["flat", "hierarchical"]) -> None:
    """A part of a model of several, decoded bar by bar, plays the loop that the search looked at."""
    decoder = views_of(TrioStub(tiny_trio_manifest(kind=kind, bars=4)))["drums"]
    point = point_at(latent_space(decoder.manifest), np.linspace(-1, 1, 6))
    bias = np.zeros((16, 512), dtype=np.float32)
    bias[3] = FORBIDDEN
    bias[3, 5] = 0
    request = SearchRequest("drums", "key", point, 9, 2, 0.8, (None, bias, None, None))
    tilt = np.zeros((16, 512), dtype=np.float32)
    tilt[:, 1] = 2.0
    levers = Levers(np.full(6, 0.3), tilt)
    whole = ended(rollout(decoder, request, levers.z(point)[None], tilt[None]))
    state, previous = None, 0
    for bar, its in enumerate(request.biases):
        z = levers.z(point).astype(np.float32)
        its_bias = levers.bias(its)
        decoded = decode(decoder, DecodeRequest("", 0, z, bar, 9, 2, 0.8, state, previous, bias=its_bias))
        state, previous = decoded.states[-1], decoded.tokens[-1]
        steps = slice(bar * 16, bar * 16 + 16)
        assert tuple(whole.tokens[0, steps]) == decoded.tokens
        for found_extra, extra in zip(whole.extras, decoded.extras, strict=True):
            np.testing.assert_allclose(found_extra[0, steps], extra, atol=1e-5)


def test_no_run_is_longer_than_a_batch() -> None:
    decoder = Line()
    ended(search(decoder, asked(space(), 1, density=0.2)))
    assert max(decoder.runs) <= BATCH


def test_a_model_that_answers_nonsense_is_refused() -> None:
    class Broken(Line):
        def bar(
            self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
        ) -> DecodedSteps:
            steps = super().bar(state, embedding, previous, temperature, noise, bias)
            return steps._replace(tokens=steps.tokens[:, :3])

    with pytest.raises(ModelError, match="does not promise"):
        ended(rollout(Broken(), asked(space(), 1), np.zeros((1, SIZE)), np.zeros((1, 16, 90), np.float32)))


# -- the worker ------------------------------------------------------------------------------------------------------

Answers = queue.Queue[Decoded | Failed | Found]


def no_time() -> int:
    return 0


def test_a_bar_goes_before_a_search_that_runs() -> None:
    answers: Answers = queue.Queue()
    bar = DecodeRequest("melody", 1, np.zeros(SIZE, np.float32), 0, 1)

    class Meddling(Line):
        def start(self, z: Floats) -> LoopStart:
            if len(self.runs) == 4:
                worker.submit(bar)
            return super().start(z)

    decoder = Meddling()
    worker = InferenceWorker(answers.put, no_time, answers.put)
    worker.use("melody", decoder)
    worker.search(asked(space(), 1, density=0.9))
    worker.start()
    try:
        first, second = answers.get(timeout=10), answers.get(timeout=10)
    finally:
        worker.stop()
    assert isinstance(first, Decoded)
    assert isinstance(second, Found)
    assert second.levers is not None
    assert decoder.runs[5] == 1, "the bar waited for one run of the model"


def test_the_latest_search_of_a_part_wins() -> None:
    answers: Answers = queue.Queue()
    worker = InferenceWorker(answers.put, no_time, answers.put)
    worker.use("melody", Line())
    worker.search(asked(space(), 1, density=0.2))
    last = asked(space(), 2, density=0.2)
    worker.search(last)
    worker.start()
    try:
        assert answers.get(timeout=10).request is last
    finally:
        worker.stop()
    assert answers.empty()


def test_a_model_that_fails_finds_nothing_and_the_worker_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Line):
        def start(self, z: Floats) -> LoopStart:
            raise ModelError("It is broken.")

    answers: Answers = queue.Queue()
    worker = InferenceWorker(answers.put, no_time, answers.put)
    worker.use("melody", Broken())
    worker.search(asked(space(), 1, density=0.2))
    worker.start()
    try:
        first = answers.get(timeout=10)
        worker.use("melody", Line())
        worker.search(asked(space(), 2, density=0.2))
        second = answers.get(timeout=10)
    finally:
        worker.stop()
    assert isinstance(first, Found)
    assert first.levers is None
    assert isinstance(second, Found)
    assert second.levers is not None
    assert "The search for the faders of melody failed" in caplog.text


def test_the_budget_of_a_bar_covers_the_run_that_it_may_wait_for() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=2_000)
    budget.wait_behind(9_000)
    assert budget.total_us == 11_000
