"""``autoloops encode``: a MIDI file's loop as a latent point."""

from pathlib import Path
from typing import Annotated

import typer

from autoloops_bridges.commands.bundles import choose_bundles


def encode(
    file: Annotated[Path, typer.Argument(help="A standard MIDI file.")],
    part: Annotated[str, typer.Option(help="The part whose model encodes it.")] = "melody",
    model: Annotated[str, typer.Option(metavar="BUNDLE", help="Another model. [default: the part's]")] = "",
    track: Annotated[int | None, typer.Option(min=1, help="Track to read. [default: the likeliest tune]")] = None,
    loop: Annotated[int, typer.Option(min=1, help="Which loop of the file.")] = 1,
) -> None:
    """Print a MIDI file as a latent point.

    The point is JSON on standard output; what was chosen, dropped or changed is told on standard error. A model that
    plays several parts reads all that the file has.
    """
    reference = choose_bundles((part,), {part: model} if model else {})[part]

    import msgspec

    from autoloops_bridges.commands.loops import encode_loop
    from autoloops_engine.bundle.installed import split_reference
    from autoloops_engine.inference.onnx_decoder import open_decoder

    bundle, output = split_reference(reference)
    decoder = open_decoder(Path(bundle))
    encoded = encode_loop(decoder, file, output or part, track, loop)
    for remark in encoded.remarks:
        typer.echo(remark, err=True)
    # A float32 has about nine digits: what is printed leads back to exactly this point.
    z = [float(f"{value:.9g}") for value in encoded.mu]
    answer = {"part": part, "model": decoder.manifest.name, "z": z}
    typer.echo(msgspec.json.encode(answer))
