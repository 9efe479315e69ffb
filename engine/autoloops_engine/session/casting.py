"""Who plays what: a part, and the output of a model that is to play it."""

from typing import NamedTuple

from autoloops_engine.codecs.registry import Codec, codec_named
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.views import JointModel, output_for, output_named, views_of
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
    whole = model.manifest
    chosen = output_named(whole, output) if output else output_for(whole, name, codec)
    decoder = views_of(model)[chosen.part]
    several = len(whole.outputs) > 1
    called = f"{whole.name}#{chosen.part}" if several and chosen.part != name else whole.name
    own = chosen.part if several else ""
    setup = PartSetup(
        name,
        channel,
        latent_space(whole, own, family),
        whole.bars,
        whole.sampling.temperature,
        codec_named(chosen.codec),
        called,
    )
    return CastPart(setup, decoder, own)
