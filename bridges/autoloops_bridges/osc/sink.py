"""The player's sink for OSC listeners with the same look-ahead: events become bundles tagged with their onset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from autoloops_bridges.osc import codec
from autoloops_bridges.osc.listeners import Peer
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_engine.messages import Listener
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.units import UB_PER_BEAT

MAX_DATAGRAM_BYTES: Final = 1400


class DatagramSocket(Protocol):
    """The part of a non-blocking UDP socket that is used here."""

    def sendto(self, data: bytes, address: Peer, /) -> int:
        """Send one datagram or raise at once."""


@dataclass(slots=True)
class SinkCounters:
    """What happened at the socket."""

    sent: int = 0
    failed: int = 0


class OscSink:
    """Sends notes, ties, early ends, beats and bars to its destinations.

    Thread: the owner's only. Blocks: no, the socket must not either.
    """

    def __init__(
        self, socket: DatagramSocket, clock: NtpClock, destinations: Sequence[Peer], lookahead_us: int
    ) -> None:
        self.counters = SinkCounters()
        self._socket = socket
        self._clock = clock
        self._destinations = tuple(destinations)
        self._lookahead_us = lookahead_us
        self._at_us = 0
        self._messages: list[bytes] = []
        self._size_bytes = codec.BUNDLE_HEAD_BYTES

    @property
    def name(self) -> str:
        """What to call it towards the performer."""
        return "OSC " + ", ".join(f"{host}:{port}" for host, port in self._destinations)

    @property
    def lead_us(self) -> int:
        """How far ahead of their time its receivers want the events."""
        return self._lookahead_us

    def send(self, event: Event, now_us: int) -> None:
        """Take one event; those of one instant travel in one bundle."""
        message = message_of(event)
        if message is None:
            return
        if event.at_us != self._at_us or self._size_bytes + len(message) + 4 > MAX_DATAGRAM_BYTES:
            self.flush(now_us)
        self._at_us = event.at_us
        self._messages.append(message)
        self._size_bytes += len(message) + 4

    def flush(self, now_us: int) -> None:
        """Send what waits."""
        if not self._messages:
            return
        datagram = codec.bundle(self._clock.tag_at(self._at_us), self._messages)
        self._messages.clear()
        self._size_bytes = codec.BUNDLE_HEAD_BYTES
        for destination in self._destinations:
            try:
                self._socket.sendto(datagram, destination)
                self.counters.sent += 1
            except ConnectionRefusedError:
                # An earlier datagram found nobody; the listener expires by itself.
                continue
            except OSError:
                self.counters.failed += 1

    def close(self) -> None:
        """Nothing to let go of: the socket is shared."""


def message_of(event: Event) -> bytes | None:
    """The message that tells of ``event``; none for what only MIDI needs: announced ends, silences, clocks."""
    if event.kind is Kind.ON:
        beats = event.length_ub / UB_PER_BEAT
        return codec.encode(f"/al/{event.part}/note", (event.number, event.velocity, beats))
    if event.kind is Kind.TIE:
        return codec.encode(f"/al/{event.part}/tie", (event.number, event.length_ub / UB_PER_BEAT))
    if event.kind is Kind.OFF:
        return codec.encode(f"/al/{event.part}/off", (event.number,)) if event.early else None
    if event.kind in {Kind.SILENCE, Kind.CLOCK, Kind.POSITION}:
        return None
    return codec.encode("/al/beat" if event.kind is Kind.BEAT else "/al/bar", (event.number,))


def sinks_for(listeners: Iterable[Listener], socket: DatagramSocket, clock: NtpClock) -> list[OscSink]:
    """One sink for each look-ahead among ``listeners``."""
    groups: dict[int, list[Peer]] = {}
    for listener in listeners:
        groups.setdefault(listener.lookahead_us, []).append((listener.host, listener.port))
    return [OscSink(socket, clock, destinations, lookahead_us) for lookahead_us, destinations in groups.items()]
