"""An engine to measure, a client that hears it with the kernel's time stamps, and the load around them."""

import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from autoloops_bridges.clock import monotonic_us, wall_us
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.ntp import NTP_MINUS_UNIX_S
from autoloops_engine.errors import PortError
from autoloops_engine.units import US_PER_S

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 20.0
_LISTENING: Final = re.compile(r"listening on [^ ]*:(\d+)")
# Linux: the time at which a datagram arrived in the socket's queue, whenever it is read (socket(7)).
_SO_TIMESTAMPNS: Final = 35
_BUFFER_BYTES: Final = 4 << 20
_QUIET: Final = ("--midi-out", "none", "--midi-in", "none", "--plain")


class Heard(NamedTuple):
    """One message; times in microseconds of the wall clock.

    Attributes:
        due_us: When it was to be heard, by its time tag; 0: untagged.
        came_us: When it came.
    """

    due_us: int
    came_us: int
    address: str
    arguments: tuple[object, ...]


class Client:
    """Talks to an engine. Thread: the owner's only."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._stamped = sys.platform.startswith("linux")
        if self._stamped:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((HOST, 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self.engine_port = 0

    def send(self, address: str, *arguments: float | str) -> None:
        """Send one message."""
        self._socket.sendto(codec.encode(address, arguments), (HOST, self.engine_port))

    def hear(self, for_s: float) -> Iterator[Heard]:
        """What comes within so many seconds, as it comes."""
        until_us = monotonic_us() + round(for_s * US_PER_S)
        while (left_us := until_us - monotonic_us()) > 0:
            readable, _, _ = select.select([self._socket], [], [], left_us / US_PER_S)
            if readable:
                yield from self._read()

    def hear_one(self, address: str) -> Heard:
        """The next message on an address.

        Raises:
            PortError: it does not come.
        """
        for heard in self.hear(PATIENCE_S):
            if heard.address == address:
                return heard
        raise PortError(f"The engine sent no {address} for {PATIENCE_S:g} seconds; report this.")

    def ask(self, address: str) -> tuple[object, ...]:
        """The value of an address."""
        self.send(address)
        return self.hear_one(address).arguments

    def stats(self) -> dict[str, float]:
        """The engine's counters."""
        flat = self.ask("/al/stats")
        return {str(name): float(str(figure)) for name, figure in zip(flat[::2], flat[1::2], strict=True)}

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _read(self) -> Iterator[Heard]:
        packet, ancillary, _, _ = self._socket.recvmsg(65_536, 256)
        came_us = wall_us()
        for level, kind, data in ancillary:
            if self._stamped and level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("@qq", data[:16])
                came_us = seconds * US_PER_S + nanoseconds // 1_000
        elements = codec.split(packet)
        for tag, data in [] if isinstance(elements, codec.Malformed) else elements:
            message = codec.parse(data)
            if isinstance(message, codec.Message):
                due_us = 0 if tag <= codec.IMMEDIATELY else unix_us(tag)
                yield Heard(due_us, came_us, message.address, message.arguments)


def unix_us(tag: int) -> int:
    """Microseconds since the Unix epoch of an NTP time tag of our own era."""
    return (tag * US_PER_S >> 32) - NTP_MINUS_UNIX_S * US_PER_S


class Engine(NamedTuple):
    """A running ``autoloops play`` and a client of it."""

    process: "subprocess.Popen[str]"
    client: Client
    began_us: int

    def pids(self) -> list[int]:
        """The process ids of parent, main and player."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        return [parent, *map(int, children)]


@contextmanager
def engine(*options: str, rights: bool = True) -> Iterator[Engine]:
    """An engine on a free OSC port that is ended afterwards; its client hears everything from the start.

    Args:
        options: Of ``autoloops play``.
        rights: Whether it may ask for real-time priority; without, it is run so that it gets none.

    Raises:
        PortError: it does not start.
    """
    client = Client()
    command = [sys.executable, "-m", "autoloops_bridges", "play", "--osc-port", "0", *_QUIET]
    command += ["--osc-send", f"{HOST}:{client.port}", *options]
    began_us = wall_us()
    process = subprocess.Popen(
        [*([] if rights else without_rights()), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    reader = None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if found := _LISTENING.search(line):
                client.engine_port = int(found[1])
                break
        else:
            raise PortError(f"The engine did not start: {' '.join(said).strip()}")
        # Somebody has to read what it prints, or the pipe fills.
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        reader.start()
        yield Engine(process, client, began_us)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE_S)
        if reader is not None:
            reader.join()
        process.stdout.close()
        client.close()


def without_rights() -> list[str]:
    """Words before a command that keep real-time priority from it.

    Raises:
        PortError: there is no way to do that here.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PortError("Running without real-time rights needs setpriv (Debian: util-linux).")
    return [setpriv, "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice"]


@contextmanager
def running(*commands: Sequence[str]) -> Iterator[None]:
    """Other processes beside; each is ended afterwards."""
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(command)
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
        yield


def busy_command() -> list[str]:
    """A process that keeps a processor busy with Python, for ten minutes at most."""
    return [sys.executable, "-c", "import time\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass"]


def flood_command(port: int, rate: int, seconds: float) -> list[str]:
    """A process that moves one knob ``rate`` times a second."""
    words = ["--port", str(port), "--rate", str(rate), "--seconds", str(seconds)]
    return [sys.executable, "-m", "autoloops_bridges.bench.flood", *words]
