"""The hierarchical model: bars that start from their own state, in training, in its graphs and in a performance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.export.made_up import lively_model, some_melodies

from autoloops_engine.errors import ModelError
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_export.data.windows import Dataset
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.flat import FlatVae
from autoloops_export.models.hierarchical import HierarchicalVae
from autoloops_export.models.loops import Loops, loops_from
from autoloops_export.models.registry import CheckpointCard, build_model, save_model
from autoloops_export.models.warm import begin_with_bars
from autoloops_export.onnx.bundle import ExportPlan, export_bundle
from autoloops_export.training import schedules
from autoloops_export.training.measure import measure
from autoloops_export.training.objective import shifted
from autoloops_export.training.recipe import DataArguments, ObjectiveArguments, Recipe, RunArguments
from autoloops_export.training.trainer import Observer, Trainer

BARS = 4
CONFIG = ModelConfig(
    kind="hierarchical",
    bars=BARS,
    latent=8,
    encoder_hidden=6,
    encoder_reads=2,
    conductor_hidden=7,
    bar_hidden=6,
    bar_share=3,
    decoder_layers=2,
    decoder_hidden=8,
    embedding=3,
)
COUNTS = {"train": 80, "valid": 20, "test": 10}


@pytest.fixture
def model() -> HierarchicalVae:
    return lively_model(CONFIG, HierarchicalVae)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return some_melodies(COUNTS, BARS)


@pytest.fixture(scope="module")
def decoder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory, quick_export: None) -> OnnxDecoder:
    folder = tmp_path_factory.mktemp("run")
    built = lively_model(CONFIG, HierarchicalVae, seed=4)
    save_model(folder / "best.safetensors", built.state_dict(), CheckpointCard(CONFIG))
    plan = ExportPlan(
        checkpoint=folder / "best.safetensors", out=folder / "long", dataset=dataset, storage="float16", points=10
    )
    manifest = export_bundle(plan, lambda word: None)
    assert (manifest.kind, manifest.embedding_size) == ("hierarchical", CONFIG.point)
    return open_decoder(folder / "long")


@torch.no_grad()
def test_bars_step_by_step_are_what_training_sees(model: HierarchicalVae) -> None:
    tokens = torch.randint(0, 90, (3, 16 * BARS), generator=torch.Generator().manual_seed(1))
    z = torch.randn(3, CONFIG.latent)
    expected = model.logits(model.decode(z, shifted(tokens)))
    states, embeddings = model.start(z)
    assert states.shape == (3, BARS, CONFIG.state)
    assert embeddings.shape == (3, BARS, CONFIG.point)
    previous = torch.zeros(3, dtype=torch.int64)
    for bar in range(BARS):
        forced = tokens[:, 16 * bar : 16 * (bar + 1)]
        bias = 1e4 * torch.nn.functional.one_hot(forced, 90).float()
        sampled, _, logits = model.bar(
            states[:, bar], embeddings[:, bar], previous, torch.zeros(3), torch.zeros_like(bias), bias
        )
        assert sampled.tolist() == forced.tolist()
        torch.testing.assert_close(logits, expected[:, 16 * bar : 16 * (bar + 1)], atol=1e-5, rtol=1e-5)
        previous = sampled[:, -1]


@torch.no_grad()
def test_every_bar_of_a_loop_reaches_the_posterior(model: HierarchicalVae) -> None:
    tokens = torch.randint(0, 90, (1, 16 * BARS), generator=torch.Generator().manual_seed(1))
    mu, _ = model.encode(model.features(Loops(tokens)))
    for step in range(5, 16 * BARS, 16):
        changed = tokens.clone()
        changed[0, step] = (changed[0, step] + 40) % 90
        other, _ = model.encode(model.features(Loops(changed)))
        assert float((other - mu).abs().max()) > 1e-4


def test_it_trains_and_is_measured_as_any_other(dataset: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(
        run=RunArguments(steps=4, batch_size=8, evaluate_every=4, precision="float32"),
        model=CONFIG,
        data=DataArguments(min_windows=50),
        objective=ObjectiveArguments(sampling=0.5, input_dropout=0.1),
    )
    trainer = Trainer(recipe, dataset, tmp_path, schedules.Plan(4))
    before = trainer.model.state_dict()["conductor.weight_hh_l0"].clone()
    trainer.run(Observer(), lambda: False)
    assert not torch.equal(trainer.model.state_dict()["conductor.weight_hh_l0"], before)
    assert 0 <= measure(trainer.average, trainer.valid).free_at_1 <= 1


def test_a_bar_needs_no_bar_before_it_but_its_last_token(decoder: OnnxDecoder) -> None:
    z = np.random.default_rng(3).standard_normal(CONFIG.latent).astype(np.float32)
    first = decode(decoder, DecodeRequest("melody", 0, z, 1, 7))
    with_state = decode(decoder, DecodeRequest("melody", 0, z, 1, 7, state=np.ones(CONFIG.state, np.float32)))
    assert with_state.tokens == first.tokens, "a state of another bar changes nothing"
    rest = decode(
        decoder,
        DecodeRequest("melody", 0, z, 1, 7, state=first.states[8], previous=first.tokens[8], first_step=9),
    )
    assert rest.tokens == first.tokens[9:]


def test_a_new_point_is_heard_at_any_bar_line(decoder: OnnxDecoder) -> None:
    setup = PartSetup("melody", 1, latent_space(decoder.manifest), BARS)
    joined = Performance(Session([setup], 7, 120.0), {"melody": decoder}, 120.0)
    joined.session.act(Target("start"), (), joined.now_us)
    joined.settle()
    joined.run_until(joined.now_us + 9_000_000)
    joined.session.set(Target("z", "melody"), (2.0, -2.0) * 4, joined.now_us)
    joined.settle()
    joined.run_until(joined.now_us + 16_000_000)
    bars = {m.song_bar: m.bar.notes for m in joined.heard if isinstance(m, Frozen)}
    assert bars[1] != bars[5]
    assert bars[6] == bars[10]
    assert joined.session.misses == 0


def test_reads_divide_a_bar() -> None:
    with pytest.raises(ValueError, match="16"):
        dataclasses.replace(CONFIG, encoder_reads=32)


def flat_weights(latent: int) -> dict[str, torch.Tensor]:
    """A flat model of two bars with some weights."""
    torch.manual_seed(7)
    flat = build_model(
        ModelConfig(bars=2, encoder_hidden=6, encoder_reads=4, decoder_hidden=8, embedding=3, latent=latent)
    )
    return {name: torch.randn_like(weight) * 0.4 for name, weight in flat.state_dict().items()}


@torch.no_grad()
def test_bars_begin_as_those_of_a_short_model_that_repeats_them(dataset: Dataset) -> None:
    config = dataclasses.replace(CONFIG, bar_share=2)
    weights = flat_weights(latent=2)
    loops = loops_from(dataset.splits["train"])
    begun = build_model(config)
    begun.load_state_dict(begin_with_bars(config, {"melody": weights}, loops))
    assert isinstance(begun, HierarchicalVae)
    shares = begun.of_bars(begun.features(loops))
    mu, sigma = begun.encode(begun.features(loops))
    # As many latent dimensions as a bar is encoded in lose nothing: what a bar is told is what it was encoded in.
    told = begun.embeddings(mu)
    torch.testing.assert_close(told[..., :2], shares, atol=1e-4, rtol=1e-4)
    of_bars = mu.view(-1, 2)
    assert of_bars.mean(0).tolist() == pytest.approx([0, 0], abs=1e-4)
    assert torch.cov(of_bars.T).flatten().tolist() == pytest.approx([1, 0, 0, 1], abs=1e-3)
    assert float(sigma.max()) <= 1.0
    # And the decoder answers it as the short model would.
    flat = build_model(ModelConfig(bars=2, encoder_hidden=6, encoder_reads=4, decoder_hidden=8, embedding=3, latent=2))
    assert isinstance(flat, FlatVae)
    flat.load_state_dict(weights)
    previous = loops.tokens[:, :16]
    torch.testing.assert_close(
        begun.run(begun.told(mu), torch.cat([previous] * BARS, 1))[:, :16], flat.decode(shares[:, 0], previous)
    )


def test_models_that_do_not_go_together_are_refused_in_a_sentence(dataset: Dataset) -> None:
    loops = loops_from(dataset.splits["train"])
    with pytest.raises(ModelError, match="for each of: melody"):
        begin_with_bars(CONFIG, {"bass": flat_weights(latent=3)}, loops)
    with pytest.raises(ModelError, match="latent of bar_share"):
        begin_with_bars(CONFIG, {"melody": flat_weights(latent=5)}, loops)
    with pytest.raises(ModelError, match="for each of"):
        begin_with_bars(ModelConfig(bars=BARS), {"bass": flat_weights(latent=3)}, loops)


def test_a_latent_size_that_bars_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of the 4 bars"):
        dataclasses.replace(CONFIG, latent=7)
