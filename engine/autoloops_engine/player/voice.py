"""One part on one outlet: what is still to come, what sounds, and how the one becomes the other."""

import heapq
from collections.abc import Callable, Iterable
from typing import NamedTuple

from autoloops_engine.notes import Bar, Note, Tie
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.feel import Feel
from autoloops_engine.units import BAR_UB


class _On(NamedTuple):
    song_bar: int
    note: Note


class _Off(NamedTuple):
    pitch: int
    serial: int
    held: bool


class _Cut(NamedTuple):
    ties: dict[int, Tie]
    line_ub: int


class _Pending(NamedTuple):
    """Sorted by position, then by kind, then by arrival."""

    at_ub: int
    kind: Kind
    serial: int
    action: _On | _Off | _Cut


class _Moment(NamedTuple):
    """Where and when something is handed out."""

    at_ub: int
    at_us: int
    feel: Feel


class _Sounding(NamedTuple):
    serial: int
    channel: int
    since_us: int


class Voice:
    """Turns the bars of one part into events for one outlet.

    Positions are micro-beats and become times only when an event is handed out, so a change of tempo moves whatever
    was not handed out yet, and nothing else.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._pending: list[_Pending] = []
        self._sounding: dict[int, _Sounding] = {}
        self._ties: dict[int, dict[int, Tie]] = {}
        self._serial = 0

    def add_bar(self, song_bar: int, bar: Bar, ties: Iterable[Tie], from_ub: int) -> None:
        """Line up a frozen bar.

        Args:
            song_bar: Where it sounds.
            bar: Its notes.
            ties: Those of its ties that hold.
            from_ub: Notes before this position are left out, in micro-beats from the start of bar 1.
        """
        line_ub = song_bar * BAR_UB
        # Only what is still to come can end at a bar line and be tied there.
        oldest_ub = min(line_ub, self._pending[0].at_ub) if self._pending else line_ub
        self._ties = {at: old for at, old in self._ties.items() if at >= oldest_ub}
        self._ties[line_ub] = {tie.pitch: tie for tie in ties}
        for note in bar.notes:
            if line_ub + note.start_ub >= from_ub:
                self._push(line_ub + note.start_ub, Kind.ON, _On(song_bar, note))

    def splice(self, song_bar: int, bar: Bar, ties: Iterable[Tie], splice_ub: int, from_ub: int) -> None:
        """Replace the rest of a bar.

        Args:
            song_bar: The bar that was lined up before.
            bar: The notes that take over.
            ties: Those of its ties that hold; their lengths count from the bar line, as ever.
            splice_ub: The position it was made for, in micro-beats from the start of bar 1.
            from_ub: The position from which it can still take over.
        """
        kept = [
            entry
            for entry in self._pending
            if not (isinstance(entry.action, _On) and entry.action.song_bar == song_bar and entry.at_ub >= from_ub)
        ]
        self._pending = kept
        heapq.heapify(self._pending)
        line_ub = song_bar * BAR_UB
        if splice_ub == line_ub and from_ub <= line_ub:
            # Nothing of the bar has sounded: its bar line decides about held notes as ever.
            self.add_bar(song_bar, bar, ties, from_ub)
            return
        self._push(from_ub, Kind.TIE, _Cut({tie.pitch: tie for tie in ties}, line_ub))
        for note in bar.notes:
            if line_ub + note.start_ub >= from_ub:
                self._push(line_ub + note.start_ub, Kind.ON, _On(song_bar, note))

    @property
    def sounds(self) -> bool:
        """Whether a note of it has still to be ended."""
        return bool(self._sounding)

    def next_event(self) -> tuple[int, Kind] | None:
        """Where the next event lies and what it is, if there is one."""
        return self._pending[0][:2] if self._pending else None

    def emit(
        self, feel: Feel, due: Callable[[int, Kind], bool], not_before_us: int, channel: int, *, muted: bool
    ) -> list[Event]:
        """The events that are due.

        Args:
            feel: Turns written positions into times.
            due: Told a position and a kind, answers whether such an event is to be handed out by now.
            not_before_us: What a change has put earlier than this comes at this time.
            channel: MIDI channel for new notes, 1 to 16.
            muted: Whether new notes are left out.
        """
        events: list[Event] = []
        while self._pending and due(self._pending[0].at_ub, self._pending[0].kind):
            at_ub, _, _, action = heapq.heappop(self._pending)
            moment = _Moment(at_ub, max(feel.time_of(at_ub), not_before_us), feel)
            match action:
                case _On(note=note) if not muted:
                    self._attack(events, note, moment, channel)
                case _Off():
                    self._release(events, action, moment)
                case _Cut():
                    self._cut(events, action, moment)
        return events

    def end_sounding(self, at_us: int) -> list[Event]:
        """End whatever sounds, not before it began; what is lined up stays."""
        return [self._end(pitch, at_us, early=True) for pitch in list(self._sounding)]

    def clear(self) -> None:
        """Forget what is lined up; what sounds must have been ended."""
        self._pending.clear()
        self._ties.clear()

    def _push(self, at_ub: int, kind: Kind, action: _On | _Off | _Cut) -> int:
        self._serial += 1
        heapq.heappush(self._pending, _Pending(at_ub, kind, self._serial, action))
        return self._serial

    def _attack(self, events: list[Event], note: Note, moment: _Moment, channel: int) -> None:
        at_ub, at_us, feel = moment
        sounding = self._sounding.get(note.pitch)
        if sounding is not None:
            if sounding.since_us >= at_us:
                # Struck twice at one instant: once is all that can be heard.
                return
            # A tie at this very instant is overtaken by the new attack.
            events[:] = [e for e in events if not (e.kind == Kind.TIE and e.number == note.pitch and e.at_us == at_us)]
            events.append(self._end(note.pitch, at_us, early=True))
        self._serial += 1
        self._sounding[note.pitch] = _Sounding(self._serial, channel, at_us)
        off = _Off(note.pitch, self._serial, note.held)
        heapq.heappush(self._pending, _Pending(at_ub + note.duration_ub, Kind.OFF, self._serial, off))
        events.append(
            Event(
                at_us,
                Kind.ON,
                self._part,
                channel,
                note.pitch,
                velocity=note.velocity,
                length_ub=feel.length_ub(at_ub, at_ub + note.duration_ub),
            )
        )

    def _release(self, events: list[Event], off: _Off, moment: _Moment) -> None:
        sounding = self._sounding.get(off.pitch)
        if sounding is None or sounding.serial != off.serial:
            return
        tie = self._ties.get(moment.at_ub, {}).get(off.pitch) if off.held else None
        if tie is None or tie.duration_ub <= 0:
            events.append(self._end(off.pitch, moment.at_us, early=False))
        else:
            self._hold(events, tie, moment, moment.at_ub + tie.duration_ub)

    def _cut(self, events: list[Event], cut: _Cut, moment: _Moment) -> None:
        for pitch in list(self._sounding):
            tie = cut.ties.get(pitch)
            if tie is None or cut.line_ub + tie.duration_ub <= moment.at_ub:
                events.append(self._end(pitch, moment.at_us, early=True))
            else:
                self._hold(events, tie, moment, cut.line_ub + tie.duration_ub)

    def _hold(self, events: list[Event], tie: Tie, moment: _Moment, end_ub: int) -> None:
        sounding = self._sounding[tie.pitch]
        self._serial += 1
        self._sounding[tie.pitch] = sounding._replace(serial=self._serial)
        off = _Off(tie.pitch, self._serial, tie.held)
        heapq.heappush(self._pending, _Pending(end_ub, Kind.OFF, self._serial, off))
        events.append(
            Event(
                moment.at_us,
                Kind.TIE,
                self._part,
                sounding.channel,
                tie.pitch,
                length_ub=moment.feel.length_ub(moment.at_ub, end_ub),
            )
        )

    def _end(self, pitch: int, at_us: int, *, early: bool) -> Event:
        sounding = self._sounding.pop(pitch)
        # A change of tempo or a stop must not end a note before the moment at which it was sent to begin.
        at_us = max(at_us, sounding.since_us + 1)
        return Event(at_us, Kind.OFF, self._part, sounding.channel, pitch, early=early)
