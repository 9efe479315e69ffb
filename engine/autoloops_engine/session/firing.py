"""What `fire` launches: a new point and seed, one near by, or the last one again."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint, Vector, point_at
from autoloops_engine.philox import Stream, derived_seed, normal
from autoloops_engine.session.settings import Settings
from autoloops_engine.time.quantum import When
from autoloops_engine.units import MAX_COORDINATE

# `fire vary` turns the point by this angle (in radians) towards a random one, at an unchanged length.
VARY_ANGLE: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Fired:
    """What a part fired last.

    Attributes:
        count: How many points were fired; each has noise of its own.
        point: Where `again` goes back to.
        seed: The seed that belongs to it.
    """

    count: int
    point: LatentPoint
    seed: int

    def fire(self, what: str, settings: Settings, z: Vector) -> "Fired":
        """What comes next.

        Args:
            what: ``new``, ``vary`` or ``again``.
            settings: What the part plays now.
            z: The latent point as it is decoded now.

        Raises:
            UsageError: ``what`` is none of them.
        """
        count, space = self.count + 1, self.point.space
        match what:
            case "new":
                seed = derived_seed(settings.seed, count)
                return Fired(count, point_at(space, space.new_point(seed)), seed)
            case "vary":
                noise = normal(settings.seed, Stream.VARIATION, count, space.size)
                near = math.cos(VARY_ANGLE) * z + math.sin(VARY_ANGLE) * noise
                within = np.clip(near, -MAX_COORDINATE, MAX_COORDINATE)
                return Fired(count, point_at(space, within), settings.seed)
            case "again":
                return self
        raise UsageError(f"It takes new, vary or again, not {what}.")


def when_named(word: str) -> When:
    """The launch quantisation of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return When(word)
    except ValueError as error:
        raise UsageError(f"It takes now, beat, bar, 2bars, 4bars or loop, not {word}.") from error
