"""Lights, rings and motors of controllers: what they show, and when they may be told. Pure.

A control is never moved by its own echo: one that slides or turns through its values is left alone while it moves, and
told afterwards if it does not stand where its target is. Latest wins, at most thirty times a second for each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from autoloops_bridges.control.alike import alike
from autoloops_bridges.control.curves import Scale
from autoloops_bridges.control.dispatch import Refusal, Router
from autoloops_bridges.control.mapping import PLACE, Light, MapEntry, Present
from autoloops_bridges.control.relative import Encoding
from autoloops_bridges.control.rows import Type
from autoloops_bridges.midi.parse import ControlEvent, Source, value_at
from autoloops_engine.messages import SendMidi
from autoloops_engine.session.surface import Values
from autoloops_engine.units import US_PER_MS, US_PER_S

INTERVAL_US: Final = US_PER_S // 30
# A hand that rests for so long has let go.
HOLD_US: Final = 300 * US_PER_MS
# A controller that comes takes a moment before it listens, and JACK one to connect it: it is told everything twice.
ARRIVED_US: Final = (250 * US_PER_MS, 1_500 * US_PER_MS)
# Nobody is told faster than a DIN cable takes it.
BURST: Final = 4
PACE_US: Final = 4 * US_PER_MS
_TOPS: Final = {Source.CC14: 16383, Source.NRPN: 16383, Source.PITCHBEND: 16383}


@dataclass(slots=True, eq=False)
class _Lamp:
    """One light and what is known of it.

    Attributes:
        entry: The mapping that it belongs to.
        light: Where it is.
        address: Whose value it shows, as routed.
        scale: What the values of that mean.
        shown: What the controller shows, as far as it is known.
        checked_us: When it was last compared with its value.
        moved_us: When its control last moved.
    """

    entry: MapEntry
    light: Light
    scale: Scale
    lit_by: Values | None
    shown: int | None = None
    checked_us: int | None = None
    moved_us: int | None = None

    @property
    def is_motor(self) -> bool:
        """Whether its control stands somewhere by itself, so that an echo would fight the hand."""
        return self.entry.encoding is Encoding.ABSOLUTE and not _is_button(self.entry)

    def due_us(self) -> int:
        due_us = 0 if self.checked_us is None else self.checked_us + INTERVAL_US
        return due_us if self.moved_us is None else max(due_us, self.moved_us + HOLD_US)

    def wanted(self, values: Values | None) -> int | None:
        """What it is to show; none: there is nothing to show."""
        if not values:
            return None
        if self.lit_by is not None:
            return self.light.on if alike(self.lit_by, values) else self.light.off
        position = self.scale.position(values[0])
        if position is None:
            return None
        off, on = self.light.off, self.light.on
        if off == 0:
            return value_at(position, on)
        return round(off + (on - off) * position)


class Feedback:
    """Tells controllers what to show.

    Thread: the owner's only. Blocks: no.

    Args:
        entries: The mapping; those without a light are passed over. Of two that share a light, the first has it.
        present: Answers the present values of a target.
    """

    def __init__(self, entries: Iterable[MapEntry], present: Present) -> None:
        self._router = Router()
        self._present = present
        self._lamps: list[_Lamp] = []
        self._next_us = 0
        self._arrivals: list[tuple[int, str]] = []
        taken = set()
        for entry in entries:
            light = entry.light
            place = light and (light.port, light.source, light.channel, light.number)
            if light is not None and place not in taken:
                taken.add(place)
                self._lamps.append(_Lamp(entry, light, self._scale(entry, light), self._lit_by(entry, light)))
        self._waiting: dict[_Lamp, None] = {}

    def heard(self, event: ControlEvent, now_us: int) -> None:
        """A control moved."""
        for lamp in self._lamps:
            if not _is_of(lamp.entry, event):
                continue
            if lamp.is_motor:
                lamp.moved_us = now_us
                lamp.shown = event.value if _speaks_for(lamp.light, event) else lamp.shown
            elif event.source in {lamp.light.source, Source.NOTE_OFF}:
                # Many pads put their light out when they are let go.
                lamp.shown = None
            self._waiting[lamp] = None

    def touched(self) -> None:
        """Some values changed."""
        self._waiting.update(dict.fromkeys(self._lamps))

    def arrived(self, port: str, now_us: int) -> None:
        """A controller came (back): it shows nothing of what it was told before."""
        self._arrivals = [(due_us, other) for due_us, other in self._arrivals if other != port]
        self._arrivals += [(now_us + after_us, port) for after_us in ARRIVED_US]

    def advance(self, now_us: int) -> list[SendMidi]:
        """What is to be sent now."""
        out: list[SendMidi] = []
        for port in [port for due_us, port in self._arrivals if due_us <= now_us]:
            self._forget(port)
        self._arrivals = [arrival for arrival in self._arrivals if arrival[0] > now_us]
        if now_us < self._next_us:
            return out
        for lamp in [lamp for lamp in self._waiting if lamp.due_us() <= now_us]:
            del self._waiting[lamp]
            lamp.checked_us = now_us
            wanted = lamp.wanted(self._shown_by(lamp))
            if wanted is None or wanted == lamp.shown:
                continue
            lamp.shown = wanted
            out += [SendMidi(lamp.light.port, data) for data in light_messages(lamp.light, wanted)]
            if len(out) >= BURST:
                self._next_us = now_us + PACE_US
                break
        return out

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to do; none: nothing waits."""
        due_us = min((lamp.due_us() for lamp in self._waiting), default=None)
        dues_us = [due_us for due_us, _ in self._arrivals]
        return min([*dues_us, *([] if due_us is None else [max(due_us, self._next_us)])], default=None)

    def _forget(self, port: str) -> None:
        """Tell the lights of a controller everything again."""
        for lamp in self._lamps:
            if lamp.light.port == port:
                lamp.shown = lamp.checked_us = None
                self._waiting[lamp] = None

    def _shown_by(self, lamp: _Lamp) -> Values | None:
        route = self._router.route(lamp.light.shows)
        return None if isinstance(route, Refusal) else self._present(route.target)

    def _scale(self, entry: MapEntry, light: Light) -> Scale:
        """What the values of the address that is shown mean."""
        route = self._router.route(light.shows)
        if light.shows == entry.target or isinstance(route, Refusal):
            return entry.scale
        argument = route.row.arguments[0]
        if argument.low is None or argument.high is None:
            return Scale(0.0, 1.0)
        return Scale(argument.low, argument.high, argument.type)

    def _lit_by(self, entry: MapEntry, light: Light) -> Values | None:
        """The values at which the light of a button that sets them is on; none: it shows where its target stands."""
        if light.shows != entry.target or not entry.arguments or PLACE in entry.arguments:
            return None
        command = self._router.dispatch(entry.target, entry.arguments)
        return None if isinstance(command, Refusal) else command.values


def light_messages(light: Light, value: int) -> tuple[bytes, ...]:
    """The MIDI messages that set ``light`` to ``value``."""
    channel, number = light.channel - 1, light.number
    msb, lsb = value >> 7, value & 0x7F
    match light.source:
        case Source.NOTE:
            return (bytes((0x90 | channel, number, value)),)
        case Source.CC:
            return (bytes((0xB0 | channel, number, value)),)
        case Source.CC14:
            return bytes((0xB0 | channel, number, msb)), bytes((0xB0 | channel, number + 32, lsb))
        case Source.NRPN:
            pairs = (99, number >> 7), (98, number & 0x7F), (6, msb), (38, lsb)
            return tuple(bytes((0xB0 | channel, *pair)) for pair in pairs)
        case Source.PITCHBEND:
            return (bytes((0xE0 | channel, lsb, msb)),)
        case Source.PRESSURE:
            return (bytes((0xD0 | channel, value)),)
        case Source.POLY_PRESSURE:
            return (bytes((0xA0 | channel, number, value)),)
        case Source.PROGRAM:
            return (bytes((0xC0 | channel, value)),)
    return ()


def _is_button(entry: MapEntry) -> bool:
    switch = entry.scale.kind is Type.BOOL
    return entry.pressed or switch or entry.source in {Source.NOTE, Source.PROGRAM}


def _is_of(entry: MapEntry, event: ControlEvent) -> bool:
    released = event.source is Source.NOTE_OFF and entry.source is Source.NOTE
    return entry.matches(event._replace(source=Source.NOTE) if released else event)


def _speaks_for(light: Light, event: ControlEvent) -> bool:
    """Whether the control is its own light, as a motor fader is: then it shows what it sent."""
    same = light.source is event.source and light.number == event.number and light.channel == event.channel
    return same and event.top == _TOPS.get(light.source, 127) and (light.off, light.on) == (0, event.top)
