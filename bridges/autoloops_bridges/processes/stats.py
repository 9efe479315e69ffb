"""The counters of a performance, from all who count, in one flat list. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from autoloops_engine.messages import LATE_BOUNDS_US, PlayerStats
from autoloops_engine.units import US_PER_MS, US_PER_S

Figure = int | float
Named = tuple[str, Figure]

_DECODES: Final = 1_024
_MAX_INT: Final = 2**31 - 1


class Stats:
    """Adds up what the player reports, over its restarts too, and how long decodes take.

    Thread: the owner's only. Blocks: no.

    Attributes:
        restarts: How often a process that died was replaced, as far as the owner was told.
    """

    def __init__(self, now_us: int) -> None:
        self.restarts = 0
        self._began_us = now_us
        self._decodes_us: deque[int] = deque(maxlen=_DECODES)
        self._ended = PlayerStats(0, 0, (0,) * (len(LATE_BOUNDS_US) + 1), 0, 0, 0)
        self._present = self._ended

    def decoded(self, decode_us: int) -> None:
        """Take in the duration of one decode."""
        self._decodes_us.append(decode_us)

    def played(self, stats: PlayerStats) -> None:
        """Take in what the player counted; one that starts from nothing again is another one."""
        if stats.events < self._present.events:
            self._ended = self.player
        self._present = stats

    @property
    def player(self) -> PlayerStats:
        """What all players together counted."""
        before, now = self._ended, self._present
        return PlayerStats(
            before.events + now.events,
            max(before.late_max_us, now.late_max_us),
            tuple(a + b for a, b in zip(before.late_histogram, now.late_histogram, strict=True)),
            before.fallbacks + now.fallbacks,
            before.dropped + now.dropped,
            before.bars + now.bars,
        )

    def figures(self, now_us: int) -> list[Named]:
        """What is counted here, by name."""
        player = self.player
        return [
            ("bars", player.bars),
            ("fallbacks", player.fallbacks),
            ("events", player.events),
            ("dropped", player.dropped),
            ("late_p99_ms", late_us(player, 99) / US_PER_MS),
            ("late_max_ms", player.late_max_us / US_PER_MS),
            ("decode_p50_ms", percentile(self._decodes_us, 50) / US_PER_MS),
            ("decode_p99_ms", percentile(self._decodes_us, 99) / US_PER_MS),
            ("restarts", self.restarts),
            ("uptime_s", (now_us - self._began_us) // US_PER_S),
        ]


def flat(figures: Iterable[Named]) -> tuple[str | Figure, ...]:
    """Name value name value …; whole numbers stay within the 32 bits that every OSC client reads."""
    values: list[str | Figure] = []
    for name, figure in figures:
        values += (name, figure if isinstance(figure, float) else min(figure, _MAX_INT))
    return tuple(values)


def late_us(stats: PlayerStats, percent: float) -> int:
    """Within which lateness ``percent`` of all events left: the upper end of their class; 0 before the first."""
    bounds_us = (*LATE_BOUNDS_US, stats.late_max_us)
    wanted = stats.events * percent / 100
    passed = 0
    for count, bound_us in zip(stats.late_histogram, bounds_us, strict=True):
        passed += count
        if passed >= wanted:
            return max(0, min(bound_us, stats.late_max_us))
    return max(0, stats.late_max_us)


def percentile(samples: Sequence[int], percent: float) -> int:
    """The sample below which ``percent`` of them lie; 0 where there is none."""
    if not samples:
        return 0
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
