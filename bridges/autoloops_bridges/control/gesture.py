"""What somebody does with a control while a mapping is learnt, and which control it was. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from autoloops_bridges.control.relative import Encoding, Guess, guess
from autoloops_bridges.midi.parse import NUMBERLESS, ControlEvent, Source
from autoloops_engine.units import US_PER_MS

# A gesture is over after such a rest, or when it has lasted long enough.
QUIET_US: Final = 500 * US_PER_MS
LONGEST_US: Final = 2_500 * US_PER_MS
MAX_EVENTS: Final = 256
_LSB_OFFSET: Final = 32
_IGNORED: Final = frozenset({Source.NOTE_OFF, Source.REALTIME, Source.OTHER})
# A press that speaks for itself; aftertouch only if there was nothing else.
_AT_ONCE: Final = frozenset({Source.NOTE, Source.PROGRAM})
_ORDER: Final = (
    Source.NOTE,
    Source.PROGRAM,
    Source.NRPN,
    Source.CC14,
    Source.CC,
    Source.PITCHBEND,
    Source.POLY_PRESSURE,
    Source.PRESSURE,
)


class Control(NamedTuple):
    """One control of a controller.

    Attributes:
        example: An event that it sent.
        encoding: How its values are to be read, and how sure that is.
        is_button: It was pressed, not moved.
        lets_go: A button that says when it is let go.
    """

    example: ControlEvent
    encoding: Guess = Guess(Encoding.ABSOLUTE, True)
    is_button: bool = False
    lets_go: bool = False

    def __str__(self) -> str:
        event = self.example
        number = "" if event.source in NUMBERLESS else f" {event.number}"
        return f"{event.source.value}{number} on channel {event.channel} of {event.port}"


class Gesture:
    """Collects what comes until it is clear what was moved.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self) -> None:
        self._events: list[ControlEvent] = []

    def add(self, event: ControlEvent) -> None:
        """Take one event."""
        if event.source not in _IGNORED and len(self._events) < MAX_EVENTS:
            self._events.append(event)

    def due_us(self) -> int | None:
        """When it is over if nothing more comes; none: it has not begun."""
        if not self._events:
            return None
        first_us, last_us = self._events[0].at_us, self._events[-1].at_us
        if self._events[0].source in _AT_ONCE:
            return first_us
        return min(last_us + QUIET_US, first_us + LONGEST_US)

    def control(self) -> Control:
        """The control that was moved; only after something came."""
        source = next(source for source in _ORDER if self._of(source))
        if source is Source.CC14 and self._of(Source.CC) and not self._is_paired():
            source = Source.CC
        events = self._of(source)
        counts: dict[tuple[str, int, int], int] = {}
        for event in events:
            key = event.port, event.channel, event.number
            counts[key] = counts.get(key, 0) + 1
        moved = max(counts, key=lambda key: counts[key])
        track = [event for event in events if (event.port, event.channel, event.number) == moved]
        return _judged(track)

    def _of(self, source: Source) -> list[ControlEvent]:
        return [event for event in self._events if event.source is source]

    def _is_paired(self) -> bool:
        """Whether controllers came as upper and lower halves: both of the same one, again and again."""
        halves = [(event.port, event.channel, event.number) for event in self._of(Source.CC)]
        return any(
            halves.count((port, channel, number)) >= 2 and halves.count((port, channel, number + _LSB_OFFSET)) >= 2
            for port, channel, number in set(halves)
            if number < _LSB_OFFSET
        )


def _judged(track: Sequence[ControlEvent]) -> Control:
    example = track[-1]
    if example.source is Source.CC:
        values = [event.value for event in track]
        is_button = set(values) <= {0, 127}
        found = Guess(Encoding.ABSOLUTE, True) if is_button else guess(values)
        return Control(example, found, is_button, is_button and 0 in values and 127 in values)
    if example.source in _AT_ONCE:
        return Control(example, is_button=True, lets_go=example.source is Source.NOTE)
    ends = {0, example.top}
    is_button = example.source is Source.NRPN and not example.steps and {event.value for event in track} <= ends
    return Control(example, is_button=is_button, lets_go=is_button and len({event.value for event in track}) == 2)
