"""Which controller moves what: the default map and the events' way through it. Pure.

Each entry leads from one source to one address of the vocabulary; several entries may share a source or a target.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router
from autoloops_bridges.control.vocabulary import Kind, Type
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.session.surface import Value

FIRST_KNOB_CC: Final = 1
LAST_KNOB_CC: Final = 30
_PRESSED: Final = 0.5


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One source and its target.

    Attributes:
        source: What is moved.
        target: An address of the vocabulary.
        channel: MIDI channel, 1 to 16; none: any.
        number: Note or controller number; none: any.
        port: Part of the port's name; empty: any.
        low: Value of the target at the lower end of the control ...
        high: ... and at the upper end; below ``low`` it runs backwards. Verbs have neither.
        arguments: What a verb is given.
    """

    source: Source
    target: str
    channel: int | None = None
    number: int | None = None
    port: str = ""
    low: float = 0.0
    high: float = 1.0
    arguments: tuple[Value, ...] = ()

    def matches(self, event: ControlEvent) -> bool:
        """Whether ``event`` comes from the source of this entry."""
        return (
            event.source is self.source
            and self.channel in {None, event.channel}
            and self.number in {None, event.number}
            and self.port.casefold() in event.port.casefold()
        )


def default_entries(channels: Mapping[str, int]) -> list[MapEntry]:
    """What moves what without a map file: notes fire parts, CC 1 to 30 turn their knobs.

    Args:
        channels: The MIDI channel of each part, 1 to 16, in the order of the parts.
    """
    entries = []
    for part, channel in channels.items():
        entries.append(MapEntry(Source.NOTE, f"/al/{part}/fire", channel, arguments=("new", "bar")))
        entries.extend(
            MapEntry(Source.CC, f"/al/{part}/knob/{number}", channel, number)
            for number in range(FIRST_KNOB_CC, LAST_KNOB_CC + 1)
        )
    first = next(iter(channels), None)
    free = [channel for channel in range(1, 17) if channel not in channels.values()]
    if first is not None:
        entries.extend(
            MapEntry(Source.NOTE, f"/al/{first}/fire", channel, arguments=("new", "bar")) for channel in free
        )
    return entries


class MidiMap:
    """Turns events of controllers into commands.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, entries: Sequence[MapEntry], defaults: Sequence[MapEntry] = ()) -> None:
        """A source that ``entries`` know does not reach ``defaults`` any more."""
        self._entries = tuple(entries)
        self._defaults = tuple(defaults)
        self._router = Router()
        self._pressed: dict[tuple[Source, int, int, str], bool] = {}

    def apply(self, event: ControlEvent) -> list[Command]:
        """What ``event`` asks for: none if nothing is mapped to its source."""
        matching = [entry for entry in self._entries if entry.matches(event)]
        matching = matching or [entry for entry in self._defaults if entry.matches(event)]
        if not matching:
            return []
        pressed_now = self._press(event)
        commands = [self._command(entry, event, pressed_now) for entry in matching]
        return [command for command in commands if command is not None]

    def _press(self, event: ControlEvent) -> bool:
        """Whether this event presses its control: a note does, anything else by rising through its middle."""
        if event.source in {Source.NOTE, Source.NOTE_OFF, Source.PROGRAM}:
            return True
        key = (event.source, event.channel, event.number, event.port)
        before = self._pressed.get(key, False)
        now = self._pressed[key] = event.position >= _PRESSED
        return now and not before

    def _command(self, entry: MapEntry, event: ControlEvent, pressed_now: bool) -> Command | None:
        route = self._router.route(entry.target)
        if isinstance(route, Refusal):
            return None
        if route.row.kind is Kind.VERB:
            if not pressed_now:
                return None
            command = self._router.dispatch(entry.target, entry.arguments)
        else:
            value = entry.low + (entry.high - entry.low) * event.position
            kind = route.row.arguments[0].type
            command = self._router.dispatch(entry.target, (_fitted(value, kind),))
        if isinstance(command, Refusal) or command.action is Action.NOTHING:
            return None
        return command


def _fitted(value: float, kind: Type) -> Value:
    """``value`` as the target's type wants it: switches turn over in the middle, whole numbers are rounded."""
    if kind is Type.BOOL:
        return value >= _PRESSED
    return round(value) if kind is Type.INT else value
