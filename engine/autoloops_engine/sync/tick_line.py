"""The line through clock ticks that jitter: how long a tick is, and when the last one was really meant. Pure.

Several filters run side by side that differ in what they take jitter for: errors of single ticks around a steady beat,
errors that add up (of a clock that waits a tick's length after each tick), or a mixture; the one that predicts best is
believed. That the tempo changed is what a two-sided cumulative sum of its normalised errors tells (E. S. Page,
"Continuous inspection schemes", Biometrika 1954); and of what happened there, the likeliest explanation is taken:
nothing, another tempo, ticks that were lost, another phase. The size of the jitter is measured on second differences
of the ticks, in which no steady tempo shows.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from autoloops_engine.sync.tick_filter import Noise, TickState
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM, TICKS_PER_BEAT, US_PER_S

# What no stamps are better than, in microseconds: the map of a JACK server's frames is slewed, and so on.
LEAST_JITTER_US: Final = 30.0
# The jitter to assume before it can be measured.
UNKNOWN_JITTER_US: Final = 5_000.0
_JITTER_TICKS: Final = 32
_ENOUGH_DIFFERENCES: Final = 4
_MEDIAN_TO_SD: Final = 1 / 0.6745
# What the filters believe of jitter: the variance of what adds up against that of what does not.
_SHARES: Final = (0.0, 0.3, 3.0, 50.0)
# How long a filter's surprises count, in ticks, and how much better another has to be to be believed instead.
_MEMORY_TICKS: Final = 256
_BETTER: Final = 10.0
# One late tick is no change of tempo: so many standard deviations count at most, and so many are noise.
_CLIP: Final = 12.0
_SLACK: Final = 0.5
_ALARM: Final = 15.0
# Where errors add up, one that is further out is looked into at once: the next would hide it.
_FAR: Final = 6.0
# An explanation is good when it leaves so many standard deviations, and taken when it is so much likelier than the
# next best (twice the log of the odds). Beforehand each costs as much: what is lost stays lost, while a wrong tempo
# mends itself.
_GOOD_FIT: Final = 3.0
_ODDS: Final = 8.0
_PRICES: Final = {"nothing": 0.0, "tempo": 4.0, "phase": 4.0, "shift": 12.0}
# How large a change of tempo or phase may be (standard deviations, in ticks), and the change of a clock that is back.
_CHANGE: Final = 0.3
_PHASE: Final = 0.25
# No fewer ticks explain anything; so many on the old line in a row end a doubt; where nothing explains them for so
# long, begin with the newest.
_FEWEST_TICKS: Final = 2
_BACK_TICKS: Final = 3
_PATIENCE_TICKS: Final = 24
_HISTORY_TICKS: Final = 4 * _PATIENCE_TICKS
_SHORTEST_US: Final = 60 * US_PER_S / MAX_TEMPO_BPM / TICKS_PER_BEAT
_LONGEST_US: Final = 60 * US_PER_S / MIN_TEMPO_BPM / TICKS_PER_BEAT


class _Tick(NamedTuple):
    """A tick that came, and what each filter knew after it."""

    at_us: int
    states: tuple[TickState, ...]


class _Explanation(NamedTuple):
    """What may have happened before the doubted tick at ``begin``; ``missing`` ticks were lost there."""

    cost: float
    fit: float
    what: str
    begin: int
    missing: int
    # What is known by now if that is so.
    state: TickState


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
        self._surprises = [0.0] * len(_SHARES)
        self._believed = 0
        self.anchor(number, at_us, tick_us, spread)

    def anchor(self, number: int, at_us: int, tick_us: float, spread: float) -> None:
        """Begin anew at a tick; what is known of the jitter stays."""
        self.number = number
        self.last_us = at_us
        state = TickState(at_us, tick_us, self._jitter_us**2, 0.0, (spread * tick_us) ** 2)
        self._states = (state,) * len(_SHARES)
        self._ticks = deque([_Tick(at_us, self._states)], maxlen=_HISTORY_TICKS)
        self._settle()

    @property
    def tick_us(self) -> float:
        """How long a tick is; within the tempos that there are, whatever the first ticks looked like."""
        return min(_LONGEST_US, max(_SHORTEST_US, self._state.tick_us))

    @property
    def meant_us(self) -> float:
        """When the last tick was meant."""
        return self._state.at_us

    @property
    def uncertainty_us(self) -> float:
        """The standard deviation of that."""
        return math.sqrt(self._state.at_us2)

    @property
    def jitter_us(self) -> float:
        """By how much ticks come early or late, as a standard deviation."""
        noise = self._noises[self._believed]
        return math.sqrt(noise.late_us2 + noise.drift_us2)

    @property
    def settled(self) -> bool:
        """Whether the ticks are explained by the line."""
        return self._doubted == 0

    def is_off(self, at_us: int) -> bool:
        """Whether the next tick, were it to come then, would be further off than jitter explains."""
        noise = self._noises[self._believed]
        return abs(self._state.ahead(noise).error(at_us, noise)) > _GOOD_FIT

    def tick(self, at_us: int) -> None:
        """The next tick came."""
        self.number += 1
        self.last_us = at_us
        self._measure_jitter(at_us)
        noises = self._noises
        ahead = tuple(state.ahead(noise) for state, noise in zip(self._states, noises, strict=True))
        if self._doubted:
            self._doubted += 1
            self._coast(at_us, ahead)
        else:
            self._weigh(at_us, ahead, noises)
        if self._doubted:
            self._explain(noises)

    @property
    def _state(self) -> TickState:
        return self._guess or self._states[self._believed]

    @property
    def _noises(self) -> tuple[Noise, ...]:
        """What each filter takes for granted: all of them explain the jitter that was measured."""
        # A second difference holds three errors of ticks (1, -2, 1) and two steps of what adds up.
        spread_us2 = 6 * self._jitter_us**2
        lates_us2 = [spread_us2 / (6 + 2 * share) for share in _SHARES]
        return tuple(Noise(late_us2, share * late_us2) for late_us2, share in zip(lates_us2, _SHARES, strict=True))

    def _settle(self) -> None:
        self._late = self._early = 0.0
        self._late_ticks = self._early_ticks = 0
        self._doubted = 0
        # Where the ticks are by the likeliest explanation of those that are still doubted.
        self._guess: TickState | None = None

    def _measure_jitter(self, at_us: int) -> None:
        if len(self._ticks) < 2:
            return
        self._differences.append(abs(at_us - 2 * self._ticks[-1].at_us + self._ticks[-2].at_us))
        if len(self._differences) >= _ENOUGH_DIFFERENCES:
            median_us = sorted(self._differences)[len(self._differences) // 2]
            self._jitter_us = max(LEAST_JITTER_US, median_us * _MEDIAN_TO_SD / math.sqrt(6))

    def _coast(self, at_us: int, ahead: tuple[TickState, ...]) -> None:
        self._states = ahead
        self._ticks.append(_Tick(at_us, ahead))

    def _weigh(self, at_us: int, ahead: tuple[TickState, ...], noises: Sequence[Noise]) -> None:
        """Take a tick in, or doubt it and those before it that were off to the same side."""
        error = ahead[self._believed].error(at_us, noises[self._believed])
        self._late, self._late_ticks = _cumulated(self._late, self._late_ticks, error)
        self._early, self._early_ticks = _cumulated(self._early, self._early_ticks, -error)
        hides = self._believed > 0 and abs(error) > _FAR
        if max(self._late, self._early) > _ALARM or hides:
            run = self._late_ticks if self._late >= self._early else self._early_ticks
            self._doubted = min(run, len(self._ticks), _PATIENCE_TICKS)
            self._coast(at_us, ahead)
            return
        # A filter that has lost the clock learns from the one that has not.
        ahead = tuple(
            state if abs(state.error(at_us, noise)) <= _CLIP else ahead[self._believed]
            for state, noise in zip(ahead, noises, strict=True)
        )
        self._states = tuple(_taken(at_us, state, noise) for state, noise in zip(ahead, noises, strict=True))
        self._ticks.append(_Tick(at_us, self._states))
        self._judge(at_us, ahead, noises)

    def _judge(self, at_us: int, ahead: tuple[TickState, ...], noises: Sequence[Noise]) -> None:
        """Believe the filter that was surprised least."""
        for index, (state, noise) in enumerate(zip(ahead, noises, strict=True)):
            surprise = min(_GOOD_FIT**2, state.error(at_us, noise) ** 2) + math.log(state.at_us2 + noise.late_us2)
            self._surprises[index] += surprise - self._surprises[index] / _MEMORY_TICKS
        best = min(range(len(_SHARES)), key=lambda index: self._surprises[index])
        if self._surprises[best] < self._surprises[self._believed] - _BETTER:
            self._believed = best

    # -- doubts ------------------------------------------------------------------------------------------------------

    def _explain(self, noises: Sequence[Noise]) -> None:
        """Find out what happened since the ticks left the line."""
        noise = noises[self._believed]
        stamps_us = [self._ticks[index].at_us for index in range(-self._doubted, 0)]
        start = self._ticks[-self._doubted - 1].states[self._believed]
        coasted = [start.at_us + (index + 1) * start.tick_us for index in range(len(stamps_us))]
        errors = [
            (at_us - coasted_us) / math.sqrt(start.at_us2 + noise.late_us2 + noise.drift_us2 * (index + 1))
            for index, (at_us, coasted_us) in enumerate(zip(stamps_us, coasted, strict=True))
        ]
        far = next((index for index, error in enumerate(errors) if abs(error) > _GOOD_FIT), 0)
        explanations = [self._weighed("nothing", 0, stamps_us, noise)]
        # What happened may have happened where the errors began to add up, or where they became large.
        for begin in sorted({0, far}):
            late_us = sum(stamps_us[begin:]) - sum(coasted[begin:])
            missing = round(late_us / (len(stamps_us) - begin) / start.tick_us)
            explanations += [self._weighed(what, begin, stamps_us, noise) for what in ("tempo", "phase")]
            if missing:
                explanations.append(self._weighed("shift", begin, stamps_us, noise, missing))
        best = min(explanations, key=lambda explanation: explanation.cost)
        rival_cost = min(each.cost for each in explanations if (each.what, each.missing) != (best.what, best.missing))
        clear = rival_cost >= best.cost + _ODDS or len(stamps_us) >= _PATIENCE_TICKS
        self._guess = None
        if len(stamps_us) >= _BACK_TICKS and best.fit <= _GOOD_FIT**2:
            self._guess = _changed(best.state, "shift", -best.missing)
        if not clear or len(stamps_us) < _FEWEST_TICKS:
            return
        if best.fit <= _GOOD_FIT**2:
            self._accept(best, stamps_us, noises)
        else:
            self._be_patient(explanations[0], stamps_us, errors, noises)

    def _weighed(self, what: str, begin: int, stamps_us: Sequence[int], noise: Noise, missing: int = 0) -> _Explanation:
        """How likely the ticks are if ``what`` happened before the one at ``begin``."""
        state = self._ticks[-len(stamps_us) - 1].states[self._believed]
        cost, squares = _PRICES[what], 0.0
        for index, at_us in enumerate(stamps_us):
            if index == begin:
                state = _changed(state, what, missing)
            state = state.ahead(noise)
            error = state.error(at_us, noise)
            cost += state.surprise(at_us, noise)
            squares += error**2
            state = state.told(error, noise)
        if not _SHORTEST_US <= state.tick_us <= _LONGEST_US:
            cost = math.inf
        return _Explanation(cost, squares / len(stamps_us), what, begin, missing, state)

    def _accept(self, explanation: _Explanation, stamps_us: Sequence[int], noises: Sequence[Noise]) -> None:
        """Let every filter go through the doubted ticks again, knowing what happened."""
        for _ in stamps_us:
            self._ticks.pop()
        self._states = self._ticks[-1].states
        self._go_through(stamps_us[: explanation.begin], noises)
        self._states = tuple(_changed(state, explanation.what, explanation.missing) for state in self._states)
        self._go_through(stamps_us[explanation.begin :], noises)
        self.number += explanation.missing
        self.lost += explanation.missing
        self._settle()

    def _be_patient(
        self, nothing: _Explanation, stamps_us: Sequence[int], errors: Sequence[float], noises: Sequence[Noise]
    ) -> None:
        """Nothing explains the ticks: wait until they are back on the line, or begin anew after a while."""
        newest = errors[-_BACK_TICKS:]
        if len(newest) == _BACK_TICKS and all(abs(error) <= _GOOD_FIT for error in newest):
            self._accept(nothing, stamps_us, noises)
        elif len(stamps_us) > _PATIENCE_TICKS:
            number, recent_us = self.number, stamps_us[-_PATIENCE_TICKS // 2 :]
            self.anchor(number, recent_us[0], self.tick_us, _CHANGE)
            self._go_through(recent_us[1:], noises)
            self.last_us = stamps_us[-1]

    def _go_through(self, stamps_us: Sequence[int], noises: Sequence[Noise]) -> None:
        """Let every filter take ticks in."""
        for at_us in stamps_us:
            pairs = zip(self._states, noises, strict=True)
            self._states = tuple(_taken(at_us, state.ahead(noise), noise) for state, noise in pairs)
            self._ticks.append(_Tick(at_us, self._states))


def _changed(state: TickState, what: str, missing: int) -> TickState:
    """What is known before a tick when something happened."""
    match what:
        case "tempo":
            return state._replace(tick_us2=state.tick_us2 + (_CHANGE * state.tick_us) ** 2)
        case "phase":
            return state._replace(at_us2=state.at_us2 + (_PHASE * state.tick_us) ** 2)
        case "shift":
            return state._replace(at_us=state.at_us + missing * state.tick_us)
        case _:
            return state


def _taken(at_us: int, ahead: TickState, noise: Noise) -> TickState:
    """What is known after a tick; one that is far out counts for no more than jitter explains."""
    return ahead.told(max(-_CLIP, min(_CLIP, ahead.error(at_us, noise))), noise)


def _cumulated(total: float, ticks: int, error: float) -> tuple[float, int]:
    """A one-sided cumulative sum of errors (standard deviations), and how many ticks it has been above nothing."""
    total += min(_CLIP, error) - _SLACK
    return (total, ticks + 1) if total > 0 else (0.0, 0)
