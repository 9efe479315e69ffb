"""``autoloops train``: a recipe and prepared windows to a checkpoint, or a bundle and one's own music to another."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from autoloops_engine.errors import UsageError

if TYPE_CHECKING:
    from autoloops_export.data.windows import Dataset
    from autoloops_export.training.recipe import Recipe

RUNS = Path("runs")
# Of a run: where the windows lie that were made of MIDI files for it.
KEPT = "data"


def add(to: typer.Typer) -> None:
    """Add the command ``train`` to the command line."""
    to.command()(train)


def train(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.toml", help="What to train, and how; not with --from.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="MIDI files, or prepared windows. Default: the recipe's folder of prepared windows."),
    ] = None,
    base: Annotated[
        str, typer.Option("--from", metavar="BUNDLE", help="Fine-tune this bundle on --data, and export the result.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Length of the whole run; the learning rate ends its decay there. Default: steps; with --from 4.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0: all.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/ and its name.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another value than the recipe's, as run.steps=1000."),
    ] = None,
) -> None:
    """Train a model; Ctrl-C stops it at a checkpoint, and --resume goes on from there."""
    import torch

    from autoloops_export.training.beginning import beginning_of
    from autoloops_export.training.recipe import load_recipe
    from autoloops_export.training.session import require_fresh, train_run
    from autoloops_export.training.sharing import join_run

    if threads:
        torch.set_num_threads(threads)
    if base:
        if recipe is not None or data is None:
            raise UsageError("Fine-tuning takes --from BUNDLE and --data FOLDER, and no recipe.")
        from autoloops_export.cli.finetune import finetune

        finetune(base, data, RUNS, out=out, minutes=minutes, resume=resume)
        return
    if recipe is None:
        raise UsageError("Name a recipe to train, or --from BUNDLE with --data FOLDER to fine-tune.")
    plan = load_recipe(recipe, settings or ())
    folder = out or RUNS / plan.run.name
    with join_run() as share:
        if not resume:
            require_fresh(folder)
        dataset = _windows(plan, folder, data, resume, shared=share.processes > 1)
        initial = None if resume else beginning_of(plan, dataset)
        train_run(plan, dataset, folder, minutes=minutes, resume=resume, initial=initial, share=share)


def _windows(plan: "Recipe", folder: Path, data: Path | None, resume: bool, shared: bool) -> "Dataset":
    """What to learn from: of a folder of MIDI files the windows are made first, and kept with the run."""
    from autoloops_export.cli.data import windows_at
    from autoloops_export.data.roles import role_named
    from autoloops_export.data.windows import MANIFEST, load_dataset

    kept = folder / KEPT
    source = data or (kept if resume and (kept / MANIFEST).exists() else Path(plan.data.folder))
    if data is None or (data / MANIFEST).exists():
        return load_dataset(source)
    if shared:
        raise UsageError(f"Several processes share windows that are there: run `autoloops data prepare {data}` first.")
    role = dataclasses.replace(role_named(plan.model.role), bars=plan.model.bars)
    return windows_at(data, kept, role, Console(), anew=not resume)
