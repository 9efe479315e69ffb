"""What a controller means by its messages: 14-bit pairs and parameters put together again. Pure.

Every message comes out as what it is by itself too, so that a mapping can name either. Sources: MIDI 1.0 Detailed
Specification 4.2 (control change, MSB and LSB of controllers 0 to 31; registered and non-registered parameters).
"""

from dataclasses import dataclass, field
from typing import Final

from autoloops_bridges.midi.parse import ControlEvent, MidiParser, Source
from autoloops_engine.messages import MidiIn
from autoloops_engine.units import US_PER_MS

# The halves of a pair leave together: 2 ms over a DIN cable, a frame or two over USB.
PAIR_US: Final = 10 * US_PER_MS
# After so long a rest, the half that comes first tells the order in which this controller sends them.
REST_US: Final = 50 * US_PER_MS
HALF: Final = 128
# More controls than anybody has; what a flood of parameter numbers leaves behind is forgotten.
MAX_PAIRS: Final = 4096
TOP_14: Final = HALF * HALF - 1
_DATA_MSB, _DATA_LSB, _INCREMENT, _DECREMENT = 6, 38, 96, 97
_NRPN_LSB, _NRPN_MSB, _RPN_LSB, _RPN_MSB = 98, 99, 100, 101
_NULL: Final = 127
_LSB_OFFSET: Final = 32


@dataclass(slots=True)
class _Pair:
    """The two halves of one 14-bit value as they come in, in either order."""

    msb: int | None = None
    lsb: int | None = None
    fine: bool = False
    lsb_first: bool = False
    waiting: int | None = None
    since_us: int = 0
    heard_us: int | None = None

    def put(self, value: int, at_us: int, *, is_lsb: bool) -> list[tuple[int, int]]:
        """Take one half; each (value, greatest value) that is certain by now."""
        done = self.flush() if self.waiting is not None and (self._is_first(is_lsb) or self._is_over(at_us)) else []
        if self.heard_us is None or at_us - self.heard_us >= REST_US:
            self.lsb_first = is_lsb
        self.heard_us = at_us
        self.fine |= is_lsb
        if self._is_first(is_lsb):
            self.waiting, self.since_us = value, at_us
            return done
        partner, self.waiting = self.waiting, None
        msb, lsb = (partner, value) if is_lsb else (value, partner)
        self.lsb = self._nearest(value) if lsb is None else lsb
        self.msb = self.msb if msb is None else msb
        return [*done, *self._whole()]

    def flush(self) -> list[tuple[int, int]]:
        """The value if the half that waits stays alone."""
        value, self.waiting = self.waiting, None
        if value is None:
            return []
        if self.lsb_first:
            self.lsb = value
        else:
            self.lsb = self._nearest(value)
            self.msb = value
        return self._whole()

    def _is_first(self, is_lsb: bool) -> bool:
        return is_lsb == self.lsb_first

    def _is_over(self, at_us: int) -> bool:
        return at_us - self.since_us >= PAIR_US

    def _nearest(self, msb: int) -> int:
        """The lower half nearest to the value before, as long as only the upper one is known."""
        if self.msb is None or self.lsb is None or msb == self.msb:
            return self.lsb or 0
        return 0 if msb > self.msb else HALF - 1

    def _whole(self) -> list[tuple[int, int]]:
        if self.msb is None:
            return []
        if not self.fine:
            # It has seven bits after all: the greatest value is the end of its way.
            return [(self.msb, HALF - 1)]
        return [(self.msb * HALF + (self.lsb or 0), TOP_14)]


@dataclass(slots=True)
class _Channel:
    """What one MIDI channel of one port was last told."""

    parameter: list[int | None] = field(default_factory=lambda: [None, None])
    registered: bool = False

    def select(self, controller: int, value: int) -> None:
        """Half a parameter's number."""
        registered = controller in {_RPN_LSB, _RPN_MSB}
        if registered is not self.registered:
            self.parameter, self.registered = [None, None], registered
        self.parameter[controller in {_NRPN_LSB, _RPN_LSB}] = value

    def number(self) -> int | None:
        """The parameter whose data is sent; none: data belong to nothing."""
        msb, lsb = self.parameter
        if msb is None or lsb is None or (msb, lsb) == (_NULL, _NULL):
            return None
        return msb * HALF + lsb


class ControlDecoder:
    """Turns the messages of all ports into events, of 14-bit sources too.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self) -> None:
        self._parser = MidiParser()
        self._channels: dict[tuple[str, int], _Channel] = {}
        self._pairs: dict[tuple[Source, str, int, int], _Pair] = {}
        self._waiting: dict[tuple[Source, str, int, int], None] = {}

    @property
    def read(self) -> int:
        """Messages that were understood."""
        return self._parser.read

    @property
    def garbage(self) -> int:
        """Messages that were none."""
        return self._parser.garbage

    def receive(self, came: MidiIn) -> list[ControlEvent]:
        """The events that a message makes certain, in order."""
        event = self._parser.parse(came)
        if event is None:
            return []
        return self._control_change(event) if event.source is Source.CC else [event]

    def advance(self, now_us: int) -> list[ControlEvent]:
        """The events of halves that stayed alone until now."""
        due = [key for key in self._waiting if self._pairs[key].since_us + PAIR_US <= now_us]
        return [event for key in due for event in self._events(key, self._pairs[key].flush(), now_us)]

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to say; none: nothing waits."""
        return min((self._pairs[key].since_us + PAIR_US for key in self._waiting), default=None)

    def _control_change(self, event: ControlEvent) -> list[ControlEvent]:
        channel = self._channels.setdefault((event.port, event.channel), _Channel())
        parameter = channel.number()
        match event.number:
            case 98 | 99 | 100 | 101:
                channel.select(event.number, event.value)
                return [event]
            case 6 | 38 if parameter is not None:
                return self._data(channel, parameter, event)
            case 96 | 97 if parameter is not None:
                steps = 1 if event.number == _INCREMENT else -1
                counted = event._replace(source=Source.NRPN, number=parameter, value=0, top=0, steps=steps)
                return [] if channel.registered else [counted]
            case number if number < 2 * _LSB_OFFSET:
                return [event, *self._half(Source.CC14, number % _LSB_OFFSET, event, is_lsb=number >= _LSB_OFFSET)]
        return [event]

    def _data(self, channel: _Channel, parameter: int, event: ControlEvent) -> list[ControlEvent]:
        if channel.registered:
            # Bend range, tuning and the like concern synthesisers.
            return []
        return self._half(Source.NRPN, parameter, event, is_lsb=event.number == _DATA_LSB)

    def _half(self, source: Source, number: int, event: ControlEvent, *, is_lsb: bool) -> list[ControlEvent]:
        key = source, event.port, event.channel, number
        if len(self._pairs) >= MAX_PAIRS and key not in self._pairs:
            self._pairs = {waiting: self._pairs[waiting] for waiting in self._waiting}
        pair = self._pairs.setdefault(key, _Pair())
        events = self._events(key, pair.put(event.value, event.at_us, is_lsb=is_lsb), event.at_us)
        if pair.waiting is not None:
            self._waiting[key] = None
        return events

    def _events(
        self, key: tuple[Source, str, int, int], wholes: list[tuple[int, int]], at_us: int
    ) -> list[ControlEvent]:
        self._waiting.pop(key, None)
        source, port, channel, number = key
        return [ControlEvent(source, channel, number, value, top, port, at_us) for value, top in wholes]
