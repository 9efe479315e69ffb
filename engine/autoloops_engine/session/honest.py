"""What was found for the attribute faders of one part, and when to look for it.

While a fader moves the open-loop offset is used, so the music never waits. Once everything that the loop is decoded
from has stood still for a moment, a search is due; its answer is kept with all of that, so that coming back to a
setting needs no second search and an answer that comes too late does no harm.
"""

from collections import OrderedDict
from typing import Final

from autoloops_engine.inference.levers import Found, Levers, SearchRequest
from autoloops_engine.session.loop import Key, Loop
from autoloops_engine.units import US_PER_MS

# A hand on a fader sends values more often than this; two searches a movement are enough.
STILL_US: Final = 50 * US_PER_MS
_FOUND_KEPT: Final = 32


class HonestFaders:
    """The searches of one part and what they found. Sans I/O."""

    def __init__(self) -> None:
        self._found: OrderedDict[Key, Levers | None] = OrderedDict()
        self._asked: Key | None = None
        self._seen: Key | None = None
        self._still_since_us = 0

    def clear(self) -> None:
        """The part has another model."""
        self._found.clear()
        self._asked = self._seen = None

    def levers(self, loop: Loop) -> Levers | None:
        """What to do to a loop; None: its faders keep their open-loop offsets.

        Where only knobs, motion, noise or limits moved since the last search, what that found serves until the next.
        """
        key = loop.key()
        if key is None:
            return None
        if key in self._found:
            return self._found[key]
        return next((self._found[old] for old in reversed(self._found) if old.loop == key.loop), None)

    def due_us(self, loop: Loop, now_us: int) -> int | None:
        """When a search for a loop is to be asked for; None: none is needed."""
        key = loop.key()
        if key != self._seen:
            self._seen, self._still_since_us = key, now_us
        if key is None or key == self._asked or key in self._found:
            return None
        return self._still_since_us + STILL_US

    def ask(self, loop: Loop) -> SearchRequest:
        """The search for a loop, which is under way from now on."""
        self._asked = loop.key()
        return loop.request()

    def take(self, found: Found, loop: Loop) -> bool:
        """Takes in an answer; whether the loop as it is about to be decoded changes by it."""
        key = self._asked
        if key is None or found.request.key != key:
            return False
        self._asked = None
        self._found[key] = found.levers
        while len(self._found) > _FOUND_KEPT:
            self._found.popitem(last=False)
        return loop.key() == key
