"""MIDI that came in, as typed events of controllers. Garbage is counted, never raised. Pure."""

from enum import Enum
from typing import Final, NamedTuple

import mido

from autoloops_engine.messages import MidiIn


class Source(Enum):
    """What on a controller was moved; the values are the words of a rig file."""

    NOTE = "note"
    NOTE_OFF = "note_off"
    CC = "cc"
    CC14 = "cc14"
    NRPN = "nrpn"
    PITCHBEND = "pitchbend"
    PRESSURE = "pressure"
    POLY_PRESSURE = "poly_pressure"
    PROGRAM = "program"
    REALTIME = "realtime"
    OTHER = "other"


# Of these a channel has one.
NUMBERLESS: Final = frozenset({Source.PITCHBEND, Source.PRESSURE})


class ControlEvent(NamedTuple):
    """One move of a controller.

    Attributes:
        source: What was moved.
        channel: MIDI channel, 1 to 16; 0 for what has none.
        number: Note, controller, program or parameter number; of ``REALTIME`` the status byte; else 0.
        value: Velocity, controller value, pressure, program (0 to 127), or pitch bend (0 to 16383).
        top: The greatest value that this source can have.
        port: Where it came from.
        at_us: When it came in.
        steps: Of a parameter that was counted up or down (data increment and decrement): by how much. It has no value.
    """

    source: Source
    channel: int
    number: int
    value: int
    top: int
    port: str
    at_us: int
    steps: int = 0

    @property
    def position(self) -> float:
        """The value from 0 to 1, with the centre (64 of 127, 8192 of 16383) at exactly 0.5.

        As MIDI 2.0 scales values up (M2-115-U, min-center-max): a knob that rests in its middle rests in the middle.
        """
        centre = (self.top + 1) // 2
        if self.value <= centre:
            return self.value / (2 * centre) if centre else 0.0
        return 0.5 + (self.value - centre) / (2 * (self.top - centre))


def value_at(position: float, top: int) -> int:
    """The whole value whose ``position`` is nearest to this one; see ``ControlEvent``."""
    centre = (top + 1) // 2
    if position <= 0.5:
        return max(0, round(position * 2 * centre))
    return min(top, centre + round((position - 0.5) * 2 * (top - centre)))


_FIELDS: Final = {
    "note_on": (Source.NOTE, "note", "velocity"),
    "note_off": (Source.NOTE_OFF, "note", "velocity"),
    "control_change": (Source.CC, "control", "value"),
    "aftertouch": (Source.PRESSURE, "", "value"),
    "polytouch": (Source.POLY_PRESSURE, "note", "value"),
    "program_change": (Source.PROGRAM, "program", "program"),
}
_FIRST_REALTIME: Final = 0xF8
_BEND_CENTRE: Final = 8192


class MidiParser:
    """Reads the messages that the drivers hand over, one at a time and complete.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self) -> None:
        self.read = 0
        self.garbage = 0

    def parse(self, came: MidiIn) -> ControlEvent | None:
        """The event that ``came`` stands for; none if it is no MIDI message."""
        try:
            message = mido.Message.from_bytes(came.data)
        except (ValueError, TypeError, IndexError):
            self.garbage += 1
            return None
        self.read += 1
        return _event(message, came)


def _event(message: mido.Message, came: MidiIn) -> ControlEvent:
    def event(source: Source, channel: int, number: int, value: int, top: int) -> ControlEvent:
        return ControlEvent(source, channel, number, value, top, came.port, came.at_us)

    if message.type in _FIELDS:
        source, number_field, value_field = _FIELDS[message.type]
        number = getattr(message, number_field) if number_field else 0
        value = getattr(message, value_field)
        if source is Source.NOTE and value == 0:
            # Running status makes many keyboards end notes this way.
            source = Source.NOTE_OFF
        return event(source, message.channel + 1, number, value, 127)
    if message.type == "pitchwheel":
        return event(Source.PITCHBEND, message.channel + 1, 0, message.pitch + _BEND_CENTRE, 16383)
    status = came.data[0]
    return event(Source.REALTIME if status >= _FIRST_REALTIME else Source.OTHER, 0, status, 0, 0)
