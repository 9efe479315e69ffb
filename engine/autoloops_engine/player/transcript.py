"""What the player really let sound, numbered, for the record that the main process keeps."""

from collections import deque
from typing import Final

from autoloops_engine.messages import Heard, Sounded
from autoloops_engine.player.events import Event, Kind

# A main process that died is replaced within three seconds: so much is told again to its successor.
KEPT_EVENTS: Final = 4_096
_RECORDED: Final = frozenset({Kind.ON, Kind.OFF, Kind.BEAT})


class Transcript:
    """Thread: the timing thread only. Blocks: never.

    Args:
        generation: Of the player.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._next = 0
        self._new: list[Heard] = []
        self._kept: deque[Heard] = deque(maxlen=KEPT_EVENTS)

    def add(self, event: Event) -> None:
        """Something sounded, or a beat began."""
        if event.kind in _RECORDED:
            heard = Heard(event.at_us, int(event.kind), event.part, event.channel, event.number, event.velocity)
            self._new.append(heard)
            self._kept.append(heard)
            self._next += 1

    def take(self) -> Sounded | None:
        """What came since the last call; None when nothing did."""
        if not self._new:
            return None
        events, self._new = tuple(self._new), []
        return Sounded(self._generation, self._next - len(events), events)

    def again(self) -> Sounded:
        """The latest events, told before or not; whoever has them already knows by their numbers."""
        self._new.clear()
        return Sounded(self._generation, self._next - len(self._kept), tuple(self._kept))
