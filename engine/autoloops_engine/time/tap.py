"""Tap tempo: from the times of taps to a tempo. Pure."""

from itertools import accumulate, combinations, pairwise
from statistics import median
from typing import Final

from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM, NS_PER_US, US_PER_S, ns_per_beat

# As many as a performer taps before listening whether it fits; older ones belong to a tempo that was left.
TAPS_KEPT: Final = 8
# One interval may be a slip of the finger; two that agree are meant.
TAPS_NEEDED: Final = 3
# The slowest tempo has 3 s a beat; after a longer pause a new count begins, and so it does after so many beats.
PAUSE_US: Final = 3_300_000
_PAUSE_BEATS: Final = 2.5
# What comes sooner than this share of a beat is the bounce of a pad.
_BOUNCE_BEATS: Final = 0.3
# Two intervals this near to one another and this far from those before are a new tempo.
_ALIKE: Final = 0.15
_FASTEST_US: Final = ns_per_beat(MAX_TEMPO_BPM) // NS_PER_US


class TapTempo:
    """Counts taps and answers the tempo of those that belong together.

    The beats are numbered by the median interval, so that a tap left out counts for two. The tempo is the median of
    the slopes between every two taps (Theil and Sen's estimator): it uses all of them, and a few that are far off do
    not move it.
    """

    def __init__(self) -> None:
        self._taps_us: list[int] = []

    def tap(self, at_us: int) -> float | None:
        """Take a tap.

        Args:
            at_us: When the pad was hit, by the driver's stamp where there is one.

        Returns:
            The tempo in beats per minute, 20 to 999; None while it is not known yet, or out of range.
        """
        intervals_us = self._intervals_us()
        beat_us = median(intervals_us) if intervals_us else None
        if self._taps_us:
            since_us = at_us - self._taps_us[-1]
            if since_us < (_FASTEST_US if beat_us is None else _BOUNCE_BEATS * beat_us):
                return None
            if since_us > PAUSE_US or (beat_us is not None and since_us > _PAUSE_BEATS * beat_us):
                self._taps_us.clear()
        self._taps_us = [*self._taps_us[1 - TAPS_KEPT :], at_us]
        self._leave_old_tempo()
        return self._tempo_bpm() if len(self._taps_us) >= TAPS_NEEDED else None

    def _intervals_us(self) -> list[int]:
        return [later - earlier for earlier, later in pairwise(self._taps_us)]

    def _leave_old_tempo(self) -> None:
        intervals_us = self._intervals_us()
        if len(intervals_us) < TAPS_NEEDED:
            return
        *old_us, before_us, last_us = intervals_us
        beat_us = median(old_us)
        if _far(before_us, beat_us) and _far(last_us, beat_us) and not _far(before_us, last_us):
            self._taps_us = self._taps_us[-TAPS_NEEDED:]

    def _tempo_bpm(self) -> float | None:
        intervals_us = self._intervals_us()
        beat_us = median(intervals_us)
        beats = accumulate((max(1, round(interval_us / beat_us)) for interval_us in intervals_us), initial=0)
        numbered = list(zip(beats, self._taps_us, strict=True))
        slopes_us = [(b_us - a_us) / (b - a) for (a, a_us), (b, b_us) in combinations(numbered, 2)]
        tempo_bpm = 60 * US_PER_S / median(slopes_us)
        return tempo_bpm if MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM else None


def _far(a_us: float, b_us: float) -> bool:
    return abs(a_us - b_us) > _ALIKE * b_us
