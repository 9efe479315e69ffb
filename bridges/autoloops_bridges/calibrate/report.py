"""What was measured, as lines for the terminal. Pure."""

from collections.abc import Sequence
from typing import Final

from autoloops_bridges.calibrate.measuring import Measured
from autoloops_engine.units import US_PER_MS

_BINS: Final = 11
_BAR_WIDTH: Final = 40
_NARROWEST_BIN_US: Final = 50


def report_lines(port: str, measured: Measured) -> list[str]:
    """The report card of a port.

    Args:
        port: What was played to.
        measured: How late it was.
    """
    head = (
        f"{port}: latency {_ms(measured.latency_us)}, jitter {_ms(measured.jitter_us)}, "
        f"99 of 100 within {_ms(measured.p99_us)} of it, {len(measured.delays_us)} of {measured.sent} clicks"
    )
    return [head, *histogram_lines(measured.delays_us)]


def histogram_lines(delays_us: Sequence[int]) -> list[str]:
    """How often which delay was measured: a line for each bin, from the least to the greatest."""
    least_us, greatest_us = min(delays_us), max(delays_us)
    bin_us = max(_NARROWEST_BIN_US, -(-(greatest_us - least_us + 1) // _BINS))
    counts = [0] * (1 + (greatest_us - least_us) // bin_us)
    for delay_us in delays_us:
        counts[(delay_us - least_us) // bin_us] += 1
    most = max(counts)
    lines = []
    for at, count in enumerate(counts):
        middle_ms = (least_us + (at + 0.5) * bin_us) / US_PER_MS
        lines.append(f"{middle_ms:8.2f} ms  {'█' * round(count * _BAR_WIDTH / most)} {count or ''}".rstrip())
    return lines


def _ms(time_us: int) -> str:
    return f"{time_us / US_PER_MS:.2f} ms"
