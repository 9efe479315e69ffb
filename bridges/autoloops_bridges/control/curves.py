"""From the position of a control to the value of a target and back. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from autoloops_bridges.control.rows import Type
from autoloops_engine.session.surface import Value

Curve = Literal["linear", "exp", "log", "s"]

# The steepness of the bent curves: how much faster the steep end changes than the flat one. 30 dB, an audio fader's.
_STEEP: Final = 32.0
_MIDDLE: Final = 0.5


def _exp(x: float) -> float:
    return (math.pow(_STEEP, x) - 1) / (_STEEP - 1)


def _log(x: float) -> float:
    return math.log(1 + x * (_STEEP - 1), _STEEP)


def _s(x: float) -> float:
    return x * x * (3 - 2 * x)


def _un_s(y: float) -> float:
    # The root of 3x² - 2x³ = y that lies within 0 and 1 (the trigonometric form of Cardano's).
    return 0.5 - math.sin(math.asin(1 - 2 * y) / 3)


_SHAPES: Final[dict[str, tuple[Callable[[float], float], Callable[[float], float]]]] = {
    "linear": (lambda x: x, lambda y: y),
    "exp": (_exp, _log),
    "log": (_log, _exp),
    "s": (_s, _un_s),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How far along its way a control is, and what that means for a target.

    Attributes:
        low: Value of the target at the lower end of the control ...
        high: ... and at the upper end; below ``low`` it runs backwards.
        kind: What the target holds.
        curve: ``linear``; ``exp``: fine near the lower end; ``log``: fine near the upper end; ``s``: fine at both.
        invert: The control works upside down.
    """

    low: float
    high: float
    kind: Type = Type.FLOAT
    curve: Curve = "linear"
    invert: bool = False

    def value(self, position: float) -> Value:
        """The value at ``position`` (0 to 1), as the target's type wants it: switches turn over in the middle."""
        along = min(1.0, max(0.0, position))
        bent = _SHAPES[self.curve][0](1 - along if self.invert else along)
        value = self.low + (self.high - self.low) * bent
        value = min(max(value, min(self.low, self.high)), max(self.low, self.high))
        if self.kind is Type.BOOL:
            return value >= _MIDDLE
        return round(value) if self.kind is Type.INT else value

    def position(self, value: Value) -> float | None:
        """The position (0 to 1) whose value is nearest to this one; none: it is no number."""
        if isinstance(value, str) or self.high == self.low:
            return None
        bent = (float(value) - self.low) / (self.high - self.low)
        along = _SHAPES[self.curve][1](min(1.0, max(0.0, bent)))
        return 1 - along if self.invert else along
