"""A surface that remembers who moved what last, for the performer to see what arrives."""

from collections.abc import Callable
from dataclasses import dataclass

from autoloops_bridges.control.through import Through
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.session.surface import Surface, Target, Values


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that a controller did.

    Attributes:
        target: What was set or done.
        values: With which arguments.
        source: Who did it.
        refused: Why it was not done; "" if it was.
    """

    target: Target
    values: Values
    source: str
    refused: str = ""


@dataclass(slots=True)
class LastMove:
    """The last thing that any controller did; None: nothing yet."""

    move: Move | None = None


class WatchedSurface(Through):
    """Hands everything on to ``surface`` and notes the last move.

    Thread: the owner's only. Blocks: no.

    Args:
        surface: What is really acted on.
        last: Where the move is noted; controllers share it.
        source: Who is acting at this moment.
    """

    def __init__(self, surface: Surface, last: LastMove, source: Callable[[], str]) -> None:
        super().__init__(surface)
        self._last = last
        self._source = source

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``."""
        self._noted(super().set, target, values, now_us)

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``."""
        self._noted(super().act, target, values, now_us)

    def _noted(self, do: Callable[[Target, Values, int], None], target: Target, values: Values, now_us: int) -> None:
        try:
            do(target, values, now_us)
        except AutoLoopsError as error:
            self._last.move = Move(target, values, self._source(), str(error))
            raise
        self._last.move = Move(target, values, self._source())
