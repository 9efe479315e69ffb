"""``autoloops models``: the bundles at hand and what was measured of them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autoloops_engine.errors import AutoLoopsError, BundleError

if TYPE_CHECKING:
    from autoloops_engine.bundle.manifest import Manifest

MEASURED_DECODES: Final = 300


def models(
    bundle: Annotated[list[str] | None, typer.Argument(metavar="BUNDLE", help="Others than the installed.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Decode here too, and show how long a bar takes.")] = False,
) -> None:
    """List the models and their figures."""
    from autoloops_bridges.commands.table import print_table
    from autoloops_engine.bundle.installed import find_bundle, installed_bundles
    from autoloops_engine.bundle.load import load_bundle

    paths = [find_bundle(name) for name in bundle] if bundle else list(installed_bundles().values())
    if not paths:
        typer.echo("No model is installed; autoloops export makes one, and --model PART=BUNDLE plays it.")
        return
    rows, damaged = [], []
    for path in paths:
        try:
            row = describe(load_bundle(path).manifest)
            rows.append([*row, f"{measure_p99_ms(path):.1f} ms"] if measure else row)
        except BundleError as error:
            damaged.append(str(error))
    headings = ["model", "plays", "kind", "bars", "latent", "measured", "data licences"]
    print_table([*headings, "a bar here, p99"] if measure else headings, rows)
    if damaged:
        raise AutoLoopsError(" ".join(damaged))


def describe(manifest: "Manifest") -> list[str]:
    """The cells of a model's line."""
    figures = "\n".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in sorted(manifest.accuracy.items()))
    return [
        manifest.name,
        ", ".join(output.part for output in manifest.outputs),
        manifest.kind,
        str(manifest.bars),
        str(manifest.latent_size),
        figures or "nothing yet",
        "\n".join(sorted({source.licence for source in manifest.data})) or "not given",
    ]


def measure_p99_ms(path: Path) -> float:
    """The 99th percentile of decoding one bar on this machine, in milliseconds."""
    from autoloops_engine.inference.onnx_decoder import open_decoder
    from autoloops_engine.inference.warm_up import WARM_UP_DECODES, warm_up

    decoder = open_decoder(path)
    durations_us = sorted(warm_up(decoder, lambda: time.monotonic_ns() // 1_000, MEASURED_DECODES)[WARM_UP_DECODES:])
    return durations_us[len(durations_us) * 99 // 100] / 1_000
