"""What honest faders do to a part instead of their open-loop offsets, and the request to find it."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.codecs.tilts import touched
from autoloops_engine.constraints.bias import FORBIDDEN
from autoloops_engine.inference.decoder import Floats
from autoloops_engine.latent import LatentPoint, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Levers:
    """What was found for some faders.

    Attributes:
        term: Float64 [Z], instead of what the part's attribute faders add to the latent point.
        tilt: Added to the logits of every bar, float32 [16, classes]; None: nothing.
        loudness: Factor on the velocities of drums.
        lateness: How much later drum hits between the beats come, in halves of a step.
    """

    term: Vector
    tilt: Floats | None = None
    loudness: float = 1.0
    lateness: float = 0.0

    def z(self, point: LatentPoint) -> Vector:
        """The latent point that is decoded, float64 [Z]."""
        return point.without_own_attributes().z() + self.term

    def bias(self, bias: Floats | None) -> Floats | None:
        """The bias of a bar with the tilt; what is forbidden stays so."""
        if self.tilt is None or bias is None:
            return self.tilt if bias is None else bias
        return np.where(bias <= FORBIDDEN, bias, bias + self.tilt)

    def touch(self, steps: LoopSteps, first_step: int) -> LoopSteps:
        """The steps of a bar from ``first_step`` on as they are played."""
        if (self.loudness, self.lateness) == (1.0, 0.0):
            return steps
        blank = [np.zeros((first_step, extra.shape[1]), dtype=np.float32) for extra in steps.extras]
        whole = [np.concatenate([before, extra]) for before, extra in zip(blank, steps.extras, strict=True)]
        played = touched(whole[0], whole[1], self.loudness, self.lateness)
        return LoopSteps(steps.tokens, tuple(extra[first_step:] for extra in played))


@dataclass(frozen=True, slots=True, eq=False)
class SearchRequest:
    """Faders to be made honest for one loop.

    Attributes:
        part: Name of the part.
        key: Whatever the asker wants to recognise the answer by.
        point: The latent point with the faders as they are set.
        seed: Seed of the part.
        pass_index: The pass whose noise it is.
        temperature: From 0.
        biases: For each bar of the loop, what limits and harmony add to its logits, float32 [16, classes]; None:
            nothing.
    """

    part: str
    key: Hashable
    point: LatentPoint
    seed: int
    pass_index: int
    temperature: float
    biases: tuple[Floats | None, ...] = field(default=(None, None))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The answer to a search.

    Attributes:
        request: What was asked.
        levers: What was found; None: nothing, the model failed.
        longest_us: The longest that a bar would have had to wait for it.
    """

    request: SearchRequest
    levers: Levers | None
    longest_us: int = 0
