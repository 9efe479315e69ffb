"""A trained model and held-out tunes to a finished bundle."""

import copy
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self, cast

import msgspec
import numpy as np
import safetensors.torch
from torch import Tensor, nn

from autoloops_engine.bundle.manifest import SCHEMA_VERSION, DataSource, Manifest, Output
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.attributes import fit_attributes
from autoloops_export.data.roles import ROLES
from autoloops_export.data.windows import Dataset, DatasetManifest
from autoloops_export.evaluation.figures import measure
from autoloops_export.evaluation.loops import LoopSet, loops_of
from autoloops_export.evaluation.samples import measure_samples
from autoloops_export.knobs import rank_knobs
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import CheckpointCard, load_card, load_model
from autoloops_export.onnx.card import CardFacts, DataFacts, model_card
from autoloops_export.onnx.contract import LoopModel, ModelShape
from autoloops_export.onnx.graphs import export_graphs
from autoloops_export.onnx.own import load_own
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
        checkpoint: The ``.safetensors`` of a trained model; beside one that `autoloops train` wrote stands its card.
        own: ``module:Class`` of a model of one's own; empty: `autoloops train` wrote the checkpoint.
        out: The bundle's folder; its name becomes the bundle's.
        dataset: Prepared windows, of which the held-out ones are used; None, for a model of one's own only: nothing is
            measured, knobs are raw latent axes, and there are no attribute faders.
        storage: How the graphs keep their weights.
        points: Random points of the parity check.
        base: The bundle that training started from, whose data count as the new one's; None: it started afresh.
    """

    checkpoint: Path
    out: Path
    dataset: Dataset | None
    storage: Storage
    points: int
    own: str = ""
    base: Manifest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The model of a plan: with the weights as trained, and as they come back from storage."""

    module: nn.Module
    stored: nn.Module
    shape: ModelShape
    origin: CheckpointCard | str
    description: str

    @classmethod
    def of(cls, plan: ExportPlan) -> Self:
        if plan.own:
            module, shape = load_own(plan.own, plan.checkpoint)
            origin: CheckpointCard | str = plan.own
            description = f"A {shape.bars}-bar {shape.output.part} model: {plan.own}."
        else:
            origin = load_card(plan.checkpoint)
            module, config = load_model(plan.checkpoint)
            shape, description = shape_of(config), f"A {config.bars}-bar {config.role} model after MusicVAE."
        stored = copy.deepcopy(module)
        stored.load_state_dict(rounded(module.state_dict(), plan.storage))
        return cls(module=module, stored=stored, shape=shape, origin=origin, description=description)

    @property
    def trained(self) -> LoopModel:
        return cast("LoopModel", self.module)

    @property
    def reference(self) -> LoopModel:
        return cast("LoopModel", self.stored)


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
    subject = _Subject.of(plan)
    if plan.dataset is not None:
        _require_fit(subject.shape, plan.dataset)
    say("exporting the graphs")
    graphs = export_graphs(subject.reference, subject.shape, plan.storage)
    draft = _draft(plan, subject)
    files = {subject.shape.graphs[name].file: content for name, content in graphs.items()}
    files[WEIGHTS] = safetensors.torch.save(_halves(subject.module.state_dict()))
    with tempfile.TemporaryDirectory() as scratch:
        write_bundle(Path(scratch) / "draft", draft, files)
        decoder = open_decoder(Path(scratch) / "draft")
    measured, card = _measured(plan, draft, decoder, subject, say)
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


def _require_fit(shape: ModelShape, dataset: Dataset) -> None:
    data, output = dataset.manifest, shape.output
    # A model of one's own may call its part as it likes.
    role = output.part if output.part in ROLES else data.role
    if (data.steps, data.classes, data.role) != (shape.steps, output.classes, role):
        raise UsageError(
            f"The windows are {data.steps} steps of {data.role}, the model wants {shape.steps} of {output.part}: "
            "give the data it was trained on."
        )
    if not len(dataset.splits["test"]) or not len(dataset.splits["valid"]):
        raise UsageError("The data hold no test or validation windows: prepare more tunes.")


def _draft(plan: ExportPlan, subject: _Subject) -> Manifest:
    """The manifest before anything is measured."""
    shape = subject.shape
    draft = Manifest(
        schema_version=SCHEMA_VERSION,
        kind=shape.kind,
        name=plan.out.name,
        created_by=f"autoloops {version('autoloops')}",
        steps_per_bar=STEPS_PER_BAR,
        bars=shape.bars,
        latent_size=shape.latent,
        state_size=shape.state,
        embedding_size=shape.embedding,
        outputs=(shape.output,),
        graphs=shape.graphs,
        files={},
        data=() if plan.dataset is None else _sources(plan.dataset.manifest),
        description=subject.description,
    )
    return draft if plan.base is None else _descended(draft, plan.base)


def _sources(data: DatasetManifest) -> tuple[DataSource, ...]:
    return tuple(
        DataSource(pack.name, pack.licence, pack.attribution) for pack in data.packs if pack.windows.get("train")
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
    plan: ExportPlan, draft: Manifest, decoder: OnnxDecoder, subject: _Subject, say: Say
) -> tuple[Manifest, str]:
    """The finished manifest, without files, and the card."""
    parity = check_parity(
        subject.reference,
        decoder,
        plan.points,
        progress=lambda done: say(f"parity: {done:,} of {plan.points:,} points"),
    )
    require_parity(parity)
    held_out = None if plan.dataset is None else loops_of(plan.dataset.splits["valid"])
    knobs, ranking = rank_knobs(decoder, held_out, progress=say)
    complete, on_data = msgspec.structs.replace(draft, parity=parity, knobs=knobs), None
    if plan.dataset is not None and held_out is not None:
        complete, on_data = _on_data(plan.dataset, held_out, complete, decoder, subject.trained, say)
    facts = CardFacts(
        origin=subject.origin,
        storage=plan.storage,
        ranking=ranking,
        decode_ms=decode_ms(decoder),
        on_data=on_data,
    )
    return complete, model_card(complete, facts)


def _on_data(
    dataset: Dataset, held_out: LoopSet, draft: Manifest, decoder: OnnxDecoder, trained: LoopModel, say: Say
) -> tuple[Manifest, DataFacts]:
    """The manifest with attributes and figures, and what the card says of them."""
    test = loops_of(dataset.splits["test"])
    attributes, reports = fit_attributes(decoder, held_out, test, say)
    say(f"measuring on {len(test.tokens):,} test loops")
    figures = measure(decoder, test)
    samples = measure_samples(decoder, test, np.asarray(dataset.splits["train"].tokens), progress=say)
    say("measuring what storage costs")
    facts = DataFacts(
        figures=figures,
        trained=measure(TorchDecoder(trained, draft), test),
        attributes=reports,
        samples=samples,
        split_windows=dataset.manifest.windows,
    )
    accuracy = figures.as_dict() | samples.as_dict()
    return msgspec.structs.replace(draft, attributes=attributes, accuracy=accuracy), facts


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
