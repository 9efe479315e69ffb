"""Attribute faders on held-out loops: the open-loop offset, and what the search makes of it.

    python benchmarks/faders.py --model drums-2bar --data runs/data-drums --loops 150

Test loops are encoded; each fader is moved to five positions, and the loop is decoded with its own seed and noise at
temperature 1, once with the open-loop offset and once with what the search found. Printed, for each attribute: the rank
correlation of position and measured value over all loops, the mean absolute error in shares of the range, what moving
the fader changes in the other attributes (mean over them, in shares of their ranges, against the loop with the fader at
rest) and in its steps, and how long a search and the longest run of the model within it take.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from rig import arguments, show

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs.attributes import Measure, attributes_of
from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.levers import Levers, SearchRequest
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.rollout import Loops, rollout
from autoloops_engine.inference.search import search
from autoloops_engine.latent import LatentPoint, latent_space, point_at
from autoloops_export.attributes import spearman
from autoloops_export.data.windows import load_dataset
from autoloops_export.evaluation.loops import encode_loops, loops_of

POSITIONS = (0.1, 0.3, 0.5, 0.7, 0.9)


def played(decoder: Decoder, request: SearchRequest, levers: Levers) -> Loops:
    """The loop as the part plays it."""
    manifest = decoder.manifest
    shape = (1, manifest.steps_per_bar, manifest.outputs[0].classes)
    tilt = np.zeros(shape, np.float32) if levers.tilt is None else levers.tilt[None]
    running = rollout(decoder, request, levers.z(request.point)[None], tilt)
    while True:
        try:
            next(running)
        except StopIteration as done:
            loops: Loops = done.value
            steps = levers.touch(LoopSteps(tuple(loops.tokens[0].tolist()), tuple(e[0] for e in loops.extras)), 0)
            return Loops(loops.tokens, tuple(extra[None] for extra in steps.extras))


def found(decoder: Decoder, request: SearchRequest) -> tuple[Levers, float, float]:
    """What the search finds, and how long it and its longest run take, in ms."""
    running = search(decoder, request)
    runs: list[float] = []
    while True:
        began_s = time.perf_counter()
        try:
            next(running)
        except StopIteration as done:
            return done.value, sum(runs), max(runs)
        finally:
            runs.append((time.perf_counter() - began_s) * 1000)


class Tally:
    """What came of one fader, one way."""

    def __init__(self) -> None:
        self.positions: list[float] = []
        self.reached: list[float] = []
        self.others: list[float] = []
        self.steps: list[float] = []
        self.took_ms: list[float] = []
        self.longest_ms: list[float] = []

    def row(self) -> dict[str, float]:
        """The figures of a table row."""
        positions, reached = np.array(self.positions), np.array(self.reached)
        row = {
            "loops": float(len(positions)),
            "Spearman": spearman(positions, reached),
            "error": float(np.nanmean(np.abs(reached - positions))),
            "silent": float(np.isnan(reached).sum()),
            "others": float(np.nanmean(self.others)),
            "steps": float(np.mean(self.steps)),
        }
        if self.took_ms:
            row |= {"search p50, ms": float(np.median(self.took_ms)), "run p50": float(np.median(self.longest_ms))}
        return row


def figures(measures: dict[str, Measure], loop: Loops) -> dict[str, float]:
    """All attributes of a loop."""
    return {name: float(measure(loop.tokens, loop.extras)[0]) for name, measure in measures.items()}


def tried(decoder: Decoder, point: LatentPoint, seed: int, names: list[str], tallies: dict[str, Tally]) -> None:
    """Move each of the faders of one loop."""
    measures, space = attributes_of(decoder.manifest.outputs[0].codec), point.space
    biases = (None,) * decoder.manifest.bars
    unmoved = SearchRequest("", None, point, seed, 0, 1.0, biases)
    rest = played(decoder, unmoved, Levers(np.zeros(space.size)))
    spans = {name: fader.span for name, fader in space.attributes.items() if fader.span is not None}
    rests = figures(measures, rest)
    for name in names:
        for position in POSITIONS:
            moved = SearchRequest("", None, point.with_attribute(name, position), seed, 0, 1.0, biases)
            levers, took_ms, longest_ms = found(decoder, moved)
            ways = {"open": Levers(space.attributes[name].offset(position)), "closed": levers}
            for way, its in ways.items():
                loop = played(decoder, moved, its)
                values, (low, high) = figures(measures, loop), spans[name]
                tally = tallies[f"{name}, {way}"]
                tally.positions.append(position)
                tally.reached.append((values[name] - low) / (high - low))
                moves = [abs(values[n] - rests[n]) / (b - a) for n, (a, b) in spans.items() if n != name]
                tally.others.append(float(np.nanmean(moves)))
                tally.steps.append(float((loop.tokens != rest.tokens).mean()))
            tallies[f"{name}, closed"].took_ms.append(took_ms)
            tallies[f"{name}, closed"].longest_ms.append(longest_ms)


def main() -> None:
    """Search and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="the prepared data of the model")
    parser.add_argument("--loops", type=int, default=150)
    parser.add_argument("--attributes", nargs="*", help="only these")
    asked = parser.parse_args()
    decoder = open_decoder(find_bundle(asked.model))
    space = latent_space(decoder.manifest)
    loops = loops_of(load_dataset(asked.data).splits["test"]).sample(np.random.default_rng(1), asked.loops)
    mu, _ = encode_loops(decoder, loops)
    tallies: dict[str, Tally] = defaultdict(Tally)
    names = asked.attributes or [name for name, fader in space.attributes.items() if fader.span is not None]
    for seed, z in enumerate(mu):
        tried(decoder, point_at(space, z), seed, names, tallies)
    show(f"Faders of {asked.model}", {way: tally.row() for way, tally in tallies.items()}, asked.json)


if __name__ == "__main__":
    main()
