"""Real parts for the integration tests: a JACK server, Pure Data, a network of one's own.

A missing part skips the test; ``AUTOLOOPS_REQUIRE_ALL=1`` turns skips into failures.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

START_S = 10.0
END_S = 5.0

Require = Callable[[str], str]


def missing(what: str) -> NoReturn:
    """Skip the test for want of ``what``."""
    pytest.skip(f"{what} is not there")


def ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process and wait for it; none is left behind."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(END_S)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def find_program(program: str) -> str:
    """The path of a program; without it, the test is skipped."""
    path = shutil.which(program)
    if path is None:
        missing(f"The program {program}")
    return str(path)


@pytest.fixture
def require() -> Require:
    """Answers the path of a program, or skips the test if it is missing."""
    return find_program


@dataclass(frozen=True)
class JackServer:
    """A JACK server with the dummy driver: 48 kHz, 128 frames a period."""

    process: "subprocess.Popen[bytes]"
    samplerate_hz: int = 48_000
    period: int = 128

    def kill(self) -> None:
        """Let it die at once."""
        self.process.kill()
        self.process.wait(END_S)


# One name for every server of a run: one that was killed keeps one of JACK's eight places until its name comes again.
JACK_NAME = f"autoloops-test-{os.getpid()}"
JACK_PLACES = Path("/dev/shm/jack-shm-registry")


def start_jack(require: Require) -> "subprocess.Popen[bytes]":
    """Start the server in real time, or skip the test where there can be none."""
    server = try_jack(require)
    if server is None and not jack_lives(require):
        # All places may be taken by servers that were killed.
        JACK_PLACES.unlink(missing_ok=True)
        server = try_jack(require)
    if server is None:
        missing("A JACK server in real time")
    return server


def jack_lives(require: Require) -> bool:
    """Whether any JACK server runs on this machine."""
    command = [require("pgrep"), "-r", "R,S,D,T", "-x", "jackd|jackdbus"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def try_jack(require: Require) -> "subprocess.Popen[bytes] | None":
    """Start the server in real time, if it can be."""
    command = [require("jackd"), "-R", "-P", "60", "-n", JACK_NAME, "-p", "256"]
    command += ["-d", "dummy", "-r", "48000", "-p", "128"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    waiting = [require("jack_wait"), "-s", JACK_NAME, "-w", "-t", str(int(START_S))]
    up = subprocess.run(waiting, capture_output=True, timeout=2 * START_S, check=False)
    if up.returncode != 0 or process.poll() is not None:
        ended(process)
        return None
    return process


def end_jack(require: Require, server: "subprocess.Popen[bytes]") -> None:
    """End the server; one that was killed, here or before, is followed by one that leaves in good order."""
    ended(server)
    if server.returncode == -signal.SIGKILL:
        ended(start_jack(require))
    # A server that was killed leaves the semaphores of its clients.
    for left in Path("/dev/shm").glob(f"jack*{JACK_NAME}*"):
        left.unlink()


@pytest.fixture
def jack_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever uses JACK finds the server of the tests, and starts none."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", JACK_NAME)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")


@pytest.fixture
def jack_server(require: Require, jack_environment: None) -> Iterator[JackServer]:
    """A server of one's own, in real time (without it, JACK loses notes), named in the environment."""
    server = JackServer(start_jack(require))
    yield server
    end_jack(require, server.process)


@pytest.fixture
def free_port() -> int:
    """A UDP port on this machine that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pd(require: Require, tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Starts Pure Data on a patch given as text, without sound, MIDI or window."""
    program = require("pd")
    running: list[subprocess.Popen[bytes]] = []

    def start(patch: str) -> "subprocess.Popen[bytes]":
        path = tmp_path / f"patch{len(running)}.pd"
        path.write_text(patch, encoding="ascii")
        command = [program, "-nogui", "-noprefs", "-noaudio", "-nomidi", "-stderr", str(path)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        ended(process)


@contextmanager
def network() -> Iterator[list[str]]:
    """Words before a command that run it in a network of its own."""
    unshare, nsenter, ip = find_program("unshare"), find_program("nsenter"), find_program("ip")
    # Whoever is not root gets there by way of a user namespace.
    root = os.geteuid() == 0
    out_flags, in_flags = (["-n"], ["-n"]) if root else (["-r", "-n"], ["-U", "--preserve-credentials", "-n"])
    holder = subprocess.Popen([unshare, *out_flags, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"up\n")
        holder.stdin.flush()
        if holder.stdout.readline() != b"up\n":
            missing("The right to make a network of one's own (unshare -n)")
        inside = [nsenter, "-t", str(holder.pid), *in_flags]
        subprocess.run([*inside, ip, "link", "set", "lo", "up"], check=True, timeout=START_S)
        yield inside
    finally:
        ended(holder)


@pytest.fixture
def own_network() -> Iterator[list[str]]:
    """Words before a command that run it in a network of its own, for programs that bind every address."""
    with network() as inside:
        yield inside
