"""``autoloops replay``: what was played, again, from the record of a session."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.commands.sessions import LAST, find_record
from autoloops_bridges.commands.words import check_midi_file, check_number, read_latencies
from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.midi.names import NONE, VIRTUAL
from autoloops_bridges.processes.options import PlayOptions, Replay
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Heard
from autoloops_engine.units import US_PER_S

if TYPE_CHECKING:
    from autoloops_bridges.record.lines import Opened


def replay(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="A record by path or name; autoloops sessions lists them.")
    ] = LAST,
    midi_out: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|virtual", help="Port to play to. [default: virtual, unless --out or --decode is given]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mid", dir_okay=False, callback=check_midi_file, help="Write what sounded into a MIDI file."
        ),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode everything anew and tell which bars come out otherwise.")
    ] = False,
    first_bar: Annotated[
        int, typer.Option("--from", metavar="BAR", min=1, help="Begin with this bar, counted as they sounded.")
    ] = 1,
    bars: option.Bars = None,
    midi_api: option.MidiApi = None,
    latency: option.Latency = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0, max=600, callback=check_number, help="Seconds in which to connect a port of our own first."
        ),
    ] = 10.0,
) -> None:
    """Bring a session back from its record: note for note, with its tempo.

    It sounds on a MIDI port, each note at its time, or is written into a MIDI file (--out).
    """
    if midi_out == NONE:
        raise UsageError("There is nothing to hear on no port: name one with --midi-out, or a file with --out.")
    latencies_ms = read_latencies(latency or ())

    from autoloops_bridges.commands.midifile import write_atomically
    from autoloops_bridges.record.excerpt import excerpt
    from autoloops_bridges.record.lines import Opened, heard_in, read_lines
    from autoloops_bridges.record.replaying import notes_of, to_midi

    path = find_record(session)
    opened = next((line for line in read_lines(path) if isinstance(line, Opened)), None)
    if opened is None:
        raise UsageError(f"{path} is no record of a session; autoloops sessions lists those there are.")
    heard = excerpt(heard_in(read_lines(path)), first_bar, bars)
    if out is not None:
        write_atomically(out, to_midi(heard, {part.name: part.channel for part in opened.parts}))
    typer.echo(f"{out or path}: {len(notes_of(heard))} notes, {_length(heard)}, seed {opened.seed}.")
    if decode:
        _compare(path, opened)
    if midi_out is not None or (out is None and not decode):
        asked = Replay(record=str(path.resolve()), first_bar=first_bar, bars=bars, wait_s=wait)
        _play(asked, heard, midi_out or VIRTUAL, midi_api, latencies_ms)


def _play(
    asked: Replay, heard: Sequence[Heard], midi_out: str, midi_api: MidiApi | None, latencies_ms: dict[str, float]
) -> None:
    from autoloops_bridges.midi.latency import kept_latencies
    from autoloops_bridges.processes.launcher import launch

    if not heard:
        raise UsageError("Nothing sounded in this session: there is nothing to play.")
    options = PlayOptions(
        replay=asked,
        osc_port=0,
        midi_out=midi_out,
        midi_in=NONE,
        midi_api=midi_api,
        latencies_ms=kept_latencies().ports | latencies_ms,
        plain=True,
    )
    raise typer.Exit(launch(options))


def _compare(path: Path, opened: "Opened") -> None:
    from autoloops_bridges.record.decoding import decode_anew

    compared = decode_anew(path, opened)
    for difference in compared.differences:
        typer.echo(difference)
    typer.echo(f"{compared.bars} bars decoded anew, {len(compared.differences)} came out otherwise.")
    if compared.missed:
        typer.echo(f"{compared.missed} more had no decode in time when they were played, and are not compared.")
    if compared.differences:
        raise typer.Exit(1)


def _length(heard: Sequence[Heard]) -> str:
    minutes, seconds = divmod(round((heard[-1].at_us - heard[0].at_us) / US_PER_S) if heard else 0, 60)
    return f"{minutes}:{seconds:02}"
