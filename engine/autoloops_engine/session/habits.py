"""What a part does by itself, and how it stands to the other parts."""

from typing import Final

from msgspec import Struct

from autoloops_engine.session.motion import STILL, Motion
from autoloops_engine.time.quantum import When

FIRES: Final = ("new", "vary", "again")
FOLLOWS: Final = ("off", *FIRES, "next", "random")
NO_CORNERS: Final = (0,)


class Habits(Struct):
    """Nothing at first.

    Attributes:
        motion: How its latent point moves.
        corners: The slots that its pad was laid between; a lone 0: no pad.
        follow: What follows when its loop is through: one of ``FOLLOWS``.
        follow_passes: After how many passes.
        passes: How many it played since.
        recalled: The slot that it recalled last; 0: none.
        choke: Its choke group, from 1; 0: none.
        solo: Whether it is played alone.
        quantise: Its launch quantisation where none is asked for.
    """

    motion: Motion = STILL
    corners: tuple[int, ...] = NO_CORNERS
    follow: str = "off"
    follow_passes: int = 1
    passes: int = 0
    recalled: int = 0
    choke: int = 0
    solo: bool = False
    quantise: When = When.BAR
