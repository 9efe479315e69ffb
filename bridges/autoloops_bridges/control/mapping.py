"""Which controller moves what: the default map and the events' way through it. Pure.

Each entry leads from one source to one address of the vocabulary; several entries may share a source or a target.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from autoloops_bridges.control.alike import alike
from autoloops_bridges.control.curves import Scale
from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router
from autoloops_bridges.control.halves import faces
from autoloops_bridges.control.relative import Encoding, steps_of
from autoloops_bridges.control.rows import Kind, Type
from autoloops_bridges.control.takeover import Follower, Takeover
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.session.surface import Target, Value, Values

FIRST_KNOB_CC: Final = 1
LAST_KNOB_CC: Final = 30
# Where the value of the control goes among fixed arguments, and which of them stay as they are.
PLACE: Final = "*"
KEPT: Final = "="
ENCODER_STEP: Final = 1 / 127
MAX_KNOWN_SOURCES: Final = 4096
_PRESSED: Final = 0.5
_PLAIN: Final = Scale(0.0, 1.0)

Present = Callable[[Target], Values | None]


@dataclass(frozen=True, slots=True)
class Light:
    """Where on a controller the value of a target is shown.

    Attributes:
        port: Name of a port of the rig file.
        source: The kind of message that sets it.
        channel: MIDI channel, 1 to 16.
        number: Note, controller or parameter number.
        off: What is sent at the lower end ...
        on: ... and at the upper end.
        shows: The address whose value is shown.
    """

    port: str
    source: Source
    channel: int
    number: int
    off: int
    on: int
    shows: str


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One source and its target.

    Attributes:
        source: What is moved.
        target: An address of the vocabulary.
        channel: MIDI channel, 1 to 16; none: any.
        number: Note, controller, program or parameter number; none: any.
        port: Name of a port of the rig file, or part of the name of a MIDI port; empty: any.
        scale: What the positions of the control mean for the target.
        arguments: What a verb is given, or a value set to when the control is pressed; ``PLACE`` stands for the value
            of the control, ``KEPT`` for what is there at present. Empty: the value of the control.
        takeover: What it does to a target that stands elsewhere.
        encoding: How its values are to be read.
        step: By how much of the whole way one step of an encoder turns the target.
        button: ``toggle``: a press turns the target over; ``hold``: it is on as long as the control is held;
            empty: it follows the control.
        light: Where its state is shown.
        line: Of the rig file; 0: none.
        named: The port is one of the rig file, which has exactly that name.
        target_line: Where in the rig file the target stands; 0: nowhere.
    """

    source: Source
    target: str
    channel: int | None = None
    number: int | None = None
    port: str = ""
    scale: Scale = _PLAIN
    arguments: tuple[Value, ...] = ()
    takeover: Takeover = Takeover.JUMP
    encoding: Encoding = Encoding.ABSOLUTE
    step: float = ENCODER_STEP
    button: str = ""
    light: Light | None = None
    line: int = 0
    named: bool = False
    target_line: int = field(default=0, compare=False)

    def matches(self, event: ControlEvent) -> bool:
        """Whether ``event`` comes from the source of this entry."""
        released = event.source is Source.NOTE_OFF and self.source is Source.NOTE and self.button == "hold"
        return (
            (event.source is self.source or released)
            and self.channel in {None, event.channel}
            and self.number in {None, event.number}
            and self._comes_from(event.port.casefold())
        )

    def _comes_from(self, port: str) -> bool:
        word = self.port.casefold()
        return word == port if self.named else word in port

    @property
    def pressed(self) -> bool:
        """Whether it acts at a press only."""
        return bool(self.button) or (bool(self.arguments) and PLACE not in self.arguments)


def knows(entries: Iterable[MapEntry], event: ControlEvent) -> bool:
    """Whether any of these entries is for the control that sent ``event``, in whichever form it comes."""
    both = faces(event)
    return any(entry.matches(face) for entry in entries for face in both)


def default_entries(channels: Mapping[str, int], takeover: Takeover = Takeover.JUMP) -> list[MapEntry]:
    """What moves what without a rig file: notes fire parts, CC 1 to 30 turn their knobs.

    Args:
        channels: The MIDI channel of each part, 1 to 16, in the order of the parts.
        takeover: Of the knobs.
    """
    entries = []
    for part, channel in channels.items():
        entries.append(MapEntry(Source.NOTE, f"/al/{part}/fire", channel, arguments=("new",)))
        entries.extend(
            MapEntry(Source.CC, f"/al/{part}/knob/{number}", channel, number, takeover=takeover)
            for number in range(FIRST_KNOB_CC, LAST_KNOB_CC + 1)
        )
    first = next(iter(channels), None)
    free = [channel for channel in range(1, 17) if channel not in channels.values()]
    if first is not None:
        entries.extend(MapEntry(Source.NOTE, f"/al/{first}/fire", channel, arguments=("new",)) for channel in free)
    return entries


@dataclass(slots=True)
class _Mapped:
    """An entry at work: its follower, and the values that it set last."""

    entry: MapEntry
    follower: Follower
    set_to: Values | None = None


class MidiMap:
    """Turns events of controllers into commands.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, layers: Sequence[Sequence[MapEntry]], present: Present, former: "MidiMap | None" = None) -> None:
        """A source that one layer knows, itself or as half of a 14-bit one, does not reach the layers behind it.

        Args:
            layers: The performer's own entries, those of presets, the default ones.
            present: Answers the present values of a target; none: it has none.
            former: The map that this one replaces: what a control has picked up there it goes on holding.
        """
        held = {} if former is None else {_unplaced(each.entry): each for layer in former._layers for each in layer}
        self._layers: list[list[_Mapped]] = [
            [
                replace(held[_unplaced(entry)], entry=entry)
                if _unplaced(entry) in held
                else _Mapped(entry, Follower(entry.takeover))
                for entry in layer
            ]
            for layer in layers
        ]
        self._present = present
        self._router = Router()
        self._pressed: dict[tuple[Source, int, int, str], bool] = {}
        self._leading: dict[tuple[Source, int, int, str], list[_Mapped]] = {}

    def apply(self, event: ControlEvent) -> list[Command]:
        """What ``event`` asks for: none if nothing is mapped to its source."""
        matching = self._matching(event)
        if not matching:
            return []
        turned = self._press(event)
        commands = [self._command(mapped, event, turned) for mapped in matching]
        return [command for command in commands if command is not None]

    def _matching(self, event: ControlEvent) -> list[_Mapped]:
        """The entries of the first layer that knows the source of ``event``."""
        key = (event.source, event.channel, event.number, event.port)
        if key not in self._leading:
            if len(self._leading) >= MAX_KNOWN_SOURCES:
                self._leading.clear()
            knowing = (layer for layer in self._layers if knows((mapped.entry for mapped in layer), event))
            self._leading[key] = [mapped for mapped in next(knowing, ()) if mapped.entry.matches(event)]
        return self._leading[key]

    def _press(self, event: ControlEvent) -> bool | None:
        """Whether this event presses its control (true), lets it go (false) or does neither.

        A note and a program press, anything else by rising through its middle.
        """
        if event.source in {Source.NOTE, Source.PROGRAM}:
            return True
        if event.source is Source.NOTE_OFF:
            return False
        key = (event.source, event.channel, event.number, event.port)
        before = self._pressed.get(key, False)
        now = self._pressed[key] = event.position >= _PRESSED
        return now if now is not before else None

    def _command(self, mapped: _Mapped, event: ControlEvent, turned: bool | None) -> Command | None:
        entry = mapped.entry
        route = self._router.route(entry.target)
        if isinstance(route, Refusal):
            return None
        row, target = route
        if row.kind is Kind.VERB and PLACE not in entry.arguments:
            return self._dispatched(entry.target, entry.arguments) if turned else None
        values = self._present(target)
        place = entry.arguments.index(PLACE) if PLACE in entry.arguments else 0
        present = entry.scale.position(values[place]) if values is not None and len(values) > place else None
        ours = mapped.set_to is not None and values is not None and alike(mapped.set_to, values)
        if entry.pressed:
            return self._button(entry, turned, present)
        goes = _goes(mapped, event, present, ours=ours)
        if goes is None:
            return None
        value = entry.scale.value(goes)
        arguments = _filled(entry.arguments, value, values or ()) or (value,)
        command = self._dispatched(entry.target, arguments)
        mapped.set_to = command.values if command is not None else None
        return command

    def _button(self, entry: MapEntry, turned: bool | None, present: float | None) -> Command | None:
        if turned is None or (not turned and entry.button != "hold"):
            return None
        if entry.arguments:
            return self._dispatched(entry.target, entry.arguments)
        on = turned if entry.button == "hold" else present is None or present < _PRESSED
        return self._dispatched(entry.target, (entry.scale.value(float(on)),))

    def _dispatched(self, address: str, arguments: Sequence[Value]) -> Command | None:
        command = self._router.dispatch(address, arguments)
        if isinstance(command, Refusal) or command.action is Action.NOTHING:
            return None
        return command


def _unplaced(entry: MapEntry) -> MapEntry:
    """The entry wherever in the file it stands."""
    return replace(entry, line=0)


def _filled(arguments: Sequence[Value], value: Value, present: Values) -> tuple[Value, ...]:
    """The arguments with the control's value, and with the present ones where they are kept."""
    filled = []
    for at, each in enumerate(arguments):
        if each == KEPT and at < len(present):
            filled.append(present[at])
        else:
            filled.append(value if each == PLACE else each)
    return tuple(filled)


def _goes(mapped: _Mapped, event: ControlEvent, present: float | None, *, ours: bool) -> float | None:
    """The position to which the target of ``mapped`` goes; none: it stays."""
    entry = mapped.entry
    if entry.encoding is not Encoding.ABSOLUTE:
        steps = steps_of(entry.encoding, event.value)
    elif event.steps:
        steps = event.steps
    else:
        if entry.scale.kind is Type.BOOL:
            # A switch has no way to go along.
            return event.position
        return mapped.follower.move(event.position, present, ours=ours)
    return mapped.follower.turn(steps * entry.step, present, ours=ours)
