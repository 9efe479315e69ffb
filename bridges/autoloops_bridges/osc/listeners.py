"""Who listens: clients that asked with ``/al/listen`` and destinations given at start. Pure.

A client sends from one port and may receive on another (Max, TouchOSC); the registry knows which belong together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Listener
from autoloops_engine.units import US_PER_S

Peer = tuple[str, int]

SILENCE_US: Final = 60 * US_PER_S
MAX_LISTENERS: Final = 32


@dataclass(slots=True)
class _Entry:
    source: Peer | None
    lookahead_us: int
    heard_us: int


class ListenerRegistry:
    """The receivers of everything that AutoLoops sends by itself.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self, static: Sequence[Peer] = ()) -> None:
        """Begin with ``static`` destinations (host, port), which never expire."""
        self._entries = {peer: _Entry(None, 0, 0) for peer in static}
        self._changed = bool(self._entries)

    def listen(self, source: Peer, port: int | None, lookahead_us: int, now_us: int) -> None:
        """Take ``source`` as a listener that receives on ``port`` of its host (none: where it sends from).

        Raises:
            UsageError: there are too many listeners already.
        """
        destination = source if port is None else (source[0], port)
        known = self._entries.get(destination)
        if known is None and len(self._entries) >= MAX_LISTENERS:
            raise UsageError(f"There are {MAX_LISTENERS} listeners already; end one with /al/listen 0.")
        static = known is not None and known.source is None
        entry = _Entry(None if static else source, lookahead_us, now_us)
        self._changed |= known is None or known.lookahead_us != lookahead_us
        self._entries[destination] = entry

    def forget(self, source: Peer, port: int | None) -> None:
        """End the listener on ``port`` of the host of ``source``; none: all that ``source`` asked for.

        Raises:
            UsageError: there is none.
        """
        if port is not None:
            ended = [(source[0], port)] if (source[0], port) in self._entries else []
        else:
            ended = [to for to, entry in self._entries.items() if source in {to, entry.source}]
        if not ended:
            raise UsageError("No listener of yours is known here; say its port, as in /al/listen 0 9000.")
        self._drop(ended)

    def heard(self, host: str, now_us: int) -> None:
        """A packet came from ``host``: its listeners are alive."""
        for destination, entry in self._entries.items():
            if destination[0] == host:
                entry.heard_us = now_us

    def advance(self, now_us: int) -> None:
        """Let go of the listeners that have been silent for a minute."""
        self._drop([to for to, e in self._entries.items() if e.source and now_us - e.heard_us >= SILENCE_US])

    def next_deadline_us(self) -> int | None:
        """When the next listener expires if it stays silent."""
        return min((entry.heard_us + SILENCE_US for entry in self._entries.values() if entry.source), default=None)

    def destinations(self) -> tuple[Peer, ...]:
        """Where streams and echoes go."""
        return tuple(self._entries)

    def reply_to(self, peer: Peer) -> tuple[Peer, ...]:
        """Where answers and errors for ``peer`` go: to itself and to the ports that it, or else its host, named."""
        named = [to for to, e in self._entries.items() if to[0] == peer[0] and e.source != to and to != peer]
        own = [to for to in named if self._entries[to].source == peer]
        return (peer, *(own or named))

    def of(self, peer: Peer) -> frozenset[Peer]:
        """The destinations that ``peer`` itself listens on."""
        return frozenset(to for to, entry in self._entries.items() if peer in {to, entry.source})

    def listeners(self) -> tuple[Listener, ...]:
        """All of them, for the player."""
        return tuple(Listener(host, port, entry.lookahead_us) for (host, port), entry in self._entries.items())

    def take_change(self) -> bool:
        """Whether the answer of ``listeners`` changed since this was last asked."""
        changed, self._changed = self._changed, False
        return changed

    def _drop(self, destinations: list[Peer]) -> None:
        for destination in destinations:
            del self._entries[destination]
            self._changed = True
