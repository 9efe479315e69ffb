"""The bars that a part keeps: those of its loop, as they sounded last, and the latest that may sound next."""

from collections import OrderedDict
from typing import Final

from autoloops_engine.session.rendering import BarRecord

# Decoded bars that nobody has frozen: only the latest few can still be. Those of the loop are kept besides.
_UNFROZEN_KEPT: Final = 64


class BarRecords:
    """Bounded by the length of the loop and a few bars more.

    Attributes:
        frozen: Identity of the bar by song bar, for the latest bars that the player froze.
        next_id: The number of the next bar.

    Args:
        first_id: Bars are numbered from here; a session that takes over must not use a number again.
    """

    def __init__(self, first_id: int) -> None:
        self.frozen: dict[int, int] = {}
        self.next_id = first_id
        self._records: OrderedDict[int, BarRecord] = OrderedDict()
        self._last_pass: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, bar_id: int) -> BarRecord | None:
        """The bar of that number; None when it is not known, or not any more."""
        return self._records.get(bar_id)

    def loop(self, length_bars: int) -> list[BarRecord]:
        """The loop as it last sounded, bar after bar, up to the first that is not known."""
        records: list[BarRecord] = []
        for loop_bar in range(length_bars):
            record = self.last(loop_bar)
            if record is None:
                break
            records.append(record)
        return records

    def last(self, loop_bar: int) -> BarRecord | None:
        """A bar of the loop as it last sounded; None when it is not known."""
        return self._records.get(self._last_pass.get(loop_bar, 0))

    def keep(self, record: BarRecord) -> BarRecord:
        """Takes in a decoded bar with the number ``next_id``."""
        self._records[record.id] = record
        self.next_id += 1
        needed = {*self.frozen.values(), *self._last_pass.values()}
        unfrozen = [known for known in self._records if known not in needed]
        for known in unfrozen[:-_UNFROZEN_KEPT]:
            del self._records[known]
        return record

    def froze(self, song_bar: int, loop_bar: int, bar_id: int) -> None:
        """The player froze a bar at a place of the song and of the loop."""
        self.frozen = {at: old for at, old in self.frozen.items() if at >= song_bar - 1}
        self.frozen[song_bar] = bar_id
        self._last_pass[loop_bar] = bar_id

    def jump(self) -> None:
        """The position jumped: what froze before is void."""
        self.frozen.clear()

    def change_model(self) -> None:
        """Nothing that the old model decoded leads into what the next one does."""
        self._records.clear()
        self._last_pass.clear()
