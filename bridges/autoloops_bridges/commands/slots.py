"""``autoloops slots``: what the slots hold, as a list or as a MIDI file each."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.record.slots_file import default_slots_path, read_slots
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.session.state import Stored


def slots(
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Write every slot there as slot-N.mid, a track a part."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--slots", metavar="FILE", dir_okay=False, help="The slots to read. [default: the user's]"),
    ] = None,
    tempo: option.Tempo = 120.0,
) -> None:
    """List what the slots hold, or write their loops as MIDI files."""
    path = file or default_slots_path()
    held, remark = read_slots(path)
    if remark:
        raise AutoLoopsError(remark)
    if not held:
        typer.echo("All slots are empty: store something with /al/store/1 while you play.")
    failed = 0
    for number, parts in sorted(held.items()):
        typer.echo(f"slot {number}: " + ", ".join(f"{part} ({stored.model})" for part, stored in parts.items()))
        if out is not None:
            try:
                typer.echo(f"  {_write(out / f'slot-{number}.mid', number, parts, tempo)}")
            except AutoLoopsError as error:
                failed += 1
                typer.echo(f"  {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _write(path: Path, number: int, parts: dict[str, Stored], tempo_bpm: float) -> str:
    from autoloops_bridges.commands.bundles import choose_bundles
    from autoloops_bridges.commands.casts import open_cast
    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_bridges.processes.options import assign_channels
    from autoloops_engine.session import offline
    from autoloops_engine.session.core import Session
    from autoloops_engine.session.surface import Target

    names = tuple(parts)
    channels = assign_channels(names, {})
    bundles = choose_bundles(names, {part: stored.model for part, stored in parts.items()})
    cast = open_cast(bundles, channels)
    session = Session([part.setup for part in cast], 0, tempo_bpm)
    session.restore_slots({number: parts})
    session.act(Target("slot", "", number), (), 0)
    bars = max(part.setup.bars for part in cast)
    notes = offline.perform(session, {part.setup.name: part.decoder for part in cast}, tempo_bpm, bars)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_midi(notes, channels, tempo_bpm, bars))
    return f"{path}: {bars} bars, {len(notes)} notes."
