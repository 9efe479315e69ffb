"""Batches of training windows: packs in their shares, each window in a random transposition."""

from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_export.data.melody import FIRST_PITCH_CLASS
from autoloops_export.data.roles import LOWEST_PITCH, Role
from autoloops_export.data.windows import SplitWindows
from autoloops_export.training.recipe import DataArguments

ROWS_AT_ONCE: Final = 1 << 16


class BatchSampler:
    """Draws batches with replacement; the draw depends on nothing but the generator's state."""

    def __init__(
        self, windows: SplitWindows, pack_names: list[str], role: Role, arguments: DataArguments, seed: int
    ) -> None:
        self._tokens = windows.tokens
        self._cumulative = np.cumsum(window_weights(windows.packs, pack_names, arguments.balance))
        self._lowest_shift, self._highest_shift = shift_ranges(windows.tokens, role, arguments)
        self.generator = np.random.default_rng(seed)

    def draw(self, size: int) -> npt.NDArray[np.int64]:
        """Tokens int64 [size, steps]."""
        points = self.generator.random(size) * self._cumulative[-1]
        rows = np.minimum(np.searchsorted(self._cumulative, points, side="right"), len(self._tokens) - 1)
        lowest, highest = self._lowest_shift[rows], self._highest_shift[rows]
        shifts = lowest + np.floor(self.generator.random(size) * (highest - lowest + 1)).astype(np.int64)
        tokens = self._tokens[rows].astype(np.int64)
        moved: npt.NDArray[np.int64] = tokens + np.where(tokens >= FIRST_PITCH_CLASS, shifts[:, None], 0)
        return moved


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


def shift_ranges(
    tokens: npt.NDArray[np.uint8], role: Role, arguments: DataArguments
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
