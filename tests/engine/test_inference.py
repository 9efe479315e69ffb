"""Requests, the worker (latest wins, failures reported) and the decode budget."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.errors import ModelError
from autoloops_engine.inference.budget import (
    KEPT_DECODES,
    SETTLED_DECODES,
    TRUSTED_DECODES,
    UNKNOWN_BUDGET_US,
    WINDOW,
    DecodeBudget,
)
from autoloops_engine.inference.decoder import DecodedSteps, Decoder, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed, decode
from autoloops_engine.inference.warm_up import COLD_DECODES, warm_up
from autoloops_engine.inference.worker import InferenceWorker
from autoloops_engine.testing import StubDecoder, tiny_manifest

Z = np.array([0.3, -0.2, 0.9, 0.1], dtype=np.float32)


def no_time() -> int:
    """A clock that stands still."""
    return 0


def request(ticket: int = 0, part: str = "melody", bar: int = 0, seed: int = 1) -> DecodeRequest:
    return DecodeRequest(part, ticket, Z, bar, seed)


def test_the_same_request_gives_the_same_bar_and_each_control_is_heard() -> None:
    decoder = StubDecoder()
    first = decode(decoder, request())
    assert decode(StubDecoder(), request()).tokens == first.tokens
    others = [
        request(seed=2),
        DecodeRequest("melody", 0, -Z, 0, 1),
        DecodeRequest("melody", 0, Z, 0, 1, pass_index=1),
        DecodeRequest("melody", 0, Z, 0, 1, temperature=0.0),
        DecodeRequest("melody", 0, Z, 0, 1, bias=np.eye(16, 90, 40, dtype=np.float32) * 50),
    ]
    assert all(decode(decoder, other).tokens != first.tokens for other in others)


def test_a_later_bar_without_a_state_is_the_one_that_follows_the_bars_before() -> None:
    decoder = StubDecoder()
    first = decode(decoder, request())
    following = DecodeRequest("melody", 0, Z, 1, 1, state=first.states[-1], previous=first.tokens[-1])
    assert decode(decoder, request(bar=1)).tokens == decode(decoder, following).tokens


@given(st.integers(1, 15))
def test_the_rest_of_a_bar_is_what_the_whole_bar_would_have_been(step: int) -> None:
    decoder = StubDecoder()
    bias = np.random.default_rng(3).standard_normal((16, 90)).astype(np.float32)
    whole = decode(decoder, DecodeRequest("melody", 0, Z, 0, 1, bias=bias))
    rest = DecodeRequest(
        "melody",
        0,
        Z,
        0,
        1,
        state=whole.states[step - 1],
        previous=whole.tokens[step - 1],
        first_step=step,
        bias=bias,
    )
    answer = decode(decoder, rest)
    assert answer.tokens == whole.tokens[step:]
    np.testing.assert_allclose(answer.states, whole.states[step:], atol=1e-6)


def test_warm_up_answers_every_duration_but_those_of_the_cold_runs() -> None:
    durations_us = [*([900] * COLD_DECODES), *range(1, 8)]
    ticks = iter([tick for us in durations_us for tick in (0, us)])
    assert warm_up(StubDecoder(), lambda: next(ticks), decodes=7) == list(range(1, 8))


class LyingDecoder(StubDecoder):
    """Answers something else than its manifest promises."""

    def __init__(self, graph: str, lie: Callable[[Any], Any]) -> None:
        super().__init__()
        self.graph, self.lie = graph, lie

    def encode(self, features: Floats) -> Posterior:
        answer = super().encode(features)
        return self.lie(answer) if self.graph == "encoder" else answer

    def start(self, z: Floats) -> LoopStart:
        answer = super().start(z)
        return self.lie(answer) if self.graph == "start" else answer

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        answer = super().bar(state, embedding, previous, temperature, noise, bias)
        return self.lie(answer) if self.graph == "bar" else answer


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a token beyond the classes": ("bar", lambda a: a._replace(tokens=a.tokens * 0 + 90), "no class"),
    "a token below 0": ("bar", lambda a: a._replace(tokens=a.tokens * 0 - 1), "no class"),
    "too few tokens": ("bar", lambda a: a._replace(tokens=a.tokens[:, :15]), "other sizes"),
    "states of another size": ("bar", lambda a: a._replace(states=a.states[..., :3]), "other sizes"),
    "infinite states": ("bar", lambda a: a._replace(states=a.states + np.inf), "numbers that are none"),
    "an output too many": ("bar", lambda a: a._replace(extras=(a.states,)), "other sizes"),
    "a start of nothing": ("start", lambda a: a._replace(state=a.state * np.nan), "numbers that are none"),
    "no embedding": ("start", lambda a: a._replace(embeddings=a.embeddings[:, :0]), "other sizes"),
    "a point that is none": ("encoder", lambda a: a._replace(mu=a.mu * np.nan), "numbers that are none"),
    "a point of another size": ("encoder", lambda a: a._replace(mu=a.mu[:, :2]), "other sizes"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_model_that_answers_what_it_does_not_promise_is_found_before_it_plays(lie: str) -> None:
    graph, change, reason = LIES[lie]
    with pytest.raises(ModelError, match=reason):
        warm_up(LyingDecoder(graph, change), no_time, decodes=1)


def test_a_bar_on_the_way_to_the_one_asked_for_is_checked_too() -> None:
    added = iter([90, 0])
    with pytest.raises(ModelError, match="no class"):
        decode(LyingDecoder("bar", lambda a: a._replace(tokens=a.tokens * 0 + next(added))), request(bar=1))


class BlockingDecoder(StubDecoder):
    """Decodes when it is let to, and tells when it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        self.begun.release()
        assert self.let.acquire(timeout=10)
        return super().bar(state, embedding, previous, temperature, noise, bias)


class BrokenDecoder(StubDecoder):
    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        if self.error is not None:
            raise self.error
        whole = super().bar(state, embedding, previous, temperature, noise, bias)
        return whole._replace(states=whole.states * np.float32(np.nan))


class Answers:
    """Collects what a worker answers."""

    def __init__(self) -> None:
        self.all: list[Decoded | Failed] = []
        self._changed = threading.Condition()

    def __call__(self, answer: Decoded | Failed) -> None:
        with self._changed:
            self.all.append(answer)
            self._changed.notify()

    def wait_for(self, count: int) -> list[Decoded | Failed]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= count, timeout=10)
            return self.all


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def worker(answers: Answers) -> Iterator[InferenceWorker]:
    worker = InferenceWorker(answers, no_time)
    worker.start()
    yield worker
    worker.stop()


def test_the_latest_request_of_a_part_wins(worker: InferenceWorker, answers: Answers) -> None:
    decoder = BlockingDecoder()
    worker.use("melody", decoder)
    worker.use("bass", StubDecoder())
    worker.submit(request(1))
    assert decoder.begun.acquire(timeout=10)
    for ticket in (2, 3):
        worker.submit(request(ticket))
    worker.submit(request(4, "bass"))
    worker.submit(request(5))
    decoder.let.release(2)
    assert [a.request.ticket for a in answers.wait_for(3)] == [1, 5, 4]


def test_a_withdrawn_request_is_not_answered(worker: InferenceWorker, answers: Answers) -> None:
    decoder = BlockingDecoder()
    worker.use("melody", decoder)
    worker.submit(request(1))
    assert decoder.begun.acquire(timeout=10)
    worker.submit(request(2))
    worker.withdraw("melody")
    decoder.let.release(2)
    worker.use("bass", StubDecoder())
    worker.submit(request(3, "bass"))
    assert [a.request.ticket for a in answers.wait_for(2)] == [1, 3]


def test_the_duration_of_a_decode_is_measured(answers: Answers) -> None:
    ticks = iter(range(0, 1_000, 123))
    worker = InferenceWorker(answers, lambda: next(ticks))
    worker.use("melody", StubDecoder())
    worker.start()
    worker.submit(request())
    (answer,) = answers.wait_for(1)
    worker.stop()
    assert isinstance(answer, Decoded)
    assert answer.decode_us == 123
    assert len(answer.tokens) == 16


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        (BrokenDecoder(ModelError("It is broken.")), "It is broken."),
        (BrokenDecoder(ZeroDivisionError()), "model of melody failed"),
        (BrokenDecoder(None), "numbers that are none"),
        (None, "has no model"),
    ],
)
def test_a_bad_model_is_reported_and_the_worker_goes_on(
    worker: InferenceWorker, answers: Answers, decoder: Decoder | None, reason: str
) -> None:
    if decoder is not None:
        worker.use("melody", decoder)
    worker.submit(request(1))
    failed = answers.wait_for(1)[0]
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    worker.use("melody", StubDecoder())
    worker.submit(request(2))
    assert isinstance(answers.wait_for(2)[1], Decoded)


def test_a_receiver_that_fails_does_not_end_the_worker(answers: Answers) -> None:
    def receive(answer: Decoded | Failed) -> None:
        answers(answer)
        raise ZeroDivisionError

    worker = InferenceWorker(receive, no_time)
    worker.use("melody", StubDecoder())
    worker.start()
    worker.submit(request(1))
    answers.wait_for(1)
    worker.submit(request(2))
    assert len(answers.wait_for(2)) == 2
    worker.stop()


def test_stopping_joins_the_thread_even_of_a_worker_never_started(answers: Answers) -> None:
    decoder = BlockingDecoder()
    worker = InferenceWorker(answers, no_time)
    worker.use("melody", decoder)
    worker.start()
    worker.submit(request(1))
    assert decoder.begun.acquire(timeout=10)
    decoder.let.release()
    worker.stop()
    assert [a.request.ticket for a in answers.all] == [1]
    assert "inference" not in {thread.name for thread in threading.enumerate()}
    InferenceWorker(answers, no_time).stop()


def test_a_bigger_model_works_in_the_stub_too() -> None:
    decoder = StubDecoder(tiny_manifest(latent_size=32, state_size=64))
    assert len(decode(decoder, DecodeRequest("melody", 0, np.zeros(32, np.float32), 1, 0)).tokens) == 16
    assert decoder.encode(np.zeros((3, 32, 90), np.float32)).mu.shape == (3, 32)


def observed(budget: DecodeBudget, decodes: int, decode_us: int, part: str = "melody") -> None:
    for _ in range(decodes):
        budget.observe(part, decode_us)


def test_a_budget_starts_from_its_warm_up_or_from_what_is_kept_where_that_is_less() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=4_000, warm_up_us=[9_000])
    budget.add("bass", warm_up_us=[1_000, 2_500, 2_000])
    budget.add("drums", cached_us=100_000, warm_up_us=[2_000])
    budget.add("unknown")
    assert [budget.part_us(part) for part in ("melody", "bass", "drums")] == [4_000, 7_500, 6_000]
    assert budget.part_us("unknown") == UNKNOWN_BUDGET_US


def test_the_budget_is_the_sum_of_the_parts_that_share_the_worker() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=4_000)
    budget.add("bass", cached_us=3_000)
    assert budget.total_us == 7_000
    budget.add("bass", cached_us=1_000)
    assert budget.total_us == 5_000


def test_before_enough_is_known_a_budget_only_grows() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=4_000)
    observed(budget, TRUSTED_DECODES - 2, 1_000)
    assert budget.part_us("melody") == 4_000
    budget.observe("melody", 9_000)
    assert budget.part_us("melody") == 9_000


def test_a_value_from_a_slow_day_is_forgotten_after_thirty_two_decodes() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=100_000)
    observed(budget, TRUSTED_DECODES, 2_000)
    assert budget.part_us("melody") == 3_000


def test_a_budget_follows_the_slowest_thousandth_down_and_up() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=50_000)
    observed(budget, SETTLED_DECODES, 1_000)
    assert budget.part_us("melody") == 1_000
    observed(budget, WINDOW, 2_000)
    assert budget.part_us("melody") == 2_000
    observed(budget, 5, 30_000)
    assert budget.part_us("melody") == 30_000


def test_what_is_kept_is_what_decoding_took_and_not_what_a_session_started_from() -> None:
    budget = DecodeBudget()
    budget.add("melody", cached_us=100_000)
    observed(budget, KEPT_DECODES - 1, 2_000)
    assert budget.kept_us("melody") is None
    budget.observe("melody", 2_500)
    assert budget.kept_us("melody") == 2_500


def test_one_hiccup_in_thousands_of_decodes_does_not_move_a_budget() -> None:
    budget = DecodeBudget()
    budget.add("melody")
    for _ in range(WINDOW):
        budget.observe("melody", 1_000)
    budget.observe("melody", 90_000)
    assert budget.part_us("melody") == 1_000


def test_what_is_observed_of_an_unknown_part_teaches_nothing() -> None:
    budget = DecodeBudget()
    budget.observe("melody", 1_000)
    assert budget.total_us == 0


def test_a_temperature_next_to_nothing_is_greedy() -> None:
    z = np.ones(4, dtype=np.float32)
    greedy = decode(StubDecoder(), DecodeRequest("melody", 0, z, 0, 7, temperature=0.0)).tokens
    assert decode(StubDecoder(), DecodeRequest("melody", 0, z, 0, 7, temperature=1e-45)).tokens == greedy
