"""How one part goes along the song: its swing, and how much earlier or later it plays. Pure."""

from msgspec import Struct

from autoloops_engine.time.nudge import Nudge
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.swing import Swings


class Feel(Struct, frozen=True):
    """The times of what is written for a part; a ``Line`` of written positions.

    Attributes:
        song: Where the song is at any time.
        swings: Which notes come late.
        offset: How much later than the song the part plays; negative: earlier.
    """

    song: SongLine
    swings: Swings = Swings()
    offset: Nudge = Nudge()

    def position_at(self, time_us: int) -> int:
        """The written position that sounds at ``time_us``, rounded down."""
        return self.swings.written_at(self.song.position_at(self.offset.line_us(time_us)))

    def time_of(self, position_ub: int) -> int:
        """When what is written at a position sounds, rounded up."""
        return self.offset.sounding_us(self.song.time_of(self.swings.sounding_at(position_ub)))

    def length_ub(self, from_ub: int, to_ub: int) -> int:
        """How long what is written from one position to another sounds, in micro-beats."""
        return self.swings.sounding_at(to_ub) - self.swings.sounding_at(from_ub)
