"""Doubles for tests of whoever builds on the engine."""

import numpy as np

from autoloops_engine.bundle.manifest import Graph, Manifest, Output, Tensor
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens
from autoloops_engine.units import STEPS_PER_BAR


def tiny_manifest(name: str = "tiny", latent_size: int = 4, state_size: int = 6, bars: int = 2) -> Manifest:
    """The manifest of a flat melody model of no weights, without files."""
    z, s, classes = latent_size, state_size, 90
    step = STEPS_PER_BAR

    def floats(tensor: str, *shape: int) -> Tensor:
        return Tensor(tensor, "float32", ("batch", *shape))

    features, noise, bias = (
        floats(t, n, classes) for t, n in (("features", bars * step), ("noise", step), ("bias", step))
    )
    previous, tokens = Tensor("previous", "int64", ("batch",)), Tensor("tokens", "int64", ("batch", step))
    state, embedding, temperature = floats("state", s), floats("embedding", z), floats("temperature")
    return Manifest(
        schema_version=1,
        kind="flat",
        name=name,
        created_by="autoloops tests",
        steps_per_bar=step,
        bars=bars,
        latent_size=z,
        state_size=s,
        embedding_size=z,
        outputs=(Output("melody", "melody-90", classes),),
        graphs={
            "encoder": Graph("encoder.onnx", (features,), (floats("mu", z), floats("sigma", z))),
            "start": Graph("start.onnx", (floats("z", z),), (floats("state", 1, s), floats("embeddings", 1, z))),
            "bar": Graph(
                "bar.onnx",
                (state, embedding, previous, temperature, noise, bias),
                (tokens, floats("states", step, s), floats("logits", step, classes)),
            ),
        },
        files={},
    )


class StubDecoder:
    """A decoder without a model: a pure function of its inputs, quick and lively.

    Logits are fixed random projections of the latent point, the state and the last token; the state is a
    decaying trace of what was played. Every control is heard: another point, seed, temperature, bias,
    state or previous token gives another bar.
    """

    def __init__(self, manifest: Manifest | None = None) -> None:
        self._manifest = tiny_manifest() if manifest is None else manifest
        self._classes = self._manifest.outputs[0].classes
        rng = np.random.default_rng(7)
        self._from_z = rng.standard_normal((self._manifest.latent_size, self._classes)).astype(np.float32)
        self._from_state = rng.standard_normal((self._manifest.state_size, self._classes)).astype(np.float32)
        self._to_state = rng.standard_normal((self._classes, self._manifest.state_size)).astype(np.float32)
        self._start = rng.standard_normal((self._manifest.latent_size, self._manifest.state_size)).astype(np.float32)

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
        """One state, from the latent point."""
        return LoopStart(np.tanh(z @ self._start)[:, None], z[:, None])

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        """See :meth:`Decoder.bar`."""
        tokens, states, logits = [], [], []
        for step in range(noise.shape[1]):
            state = np.tanh(0.5 * state + self._to_state[previous])
            logit = embedding @ self._from_z + state @ self._from_state
            logit[:, 0] += 4.0
            biased = logit + bias[:, step]
            greedy = temperature[:, None] <= 0
            safe = np.where(greedy, np.float32(1), temperature[:, None])
            previous = np.where(greedy, biased, biased / safe + noise[:, step]).argmax(axis=1)
            tokens.append(previous)
            states.append(state)
            logits.append(logit)
        return DecodedSteps(np.stack(tokens, 1), np.stack(states, 1), np.stack(logits, 1))
