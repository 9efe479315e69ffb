"""``autoloops render``: what ``play`` plays, as a MIDI file and as fast as the model decodes."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.bundles import choose_bundles, default_parts
from autoloops_bridges.commands.words import check_known_parts, check_number, read_channels, read_models, read_parts
from autoloops_bridges.control.vocabulary import MAX_INT
from autoloops_bridges.processes.options import assign_channels
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM


def render(
    out: Annotated[Path, typer.Option(metavar="FILE.mid", dir_okay=False, help="The file to write.")],
    parts: Annotated[str, typer.Option(help="Parts to play, between commas. [default: those with a model]")] = "",
    model: Annotated[list[str] | None, typer.Option(metavar="PART=BUNDLE", help="Model of a part; repeatable.")] = None,
    bars: Annotated[int, typer.Option(min=1, max=100_000, help="How many bars.")] = 8,
    tempo: Annotated[
        float, typer.Option(min=MIN_TEMPO_BPM, max=MAX_TEMPO_BPM, callback=check_number, help="Beats per minute.")
    ] = 120.0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_INT, help="Seed of the parts. [default: a new one]")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=4, callback=check_number, help="0: the likeliest notes. [default: the model's]"),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=N", help="MIDI channel; repeatable. [default: melody=1 bass=2 drums=10]"),
    ] = None,
) -> None:
    """Write what play would play into a file.

    The notes are those of "autoloops play" with the same seed, tempo and models while no control is moved.
    """
    names = read_parts(parts) if parts else default_parts()
    asked_channels, asked_models = read_channels(channel or ()), read_models(model or ())
    check_known_parts(asked_channels, names, "--channel")
    check_known_parts(asked_models, names, "--model")
    channels, bundles = assign_channels(names, asked_channels), choose_bundles(names, asked_models)

    import secrets

    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_engine.codecs.registry import codec_named
    from autoloops_engine.inference.onnx_decoder import open_decoder
    from autoloops_engine.latent import latent_space
    from autoloops_engine.session import offline
    from autoloops_engine.session.settings import PartSetup

    if seed is None:
        seed = secrets.randbelow(MAX_INT + 1)
    decoders = {part: open_decoder(path) for part, path in bundles.items()}
    setups = []
    for part, decoder in decoders.items():
        manifest = decoder.manifest
        warmth = manifest.sampling.temperature if temperature is None else temperature
        codec = codec_named(manifest.outputs[0].codec)
        setups.append(PartSetup(part, channels[part], latent_space(manifest), manifest.bars, warmth, codec))
    notes = offline.render(setups, decoders, seed=seed, tempo_bpm=tempo, bars=bars)
    write_atomically(out, to_midi(notes, channels, tempo, bars))
    typer.echo(f"{out}: {bars} bars, {len(notes)} notes, seed {seed}.")
