"""Units of time and pitch shared by every package.

Time is integer microseconds of the monotonic clock (``*_us``), musical position integer micro-beats
(``*_ub``: one beat is a million of them), so that nothing accumulates rounding error.
The meter is 4/4 and the grid sixteen steps a bar.
"""

from typing import Final

US_PER_S: Final = 1_000_000
US_PER_MS: Final = 1_000
NS_PER_S: Final = 1_000_000_000
NS_PER_US: Final = 1_000
UB_PER_BEAT: Final = 1_000_000
BEATS_PER_BAR: Final = 4
STEPS_PER_BEAT: Final = 4
# Of a MIDI clock, in a quarter note.
TICKS_PER_BEAT: Final = 24
STEPS_PER_BAR: Final = BEATS_PER_BAR * STEPS_PER_BEAT
STEP_UB: Final = UB_PER_BEAT // STEPS_PER_BEAT
BAR_UB: Final = BEATS_PER_BAR * UB_PER_BEAT
MIN_TEMPO_BPM: Final = 20.0
MAX_TEMPO_BPM: Final = 999.0
MAX_RAMP_BEATS: Final = 1_024.0
MAX_POSITION_BEATS: Final = 100_000.0
MAX_NUDGE_MS: Final = 1_000.0
MAX_OFFSET_MS: Final = 500.0
# Coordinates have a standard deviation of 1 under a model's prior: what lies beyond this is a mistake.
MAX_COORDINATE: Final = 100.0


def ns_per_beat(tempo_bpm: float) -> int:
    """Whole nanoseconds in a beat at ``tempo_bpm`` (beats per minute, 20 to 999).

    Whole microseconds would be off by up to 2 ms in an hour; these are off by 4 µs at most.

    Raises:
        ValueError: the tempo is out of range or not a number.
    """
    if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
        raise ValueError(f"The tempo must lie between 20 and 999 BPM, not {tempo_bpm!r}.")
    return round(60 * NS_PER_S / tempo_bpm)
