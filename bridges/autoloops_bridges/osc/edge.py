"""OSC as the main process sees it: packets in, datagrams out, the surface in between. Sans I/O.

The shell reads its socket until it is empty, hands each packet to ``receive``, then calls ``advance`` once and sends
what that answers; it calls ``advance`` again at ``next_deadline_us``.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from autoloops_bridges.control.alike import alike
from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router, address_of, is_begun
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.bars import bar_messages
from autoloops_bridges.osc.echo import EchoThrottle
from autoloops_bridges.osc.errors import ErrorBudget
from autoloops_bridges.osc.inbox import Inbox, Received
from autoloops_bridges.osc.listeners import ListenerRegistry, Peer
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.messages import Frozen, Listener, TransportState
from autoloops_engine.session.surface import Surface, Target, Values
from autoloops_engine.units import US_PER_MS, US_PER_S

Datagram = tuple[bytes, Peer]

PLAYING: Final = Target("playing")
STATS: Final = Target("stats")
SYNC_BURST: Final = 32
SYNC_INTERVAL_US: Final = 2 * US_PER_MS
MAX_SYNCS: Final = 16
# Who asked for something that is done later is told so long what became of it.
ASKED_US: Final = 60 * US_PER_S
MAX_ASKED: Final = 256
MAX_SHOWN_CHARS: Final = 200
MAX_REASON_CHARS: Final = 500
_PONG: Final = b"/al/pong"


@dataclass(slots=True)
class EdgeCounters:
    """What came in and went out since the start."""

    packets: int = 0
    malformed: int = 0
    refused: int = 0
    executed: int = 0
    coalesced: int = 0
    dropped: int = 0
    too_far: int = 0
    overfull: int = 0
    errors_withheld: int = 0
    sent: int = 0


class OscEdge:
    """Executes what clients send on the surface, and answers, echoes and announces.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(
        self,
        surface: Surface,
        clock: NtpClock,
        static: Sequence[Peer] = (),
        stats: Callable[[], Sequence[codec.Argument]] = tuple,
    ) -> None:
        """Stand before ``surface``.

        Args:
            surface: What is controlled.
            clock: Maps incoming time tags.
            static: Destinations (host, port) that listen from the start and for ever.
            stats: Answers the counters: name, value, name, value and so on.
        """
        self._surface = surface
        self._stats = stats
        self._clock = clock
        self._router = Router()
        self._inbox = Inbox(self._router)
        self._registry = ListenerRegistry(static)
        self._echo = EchoThrottle()
        self._budget = ErrorBudget()
        self._counters = EdgeCounters()
        self._moves: dict[Target, tuple[Peer, Values]] = {}
        self._asked: dict[str, tuple[Peer, int]] = {}
        self._syncs: dict[Peer, deque[Target]] = {}
        self._next_sync_us = 0
        self._playing = False
        self._last_refusal = ""
        self._client: Peer = ("", 0)
        self._out: list[Datagram] = []

    @property
    def counters(self) -> EdgeCounters:
        """A view on the counters of this moment."""
        for name in ("coalesced", "dropped", "too_far", "overfull"):
            setattr(self._counters, name, getattr(self._inbox, name))
        return self._counters

    @property
    def queued(self) -> tuple[int, int]:
        """How many messages waited for an ``advance`` at most, and how many there are whose time has not come."""
        return self._inbox.most_waiting, self._inbox.future

    def figures(self) -> list[tuple[str, int]]:
        """What clients are told of these, by name."""
        counters, (waiting, future) = self.counters, self.queued
        told = ("packets", "executed", "malformed", "refused", "coalesced", "dropped", "too_far")
        figures = [(f"osc_{name}", int(getattr(counters, name))) for name in told]
        return [*figures, ("osc_waiting_max", waiting), ("osc_future", future)]

    @property
    def client(self) -> Peer:
        """Whose message is being executed, or was last."""
        return self._client

    @property
    def last_refusal(self) -> str:
        """Who sent what that was refused last, and why; empty before the first."""
        return self._last_refusal

    def receive(self, packet: bytes, peer: Peer, now_us: int) -> None:
        """Take one datagram from ``peer`` (host, port)."""
        self._counters.packets += 1
        self._registry.heard(peer[0], now_us)
        elements = codec.split(packet)
        if isinstance(elements, codec.Malformed):
            self._malformed(elements, peer, now_us)
            return
        for tag, data in elements:
            received = Received(data, peer)
            if tag <= codec.IMMEDIATELY:
                self._inbox.put(received)
            else:
                self._inbox.put_at(self._clock.us_at(tag, now_us), received, now_us)

    def advance(self, now_us: int) -> list[Datagram]:
        """Do everything that is due and hand out what is to be sent."""
        for attempts in self._inbox.take(now_us):
            for received in reversed(attempts):
                if self._execute(received, now_us):
                    break
        self._registry.advance(now_us)
        for target in self._surface.touched():
            self._echo.touch(target)
        self._send_echoes(now_us)
        self._send_syncs(now_us)
        out, self._out = self._out, []
        self._counters.sent += len(out)
        return out

    def next_deadline_us(self, now_us: int) -> int | None:
        """When ``advance`` has something to do; none: only when something comes in."""
        deadlines = [
            now_us if self._out else None,
            self._inbox.next_deadline_us(now_us),
            self._echo.next_deadline_us(),
            self._registry.next_deadline_us(),
            self._next_sync_us if self._syncs else None,
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def announcement(self, frozen: Frozen) -> list[Datagram]:
        """What tells the listeners of a bar that is frozen: to be sent at once, for it is about to sound."""
        destinations = self._registry.destinations()
        messages = bar_messages(frozen) if destinations else []
        datagrams = [(message, destination) for message in messages for destination in destinations]
        self._counters.sent += len(datagrams)
        return datagrams

    def transport(self, state: TransportState) -> None:
        """Tell the listeners if time began or ceased to run; it leaves with the next ``advance``."""
        if state.playing != self._playing:
            self._playing = state.playing
            self._to_listeners(codec.encode(address_of(PLAYING), (int(self._playing),)))

    def fail(self, address: str, reason: str, now_us: int) -> None:
        """Tell the listeners, and whoever asked for it last, of something asked for earlier that could not be done."""
        message = codec.encode("/al/error", (address, _short(reason)))
        self._to_listeners(message)
        peer, asked_us = self._asked.pop(address, (None, 0))
        if peer is not None and now_us - asked_us <= ASKED_US:
            told = set(self._registry.destinations())
            self._out.extend((message, to) for to in self._registry.reply_to(peer) if to not in told)

    def tell(self, address: str, *arguments: codec.Argument) -> None:
        """Tell the listeners something; it leaves with the next ``advance``."""
        self._to_listeners(codec.encode(address, arguments))

    def listeners(self) -> tuple[Listener, ...]:
        """All who want notes, beats and bars from the player."""
        return self._registry.listeners()

    def adopt(self, listener: Listener, now_us: int) -> None:
        """Take over a listener that a former edge knew."""
        peer = (listener.host, listener.port)
        if peer not in self._registry.destinations():
            self._registry.listen(peer, None, listener.lookahead_us, now_us)

    def take_listeners_change(self) -> bool:
        """Whether ``listeners`` answers something new since this was last asked."""
        return self._registry.take_change()

    def _execute(self, received: Received, now_us: int) -> bool:
        """Do what a message says; whether it was accepted."""
        data, peer = received
        message = codec.parse(data)
        if isinstance(message, codec.Malformed):
            self._malformed(message, peer, now_us)
            return False
        command = self._router.dispatch(message.address, message.arguments)
        if isinstance(command, Refusal):
            self._refuse(peer, message.address, command.reason, now_us)
            return False
        try:
            self._do(command, data, peer, now_us)
        except AutoLoopsError as error:
            self._refuse(peer, message.address, str(error), now_us)
            return False
        self._counters.executed += 1
        if is_begun(command):
            self._asked.pop(message.address, None)
            self._asked[message.address] = peer, now_us
            if len(self._asked) > MAX_ASKED:
                del self._asked[next(iter(self._asked))]
        return True

    def _do(self, command: Command, data: bytes, peer: Peer, now_us: int) -> None:
        action, _, target, values = command
        self._client = peer
        if action is Action.ASK:
            self._reply(peer, self._value_message(target))
        elif action is Action.SET:
            self._surface.set(target, values, now_us)
            self._moves[target] = (peer, values)
        elif action is Action.ACT and target.part:
            self._surface.act(target, values, now_us)
        elif action is Action.ACT:
            self._act_on_whole(command, data, peer, now_us)

    def _act_on_whole(self, command: Command, data: bytes, peer: Peer, now_us: int) -> None:
        match command.target.name:
            case "ping":
                # Both words are equally long, so every argument goes back with its own type, bit for bit.
                self._reply(peer, _PONG + data[len(_PONG) :])
            case "listen":
                self._listen(command, peer, now_us)
            case "sync":
                self._sync(peer)
            case _:
                self._surface.act(command.target, command.values, now_us)

    def _listen(self, command: Command, peer: Peer, now_us: int) -> None:
        on, *rest = command.values
        port = int(rest[0]) if rest else None
        if on:
            lookahead_us = round(float(rest[1]) * US_PER_MS) if len(rest) > 1 else 0
            self._registry.listen(peer, port, lookahead_us, now_us)
        else:
            self._registry.forget(peer, port)

    def _sync(self, peer: Peer) -> None:
        if peer not in self._syncs and len(self._syncs) >= MAX_SYNCS:
            raise UsageError(f"{MAX_SYNCS} clients are being told all values already; ask again in a second.")
        values = [target for target in self._surface.targets() if target.name != "z" or target.key is None]
        self._syncs[peer] = deque([PLAYING, *values])

    def _send_syncs(self, now_us: int) -> None:
        """Send some of the values that were asked for as a whole: a receiver's buffer holds a few hundred packets."""
        if not self._syncs or now_us < self._next_sync_us:
            return
        self._next_sync_us = now_us + SYNC_INTERVAL_US
        for peer, targets in list(self._syncs.items()):
            for _ in range(min(SYNC_BURST, len(targets))):
                self._reply_value(peer, targets.popleft())
            if not targets:
                del self._syncs[peer]

    def _send_echoes(self, now_us: int) -> None:
        for target in self._echo.advance(now_us):
            to = set(self._registry.destinations())
            if to:
                self._try_send(target, to - self._those_who_know(target))

    def _those_who_know(self, target: Target) -> frozenset[Peer]:
        """Where the client listens that moved ``target`` last, if the value is still the one it sent."""
        if target not in self._moves:
            return frozenset()
        mover, sent = self._moves[target]
        try:
            present = self._surface.get(target)
        except UsageError:
            return frozenset()
        return self._registry.of(mover) if alike(sent, present) else frozenset()

    def _reply_value(self, peer: Peer, target: Target) -> None:
        self._try_send(target, set(self._registry.reply_to(peer)))

    def _try_send(self, target: Target, to: set[Peer]) -> None:
        try:
            message = self._value_message(target)
        except UsageError:
            # The part or attribute went away between the change and now.
            return
        self._out.extend((message, destination) for destination in sorted(to))

    def _value_message(self, target: Target) -> bytes:
        values: Sequence[codec.Argument]
        if target == PLAYING:
            values = (int(self._playing),)
        else:
            values = self._stats() if target == STATS else self._surface.get(target)
        return codec.encode(address_of(target), values)

    def _malformed(self, malformed: codec.Malformed, peer: Peer, now_us: int) -> None:
        self._counters.malformed += 1
        self._tell(peer, "/", f"This packet is not OSC: {malformed.reason}.", now_us)

    def _refuse(self, peer: Peer, address: str, reason: str, now_us: int) -> None:
        self._counters.refused += 1
        self._tell(peer, address, reason, now_us)

    def _tell(self, peer: Peer, address: str, reason: str, now_us: int) -> None:
        reason = _short(reason)
        self._last_refusal = f"{peer[0]}:{peer[1]} {address[:MAX_SHOWN_CHARS]}: {reason}"
        if self._budget.take(peer, now_us):
            self._reply(peer, codec.encode("/al/error", (address[:MAX_SHOWN_CHARS], reason)))
        else:
            self._counters.errors_withheld += 1

    def _reply(self, peer: Peer, message: bytes) -> None:
        self._out.extend((message, destination) for destination in self._registry.reply_to(peer))

    def _to_listeners(self, message: bytes) -> None:
        self._out.extend((message, destination) for destination in self._registry.destinations())


def _short(reason: str) -> str:
    """A reason that quotes what was sent may be as long as a packet; its beginning and its end tell enough."""
    half = MAX_REASON_CHARS // 2 - len(" … ")
    return reason if len(reason) <= MAX_REASON_CHARS else f"{reason[:half]} … {reason[-half:]}"
