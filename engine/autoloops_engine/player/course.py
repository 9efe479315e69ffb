"""The line that the player is on, and the master's that it leads back to. Pure."""

from typing import Final

from autoloops_engine.sync.slew import error_us, lead_back
from autoloops_engine.time.timeline import Timeline

# A master's line is told again when the one told last is off by so much.
_RETELL_US: Final = 2_000
_RETELL_TEMPO: Final = 5e-4


class Course:
    """A line, and while a master is followed the master's. Thread: the owner's only. Blocks: never.

    Attributes:
        told: The line that others were told last.
    """

    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._goal: Timeline | None = None
        self._meets_us = 0
        self.told = line

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
        return None if self._goal is None else self._meets_us

    def leave(self, line: Timeline) -> None:
        """Be on ``line`` and follow no master."""
        self._line = line
        self._goal = None

    def join(self, master: Timeline) -> None:
        """Be on the master's line itself."""
        self._line = self._goal = master
        self._meets_us = master.time_us

    def follow(self, master: Timeline, now_us: int) -> bool:
        """Lead back to the master's line; False when it is too far away for that."""
        led = lead_back(self._line, master, now_us)
        if led is None:
            return False
        self._line, self._meets_us = led
        self._goal = master
        return True

    def error_us(self, now_us: int) -> int:
        """How far the position is ahead of the master's; 0 where there is none."""
        return 0 if self._goal is None else error_us(self._line, self._goal, now_us)

    def is_news(self, now_us: int, *, playing: bool) -> bool:
        """Whether what was told of the line is no longer good enough."""
        if abs(self.aim.ns_per_beat / self.told.ns_per_beat - 1) > _RETELL_TEMPO:
            return True
        return playing and abs(error_us(self.aim, self.told, now_us)) > _RETELL_US
