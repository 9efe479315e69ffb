"""Motion of the latent point: a pad between slots, a glide to one, a walk, an orbit; one step a bar.

Pure. What moves is the motion term alone, so knobs and faders keep what they do. Where it goes follows from the part's
seed and the song bar: the same performance walks the same way.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentSpace, Vector
from autoloops_engine.philox import Stream, normal

# At full speed, how much of a walk is new from one bar to the next.
FASTEST_WALK: Final = 0.5
# How far a walk strays from the base, and the radius of a full orbit for each coordinate: standard deviations of the
# prior.
WALK_REACH: Final = 0.6
ORBIT_REACH: Final = 1.0

Numbers = tuple[float, ...]


class Motion(Struct, frozen=True):
    """How one part moves; not at all at first.

    Attributes:
        base: The base [Z] of the latent point when a pad or a glide began.
        corners: Two or four points [Z] that a pad lies between; empty: no pad.
        x: Where on the pad, 0 to 1 from the first to the second corner (and from the third to the fourth).
        y: 0 to 1 from the first pair to the second.
        glide_from: Where a glide began [Z].
        glide_to: Where it leads [Z]; empty: none.
        glide_bar: The song bar in which it began.
        glide_bars: How many bars it takes.
        walk: Speed of the random walk, 0 to 1.
        walked: Where it is [Z]; empty: at the base.
        orbit: Radius of the orbit, 0 to 1.
        orbit_bars: Bars of one round.
    """

    base: Numbers = ()
    corners: tuple[Numbers, ...] = ()
    x: float = 0.0
    y: float = 0.0
    glide_from: Numbers = ()
    glide_to: Numbers = ()
    glide_bar: int = 0
    glide_bars: int = 1
    walk: float = 0.0
    walked: Numbers = ()
    orbit: float = 0.0
    orbit_bars: float = 8.0

    @property
    def pulls(self) -> bool:
        """Whether a pad or a glide holds the point."""
        return bool(self.corners or self.glide_to)

    @property
    def drifts(self) -> bool:
        """Whether the point goes on by itself, from bar to bar."""
        return bool(self.walk or self.orbit or self.glide_to)

    def over(self, song_bar: int) -> bool:
        """Whether a glide is through."""
        return bool(self.glide_to) and song_bar >= self.glide_bar + self.glide_bars

    def released(self) -> "Motion":
        """The same without pad and glide."""
        return replace(self, base=(), corners=(), glide_from=(), glide_to=())

    def offset(self, space: LatentSpace, seed: int, song_bar: int) -> Vector | None:
        """What is added to the latent point in a song bar, float64 [Z]; None: nothing."""
        parts = [self._pull(space, song_bar), self.drift(space.size, seed, song_bar)]
        offsets = [part for part in parts if part is not None]
        return np.sum(offsets, axis=0) if offsets else None

    def drift(self, size: int, seed: int, song_bar: int) -> Vector | None:
        """What walk and orbit alone add, float64 [Z]; None: nothing."""
        offsets = [np.array(self.walked)] if self.walked else []
        if self.orbit:
            offsets.append(_orbit(self, size, seed, song_bar))
        return np.sum(offsets, axis=0) if offsets else None

    def stepped(self, size: int, seed: int, song_bar: int) -> "Motion":
        """The motion one bar on, in ``song_bar``: a walk takes its step."""
        if self.walk <= 0:
            return replace(self, walked=()) if self.walked else self
        share = FASTEST_WALK * self.walk
        before = np.array(self.walked) if self.walked else np.zeros(size)
        # An Ornstein-Uhlenbeck step: whatever the speed, it strays equally far.
        walked = math.sqrt(1 - share**2) * before + share * WALK_REACH * normal(seed, Stream.WALK, song_bar, size)
        return replace(self, walked=_numbers(walked))

    def between(self, base: Vector, corners: Sequence[Vector]) -> "Motion":
        """A pad between two or four points; none takes it away.

        Raises:
            UsageError: there is one, or three, or more than four.
        """
        if len(corners) not in {0, 2, 4}:
            raise UsageError("A pad lies between two or four slots; 0 takes it away.")
        if not corners:
            return self.released()
        return replace(self.released(), base=_numbers(base), corners=tuple(_numbers(corner) for corner in corners))

    def gliding(self, base: Vector, start: Vector, end: Vector, song_bar: int, bars: int) -> "Motion":
        """A glide from one point to another that begins with a song bar and takes so many."""
        return replace(
            self.released(),
            base=_numbers(base),
            glide_from=_numbers(start),
            glide_to=_numbers(end),
            glide_bar=song_bar,
            glide_bars=bars,
        )

    def _pull(self, space: LatentSpace, song_bar: int) -> Vector | None:
        if self.glide_to:
            share = (song_bar - self.glide_bar + 1) / self.glide_bars
            target = space.between((self.glide_from, self.glide_to), min(1.0, max(0.0, share)))
        elif self.corners:
            target = space.between(self.corners, self.x, self.y)
        else:
            return None
        return np.asarray(target - np.array(self.base))


STILL: Final = Motion()


def _orbit(motion: Motion, size: int, seed: int, song_bar: int) -> Vector:
    across, along = (normal(seed, Stream.ORBIT, axis, size) for axis in range(2))
    along -= across * float(across @ along) / float(across @ across)
    angle = 2 * math.pi * song_bar / motion.orbit_bars
    circle = math.cos(angle) * across / np.linalg.norm(across) + math.sin(angle) * along / np.linalg.norm(along)
    return np.asarray(ORBIT_REACH * motion.orbit * math.sqrt(size) * circle)


def _numbers(vector: Vector) -> Numbers:
    return tuple(float(x) for x in vector)
