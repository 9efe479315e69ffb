"""What was played, as whole notes: the frozen bars of a performance with their ties joined."""

from collections.abc import Iterable
from typing import NamedTuple

from autoloops_engine.messages import Frozen
from autoloops_engine.units import BAR_UB


class RecordedNote(NamedTuple):
    """A note as it was heard.

    Attributes:
        part: The part that played it.
        start_ub: Onset, in micro-beats from the start of bar 1.
        duration_ub: Length in micro-beats, ties joined.
        pitch: MIDI note number.
        velocity: MIDI velocity.
    """

    part: str
    start_ub: int
    duration_ub: int
    pitch: int
    velocity: int


class _Open(NamedTuple):
    """A note that may still be tied on at ``line_ub``."""

    place: int
    line_ub: int


class Recorder:
    """Joins the bars of a performance, in the order in which they were frozen."""

    def __init__(self) -> None:
        self._notes: dict[str, list[RecordedNote]] = {}
        self._open: dict[tuple[str, int], _Open] = {}
        self._sounding: dict[str, tuple[int, int]] = {}

    def add(self, frozen: Frozen) -> None:
        """Take in a bar; a splice replaces what was recorded of its bar from ``from_ub`` on."""
        part, line_ub = frozen.part, frozen.song_bar * BAR_UB
        self._notes.setdefault(part, [])
        before = self._sounding.get(part)
        tied = before == (frozen.song_bar - 1, frozen.bar.after_id)
        if frozen.origin == "splice":
            self._cut(part, line_ub + frozen.from_ub)
            tied = tied or frozen.from_ub > 0
        notes = self._notes[part]
        if not frozen.muted:
            for tie in frozen.bar.ties:
                opened = self._open.pop((part, tie.pitch), None)
                if tied and opened is not None and opened.line_ub == line_ub + frozen.from_ub:
                    begun = notes[opened.place]
                    notes[opened.place] = begun._replace(duration_ub=line_ub + tie.duration_ub - begun.start_ub)
                    if tie.held:
                        self._open[part, tie.pitch] = _Open(opened.place, line_ub + BAR_UB)
            for note in frozen.bar.notes:
                if note.held:
                    self._open[part, note.pitch] = _Open(len(notes), line_ub + BAR_UB)
                notes.append(RecordedNote(part, line_ub + note.start_ub, note.duration_ub, note.pitch, note.velocity))
        self._sounding[part] = (frozen.song_bar, frozen.bar.id)

    def notes(self) -> tuple[RecordedNote, ...]:
        """All notes, by onset, then part, then pitch."""
        every: Iterable[RecordedNote] = (note for notes in self._notes.values() for note in notes)
        return tuple(sorted(every, key=lambda note: (note.start_ub, note.part, note.pitch)))

    def _cut(self, part: str, at_ub: int) -> None:
        kept: list[RecordedNote] = []
        for note in self._notes[part]:
            if note.start_ub >= at_ub:
                continue
            if note.start_ub + note.duration_ub > at_ub:
                note = note._replace(duration_ub=at_ub - note.start_ub)
                self._open[part, note.pitch] = _Open(len(kept), at_ub)
            kept.append(note)
        self._notes[part] = kept
