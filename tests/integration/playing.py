"""A running ``autoloops play`` and a client that hears all it says over OSC."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

PATIENCE_S = 20.0
_LISTENING = re.compile(r"listening on [^ ]*:(\d+)")


class Heard(NamedTuple):
    """One message, with the time for which it was tagged (0: none), in seconds of the wall clock."""

    tagged_s: float
    address: str
    arguments: tuple[object, ...]


class Playing:
    """The engine and its client."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, said: list[str]) -> None:
        self.process = process
        self.port = port
        self.said = said
        self.heard: list[Heard] = []
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.02)

    def send(self, address: str, *arguments: float | str) -> None:
        """Send one message to the engine."""
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        self._socket.sendto(builder.build().dgram, ("127.0.0.1", self.port))

    def listen(self, lookahead_ms: float = 0.0) -> None:
        """Become a listener that is told so far ahead, and wait until it is one."""
        self.send("/al/listen", 1, *([self._socket.getsockname()[1], lookahead_ms] if lookahead_ms else []))
        self.ping()

    def ping(self) -> float:
        """Ping until it is answered; how long that took, in seconds."""
        begun_s = time.monotonic()
        known = len(self.heard)
        while not any(heard.address == "/al/pong" for heard in self.heard[known:]):
            assert time.monotonic() - begun_s < PATIENCE_S, "no answer to a ping"
            self.send("/al/ping", 1)
            self.hear(0.05)
        return time.monotonic() - begun_s

    def hear(self, for_s: float) -> None:
        """Take in what comes for so long."""
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            self.take()

    def take(self) -> None:
        """Take in one packet, if one comes soon."""
        try:
            packet = self._socket.recv(65536)
        except TimeoutError:
            return
        if packet.startswith(b"#bundle"):
            bundle = OscBundle(packet)
            self.heard += [Heard(bundle.timestamp, m.address, tuple(m.params)) for m in bundle]
        else:
            message = OscMessage(packet)
            self.heard.append(Heard(0.0, message.address, tuple(message.params)))

    def hear_until(self, address: str, *arguments: object) -> Heard:
        """Take in what comes until this message does (any arguments when none are given), from now on."""
        known = len(self.heard)
        until_s = time.monotonic() + PATIENCE_S
        while True:
            for heard in self.heard[known:]:
                if heard.address == address and (not arguments or heard.arguments == arguments):
                    return heard
            assert time.monotonic() < until_s, f"{address} {arguments} never came"
            self.take()

    def hear_until_prefix(self, beginning: str) -> str:
        """Take in what comes until the address of a message begins so; that address."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            for heard in self.heard:
                if heard.address.startswith(beginning):
                    return heard.address
            assert time.monotonic() < until_s, f"{beginning} never came"
            self.take()

    def all(self, address: str) -> list[Heard]:
        """Everything heard on one address."""
        return [heard for heard in self.heard if heard.address == address]

    def child(self, name: str) -> int:
        """The process id of ``main`` or ``player``."""
        pattern = f"autoloops_bridges.processes.{name}"
        found = subprocess.run(["pgrep", "-P", str(self.process.pid), "-f", pattern], capture_output=True, text=True)
        (pid,) = found.stdout.split()
        return int(pid)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End the engine with a signal; its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read().splitlines()
        return status

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._socket.close()


@contextmanager
def playing(
    *options: str, environment: Mapping[str, str] | None = None, inside: Sequence[str] = ()
) -> Iterator[Playing]:
    """``autoloops play`` on a free OSC port, once it has said where it listens; the words ``inside`` come first."""
    command = [*inside, sys.executable, "-m", "autoloops_bridges", "play", "--plain", "--osc-port", "0", *options]
    if not any(option.startswith("--midi") for option in options):
        command += ["--midi-out", "none", "--midi-in", "none"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.rstrip())
        found = _LISTENING.search(line)
        if found:
            break
    else:
        raise AssertionError("the engine did not start: " + "\n".join(said))
    engine = Playing(process, int(found[1]), said)
    try:
        yield engine
    finally:
        engine.close()


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        # It may be gone before the file is opened, or before it is read.
        return False
