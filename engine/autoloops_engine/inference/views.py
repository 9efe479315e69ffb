"""The parts of a model that plays several: each looks like a model that plays one.

A view satisfies the ``Decoder`` protocol, so that whoever asks for bars need not know of the others. The views of one
model share its graphs.
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Protocol

import msgspec
import numpy as np

from autoloops_engine.bundle.manifest import Graph, Manifest, Output, Tensor, bar_graph
from autoloops_engine.bundle.reference import output_named
from autoloops_engine.bundle.shapes import state_size_of
from autoloops_engine.codecs.registry import Codec, LoopSteps, codec_named
from autoloops_engine.inference.decoder import DecodedSteps, Decoder, Floats, LoopStart, Posterior, Tokens


class JointModel(Protocol):
    """A model of one or several parts, ready to run. See ``Decoder`` for what may be raised, threads and blocking."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about the model."""

    def encode(self, features: Floats) -> Posterior:
        """Encodes loops of the features of all parts side by side, float32 [B, bars * 16, sum of F]."""

    def start(self, z: Floats) -> LoopStart:
        """Begins loops at latent points, float32 [B, Z]; the states of the parts one after the other."""

    def bar(
        self,
        state: Floats,
        embedding: Floats,
        previous: Tokens,
        temperature: Floats,
        noise: Floats,
        bias: Floats,
        output: str = "",
    ) -> DecodedSteps:
        """Decodes a bar of the part ``output``, whose own state it takes and answers; see ``Decoder.bar``."""


class OutputView:
    """One part of a model. Implements ``Decoder``.

    Args:
        model: The model.
        part: The name of one of its outputs.
    """

    def __init__(self, model: JointModel, part: str) -> None:
        self._model = model
        self._part = part
        self._manifest = manifest_of(model.manifest, part)
        places = [output.part for output in model.manifest.outputs]
        sizes = [state_size_of(model.manifest, output) for output in model.manifest.outputs]
        ends = [0, *accumulate(sizes)]
        self._own = slice(ends[places.index(part)], ends[places.index(part) + 1])

    @property
    def manifest(self) -> Manifest:
        """The manifest of a model that plays this part alone."""
        return self._manifest

    @property
    def model(self) -> JointModel:
        """The model of all parts."""
        return self._model

    def encode(self, features: Floats) -> Posterior:
        """See :meth:`Decoder.encode`; the other parts are taken as silent."""
        return self._model.encode(join_features(self._model.manifest, {self._part: features}))

    def start(self, z: Floats) -> LoopStart:
        """See :meth:`Decoder.start`."""
        begun = self._model.start(z)
        return LoopStart(begun.state[..., self._own], begun.embeddings)

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """See :meth:`Decoder.bar`."""
        return self._model.bar(state, embedding, previous, temperature, noise, bias, self._part)


def views_of(model: JointModel) -> dict[str, Decoder]:
    """A decoder for every part of a model, by the name of the output; a model of one part is its own."""
    outputs = model.manifest.outputs
    if len(outputs) == 1:
        return {outputs[0].part: model}
    return {output.part: OutputView(model, output.part) for output in outputs}


def output_for(manifest: Manifest, part: str, codec: Codec | None = None) -> Output:
    """The output that is to play a part: of its name, else one that speaks its codec, else the first.

    Args:
        manifest: Of the whole model.
        part: The name of the part.
        codec: What it spoke before; None: nothing yet.
    """
    by_name = [output for output in manifest.outputs if output.part == part]
    by_codec = [output for output in manifest.outputs if codec is not None and output.codec == codec.name]
    return (*by_name, *by_codec, *manifest.outputs)[0]


def manifest_of(manifest: Manifest, part: str) -> Manifest:
    """The manifest of a model that plays one of the parts alone: its sizes, graphs, faders and figures."""
    output = output_named(manifest, part)
    if len(manifest.outputs) == 1:
        return manifest
    state, features = output.state_size, codec_named(output.codec).feature_size
    encoder, start = manifest.graphs["encoder"], manifest.graphs["start"]
    own = f"{part}/"
    return msgspec.structs.replace(
        manifest,
        outputs=(output,),
        state_size=state,
        graphs={
            "encoder": Graph(encoder.file, (_resized(encoder.inputs[0], features),), encoder.outputs),
            "start": Graph(start.file, start.inputs, (_resized(start.outputs[0], state), start.outputs[1])),
            "bar": manifest.graphs[bar_graph(manifest, part)],
        },
        attributes=tuple(
            msgspec.structs.replace(attribute, output="")
            for attribute in manifest.attributes
            if attribute.output == part
        ),
        accuracy={
            name.removeprefix(own): value
            for name, value in manifest.accuracy.items()
            if "/" not in name or name.startswith(own)
        },
    )


def join_features(manifest: Manifest, known: Mapping[str, Floats]) -> Floats:
    """What the encoder of a model reads: the features of all parts side by side.

    Args:
        manifest: Of the whole model.
        known: By output, features float32 [B, bars * 16, F]; what is missing is taken as silent. At least one.
    """
    batch, steps, _ = next(iter(known.values())).shape
    features = [
        known[output.part] if output.part in known else np.tile(silence(output, steps), (batch, 1, 1))
        for output in manifest.outputs
    ]
    return np.concatenate(features, axis=2, dtype=np.float32)


def silence(output: Output, steps: int) -> Floats:
    """The features of a loop in which nothing happens, float32 [steps, F]."""
    codec = codec_named(output.codec)
    extras = tuple(np.zeros((steps, extra.size), dtype=np.float32) for extra in codec.extras)
    return codec.features(LoopSteps((0,) * steps, extras))


def _resized(tensor: Tensor, size: int) -> Tensor:
    return msgspec.structs.replace(tensor, shape=(*tensor.shape[:-1], size))
