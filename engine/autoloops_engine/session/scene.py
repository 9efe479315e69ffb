"""What a slot of the whole rig holds beside the settings of its parts, and what waits for a position: plain data."""

from itertools import chain
from typing import Final

from msgspec import Struct

from autoloops_engine.errors import UsageError
from autoloops_engine.session.feel import read_swing
from autoloops_engine.session.habits import NO_CORNERS
from autoloops_engine.session.motion import STILL, Motion
from autoloops_engine.time.swing import Swing

# Farther out than any point, pad or walk leads.
_FARTHEST: Final = 1e4


class Moves(Struct, frozen=True):
    """How a latent point moves, and the slots that its pad was laid between."""

    motion: Motion = STILL
    corners: tuple[int, ...] = NO_CORNERS

    def fits(self, size: int) -> bool:
        """Whether it is motion that a point of so many dimensions can make; a file may hold anything."""
        motion = self.motion
        points = (motion.base, motion.glide_from, motion.glide_to, motion.walked, *motion.corners)
        pulled = bool(motion.glide_to or motion.corners)
        return (
            all(len(point) in {0, size} for point in points)
            and all(abs(x) <= _FARTHEST for x in chain(*points))
            and len(motion.corners) in {0, 2, 4}
            and all(motion.corners)
            and len(motion.base) == (size if pulled else 0)
            and len(motion.glide_from) == len(motion.glide_to)
            and motion.glide_bars >= 1
            and 1 <= motion.orbit_bars <= _FARTHEST
            and all(0 <= share <= 1 for share in (motion.x, motion.y, motion.walk, motion.orbit))
        )


class Scene(Struct, frozen=True):
    """How a part stood in the rig when all of it was stored.

    Attributes:
        base: What its latent point moved around, float64, little-endian.
        moves: How; the bar in which a glide began counts from the next bar then.
        muted: Whether it was muted.
        swing: The swing of the rig.
        own_swing: The part's own; None: that of the rig.
    """

    base: bytes
    moves: Moves
    muted: bool
    swing: Swing
    own_swing: Swing | None = None

    def check(self, size: int) -> None:
        """Look whether it can be played in a latent space of so many dimensions; a file may hold anything.

        Raises:
            UsageError: it cannot.
        """
        for swing in (self.swing, self.own_swing or self.swing):
            read_swing((swing.percent, swing.grid), swing)
        if not self.moves.fits(size):
            raise UsageError("It holds motion that no part can make: store it anew.")


class Choke(Struct, frozen=True, tag=True):
    """From a position on a part is heard, and the others of its choke group are silent."""

    position_ub: int
    part: str


class Ground(Struct, frozen=True, tag=True):
    """From a position on bars are decoded by another harmony and from points that move otherwise.

    Attributes:
        position_ub: The position.
        scale: As in ``Harmony``.
        chords: As in ``Harmony``.
        moves: By part.
    """

    position_ub: int
    scale: str
    chords: str
    moves: dict[str, Moves]


class Manner(Struct, frozen=True, tag=True):
    """From a position on other parts are heard, with another swing, at another tempo.

    Attributes:
        position_ub: The position.
        swing: The swing of the rig.
        own_swings: By part, its own swing; None: that of the rig.
        muted: By part, whether it is muted.
        tempo_bpm: The tempo, 20 to 999; None: as it is.
    """

    position_ub: int
    swing: Swing
    own_swings: dict[str, Swing | None]
    muted: dict[str, bool]
    tempo_bpm: float | None


Later = Choke | Ground | Manner
