"""Batches of training windows: packs in their shares, lines transposed at random, drums recombined."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoloops_engine.codecs.drums import VOICES, hits_of, tokens_of
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.data.melody import FIRST_PITCH_CLASS
from autoloops_export.data.roles import BASS, LOWEST_PITCH, MELODY, Role
from autoloops_export.data.windows import SplitWindows
from autoloops_export.models.loops import Loops, loops_from
from autoloops_export.training.recipe import DataArguments

ROWS_AT_ONCE: Final = 1 << 16
# Voices that go together: kick; snare and toms; hats and cymbals.
LIMBS: Final = ([0], [1, 4, 5, 6], [2, 3, 7, 8])


class BatchSampler:
    """Draws batches with replacement; the draw depends on nothing but the generator's state."""

    def __init__(
        self, windows: SplitWindows, pack_names: list[str], role: Role, arguments: DataArguments, seed: int
    ) -> None:
        self._windows, self._role, self._recombine = windows, role, arguments.recombine
        self._cumulative = np.cumsum(window_weights(windows.packs, pack_names, arguments.balance))
        if role.kind != "drums":
            self._lowest_shift, self._highest_shift = _ranges(windows, role, arguments)
        self.generator = np.random.default_rng(seed)

    def draw(self, size: int) -> Loops:
        """A batch of ``size`` loops."""
        points = self.generator.random(size) * self._cumulative[-1]
        rows = np.minimum(np.searchsorted(self._cumulative, points, side="right"), len(self._windows) - 1)
        loops = loops_from(self._windows, rows)
        if self._role.kind == "drums":
            return self._recombined(loops)
        if self._role.kind == "trio":
            return self._other_drums(Loops(self._transposed(loops.tokens, rows), loops.touch))
        return Loops(self._transposed(loops.tokens, rows))

    def _transposed(self, tokens: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
        lowest, highest = self._lowest_shift[rows], self._highest_shift[rows]
        shifts = lowest + np.floor(self.generator.random(len(rows)) * (highest - lowest + 1)).astype(np.int64)
        lines = tokens[..., :2] if tokens.ndim == 3 else tokens
        moved = torch.from_numpy(shifts).view(-1, *(1,) * (tokens.ndim - 1))
        lines = lines + (lines >= FIRST_PITCH_CLASS) * moved
        return torch.cat([lines, tokens[..., 2:]], dim=2) if tokens.ndim == 3 else lines

    def _other_drums(self, loops: Loops) -> Loops:
        """Some trios get the drums of another: they have no key."""
        size = len(loops.tokens)
        others = torch.from_numpy(self.generator.permutation(size))
        taken = torch.from_numpy(self.generator.random(size) < self._recombine)
        tokens = loops.tokens.clone()
        tokens[..., 2] = torch.where(taken[:, None], tokens[others, :, 2], tokens[..., 2])
        if loops.touch is None:
            return Loops(tokens)
        return Loops(tokens, torch.where(taken.view(-1, 1, 1, 1), loops.touch[others], loops.touch))

    def _recombined(self, loops: Loops) -> Loops:
        """Some windows take a bar, or the voices of a hand or foot, from another: what a drummer might do as well."""
        size, steps = loops.tokens.shape
        if not self._recombine or loops.touch is None:
            return loops
        chosen = self.generator.random(size) < self._recombine
        others = self.generator.permutation(size)
        kinds = self.generator.integers(0, len(LIMBS) + 1, size)
        taken = np.zeros((size, steps, len(VOICES)), dtype=bool)
        for limb, voices in enumerate(LIMBS):
            taken[np.ix_(kinds == limb, range(steps), voices)] = True
        taken[kinds == len(LIMBS), STEPS_PER_BAR:] = True
        taken[~chosen] = False
        hits = hits_of(loops.tokens.numpy())
        tokens = tokens_of(np.where(taken, hits[others], hits))
        touch = torch.where(torch.from_numpy(taken)[..., None], loops.touch[torch.from_numpy(others)], loops.touch)
        return Loops(torch.from_numpy(tokens), touch)


def window_weights(
    packs: npt.NDArray[np.uint8], names: list[str], balance: dict[str, float]
) -> npt.NDArray[np.float64]:
    """The probability of each window [windows]: packs by their share, windows of a pack alike.

    Shares of packs without windows are spread over the others; packs that ``balance`` does not name share the rest.
    """
    counts = np.bincount(packs, minlength=len(names)).astype(np.float64)
    named = np.array([name in balance for name in names])
    shares = np.array([balance.get(name, 0.0) for name in names]) * (counts > 0)
    others = counts * ~named
    if others.sum() > 0:
        shares += others / others.sum() * (1 - sum(balance.values()))
    if shares.sum() <= 0:
        shares = counts
    weights = (shares / np.maximum(counts, 1))[packs]
    normalised: npt.NDArray[np.float64] = weights / weights.sum()
    return normalised


def _ranges(
    windows: SplitWindows, role: Role, arguments: DataArguments
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """As :func:`shift_ranges`; the lines of a trio move together, as far as both may."""
    if role.kind == "line":
        return shift_ranges(windows.tokens, role, arguments)
    lines = [shift_ranges(windows.tokens[..., number], part, arguments) for number, part in enumerate((MELODY, BASS))]
    return np.maximum(lines[0][0], lines[1][0]), np.minimum(lines[0][1], lines[1][1])


def shift_ranges(
    tokens: npt.NDArray[np.integer[Any]], role: Role, arguments: DataArguments
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The lowest and the highest transposition of each window, [windows] each, in semitones.

    A window may move within the role's range; one that already reaches beyond it on a side does not move further there.
    """
    lowest = np.zeros(len(tokens), dtype=np.int64)
    highest = np.zeros(len(tokens), dtype=np.int64)
    to_pitch = LOWEST_PITCH - FIRST_PITCH_CLASS
    for start in range(0, len(tokens), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        rows = tokens[part].astype(np.int64)
        sounding = rows >= FIRST_PITCH_CLASS
        low = np.where(sounding, rows + to_pitch, role.high).min(axis=1)
        high = np.where(sounding, rows + to_pitch, role.low).max(axis=1)
        lowest[part] = np.clip(role.low - low, -arguments.transpose_down, 0)
        highest[part] = np.clip(role.high - high, 0, arguments.transpose_up)
    return lowest, highest
