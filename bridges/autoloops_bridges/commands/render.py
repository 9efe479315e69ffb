"""``autoloops render``: what ``play`` plays, as a MIDI file and as fast as the model decodes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.commands.bundles import asked_parts, choose_bundles, default_parts
from autoloops_bridges.commands.words import (
    check_known_parts,
    check_midi_file,
    check_number,
    read_channels,
    read_models,
    read_parts,
)
from autoloops_bridges.control.vocabulary import MAX_INT
from autoloops_bridges.processes.options import assign_channels
from autoloops_engine.time.swing import MOST_PERCENT, STRAIGHT_PERCENT, Swing

SwingGrid = Literal["8", "16"]


def render(
    out: Annotated[
        Path, typer.Option(metavar="FILE.mid", dir_okay=False, callback=check_midi_file, help="The file to write.")
    ],
    parts: option.Parts = "",
    model: option.Model = None,
    bars: Annotated[int, typer.Option(min=1, max=100_000, help="How many bars.")] = 8,
    tempo: option.Tempo = 120.0,
    seed: option.Seed = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=4, callback=check_number, help="0: the likeliest notes. [default: the model's]"),
    ] = None,
    swing: Annotated[
        float, typer.Option(min=STRAIGHT_PERCENT, max=MOST_PERCENT, callback=check_number, help="Swing, in per cent.")
    ] = STRAIGHT_PERCENT,
    swing_grid: Annotated[SwingGrid, typer.Option(help="What swings: eighths or sixteenths.")] = "16",
    channel: option.Channel = None,
) -> None:
    """Write what play would play into a file.

    The notes are those of "autoloops play" with the same seed, tempo and models while no control is moved.
    """
    names, asked_models = asked_parts(read_parts(parts) if parts else (), read_models(model or ()))
    names = names or default_parts()
    asked_channels = read_channels(channel or ())
    check_known_parts(asked_channels, names, "--channel")
    check_known_parts(asked_models, names, "--model")
    channels, bundles = assign_channels(names, asked_channels), choose_bundles(names, asked_models)

    import secrets
    from dataclasses import replace

    from autoloops_bridges.commands.casts import open_cast
    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_engine.session import offline

    if seed is None:
        seed = secrets.randbelow(MAX_INT + 1)
    cast = open_cast(bundles, channels)
    setups = [part.setup for part in cast]
    if temperature is not None:
        setups = [replace(setup, temperature=temperature) for setup in setups]
    decoders = {part.setup.name: part.decoder for part in cast}
    notes = offline.render(setups, decoders, seed=seed, tempo_bpm=tempo, bars=bars, swing=Swing(swing, int(swing_grid)))
    write_atomically(out, to_midi(notes, channels, tempo, bars))
    typer.echo(f"{out}: {bars} bars, {len(notes)} notes, seed {seed}.")
