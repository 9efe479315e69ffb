"""Who plays what: a part, and the output of a model that is to play it."""

from typing import NamedTuple

from autoloops_engine.bundle.manifest import Manifest, Output
from autoloops_engine.bundle.reference import output_named
from autoloops_engine.codecs.registry import Codec, codec_named
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.views import JointModel, output_for, views_of
from autoloops_engine.latent import latent_space
from autoloops_engine.session.settings import PartSetup


class CastPart(NamedTuple):
    """A part with what plays it.

    Attributes:
        setup: What the session has to know.
        decoder: Decodes its bars.
        output: The output of the model that it plays; empty where there is only one.
    """

    setup: PartSetup
    decoder: Decoder
    output: str


def cast(
    name: str, channel: int, model: JointModel, *, output: str = "", codec: Codec | None = None, family: str = ""
) -> CastPart:
    """Let a model play a part.

    Args:
        name: The part.
        channel: Its MIDI channel, 1 to 16.
        model: The model, whichever number of parts it plays.
        output: Which of its outputs; empty: that of the part's name, else one that speaks ``codec``, else the first.
        codec: What the part spoke before; None: nothing.
        family: Identifies the model: parts with the same one can share a latent point.

    Raises:
        BundleError: the model has no such output.
    """
    chosen = output_named(model.manifest, output) if output else output_for(model.manifest, name, codec)
    setup = set_up(name, channel, model.manifest, chosen, family)
    return CastPart(setup, views_of(model)[chosen.part], _own(model.manifest, chosen))


def set_up(name: str, channel: int, manifest: Manifest, output: Output, family: str = "") -> PartSetup:
    """What a session has to know of a part that plays one of the outputs of a model.

    Args:
        name: The part.
        channel: Its MIDI channel, 1 to 16.
        manifest: Of the whole model.
        output: The one of its outputs.
        family: See ``cast``.
    """
    own = _own(manifest, output)
    return PartSetup(
        name,
        channel,
        latent_space(manifest, own, family),
        manifest.bars,
        manifest.sampling.temperature,
        codec_named(output.codec),
        f"{manifest.name}#{output.part}" if own and output.part != name else manifest.name,
    )


def _own(manifest: Manifest, output: Output) -> str:
    """What tells an output from the others of its model; empty where there are none."""
    return output.part if len(manifest.outputs) > 1 else ""
