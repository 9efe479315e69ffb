"""The player's MIDI ports: opened, watched, let go when their system dies, opened again when it is back.

::

    timing thread ──let go, look now──▶ watching thread: opens, looks, connects, closes
          ▲                                   │
          └────────── news + wake socket ─────┘

Whatever may block happens on the watching thread; the timing thread only swaps the port it plays to.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.midi.ports import (
    MidiPort,
    MidiSink,
    MidiSource,
    OpenedInput,
    OpenedOutput,
    open_input,
    open_output,
)
from autoloops_bridges.processes.options import SAME, PlayOptions
from autoloops_engine.errors import PortError
from autoloops_engine.messages import PortsState
from autoloops_engine.units import US_PER_MS, US_PER_S

# Of the second that a port may take to be found again, most is for the system itself.
LOOK_S: Final = 0.25
RETRY_US: Final = 500 * US_PER_MS
# A controller that was left at home: each try costs its MIDI system something.
RARE_RETRY_US: Final = 2 * US_PER_S
# What a MIDI system may take to answer; one that is started or killed at the wrong moment never does.
STUCK_US: Final = 10 * US_PER_S
_LEAVE_S: Final = 0.5

P = TypeVar("P", bound=MidiPort)
Open = Callable[[str, tuple[str, ...] | None], tuple[P | None, tuple[str, ...]]]


class Record(Protocol):
    """Where the connections are kept for a player that takes over."""

    def read(self) -> bytes:
        """What was written last."""

    def write(self, payload: bytes) -> bool:
        """Replace it."""


class Cables(Struct, frozen=True):
    """The connections of both ports; they hold for a successor that is asked for the same ports.

    None: the port was never open. ``others`` has those of the rig's ports by title, with what was asked for.
    """

    asked: tuple[str, str]
    outputs: tuple[str, ...] | None = None
    inputs: tuple[str, ...] | None = None
    others: dict[str, tuple[str, tuple[str, ...] | None]] = {}


class Ends(NamedTuple):
    """The two ports of a controller, as far as they are there."""

    sink: MidiSink | None
    source: MidiSource | None


class News(NamedTuple):
    """The ports as they are from now on, and what to tell of them.

    Those of the rig file come by name, those that are led by clock in the order in which they were asked for.
    """

    sink: MidiSink | None
    source: MidiSource | None
    state: PortsState
    rig: Mapping[str, Ends]
    clocks: tuple[MidiSink | None, ...] = ()


@dataclass(slots=True)
class Slot(Generic[P]):
    """The place of one port.

    Attributes:
        title: What the performer calls it.
        asked: A port's name, ``virtual`` or ``none``.
        open: Opens the port of that name with its former connections, or answers the sentences that say why not.
        cables: Its connections, as last seen; None: it was never open.
        port: The port, if it is open.
        leaving: The port whose system died, until the timing thread has let go of it.
        openings: How often it was opened.
        retry_us: How long after a failure it is tried again.
    """

    title: str
    asked: str
    open: Open[P]
    cables: tuple[str, ...] | None = None
    port: P | None = None
    leaving: P | None = None
    lost: str = ""
    due_us: int = 0
    tried: bool = False
    openings: int = 0
    retry_us: int = RETRY_US

    @property
    def arrivals(self) -> int:
        """How often the port or its other end has come; 0: it is not there."""
        return self.openings + self.port.joined if self.port is not None else 0

    def look(self, now_us: int) -> tuple[str, ...]:
        """See whether the port is still there and mend its connections; what to tell."""
        if self.port is None:
            return ()
        remarks = self.port.look()
        self.cables = self.port.cables
        if self.port.alive:
            return remarks
        self.asked, self.lost = self.port.again, self.port.name
        self.leaving, self.port = self.port, None
        self.due_us = now_us + RETRY_US
        return (f"{self.title} {self.lost} is gone; it is opened again as soon as it is back.",)

    def try_open(self, now_us: int) -> tuple[str, ...]:
        """Open what is not open when it is time; what to tell."""
        if self.port is not None or self.asked == NONE or now_us < self.due_us:
            return ()
        first, self.tried = not self.tried, True
        self.due_us = now_us + (RETRY_US if self.lost else self.retry_us)
        self.port, remarks = self.open(self.asked, self.cables)
        if self.port is None:
            # Why it fails is said once, and that it is tried again and again is no news.
            return remarks if first else ()
        self.openings += 1
        self.cables = self.port.cables
        return remarks if first else (f"{self.title} {self.port.name} is {'back' if self.lost else 'there now'}.",)


RigSlots = Mapping[str, tuple[Slot[MidiSink], Slot[MidiSource]]]


class PortKeeper:
    """Keeps ports open. Thread: one only, but for ``let_go``. Blocks: as long as a MIDI system takes.

    Args:
        output: The place of the port to play to.
        source: The place of the port to listen to.
        record: Where the connections are kept; those of a process that died are taken up.
        rig: The places of the ports of the rig file, by name.
        clocks: The places of the ports that are led by clock.
    """

    def __init__(
        self,
        output: Slot[MidiSink],
        source: Slot[MidiSource],
        record: Record,
        rig: RigSlots | None = None,
        clocks: Sequence[Slot[MidiSink]] = (),
    ) -> None:
        self._output = output
        self._source = source
        self._rig = rig or {}
        self._clocks = clocks
        self._others = [*(slot for pair in self._rig.values() for slot in pair), *clocks]
        self._slots = (output, source, *self._others)
        self._record = record
        self._asked = (output.asked, source.asked)
        self._asked_of = {slot.title: slot.asked for slot in self._others}
        self._released: queue.SimpleQueue[MidiPort] = queue.SimpleQueue()
        self._told: PortsState | None = None
        self._failures: set[str] = set()
        self._kept = record.read()
        try:
            left = msgspec.json.decode(self._kept, type=Cables)
        except msgspec.DecodeError:
            return
        if left.asked == self._asked:
            output.cables, source.cables = left.outputs, left.inputs
        for slot in self._others:
            asked, cables = left.others.get(slot.title, ("", None))
            if asked == slot.asked:
                slot.cables = cables

    def let_go(self, port: MidiPort) -> None:
        """The timing thread uses this port no more; any thread may say so."""
        self._released.put(port)

    def turn(self, now_us: int) -> News | None:
        """Look after the ports; what has changed, if anything has."""
        self._close_released()
        remarks = [remark for slot in self._slots for remark in self._attempt(slot.look, now_us)]
        if self._may_open():
            remarks += [remark for slot in self._slots for remark in self._attempt(slot.try_open, now_us)]
        self._keep()
        sink, source = self._output.port, self._source.port
        rig = {name: Ends(output.port, source.port) for name, (output, source) in self._rig.items()}
        clocks = tuple(slot.port for slot in self._clocks)
        names = _names(
            [sink, *(ends.sink for ends in rig.values()), *clocks], [source, *(ends.source for ends in rig.values())]
        )
        arrivals = {name: output.arrivals for name, (output, _) in self._rig.items() if output.arrivals}
        state = PortsState(*names, tuple(dict.fromkeys(remarks)), arrivals)
        if not remarks and self._told is not None and replace(state, remarks=self._told.remarks) == self._told:
            return None
        self._told = state
        return News(sink, source, state, rig, clocks)

    def close(self) -> None:
        """Close everything after an orderly end: nothing is left to be taken up."""
        self._close_released()
        for port in [port for slot in self._slots for port in (slot.port, slot.leaving)]:
            if port is not None:
                with contextlib.suppress(Exception):
                    # The other ports are closed all the same.
                    port.close()
        self._record.write(b"")

    def _attempt(self, step: Callable[[int], tuple[str, ...]], now_us: int) -> tuple[str, ...]:
        """What the step has to tell; a step that fails is tried again at the next turn, and why is told once.

        Any exception of a driver will do: without this watch, no port would ever come back.
        """
        try:
            return step(now_us)
        except Exception as error:
            failure = str(error) if isinstance(error, PortError) else f"The MIDI system failed ({error!r})."
        if failure in self._failures:
            return ()
        self._failures.add(failure)
        return (f"{failure} It is tried again.",)

    def _may_open(self) -> bool:
        """No port may be opened while one whose system died is not closed, nor after a frail one was."""
        if any(slot.leaving is not None for slot in self._slots):
            return False
        return self._told is None or not any(slot.port is not None and slot.port.frail for slot in self._slots)

    def _close_released(self) -> None:
        while not self._released.empty():
            port = self._released.get()
            with contextlib.suppress(Exception):
                # Its system is gone, whatever the driver says.
                port.close()
            for slot in self._slots:
                if port is slot.leaving:
                    slot.leaving = None

    def _keep(self) -> None:
        others = {slot.title: (self._asked_of[slot.title], slot.cables) for slot in self._others}
        kept = msgspec.json.encode(Cables(self._asked, self._output.cables, self._source.cables, others))
        if kept != self._kept:
            self._record.write(kept)
            self._kept = kept


class PortWatch:
    """Runs a keeper on a thread of its own. Thread: the timing thread.

    Args:
        keeper: Looks after the ports.
        wake: Called from the watching thread when there is news; must not block.
        look_now: Set by whoever knows that the keeper would find something.
    """

    def __init__(self, keeper: PortKeeper, wake: Callable[[], None], look_now: threading.Event) -> None:
        self._keeper = keeper
        self._wake = wake
        self._look_now = look_now
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._opened = threading.Event()
        self._busy_since_us: int | None = None
        self._leaving = False
        self._thread = threading.Thread(target=self._run, name="ports", daemon=True)

    def start(self, patience_s: float) -> None:
        """Open the ports; where that takes longer, they come later. Blocks: until they are open."""
        self._thread.start()
        self._opened.wait(patience_s)

    def take(self) -> list[News]:
        """What has changed since the last call. Blocks: no."""
        news = []
        while not self._news.empty():
            news.append(self._news.get())
        return news

    def is_stuck(self, now_us: int) -> bool:
        """Whether a driver hangs, so that only another process can open the ports."""
        since_us = self._busy_since_us
        return since_us is not None and now_us - since_us > STUCK_US

    def let_go(self, port: MidiPort) -> None:
        """This port is used no more and may be closed. Blocks: no."""
        self._keeper.let_go(port)
        self._look_now.set()

    def close(self) -> None:
        """Close every port once what was handed over has left. Blocks: up to a second, longer if a driver hangs."""
        self._leaving = True
        self._look_now.set()
        self._thread.join(_LEAVE_S)
        self._keeper.close()

    def _run(self) -> None:
        while not self._leaving:
            self._busy_since_us = now_us = monotonic_us()
            news = self._keeper.turn(now_us)
            self._busy_since_us = None
            if news is not None:
                self._news.put(news)
                self._wake()
            self._opened.set()
            self._look_now.wait(LOOK_S)
            self._look_now.clear()


def watch_ports(options: PlayOptions, record: Record, wake: Callable[[], None]) -> PortWatch:
    """The watch over the ports that the performer asked for.

    Args:
        options: Which ports, on which MIDI system.
        record: Where the connections are kept.
        wake: Called from other threads when MIDI came in or there is news; must not block.
    """
    api, look_now = options.midi_api, threading.Event()

    def output(title: str, asked: str, own: str = "") -> Slot[MidiSink]:
        def opened(name: str, former: tuple[str, ...] | None) -> OpenedOutput:
            return open_output(api, name, former, look_now.set, own)

        return Slot(title, asked, opened, retry_us=RARE_RETRY_US if own else RETRY_US)

    def source(title: str, asked: str, own: str = "") -> Slot[MidiSource]:
        def opened(name: str, former: tuple[str, ...] | None) -> OpenedInput:
            return open_input(api, name, wake, former, look_now.set, own)

        return Slot(title, asked, opened, retry_us=RARE_RETRY_US if own else RETRY_US)

    rig = {
        port.name: (
            output(f"MIDI out {port.name}", port.output, port.name),
            source(f"MIDI in {port.name}", port.input, port.name),
        )
        for port in options.ports
    }
    clocks = [
        output(f"Clock out {number}", asked, f"clock-{number}")
        for number, asked in enumerate((asked for asked in options.clock_out if asked != SAME), 1)
    ]
    main = output("MIDI out", options.midi_out), source("MIDI in", options.midi_in)
    return PortWatch(PortKeeper(*main, record, rig, clocks), wake, look_now)


def _names(
    sinks: Sequence[MidiSink | None], sources: Sequence[MidiSource | None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    outputs, inputs = (tuple(port.name for port in ports if port is not None) for ports in (sinks, sources))
    return outputs, inputs
