"""Which ports of others a port of ours belongs to, however often they leave and come back. Pure."""

from collections import deque
from collections.abc import Collection, Iterable
from enum import Enum
from typing import Final

from autoloops_engine.units import US_PER_MS

# A port that leaves loses its connections first, and a busy server takes its time before the port is gone.
LEAVING_US: Final = 500 * US_PER_MS


class _State(Enum):
    JOINED = "joined"
    # The port is gone, or is back and not connected yet.
    AWAY = "away"
    # Seen without its connection: parted by hand, unless it is just leaving.
    PARTED = "parted"


class Cabling:
    """Remembers every connection, whoever made it, until somebody parts the two while both are there.

    Thread: ``appeared`` may be called from any; the rest belongs to one. Blocks: no.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Begin with the ports to connect to as soon as they are there."""
        self._states = dict.fromkeys(names, _State.AWAY)
        self._appeared: deque[str] = deque()
        self._parted_us: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The ports that we belong to, there or not."""
        return tuple(self._states)

    def appeared(self, name: str) -> bool:
        """A port was made; whether it is one of those remembered. It was away meanwhile, even if nobody looked."""
        self._appeared.append(name)
        return name in self._states

    def look(self, joined: Collection[str], present: Collection[str], now_us: int) -> list[str]:
        """Compare with what is there now.

        Args:
            joined: The ports that are connected to ours.
            present: Those of ``names`` that are there.
            now_us: The present time.

        Returns:
            The ports to connect now. One that is not ``joined`` then is named again at the next look.
        """
        while self._appeared:
            name = self._appeared.popleft()
            if name in self._states:
                self._states[name] = _State.AWAY
        for name, state in list(self._states.items()):
            if name in joined:
                continue
            if name not in present:
                self._states[name] = _State.AWAY
            elif state is _State.JOINED:
                self._states[name], self._parted_us[name] = _State.PARTED, now_us
            elif state is _State.PARTED and now_us - self._parted_us[name] >= LEAVING_US:
                del self._states[name]
        self._states.update(dict.fromkeys(joined, _State.JOINED))
        return [name for name, state in self._states.items() if state is _State.AWAY and name in present]

    def joined(self, name: str) -> None:
        """We are connected to it."""
        self._states[name] = _State.JOINED

    def away(self) -> frozenset[str]:
        """Those that are not there, as of the last look."""
        return frozenset(name for name, state in self._states.items() if state is _State.AWAY)
