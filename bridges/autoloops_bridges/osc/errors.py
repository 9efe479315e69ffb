"""How many errors a client is told of. Pure."""

from collections import OrderedDict
from typing import Final

from autoloops_bridges.osc.listeners import Peer
from autoloops_engine.units import US_PER_S

ERRORS_PER_S: Final = 50
MAX_PEERS: Final = 64


class ErrorBudget:
    """A token bucket for each peer: so many errors at once, refilled within a second.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self) -> None:
        self._spent_us: OrderedDict[Peer, int] = OrderedDict()

    def take(self, peer: Peer, now_us: int) -> bool:
        """Whether ``peer`` may be told of one more error now."""
        # Each error books a slice of time; the bucket is empty when a whole second is booked ahead.
        slice_us = US_PER_S // ERRORS_PER_S
        booked_us = max(self._spent_us.pop(peer, now_us), now_us)
        granted = booked_us + slice_us <= now_us + US_PER_S
        self._spent_us[peer] = booked_us + slice_us if granted else booked_us
        if len(self._spent_us) > MAX_PEERS:
            self._spent_us.popitem(last=False)
        return granted
