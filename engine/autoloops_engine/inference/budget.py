"""How long before it must sound a bar is frozen, learnt from how long decoding takes."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Final

WARM_UP_FACTOR: Final = 3
QUANTILE: Final = 0.999
WINDOW: Final = 4_096
# Below this many decodes the running quantile is little more than a guess: what we started from stays a floor.
TRUSTED_DECODES: Final = 256
UNKNOWN_BUDGET_US: Final = 50_000


class DecodeBudget:
    """The decode budget of the parts that share one worker.

    A part starts from the value kept for this machine and bundle, else from its slowest warm-up decode
    times 3, and follows the 99.9th percentile of its latest 4,096 decodes once 256 are known. Before, it
    only grows. As the worker decodes one bar at a time, the budget is the sum over all parts.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _PartBudget] = {}

    def add(self, part: str, *, cached_us: int | None = None, warm_up_us: Iterable[int] = ()) -> None:
        """Adds a part, or begins anew for its new model.

        Args:
            part: Name of the part.
            cached_us: :meth:`part_us` of an earlier session on this machine with this bundle.
            warm_up_us: Durations of warm-up decodes, used when nothing is cached.
        """
        slowest_us = max(warm_up_us, default=None)
        if cached_us is not None:
            initial_us = cached_us
        elif slowest_us is not None:
            initial_us = WARM_UP_FACTOR * slowest_us
        else:
            initial_us = UNKNOWN_BUDGET_US
        self._parts[part] = _PartBudget(initial_us)

    def remove(self, part: str) -> None:
        """Forgets a part; one that is unknown is none the less."""
        self._parts.pop(part, None)

    def observe(self, part: str, decode_us: int) -> None:
        """Takes in the duration of a decode; of an unknown part nothing is learnt."""
        if part in self._parts:
            self._parts[part].observe(decode_us)

    def part_us(self, part: str) -> int:
        """The budget of one part alone, the value to keep for this machine and bundle.

        Raises:
            KeyError: the part is unknown.
        """
        return self._parts[part].value_us()

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
        if not self._sorted:
            return self._initial_us
        rank = math.ceil(QUANTILE * len(self._sorted)) - 1
        running_us = self._sorted[rank]
        return running_us if len(self._sorted) >= TRUSTED_DECODES else max(self._initial_us, running_us)
