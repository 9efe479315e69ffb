"""``autoloops bench``: what this machine and this version reach, measured."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from autoloops_bridges.bench.tables import Rows

TITLES: Final = {
    "decode": "Decoding a bar, in ms",
    "lateness": "Lateness of notes, in ms",
    "knobs": "From control to note, in ms",
    "floods": "OSC messages held",
    "start": "From the command to the first note, in s",
    "memory": "Memory, in MB",
}
# One thread each: what is measured shares the processors with the load.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def bench(
    what: Annotated[list[str] | None, typer.Argument(metavar="[WHAT]...", help=f"{', '.join(TITLES)}; all.")] = None,
    model: Annotated[str, typer.Option(metavar="BUNDLE", help="The model of every part.")] = "melody-2bar",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Length of each measurement of time.")] = 10.0,
    minutes: Annotated[float, typer.Option(min=0.1, max=240, help="How long to play for memory.")] = 1.0,
    without_rights: Annotated[
        bool, typer.Option("--without-rights", help="Keep real-time priority from the player.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there.")] = None,
) -> None:
    """Measure this machine: three minutes when nothing else is said.

    Engines are started on free ports of this machine and ended again; no MIDI port is touched. Tables show ratios taken
    in the same run, because other programs that run meanwhile change every figure.
    """
    for word in what or ():
        if word not in TITLES:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(TITLES)}.", param_hint="WHAT")
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")

    from autoloops_bridges.bench.tables import show

    measurements = _measurements(model, seconds, minutes, rights=not without_rights)
    figures = {}
    for word in what or TITLES:
        rows = measurements[word]()
        show(TITLES[word], rows)
        figures[TITLES[word]] = rows
    if json_file is not None:
        import msgspec

        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")


def _measurements(model: str, seconds: float, minutes: float, *, rights: bool) -> "dict[str, Callable[[], Rows]]":
    from autoloops_bridges.bench import decoding, floods, knobs, lateness, memory, starting
    from autoloops_engine.bundle.installed import find_bundle

    path = find_bundle(model).absolute()
    name = str(path)
    return {
        "decode": lambda: decoding.measure(path),
        "lateness": lambda: lateness.measure_all(name, seconds, rights=rights),
        "knobs": lambda: knobs.measure(path, tries=round(3 * seconds)),
        "floods": lambda: floods.measure(name, seconds),
        "start": lambda: starting.measure(name),
        "memory": lambda: memory.measure(name, minutes, simulate=True),
    }
