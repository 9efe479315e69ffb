"""How learning rate, KL weight and sampling change over a run.

Each is a function of progress, 0 at the first step and 1 at the planned end, so that a run planned by the clock and
one planned in steps follow the same curves.
"""

import math
from dataclasses import dataclass

from autoloops_export.training.recipe import ObjectiveArguments, OptimiserArguments

SAMPLING_STEEPNESS = 25.0
MIN_BETA, MAX_BETA = 1e-3, 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned length of a run: ``steps``, or ``seconds`` where the clock plans it."""

    steps: int
    seconds: float | None = None

    def progress(self, steps_done: int, seconds_done: float) -> float:
        """0 at the start, 1 at the end."""
        done = steps_done / self.steps if self.seconds is None else seconds_done / self.seconds
        return min(1.0, done)


def learning_rate(arguments: OptimiserArguments, progress: float) -> float:
    """The rate at ``progress``: a linear rise, then the decay to the final rate."""
    if progress < arguments.warmup:
        return arguments.learning_rate * max(progress / arguments.warmup, 1e-3)
    fallen = (progress - arguments.warmup) / (1 - arguments.warmup)
    highest, final = arguments.learning_rate, arguments.final_learning_rate
    if arguments.decay == "cosine":
        return final + (highest - final) * 0.5 * (1 + math.cos(math.pi * fallen))
    rate: float = highest * (final / highest) ** fallen
    return rate


def sampling_share(arguments: ObjectiveArguments, progress: float) -> float:
    """Share of the decoder's inputs that are its own samples: an inverse sigmoid (Bengio et al., 2015) of progress."""
    exponent = SAMPLING_STEEPNESS * (progress - arguments.sampling_middle)
    return arguments.sampling / (1 + math.exp(-max(-60.0, min(60.0, exponent))))


def kl_weight(arguments: ObjectiveArguments, steered: float, progress: float) -> float:
    """The weight of the KL: the steered value, under the warm-up."""
    if progress < arguments.beta_warmup:
        return steered * progress / arguments.beta_warmup
    return steered


def steer(arguments: ObjectiveArguments, weight: float, kl_nats: float) -> float:
    """The KL weight after a step whose mean KL was ``kl_nats``: up when z carries more than the target, else down.

    A multiplicative controller in the manner of Rezende and Viola, "Taming VAEs", 2018.
    """
    if not arguments.kl_target_nats:
        return weight
    error = max(-1.0, min(1.0, kl_nats / arguments.kl_target_nats - 1))
    return max(MIN_BETA, min(MAX_BETA, weight * math.exp(arguments.kl_gain * error)))
