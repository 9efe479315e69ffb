"""Batches of loops as tensors."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoloops_export.data.drums import offsets_of, velocities_of
from autoloops_export.data.windows import SplitWindows


class Loops(NamedTuple):
    """Some loops.

    Attributes:
        tokens: int64 [B, T].
        touch: Of drums: velocities (0 to 1) and offsets (-1 to 1, positive = early) of every voice, float32
            [B, T, 9, 2]; 0 where a voice is not struck.
    """

    tokens: Tensor
    touch: Tensor | None = None

    def rows(self, rows: slice) -> "Loops":
        """Some of them."""
        return Loops(self.tokens[rows], None if self.touch is None else self.touch[rows])

    def to(self, device: torch.device) -> "Loops":
        """The same on ``device``."""
        return Loops(self.tokens.to(device), None if self.touch is None else self.touch.to(device))


def loops_from(windows: SplitWindows, rows: npt.NDArray[np.int64] | slice = slice(None)) -> Loops:
    """Some windows as tensors."""
    tokens = torch.from_numpy(windows.tokens[rows].astype(np.int64))
    if windows.groove is None:
        return Loops(tokens)
    groove = windows.groove[rows]
    touch = np.stack([velocities_of(groove), offsets_of(groove)], axis=-1)
    return Loops(tokens, torch.from_numpy(touch))
