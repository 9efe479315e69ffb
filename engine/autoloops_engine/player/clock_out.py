"""Leading others with a MIDI clock: ticks, Start, Stop, Continue and Song Position, as events like any other. Pure."""

from typing import Final

from autoloops_engine.player.events import Event, Kind
from autoloops_engine.sync.midi_transport import TICKS_PER_STEP, Word
from autoloops_engine.time.songline import SongLine
from autoloops_engine.units import NS_PER_US, STEP_UB, TICKS_PER_BEAT, UB_PER_BEAT, US_PER_MS, US_PER_S

# What a follower needs between Start and the clock that is beat 0 (MIDI 1.0 Detailed Specification 4.2.1, "Start").
_BEFORE_FIRST_US: Final = US_PER_MS
# A Song Position Pointer has fourteen bits; beyond a thousand bars followers count on by themselves.
_LAST_STEP: Final = (1 << 14) - 1
# Ticks that are overdue by more are left out: the process stood still.
_OVERDUE_US: Final = US_PER_S
_STOP: Final = (Kind.CLOCK, Word.STOP.value)


class ClockOut:
    """One port's clock. It ticks while stopped too, so that followers know the tempo.

    Thread: the owner's only. Blocks: never.

    Args:
        lead_us: How far ahead the sink wants its events.
    """

    def __init__(self, lead_us: int) -> None:
        self.lead_us = lead_us
        self._running = False
        # The tick that a running follower expects next, by its position in the song.
        self._next_tick = 0
        # What to say before that tick: whether to stop first, the place, and Start or Continue.
        self._words: list[tuple[Kind, int]] = []
        self._idle_us: int | None = None
        self._said_us = 0
        self._served_us = 0

    def roll(self, position_ub: int, *, anew: bool) -> None:
        """Time runs from a position on; ``anew``: followers may be anywhere, and running."""
        step, tick = -(-position_ub // STEP_UB), -(-position_ub * TICKS_PER_BEAT // UB_PER_BEAT)
        stop = [_STOP] if anew or _STOP in self._words else []
        if position_ub == 0:
            self._next_tick = 0
            self._words = [*stop, (Kind.CLOCK, Word.START.value)]
        elif tick == self._next_tick and not anew:
            self._words.append((Kind.CLOCK, Word.CONTINUE.value))
        else:
            # They go on with the first clock after it, so that has to be the sixteenth that is named.
            self._next_tick = step * TICKS_PER_STEP
            self._words = [*stop, *_place(step), (Kind.CLOCK, Word.CONTINUE.value)]
        self._running = True

    def halt(self, line: SongLine, now_us: int) -> list[Event]:
        """Time stops; the clock goes on ticking in step."""
        if not self._running:
            return []
        self._running = False
        at_us = max(now_us, self._served_us)
        if self._words:
            # They were told nothing yet of what begins.
            self._words = [word for word in self._words if word == _STOP]
            return []
        self._idle_us = line.time_of(_position_ub(self._next_tick))
        if self._idle_us <= at_us:
            self._idle_us += _tick_us(line)
        return [_event(*_STOP, at_us)]

    def locate(self, position_ub: int) -> None:
        """Go to a position while stopped."""
        step = -(-position_ub // STEP_UB)
        self._next_tick = step * TICKS_PER_STEP
        self._words = [word for word in self._words if word == _STOP] + _place(step)

    def serve(self, line: SongLine, now_us: int) -> list[Event]:
        """What is due up to ``now_us`` plus the lead, in order of time."""
        horizon_us = now_us + self.lead_us
        if not self._running:
            events = [_event(kind, number, max(now_us, self._served_us)) for kind, number in self._words]
            self._words = []
            events += self._idle(line, now_us, horizon_us)
        elif self._words:
            events = self._first_words(line, now_us, horizon_us)
        else:
            events = self._ticks(line, now_us, horizon_us)
        self._served_us = max(self._served_us, horizon_us)
        return events

    def next_deadline_us(self, line: SongLine) -> int:
        """When it is to be served next."""
        if self._running and not self._words:
            return line.time_of(_position_ub(self._next_tick)) - self.lead_us
        if self._idle_us is None or (self._words and not self._running):
            return self._served_us - self.lead_us
        idle_us = self._idle_us - self.lead_us
        return min(idle_us, self._words_us(line) - self.lead_us) if self._words else idle_us

    def _words_us(self, line: SongLine) -> int:
        return max(self._served_us, line.time_of(_position_ub(self._next_tick)) - _BEFORE_FIRST_US)

    def _first_words(self, line: SongLine, now_us: int, horizon_us: int) -> list[Event]:
        """The clock ticks on until the words are due, and then counts."""
        words_us = self._words_us(line)
        events = self._idle(line, now_us, min(horizon_us, words_us - 1))
        if words_us > horizon_us:
            return events
        events += [_event(kind, number, words_us) for kind, number in self._words]
        self._words, self._said_us, self._idle_us = [], words_us, None
        return events + self._ticks(line, now_us, horizon_us)

    def _ticks(self, line: SongLine, now_us: int, horizon_us: int) -> list[Event]:
        events = []
        while (at_us := line.time_of(_position_ub(self._next_tick))) <= horizon_us:
            if at_us > now_us - _OVERDUE_US:
                # Of a start that comes late, the first clock is late as well.
                events.append(_event(Kind.CLOCK, Word.CLOCK.value, max(at_us, self._said_us)))
            self._next_tick += 1
        return events

    def _idle(self, line: SongLine, now_us: int, until_us: int) -> list[Event]:
        if self._idle_us is None or self._idle_us < now_us - _OVERDUE_US:
            self._idle_us = now_us + self.lead_us
        events = []
        while self._idle_us <= until_us:
            events.append(_event(Kind.CLOCK, Word.CLOCK.value, self._idle_us))
            self._idle_us += _tick_us(line)
        return events


class ClockOuts:
    """The clocks of all ports that lead. Thread: the owner's only. Blocks: never."""

    def __init__(self) -> None:
        self._clocks: dict[str, ClockOut] = {}

    @property
    def lead_us(self) -> int:
        """How far ahead any of them wants its events."""
        return max((clock.lead_us for clock in self._clocks.values()), default=0)

    def attach(self, key: str, lead_us: int) -> ClockOut:
        """Lead on another port."""
        self._clocks[key] = ClockOut(lead_us)
        return self._clocks[key]

    def detach(self, key: str) -> None:
        """Lead on a port no more; unknown ones are passed over."""
        self._clocks.pop(key, None)

    def roll(self, position_ub: int, *, anew: bool = False) -> None:
        """See ``ClockOut.roll``."""
        for clock in self._clocks.values():
            clock.roll(position_ub, anew=anew)

    def locate(self, position_ub: int) -> None:
        """See ``ClockOut.locate``."""
        for clock in self._clocks.values():
            clock.locate(position_ub)

    def halt(self, line: SongLine, now_us: int) -> list[tuple[str, Event]]:
        """What each port is told; see ``ClockOut.halt``."""
        return [(key, event) for key, clock in self._clocks.items() for event in clock.halt(line, now_us)]

    def serve(self, line: SongLine, now_us: int) -> list[tuple[str, Event]]:
        """What each port is told; see ``ClockOut.serve``."""
        return [(key, event) for key, clock in self._clocks.items() for event in clock.serve(line, now_us)]

    def next_deadline_us(self, line: SongLine) -> int | None:
        """When they are to be served next; None: there are none."""
        return min((clock.next_deadline_us(line) for clock in self._clocks.values()), default=None)


def _place(step: int) -> list[tuple[Kind, int]]:
    return [(Kind.POSITION, step)] if step <= _LAST_STEP else []


def _event(kind: Kind, number: int, at_us: int) -> Event:
    return Event(at_us, kind, "", 0, number)


def _position_ub(tick: int) -> int:
    return tick * UB_PER_BEAT // TICKS_PER_BEAT


def _tick_us(line: SongLine) -> int:
    return line.line.ns_per_beat // (NS_PER_US * TICKS_PER_BEAT)
