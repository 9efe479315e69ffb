"""Swing: every second eighth or sixteenth comes late, and what lies between is stretched and squeezed with it.

Swing is a map of positions: from where a note is written to where it sounds. It moves ends as it moves onsets, never
changes the order of anything, and leaves every beat where it is: so a change of swing at a beat loses and doubles
nothing.
"""

from typing import Final

from msgspec import Struct

from autoloops_engine.time.quantum import next_multiple
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT

STRAIGHT_PERCENT: Final = 50.0
MOST_PERCENT: Final = 75.0
# The note values that swing, and their lengths.
GRIDS_UB: Final = {8: 2 * STEP_UB, 16: STEP_UB}


class Swing(Struct, frozen=True, array_like=True):
    """How strongly what swings.

    Attributes:
        percent: Share of the first of two notes in the time of both: 50 is straight, 66.7 a triplet, 75 the most.
        grid: 8: eighths swing; 16: sixteenths.
    """

    percent: float = STRAIGHT_PERCENT
    grid: int = 16

    def sounding_at(self, written_ub: int) -> int:
        """Where something written at a position sounds."""
        grid_ub, first_ub = self._grid()
        pair, in_pair_ub = divmod(written_ub, 2 * grid_ub)
        if in_pair_ub < grid_ub:
            moved_ub = in_pair_ub * first_ub // grid_ub
        else:
            moved_ub = first_ub + (in_pair_ub - grid_ub) * (2 * grid_ub - first_ub) // grid_ub
        return pair * 2 * grid_ub + moved_ub

    def written_at(self, sounding_ub: int) -> int:
        """The last written position that sounds at or before a position."""
        grid_ub, first_ub = self._grid()
        pair, in_pair_ub = divmod(sounding_ub, 2 * grid_ub)
        if in_pair_ub < first_ub:
            moved_ub = ((in_pair_ub + 1) * grid_ub - 1) // first_ub
        else:
            moved_ub = grid_ub + ((in_pair_ub - first_ub + 1) * grid_ub - 1) // (2 * grid_ub - first_ub)
        return pair * 2 * grid_ub + moved_ub

    def _grid(self) -> tuple[int, int]:
        """The length of a note, and of the first of two as it sounds."""
        grid_ub = GRIDS_UB[self.grid]
        return grid_ub, round(2 * grid_ub * self.percent / 100)


class Swings(Struct, frozen=True, array_like=True):
    """The swing of a part along the song.

    Attributes:
        changes: Each swing with the beat it holds from, in micro-beats; the first holds from ever.
    """

    changes: tuple[tuple[int, Swing], ...] = ((0, Swing()),)

    @property
    def latest(self) -> Swing:
        """What was chosen last."""
        return self.changes[-1][1]

    def sounding_at(self, written_ub: int) -> int:
        """Where something written at a position sounds."""
        return self._at(written_ub).sounding_at(written_ub)

    def written_at(self, sounding_ub: int) -> int:
        """The last written position that sounds at or before a position."""
        return self._at(sounding_ub).written_at(sounding_ub)

    def changed(self, swing: Swing, after_ub: int) -> "Swings":
        """Another swing from the first beat at or after a position on; what has been over for long is forgotten."""
        from_ub = next_multiple(after_ub, UB_PER_BEAT)
        kept = [change for change in self.changes if change[0] < from_ub]
        over = sum(at_ub <= from_ub - 2 * BAR_UB for at_ub, _ in kept)
        return Swings((*kept[max(0, over - 1) :], (from_ub, swing)))

    def _at(self, position_ub: int) -> Swing:
        # Newest first; beats stay where they are, so written and sounding positions change over together.
        for from_ub, swing in reversed(self.changes):
            if position_ub >= from_ub:
                return swing
        return self.changes[0][1]
