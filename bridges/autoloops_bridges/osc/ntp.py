"""Monotonic time to NTP time tags and back, through an offset that is slewed, never stepped. Pure.

A tag is a 64-bit fixed-point number: seconds since 1900 and fractions of 2**-32 s (OSC 1.0 specification, RFC 5905).
"""

from typing import Final

from autoloops_engine.units import US_PER_S

NTP_MINUS_UNIX_S: Final = 2_208_988_800
SLEW_PPM: Final = 1000
_FRACTION: Final = 1 << 32
_WRAP: Final = 1 << 64


class NtpClock:
    """Maps monotonic microseconds to NTP tags; the map grows strictly, whatever the wall clock does.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, now_us: int, wall_us: int) -> None:
        """Begin with one reading of both clocks.

        Args:
            now_us: Monotonic time.
            wall_us: Microseconds since the Unix epoch at the same instant.
        """
        self._from_us = now_us
        self._from_offset_us = wall_us - now_us
        self._goal_offset_us = wall_us - now_us

    def observe(self, now_us: int, wall_us: int) -> None:
        """Take another reading; the offset moves towards it by at most 1 ms a second."""
        self._from_offset_us = self.offset_us(now_us)
        self._from_us = now_us
        self._goal_offset_us = wall_us - now_us

    def offset_us(self, at_us: int) -> int:
        """Wall clock minus monotonic clock at ``at_us``, as far as it is slewed by then."""
        elapsed_us = max(0, at_us - self._from_us)
        step_us = elapsed_us * SLEW_PPM // 1_000_000
        missing_us = self._goal_offset_us - self._from_offset_us
        return self._from_offset_us + max(-step_us, min(step_us, missing_us))

    def tag_at(self, at_us: int) -> int:
        """The NTP tag of the monotonic time ``at_us``."""
        ntp_us = at_us + self.offset_us(at_us) + NTP_MINUS_UNIX_S * US_PER_S
        return ntp_us * _FRACTION // US_PER_S % _WRAP

    def us_at(self, tag: int, now_us: int) -> int:
        """The monotonic time of ``tag``; of the eras of NTP time the one that lies nearest to ``now_us``."""
        at_us = now_us
        # The slope differs from 1 by the slew at most: each round leaves a thousandth of the error.
        for _ in range(4):
            ahead = (tag - self.tag_at(at_us) + _WRAP // 2) % _WRAP - _WRAP // 2
            at_us += (ahead * US_PER_S + _FRACTION // 2) // _FRACTION
        return at_us
