"""Piano rolls of characters: two pitches to a row of half blocks, time to the right. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from autoloops_bridges.view.snapshot import ShownNote
from autoloops_engine.units import BAR_UB, BEATS_PER_BAR, STEPS_PER_BAR

UPPER: Final = "▀"
LOWER: Final = "▄"
FULL: Final = "█"
PLAYHEAD: Final = "│"
BEAT: Final = "·"
# A note is two rows of characters high at most.
_THICKEST: Final = 4


class Cell(NamedTuple):
    """One character of a roll: which one, whether a note is in it, whether the playhead is on it."""

    text: str
    note: bool
    head: bool


class Lanes:
    """Which height belongs to which pitch.

    Args:
        pitches: All pitches that may come, ascending.
        levels: How many heights there are, two to a row.
        pitched: Whether distances between pitches are kept; otherwise each pitch is a lane of its own, evenly spaced.
    """

    def __init__(self, pitches: Sequence[int], levels: int, *, pitched: bool) -> None:
        self.low = pitches[0] if pitches else None
        self.high = pitches[-1] if pitches else None
        self._count = levels
        self._pitched = pitched
        self._places = pitches if not pitched else range(pitches[0], pitches[-1] + 1) if pitches else ()

    def levels(self, pitch: int) -> range:
        """The heights of a pitch, from 0 at the bottom: several where there is room."""
        places, place = len(self._places), self._places.index(pitch)
        if places > self._count:
            at = (place * (self._count - 1) + (places - 1) // 2) // (places - 1)
            return range(at, at + 1)
        # As far apart as they can be evenly, and in the middle; instruments keep a distance.
        apart = self._count // places
        low = (self._count - apart * places) // 2 + apart * place
        return range(low, low + min(_THICKEST, apart if self._pitched else max(1, apart - 1)))


def draw(notes: Sequence[ShownNote], lanes: Lanes, rows: int, columns: int, head: int | None) -> list[list[Cell]]:
    """A bar as rows of cells, the highest first.

    Where a step has several columns, a note leaves its last one free, so that repeated notes stay apart.

    Args:
        notes: The notes; their pitches have a lane.
        lanes: Heights, two to a row.
        rows: Rows of characters.
        columns: Columns of characters, a multiple of the beats in a bar.
        head: The column of the playhead; None: it is not in this bar.
    """
    filled = [[False] * columns for _ in range(2 * rows)]
    for note in notes:
        first, last = columns_of(note, columns)
        for level in lanes.levels(note.pitch):
            filled[level][first:last] = [True] * (last - first)
    beat = columns // BEATS_PER_BAR
    drawn = []
    for row in range(rows):
        upper, lower = filled[2 * (rows - row) - 1], filled[2 * (rows - row) - 2]
        drawn.append([_cell(upper[at], lower[at], at == head, at % beat == 0) for at in range(columns)])
    return drawn


def columns_of(note: ShownNote, columns: int) -> tuple[int, int]:
    """The first column of a note and the one after its last."""
    first = min(columns - 1, max(0, note.start_ub) * columns // BAR_UB)
    end = min(columns, -(-note.end_ub * columns // BAR_UB))
    whole = note.end_ub >= BAR_UB or columns <= STEPS_PER_BAR
    return first, max(first + 1, end if whole else end - 1)


def column_of(position_ub: int, columns: int) -> int:
    """The column of a position in its bar."""
    return position_ub % BAR_UB * columns // BAR_UB


def _cell(upper: bool, lower: bool, head: bool, beat: bool) -> Cell:
    if upper or lower:
        return Cell(FULL if upper and lower else UPPER if upper else LOWER, True, head)
    return Cell(PLAYHEAD if head else BEAT if beat else " ", False, head)
