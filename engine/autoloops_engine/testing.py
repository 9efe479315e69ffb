"""Doubles for tests of whoever builds on the engine."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from autoloops_engine.bundle.manifest import Attribute, Graph, Manifest, Output, Tensor
from autoloops_engine.bundle.shapes import expected, starts_of, state_size_of
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec, codec_named
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.units import STEPS_PER_BAR

_EMBEDDING = 5
_TRIO_ATTRIBUTES = {"density": ("melody", "bass", "drums"), "pitch": ("melody", "bass"), "swing": ("drums",)}


def tiny_manifest(
    name: str = "tiny", latent_size: int = 4, state_size: int = 6, bars: int = 2, codec: Codec = MELODY
) -> Manifest:
    """The manifest of a flat model of one part, a melody unless told otherwise, of no weights, without files."""
    outputs = (Output("melody" if codec is MELODY else "drums", codec.name, codec.classes),)
    return _manifest("flat", name, latent_size, state_size, bars, outputs)


def tiny_trio_manifest(
    name: str = "tiny-trio",
    latent_size: int = 6,
    bars: int = 16,
    kind: Literal["flat", "hierarchical"] = "hierarchical",
) -> Manifest:
    """The manifest of a model of melody, bass and drums from one latent point, without weights and files.

    Each part has some attributes: coordinate 1 is the density of all, further ones belong to one of them.
    """
    outputs = (
        Output("melody", MELODY.name, MELODY.classes, 6),
        Output("bass", MELODY.name, MELODY.classes, 4),
        Output("drums", DRUMS.name, DRUMS.classes, 8),
    )
    manifest = _manifest(kind, name, latent_size, sum(output.state_size for output in outputs), bars, outputs)
    axes = np.eye(latent_size).tolist()
    faders = [(attribute, part) for attribute, parts in _TRIO_ATTRIBUTES.items() for part in parts]
    attributes = tuple(
        Attribute(attribute, tuple(axes[index % latent_size]), ((0.0, -1.0), (0.5, 0.0), (1.0, 1.0)), output=part)
        for index, (attribute, part) in enumerate(faders)
    )
    return msgspec.structs.replace(manifest, attributes=attributes)


def _manifest(
    kind: Literal["flat", "hierarchical"],
    name: str,
    latent_size: int,
    state_size: int,
    bars: int,
    outputs: tuple[Output, ...],
) -> Manifest:
    draft = Manifest(
        schema_version=1,
        kind=kind,
        name=name,
        created_by="autoloops tests",
        steps_per_bar=STEPS_PER_BAR,
        bars=bars,
        latent_size=latent_size,
        state_size=state_size,
        embedding_size=latent_size if kind == "flat" else _EMBEDDING,
        outputs=outputs,
        graphs={},
        files={},
    )
    graphs = {
        graph: Graph(f"{graph}.onnx", *(tuple(_tensor(*port) for port in ports) for ports in both))
        for graph, both in expected(draft).items()
    }
    return msgspec.structs.replace(draft, graphs=graphs)


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, "int64" if name in {"previous", "tokens"} else "float32", ("batch", *shape))


@dataclass(frozen=True, slots=True)
class _Projections:
    """The fixed random numbers of one output."""

    from_embedding: Floats
    from_state: Floats
    to_state: Floats
    start: Floats
    extras: tuple[Floats, ...]


class StubDecoder:
    """A model without a model: a pure function of its inputs, quick and lively.

    Logits are fixed random projections of the bar's embedding, the state and the last token; the state is a decaying
    trace of what was played. Every control is heard: another point, seed, temperature, bias, state or previous token
    gives another bar.

    Args:
        manifest: Its sizes and its one or several outputs.
    """

    def __init__(self, manifest: Manifest | None = None) -> None:
        self._manifest = tiny_manifest() if manifest is None else manifest
        rng = np.random.default_rng(7)
        self._outputs = {output.part: self._drawn(output, rng) for output in self._manifest.outputs}
        shape = (starts_of(self._manifest), self._manifest.latent_size, self._manifest.embedding_size)
        self._to_embeddings = rng.standard_normal(shape).astype(np.float32)
        self.starts = 0

    def _drawn(self, output: Output, rng: np.random.Generator) -> _Projections:
        manifest, state = self._manifest, state_size_of(self._manifest, output)
        shapes = [(manifest.embedding_size, output.classes), (state, output.classes), (output.classes, state)]
        shapes.append((manifest.latent_size, state))
        shapes += [(state, extra.size) for extra in codec_named(output.codec).extras]
        embedding, before, after, start, *extras = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
        return _Projections(embedding, before, after, start, tuple(extras))

    @property
    def manifest(self) -> Manifest:
        """What the model says about itself."""
        return self._manifest

    def encode(self, features: Floats) -> Posterior:
        """Means that depend on every step; unit deviations."""
        batch, steps, classes = features.shape
        weights = np.random.default_rng(11).standard_normal((steps * classes, self._manifest.latent_size))
        mu = (features.reshape(batch, -1) @ weights.astype(np.float32) / np.sqrt(steps)).astype(np.float32)
        return Posterior(mu, np.ones_like(mu))

    def start(self, z: Floats) -> LoopStart:
        """States and embeddings from the latent point; the states of a hierarchical model differ by bar."""
        self.starts += 1
        starts = starts_of(self._manifest)
        if self._manifest.kind == "flat":
            embeddings = z[:, None]
        else:
            embeddings = np.tanh(np.einsum("bz,nze->bne", z, self._to_embeddings))
        begun = np.concatenate([np.tanh(z @ projections.start) for projections in self._outputs.values()], axis=1)
        turned = [np.roll(begun, bar, axis=1) for bar in range(starts)]
        return LoopStart(np.stack(turned, 1), embeddings)

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """See :meth:`Decoder.bar`."""
        first = self._manifest.outputs[0].part
        return self._decoded(self._outputs[first], state, embedding, previous, temperature, noise, bias)

    def _decoded(
        self,
        own: _Projections,
        state: Floats,
        embedding: Floats,
        previous: Tokens,
        temperature: Floats,
        noise: Floats,
        bias: Floats,
    ) -> DecodedSteps:
        tokens, states, logits = [], [], []
        for step in range(noise.shape[1]):
            state = np.tanh(0.5 * state + own.to_state[previous])
            logit = embedding @ own.from_embedding + state @ own.from_state
            logit[:, 0] += 4.0
            biased = logit + bias[:, step]
            greedy = temperature[:, None] <= 0
            safe = np.where(greedy, np.float32(1), temperature[:, None])
            previous = np.where(greedy, biased, biased / safe + noise[:, step]).argmax(axis=1)
            tokens.append(previous)
            states.append(state)
            logits.append(logit)
        after = np.stack(states, 1)
        extras = tuple((np.tanh(after @ extra) + 1) / 2 for extra in own.extras)
        return DecodedSteps(np.stack(tokens, 1), after, np.stack(logits, 1), extras)


class TrioStub(StubDecoder):
    """The same for several outputs: a ``JointModel``, to be played through its views."""

    def __init__(self, manifest: Manifest | None = None) -> None:
        super().__init__(tiny_trio_manifest() if manifest is None else manifest)

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
        """See :meth:`autoloops_engine.inference.views.JointModel.bar`."""
        own = self._outputs[output or self._manifest.outputs[0].part]
        return self._decoded(own, state, embedding, previous, temperature, noise, bias)
