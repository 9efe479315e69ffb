"""``autoloops models``: the bundles at hand and what was measured of them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autoloops_engine.errors import AutoLoopsError, BundleError

if TYPE_CHECKING:
    from autoloops_engine.bundle.manifest import Manifest

MEASURED_DECODES: Final = 300
# Shares of steps that are right on test tunes, by column: the figures that tell most.
ACCURACIES: Final = {
    "right, T 1": "free_at_1",
    "right, T 0.2": "free_at_02",
    "forced": "teacher_forced",
    "no event": "no_event",
}


def models(
    bundle: Annotated[list[str] | None, typer.Argument(metavar="BUNDLE", help="Only these, with all figures.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Decode here too, and show how long a bar takes.")] = False,
) -> None:
    """List the models and their figures.

    The figures are shares of steps on tunes that training never saw: the model running freely at temperature 1 and 0.2,
    told the right step before each (forced), and what silence alone would reach (no event).
    """
    from autoloops_bridges.commands.table import print_table
    from autoloops_engine.bundle.installed import find_bundle, installed_bundles
    from autoloops_engine.bundle.load import load_bundle

    paths = [find_bundle(name) for name in bundle] if bundle else list(installed_bundles().values())
    if not paths:
        typer.echo("No model is installed; autoloops export makes one, and --model PART=BUNDLE plays it.")
        return
    rows, figures, damaged = [], [], []
    for path in paths:
        try:
            manifest = load_bundle(path).manifest
            rows.append([*describe(manifest), *([f"{measure_p99_ms(path):.1f} ms"] if measure else [])])
            figures += [f"{manifest.name} {name} {value:.6g}" for name, value in sorted(manifest.accuracy.items())]
        except BundleError as error:
            damaged.append(str(error))
    headings = ["model", "plays", "kind", "bars", "latent", *ACCURACIES, "data licences"]
    print_table([*headings, "a bar here, p99"] if measure else headings, rows)
    for line in figures if bundle else ():
        typer.echo(line)
    if damaged:
        raise AutoLoopsError(" ".join(damaged))


def describe(manifest: "Manifest") -> list[str]:
    """The cells of a model's line."""
    parts = [output.part for output in manifest.outputs]
    return [
        manifest.name,
        "\n".join(parts),
        manifest.kind,
        str(manifest.bars),
        str(manifest.latent_size),
        *("\n".join(figures_of(manifest, name)) for name in ACCURACIES.values()),
        "\n".join(sorted({source.licence for source in manifest.data})) or "not given",
    ]


def figures_of(manifest: "Manifest", name: str) -> list[str]:
    """A figure of each part, or of the whole model, as it is shown."""
    several = len(manifest.outputs) > 1
    names = [f"{output.part}/{name}" for output in manifest.outputs] if several else [name]
    values = [manifest.accuracy.get(each) for each in names]
    return ["-" if value is None else f"{value:.3f}" for value in values]


def measure_p99_ms(path: Path) -> float:
    """The 99th percentile of decoding one bar of every part on this machine, in milliseconds.

    Raises:
        ModelError: the model cannot be run.
    """
    import numpy as np

    from autoloops_engine.inference.onnx_decoder import open_decoder
    from autoloops_engine.inference.requests import DecodeRequest, decode
    from autoloops_engine.inference.views import views_of
    from autoloops_engine.inference.warm_up import warm_up

    decoder = open_decoder(path)
    views = views_of(decoder).values()
    for view in views:
        warm_up(view, time.monotonic_ns)
    rng = np.random.default_rng(0)
    durations_ns = []
    for seed in range(MEASURED_DECODES):
        z = rng.standard_normal(decoder.manifest.latent_size).astype(np.float32)
        began_ns = time.monotonic_ns()
        for view in views:
            decode(view, DecodeRequest("", seed, z, 0, seed))
        durations_ns.append(time.monotonic_ns() - began_ns)
    return sorted(durations_ns)[MEASURED_DECODES * 99 // 100] / 1e6
