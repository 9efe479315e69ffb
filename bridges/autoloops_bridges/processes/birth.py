"""How a child process gets its options and its sockets: one line of JSON on its standard input."""

import base64
import os
import socket
import subprocess
import sys
from typing import Any

import msgspec
from msgspec import Struct

from autoloops_bridges.processes.options import PlayOptions


class Birth(Struct, frozen=True):
    """What a child starts with.

    Attributes:
        options: What the performer asked for.
        shared: Path of the shared memory.
        generation: 0 for the first of its kind; one that replaces another counts up.
        cause: Why the one before ended, as a clause; empty for the first.
        sockets: By name, a descriptor that was inherited, or on Windows what ``socket.share`` made, in base64.
    """

    options: PlayOptions
    shared: str
    generation: int
    cause: str
    sockets: dict[str, int | str]


class Born(Struct, frozen=True):
    """The same, ready to use: the sockets are open."""

    options: PlayOptions
    shared: str
    generation: int
    cause: str
    sockets: dict[str, socket.socket]


def give_birth(
    module: str, options: PlayOptions, shared: str, generation: int, cause: str, sockets: dict[str, socket.socket]
) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` in a process group of its own.

    A Ctrl-C in the terminal reaches the parent only, which then closes the life lines.
    """
    arguments: dict[str, Any] = {"stdin": subprocess.PIPE}
    if sys.platform == "win32":
        arguments["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        arguments["pass_fds"] = [each.fileno() for each in sockets.values()]
        arguments["process_group"] = 0
    child = subprocess.Popen([sys.executable, "-m", module], **arguments)
    given = {name: _shared(each, child.pid) for name, each in sockets.items()}
    assert child.stdin is not None
    try:
        child.stdin.write(msgspec.json.encode(Birth(options, shared, generation, cause, given)) + b"\n")
        child.stdin.close()
    except OSError:
        # It died at once; whoever waits for it will notice.
        child.kill()
    return child


def be_born() -> Born:
    """What the parent gave this process. Blocks: until the parent wrote it."""
    birth = msgspec.json.decode(sys.stdin.buffer.readline(), type=Birth)
    sockets = {name: _adopted(shared) for name, shared in birth.sockets.items()}
    return Born(birth.options, birth.shared, birth.generation, birth.cause, sockets)


def _shared(each: socket.socket, pid: int) -> int | str:
    if sys.platform == "win32":
        return base64.b64encode(each.share(pid)).decode()
    return each.fileno()


def _adopted(shared: int | str) -> socket.socket:
    if isinstance(shared, str):
        if sys.platform == "win32":
            return socket.fromshare(base64.b64decode(shared))
        raise OSError("Sockets are shared by descriptor here.")
    os.set_inheritable(shared, False)
    return socket.socket(fileno=shared)
