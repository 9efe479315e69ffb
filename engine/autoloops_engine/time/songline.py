"""From the monotonic clock to the position in the song, through everything that a performer can bend in between.

::

    monotonic time ──nudge──▶ the line's time ──tempo, ramp──▶ the master's beats ──gear──▶ the song's beats

Each step never goes backwards and has an exact inverse, so the whole has.
"""

from msgspec import Struct

from autoloops_engine.time.gearing import Gearing
from autoloops_engine.time.nudge import Nudge
from autoloops_engine.time.timeline import Timeline


class SongLine(Struct, frozen=True):
    """Where the song is at any time; a ``Line``.

    Attributes:
        line: The master's beats in time, be it ourselves or somebody else.
        gearing: The song's beats against the master's.
        nudge: How much later everything sounds.
    """

    line: Timeline
    gearing: Gearing = Gearing()
    nudge: Nudge = Nudge()

    def position_at(self, time_us: int) -> int:
        """The song's position at ``time_us``, in micro-beats, rounded down."""
        return self.gearing.song_at(self.line.position_at(self.nudge.line_us(time_us)))

    def time_of(self, position_ub: int) -> int:
        """When the song reaches ``position_ub``, rounded up: ``position_at(time_of(p)) >= p``."""
        return self.nudge.sounding_us(self.line.time_of(self.gearing.master_at(position_ub)))
