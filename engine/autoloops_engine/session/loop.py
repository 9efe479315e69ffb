"""The loop of a part as it is about to be decoded, and what a search for its faders has to know of it. Pure."""

from collections.abc import Hashable
from typing import Final, NamedTuple

from autoloops_engine.codecs.registry import Codec
from autoloops_engine.constraints.bias import bar_bias
from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.inference.levers import SearchRequest
from autoloops_engine.session.settings import Settings

# Bars that are searched: of longer loops the first ones stand for the rest.
SEARCHED_BARS: Final = 4


class Key(NamedTuple):
    """What a search depends on.

    Attributes:
        loop: Base, own faders and model: as long as they stay, what was found is better than the open loop.
        rest: Everything else.
    """

    loop: Hashable
    rest: Hashable


class Loop(NamedTuple):
    """The loop of a part as it is about to be decoded.

    Attributes:
        part: Name of the part.
        codec: What its classes mean.
        settings: What it is decoded from.
        harmony: What it keeps to.
        transpose: Semitones that are added to what is decoded.
        pass_index: The pass whose noise it has; 0 while it holds.
        bars: Bars in the loop.
        song_bar: The song bar on which this pass of it begins.
    """

    part: str
    codec: Codec
    settings: Settings
    harmony: Harmony
    transpose: int
    pass_index: int
    bars: int
    song_bar: int

    def key(self) -> Key | None:
        """What a search for it depends on; None: nothing is to be searched for."""
        settings, point = self.settings, self.settings.point
        moved = point.own_attributes()
        if settings.as_heard or not any(point.space.attributes[name].span for name in moved):
            return None
        motion = None if point.motion is None else point.motion.tobytes()
        others = (tuple(sorted(point.knobs.items())), tuple(sorted(point.attributes.items())), motion)
        decoded = (settings.seed, settings.temperature, settings.limits, self.pass_index, self.bars)
        return Key(
            (id(point.space), point.base.tobytes(), tuple(moved.items())),
            (others, decoded, self.harmony if self.codec.pitched else None, self.transpose),
        )

    def request(self) -> SearchRequest:
        """What to ask the worker."""
        settings = self.settings
        bars = range(min(self.bars, SEARCHED_BARS))
        biases = tuple(
            bar_bias(
                self.codec,
                settings.limits,
                self.harmony,
                transpose=self.transpose,
                loop_bar=bar,
                song_bar=self.song_bar + bar,
            )
            for bar in bars
        )
        return SearchRequest(
            self.part, self.key(), settings.point, settings.seed, self.pass_index, settings.temperature, biases
        )
