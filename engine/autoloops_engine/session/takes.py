"""Takes: what a part played, as the notes that sounded, for slots and the sequence to export."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from autoloops_engine.messages import Frozen
from autoloops_engine.session.past import REMEMBERED_BARS, PastBar
from autoloops_engine.session.recording import RecordedNote, Recorder
from autoloops_engine.units import BAR_UB

_END_UB: Final = (REMEMBERED_BARS + 1) * BAR_UB

Channel = Annotated[int, Meta(ge=1, le=16)]
# Of the song, which half and double time divide and multiply; a MIDI file cannot tell slower ones.
TempoBpm = Annotated[float, Meta(ge=4, le=4_000)]


class TakenNote(Struct, frozen=True, array_like=True):
    """A note as it sounded, ties joined; see ``RecordedNote``. It lies in files: ranges are checked."""

    start_ub: Annotated[int, Meta(ge=-BAR_UB, le=_END_UB)]
    duration_ub: Annotated[int, Meta(ge=0, le=_END_UB)]
    pitch: Annotated[int, Meta(ge=0, le=127)]
    velocity: Annotated[int, Meta(ge=1, le=127)]


class Take(Struct, frozen=True):
    """Some bars of a part as they sounded, without swing.

    Attributes:
        channel: MIDI channel that it played to.
        bars: How many.
        notes: By onset from the first bar line; early microtiming may lie before it.
    """

    channel: Channel
    bars: Annotated[int, Meta(ge=1, le=REMEMBERED_BARS)]
    notes: tuple[TakenNote, ...]


class Entry(Struct, frozen=True):
    """What parts played together.

    Attributes:
        tempo_bpm: The tempo of the song then.
        takes: By part, in order; never empty. One that is shorter than another is repeated.
    """

    tempo_bpm: TempoBpm
    takes: dict[str, Take]

    @property
    def bars(self) -> int:
        """How long it is."""
        return max(take.bars for take in self.takes.values())


# The entries in order.
Sequence = tuple[Entry, ...]


def take_of_loop(channel: int, loop: tuple[PastBar, ...]) -> Take:
    """A loop as it sounded, muted or not.

    Args:
        channel: MIDI channel that it played to.
        loop: Its bars, bar 0 first, maybe not all of one pass.
    """
    frozen = [
        # What is tied on is tied to this loop's bar before, of whichever pass it is.
        replace(each, song_bar=at, muted=False, bar=replace(each.bar, id=at + 1, after_id=at))
        for at, bar in enumerate(loop)
        for each in bar.frozen
    ]
    return Take(channel, len(loop), _notes(frozen))


def take_of_stretch(channel: int, stretch: Iterable[PastBar], first_bar: int, bars: int) -> Take:
    """A stretch of the song as it sounded, silent where the part was muted or not there.

    Args:
        channel: MIDI channel that it played to.
        stretch: The bars that are known of it, in order.
        first_bar: The song bar that it begins with.
        bars: How many bars it has.
    """
    frozen = [replace(each, song_bar=each.song_bar - first_bar) for bar in stretch for each in bar.frozen]
    return Take(channel, bars, _notes(frozen))


def laid_out(takes: Mapping[str, Take], bars: int) -> list[RecordedNote]:
    """What parts play together in so many bars: each its take, again and again, and what is left over cut off."""
    end_ub = bars * BAR_UB
    notes: list[RecordedNote] = []
    for part, take in takes.items():
        for first_bar in range(0, bars, take.bars):
            for note in take.notes:
                start_ub = first_bar * BAR_UB + note.start_ub
                if start_ub < end_ub:
                    duration_ub = min(note.duration_ub, end_ub - start_ub)
                    notes.append(RecordedNote(part, start_ub, duration_ub, note.pitch, note.velocity))
    return notes


def taken(notes: Iterable[RecordedNote]) -> tuple[TakenNote, ...]:
    """Recorded notes of a part as those of a take."""
    return tuple(TakenNote(note.start_ub, note.duration_ub, note.pitch, note.velocity) for note in notes)


def _notes(frozen: Iterable[Frozen]) -> tuple[TakenNote, ...]:
    recorder = Recorder()
    for each in frozen:
        recorder.add(each)
    return taken(recorder.notes())
