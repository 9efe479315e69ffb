"""The clocks of the shells; everything else is told the time."""

import time


def monotonic_us() -> int:
    """Microseconds of the monotonic clock, which all processes of this machine share."""
    return time.monotonic_ns() // 1_000


def wall_us() -> int:
    """Microseconds since the Unix epoch by the wall clock, which may jump; only OSC time tags need it."""
    return time.time_ns() // 1_000
