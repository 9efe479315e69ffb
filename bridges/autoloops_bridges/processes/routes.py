"""Which part plays to which MIDI port, and what its drums are there. Pure."""

from collections.abc import Mapping
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
    """

    def __init__(self, outputs: Mapping[str, str], drum_maps: Mapping[str, Mapping[int, int]]) -> None:
        self._keys = {part: port_key(port) for part, port in outputs.items()}
        self._drum_maps = drum_maps
        self.ports: Final = tuple(dict.fromkeys(outputs.values()))
        self._midi = frozenset({MAIN, *self._keys.values()})

    def led(self, key: str, event: Event) -> Event | None:
        """The event as the sink called ``key`` is to have it; none: it is for another port."""
        if not event.part or key not in self._midi:
            # Listeners hear every part, and all ports are silenced.
            return event
        if key != self._keys.get(event.part, MAIN):
            return None
        drum_map = self._drum_maps.get(event.part)
        if drum_map is None or event.kind not in _NOTES:
            return event
        return event._replace(number=drum_map.get(event.number, event.number))
