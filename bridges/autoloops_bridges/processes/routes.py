"""Which part plays to which MIDI port, and what its drums are there. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from autoloops_engine.player.events import Event, Kind

MAIN: Final = "midi"


def port_key(port: str) -> str:
    """What the sink of a port of the rig file is called among all sinks; empty: that of ``--midi-out``."""
    return f"{MAIN} {port}" if port else MAIN


def is_port(key: str) -> bool:
    """Whether a sink is a port that parts play to."""
    return key == MAIN or key.startswith(f"{MAIN} ")


class Span(NamedTuple):
    """How far the ports have been told what is to be heard, in microseconds.

    Attributes:
        all_us: Up to here every one was.
        any_us: Beyond this none was.
    """

    all_us: int
    any_us: int


class _Turn(NamedTuple):
    after_us: int
    key: str


class Routes:
    """Leads events to the sinks that they are for.

    Sinks are told of a note at different times, each as far ahead as it wants. Which port has a note therefore depends
    on when it is to be heard, and its end goes wherever it began.

    Args:
        outputs: By part, the port of the rig file that it plays to; the others play to the port of ``--midi-out``.
        drum_maps: By part, which note stands for which at its port.
        ports: The ports of the rig file, some of which parts play to later.

    Attributes:
        ports: Those that parts play to, or did.
    """

    def __init__(
        self, outputs: Mapping[str, str], drum_maps: Mapping[str, Mapping[int, int]], ports: Iterable[str] = ()
    ) -> None:
        self._turns: dict[str, tuple[_Turn, ...]] = {
            part: (_Turn(0, port_key(port)),) for part, port in outputs.items()
        }
        self._homes = {part: port_key(outputs.get(part, "")) for part in drum_maps}
        self._drum_maps = drum_maps
        self._order = tuple(dict.fromkeys((*outputs.values(), *ports)))
        self._struck: dict[tuple[str, str, int, int], int] = {}
        self.ports: tuple[str, ...] = tuple(dict.fromkeys(outputs.values()))

    def number(self, port: str) -> int:
        """The number of a port, from 0: the same in every player with the same rig file."""
        return self._order.index(port)

    def leads(self, part: str, port: str) -> bool:
        """Whether a part plays to a port already, or is about to; the empty one is that of ``--midi-out``."""
        return self._of(part)[-1].key == port_key(port)

    def lead(self, part: str, port: str, told: Span | None = None) -> None:
        """Let a part play to another port of the rig file.

        Args:
            part: The part.
            port: The port; empty: that of ``--midi-out``.
            told: What the ports have been told: the next note that none of them knows of is the first there. None:
                nothing of the part.
        """
        if told is None:
            self._turns[part] = (_Turn(0, port_key(port)),)
        else:
            turns = [turn for turn in self._of(part) if turn.after_us < told.any_us]
            while len(turns) > 1 and turns[1].after_us < told.all_us:
                del turns[0]
            self._turns[part] = (*turns, _Turn(told.any_us, port_key(port)))
        if port in self._order and port not in self.ports:
            self.ports = (*self.ports, port)

    def led(self, key: str, event: Event, heard_us: int) -> Event | None:
        """The event as the sink called ``key`` is to have it; none: it is for another port.

        Args:
            key: The sink.
            event: The event.
            heard_us: When it is to be heard there.
        """
        if not event.part or not is_port(key):
            # Listeners hear every part, and all ports are silenced.
            return event
        note = key, event.part, event.channel, event.number
        if event.kind is Kind.ON:
            if key != self._key(event.part, heard_us):
                return None
            self._struck[note] = self._played(key, event)
        number = self._struck.get(note)
        if event.kind is Kind.OFF:
            self._struck.pop(note, None)
        return None if number is None else event._replace(number=number)

    def _of(self, part: str) -> tuple[_Turn, ...]:
        return self._turns.get(part, (_Turn(0, MAIN),))

    def _key(self, part: str, heard_us: int) -> str:
        """Where a part plays what is to be heard at a time."""
        turns = self._of(part)
        return next((turn.key for turn in reversed(turns) if turn.after_us < heard_us), turns[0].key)

    def _played(self, key: str, event: Event) -> int:
        """The note that stands for that of an event at a port: drums have the map of the port that they play to."""
        home = self._homes.get(event.part)
        if home is None:
            return event.number
        there = event.part if home == key else next((part for part, at in self._homes.items() if at == key), None)
        return event.number if there is None else self._drum_maps[there].get(event.number, event.number)
