"""What a bundle can do on held-out loops, part by part and as a whole."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.views import JointModel, views_of
from autoloops_engine.latent import Fader
from autoloops_export.data.windows import Dataset
from autoloops_export.evaluation.figures import DrumFigures, LineFigures, measure
from autoloops_export.evaluation.loops import LoopSet, loops_of, parts_of
from autoloops_export.evaluation.samples import RealLoops, SampleFigures, measure_samples
from autoloops_export.knobs import KnobReport, check_knobs, knob_figures

Say = Callable[[str], None]

# Test loops are as many as have so many steps, and no fewer than so many.
MEASURED_STEPS: Final = 100_000
LEAST_LOOPS: Final = 200
# Figures that belong to all parts together.
SHARED: Final = ("loops", "kl", "active_dimensions")


class PartFigures(NamedTuple):
    """Figures of one part, and of what it makes up."""

    figures: LineFigures | DrumFigures
    samples: SampleFigures


def spread(loops: LoopSet, manifest: Manifest) -> LoopSet:
    """As many of the loops as it takes to measure a bundle, evenly spread."""
    steps = manifest.bars * manifest.steps_per_bar * len(manifest.outputs)
    count, most = len(loops.tokens), max(LEAST_LOOPS, MEASURED_STEPS // steps)
    return loops if count <= most else loops.rows(np.linspace(0, count - 1, most).astype(np.int64))


class Measured(NamedTuple):
    """All that is measured of a bundle.

    Attributes:
        parts: By part.
        knobs: What the first knobs do to all parts together.
    """

    parts: dict[str, PartFigures]
    knobs: tuple[KnobReport, ...]


def measure_bundle(decoder: JointModel, knobs: Sequence[Fader], dataset: Dataset, seed: int, say: Say) -> Measured:
    """Measures a bundle.

    Args:
        decoder: The bundle, opened.
        knobs: Its knobs.
        dataset: Prepared windows.
        seed: Of posterior samples and noise.
        say: Called with a word on what happens next.
    """
    parts = measure_parts(decoder, dataset, seed, say)
    say("turning the knobs")
    # What moves the latent point moves all parts, and a model of several is a decoder for whoever turns its knobs.
    whole = cast("Decoder", decoder)
    return Measured(parts, check_knobs(whole, knobs, loops_of(dataset.splits["test"]), seed))


def measure_parts(decoder: JointModel, dataset: Dataset, seed: int, say: Say) -> dict[str, PartFigures]:
    """Measures every part of a bundle.

    Args:
        decoder: The bundle, opened.
        dataset: Prepared windows.
        seed: Of posterior samples and noise.
        say: Called with a word on what happens next.
    """
    test = spread(loops_of(dataset.splits["test"]), decoder.manifest)
    valid, train = (loops_of(dataset.splits[name]) for name in ("valid", "train"))
    measured = {}
    for part, view in views_of(decoder).items():
        say(f"measuring {part} on {len(test.tokens):,} test loops")
        own = parts_of(decoder.manifest, test)[part]
        figures = measure(view, own, seed)
        real = RealLoops(own, *(parts_of(decoder.manifest, loops)[part] for loops in (valid, train)))
        measured[part] = PartFigures(figures, measure_samples(view, real, seed, say))
    return measured


def as_accuracy(measured: Measured) -> dict[str, float]:
    """The figures as a manifest carries them: those of one part of several by ``PART/NAME``."""
    accuracy = knob_figures(measured.knobs)
    if len(measured.parts) == 1:
        (only,) = measured.parts.values()
        return only.figures.as_dict() | only.samples.as_dict() | accuracy
    for part, (figures, samples) in measured.parts.items():
        own = figures.as_dict()
        accuracy |= {name: own.pop(name) for name in SHARED}
        accuracy |= {f"{part}/{name}": value for name, value in (own | samples.as_dict()).items()}
    return accuracy
