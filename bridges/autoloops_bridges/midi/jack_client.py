"""A client of a JACK server: its life, and the server's time. JACK-Client is imported here and by what builds on it.

The server's thread runs Python in each cycle, so the process must keep ``sys.setswitchinterval(0.0005)``: with the
default of 5 ms a busy thread costs most cycles of 128 frames.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import ClassVar, Final

import jack

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.frame_map import FrameMap
from autoloops_engine.errors import PortError

# PipeWire leaves without a word; what calls for no cycle for so long is gone, or as good as gone.
STALLED_US: Final = 1_000_000
REST_S: Final = 0.1
MAX_RESTS: Final = 10

# The library prints a dozen lines for a server that is not there; the caller says it in one sentence.
jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)


def open_client(name: str) -> "jack.Client":
    """A client that is not active yet.

    Raises:
        PortError: no server is running, or it went away and not everybody has left it.
    """
    if not all(client.alive for client in JackClient.open_ones()):
        raise PortError("The JACK server went away; once every port of it is closed, it is looked for again.")
    try:
        return jack.Client(name, no_start_server=True)
    except jack.JackError:
        raise PortError("No JACK server is running; start one (jackd, QjackCtl or PipeWire).") from None


def nothing() -> None:
    """Nobody wants to know."""


class JackClient:
    """A client, the map of its server's time, and the news of the server's end.

    Thread: ``check`` and ``close`` belong to one at a time.

    Attributes:
        frames: The map of the server's time, which all clients of this process share.
    """

    # What the library keeps about the server belongs to the whole process: when one client's server is gone, so is
    # everybody's, and no new client may be opened before the old ones are closed.
    _open: ClassVar["weakref.WeakSet[JackClient]"] = weakref.WeakSet()
    # Clients come and go on several threads.
    _coming_and_going: ClassVar = threading.Lock()
    frail: Final = False

    def __init__(self, client_name: str, changed: Callable[[], None]) -> None:
        """Become a client that is not active yet.

        Args:
            client_name: What it is to be called; the server adds a number where there is one of that name.
            changed: Called from the library's threads when something is to be looked after; must not block.

        Raises:
            PortError: no server is running, or it went away and not everybody has left it.
        """
        self._client = open_client(client_name)
        self._changed = changed
        self._cycles = 0
        self._seen_cycles = 0
        self._seen_us = monotonic_us()
        self._alive = True
        self._closed = False
        with self._coming_and_going:
            other = next(iter(self._open), None)
            self.frames: FrameMap = FrameMap(self._client.samplerate) if other is None else other.frames
            self._open.add(self)
        with self._opening():
            self._client.set_shutdown_callback(self._on_shutdown)

    @classmethod
    def open_ones(cls) -> list["JackClient"]:
        """All clients of this process that are not closed."""
        with cls._coming_and_going:
            return list(cls._open)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Close the client unless all within succeeds.

        Raises:
            PortError: it did not.
        """
        try:
            yield
        except jack.JackError:
            JackClient.close(self)
            raise PortError("The JACK server went away while a port was opened; see that it runs.") from None
        except BaseException:
            JackClient.close(self)
            raise

    @property
    def alive(self) -> bool:
        """Whether the server is still there."""
        return self._alive

    def check(self) -> bool:
        """Whether the server is still there; notices one that went without a word."""
        if self._alive and self._is_stalled():
            self._leave_server()
        return self._alive

    def close(self) -> None:
        """Leave the server, if it is still there; once is enough."""
        if self._closed:
            return
        self._closed = True
        if not self._alive:
            self._wait_for_rest()
        self._alive = False
        with self._coming_and_going:
            self._open.discard(self)
        self.frames.leave(self)
        with contextlib.suppress(jack.JackError):
            self._client.deactivate()
        with contextlib.suppress(jack.JackError):
            self._client.close()

    def _wait_for_rest(self) -> None:
        """Wait until no cycle is under way.

        Without a server the library cancels its thread wherever that is. Within Python, where it holds the interpreter
        lock or waits for it, that would be the end of all other threads too.
        """
        for _ in range(MAX_RESTS):
            cycles = self._cycles
            threading.Event().wait(REST_S)
            if self._cycles == cycles:
                return

    def _enter_cycle(self) -> int:
        """The frame of the server with which the present cycle begins; called first in each."""
        self._cycles += 1
        return self.frames.enter(self, int(self._client.last_frame_time), monotonic_us())

    def _is_stalled(self) -> bool:
        if self._cycles != self._seen_cycles:
            self._seen_cycles, self._seen_us = self._cycles, monotonic_us()
        return monotonic_us() - self._seen_us > STALLED_US

    def _on_shutdown(self, status: "jack.Status", reason: str) -> None:
        self._leave_server()

    def _leave_server(self) -> None:
        for client in self.open_ones():
            client._alive = False
            client._changed()
