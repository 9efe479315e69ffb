"""``autoloops data``: from MIDI files to windows that a model can learn."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from autoloops_export.data.roles import Role
    from autoloops_export.data.windows import Dataset, DatasetManifest

BROKEN_LISTED = 20

app = typer.Typer(help="Prepare MIDI files for training.", no_args_is_help=True)


def add(to: typer.Typer) -> None:
    """Add the group ``data`` to the command line."""
    to.add_typer(app, name="data")


@app.callback()
def data() -> None:
    """Prepare MIDI files for training."""


@app.command()
def prepare(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Folders of MIDI files, packs, or folders of .tar.xz packs."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the windows; made, or replaced.")],
    role: Annotated[str, typer.Option(help="What to look for in the files.")] = "melody",
    bars: Annotated[int, typer.Option(min=1, max=64, help="Bars of a window.")] = 2,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read; 0: one per processor.")] = 0,
) -> None:
    """Cut MIDI files into windows, split them by tune, and say which files gave none and why."""
    from autoloops_export.data.roles import role_named

    console = Console()
    read_files(sources, out, dataclasses.replace(role_named(role), bars=bars), console, workers)
    console.print(f"Next: autoloops train RECIPE.toml --data {out}", markup=False, soft_wrap=True)


def windows_at(source: Path, kept: Path, role: "Role", console: Console, *, anew: bool) -> "Dataset":
    """The windows of a folder: its own where it is a prepared one, else what its MIDI files give.

    Args:
        source: The folder.
        kept: Where windows made from MIDI files are kept.
        role: What to look for in the files.
        console: Shows progress and what the files gave.
        anew: Make them also where there are some from before: the files may be others now.

    Raises:
        UsageError: there are no MIDI files.
    """
    from autoloops_export.data.windows import MANIFEST, load_dataset

    if (source / MANIFEST).exists():
        return load_dataset(source)
    if anew or not (kept / MANIFEST).exists():
        read_files([source], kept, role, console)
    return load_dataset(kept)


def read_files(sources: list[Path], out: Path, role: "Role", console: Console, workers: int = 0) -> None:
    """Prepare windows with a progress bar and a report."""
    from autoloops_export.data.prepare import prepare as run

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("reading", total=None)
        manifest = run(
            sources, out, role, lambda done, total: progress.update(task, completed=done, total=total), workers
        )
    report(manifest, out, console)


def report(manifest: "DatasetManifest", out: Path, console: Console) -> None:
    """Print what the files gave."""
    table = Table(title=f"{manifest.bars}-bar windows of {manifest.role}")
    table.add_column("pack")
    for name in ("files", "gave windows", *manifest.windows):
        table.add_column(name, justify="right")
    for pack in manifest.packs:
        windows = [f"{pack.windows[split]:,}" for split in manifest.windows]
        table.add_row(pack.name, f"{pack.files:,}", f"{pack.files_used:,}", *windows)
    files, used = sum(p.files for p in manifest.packs), sum(p.files_used for p in manifest.packs)
    totals = [f"{count:,}" for count in manifest.windows.values()]
    table.add_row("all", f"{files:,}", f"{used:,}", *totals, style="bold")
    console.print(table)
    for reason, count in manifest.reasons.items():
        console.print(f"{count:,} files gave none: {reason}")
    for broken in manifest.broken[:BROKEN_LISTED]:
        console.print(f"  {broken.name}: {broken.detail}", markup=False, soft_wrap=True)
    if len(manifest.broken) > BROKEN_LISTED:
        console.print(f"  … and {len(manifest.broken) - BROKEN_LISTED} more, all in {out / 'dataset.json'}")
    console.print(
        f"{manifest.duplicates:,} equal windows left out; {manifest.leaks:,} more because a held-out tune has them "
        "in some transposition",
        soft_wrap=True,
    )
    if manifest.derived:
        console.print(
            f"{manifest.derived:,} windows, before that, come from tracks that stand in for a {manifest.role} part",
            soft_wrap=True,
        )
    console.print(f"The windows are in {out}.", markup=False, soft_wrap=True)
