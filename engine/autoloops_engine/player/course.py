"""The line that the player is on, the master's that it leads back to, and where both put the song. Pure."""

from typing import Final

from msgspec.structs import replace

from autoloops_engine.messages import TransportState
from autoloops_engine.sync.slew import error_us, lead_back
from autoloops_engine.time.gearing import Gearing, geared
from autoloops_engine.time.nudge import Nudge
from autoloops_engine.time.quantum import next_multiple
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import STEP_UB

# A master's line is told again when the one told last is off by so much.
_RETELL_US: Final = 2_000
RETELL_TEMPO: Final = 5e-4


class Course:
    """A line, and while a master is followed the master's. Thread: the owner's only. Blocks: never.

    Lines are in the master's beats, be it somebody else or ourselves; ``song`` counts the song's.

    Attributes:
        gearing: The song's beats against the master's.
        nudge: How much later everything sounds.
        running: Whether time runs; else the song stands at the line's known point, and a ramp stands still.
        told: The line that others were told last.
    """

    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._goal: Timeline | None = None
        self._meets_us = 0
        self._start_us = 0
        self.gearing = Gearing()
        self.nudge = Nudge()
        self.running = False
        self.told = line

    @property
    def song(self) -> SongLine:
        """Where the song is at any time."""
        return SongLine(self._line, self.gearing, self.nudge)

    @property
    def stage(self) -> SongLine:
        """Where the master's beats are at any time, as they are to sound: what others are led by."""
        return SongLine(self._line, nudge=self.nudge)

    @property
    def line(self) -> Timeline:
        """The line that the position is on."""
        return self._line

    @property
    def aim(self) -> Timeline:
        """The line that it is to be on: the master's, or its own where there is none."""
        return self._goal or self._line

    @property
    def meets_us(self) -> int | None:
        """When ``follow`` has to be called again; None: not by itself."""
        return None if self._goal is None else self.nudge.sounding_us(self._meets_us)

    def standing_at(self) -> int:
        """The song's position while time stands still: that of the line's known point."""
        return self.gearing.song_at(self._line.position_ub)

    def set_tempo(self, ns_per_beat: int, ramp_ub: int, now_us: int) -> None:
        """Another tempo of our own, at once or over so many micro-beats."""
        self.leave(self._line.with_ramp(ns_per_beat, ramp_ub, self._line_us(now_us)))

    def halt(self, song_ub: int, now_us: int) -> None:
        """Stand still at a position of the song, with what is left of a ramp."""
        self._stand(self.gearing.master_at(song_ub), now_us)

    def jump(self, master_ub: int, now_us: int, *, fresh: bool = False) -> None:
        """Stand still at another position of the master; ``fresh``: both count from there, as from bar 1."""
        self._stand(master_ub, now_us)
        self.gearing = geared(self.gearing.multiple) if fresh else self.gearing.jumped(master_ub)

    def roll(self, start_us: int) -> None:
        """Let time run from ``start_us`` on, from where it stands; what a nudge has shifted begins there."""
        self.nudge = Nudge()
        self._start_us = start_us
        self.leave(replace(self._line, time_us=start_us))
        self.running = True

    def adopt(self, state: TransportState) -> None:
        """Be where a former player was."""
        self.gearing, self.nudge = state.gearing, state.nudge
        self.leave(state.line)
        self.running = state.playing
        # It may have died in the moment before a start.
        self._start_us = state.time_us if state.playing else 0

    def shift_gear(self, multiple: float, after_us: int) -> None:
        """Another multiple, from the next common bar line after ``after_us`` on, or at once while time stands still."""
        if self.running:
            after_ub = self._line.position_at(self.nudge.line_us(after_us)) + 1
            self.gearing = self.gearing.changed(multiple, after_ub)
            return
        song_ub = self.standing_at()
        self.gearing = geared(multiple)
        self.leave(replace(self._line, position_ub=self.gearing.master_at(song_ub)))

    def tell_us(self, now_us: int) -> int | None:
        """When the tempo is to be told again because it is changing; None: it is not."""
        line = self._line
        at_ub, end_ub = line.position_at(self._line_us(now_us)), line.position_ub + line.ramp_ub
        if not self.running or at_ub >= end_ub:
            return None
        return self.nudge.sounding_us(line.time_of(min(end_ub, next_multiple(at_ub + 1, STEP_UB))))

    def leave(self, line: Timeline) -> None:
        """Be on ``line`` and follow no master."""
        self._line = line
        self._goal = None

    def join(self, master: Timeline) -> None:
        """Be on the master's line itself."""
        self._line = self._goal = master
        self._start_us = 0
        self.running = True
        self._meets_us = master.time_us

    def follow(self, master: Timeline, now_us: int) -> bool:
        """Lead back to the master's line; False when it is too far away for that."""
        led = lead_back(self._line, master, self._line_us(now_us))
        if led is None:
            return False
        self._line, self._meets_us = led
        self._goal = master
        return True

    def error_us(self, now_us: int) -> int:
        """How far the position is ahead of the master's; 0 where there is none."""
        return 0 if self._goal is None else error_us(self._line, self._goal, self._line_us(now_us))

    def state(self, epoch: int, lead_us: int, now_us: int) -> TransportState:
        """What others are told; a ramp as what is left of it."""
        line = self.aim
        if not self.running:
            line = replace(line, time_us=now_us)
        elif line.ramp_ub:
            at_us = self._line_us(now_us)
            line = line.moved(at_us, line.position_at(at_us), at_us)
        return TransportState(
            epoch,
            self.running,
            line.ns_per_beat,
            line.position_ub,
            line.time_us,
            lead_us,
            line.ramp_ub,
            line.to_ns_per_beat,
            self.gearing,
            self.nudge,
        )

    def is_news(self, now_us: int, *, playing: bool) -> bool:
        """Whether what was told of the line is no longer good enough."""
        if abs(self.aim.ns_per_beat / self.told.ns_per_beat - 1) > RETELL_TEMPO:
            return True
        return playing and abs(error_us(self.aim, self.told, now_us)) > _RETELL_US

    def _stand(self, master_ub: int, now_us: int) -> None:
        self.leave(self._line.moved(self._line_us(now_us), master_ub, now_us))
        self.running = False

    def _line_us(self, now_us: int) -> int:
        # Time begins to run with the start, which lies a moment ahead.
        return max(self.nudge.line_us(now_us), self._start_us) if self.running else self._line.time_us
