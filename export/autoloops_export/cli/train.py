"""``autoloops train``: a recipe and prepared windows to a checkpoint, or a bundle and one's own music to another."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_engine.errors import UsageError

RUNS = Path("runs")


def add(to: typer.Typer) -> None:
    """Add the command ``train`` to the command line."""
    to.command()(train)


def train(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE.toml", help="What to train, and how; not with --from.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Prepared windows; with --from also MIDI files. Default: the recipe's folder.")
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
) -> None:
    """Train a model; Ctrl-C stops it at a checkpoint, and --resume goes on from there."""
    import torch

    from autoloops_export.data.windows import load_dataset
    from autoloops_export.training.recipe import load_recipe
    from autoloops_export.training.session import train_run
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
    plan = load_recipe(recipe)
    dataset = load_dataset(data or Path(plan.data.folder))
    with join_run() as share:
        train_run(plan, dataset, out or RUNS / plan.run.name, minutes=minutes, resume=resume, share=share)
