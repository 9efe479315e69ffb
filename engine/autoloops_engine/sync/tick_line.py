"""The straight line through clock ticks that jitter: how long a tick is, and when one was really meant. Pure.

A delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005) has one bandwidth: narrow
enough for a jittery clock it follows a tempo change for bars, wide enough for the change it lets the jitter through.
Here the line of least squares through the ticks since the tempo last changed takes its place: its bandwidth is as wide
as a few ticks after a change and as narrow as ``MEMORY_TICKS`` when the tempo has stood. That it changed is what a
two-sided cumulative sum of the normalised errors tells (E. S. Page, "Continuous inspection schemes", Biometrika 1954),
and of what happened there, the explanation that fits the ticks best is taken: nothing, ticks that were lost, another
tempo. The jitter is measured on second differences of the ticks, which no steady tempo shows in.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM, TICKS_PER_BEAT, US_PER_S

# 32 beats: jitter of ±20 ms leaves the line 0.8 ms and 0.01 % of tempo uncertain (standard deviations).
MEMORY_TICKS: Final = 768
# What no clock's stamps are better than, in microseconds: the map of a JACK server's frames is slewed, and so on.
LEAST_JITTER_US: Final = 100.0
# The jitter to assume before it can be measured: a driver's callback.
UNKNOWN_JITTER_US: Final = 5_000.0
_JITTER_TICKS: Final = 32
_ENOUGH_DIFFERENCES: Final = 4
# From the median of absolute values to the standard deviation of normal ones; and the second difference of white noise
# has six times its variance.
_MEDIAN_TO_SD: Final = 1 / (0.6745 * math.sqrt(6))
# One late tick is no change of tempo: so many standard deviations count at most, and so many are noise.
_CLIP: Final = 12.0
_SLACK: Final = 0.5
_ALARM: Final = 20.0
# An explanation is good when it leaves so many standard deviations. Twice the log of the odds against each beforehand:
# what is lost stays lost, while a wrong tempo mends itself, so a shift has to be well founded.
_GOOD_FIT: Final = 3.0
_ODDS: Final = 10.0
_PRICES: Final = {"nothing": 0.0, "tempo": 8.0, "shift": 12.0}
# The place where another tempo begins is known as well as so many ticks say.
_PIVOT_TICKS: Final = 8
# A change of tempo may be that large (standard deviation), a clock that comes back that far off.
_CHANGE: Final = 0.3
_RETURN: Final = 0.02
# So many ticks on the old line in a row end a doubt; where nothing explains them for so long, begin with the newest.
_BACK_TICKS: Final = 3
_PATIENCE_TICKS: Final = 24
_SHORTEST_US: Final = 60 * US_PER_S / MAX_TEMPO_BPM / TICKS_PER_BEAT
_LONGEST_US: Final = 60 * US_PER_S / MIN_TEMPO_BPM / TICKS_PER_BEAT


class Estimate(NamedTuple):
    """A place on the line.

    Attributes:
        at_us: When the tick was meant.
        uncertainty_us: The standard deviation of that.
    """

    at_us: float
    uncertainty_us: float


class _Tick(NamedTuple):
    number: int
    at_us: int


class _Explanation(NamedTuple):
    """What may have happened before the tick at ``begin``; ``cost`` is twice the negative log of its odds."""

    cost: float
    what: str
    begin: int


class _Sums:
    """Least squares over (tick number, time), with what was thought of the slope before."""

    def __init__(self, origin: _Tick, tick_us: float, spread_us: float) -> None:
        self._origin = origin
        self._prior_us = tick_us
        self._prior_weight = 1 / spread_us**2
        self._points: deque[tuple[int, float]] = deque()
        self._k = 0
        self._kk = 0
        self._t = 0.0
        self._kt = 0.0

    @property
    def count(self) -> int:
        """How many ticks the line goes through."""
        return len(self._points)

    def add(self, number: int, at_us: float) -> None:
        """Take a tick in, and forget the oldest where there are more than are remembered."""
        k, t = number - self._origin.number, at_us - self._origin.at_us
        # What is summed are deviations from the tempo that was thought: small numbers, of which floats lose nothing.
        self._sum(k, t - k * self._prior_us, 1)
        self._points.append((k, t - k * self._prior_us))
        if len(self._points) > MEMORY_TICKS:
            self._sum(*self._points.popleft(), -1)

    def drop(self, count: int) -> None:
        """Forget the newest ticks."""
        for _ in range(count):
            self._sum(*self._points.pop(), -1)

    def tick_us(self, jitter_us: float) -> float:
        """How long a tick is."""
        precision, moment = self._slope(jitter_us)
        return self._prior_us + moment / precision

    def at(self, number: int, jitter_us: float) -> Estimate:
        """When a tick is meant to come."""
        n = len(self._points)
        precision, moment = self._slope(jitter_us)
        k = number - self._origin.number
        away = k - self._k / n
        at_us = self._origin.at_us + k * self._prior_us + self._t / n + away * moment / precision
        return Estimate(at_us, math.sqrt(jitter_us**2 / n + away**2 / precision))

    def _slope(self, jitter_us: float) -> tuple[float, float]:
        """The precision of the slope's deviation from what was thought, and that times the deviation."""
        n = len(self._points)
        noise = jitter_us**2
        spread = self._kk - self._k**2 / n
        return spread / noise + self._prior_weight, (self._kt - self._k * self._t / n) / noise

    def _sum(self, k: int, t: float, sign: int) -> None:
        self._k += sign * k
        self._kk += sign * k * k
        self._t += sign * t
        self._kt += sign * k * t


class TickLine:
    """Follows a clock. Thread: the owner's only. Blocks: never.

    Args:
        number: The number of the first tick.
        at_us: When it came.
        tick_us: How long a tick is thought to be, in microseconds.
        spread: How far that may be wrong (standard deviation), as a share of it.

    Attributes:
        number: Of the tick that came last.
        last_us: When it came.
        lost: Ticks that never came; those too many count against them.
    """

    def __init__(self, number: int, at_us: int, tick_us: float, spread: float) -> None:
        self.lost = 0
        self._differences: deque[float] = deque(maxlen=_JITTER_TICKS)
        self._jitter_us = UNKNOWN_JITTER_US
        self.anchor(number, at_us, tick_us, spread)

    def anchor(self, number: int, at_us: int, tick_us: float, spread: float) -> None:
        """Begin anew at a tick; what is known of the jitter stays."""
        self.number = number
        self.last_us = at_us
        self._raw: deque[_Tick] = deque([_Tick(number, at_us)], maxlen=MEMORY_TICKS)
        self._sums = _Sums(self._raw[-1], tick_us, spread * tick_us)
        self._sums.add(number, at_us)
        self._settle()

    @property
    def tick_us(self) -> float:
        """How long a tick is; within the tempos that there are, whatever the first ticks looked like."""
        return min(_LONGEST_US, max(_SHORTEST_US, self._sums.tick_us(self._jitter_us)))

    @property
    def jitter_us(self) -> float:
        """The standard deviation of the ticks around the line."""
        return self._jitter_us

    @property
    def meant(self) -> Estimate:
        """When the last tick was meant."""
        return self._sums.at(self.number, self._jitter_us)

    @property
    def settled(self) -> bool:
        """Whether the ticks are explained by the line."""
        return self._doubted == 0

    def is_off(self, at_us: int) -> bool:
        """Whether the next tick, were it to come then, would be further off than jitter explains."""
        return abs(self._error(_Tick(self.number + 1, at_us))) > _GOOD_FIT

    def tick(self, at_us: int) -> None:
        """The next tick came."""
        self.number += 1
        self.last_us = at_us
        self._raw.append(_Tick(self.number, at_us))
        self._measure_jitter()
        if self._doubted:
            self._doubted += 1
        else:
            self._weigh(at_us)
        if self._doubted:
            self._explain()

    def _settle(self) -> None:
        self._late = self._early = 0.0
        self._late_ticks = self._early_ticks = 0
        self._doubted = 0

    def _measure_jitter(self) -> None:
        if len(self._raw) < 3:
            return
        first, second, third = self._raw[-3], self._raw[-2], self._raw[-1]
        self._differences.append(abs(first.at_us - 2 * second.at_us + third.at_us))
        if len(self._differences) >= _ENOUGH_DIFFERENCES:
            median_us = sorted(self._differences)[len(self._differences) // 2]
            self._jitter_us = max(LEAST_JITTER_US, median_us * _MEDIAN_TO_SD)

    def _weigh(self, at_us: int) -> None:
        """Take a tick in, or doubt it and those before it that were off to the same side."""
        error = self._error(self._raw[-1])
        self._late, self._late_ticks = _cumulated(self._late, self._late_ticks, error)
        self._early, self._early_ticks = _cumulated(self._early, self._early_ticks, -error)
        if max(self._late, self._early) <= _ALARM:
            self._take(self._raw[-1], error)
            return
        run = self._late_ticks if self._late >= self._early else self._early_ticks
        self._doubted = min(run, self._sums.count)
        self._sums.drop(self._doubted - 1)

    def _error(self, tick: _Tick) -> float:
        """How late a tick is, in standard deviations."""
        expected = self._sums.at(tick.number, self._jitter_us)
        return (tick.at_us - expected.at_us) / math.hypot(expected.uncertainty_us, self._jitter_us)

    def _take(self, tick: _Tick, error: float) -> None:
        """Take a tick in; one that is far out counts for no more than jitter explains."""
        excess = error - max(-_CLIP, min(_CLIP, error))
        uncertainty_us = self._sums.at(tick.number, self._jitter_us).uncertainty_us
        self._sums.add(tick.number, tick.at_us - excess * math.hypot(uncertainty_us, self._jitter_us))

    def _explain(self) -> None:
        """Find out what happened since the ticks left the line: nothing, a shift, another tempo."""
        ticks = [self._raw[index] for index in range(-self._doubted, 0)]
        errors = [self._error(tick) for tick in ticks]
        far = next((index for index, error in enumerate(errors) if abs(error) > _GOOD_FIT), 0)
        # What happened may have happened where the errors began to add up, or where they became large.
        explanations = [self._weighed("nothing", 0, ticks, errors)]
        for begin in sorted({0, far}):
            explanations += [self._weighed(what, begin, ticks, errors) for what in ("shift", "tempo")]
        best = min(explanations, key=lambda explanation: explanation.cost)
        rival_cost = min(each.cost for each in explanations if each.what != best.what)
        if rival_cost < best.cost + _ODDS and len(ticks) < _PATIENCE_TICKS:
            return
        if best.cost - _PRICES[best.what] > _GOOD_FIT**2 * len(ticks):
            self._be_patient(ticks, errors)
            return
        before, ticks = ticks[: best.begin], ticks[best.begin :]
        self._resume(before)
        match best.what:
            case "nothing":
                self._resume(ticks)
            case "shift":
                self._shift(ticks)
            case "tempo":
                self._sums = self._other_tempo(ticks)
        self._settle()

    def _weighed(self, what: str, begin: int, ticks: Sequence[_Tick], errors: Sequence[float]) -> _Explanation:
        """What the ticks cost when ``what`` happened before the one at ``begin``."""
        jitter_us, since = self._jitter_us, ticks[begin:]
        cost = _PRICES[what] + sum(error**2 for error in errors[:begin])
        match what:
            case "tempo":
                other = self._other_tempo(since)
                left_us = [tick.at_us - other.at(tick.number, jitter_us).at_us for tick in since]
                if not _SHORTEST_US <= other.tick_us(jitter_us) <= _LONGEST_US:
                    cost = math.inf
            case "shift":
                shift_us = self._mean_us(since)
                left_us = [tick.at_us - self._sums.at(tick.number, jitter_us).at_us - shift_us for tick in since]
            case _:
                return _Explanation(cost + sum(error**2 for error in errors[begin:]), what, begin)
        return _Explanation(cost + sum((each_us / jitter_us) ** 2 for each_us in left_us), what, begin)

    def _mean_us(self, ticks: Sequence[_Tick]) -> float:
        """How late the ticks are on average."""
        return sum(tick.at_us - self._sums.at(tick.number, self._jitter_us).at_us for tick in ticks) / len(ticks)

    def _be_patient(self, ticks: Sequence[_Tick], errors: Sequence[float]) -> None:
        """Nothing explains the ticks: wait until they are back on the line, or begin anew after a while."""
        newest = errors[-_BACK_TICKS:]
        if len(newest) == _BACK_TICKS and all(abs(error) <= _GOOD_FIT for error in newest):
            self._resume(ticks)
            self._settle()
        elif len(ticks) > _PATIENCE_TICKS:
            self._begin_with(ticks[-_PATIENCE_TICKS // 2 :], _CHANGE)
            self._settle()

    def _resume(self, ticks: Sequence[_Tick]) -> None:
        for tick in ticks:
            self._take(tick, self._error(tick))

    def _shift(self, ticks: Sequence[_Tick]) -> None:
        """Ticks are missing (or too many), or the clock went on in another phase."""
        tick_us, shift_us = self.tick_us, self._mean_us(ticks)
        missing = round(shift_us / tick_us)
        self.number += missing
        self.lost += missing
        ticks = [_Tick(tick.number + missing, tick.at_us) for tick in ticks]
        for index, tick in enumerate(ticks, -len(ticks)):
            self._raw[index] = tick
        if missing and abs(shift_us - missing * tick_us) <= tick_us / 4:
            self._resume(ticks)
        else:
            self._begin_with(ticks, _RETURN)

    def _other_tempo(self, ticks: Sequence[_Tick]) -> _Sums:
        """The line of another tempo that begins where the old line ends."""
        pivot = ticks[0].number - 1
        pivot_us = self._sums.at(pivot, self._jitter_us).at_us
        sums = _Sums(_Tick(pivot, round(pivot_us)), self.tick_us, _CHANGE * self.tick_us)
        for _ in range(_PIVOT_TICKS):
            sums.add(pivot, pivot_us)
        for tick in ticks:
            sums.add(tick.number, tick.at_us)
        return sums

    def _begin_with(self, ticks: Sequence[_Tick], spread: float) -> None:
        self._sums = _Sums(ticks[0], self.tick_us, spread * self.tick_us)
        for tick in ticks:
            self._sums.add(tick.number, tick.at_us)


def _cumulated(total: float, ticks: int, error: float) -> tuple[float, int]:
    """A one-sided cumulative sum of errors (standard deviations), and how many ticks it has been above nothing."""
    total += min(_CLIP, error) - _SLACK
    return (total, ticks + 1) if total > 0 else (0.0, 0)
