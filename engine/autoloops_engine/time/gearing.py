"""Half, single and double time: how the song's beats go with those of the master, whoever that is.

The song changes gear where a bar line of its own falls on one of the master's. So the bar lines of both still meet
after any number of changes, and the song is in phase.
"""

from typing import Final

from msgspec import Struct

from autoloops_engine.time.quantum import next_multiple
from autoloops_engine.units import BAR_UB

MULTIPLES: Final = (0.5, 1.0, 2.0)


class Gear(Struct, frozen=True, array_like=True):
    """From a bar line on, the song runs ``halves`` / 2 times as fast as the master.

    Attributes:
        halves: 1, 2 or 4.
        master_ub: The bar line by the master's count, in micro-beats ...
        song_ub: ... and by the song's.
    """

    halves: int = 2
    master_ub: int = 0
    song_ub: int = 0

    def song_at(self, master_ub: int) -> int:
        """The song's position when the master reaches ``master_ub``, rounded down."""
        return self.song_ub + (master_ub - self.master_ub) * self.halves // 2

    def master_at(self, song_ub: int) -> int:
        """The master's position when the song reaches ``song_ub``, rounded up."""
        return self.master_ub - (self.song_ub - song_ub) * 2 // self.halves


class Gearing(Struct, frozen=True, array_like=True):
    """The gears of the master's latest bars, in order; the last may still be to come, the first holds from ever."""

    gears: tuple[Gear, ...] = (Gear(),)

    @property
    def multiple(self) -> float:
        """What was chosen last: 0.5, 1 or 2."""
        return self.gears[-1].halves / 2

    def song_at(self, master_ub: int) -> int:
        """The song's position when the master reaches ``master_ub``, rounded down."""
        holding = [gear for gear in self.gears if gear.master_ub <= master_ub]
        return (holding or self.gears[:1])[-1].song_at(master_ub)

    def master_at(self, song_ub: int) -> int:
        """The master's position when the song reaches ``song_ub``, rounded up."""
        holding = [gear for gear in self.gears if gear.song_ub <= song_ub]
        return (holding or self.gears[:1])[-1].master_at(song_ub)

    def jumped(self, master_ub: int) -> "Gearing":
        """What holds after a jump of the master: beyond the last change it counts on, before it from bar 1."""
        gear = self.gears[-1]
        return Gearing((gear,)) if gear.master_ub <= master_ub else geared(self.multiple)

    def jumped_to(self, song_ub: int) -> int:
        """Where the master is to jump to for the song to be at ``song_ub``; ``jumped`` follows."""
        gear = self.gears[-1]
        return (gear if gear.song_ub <= song_ub else Gear(gear.halves)).master_at(song_ub)

    def changed(self, multiple: float, after_ub: int) -> "Gearing":
        """Another multiple, from the first common bar line at or after the master's position ``after_ub`` on."""
        kept = [gear for gear in self.gears if gear.master_ub < after_ub] or [self.gears[0]]
        master_ub = next_multiple(after_ub, BAR_UB)
        # At half time every second bar line of the master is one of the song.
        while kept[-1].song_at(master_ub) % BAR_UB:
            master_ub += BAR_UB
        over = sum(gear.master_ub <= after_ub - 2 * BAR_UB for gear in kept)
        gear = Gear(round(2 * multiple), master_ub, kept[-1].song_at(master_ub))
        return Gearing((*kept[max(0, over - 1) :], gear))


def geared(multiple: float) -> Gearing:
    """A multiple that holds from bar 1 on."""
    return Gearing((Gear(round(2 * multiple)),))
