"""Clicks, and what came back of them: latency and jitter, or what is wrong with the wiring. Pure."""

import math
import random
from collections.abc import Sequence
from statistics import median, pstdev
from typing import Final, NamedTuple

from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.units import US_PER_MS

# Irregular, so that an answer cannot be taken for that of the click before, and longer than any latency allowed.
_GAP_US: Final = 300 * US_PER_MS
_GAP_SPREAD_US: Final = 100 * US_PER_MS
MAX_LOOP_US: Final = 280 * US_PER_MS
# A stamp may be early by what a driver rounds away.
_EARLY_US: Final = 20 * US_PER_MS
# Eight notes around General MIDI's wood blocks, in turn: a click is known by its note as well.
_PITCHES: Final = (76, 77, 75, 73, 72, 71, 70, 69)
# Taps: a beat that hands can follow, of which the first few only give the tempo.
BEAT_US: Final = 600 * US_PER_MS
COUNT_IN: Final = 4
MAX_TAP_US: Final = 250 * US_PER_MS
_FEWEST: Final = 8
_MOST_LOST: Final = 0.1
_MOST_TAPS_LOST: Final = 0.4
# What comes back of a loop differs by periods of a driver, not by more.
_MOST_JITTER_US: Final = 20 * US_PER_MS
_MOST_TAP_JITTER_US: Final = 60 * US_PER_MS


class Click(NamedTuple):
    """One click: when it was meant to leave, or came in, and its note."""

    at_us: int
    pitch: int


class Measured(NamedTuple):
    """How late clicks came back.

    Attributes:
        latency_us: The median.
        jitter_us: Standard deviation.
        p99_us: What 99 of 100 differ from the median by at most.
        delays_us: Of each click that came back, in order.
        sent: Clicks that were sent.
    """

    latency_us: int
    jitter_us: int
    p99_us: int
    delays_us: tuple[int, ...]
    sent: int


class WiringError(AutoLoopsError):
    """What is heard is not what was sent: one sentence on what to do."""


def loop_clicks(count: int, start_us: int) -> list[Click]:
    """Clicks for a loop, at irregular distances; the same in every run."""
    gaps, clicks, at_us = random.Random(count), [], start_us
    for number in range(count):
        clicks.append(Click(at_us, _PITCHES[number % len(_PITCHES)]))
        at_us += _GAP_US + gaps.randrange(_GAP_SPREAD_US)
    return clicks


def tap_clicks(count: int, start_us: int) -> list[Click]:
    """Clicks to tap along with, at equal distances, behind a count-in."""
    return [Click(start_us + beat * BEAT_US, _PITCHES[0]) for beat in range(COUNT_IN + count)]


def measure_loop(sent: Sequence[Click], heard: Sequence[Click]) -> Measured:
    """What came back of clicks through a cable, a device or an interface.

    Raises:
        WiringError: nothing came back, too little, something else, or each click several times.
    """
    if not heard:
        raise WiringError("Nothing came back: connect the output to the input, and see that both are the right ports.")
    strangers = sorted({click.pitch for click in heard} - {click.pitch for click in sent})
    if strangers:
        shown = ", ".join(map(str, strangers[:4]))
        raise WiringError(f"Other notes came in (number {shown}): choose the input where only the clicks come back.")
    if len(heard) > len(sent):
        raise WiringError(
            "Clicks came back more than once: something sends the input on to the output; break that loop first."
        )
    delays_us = []
    for click in sent:
        back_us = (each.at_us - click.at_us for each in heard if each.pitch == click.pitch)
        delays_us += [delay_us for delay_us in back_us if -_EARLY_US <= delay_us <= MAX_LOOP_US]
    return _measured(delays_us, len(sent), _MOST_LOST, _MOST_JITTER_US, "clicks came back")


def measure_taps(sent: Sequence[Click], taps_us: Sequence[int]) -> Measured:
    """How late a hand hears the clicks; of each click the nearest tap counts.

    Raises:
        WiringError: too few taps, or too far from the clicks.
    """
    counted = sent[COUNT_IN:]
    if not taps_us:
        raise WiringError("No tap came: press a key, or a pad of the input, with each click.")
    delays_us = []
    for click in counted:
        nearest_us = min((tap_us - click.at_us for tap_us in taps_us), key=abs)
        if abs(nearest_us) <= MAX_TAP_US:
            delays_us.append(nearest_us)
    return _measured(delays_us, len(counted), _MOST_TAPS_LOST, _MOST_TAP_JITTER_US, "clicks were tapped along with")


def _measured(delays_us: list[int], sent: int, most_lost: float, most_jitter_us: int, what: str) -> Measured:
    if len(delays_us) < max(_FEWEST, math.ceil((1 - most_lost) * sent)):
        raise WiringError(f"Only {len(delays_us)} of {sent} {what}: see to the cable, and try again.")
    latency_us = round(median(delays_us))
    jitter_us = round(pstdev(delays_us))
    if jitter_us > most_jitter_us:
        raise WiringError(
            f"The delay wavers by {jitter_us / US_PER_MS:.0f} ms, which no offset mends: see that nothing else plays, "
            "and try again."
        )
    apart_us = sorted(abs(delay_us - latency_us) for delay_us in delays_us)
    p99_us = apart_us[math.ceil(0.99 * len(apart_us)) - 1]
    return Measured(latency_us, jitter_us, p99_us, tuple(delays_us), sent)
