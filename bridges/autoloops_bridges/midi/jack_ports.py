"""MIDI ports on a JACK server, accurate to the sample."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import jack

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.cabling import Cabling
from autoloops_bridges.midi.jack_client import JackClient, nothing, open_client
from autoloops_bridges.midi.jack_queue import JackQueue, Write
from autoloops_bridges.midi.names import VIRTUAL, find_port
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event
from autoloops_engine.units import US_PER_S

CLIENT_NAME: Final = "AutoLoops"
MAX_INCOMING: Final = 4096
CLOSE_WAIT_S: Final = 0.5
QUIET_CYCLES: Final = 3


def _port_names(*, inputs: bool) -> list[str]:
    """The names of the MIDI ports of the server, without our own.

    Raises:
        PortError: no server is running.
    """
    client = open_client(CLIENT_NAME + "-look")
    try:
        ports = client.get_ports(is_midi=True, is_input=not inputs, is_output=inputs)
        return [port.name for port in ports if not port.name.startswith(CLIENT_NAME)]
    except jack.JackError:
        raise PortError("The JACK server went away while its ports were listed; see that it runs.") from None
    finally:
        client.close()


def output_names() -> list[str]:
    """The ports that can be played to."""
    return _port_names(inputs=False)


def input_names() -> list[str]:
    """The ports that can be listened to."""
    return _port_names(inputs=True)


class _Port(JackClient):
    """A client with one port and its connections. Thread: ``look`` belongs to one at a time."""

    def __init__(self, client_name: str, wanted: str, changed: Callable[[], None]) -> None:
        super().__init__(client_name, changed)
        self.again: Final = wanted
        self._period_us: int = round(self._client.blocksize * US_PER_S / self._client.samplerate)
        self._cabling = Cabling()
        self._away: frozenset[str] = frozenset()
        self._joined: frozenset[str] = frozenset()
        self.joined = 0
        self._port: jack.OwnMidiPort
        self._name = ""
        with self._opening():
            self._client.set_blocksize_callback(self._on_blocksize)
            self._client.set_port_registration_callback(self._on_registration)
        self._client.set_port_connect_callback(self._on_connection)

    @property
    def name(self) -> str:
        """What to call it towards the performer."""
        return self._name

    @property
    def cables(self) -> tuple[str, ...]:
        """The ports that it is or was connected to, and will be again when they are back."""
        return self._cabling.names

    def _find(self, wanted: str, *, to_own: bool) -> tuple[str, ...]:
        """The name of the port that ``wanted`` means, if any is to be looked for.

        Raises:
            PortError: there is no such port.
        """
        if wanted == VIRTUAL:
            return ()
        others = self._client.get_ports(is_midi=True, is_input=not to_own, is_output=to_own)
        names = [port.name for port in others if not self._client.owns(port)]
        index = find_port(names, wanted)
        if index is None:
            raise PortError(f"JACK has no MIDI port whose name contains {wanted!r}; `autoloops ports` lists them.")
        return (names[index],)

    def _start(self, names: Iterable[str]) -> None:
        """Start the cycles and connect."""
        self._cabling = Cabling(names)
        self._client.activate()
        self.look()

    def look(self) -> tuple[str, ...]:
        """Connect again what was away and is back; a sentence for each change. Blocks: while the server answers."""
        if not self.check():
            return ()
        try:
            joined = {port.name for port in self._client.get_all_connections(self._port)}
            present = {name for name in self._cabling.names if self._is_there(name)}
        except jack.JackError:
            return ()
        if not self._alive:
            # An empty graph is what a dead server looks like; nobody parted anything.
            return ()
        self.joined += len(joined - self._joined)
        self._joined = frozenset(joined)
        for name in self._cabling.look(joined, present, monotonic_us()):
            with contextlib.suppress(jack.JackError):
                self._client.connect(*((name, self._port) if self._port.is_input else (self._port, name)))
                self._cabling.joined(name)
        return self._told()

    def _told(self) -> tuple[str, ...]:
        before, self._away = self._away, self._cabling.away()
        back = [name for name in before - self._away if name in self._cabling.names]
        gone = self._away - before
        return (
            *(f"MIDI port {name} is gone; it is connected again as soon as it is back." for name in sorted(gone)),
            *(f"MIDI port {name} is back and connected." for name in sorted(back)),
        )

    def _is_there(self, name: str) -> bool:
        try:
            self._client.get_port_by_name(name)
        except jack.JackError:
            return False
        return True

    def _on_connection(self, one: "jack.Port", other: "jack.Port", connected: bool) -> None:
        if connected and self._port in (one, other):
            self._changed()

    def _on_registration(self, port: "jack.Port", registered: bool) -> None:
        known = self._cabling.appeared(port.name) if registered else port.name in self._cabling.names
        if known:
            self._changed()

    def _on_blocksize(self, blocksize: int) -> None:
        self._period_us = round(blocksize * US_PER_S / self._client.samplerate)


class JackOutput(_Port):
    """A sink that writes each event at its frame.

    Thread: the player's; the server's thread only calls ``_process``. Blocks: ``close`` up to half a second.
    """

    def __init__(
        self,
        wanted: str,
        former: tuple[str, ...] | None = None,
        changed: Callable[[], None] = nothing,
        own: str = "",
    ) -> None:
        """Open the port and connect it to the one that ``wanted`` names, unless that is ``virtual``.

        Args:
            wanted: Part of a port's name, or ``virtual``.
            former: ``cables`` of the port that this one replaces: these are connected instead, each when it is there.
            changed: Called from the library's threads when ``look`` would find something; must not block.
            own: What our own client is called behind our name; empty: nothing more.

        Raises:
            PortError: no server is running, or it has no such port.
        """
        super().__init__("-".join(filter(None, (CLIENT_NAME, own))), wanted, changed)
        self.queue = JackQueue(self.frames)
        self.refused = 0
        self._waiting: deque[Write] = deque()
        self._idle = threading.Event()
        self._quiet_cycles = 0
        with self._opening():
            names = former if former is not None else self._find(wanted, to_own=False)
            self._port = self._client.midi_outports.register("out")
            self._name = f"JACK {self._port.name}"
            self._client.set_process_callback(self._process)
            self._start(names)

    @property
    def lead_us(self) -> int:
        """Two periods: the cycle that holds an event is written a period before its end, and may be entered late."""
        return 2 * self._period_us

    def send(self, event: Event, now_us: int) -> None:
        """Take one event; nothing any more once the server is gone."""
        if self._alive:
            self.queue.put(event)

    def send_raw(self, data: bytes) -> None:
        """Take one message that is no music, for the next cycle."""
        if self._alive:
            self.queue.put_raw(data)

    def flush(self, now_us: int) -> None:
        """Nothing to do: the server asks."""

    def close(self) -> None:
        """Leave the server when everything was written."""
        if self._alive:
            self._quiet_cycles = 0
            self._idle.clear()
            self._idle.wait(CLOSE_WAIT_S)
        super().close()

    def _process(self, length: int) -> None:
        first_frame = self._enter_cycle()
        self._port.clear_buffer()
        self._waiting.extend(self.queue.cycle(first_frame, length))
        quiet = not self._waiting
        while self._waiting:
            offset, data = self._waiting[0]
            try:
                self._port.write_midi_event(offset, data)
            except jack.JackError:
                # The buffer is full: the rest goes out at the start of the next cycle.
                self.refused += 1
                self._waiting = deque(Write(0, write.data) for write in self._waiting)
                return
            self._waiting.popleft()
        # What was written in this cycle is safe only when the next ones have begun.
        self._quiet_cycles = self._quiet_cycles + 1 if quiet and self.queue.is_empty() else 0
        if self._quiet_cycles >= QUIET_CYCLES:
            self._idle.set()


class JackInput(_Port):
    """A source that stamps each message at its frame.

    Thread: ``read`` and ``close`` are the player's; the server's thread only calls ``_process``.
    """

    def __init__(
        self,
        wanted: str,
        wake: Callable[[], None],
        former: tuple[str, ...] | None = None,
        changed: Callable[[], None] = nothing,
        own: str = "",
    ) -> None:
        """Open the port and connect the one that ``wanted`` names to it, unless that is ``virtual``.

        Args:
            wanted: Part of a port's name, or ``virtual``.
            wake: Called from the server's thread when something came; must not block.
            former: As of ``JackOutput``.
            changed: As of ``JackOutput``.
            own: As of ``JackOutput``.

        Raises:
            PortError: no server is running, or it has no such port.
        """
        super().__init__("-".join(filter(None, (CLIENT_NAME, own, "in"))), wanted, changed)
        self.dropped = 0
        self._wake = wake
        self._incoming: deque[MidiIn] = deque()
        with self._opening():
            names = former if former is not None else self._find(wanted, to_own=True)
            self._port = self._client.midi_inports.register("in")
            self._name = f"JACK {self._port.name}"
            self._client.set_process_callback(self._process)
            self._start(names)

    def read(self) -> list[MidiIn]:
        """Everything that came since the last call, in order."""
        taken = []
        while self._incoming:
            taken.append(self._incoming.popleft())
        return taken

    def _process(self, length: int) -> None:
        first_frame = self._enter_cycle()
        came = False
        for offset, data in self._port.incoming_midi_events():
            if len(self._incoming) >= MAX_INCOMING:
                self.dropped += 1
                continue
            at_us = self.frames.us_at(first_frame + offset)
            self._incoming.append(MidiIn(self._name, bytes(data), at_us))
            came = True
        if came:
            self._wake()
