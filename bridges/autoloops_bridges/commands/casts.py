"""Parts with their models, for what plays without processes."""

from collections.abc import Mapping
from pathlib import Path

from autoloops_engine.bundle.installed import split_reference
from autoloops_engine.inference import onnx_decoder
from autoloops_engine.session.casting import CastPart, cast


def open_cast(bundles: Mapping[str, str], channels: Mapping[str, int]) -> list[CastPart]:
    """Every part with its model; parts with the same bundle share one.

    Args:
        bundles: By part, the path of its bundle, and after ``#`` which of its outputs is to play it.
        channels: By part, its MIDI channel.

    Raises:
        BundleError: a bundle is damaged, too new or unsafe, or has no such output.
        ModelError: a model cannot be run.
    """
    references = {part: split_reference(reference) for part, reference in bundles.items()}
    models = {path: onnx_decoder.open_decoder(Path(path)) for path in {path for path, _ in references.values()}}
    return [
        cast(part, channels[part], models[path], output=output, family=path)
        for part, (path, output) in references.items()
    ]
