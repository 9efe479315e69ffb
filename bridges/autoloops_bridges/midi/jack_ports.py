"""MIDI ports on a JACK server, accurate to the sample. The only file that imports JACK-Client.

The server's thread runs Python in each cycle, so the process must keep ``sys.setswitchinterval(0.0005)``: with the
default of 5 ms a busy thread costs most cycles of 128 frames.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import jack

from autoloops_bridges.midi.frame_map import FrameMap
from autoloops_bridges.midi.jack_queue import JackQueue, Write
from autoloops_bridges.midi.names import find_port
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event
from autoloops_engine.units import US_PER_S

CLIENT_NAME: Final = "AutoLoops"
MAX_INCOMING: Final = 4096
CLOSE_WAIT_S: Final = 0.5
QUIET_CYCLES: Final = 3

# The library prints a dozen lines for a server that is not there; the caller says it in one sentence.
jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)


def _open_client(name: str) -> "jack.Client":
    try:
        return jack.Client(name, no_start_server=True)
    except jack.JackError:
        raise PortError("No JACK server is running; start one (jackd, QjackCtl or PipeWire).") from None


def _port_names(*, inputs: bool) -> list[str]:
    """The names of the MIDI ports of the server, without our own.

    Raises:
        PortError: no server is running.
    """
    client = _open_client(CLIENT_NAME + "-look")
    try:
        ports = client.get_ports(is_midi=True, is_input=not inputs, is_output=inputs)
        return [port.name for port in ports if not port.name.startswith(CLIENT_NAME)]
    finally:
        client.close()


def output_names() -> list[str]:
    """The ports that can be played to."""
    return _port_names(inputs=False)


def input_names() -> list[str]:
    """The ports that can be listened to."""
    return _port_names(inputs=True)


class _Port:
    """A client with one port, the map of its server's time, and the news of the server's end."""

    def __init__(self, client_name: str) -> None:
        self._client = _open_client(client_name)
        self._frames = FrameMap(self._client.samplerate)
        self._period_us: int = round(self._client.blocksize * US_PER_S / self._client.samplerate)
        self._alive = True
        self._closed = False
        self._client.set_shutdown_callback(self._on_shutdown)
        self._client.set_blocksize_callback(self._on_blocksize)

    @property
    def alive(self) -> bool:
        """Whether the server is still there."""
        return self._alive

    def _activate(self, own: "jack.OwnMidiPort", wanted: str, *, to_own: bool) -> None:
        """Start the cycles and connect to the port that ``wanted`` names, if any.

        Raises:
            PortError: there is no such port.
        """
        self._client.activate()
        if wanted == "virtual":
            return
        others = self._client.get_ports(is_midi=True, is_input=not to_own, is_output=to_own)
        names = [port.name for port in others if not self._client.owns(port)]
        index = find_port(names, wanted)
        if index is None:
            self.close()
            raise PortError(f"JACK has no MIDI port whose name contains {wanted!r}; `autoloops ports` lists them.")
        self._client.connect(*((names[index], own) if to_own else (own, names[index])))

    def close(self) -> None:
        """Leave the server, if it is still there; once is enough."""
        if self._closed:
            return
        self._closed = True
        self._alive = False
        with contextlib.suppress(jack.JackError):
            self._client.deactivate()
        with contextlib.suppress(jack.JackError):
            self._client.close()

    def _enter_cycle(self) -> int:
        return self._frames.observe(int(self._client.last_frame_time), time.monotonic_ns() // 1000)

    def _on_shutdown(self, status: "jack.Status", reason: str) -> None:
        self._alive = False

    def _on_blocksize(self, blocksize: int) -> None:
        self._period_us = round(blocksize * US_PER_S / self._client.samplerate)


class JackOutput(_Port):
    """A sink that writes each event at its frame.

    Thread: the player's; the server's thread only calls ``_process``. Blocks: ``close`` up to half a second.
    """

    def __init__(self, wanted: str) -> None:
        """Open the port and connect it to the one that ``wanted`` names, unless that is ``virtual``.

        Raises:
            PortError: no server is running, or it has no such port.
        """
        super().__init__(CLIENT_NAME)
        self.queue = JackQueue(self._frames)
        self.refused = 0
        self._waiting: deque[Write] = deque()
        self._idle = threading.Event()
        self._quiet_cycles = 0
        self._port = self._client.midi_outports.register("out")
        self._name = f"JACK {self._port.name}"
        self._client.set_process_callback(self._process)
        self._activate(self._port, wanted, to_own=False)

    @property
    def name(self) -> str:
        """What to call it towards the performer."""
        return self._name

    @property
    def lead_us(self) -> int:
        """Two periods: the cycle that holds an event is written a period before its end, and may be entered late."""
        return 2 * self._period_us

    def send(self, event: Event, now_us: int) -> None:
        """Take one event; nothing any more once the server is gone."""
        if self._alive:
            self.queue.put(event)

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

    def __init__(self, wanted: str, wake: Callable[[], None]) -> None:
        """Open the port and connect the one that ``wanted`` names to it, unless that is ``virtual``.

        Args:
            wanted: Part of a port's name, or ``virtual``.
            wake: Called from the server's thread when something came; must not block.

        Raises:
            PortError: no server is running, or it has no such port.
        """
        super().__init__(CLIENT_NAME + "-in")
        self.dropped = 0
        self._wake = wake
        self._incoming: deque[MidiIn] = deque()
        self._port = self._client.midi_inports.register("in")
        self._name = f"JACK {self._port.name}"
        self._client.set_process_callback(self._process)
        self._activate(self._port, wanted, to_own=True)

    @property
    def name(self) -> str:
        """What to call it towards the performer."""
        return self._name

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
            at_us = self._frames.us_at(first_frame + offset)
            self._incoming.append(MidiIn(self._name, bytes(data), at_us))
            came = True
        if came:
            self._wake()
