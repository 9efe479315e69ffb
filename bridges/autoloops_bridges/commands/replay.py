"""``autoloops replay``: what was played, again, from the record of a session."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.sessions import LAST, find_record
from autoloops_engine.errors import UsageError


def replay(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="A record by path or name; autoloops sessions lists them.")
    ] = LAST,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.mid", dir_okay=False, help="Write what sounded into a MIDI file.")
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode everything anew and tell which bars come out otherwise.")
    ] = False,
) -> None:
    """Bring a session back from its record: note for note, with its tempo."""
    from autoloops_bridges.commands.midifile import write_atomically
    from autoloops_bridges.record.lines import Opened, heard_in, read_lines
    from autoloops_bridges.record.replaying import notes_of, to_midi

    path = find_record(session)
    opened = next((line for line in read_lines(path) if isinstance(line, Opened)), None)
    if opened is None:
        raise UsageError(f"{path} is no record of a session; autoloops sessions lists those there are.")
    heard = heard_in(read_lines(path))
    channels = {part.name: part.channel for part in opened.parts}
    if out is not None:
        write_atomically(out, to_midi(heard, channels))
    typer.echo(f"{out or path}: {len(notes_of(heard))} notes, seed {opened.seed}.")
    if decode:
        from autoloops_bridges.record.decoding import decode_anew

        compared = decode_anew(path, opened)
        for difference in compared.differences:
            typer.echo(difference)
        typer.echo(f"{compared.bars} bars decoded anew, {len(compared.differences)} came out otherwise.")
        if compared.differences:
            raise typer.Exit(1)
