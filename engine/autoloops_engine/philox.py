"""Noise that can be had again: words of the counter-based generator Philox, mapped by us.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11), section 4. NumPy's Philox is Philox-4x64-10 and its
words are part of NumPy's stability promise; the mapping from words to numbers is ours, so that no change of NumPy's
distributions can change a performance.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_WORD = (1 << 64) - 1


class Stream(IntEnum):
    """Keeps noise for different uses apart under one seed."""

    SAMPLING = 0
    PRIOR = 1
    VARIATION = 2
    SEED = 3
    COMPONENT = 4
    WALK = 5
    ORBIT = 6


def _words(seed: int, stream: Stream, bar: int, pass_index: int, count: int) -> NDArray[np.uint64]:
    # The lowest counter word counts the blocks of one draw; the others name the draw.
    counter = np.array([0, bar & _WORD, pass_index & _WORD, int(stream)], dtype=np.uint64)
    key = np.array([seed & _WORD, 0], dtype=np.uint64)
    return np.asarray(np.random.Philox(counter=counter, key=key).random_raw(count), dtype=np.uint64)


def _unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    # The upper 53 bits, put in the middle of their cells: never 0, never 1.
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def gumbel(seed: int, bar: int, pass_index: int, steps: int, classes: int) -> NDArray[np.float32]:
    """Standard Gumbel noise for one bar, ``-log(-log(u))``, as float32 of shape (steps, classes).

    Args:
        seed: Seed of the part; taken modulo 2**64.
        bar: Bar of the loop, from 0.
        pass_index: 0 while the part holds, the number of the pass while it varies.
        steps: Steps in the bar.
        classes: Classes of the decoder's output.
    """
    unit = _unit(_words(seed, Stream.SAMPLING, bar, pass_index, steps * classes))
    return (-np.log(-np.log(unit))).astype(np.float32).reshape(steps, classes)


def normal(seed: int, stream: Stream, index: int, size: int) -> NDArray[np.float64]:
    """Standard normal numbers of shape (size,), by Box and Muller's transform (1958).

    Args:
        seed: Taken modulo 2**64.
        stream: What the numbers are for.
        index: Which draw of the stream, from 0.
        size: How many numbers.
    """
    half = (size + 1) // 2
    unit = _unit(_words(seed, stream, index, 0, 2 * half))
    radius = np.sqrt(-2.0 * np.log(unit[:half]))
    angle = 2.0 * np.pi * unit[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]


def uniform(seed: int, stream: Stream, index: int, size: int) -> NDArray[np.float64]:
    """Numbers between 0 and 1, neither of them included, of shape (size,); arguments as in :func:`normal`."""
    return _unit(_words(seed, stream, index, 0, size))


def derived_seed(seed: int, index: int) -> int:
    """A new seed, 0 to 2**31 - 1 (so that it fits an OSC integer), for the ``index``-th time one is needed."""
    return int(_words(seed, Stream.SEED, index, 0, 1)[0] >> np.uint64(33))
