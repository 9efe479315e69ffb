"""How often the same bar is decoded anew while controls move.

A knob sends hundreds of values a second, each of which makes another provisional bar; all but the last are thrown away.
Far from the freeze line they are decoded now and then, so that a model never takes more than about half of the worker;
near it each one counts.
"""

from typing import Final, NamedTuple

from autoloops_engine.session.wanted import Slot, Wanted
from autoloops_engine.units import US_PER_MS

# Between two decodes of a provisional bar, whatever the budget.
LEAST_GAP_US: Final = 10 * US_PER_MS
# As the budget covers one decode of each part, waiting this many of them leaves the worker half of its time.
GAP_BUDGETS: Final = 2
# Nobody can turn a knob and hear a bar that is frozen sooner than this; every value from here on is decoded.
CLOSE_US: Final = 50 * US_PER_MS


class _Asked(NamedTuple):
    epoch: int
    song_bar: int
    at_us: int


class Pace:
    """When each part may ask next. Thread: the session's only. Blocks: never."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def due_us(self, part: str, wanted: Wanted, freeze_us: int, budget_us: int) -> int:
        """When a bar may be asked for; any moment that has passed means at once.

        Args:
            part: Name of the part.
            wanted: What it wants.
            freeze_us: When the player freezes the bar.
            budget_us: The decode budget of a bar, of all parts.
        """
        asked = self._asked.get(part)
        if wanted.slot is not Slot.NEXT or asked is None or (asked.epoch, asked.song_bar) != wanted[1:3]:
            return 0
        close_us = freeze_us - GAP_BUDGETS * budget_us - CLOSE_US
        return min(asked.at_us + max(LEAST_GAP_US, GAP_BUDGETS * budget_us), close_us)

    def asked(self, part: str, wanted: Wanted, now_us: int) -> None:
        """Notes that a bar was asked for."""
        if wanted.slot is Slot.NEXT:
            self._asked[part] = _Asked(wanted.epoch, wanted.song_bar, now_us)
