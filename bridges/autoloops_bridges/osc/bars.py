"""Bars ahead of their sounding, as messages of at most 1.4 kB. Pure."""

from typing import Final

from autoloops_bridges.osc import codec
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Note
from autoloops_engine.units import BEATS_PER_BAR, UB_PER_BEAT

# A note takes five type tags and five values of four bytes; the rest of 1,400 bytes holds address and head.
MAX_NOTES: Final = 48


def bar_messages(frozen: Frozen) -> list[bytes]:
    """The announcement of a bar: one message, or parts numbered in the address if it is too long for a packet."""
    notes = frozen.bar.notes
    start_beat = float(frozen.song_bar * BEATS_PER_BAR)
    head = (frozen.song_bar + 1, start_beat)
    chunks = [notes[at : at + MAX_NOTES] for at in range(0, len(notes), MAX_NOTES)] or [()]
    messages = []
    for index, chunk in enumerate(chunks, start=1):
        suffix = f"/{index}/{len(chunks)}" if len(chunks) > 1 else ""
        flat = [value for note in chunk for value in _tuple(note, start_beat, frozen.muted)]
        messages.append(codec.encode(f"/al/{frozen.part}/bar{suffix}", (*head, *flat)))
    return messages


def _tuple(note: Note, start_beat: float, muted: bool) -> tuple[int | float, ...]:
    start = start_beat + note.start_ub / UB_PER_BEAT
    return (note.pitch, start, note.duration_ub / UB_PER_BEAT, note.velocity, int(muted))
