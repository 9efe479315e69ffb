"""``autoloops sequence``: what was collected while playing, as a list or as one MIDI file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.commands.words import check_midi_file
from autoloops_engine.errors import UsageError

if TYPE_CHECKING:
    from autoloops_engine.session.takes import Sequence


def sequence(
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mid",
            dir_okay=False,
            callback=check_midi_file,
            help="Write the entries there, one after the other.",
        ),
    ] = None,
    entry: Annotated[int | None, typer.Option(min=1, help="This entry alone.")] = None,
    slots: option.SlotsRead = None,
) -> None:
    """List what was collected with /al/sequence/add, or write it as one MIDI file."""
    from autoloops_bridges.record.slots_file import existing_slots, read_sequence
    from autoloops_engine.codecs.midifile import counted

    entries = read_sequence(existing_slots(slots))
    if entry is not None and entry > len(entries):
        raise UsageError(f"There is no entry {entry}: the sequence has {len(entries)}.")
    if not entries:
        typer.echo("The sequence is empty: add to it with /al/sequence/add while you play.")
        if out is not None:
            raise typer.Exit(1)
    for number, each in enumerate(entries, 1):
        if entry in {None, number}:
            length = counted(each.bars, "bar")
            typer.echo(f"entry {number}: {', '.join(each.takes)}, {length}, {each.tempo_bpm:g} BPM")
    if out is not None:
        typer.echo(_write(out, entries if entry is None else entries[entry - 1 : entry]))


def _write(path: Path, entries: "Sequence") -> str:
    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_engine.codecs.midifile import counted
    from autoloops_engine.session.recording import RecordedNote
    from autoloops_engine.session.takes import laid_out
    from autoloops_engine.units import BAR_UB

    notes: list[RecordedNote] = []
    channels: dict[str, int] = {}
    changes: list[tuple[int, float]] = []
    bars, tempo_bpm = 0, entries[0].tempo_bpm
    for each in entries:
        played = laid_out(each.takes, each.bars)
        notes += [note._replace(start_ub=bars * BAR_UB + note.start_ub) for note in played]
        channels |= {part: take.channel for part, take in each.takes.items()}
        if each.tempo_bpm != (changes[-1][1] if changes else tempo_bpm):
            changes.append((bars, each.tempo_bpm))
        bars += each.bars
    write_atomically(path, to_midi(notes, channels, tempo_bpm, bars, changes))
    return f"{path}: {counted(bars, 'bar')}, {counted(len(notes), 'note')}."
