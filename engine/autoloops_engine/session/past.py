"""What a part played: its bars, as they were frozen, with what they were made from."""

from collections import deque
from typing import Final, NamedTuple

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.messages import Frozen
from autoloops_engine.session.settings import Settings

# Bars that are remembered: at 120 BPM the last 34 minutes.
REMEMBERED_BARS: Final = 1_024


class PastBar(NamedTuple):
    """A bar that sounded.

    Attributes:
        song_bar: Where in the song, from 0.
        loop_bar: Where in the loop, from 0.
        length_bars: How long the loop was.
        steps: What the model made.
        settings: What it was made from, ...
        harmony: ... and the scale and chords that it kept to.
        frozen: As the player froze it, and each splice into it since, in order.
    """

    song_bar: int
    loop_bar: int
    length_bars: int
    steps: LoopSteps
    settings: Settings
    harmony: Harmony
    frozen: tuple[Frozen, ...]


class Past:
    """The latest bars of a part, by the order in which they sounded; bounded."""

    def __init__(self) -> None:
        self._bars: deque[PastBar] = deque(maxlen=REMEMBERED_BARS)
        self._new: deque[PastBar] = deque(maxlen=REMEMBERED_BARS)

    def add(self, bar: PastBar) -> None:
        """A bar was frozen; one that was spliced takes the place of what it was."""
        if self._bars and self._bars[-1].song_bar == bar.song_bar:
            old = self._bars.pop()
            if bar.frozen[-1].origin == "splice":
                bar = bar._replace(frozen=old.frozen + bar.frozen)
        self._bars.append(bar)
        self._new.append(bar)

    def restore(self, bar: PastBar) -> None:
        """Remember a bar behind the others; a later word on the last one takes its place."""
        if self._bars and self._bars[-1].song_bar == bar.song_bar:
            self._bars.pop()
        self._bars.append(bar)

    def take_new(self) -> list[PastBar]:
        """The bars that were added since the last call, and the latest words on them."""
        new = list(self._new)
        self._new.clear()
        return new

    @property
    def newest_bar(self) -> int | None:
        """The song bar that was frozen last; None: there is none."""
        return self._bars[-1].song_bar if self._bars else None

    def stretch(self, first_bar: int, last_bar: int) -> tuple[PastBar, ...]:
        """The bars of a stretch of the song as they sounded last, in order, as far back as the song did not jump."""
        found: list[PastBar] = []
        below = last_bar + 1
        for bar in reversed(self._bars):
            if bar.song_bar > last_bar:
                continue
            if not first_bar <= bar.song_bar < below:
                break
            found.append(bar)
            below = bar.song_bar
        return tuple(reversed(found))

    def loop(self, bars_ago: int) -> tuple[PastBar, ...]:
        """The whole loop as it sounded so many bars ago, bar 0 first; empty when it is not known, or not any more.

        Args:
            bars_ago: 0: as it sounds now, up to the last bar that was frozen.
        """
        known = list(self._bars)[: len(self._bars) - bars_ago]
        if not known:
            return ()
        length_bars = known[-1].length_bars
        loop: dict[int, PastBar] = {}
        for bar in known[-length_bars:]:
            if bar.length_bars == length_bars:
                loop[bar.loop_bar] = bar
        return tuple(loop[at] for at in range(length_bars)) if len(loop) == length_bars else ()

    def clear(self) -> None:
        """Nothing of it fits what comes."""
        self._bars.clear()
        self._new.clear()
