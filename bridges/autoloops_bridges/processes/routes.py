"""Which part plays to which MIDI port, and what its drums are there. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from autoloops_engine.player.events import Event, Kind

MAIN: Final = "midi"
_NOTES: Final = frozenset({Kind.ON, Kind.OFF})


def port_key(port: str) -> str:
    """What the sink of a port of the rig file is called among all sinks."""
    return f"{MAIN} {port}"


class Routes:
    """Leads events to the sinks that they are for.

    Args:
        outputs: By part, the port of the rig file that it plays to; the others play to the port of ``--midi-out``.
        drum_maps: By part, which note stands for which at its port.
        ports: The ports of the rig file, some of which parts play to that join in later.

    Attributes:
        ports: Those that parts play to.
    """

    def __init__(
        self, outputs: Mapping[str, str], drum_maps: Mapping[str, Mapping[int, int]], ports: Iterable[str] = ()
    ) -> None:
        self._outputs = outputs
        self._keys = {part: port_key(port) for part, port in outputs.items()}
        self._drum_maps = drum_maps
        self._order = tuple(dict.fromkeys((*outputs.values(), *ports)))
        self.ports: tuple[str, ...] = tuple(dict.fromkeys(outputs.values()))

    def number(self, port: str) -> int:
        """The number of a port, from 0: the same in every player with the same rig file."""
        return self._order.index(port)

    def leads(self, part: str, port: str) -> bool:
        """Whether a part plays to a port already; the empty one is where it was started with."""
        return self._key(part) == self._meant(part, port)

    def lead(self, part: str, port: str) -> None:
        """Let a part play to another port of the rig file."""
        self._keys[part] = self._meant(part, port)
        if port in self._order and port not in self.ports:
            self.ports = (*self.ports, port)

    def led(self, key: str, event: Event) -> Event | None:
        """The event as the sink called ``key`` is to have it; none: it is for another port."""
        if not event.part or not (key == MAIN or key.startswith(f"{MAIN} ")):
            # Listeners hear every part, and all ports are silenced.
            return event
        if key != self._key(event.part):
            return None
        drum_map = self._drum_maps.get(event.part)
        if drum_map is None or event.kind not in _NOTES:
            return event
        return event._replace(number=drum_map.get(event.number, event.number))

    def _key(self, part: str) -> str:
        return self._keys.get(part, MAIN)

    def _meant(self, part: str, port: str) -> str:
        port = port or self._outputs.get(part, "")
        return port_key(port) if port else MAIN
