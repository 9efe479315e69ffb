"""How the parts of a session lie in time: swing and offsets. Nothing here has to be decoded anew."""

from msgspec import Struct

from autoloops_engine.errors import UsageError
from autoloops_engine.session.surface import Value, Values
from autoloops_engine.time.swing import GRIDS_UB, MOST_PERCENT, STRAIGHT_PERCENT, Swing
from autoloops_engine.units import MAX_OFFSET_MS, US_PER_MS


class PartFeel(Struct, frozen=True):
    """The swing and the offset of one part.

    Attributes:
        rig: The swing of the whole rig.
        own: The part's own swing; None: that of the rig.
        offset_us: How much later the part plays; negative: earlier.
    """

    rig: Swing = Swing()
    own: Swing | None = None
    offset_us: int = 0

    @property
    def swing(self) -> Swing:
        """The swing that the part plays with."""
        return self.rig if self.own is None else self.own


def read_swing(values: Values, present: Swing) -> Swing:
    """The swing in ``percent [grid]``; without a grid it stays as it is.

    Raises:
        UsageError: it is none.
    """
    percent = _number(values[0]) if values else None
    grid = _number(values[1]) if len(values) > 1 else present.grid
    if percent is None or not STRAIGHT_PERCENT <= percent <= MOST_PERCENT or grid not in GRIDS_UB or len(values) > 2:
        raise UsageError("Swing is a percentage from 50 (straight) to 75, and 8 or 16 for the notes that swing.")
    return Swing(percent, int(grid))


def read_own_swing(values: Values, present: Swing) -> Swing | None:
    """The swing of a part; None when the percentage is below 50: that of the rig.

    Raises:
        UsageError: it is none.
    """
    percent = _number(values[0]) if values else None
    if percent is not None and 0 <= percent < STRAIGHT_PERCENT:
        return None
    return read_swing(values, present)


def read_offset_us(values: Values) -> int:
    """The offset in milliseconds, in microseconds.

    Raises:
        UsageError: it is out of range.
    """
    offset_ms = _number(values[0]) if len(values) == 1 else None
    if offset_ms is None or not -MAX_OFFSET_MS <= offset_ms <= MAX_OFFSET_MS:
        raise UsageError(f"An offset lies between {-MAX_OFFSET_MS:g} and {MAX_OFFSET_MS:g} ms.")
    return round(offset_ms * US_PER_MS)


def _number(value: Value) -> float | None:
    return None if isinstance(value, str) else float(value)
