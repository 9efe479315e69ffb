"""What a model must offer to become a bundle, and how the sizes of its graphs follow from that."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from autoloops_engine.bundle.manifest import Graph, GraphName, Output
from autoloops_engine.bundle.manifest import Tensor as Port
from autoloops_engine.codecs.registry import Extra
from autoloops_engine.units import STEPS_PER_BAR


class JointEncoder(Protocol):
    """The two functions that several parts share; see :class:`LoopModel`."""

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features of all parts side by side [B, T, F] to mu and sigma, each [B, Z]."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the states of all parts side by side before each bar [B, N, S], and embeddings [B, N, E]."""


class LoopModel(Protocol):
    """The three functions that the engine runs; any ``nn.Module`` that has them can be exported.

    A class of one's own is made without arguments, and may say as attributes what it plays: ``part``, by default
    ``"melody"``; ``bars`` of a loop, by default 2; ``codec``, by default ``"melody-90"``, of the part ``"drums"`` the
    drums' (:data:`autoloops_engine.codecs.registry.CODECS`). All other sizes are read off what the functions answer.

    Axes: B batch (any size), T steps of a loop, F features of a step, C classes, Z latent, N bars with a state of
    their own (flat models: 1), S all decoder states, E embedding of a bar (flat models: Z).
    """

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, T, F] (melodies: one-hot) to mu and sigma, each [B, Z]."""

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z [B, Z] to the state before each bar [B, N, S] and the bars' embeddings [B, N, E]."""

    def bar(
        self, state: Tensor, embedding: Tensor, previous: Tensor, temperature: Tensor, noise: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        """Samples a bar.

        Takes the state [B, S], the bar's embedding [B, E], the token before int64 [B], the temperature [B], Gumbel
        noise [B, 16, C] and a bias on the logits [B, 16, C]; answers tokens int64 [B, 16], the state after every step
        [B, 16, S], the logits before bias and temperature [B, 16, C], and the codec's extras [B, 16, size], if any.
        Each step takes its token as :func:`autoloops_export.models.sampling.choose` does and feeds it into the next.
        The state holds all that it remembers: begun anew with the state and the token of a step, it goes on alike.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """The sizes that a manifest states.

    ``features`` is F, 0 for one-hot tokens; ``extras`` are what the codec has beside tokens, states and logits.
    """

    kind: Literal["flat", "hierarchical"]
    output: Output
    bars: int
    latent: int
    state: int
    embedding: int
    features: int = 0
    extras: tuple[Extra, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of a loop."""
        return self.bars * STEPS_PER_BAR

    @property
    def started_bars(self) -> int:
        """N: how many bars have a state of their own."""
        return 1 if self.kind == "flat" else self.bars

    @property
    def graphs(self) -> dict[GraphName, Graph]:
        """Names, types and shapes of every input and output, batch first."""
        z, s, e, n = self.latent, self.state, self.embedding, self.started_bars
        step, classes = STEPS_PER_BAR, self.output.classes
        return {
            "encoder": Graph(
                "encoder.onnx",
                (_floats("features", self.steps, self.features or classes),),
                (_floats("mu", z), _floats("sigma", z)),
            ),
            "start": Graph("start.onnx", (_floats("z", z),), (_floats("state", n, s), _floats("embeddings", n, e))),
            "bar": Graph(
                "bar.onnx",
                (
                    _floats("state", s),
                    _floats("embedding", e),
                    Port("previous", "int64", ("batch",)),
                    _floats("temperature"),
                    _floats("noise", step, classes),
                    _floats("bias", step, classes),
                ),
                (
                    Port("tokens", "int64", ("batch", step)),
                    _floats("states", step, s),
                    _floats("logits", step, classes),
                    *(_floats(extra.name, step, extra.size) for extra in self.extras),
                ),
            ),
        }


def _floats(name: str, *shape: int) -> Port:
    return Port(name, "float32", ("batch", *shape))
