"""What a bundle can do on held-out loops, part by part and as a whole."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.inference.views import JointModel, views_of
from autoloops_export.data.windows import Dataset
from autoloops_export.evaluation.figures import DrumFigures, LineFigures, measure
from autoloops_export.evaluation.loops import LoopSet, loops_of, parts_of
from autoloops_export.evaluation.samples import SampleFigures, measure_samples

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


def measure_parts(decoder: JointModel, dataset: Dataset, seed: int, say: Say) -> dict[str, PartFigures]:
    """Measures every part of a bundle.

    Args:
        decoder: The bundle, opened.
        dataset: Prepared windows.
        seed: Of posterior samples and noise.
        say: Called with a word on what happens next.
    """
    test = spread(loops_of(dataset.splits["test"]), decoder.manifest)
    train = loops_of(dataset.splits["train"])
    measured = {}
    for part, view in views_of(decoder).items():
        say(f"measuring {part} on {len(test.tokens):,} test loops")
        own = parts_of(decoder.manifest, test)[part]
        figures = measure(view, own, seed)
        known = np.asarray(parts_of(decoder.manifest, train)[part].tokens)
        measured[part] = PartFigures(figures, measure_samples(view, own, known, seed, say))
    return measured


def as_accuracy(measured: dict[str, PartFigures]) -> dict[str, float]:
    """The figures as a manifest carries them: those of one part of several by ``PART/NAME``."""
    if len(measured) == 1:
        (only,) = measured.values()
        return only.figures.as_dict() | only.samples.as_dict()
    accuracy: dict[str, float] = {}
    for part, (figures, samples) in measured.items():
        own = figures.as_dict()
        accuracy |= {name: own.pop(name) for name in SHARED}
        accuracy |= {f"{part}/{name}": value for name, value in (own | samples.as_dict()).items()}
    return accuracy
