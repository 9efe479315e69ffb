"""What of a session is brought back: all of it, or some bars. Pure."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final

from msgspec.structs import replace

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Heard
from autoloops_engine.player.events import Kind
from autoloops_engine.units import BEATS_PER_BAR, STEPS_PER_BEAT

# A note belongs to the step of the grid that it is nearest to: what comes up to half a step before a bar is the bar's.
_EARLY_BEATS: Final = 1 / (2 * STEPS_PER_BEAT)


def excerpt(heard: Sequence[Heard], first_bar: int = 1, bars: int | None = None) -> list[Heard]:
    """The events of some bars, by time; every note that begins in them ends in them at the latest.

    Bars are counted as they sounded, one after the other: where the song jumped or stood still, counting goes on.

    Args:
        heard: What sounded in the session.
        first_bar: The bar to begin with, from 1.
        bars: How many; None: all that follow.

    Raises:
        UsageError: the session ended before that bar.
    """
    beats_us = [event.at_us for event in heard if event.kind == Kind.BEAT]
    if first_bar > max(1, bars_in(heard)):
        raise UsageError(f"The session has {bars_in(heard)} bars: none of number {first_bar} to begin with.")
    first_beat = (first_bar - 1) * BEATS_PER_BAR
    end_beat = None if bars is None else first_beat + bars * BEATS_PER_BAR
    from_us = _cut_us(beats_us, first_beat) if first_beat else -inf
    until_us = inf if end_beat is None or end_beat >= len(beats_us) else _cut_us(beats_us, end_beat)
    taken = [
        Heard(at_us, int(Kind.BEAT), "", 0, number, 0)
        for at_us, number in [(e.at_us, e.number) for e in heard if e.kind == Kind.BEAT][first_beat:end_beat]
    ]
    taken += _whole_notes(heard, from_us, until_us)
    return sorted(taken, key=lambda event: event.at_us)


def bars_in(heard: Iterable[Heard]) -> int:
    """How many bars began."""
    return -(-sum(event.kind == Kind.BEAT for event in heard) // BEATS_PER_BAR)


def ends_of(heard: Iterable[Heard], at_us: int) -> list[Heard]:
    """The ends, at one moment, of the notes that nothing has ended."""
    sounding: dict[tuple[str, int, int], Heard] = {}
    for event in heard:
        if event.kind == Kind.ON:
            sounding[_key(event)] = event
        elif event.kind == Kind.OFF:
            sounding.pop(_key(event), None)
    return [replace(event, at_us=at_us, kind=int(Kind.OFF), velocity=0) for event in sounding.values()]


def _whole_notes(heard: Sequence[Heard], from_us: float, until_us: float) -> list[Heard]:
    taken: list[Heard] = []
    sounding: set[tuple[str, int, int]] = set()
    for event in heard:
        if event.kind == Kind.ON and from_us <= event.at_us < until_us:
            sounding.add(_key(event))
            taken.append(event)
        elif event.kind == Kind.OFF and _key(event) in sounding and event.at_us < until_us:
            sounding.remove(_key(event))
            taken.append(event)
    last_us = max((event.at_us for event in heard), default=0)
    return taken + ends_of(taken, int(min(until_us, last_us)))


def _cut_us(beats_us: Sequence[int], beat: int) -> float:
    """Where what belongs to a beat begins, which is not the first one."""
    return beats_us[beat] - _EARLY_BEATS * (beats_us[beat] - beats_us[beat - 1])


def _key(event: Heard) -> tuple[str, int, int]:
    return event.part, event.channel, event.number
