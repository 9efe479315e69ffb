"""The clocks of the shells; everything else is told the time."""

import time


def monotonic_us() -> int:
    """Microseconds of the monotonic clock, which all processes of this machine share."""
    return time.monotonic_ns() // 1_000


def wall_us() -> int:
    """Microseconds since the Unix epoch by the wall clock, which may jump; only OSC time tags need it."""
    return time.time_ns() // 1_000


def both_us() -> tuple[int, int]:
    """The monotonic and the wall clock at one instant: of three readings, the one that was interrupted least."""
    readings = [(monotonic_us(), wall_us(), monotonic_us()) for _ in range(3)]
    before_us, at_us, after_us = min(readings, key=lambda reading: reading[2] - reading[0])
    return (before_us + after_us) // 2, at_us
