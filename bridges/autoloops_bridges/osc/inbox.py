"""Messages on their way in: the future ones in a heap, the present ones in order, floods coalesced. Pure."""

from collections import deque
from heapq import heappop, heappush
from typing import Final, NamedTuple

from autoloops_bridges.control.dispatch import Refusal, Router
from autoloops_bridges.control.rows import Kind
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.listeners import Peer
from autoloops_engine.units import US_PER_S

MAX_AHEAD_US: Final = 10 * US_PER_S
MAX_FUTURE: Final = 1024
MAX_PENDING: Final = 4096
MAX_ATTEMPTS: Final = 8
MAX_KNOWN_ADDRESSES: Final = 4096


class Received(NamedTuple):
    """One message not parsed yet, and who sent it."""

    data: bytes
    peer: Peer


class Inbox:
    """Holds received messages until they are executed.

    Between two messages of another kind only the last set of each address is executed; up to eight before it are kept
    in case it proves bad. Verbs and questions stay where they are in the order.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, router: Router) -> None:
        self.coalesced = 0
        self.dropped = 0
        self.too_far = 0
        self.overfull = 0
        self.most_waiting = 0
        self._router = router
        self._values: dict[bytes, bool] = {}
        self._pending: list[dict[bytes, deque[Received]] | Received] = []
        self._size = 0
        self._future: list[tuple[int, int, Received]] = []
        self._order = 0

    @property
    def future(self) -> int:
        """Messages whose time has not come."""
        return len(self._future)

    def put(self, received: Received) -> None:
        """A message to be done at the next chance."""
        if self._is_set(received.data):
            self._put_set(received)
        elif self._size >= MAX_PENDING:
            self.dropped += 1
        else:
            self._size += 1
            self._pending.append(received)

    def put_at(self, due_us: int, received: Received, now_us: int) -> None:
        """A message to be done at ``due_us``; at once if that is past, too far ahead, or one too many."""
        if due_us > now_us + MAX_AHEAD_US:
            self.too_far += 1
        elif due_us > now_us and len(self._future) < MAX_FUTURE:
            self._order += 1
            heappush(self._future, (due_us, self._order, received))
            return
        elif due_us > now_us:
            self.overfull += 1
        self.put(received)

    def take(self, now_us: int) -> list[tuple[Received, ...]]:
        """What is to be done now, in order; of each group the last one that is accepted."""
        while self._future and self._future[0][0] <= now_us:
            self.put(heappop(self._future)[2])
        taken: list[tuple[Received, ...]] = []
        for item in self._pending:
            if isinstance(item, Received):
                taken.append((item,))
            else:
                taken.extend(tuple(attempts) for attempts in item.values())
        self._pending.clear()
        self.most_waiting = max(self.most_waiting, self._size)
        self._size = 0
        return taken

    def next_deadline_us(self, now_us: int) -> int | None:
        """When there is something to take; none if there is nothing."""
        if self._pending:
            return now_us
        return self._future[0][0] if self._future else None

    def _put_set(self, received: Received) -> None:
        address = codec.raw_address(received.data)
        last = self._pending[-1] if self._pending else None
        if not isinstance(last, dict):
            last = {}
            self._pending.append(last)
        attempts = last.pop(address, None)
        if attempts is not None:
            self.coalesced += 1
        elif self._size >= MAX_PENDING:
            self.dropped += 1
            return
        else:
            self._size += 1
            attempts = deque(maxlen=MAX_ATTEMPTS)
        attempts.append(received)
        # Taken out and put back, it stands behind what was set in between and may depend on it.
        last[address] = attempts

    def _is_set(self, data: bytes) -> bool:
        address = codec.raw_address(data)
        known = self._values.get(address)
        if known is None:
            route = self._router.route(address.decode("utf-8", "replace"))
            if isinstance(route, Refusal):
                return False
            if len(self._values) >= MAX_KNOWN_ADDRESSES:
                self._values.clear()
            known = self._values[address] = route.row.kind is Kind.VALUE
        return known and codec.has_arguments(data, len(address))
