"""``autoloops interpolate``: the loops between two MIDI files."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.bundles import choose_bundles
from autoloops_bridges.commands.words import check_midi_file, check_number
from autoloops_bridges.control.vocabulary import MAX_INT
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM


def interpolate(
    first: Annotated[Path, typer.Argument(metavar="A.mid", help="Where to start.")],
    last: Annotated[Path, typer.Argument(metavar="B.mid", help="Where to arrive.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE.mid", dir_okay=False, callback=check_midi_file, help="The file to write.")
    ],
    steps: Annotated[int, typer.Option(min=2, max=1_000, help="Loops to write, both ends included.")] = 8,
    part: Annotated[str, typer.Option(help="The part whose model is used.")] = "melody",
    model: Annotated[str, typer.Option(metavar="BUNDLE", help="Another model. [default: the part's]")] = "",
    tempo: Annotated[
        float | None,
        typer.Option(min=MIN_TEMPO_BPM, max=MAX_TEMPO_BPM, callback=check_number, help="[default: that of A.mid]"),
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=4, callback=check_number, help="0: always the likeliest notes.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_INT, help="Matters above temperature 0.")] = 0,
) -> None:
    """Write the loops from A to B into a file.

    The points of both files are joined by the way that a morph takes; its steps, both ends included, are decoded one
    after the other. A model that plays several parts reads and writes all of them.
    """
    reference = choose_bundles((part,), {part: model} if model else {})[part]

    from autoloops_bridges.commands.loops import decode_loop, encode_loop, record
    from autoloops_bridges.commands.midifile import to_midi, write_atomically
    from autoloops_bridges.processes.options import assign_channels
    from autoloops_engine.bundle.installed import split_reference
    from autoloops_engine.inference.onnx_decoder import open_decoder
    from autoloops_engine.inference.views import views_of
    from autoloops_engine.latent import latent_space
    from autoloops_engine.notes import Bar

    bundle, output = split_reference(reference)
    decoder = open_decoder(Path(bundle))
    views = views_of(decoder)
    # One that plays a single part plays it for whatever the part is called here.
    played = views if len(views) > 1 else {part: decoder}
    ends = []
    for path in (first, last):
        ends.append(encode_loop(decoder, path, output or part))
        for remark in ends[-1].remarks:
            typer.echo(f"{path.name}: {remark}", err=True)
    space = latent_space(decoder.manifest)
    bars: dict[str, list[Bar]] = {name: [] for name in played}
    for step in range(steps):
        z = space.between((ends[0].mu, ends[1].mu), step / (steps - 1)).astype("float32")
        for name, view in played.items():
            first_id = len(bars[name]) + 1
            bars[name].extend(decode_loop(view, z, first_id, seed=seed, temperature=temperature))
    tempo_bpm = tempo or min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, ends[0].tempo_bpm))
    notes = [note for name in played for note in record(name, bars[name])]
    length = steps * decoder.manifest.bars
    write_atomically(out, to_midi(notes, assign_channels(tuple(played), {}), tempo_bpm, length))
    typer.echo(f"{out}: {steps} loops, {length} bars.")
