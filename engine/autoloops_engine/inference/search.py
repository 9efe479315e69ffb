"""Honest faders: what has to be done to a loop so that its measured attributes sit where the faders do.

The loop that is about to sound is decoded whole, with its own noise, for batches of candidates: first along the
attribute's latent direction, beyond where the calibrated curve ends; where that does not reach the value, with the
least tilt of the logits that does. Of the candidates that come as near as can be told apart, the one that changes least
else is taken. Loudness and swing of drums are set by velocities and offsets, which moves no note at all.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.attributes import COUNTED, attributes_of
from autoloops_engine.codecs.tilts import LOUDNESS, SWING, tilt_of, touched
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.inference.levers import Levers, SearchRequest
from autoloops_engine.inference.rollout import Loops, rollout

Numbers = npt.NDArray[np.float64]

# Candidates of one run of the model: few enough that a bar that waits for them is not late.
BATCH: Final = 8
# Nobody hears a difference of so much of the range.
TOLERANCE: Final = 0.015
# In steps of so much of the range candidates count as equally near.
GRAIN: Final = 0.01
# Standard deviations of the prior: beyond, loops are no longer plausible.
FARTHEST: Final = 8.0
# Nats on the logits: from here on the model has no say.
STRONGEST: Final = 12.0
# How often the interval in which the value lies is divided anew, along the direction and for the tilt.
REFINEMENTS: Final = 2
# With several faders each is searched with the others where they were found, so many times.
SWEEPS: Final = 2
# Of a loop that falls silent nothing can be measured; that is farther away than anything.
SILENT: Final = 10.0
# So that a value just half a quantum away counts as near.
_ROUNDING: Final = 1e-9
# Factors on velocities that are tried; the quietest hit stays audible.
_LOUDNESSES: Final = np.geomspace(0.02, 20.0, 400)
# Lateness lies within two half steps of what was decoded.
_LATENESSES: Final = np.linspace(-2.0, 2.0, 401)


class _Fader(NamedTuple):
    """A fader that is searched for.

    Attributes:
        name: Of the attribute.
        wanted: What is to be measured.
        width: Of its range.
        near: The share of the range that cannot be told apart.
        direction: Float64 [Z].
        tilt: Float32 [16, classes]; None: there is none.
    """

    name: str
    wanted: float
    width: float
    near: float
    direction: Numbers
    tilt: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A candidate: how far along each fader's direction, how strongly tilted, and what comes of it.

    Attributes:
        amounts: Offsets, then strengths, float64 [2 * faders].
        loop: What is decoded, N = 1.
        values: What is measured, by attribute.
        misses: By how much of its range each fader's value is missed, float64 [faders].
        rank: The least is the best: how far beyond what can be told apart, then how much else changes.
    """

    amounts: Numbers
    loop: Loops
    values: dict[str, float]
    misses: Numbers
    rank: tuple[int, float]


def search(decoder: Decoder, request: SearchRequest) -> Generator[None, None, Levers]:
    """Finds what makes the faders of a point honest; pauses behind each run of the model.

    Args:
        decoder: The model of the part.
        request: The loop and its faders; those whose span is not known keep their open-loop offsets.

    Returns:
        What to do instead of the open-loop offsets.

    Raises:
        ModelError: the model cannot be run, or answers other sizes than its manifest says.
    """
    return (yield from _Search(decoder, request).run())


class _Search:
    def __init__(self, decoder: Decoder, request: SearchRequest) -> None:
        self._decoder, self._request = decoder, request
        self._codec = decoder.manifest.outputs[0].codec
        self._measures = attributes_of(self._codec)
        point, attributes = request.point, request.point.space.attributes
        self._rest_z = point.without_own_attributes().z()
        self._spans = {
            name: fader.span for name, fader in attributes.items() if fader.span is not None and name in self._measures
        }
        moved = point.own_attributes()
        self._positions = {name: at for name, at in moved.items() if name in self._spans}
        # What cannot be measured moves as its curve says.
        fixed = [attributes[name].offset(at) for name, at in moved.items() if name not in self._spans]
        self._base = self._rest_z + sum(fixed, np.zeros_like(self._rest_z))
        self._others = [name for name in self._spans if name not in moved]
        self._faders: list[_Fader] = []
        self._rest: _Tried | None = None

    def run(self) -> Generator[None, None, Levers]:
        """See :func:`search`."""
        (rest,) = yield from self._try([np.zeros(0)])
        self._rest, self._faders = rest, self._wanted(rest)
        count = len(self._faders)
        best = replace(rest, amounts=np.zeros(2 * count), misses=self._misses(rest.values))
        best = replace(best, rank=self._rank(best.misses, 0.0))
        for _ in range(SWEEPS if count > 1 else 1):
            for fader in range(count):
                best = yield from self._honest(best, fader)
        return self._levers(best)

    def _wanted(self, rest: _Tried) -> list[_Fader]:
        """The faders that are searched for; loudness and swing are set afterwards."""
        centre_pitch = rest.values.get("pitch", np.nan)
        if not np.isfinite(centre_pitch):
            low, high = self._spans.get("pitch", (0.0, 0.0))
            centre_pitch = (low + high) / 2
        faders = []
        for name, position in self._positions.items():
            if name in (LOUDNESS, SWING):
                continue
            low, high = self._spans[name]
            quantum = 1 / len(self._request.biases) if name in COUNTED else 0.0
            near = max(TOLERANCE, quantum / 2 / (high - low) + _ROUNDING)
            direction = self._request.point.space.attributes[name].direction
            tilt = tilt_of(self._codec, name, centre_pitch)
            faders.append(_Fader(name, low + position * (high - low), high - low, near, direction, tilt))
        return faders

    def _honest(self, best: _Tried, fader: int) -> Generator[None, None, _Tried]:
        """The best candidate when one fader's offset, and if need be its tilt, may change."""
        offsets = np.linspace(-FARTHEST, FARTHEST, 2 * BATCH + 1)
        best = yield from self._along(best, fader, fader, offsets)
        if best.misses[fader] <= self._faders[fader].near or self._faders[fader].tilt is None:
            return best
        sign = np.sign(self._faders[fader].wanted - best.values[self._faders[fader].name])
        strengths = sign * np.geomspace(STRONGEST / 2**BATCH, STRONGEST, BATCH)
        return (yield from self._along(best, fader, len(self._faders) + fader, strengths))

    def _along(self, start: _Tried, fader: int, lever: int, grid: Numbers) -> Generator[None, None, _Tried]:
        """The best candidate when one amount changes: a grid, then the interval in which the value lies."""
        tried = [start]
        grid = grid[grid != start.amounts[lever]]
        for _ in range(1 + REFINEMENTS):
            candidates = np.tile(start.amounts, (len(grid), 1))
            candidates[:, lever] = grid
            tried += yield from self._try(candidates)
            best = min(tried, key=lambda each: each.rank)
            if best.misses[fader] <= self._faders[fader].near:
                break
            tried.sort(key=lambda each: float(each.amounts[lever]))
            low, high = self._bracket(tried, fader, lever, best)
            grid = np.linspace(low, high, BATCH + 2)[1:-1]
        return best

    def _bracket(self, tried: list[_Tried], fader: int, lever: int, best: _Tried) -> tuple[float, float]:
        """The interval in which the wanted value is crossed, the one nearest to no change; else around the best."""
        name, wanted = self._faders[fader].name, self._faders[fader].wanted
        amounts = [float(each.amounts[lever]) for each in tried]
        above = [each.values[name] > wanted for each in tried]
        pairs = [(a, b) for a, b, x, y in zip(amounts, amounts[1:], above, above[1:], strict=False) if x != y]
        if pairs:
            return min(pairs, key=lambda pair: min(abs(pair[0]), abs(pair[1])))
        at = tried.index(best)
        return amounts[max(0, at - 1)], amounts[min(len(amounts) - 1, at + 1)]

    def _try(self, amounts: Sequence[Numbers] | Numbers) -> Generator[None, None, list[_Tried]]:
        tried: list[_Tried] = []
        for first in range(0, len(amounts), BATCH):
            batch = np.asarray(amounts[first : first + BATCH])
            loops = yield from rollout(self._decoder, self._request, self._z(batch), self._tilt(batch))
            measured = {name: self._measures[name](loops.tokens, loops.extras) for name in self._spans}
            for row, each in enumerate(batch):
                loop = Loops(loops.tokens[row : row + 1], tuple(extra[row : row + 1] for extra in loops.extras))
                values = {name: float(column[row]) for name, column in measured.items()}
                misses = self._misses(values)
                tried.append(_Tried(each, loop, values, misses, self._rank(misses, self._change(loop, values))))
        return tried

    def _z(self, amounts: Numbers) -> Numbers:
        z: Numbers = np.tile(self._base, (len(amounts), 1))
        for fader, offsets in zip(self._faders, amounts[:, : len(self._faders)].T, strict=True):
            z += offsets[:, None] * fader.direction
        return z

    def _tilt(self, amounts: Numbers) -> Floats:
        manifest = self._decoder.manifest
        tilts = np.zeros((len(amounts), manifest.steps_per_bar, manifest.outputs[0].classes), dtype=np.float32)
        for fader, strengths in zip(self._faders, amounts[:, len(self._faders) :].T, strict=True):
            if fader.tilt is not None:
                tilts += strengths.astype(np.float32)[:, None, None] * fader.tilt
        return tilts

    def _misses(self, values: dict[str, float]) -> Numbers:
        missed = [abs(values[fader.name] - fader.wanted) / fader.width for fader in self._faders]
        return np.asarray(np.nan_to_num(np.array(missed), nan=SILENT), dtype=np.float64)

    def _rank(self, misses: Numbers, change: float) -> tuple[int, float]:
        beyond = sum(max(0.0, miss - fader.near) for miss, fader in zip(misses, self._faders, strict=True))
        return int(np.ceil(beyond / GRAIN)), change

    def _change(self, loop: Loops, values: dict[str, float]) -> float:
        """How much else changes: the share of other steps, and how far other attributes move in their ranges."""
        if self._rest is None:
            return 0.0
        moves = [
            abs(values[name] - self._rest.values[name]) / (self._spans[name][1] - self._spans[name][0])
            for name in self._others
        ]
        moved = np.mean(np.nan_to_num(np.array(moves), nan=1.0)) if moves else 0.0
        return float((loop.tokens != self._rest.loop.tokens).mean() + moved)

    def _levers(self, best: _Tried) -> Levers:
        amounts = best.amounts[None]
        tilt = self._tilt(amounts)[0]
        loudness, lateness = self._touch(best.loop)
        term = self._z(amounts)[0] - self._rest_z
        return Levers(term, tilt if tilt.any() else None, loudness, lateness)

    def _touch(self, loop: Loops) -> tuple[float, float]:
        """The factor on velocities and the lateness between the beats that are wanted."""
        if LOUDNESS not in self._positions and SWING not in self._positions:
            return 1.0, 0.0
        velocities, offsets = (extra[0] for extra in loop.extras)
        louder = np.stack([touched(velocities, offsets, factor, 0.0)[0] for factor in _LOUDNESSES])
        later = np.stack([touched(velocities, offsets, 1.0, late)[1] for late in _LATENESSES])
        return (
            self._nearest(LOUDNESS, _LOUDNESSES, loop, (louder, np.broadcast_to(offsets, louder.shape)), 1.0),
            self._nearest(SWING, _LATENESSES, loop, (np.broadcast_to(velocities, later.shape), later), 0.0),
        )

    def _nearest(
        self, name: str, amounts: Numbers, loop: Loops, extras: tuple[Floats, Floats], neutral: float
    ) -> float:
        """The amount with which a figure comes nearest to what is wanted; the neutral one where it is not wanted."""
        if name not in self._positions:
            return neutral
        low, high = self._spans[name]
        wanted = low + self._positions[name] * (high - low)
        tokens = np.broadcast_to(loop.tokens, (len(amounts), loop.tokens.shape[1]))
        missed = np.abs(self._measures[name](tokens, extras) - wanted)
        return neutral if np.isnan(missed).all() else float(amounts[int(np.nanargmin(missed))])
