"""How long before it must sound a bar is frozen, learnt from how long decoding takes."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Final

WARM_UP_FACTOR: Final = 3
QUANTILE: Final = 0.999
WINDOW: Final = 4_096
# From here on what decoding took on stage counts alone, and no more what we started from.
TRUSTED_DECODES: Final = 32
# As long as the slowest thousandth is less than one decode, the quantile is the slowest so far: a slower one may come.
SETTLED_DECODES: Final = 1_000
UNSETTLED_MARGIN: Final = 1.5
# What fewer decodes tell is not worth keeping for the next session.
KEPT_DECODES: Final = 256
UNKNOWN_BUDGET_US: Final = 50_000
# No part can have this name.
_SEARCH: Final = "/search"


class DecodeBudget:
    """The decode budget of the parts that share one worker.

    A part starts from its slowest warm-up decode times 3, or from the value kept for this machine and bundle where
    that is less: a value kept from a session under load does not last. After 32 decodes it follows the 99.9th
    percentile of the latest 4,096, times 1.5 until 1,000 are known; before, it only grows. As the worker decodes one
    bar at a time, the budget is the sum over all parts.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _PartBudget] = {}

    def add(self, part: str, *, cached_us: int | None = None, warm_up_us: Iterable[int] = ()) -> None:
        """Adds a part, or begins anew for its new model.

        Args:
            part: Name of the part.
            cached_us: :meth:`kept_us` of an earlier session on this machine with this bundle.
            warm_up_us: Durations of this session's warm-up decodes.
        """
        slowest_us = max(warm_up_us, default=None)
        known_us = (cached_us, None if slowest_us is None else WARM_UP_FACTOR * slowest_us)
        self._parts[part] = _PartBudget(min((us for us in known_us if us is not None), default=UNKNOWN_BUDGET_US))

    def forget(self, part: str) -> None:
        """A part is gone: nobody waits for it any more."""
        self._parts.pop(part, None)

    def observe(self, part: str, decode_us: int) -> None:
        """Takes in the duration of a decode; of an unknown part nothing is learnt."""
        if part in self._parts:
            self._parts[part].observe(decode_us)

    def wait_behind(self, run_us: int) -> None:
        """A bar may come while a search runs the model, which it cannot interrupt: that wait belongs to the budget."""
        if _SEARCH not in self._parts:
            self.add(_SEARCH, cached_us=run_us)
        self.observe(_SEARCH, run_us)

    def part_us(self, part: str) -> int:
        """The budget of one part alone.

        Raises:
            KeyError: the part is unknown.
        """
        return self._parts[part].value_us()

    def kept_us(self, part: str) -> int | None:
        """The value to keep for this machine and bundle; None: too little was decoded to tell.

        Raises:
            KeyError: the part is unknown.
        """
        return self._parts[part].kept_us()

    @property
    def total_us(self) -> int:
        """The budget of a bar: every part may be decoded before it."""
        return sum(part.value_us() for part in self._parts.values())


class _PartBudget:
    def __init__(self, initial_us: int) -> None:
        self._initial_us = initial_us
        self._latest: deque[int] = deque()
        self._sorted: list[int] = []

    def observe(self, decode_us: int) -> None:
        if len(self._latest) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(decode_us)
        insort(self._sorted, decode_us)

    def value_us(self) -> int:
        if len(self._sorted) < TRUSTED_DECODES:
            return max([self._initial_us, *self._sorted[-1:]])
        margin = UNSETTLED_MARGIN if len(self._sorted) < SETTLED_DECODES else 1
        return round(margin * self._running_us())

    def kept_us(self) -> int | None:
        return self._running_us() if len(self._sorted) >= KEPT_DECODES else None

    def _running_us(self) -> int:
        return self._sorted[math.ceil(QUANTILE * len(self._sorted)) - 1]
