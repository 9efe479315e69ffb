"""One step of a Kalman filter on clock ticks: when the last one was meant, and how long a tick is. Pure.

This is the delay-locked loop of F. Adriaensen ("Using a DLL to filter time", Linux Audio Conference 2005) with gains
that follow from what is known instead of a fixed bandwidth: wide at first and after a change, narrow when the tempo
has stood for long (R. E. Kalman, "A new approach to linear filtering and prediction problems", 1960).
"""

import math
from typing import Final, NamedTuple

# How far the length of a tick wanders from one to the next, as a share of it: as little as crystals drift. With jitter
# of ±20 ms that amounts to a memory of about forty beats.
_WANDER: Final = 3e-6


class Noise(NamedTuple):
    """How a clock errs.

    Attributes:
        late_us2: Variance of how late each tick comes, by itself.
        drift_us2: Variance of the step by which all later ticks are moved at each: clocks that wait a tick's length
            after each tick add up their errors.
    """

    late_us2: float
    drift_us2: float


class TickState(NamedTuple):
    """What is known after a tick.

    Attributes:
        at_us: When it was meant.
        tick_us: How long a tick is.
        at_us2: Variance of ``at_us``.
        both_us2: Covariance of the two.
        tick_us2: Variance of ``tick_us``.
    """

    at_us: float
    tick_us: float
    at_us2: float
    both_us2: float
    tick_us2: float

    def ahead(self, noise: Noise) -> "TickState":
        """What is known of the next tick before it comes."""
        return TickState(
            self.at_us + self.tick_us,
            self.tick_us,
            self.at_us2 + 2 * self.both_us2 + self.tick_us2 + noise.drift_us2,
            self.both_us2 + self.tick_us2,
            self.tick_us2 + (_WANDER * self.tick_us) ** 2,
        )

    def error(self, at_us: float, noise: Noise) -> float:
        """How late a tick at ``at_us`` is against what was known ahead, in standard deviations."""
        return (at_us - self.at_us) / math.sqrt(self.at_us2 + noise.late_us2)

    def told(self, error: float, noise: Noise) -> "TickState":
        """What is known when a tick came so late (standard deviations) against what was known ahead."""
        variance_us2 = self.at_us2 + noise.late_us2
        late_us = error * math.sqrt(variance_us2)
        at_gain, tick_gain = self.at_us2 / variance_us2, self.both_us2 / variance_us2
        return TickState(
            self.at_us + at_gain * late_us,
            self.tick_us + tick_gain * late_us,
            (1 - at_gain) * self.at_us2,
            (1 - at_gain) * self.both_us2,
            self.tick_us2 - tick_gain * self.both_us2,
        )

    def surprise(self, at_us: float, noise: Noise) -> float:
        """Twice the negative log likelihood of a tick at ``at_us``, but for a constant."""
        return self.error(at_us, noise) ** 2 + math.log(self.at_us2 + noise.late_us2)
