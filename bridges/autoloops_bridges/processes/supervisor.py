"""When a child is dead, why, and when its successor may start. Pure."""

import signal
from dataclasses import dataclass
from typing import Final

from autoloops_engine.units import US_PER_MS, US_PER_S

# The player's loop turns every 50 ms at the latest, main's every 250 ms.
HUNG_PLAYER_US: Final = 200 * US_PER_MS
HUNG_MAIN_US: Final = US_PER_S
# A process that starts has to load its modules, main its models too.
STARTING_US: Final = 20 * US_PER_S
# The successor of a process that worked comes at once; those of processes that never got so far wait ever longer, so
# that a crash at the start does not eat a core.
_FIRST_PAUSE_US: Final = 100 * US_PER_MS
_LONGEST_PAUSE_US: Final = 5 * US_PER_S
# When the supervisor itself was held up for so long (a laptop's lid), nobody else could beat either.
_OWN_GAP_US: Final = 500 * US_PER_MS


@dataclass(slots=True)
class Watch:
    """The watch over one child.

    Attributes:
        hung_us: Silence after which it counts as dead.
        generation: Which one of its line is alive, from 0.
        born_us: When it was started.
        failures: How many of its line died before they worked, one after the other.
    """

    hung_us: int
    generation: int = 0
    born_us: int = 0
    failures: int = 0
    _checked_us: int = 0
    _pardon_until_us: int = 0

    def born(self, now_us: int) -> None:
        """It was started."""
        self.born_us = now_us

    def is_hung(self, beat_us: int, now_us: int) -> bool:
        """Whether it has been silent for too long, told its last heartbeat."""
        held_up = now_us - self._checked_us > _OWN_GAP_US
        self._checked_us = now_us
        if held_up:
            self._pardon_until_us = now_us + self.hung_us
        if now_us < self._pardon_until_us:
            return False
        if beat_us < self.born_us:
            return now_us - self.born_us > STARTING_US
        return now_us - beat_us > self.hung_us

    def died(self, *, worked: bool) -> int:
        """It is gone; how long its successor has to wait, in microseconds."""
        self.generation += 1
        self.failures = 0 if worked else self.failures + 1
        return min(_LONGEST_PAUSE_US, _FIRST_PAUSE_US << (self.failures - 1)) if self.failures else 0


def cause_of(status: int, silent_us: int | None) -> str:
    """Why a child ended, as a clause.

    Args:
        status: Its exit status, negative where a signal ended it.
        silent_us: How long it had not beaten when it was killed for that; None: it was not.
    """
    if silent_us is not None:
        return f"it had stood still for {silent_us / US_PER_S:.2f} s"
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return f"{name} ended it"
    return f"it ended with status {status}"
