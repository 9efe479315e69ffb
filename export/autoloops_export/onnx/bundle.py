"""A checkpoint and held-out tunes to a finished bundle."""

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

import msgspec
import numpy as np
import safetensors.torch
from torch import Tensor

from autoloops_engine.bundle.manifest import SCHEMA_VERSION, DataSource, Manifest, Output
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.attributes import fit_attributes
from autoloops_export.data.windows import Dataset, DatasetManifest
from autoloops_export.evaluation.figures import measure
from autoloops_export.evaluation.loops import LoopSet, loops_of
from autoloops_export.evaluation.samples import measure_samples
from autoloops_export.knobs import rank_knobs
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import build_model, load_card, load_model
from autoloops_export.onnx.card import CardFacts, model_card
from autoloops_export.onnx.contract import LoopModel, ModelShape
from autoloops_export.onnx.graphs import export_graphs
from autoloops_export.onnx.parity import check_parity, require_parity
from autoloops_export.onnx.reference import TorchDecoder
from autoloops_export.onnx.storage import Storage, rounded

CARD: Final = "MODEL_CARD.md"
WEIGHTS: Final = "weights.safetensors"
TIMED_BARS: Final = 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What to export, and how.

    Attributes:
        checkpoint: The ``.safetensors`` of a trained model; its card stands beside it.
        out: The bundle's folder; its name becomes the bundle's.
        dataset: Prepared windows, of which the held-out ones are used.
        storage: How the graphs keep their weights.
        points: Random points of the parity check.
        base: The bundle that training started from, whose data count as the new one's; None: it started afresh.
    """

    checkpoint: Path
    out: Path
    dataset: Dataset
    storage: Storage
    points: int
    base: Manifest | None = None


def export_bundle(plan: ExportPlan, say: Say) -> Manifest:
    """Makes a bundle: graphs, parity, knobs, figures, card. Nothing is written unless all of it succeeds.

    Args:
        plan: What to export.
        say: Called with a word on what happens next.

    Returns:
        The manifest as written.

    Raises:
        ModelError: the checkpoint is damaged, cannot be exported, or its graphs fail the parity check.
        UsageError: the windows do not fit the model, or none are held out.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", plan.out.name):
        raise UsageError(f"{plan.out.name!r} cannot name a bundle: use a-z, 0-9, - and _, a letter first.")
    config = load_card(plan.checkpoint).config
    test, valid = (loops_of(plan.dataset.splits[name]) for name in ("test", "valid"))
    _require_fit(config, plan.dataset.manifest, len(test.tokens), len(valid.tokens))
    module, _ = load_model(plan.checkpoint)
    trained, weights = cast("LoopModel", module), module.state_dict()
    reference = build_model(config).eval()
    reference.load_state_dict(rounded(weights, plan.storage))
    shape = shape_of(config)
    say("exporting the graphs")
    graphs = export_graphs(reference, shape, plan.storage)
    draft = _draft(plan.out.name, config, shape, plan.dataset.manifest)
    if plan.base is not None:
        draft = _descended(draft, plan.base)
    files = {shape.graphs[name].file: content for name, content in graphs.items()}
    files[WEIGHTS] = safetensors.torch.save(_halves(weights))
    with tempfile.TemporaryDirectory() as scratch:
        write_bundle(Path(scratch) / "draft", draft, files)
        decoder = open_decoder(Path(scratch) / "draft")
    measured, card = _measured(plan, draft, decoder, reference, trained, (test, valid), say)
    files[CARD] = card.encode()
    return write_bundle(plan.out, measured, files)


def shape_of(config: ModelConfig) -> ModelShape:
    """The sizes of a model's graphs."""
    return ModelShape(
        kind="hierarchical" if config.kind == "hierarchical" else "flat",
        output=Output(config.role, config.codec.name, config.classes),
        bars=config.bars,
        latent=config.latent,
        state=config.state,
        embedding=config.point,
        features=config.features,
        extras=config.codec.extras,
    )


def _require_fit(config: ModelConfig, data: DatasetManifest, test: int, valid: int) -> None:
    if (data.steps, data.classes, data.role) != (config.steps, config.classes, config.role):
        raise UsageError(
            f"The windows are {data.steps} steps of {data.role}, the model wants {config.steps} of {config.role}: "
            "give the data it was trained on."
        )
    if not test or not valid:
        raise UsageError("The data hold no test or validation windows: prepare more tunes.")


def _draft(name: str, config: ModelConfig, shape: ModelShape, data: DatasetManifest) -> Manifest:
    """The manifest before anything is measured."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        kind=shape.kind,
        name=name,
        created_by=f"autoloops {version('autoloops')}",
        steps_per_bar=STEPS_PER_BAR,
        bars=shape.bars,
        latent_size=shape.latent,
        state_size=shape.state,
        embedding_size=shape.embedding,
        outputs=(shape.output,),
        graphs=shape.graphs,
        files={},
        data=tuple(
            DataSource(pack.name, pack.licence, pack.attribution) for pack in data.packs if pack.windows.get("train")
        ),
        description=f"A {config.bars}-bar {config.role} model after MusicVAE.",
    )


def _descended(draft: Manifest, base: Manifest) -> Manifest:
    """The manifest of a model that was fine-tuned: what its base learnt from is in it too."""
    own = {source.name for source in draft.data}
    data = (*draft.data, *(source for source in base.data if source.name not in own))
    description = f"{draft.description.removesuffix('.')}, fine-tuned from {base.name}."
    return msgspec.structs.replace(draft, data=data, description=description)


def _halves(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for name, value in weights.items()
    }


def _measured(
    plan: ExportPlan,
    draft: Manifest,
    decoder: OnnxDecoder,
    reference: LoopModel,
    trained: LoopModel,
    held_out: tuple[LoopSet, LoopSet],
    say: Say,
) -> tuple[Manifest, str]:
    """The finished manifest, without files, and the card."""
    test, valid = held_out
    parity = check_parity(
        reference, decoder, plan.points, progress=lambda done: say(f"parity: {done:,} of {plan.points:,} points")
    )
    require_parity(parity)
    knobs, ranking = rank_knobs(decoder, valid, progress=say)
    attributes, attribute_reports = fit_attributes(decoder, valid, test, say)
    say(f"measuring on {len(test.tokens):,} test loops")
    figures = measure(decoder, test)
    samples = measure_samples(decoder, test, np.asarray(plan.dataset.splits["train"].tokens), progress=say)
    say("measuring what storage costs")
    trained_figures = measure(TorchDecoder(trained, draft), test)
    complete = msgspec.structs.replace(
        draft, parity=parity, knobs=knobs, attributes=attributes, accuracy=figures.as_dict() | samples.as_dict()
    )
    facts = CardFacts(
        checkpoint=load_card(plan.checkpoint),
        figures=figures,
        trained=trained_figures,
        storage=plan.storage,
        ranking=ranking,
        attributes=attribute_reports,
        samples=samples,
        decode_ms=decode_ms(decoder),
        split_windows=plan.dataset.manifest.windows,
    )
    return complete, model_card(complete, facts)


def decode_ms(decoder: OnnxDecoder, bars: int = TIMED_BARS) -> tuple[float, float]:
    """Median and 99th percentile of decoding one bar, in milliseconds, noise included."""
    rng = np.random.default_rng(0)
    durations = []
    for seed in range(bars):
        z = rng.standard_normal(decoder.manifest.latent_size).astype(np.float32)
        began_ns = time.monotonic_ns()
        decode(decoder, DecodeRequest("", 0, z, 0, seed))
        durations.append((time.monotonic_ns() - began_ns) / 1e6)
    return float(np.percentile(durations, 50)), float(np.percentile(durations, 99))
