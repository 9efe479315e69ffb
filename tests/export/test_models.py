"""The flat model: shapes, its step-by-step bar against the fused forward, its sampling, its file format."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from tests.export.made_up import lively_model

from autoloops_engine.errors import ModelError
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.flat import FlatVae
from autoloops_export.models.loops import Loops
from autoloops_export.models.registry import CheckpointCard, load_card, load_model, save_model
from autoloops_export.training.measure import free_running, measure
from autoloops_export.training.objective import Feeding, elbo, kl_nats, shifted
from autoloops_export.training.sharing import Noise

TINY = ModelConfig(latent=5, encoder_hidden=7, encoder_reads=4, decoder_hidden=6, decoder_layers=2, embedding=3)
BATCH = 3


@pytest.fixture
def model() -> FlatVae:
    return lively_model(TINY, FlatVae)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 90, (BATCH, 32), generator=torch.Generator().manual_seed(1))


def one_hot(tokens: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(tokens, classes).float()


def test_shapes_are_those_of_the_graph_contract(model: FlatVae, tokens: torch.Tensor) -> None:
    mu, sigma = model.encode(one_hot(tokens, 90))
    state, embeddings = model.start(mu)
    bar = model.bar(
        state[:, 0],
        embeddings[:, 0],
        torch.zeros(BATCH, dtype=torch.int64),
        torch.ones(BATCH),
        torch.zeros(BATCH, 16, 90),
        torch.zeros(BATCH, 16, 90),
    )
    assert [tuple(t.shape) for t in (mu, sigma, state, embeddings)] == [(3, 5), (3, 5), (3, 1, 24), (3, 1, 5)]
    assert [tuple(t.shape) for t in bar] == [(3, 16), (3, 16, 24), (3, 16, 90)]
    assert bar[0].dtype == torch.int64
    assert (sigma > 0).all()


@torch.no_grad()
def test_bars_step_by_step_have_the_logits_of_the_fused_forward_on_the_same_tokens(model: FlatVae) -> None:
    """A large bias forces the tokens, so both ways see the same inputs; the state passes between the bars."""
    tokens = torch.randint(0, 90, (BATCH, 32), generator=torch.Generator().manual_seed(2))
    z = torch.randn(BATCH, TINY.latent)
    expected = model.logits(model.decode(z, shifted(tokens)))
    states, embeddings = model.start(z)
    state, previous, found = states[:, 0], torch.zeros(BATCH, dtype=torch.int64), []
    for number in range(2):
        forced = tokens[:, 16 * number : 16 * (number + 1)]
        bias = 1e4 * one_hot(forced, 90)
        sampled, after, logits = model.bar(
            state, embeddings[:, 0], previous, torch.zeros(BATCH), torch.zeros_like(bias), bias
        )
        assert sampled.tolist() == forced.tolist()
        state, previous = after[:, -1], sampled[:, -1]
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_bar_from_step_k_continues_the_same_loop(model: FlatVae) -> None:
    z, noise = torch.randn(1, 5), torch.randn(1, 16, 90)
    states, embeddings = model.start(z)
    arguments = torch.ones(1), noise, torch.zeros_like(noise)
    tokens, after, _ = model.bar(states[:, 0], embeddings[:, 0], torch.zeros(1, dtype=torch.int64), *arguments)
    k = 5
    rolled = torch.ones(1), noise.roll(-k, 1), torch.zeros_like(noise)
    rest, _, _ = model.bar(after[:, k - 1], embeddings[:, 0], tokens[:, k - 1], *rolled)
    assert rest[0, : 16 - k].tolist() == tokens[0, k:].tolist()


@torch.no_grad()
def test_temperature_zero_is_greedy_and_one_samples_the_softmax(model: FlatVae) -> None:
    rows = 20_000
    z = torch.randn(1, 5).expand(rows, -1)
    states, embeddings = model.start(z)
    uniform = torch.rand(rows, 16, 90, generator=torch.Generator().manual_seed(3)).clamp(1e-9, 1 - 1e-7)
    noise, none = -(-uniform.log()).log(), torch.zeros(rows, 16, 90)
    first = torch.zeros(rows, dtype=torch.int64)
    tokens, _, logits = model.bar(states[:, 0], embeddings[:, 0], first, torch.ones(rows), noise, none)
    shares = torch.bincount(tokens[:, 0], minlength=90) / rows
    torch.testing.assert_close(shares, logits[0, 0].softmax(0), atol=0.015, rtol=0)
    greedy, _, _ = model.bar(states[:, 0], embeddings[:, 0], first, torch.zeros(rows), noise, none)
    assert set(greedy[:, 0].tolist()) == {int(logits[0, 0].argmax())}


def test_the_closed_form_kl_is_that_of_the_distributions() -> None:
    mu, sigma = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 2.0]])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mu, sigma), normal(0.0, 1.0))
    torch.testing.assert_close(kl_nats(mu, sigma), expected)


def test_free_bits_count_on_the_total_of_a_window(model: FlatVae, tokens: torch.Tensor) -> None:
    def loss(free_bits: float) -> tuple[float, float]:
        terms = elbo(
            model, Loops(tokens), 1.0, free_bits, Feeding(), Noise(torch.Generator().manual_seed(0)), torch.float32
        )
        return float(terms.loss.detach() - terms.reconstruction), float(terms.kl)

    cost, kl = loss(0.0)
    assert cost == pytest.approx(kl, rel=1e-4)
    assert loss(1e6)[0] == pytest.approx(0.0, abs=1e-4)


def test_scheduled_sampling_feeds_the_models_own_tokens_and_dropout_blanks_them(
    model: FlatVae, tokens: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    run = FlatVae.run

    def spy(self: FlatVae, points: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        seen.append(previous)
        return run(self, points, previous)

    monkeypatch.setattr(FlatVae, "run", spy)
    noise = Noise(torch.Generator().manual_seed(0))
    elbo(model, Loops(tokens), 1.0, 0.0, Feeding(), noise, torch.float32)
    assert seen[-1].tolist() == shifted(tokens).tolist()
    elbo(model, Loops(tokens), 1.0, 0.0, Feeding(sampling=1.0), noise, torch.float32)
    assert (seen[-1][:, 1:] != tokens[:, :-1]).float().mean() > 0.8
    elbo(model, Loops(tokens), 1.0, 0.0, Feeding(dropout=0.5), noise, torch.float32)
    blanked = (seen[-1][:, 1:] == 0) & (tokens[:, :-1] != 0)
    assert 0.3 < float(blanked.float().mean()) < 0.7


def test_measurements_depend_on_the_seed_alone(model: FlatVae, tokens: torch.Tensor) -> None:
    assert measure(model, Loops(tokens), seed=1) == measure(model, Loops(tokens), seed=1)
    assert measure(model, Loops(torch.zeros_like(tokens))).no_event == 1.0
    z = torch.randn(2, 5)
    assert free_running(model, *model.start(z), 0.0, torch.Generator()).shape == (2, 32)


def test_a_checkpoint_comes_back_as_it_was(model: FlatVae, tmp_path: Path, tokens: torch.Tensor) -> None:
    path = tmp_path / "best.safetensors"
    save_model(path, model.state_dict(), CheckpointCard(TINY, step=7, metrics={"kl": 1.5}))
    loaded, config = load_model(path)
    assert isinstance(loaded, FlatVae)
    assert config == TINY
    assert load_card(path).step == 7
    features = one_hot(tokens, 90)
    torch.testing.assert_close(loaded.encode(features), model.encode(features), rtol=0, atol=0)


@pytest.mark.parametrize("damage", ["no card", "no weights", "cut", "another shape"])
def test_a_damaged_checkpoint_gives_one_clear_sentence(model: FlatVae, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "best.safetensors"
    config = dataclasses.replace(TINY, latent=6) if damage == "another shape" else TINY
    save_model(path, model.state_dict(), CheckpointCard(config))
    if damage == "no card":
        path.with_suffix(".json").unlink()
    elif damage == "no weights":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"best\.") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("latent", 0), ("encoder_reads", 5), ("decoder_layers", 0)])
def test_impossible_sizes_are_refused(field: str, value: int) -> None:
    sizes = {"latent": 5, field: value}
    with pytest.raises(ValueError, match=field):
        ModelConfig(**sizes)  # type: ignore[arg-type]
