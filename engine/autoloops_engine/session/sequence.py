"""The sequence: loops and stretches that a performer collects while playing, one after the other, for a MIDI file."""

from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.session import sounding
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.takes import Entry, Sequence, Take, take_of_loop, take_of_stretch
from autoloops_engine.session.values import whole

MAX_ENTRIES: Final = 256
# It is written down whole whenever it changes, beside the music: 5 MB in 20 ms.
MAX_NOTES: Final = 200_000
# Of sixteen busy parts so many take 50 ms to gather; whole sets come from the record.
MAX_KEPT_BARS: Final = 128


def read(stage: Stage, target: Target) -> Values:
    """How many entries there are."""
    return (len(stage.sequence),)


def write(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Raises UsageError: it is not set but added to."""
    raise UsageError("The sequence grows by /al/sequence/add; /al/sequence/remove and /al/sequence/clear shorten it.")


def add(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Append the loops as they sound: of a part, or of all that are heard.

    Raises:
        UsageError: there is no such part, the sequence is full, or no loop was through yet.
    """
    parts = _meant(stage, values)
    loops = {part.name: part.past.loop(0) for part in parts}
    if not any(loops.values()):
        raise UsageError("No loop has sounded as a whole yet: let it play through once, then add it.")
    _append(stage, {part.name: take_of_loop(part.channel, loops[part.name]) for part in parts if loops[part.name]})
    missing = ", ".join(name for name, loop in loops.items() if not loop)
    if missing:
        stage.fail(
            "/al/sequence/add", f"Entry {len(stage.sequence)} is without {missing}: not yet through with the loop."
        )


def keep(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Append the latest bars as they sounded: of a part, or of all.

    Raises:
        UsageError: there is no such part, the sequence is full, or so many bars are not known.
    """
    bars = whole(values[:1], 1, MAX_KEPT_BARS)
    parts = _named(stage, values[1:]) or list(stage.parts.values())
    ends = {part.name: part.past.newest_bar for part in parts}
    known = [end for end in ends.values() if end is not None]
    # The others may be about to freeze what one has frozen already.
    last = min((end for end in known if end >= max(known) - 1), default=-1)
    first = last - bars + 1
    found = {part: part.past.stretch(first, last) for part in parts}
    reach = max((last + 1 - stretch[0].song_bar for stretch in found.values() if stretch), default=0)
    if reach < bars:
        raise UsageError(f"Only {reach} bars are known since the song began or jumped, not {bars}.")
    _append(
        stage,
        {part.name: take_of_stretch(part.channel, stretch, first, bars) for part, stretch in found.items() if stretch},
    )


def remove(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Take out an entry, counted from 1; the last one if none is named.

    Raises:
        UsageError: there is no such entry.
    """
    count = len(stage.sequence)
    if not count:
        raise UsageError("The sequence is empty.")
    at = whole(values, 1, count) if values else count
    _replace(stage, stage.sequence[: at - 1] + stage.sequence[at:])


def clear(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Take out all entries."""
    _replace(stage, ())


def _meant(stage: Stage, values: Values) -> list[PartSession]:
    return _named(stage, values) or [part for part in stage.parts.values() if not sounding.silent(stage, part)]


def _named(stage: Stage, values: Values) -> list[PartSession]:
    return [stage.part(str(name)) for name in values]


def _append(stage: Stage, takes: dict[str, Take]) -> None:
    if len(stage.sequence) >= MAX_ENTRIES:
        raise UsageError(f"The sequence holds {MAX_ENTRIES} entries at most: remove some, or save and clear it.")
    sequence = (*stage.sequence, Entry(stage.transport.song_tempo_bpm, takes))
    if sum(len(take.notes) for entry in sequence for take in entry.takes.values()) > MAX_NOTES:
        raise UsageError(f"The sequence holds {MAX_NOTES} notes at most: remove some entries, or save and clear it.")
    _replace(stage, sequence)


def _replace(stage: Stage, sequence: Sequence) -> None:
    stage.sequence = sequence
    stage.sequence_changed = True
    stage.touch(Target("sequence"))
