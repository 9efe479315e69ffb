"""What was played last, in shared memory, so that ``back`` and ``keep`` reach behind the death of a main process.

Two books are filled in turn: when one is full, the other is begun anew. Settings are written when they change.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from autoloops_bridges.processes.journal import Journal
from autoloops_engine.session.remembered import PastState
from autoloops_engine.session.state import SettingsState

# The books belong to the whole performance.
_NUMBER: Final = 1


class _Entry(Struct, frozen=True):
    """One bar, by its number."""

    number: int
    bar: PastState


class PastBook:
    """Thread: the owner's only. Blocks: no.

    Args:
        books: Both books, as they were left.
    """

    def __init__(self, books: Sequence[Journal]) -> None:
        self._books = books
        self._settings: dict[str, SettingsState | None] = {}
        numbers = [max((entry.number for entry in _entries(book)), default=0) for book in books]
        self._number = max(numbers)
        self._writing = numbers.index(self._number)
        books[self._writing].go_on(_NUMBER)

    def read(self) -> list[PastState]:
        """The bars of both books, in order."""
        bars: dict[int, PastState] = {}
        for book in self._books:
            settings: dict[str, SettingsState | None] = {}
            for entry in _entries(book):
                number, bar = entry.number, entry.bar
                if bar.settings is not None:
                    settings[bar.part] = bar.settings
                bars[number] = replace(bar, settings=settings.get(bar.part))
        return [bars[number] for number in sorted(bars)]

    def add(self, bars: Iterable[PastState]) -> None:
        """Write bars behind the others."""
        for bar in bars:
            self._number += 1
            if not self._write(bar):
                self._writing = 1 - self._writing
                self._books[self._writing].clear()
                self._settings.clear()
                self._write(bar)

    def _write(self, bar: PastState) -> bool:
        same = self._settings.get(bar.part) == bar.settings
        self._settings[bar.part] = bar.settings
        entry = _Entry(self._number, replace(bar, settings=None) if same else bar)
        return self._books[self._writing].note(_NUMBER, msgspec.json.encode(entry))


def _entries(book: Journal) -> list[_Entry]:
    entries = []
    for note in book.read(_NUMBER):
        try:
            entries.append(msgspec.json.decode(note, type=_Entry))
        except msgspec.DecodeError:
            continue
    return entries
