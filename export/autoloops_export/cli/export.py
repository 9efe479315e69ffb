"""``autoloops export`` and ``autoloops evaluate``: a checkpoint to a bundle, and a bundle to figures."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from autoloops_engine.errors import UsageError
from autoloops_export.cli.train import KEPT

if TYPE_CHECKING:
    from autoloops_export.data.windows import Dataset

PARITY_POINTS = 1_000
LABELS = {
    "no_event": 'always "no event"',
    "teacher_forced": "teacher-forced",
    "free_at_1": "free-running, T = 1, posterior sample",
    "free_at_02": "free-running, T = 0.2, posterior mean",
    "onset_f1_at_1": "onset F1, T = 1",
    "onset_f1_at_02": "onset F1, T = 0.2",
    "pitch_at_1": "pitch where both have an onset, T = 1",
    "pitch_at_02": "pitch where both have an onset, T = 0.2",
    "velocity_error": "velocity error of a hit (0 to 1)",
    "flat_velocity_error": "... of hits that are all as loud",
    "timing_error": "timing error of a hit, half steps",
    "flat_timing_error": "... of hits on the grid",
    "reconstruction": "reconstruction, nats a loop",
    "kl": "KL, nats a loop",
    "active_dimensions": "active dimensions",
    "nearest_neighbour": "baseline: the likest training window",
    "prior_overlap": "new loops: least overlap with test loops",
    "midpoint_overlap": "midpoints: least overlap with test loops",
    "train_overlap": "... of the training loops themselves",
    "valid_overlap": "... of the validation loops",
    "copies": "new loops that are training windows",
    "empty": "new loops that are empty",
    "midpoint_copies": "midpoints that are training windows",
    "midpoint_empty": "midpoints that are empty",
    "path_change": "steps that change along a path of nine points",
    "knob_dead_zone": "longest dead zone of a knob's travel",
    "knob_unevenness": "most over least change in a tenth of a knob's travel",
}
OVERLAPS = ("prior_overlap", "midpoint_overlap", "train_overlap", "valid_overlap")


class Keep(StrEnum):
    """How the graphs keep their weights."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def add(to: typer.Typer) -> None:
    """Add the commands ``export`` and ``evaluate`` to the command line."""
    to.command()(export)
    to.command()(evaluate)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="CHECKPOINT.safetensors of `autoloops train`, or module:Class of a model of your own."
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="The weights of a model of your own.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Prepared windows; the held-out ones are measured. Default: those made with the run; a model of your "
            "own does without."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the bundle; its name becomes the bundle's. A bundle is replaced. "
            "Default: named after the run, in its folder; after the class, here."
        ),
    ] = None,
    keep: Annotated[
        Keep | None,
        typer.Option(help="How the graphs keep their weights; default: int8, and float16 of a model of your own."),
    ] = None,
    points: Annotated[int, typer.Option(min=1, help="Random points of the parity check.")] = PARITY_POINTS,
    notes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.md", help="What the card shall say beside what is measured, such as what was tried."
        ),
    ] = None,
) -> None:
    """Turn a trained model into a bundle that plays; fails where the graphs are not the model."""
    from autoloops_export.onnx.bundle import ExportPlan, export_bundle

    own = _own(model, checkpoint)
    weights = checkpoint or Path(model)
    plan = ExportPlan(
        checkpoint=weights,
        own=own,
        out=out or (Path(_name(own)) if own else weights.parent / weights.absolute().parent.name),
        dataset=_windows(own, weights, data),
        storage=(keep or (Keep.FLOAT16 if own else Keep.INT8)).value,
        points=points,
        notes=_notes(notes),
    )
    console = Console()
    with console.status("loading") as status:
        manifest = export_bundle(plan, lambda word: status.update(word))
    size = sum(file.bytes for file in manifest.files.values())
    if manifest.accuracy:
        console.print(_table(manifest.name, manifest.accuracy))
    parts = [output.part for output in manifest.outputs]
    models = " ".join(f"--model {part}={plan.out}" for part in parts)
    console.print(f"The bundle is in {plan.out}, {size / 1e6:.1f} MB.", markup=False, soft_wrap=True)
    console.print(
        f"Next: autoloops play --parts {','.join(parts)} {models}", markup=False, highlight=False, soft_wrap=True
    )


def _notes(file: Path | None) -> str:
    """What the card shall say.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return "" if file is None else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as text: give a Markdown file with --notes.") from error


def _own(model: str, checkpoint: Path | None) -> str:
    """``module:Class`` where that is what shall be exported, else nothing.

    Raises:
        UsageError: its weights are missing.
    """
    if checkpoint is not None:
        return model
    if ":" in model and not model.endswith(".safetensors"):
        raise UsageError(f"{model} needs its weights: give them with --checkpoint FILE.safetensors.")
    return ""


def _windows(own: str, weights: Path, data: Path | None) -> "Dataset | None":
    """What to measure on.

    Raises:
        UsageError: there is nothing, and `autoloops train` wrote the weights.
    """
    from autoloops_export.data.windows import MANIFEST, load_dataset

    kept = weights.parent / KEPT
    if data is None and not own:
        if not (kept / MANIFEST).exists():
            raise UsageError("Give with --data the prepared windows that the model was trained on.")
        data = kept
    return None if data is None else load_dataset(data)


def _name(own: str) -> str:
    """The name of a bundle after a class: ``tiny-gru`` of ``models:TinyGru``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", own.rpartition(":")[2]).lower()


def evaluate(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="An installed bundle's name, or a folder or zip.")],
    data: Annotated[Path | None, typer.Option(help="Prepared windows; the test tunes are measured.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Where to write the figures; default: NAME.evaluation.json.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of posterior samples and noise.")] = 0,
    times: Annotated[
        bool,
        typer.Option("--times", help="Only time the decoding of a bar on this machine, and write it into the card."),
    ] = False,
) -> None:
    """Measure a bundle on held-out tunes, through its graphs."""
    from autoloops_engine.bundle.installed import find_bundle

    path = find_bundle(bundle)
    if times:
        from autoloops_export.evaluation.times import refresh_times

        p50_ms, p99_ms = refresh_times(path)
        typer.echo(f"One bar decodes in {p50_ms:.1f} ms (median), {p99_ms:.1f} ms (99th percentile); its card says so.")
        return
    if data is None:
        raise UsageError("Give with --data the prepared windows to measure on, or ask for --times.")
    if json is not None:
        # Measuring takes minutes: that there is no place for the figures is to be heard before.
        json.parent.mkdir(parents=True, exist_ok=True)
    name, figures = _measured(path, data, seed)
    target = json or Path(f"{name}.evaluation.json")
    _write(target, name, figures)
    Console().print(f"The figures are in {target}.", markup=False)


def _measured(bundle: Path, data: Path, seed: int) -> tuple[str, dict[str, Any]]:
    """The bundle's name and all its figures, which are shown too."""
    from autoloops_engine.inference.onnx_decoder import open_decoder
    from autoloops_engine.latent import latent_space
    from autoloops_export.data.windows import load_dataset
    from autoloops_export.evaluation.parts import as_accuracy, measure_bundle

    decoder = open_decoder(bundle)
    console = Console()
    with console.status("measuring") as status:
        knobs = latent_space(decoder.manifest).knobs
        measured = measure_bundle(decoder, knobs, load_dataset(data), seed, lambda word: status.update(word))
    figures = as_accuracy(measured)
    console.print(_table(decoder.manifest.name, figures))
    overlaps = {part: {name: getattr(each.samples, name) for name in OVERLAPS} for part, each in measured.parts.items()}
    return decoder.manifest.name, {**figures, "overlaps": overlaps, "knobs": measured.knobs}


def _write(target: Path, name: str, figures: dict[str, Any]) -> None:
    text = msgspec.json.encode({"bundle": name, "split": "test", **figures})
    target.write_bytes(msgspec.json.format(text, indent=2) + b"\n")


def _table(name: str, figures: dict[str, float]) -> Table:
    table = Table(title=f"{name} on {int(figures['loops']):,} test loops")
    table.add_column("figure")
    parts = list(dict.fromkeys(key.split("/")[0] for key in figures if "/" in key))
    for part in parts or ["value"]:
        table.add_column(part, justify="right")
    for key, label in LABELS.items():
        values = [figures.get(f"{part}/{key}") for part in parts] if key not in figures else [figures[key]]
        if any(value is not None for value in values):
            table.add_row(label, *("" if value is None else _shown(value) for value in values))
    return table


def _shown(value: float) -> str:
    return f"{value:.{3 if value <= 1 else 1}f}"
