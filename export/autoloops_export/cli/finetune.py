"""``autoloops train --from``: one's own MIDI files to one's own bundle, in one go."""

import dataclasses
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.errors import UsageError
from autoloops_export.cli.data import windows_at
from autoloops_export.data.roles import role_named
from autoloops_export.models.registry import load_model
from autoloops_export.onnx.bundle import ExportPlan, export_bundle
from autoloops_export.training.finetune import (
    MINUTES,
    finetune_recipe,
    load_base,
    measured_on_test,
    name_for,
)
from autoloops_export.training.measure import Metrics
from autoloops_export.training.session import require_fresh, train_run
from autoloops_export.training.trainer import BEST

PARITY_POINTS = 200
ROWS = {
    "free_at_1": "free-running, T = 1, posterior sample",
    "free_at_02": "free-running, T = 0.2, posterior mean",
    "teacher_forced": "teacher-forced",
    "kl": "KL, nats a loop",
}


def finetune(bundle: str, source: Path, runs: Path, *, out: Path | None, minutes: float | None, resume: bool) -> None:
    """Train a bundle on a folder of MIDI files, measure it before and after, and export it.

    Args:
        bundle: Name or path of the bundle to start from.
        source: The MIDI files, or a prepared folder.
        runs: Where runs lie unless ``out`` says otherwise.
        out: The run's folder.
        minutes: Length of the training.
        resume: Go on from the run's last checkpoint.

    Raises:
        UsageError: there is too little music, or a run is there already.
        BundleError: the bundle cannot be used.
        ModelError: its weights cannot be trained, or the result fails the parity check.
    """
    console = Console()
    base = load_base(find_bundle(bundle))
    name = name_for(base.manifest.name, source)
    folder = out or runs / name
    if not resume:
        require_fresh(folder)
    role = dataclasses.replace(role_named(base.config.role), bars=base.config.bars)
    dataset = windows_at(source, folder / "data", role, console, anew=not resume)
    if not len(dataset.splits["test"]):
        raise UsageError(f"{source} leaves no file to measure on: give at least three files of different tunes.")
    before = measured_on_test(base.config, base.weights, dataset)
    recipe = finetune_recipe(base, name)
    train_run(recipe, dataset, folder, minutes=minutes or MINUTES, resume=resume, initial=base.weights)
    best, config = load_model(folder / BEST)
    after = measured_on_test(config, best.state_dict(), dataset)
    assert before is not None
    assert after is not None
    console.print(_table(name, len(dataset.splits["test"]), before, after))
    with console.status("exporting") as status:
        export_bundle(
            ExportPlan(
                checkpoint=folder / BEST,
                out=folder / name,
                dataset=dataset,
                storage="float16",
                points=PARITY_POINTS,
                base=base.manifest,
            ),
            lambda word: status.update(word),
        )
    part = base.manifest.outputs[0].part
    console.print(
        f"The bundle is in {folder / name}. Next: autoloops play --parts {part} --model {part}={folder / name}",
        markup=False,
        soft_wrap=True,
    )


def _table(name: str, loops: int, before: Metrics, after: Metrics) -> Table:
    table = Table(title=f"{name} on {loops:,} loops of your held-out files")
    for heading in ("figure", "before", "after"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for key, label in ROWS.items():
        places = 1 if key == "kl" else 3
        table.add_row(label, *(f"{figures.as_dict()[key]:.{places}f}" for figures in (before, after)))
    return table
