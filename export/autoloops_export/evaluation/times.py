"""How long a bundle takes to decode a bar, and keeping that figure in its card."""

import re
import time
from pathlib import Path
from typing import Final

import numpy as np

from autoloops_engine.bundle.load import load_bundle, read_file
from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import BundleError, UsageError
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.inference.views import JointModel, views_of

CARD: Final = "MODEL_CARD.md"
TIMED_BARS: Final = 500
_LINE: Final = re.compile(r"^- One bar (of all parts )?decodes in .*?machine\.$", re.MULTILINE | re.DOTALL)


def decode_ms(model: JointModel, bars: int = TIMED_BARS) -> tuple[float, float]:
    """Median and 99th percentile of decoding one bar of all parts, in milliseconds, noise included."""
    rng = np.random.default_rng(0)
    parts = views_of(model).values()
    durations = []
    for seed in range(bars):
        z = rng.standard_normal(model.manifest.latent_size).astype(np.float32)
        began_ns = time.monotonic_ns()
        for part in parts:
            decode(part, DecodeRequest("", 0, z, 0, seed))
        durations.append((time.monotonic_ns() - began_ns) / 1e6)
    return float(np.percentile(durations, 50)), float(np.percentile(durations, 99))


def times_line(manifest: Manifest, p50_ms: float, p99_ms: float) -> str:
    """What a card says of it."""
    whole = " of all parts" if len(manifest.outputs) > 1 else ""
    return (
        f"- One bar{whole} decodes in {p50_ms:.1f} ms (median) and {p99_ms:.1f} ms (99th percentile)\n"
        "  on one thread of the exporting machine."
    )


def refresh_times(bundle: Path) -> tuple[float, float]:
    """Times a bundle here and now, writes that into its card, and leaves all else as it is.

    Returns:
        Median and 99th percentile of one bar, in milliseconds.

    Raises:
        BundleError: it cannot be read.
        UsageError: it is no folder, cannot be written, or its card has no such line.
    """
    manifest = load_bundle(bundle).manifest
    try:
        card = read_file(bundle, CARD).decode()
    except (BundleError, UnicodeDecodeError) as error:
        raise UsageError(f"{bundle} has no {CARD} to write times into; export it again.") from error
    if not bundle.is_dir() or not _LINE.search(card):
        raise UsageError(f"{bundle} is no folder with a card that tells decode times; export it again.")
    times = decode_ms(open_decoder(bundle))
    files = {name: read_file(bundle, name) for name in manifest.files}
    files[CARD] = _LINE.sub(times_line(manifest, *times), card).encode()
    try:
        write_bundle(bundle, manifest, files)
    except OSError as error:
        raise UsageError(f"{bundle} cannot be written: {error.strerror}; measure a copy.") from error
    return times
