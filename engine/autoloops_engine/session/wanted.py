"""What a part wants decoded, how it recognises the answer, and which controls a bar was made from."""

from collections import OrderedDict, deque
from enum import Enum
from typing import Final, NamedTuple

from autoloops_engine.inference.levers import Levers
from autoloops_engine.session.loop import Loop
from autoloops_engine.session.rendering import BarRecord

# Of a part one request runs and one waits; what was replaced while it waited is never answered. Who decodes a record
# anew answers any of those that may have been heard on stage.
ASKED_KEPT: Final = 64
_CHANGES_KEPT: Final = 1_024


class Slot(Enum):
    """What a decoded bar is for."""

    SPLICE = "splice"
    NEXT = "next"
    CUE = "cue"


class Wanted(NamedTuple):
    """A bar to be decoded; equal ones need not be decoded twice."""

    slot: Slot
    epoch: int
    song_bar: int
    version: int
    after_id: int
    from_step: int = 0


class Asked(NamedTuple):
    """A bar that was asked for, with what it was asked from.

    Attributes:
        wanted: What was wanted.
        loop_bar: Bar of the loop, from 0.
        before: The bar that leads into it; of a splice the bar that is spliced. None: there is none.
        loop: The loop that it belongs to.
        levers: What was found for the faders of that loop; None: nothing.
    """

    wanted: Wanted
    loop_bar: int
    before: BarRecord | None
    loop: Loop
    levers: Levers | None


class AskedBars:
    """What was asked, by ticket."""

    def __init__(self) -> None:
        self._asked: OrderedDict[int, Asked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def keep(self, ticket: int, asked: Asked) -> None:
        """Notes what was asked with a ticket."""
        self._asked[ticket] = asked
        while len(self._asked) > ASKED_KEPT:
            self._asked.popitem(last=False)

    def take(self, ticket: int) -> Asked | None:
        """What was asked with a ticket, once; None when it was forgotten."""
        return self._asked.pop(ticket, None)

    def slot(self, ticket: int) -> Slot | None:
        """What a bar that was asked for is for; None when it was forgotten."""
        asked = self._asked.get(ticket)
        return None if asked is None else asked.wanted.slot

    def clear(self) -> None:
        """Whatever was asked is of no use any more."""
        self._asked.clear()


class Changes:
    """Counts the states of a part's controls.

    Attributes:
        version: The present one.
    """

    def __init__(self) -> None:
        self.version = 0
        self._since: deque[tuple[int, int]] = deque(maxlen=_CHANGES_KEPT)

    def touch(self, now_us: int) -> None:
        """A control moved at ``now_us``."""
        self.renew()
        self._since.append((self.version, now_us))

    def renew(self) -> None:
        """What the controls ask for is known better: no control moved, so nothing can be missed."""
        self.version += 1

    def missed_by(self, version: int, until_us: int) -> bool:
        """Whether a bar made from ``version`` lacks a change that had come by ``until_us``."""
        in_time = [since for since, at_us in self._since if at_us <= until_us]
        return bool(in_time) and version < max(in_time)
