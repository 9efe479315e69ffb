"""``autoloops slots``: what the slots hold, as a list or as a MIDI file each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.commands.words import check_number
from autoloops_bridges.record.slots_file import existing_slots, read_slots
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.session.state import Stored
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

if TYPE_CHECKING:
    from autoloops_engine.session.takes import Take

DEFAULT_TEMPO_BPM: Final = 120.0


def slots(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Write every slot there as slot-N.mid, a track a part."),
    ] = None,
    file: option.SlotsRead = None,
    tempo: Annotated[
        float | None,
        typer.Option(
            min=MIN_TEMPO_BPM,
            max=MAX_TEMPO_BPM,
            callback=check_number,
            help="Beats per minute. [default: as when it was stored, else 120]",
        ),
    ] = None,
) -> None:
    """List what the slots hold, or write their loops as MIDI files."""
    held = read_slots(existing_slots(file))
    if not held:
        typer.echo("All slots are empty: store something with /al/store/1 while you play.")
    if held and out is not None:
        _make_folder(out)
    failed = 0
    for number, parts in sorted(held.items()):
        typer.echo(f"slot {number}: " + ", ".join(f"{part} ({stored.model})" for part, stored in parts.items()))
        if out is not None:
            try:
                typer.echo(f"  {_write(out / f'slot-{number}.mid', parts, tempo)}")
            except AutoLoopsError as error:
                failed += 1
                typer.echo(f"  {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _make_folder(folder: Path) -> None:
    from autoloops_bridges.commands.midifile import written_at

    with written_at(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, parts: dict[str, Stored], asked_bpm: float | None) -> str:
    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_engine.session.takes import laid_out

    takes = {part: stored.take for part, stored in parts.items() if stored.take is not None}
    takes |= _decoded({part: stored for part, stored in parts.items() if part not in takes})
    takes = {part: takes[part] for part in parts}
    bars = max(take.bars for take in takes.values())
    tempos_bpm = [stored.tempo_bpm for stored in parts.values() if stored.tempo_bpm is not None]
    tempo_bpm = asked_bpm or (tempos_bpm or [DEFAULT_TEMPO_BPM])[-1]
    notes = laid_out(takes, bars)
    write_atomically(path, to_midi(notes, {part: take.channel for part, take in takes.items()}, tempo_bpm, bars))
    return f"{path}: {bars} bars, {len(notes)} notes, {tempo_bpm:g} BPM."


def _decoded(parts: dict[str, Stored]) -> "dict[str, Take]":
    """What was stored before it sounded, as it would have: each part by itself, keeping to its scale and chords."""
    if not parts:
        return {}
    from autoloops_bridges.commands.bundles import choose_bundles
    from autoloops_bridges.commands.casts import open_cast
    from autoloops_bridges.processes.options import assign_channels
    from autoloops_engine.session import offline
    from autoloops_engine.session.core import Session
    from autoloops_engine.session.surface import Target
    from autoloops_engine.session.takes import Take, taken

    channels = assign_channels(tuple(parts), {})
    cast = open_cast(choose_bundles(tuple(parts), {part: stored.model for part, stored in parts.items()}), channels)
    takes = {}
    for each in cast:
        part, stored = each.setup.name, parts[each.setup.name]
        session = Session([each.setup], 0, DEFAULT_TEMPO_BPM)
        session.set(Target("scale"), tuple(stored.scale.split()), 0)
        session.set(Target("chords"), (stored.chords,), 0)
        session.restore_slots({1: {part: stored}})
        session.act(Target("slot", part, 1), (), 0)
        notes = offline.perform(session, {part: each.decoder}, DEFAULT_TEMPO_BPM, each.setup.bars)
        takes[part] = Take(channels[part], each.setup.bars, taken(notes))
    return takes
