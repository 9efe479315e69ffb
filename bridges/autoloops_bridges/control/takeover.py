"""How a control that does not stand where its target is takes it over. Pure, in positions from 0 to 1."""

from enum import Enum
from typing import Final

# A control this near to its target may take it over: the step of a 7-bit control, and half of one.
NEAR: Final = 1.5 / 127


class Takeover(Enum):
    """What a control does to a target that somebody else has moved meanwhile."""

    JUMP = "jump"
    PICKUP = "pickup"
    SCALE = "scale"


class Follower:
    """One control in front of one target.

    Args:
        way: ``JUMP``: the target goes where the control is. ``PICKUP``: it stays until the control reaches or crosses
            it, however fast. ``SCALE``: it moves in the control's direction, by the share of the way that is left,
            so that both arrive at the end together.
    """

    def __init__(self, way: Takeover) -> None:
        self._way = way
        self._control: float | None = None
        self._target: float | None = None

    def move(self, control: float, present: float | None, *, ours: bool) -> float | None:
        """The control moved: where the target goes; none: it stays.

        Args:
            control: Where the control is.
            present: Where the target is; none: nobody knows, and it jumps.
            ours: Whether the target still has the value that this control gave it.
        """
        before, self._control = self._control, control
        if self._target is None:
            ours = False
        if present is None or self._way is Takeover.JUMP:
            goes: float | None = control
        elif self._way is Takeover.PICKUP:
            goes = control if ours or _reaches(before, control, present) else None
        else:
            # What was rounded for the target is kept in full here, or small moves would be lost.
            goes = _scaled(before, control, self._target if ours and self._target is not None else present)
        if goes is not None or self._way is Takeover.PICKUP:
            self._target = goes
        return goes

    def turn(self, by: float, present: float | None, *, ours: bool) -> float | None:
        """An endless encoder turned by so much of the whole way: where the target goes."""
        base = self._target if ours and self._target is not None else present
        if base is None:
            return None
        self._target = min(1.0, max(0.0, base + by))
        return self._target


def _reaches(before: float | None, control: float, target: float) -> bool:
    if abs(control - target) <= NEAR:
        return True
    return before is not None and (before - target) * (control - target) <= 0


def _scaled(before: float | None, control: float, target: float) -> float | None:
    if before is None:
        return target if abs(control - target) <= NEAR else None
    if control > before:
        return target + (1 - target) * (control - before) / (1 - before)
    return target * control / before if control < before else None
