"""Endless encoders: how many steps a controller value stands for, and which of the three codes it is. Pure.

The codes as digital audio workstations name them: *two's complement* (1, 2, … up; 127, 126, … down), *binary offset*
(65, 66, … up; 63, 62, … down), *sign bit* (1, 2, … up; 65, 66, … down).
"""

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

_HALF: Final = 64
# An encoder that is turned quickly sends this many steps at most; a fader passes through values far from all these.
_FAST: Final = 16
_REPEATS: Final = 2


class Encoding(Enum):
    """What the values of a controller say; the values are the words of a rig file."""

    ABSOLUTE = "absolute"
    TWOS_COMPLEMENT = "twos-complement"
    BINARY_OFFSET = "binary-offset"
    SIGN_BIT = "sign-bit"


class Guess(NamedTuple):
    """What the values of a control look like.

    Attributes:
        encoding: The likeliest code.
        sure: Whether no other fits; an encoder has to be turned both ways for that.
    """

    encoding: Encoding
    sure: bool


def steps_of(encoding: Encoding, value: int) -> int:
    """How many steps ``value`` (0 to 127) stands for; negative: down.

    Raises:
        ValueError: ``encoding`` has no steps.
    """
    match encoding:
        case Encoding.TWOS_COMPLEMENT:
            return value if value < _HALF else value - 2 * _HALF
        case Encoding.BINARY_OFFSET:
            return value - _HALF
        case Encoding.SIGN_BIT:
            return value if value < _HALF else _HALF - value
    raise ValueError(f"{encoding.value} is no relative code.")


def guess(values: Sequence[int]) -> Guess:
    """The code of a control that was moved for a moment.

    An absolute control never sends the same value twice in a row, an encoder does whenever it is turned slowly.

    Args:
        values: What it sent, 0 to 127, in order.
    """
    seen = set(values)
    repeats = sum(one == next_one for one, next_one in pairwise(values))
    fits = [
        encoding for encoding, zones in _ZONES.items() if all(any(value in zone for zone in zones) for value in seen)
    ]
    if repeats < _REPEATS or not fits or seen <= {0, 127}:
        return Guess(Encoding.ABSOLUTE, sure=True)
    both_ways = [encoding for encoding in fits if all(any(v in zone for v in seen) for zone in _ZONES[encoding])]
    return Guess((both_ways or fits)[0], sure=len(both_ways) == 1 or len(fits) == 1)


# In the order in which they are tried: the commoner code first.
_ZONES: Final = {
    Encoding.TWOS_COMPLEMENT: (range(1, _FAST), range(2 * _HALF - _FAST, 2 * _HALF)),
    Encoding.BINARY_OFFSET: (range(_HALF + 1, _HALF + _FAST), range(_HALF - _FAST, _HALF)),
    Encoding.SIGN_BIT: (range(1, _FAST), range(_HALF + 1, _HALF + _FAST)),
}
