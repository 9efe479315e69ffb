"""A trained model and held-out tunes to a finished bundle."""

import copy
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self, cast

import msgspec
import safetensors.torch
from torch import Tensor, nn

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.manifest import (
    SCHEMA_VERSION,
    Attribute,
    DataSource,
    Graph,
    GraphName,
    Manifest,
    Output,
    ParityReport,
)
from autoloops_engine.bundle.write import prepare_place, write_bundle
from autoloops_engine.density import density_of
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.onnx_decoder import OnnxDecoder, open_decoder
from autoloops_engine.inference.views import views_of
from autoloops_engine.latent import latent_space
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.attributes import fit_attributes
from autoloops_export.data.roles import ROLES
from autoloops_export.data.windows import Dataset, DatasetManifest
from autoloops_export.density import density_for
from autoloops_export.evaluation.figures import measure
from autoloops_export.evaluation.loops import LoopSet, loops_of, parts_of
from autoloops_export.evaluation.parts import as_accuracy, measure_bundle, spread
from autoloops_export.evaluation.times import CARD, decode_ms
from autoloops_export.knobs import rank_knobs
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.registry import CheckpointCard, load_card, load_model
from autoloops_export.models.trio import TrioVae
from autoloops_export.onnx.card import CardFacts, DataFacts, model_card
from autoloops_export.onnx.contract import LoopModel, ModelShape
from autoloops_export.onnx.graphs import export_graphs, export_joint_graphs
from autoloops_export.onnx.own import load_own
from autoloops_export.onnx.parity import check_parity, merged, require_parity
from autoloops_export.onnx.parts import PartModel, TorchJoint, joint_graphs, part_shapes
from autoloops_export.onnx.reference import TorchDecoder
from autoloops_export.onnx.storage import Storage, rounded
from autoloops_export.touch import fit_touch
from autoloops_export.ways import compare_ways, led

WEIGHTS: Final = "weights.safetensors"

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
        notes: Markdown that the card quotes.
    """

    checkpoint: Path
    out: Path
    dataset: Dataset | None
    storage: Storage
    points: int
    own: str = ""
    base: Manifest | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The model of a plan: with the weights as trained, and as they come back from storage."""

    module: nn.Module
    stored: nn.Module
    shapes: tuple[ModelShape, ...]
    role: str
    origin: CheckpointCard | str
    description: str

    @classmethod
    def of(cls, plan: ExportPlan) -> Self:
        origin: CheckpointCard | str
        shapes: tuple[ModelShape, ...]
        if plan.own:
            module, shape = load_own(plan.own, plan.checkpoint)
            shapes, role, origin = (shape,), shape.output.part, plan.own
            description = f"A {shape.bars}-bar {shape.output.part} model: {plan.own}."
        else:
            origin = load_card(plan.checkpoint)
            module, config = load_model(plan.checkpoint)
            shapes, role = shapes_of(config), config.role
            description = f"A {config.bars}-bar {config.role} model after MusicVAE."
        stored = copy.deepcopy(module)
        stored.load_state_dict(rounded(module.state_dict(), plan.storage))
        return cls(module=module, stored=stored, shapes=shapes, role=role, origin=origin, description=description)

    @property
    def graphs(self) -> dict[GraphName, Graph]:
        """What the bundle's graphs are to be."""
        return self.shapes[0].graphs if len(self.shapes) == 1 else joint_graphs(self.shapes)

    def references(self) -> dict[str, LoopModel]:
        """Of each part what its graphs are compared with."""
        if isinstance(self.stored, TrioVae):
            return {part: PartModel(self.stored, part) for part in self.stored.config.parts}
        return {self.shapes[0].output.part: cast("LoopModel", self.stored)}

    def exported(self, storage: Storage) -> dict[GraphName, bytes]:
        """The graphs."""
        models = self.references()
        if isinstance(self.stored, TrioVae):
            return export_joint_graphs(self.stored, models, self.graphs, storage)
        return export_graphs(models[self.shapes[0].output.part], self.shapes[0], storage)

    def trained(self, manifest: Manifest) -> dict[str, Decoder]:
        """Every part with the weights as trained, without graphs."""
        if isinstance(self.module, TrioVae):
            return views_of(TorchJoint(self.module, manifest))
        return {self.shapes[0].output.part: TorchDecoder(cast("LoopModel", self.module), manifest)}


def export_bundle(plan: ExportPlan, say: Say) -> Manifest:
    """Makes a bundle: graphs, parity, knobs, figures, card. Nothing is written unless all of it succeeds.

    Args:
        plan: What to export.
        say: Called with a word on what happens next.

    Returns:
        The manifest as written.

    Raises:
        ModelError: the checkpoint is damaged, cannot be exported, or its graphs fail the parity check.
        UsageError: the windows do not fit the model, or none are held out; or the bundle cannot be written there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", plan.out.name):
        raise UsageError(f"{plan.out.name!r} cannot name a bundle: use a-z, 0-9, - and _, a letter first.")
    # Exporting takes minutes: that there is no place for the bundle is to be heard before.
    try:
        prepare_place(plan.out)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"Cannot write {plan.out} ({error.strerror or error}): choose another place.") from error
    subject = _Subject.of(plan)
    if plan.dataset is not None:
        _require_fit(subject, plan.dataset)
    say("exporting the graphs")
    graphs = subject.exported(plan.storage)
    draft = _draft(plan, subject)
    files = {draft.graphs[name].file: content for name, content in graphs.items()}
    files[WEIGHTS] = safetensors.torch.save(_halves(subject.module.state_dict()))
    measured, card = _measured(plan, draft, files, subject, say)
    files[CARD] = card.encode()
    return write_bundle(plan.out, measured, files)


def _opened(draft: Manifest, files: Mapping[str, bytes]) -> OnnxDecoder:
    with tempfile.TemporaryDirectory() as scratch:
        write_bundle(Path(scratch) / "draft", draft, files)
        return open_decoder(Path(scratch) / "draft")


def shapes_of(config: ModelConfig) -> tuple[ModelShape, ...]:
    """The sizes of a model's graphs, of each part as if it were alone."""
    if config.kind == "trio":
        return part_shapes(config)
    shape = ModelShape(
        kind="hierarchical" if config.kind == "hierarchical" else "flat",
        output=Output(config.role, config.codec.name, config.classes),
        bars=config.bars,
        latent=config.latent,
        state=config.state,
        embedding=config.bar_embedding,
        features=config.features,
        extras=config.codec.extras,
    )
    return (shape,)


def _require_fit(subject: _Subject, dataset: Dataset) -> None:
    data, shape = dataset.manifest, subject.shapes[0]
    # A model of one's own may call its part as it likes.
    role = subject.role if subject.role in ROLES else data.role
    if (data.steps, data.classes, data.role) != (shape.steps, shape.output.classes, role):
        raise UsageError(
            f"The windows are {data.steps} steps of {data.role}, the model wants {shape.steps} of {subject.role}: "
            "give the data it was trained on."
        )
    if not len(dataset.splits["test"]) or not len(dataset.splits["valid"]):
        raise UsageError("The data hold no test or validation windows: prepare more tunes.")


def _draft(plan: ExportPlan, subject: _Subject) -> Manifest:
    """The manifest before anything is measured."""
    shapes = subject.shapes
    draft = Manifest(
        schema_version=SCHEMA_VERSION,
        kind=shapes[0].kind,
        name=plan.out.name,
        created_by=f"autoloops {version('autoloops')}",
        steps_per_bar=STEPS_PER_BAR,
        bars=shapes[0].bars,
        latent_size=shapes[0].latent,
        state_size=sum(shape.state for shape in shapes),
        embedding_size=shapes[0].embedding,
        outputs=tuple(shape.output for shape in shapes),
        graphs=subject.graphs,
        files={},
        data=() if plan.dataset is None else _sources(plan.dataset.manifest),
        description=subject.description,
    )
    bases = [] if plan.base is None else [plan.base]
    if isinstance(subject.origin, CheckpointCard):
        bases += [load_bundle(find_bundle(name)).manifest for name in subject.origin.begin_from.values()]
    for base in bases:
        draft = msgspec.structs.replace(draft, data=_with_data_of(draft, base))
    if plan.base is not None:
        description = f"{draft.description.removesuffix('.')}, fine-tuned from {plan.base.name}."
        draft = msgspec.structs.replace(draft, description=description)
    return draft


def _sources(data: DatasetManifest) -> tuple[DataSource, ...]:
    return tuple(
        DataSource(pack.name, pack.licence, pack.attribution) for pack in data.packs if pack.windows.get("train")
    )


def _with_data_of(draft: Manifest, base: Manifest) -> tuple[DataSource, ...]:
    """What a model learnt from, and before it the one that it began with."""
    own = {source.name for source in draft.data}
    return (*draft.data, *(source for source in base.data if source.name not in own))


def _halves(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.half().contiguous() if value.is_floating_point() else value.contiguous()
        for name, value in weights.items()
    }


def _measured(
    plan: ExportPlan, draft: Manifest, files: Mapping[str, bytes], subject: _Subject, say: Say
) -> tuple[Manifest, str]:
    """The finished manifest, without files, and the card."""
    decoder = _opened(draft, files)
    parity = _parity(subject, decoder, plan, say)
    require_parity(parity)
    held_out, ways = None, None
    if plan.dataset is not None:
        draft = _fitted(draft, files, loops_of(plan.dataset.splits["train"]), say)
        held_out = loops_of(plan.dataset.splits["valid"])
        say("comparing ways between loops")
        ways = compare_ways(_opened(draft, files), held_out)
        draft = draft if ways is None else led(draft, leads=ways.leads)
        decoder = _opened(draft, files)
    knobs, ranking = rank_knobs(decoder, held_out, progress=say)
    complete, on_data = msgspec.structs.replace(draft, parity=parity, knobs=knobs), None
    if plan.dataset is not None:
        complete, on_data = _on_data(plan.dataset, complete, decoder, subject.trained(draft), say)
    facts = CardFacts(
        origin=subject.origin,
        storage=plan.storage,
        ranking=ranking,
        decode_ms=decode_ms(decoder),
        on_data=on_data,
        ways=ways,
        notes=plan.notes,
    )
    return complete, model_card(complete, facts)


def _fitted(draft: Manifest, files: Mapping[str, bytes], train: LoopSet, say: Say) -> Manifest:
    """The manifest with what velocities and offsets are played as and with where loops lie."""
    say("comparing velocities and timing")
    decoder, outputs = _opened(draft, files), []
    for output, (part, view) in zip(draft.outputs, views_of(decoder).items(), strict=True):
        played = fit_touch(view, parts_of(draft, train)[part])
        outputs.append(msgspec.structs.replace(output, played=played))
    draft = msgspec.structs.replace(draft, outputs=tuple(outputs))
    density = density_for(_opened(draft, files), train, say)
    return msgspec.structs.replace(draft, density=density_of(density))


def _parity(subject: _Subject, decoder: OnnxDecoder, plan: ExportPlan, say: Say) -> ParityReport:
    """The parity of every part, at as many points in all as planned."""
    views = views_of(decoder)
    each, reports = -(-plan.points // len(views)), {}
    for part, model in subject.references().items():
        say(f"parity of {part}")
        reports[part] = check_parity(model, views[part], each, storage=plan.storage)
    return merged(reports)


def _on_data(
    dataset: Dataset, draft: Manifest, decoder: OnnxDecoder, trained: dict[str, Decoder], say: Say
) -> tuple[Manifest, dict[str, DataFacts]]:
    """The manifest with attributes and figures, and what the card says of them, part by part."""
    test = spread(loops_of(dataset.splits["test"]), draft)
    held_out = parts_of(draft, loops_of(dataset.splits["valid"]))
    measured = measure_bundle(decoder, latent_space(draft).knobs, dataset, 0, say)
    attributes: list[Attribute] = []
    facts: dict[str, DataFacts] = {}
    for part, view in views_of(decoder).items():
        own = parts_of(draft, test)[part]
        found, reports = fit_attributes(view, held_out[part], own, say)
        several = len(draft.outputs) > 1
        attributes += [msgspec.structs.replace(each, output=part if several else "") for each in found]
        say(f"measuring what storage costs {part}")
        facts[part] = DataFacts(
            figures=measured.parts[part].figures,
            trained=measure(trained[part], own),
            attributes=reports,
            samples=measured.parts[part].samples,
            knobs=measured.knobs,
            data=dataset.manifest,
        )
    complete = msgspec.structs.replace(draft, attributes=tuple(attributes), accuracy=as_accuracy(measured))
    return complete, facts
