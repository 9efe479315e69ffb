"""``autoloops play``: a thin parent that starts the two processes and ends them together.

::

    parent ──life line──▶ main ◀──wire──▶ player
       └─────life line────────────────────▶ ┘
            UDP socket: main receives and answers, the player sends timed events

A child whose life line closes ends every note and leaves, so the parent's death, however sudden, is the end of both.
"""

import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from types import FrameType

from msgspec.structs import replace

from autoloops_bridges.processes.birth import give_birth
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.errors import PortError

MAIN = "autoloops_bridges.processes.main"
PLAYER = "autoloops_bridges.processes.player"
# Enough for the bursts of a busy surface while a model is loaded.
_RECEIVE_BUFFER_BYTES = 4 << 20
_LEAVE_S = 3.0
_MAX_SEED = 2**31 - 1


def launch(options: PlayOptions) -> int:
    """Play until told to end or until the bars asked for have sounded.

    Returns:
        The exit status: 0 after an orderly end.

    Raises:
        PortError: the OSC port cannot be had.
    """
    if options.seed is None:
        options = replace(options, seed=secrets.randbelow(_MAX_SEED + 1))
    happened: queue.SimpleQueue[str] = queue.SimpleQueue()
    _watch_signals(happened)
    with bind_osc(options.osc_host, options.osc_port) as osc:
        for_main, for_player = socket.socketpair()
        lives = {name: socket.socketpair() for name in (MAIN, PLAYER)}
        children: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, wire in ((PLAYER, for_player), (MAIN, for_main)):
                children[name] = give_birth(name, options, {"osc": osc, "wire": wire, "life": lives[name][1]})
                lives[name][1].close()
                threading.Thread(target=_wait, args=(name, children[name], happened), daemon=True).start()
            ended = happened.get()
        finally:
            for ours, _ in lives.values():
                ours.close()
            for child in children.values():
                _let_go(child)
    return _status(ended, children)


def bind_osc(host: str, port: int) -> socket.socket:
    """The UDP socket on which OSC comes in and from which it goes out.

    Raises:
        PortError: the address is not ours or the port is taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        osc = socket.socket(family, kind)
        osc.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        osc.bind(address)
    except OSError as error:
        raise PortError(
            f"OSC cannot listen on {host}:{port} ({error.strerror}); "
            "end whatever uses it, or choose another with --osc-port (0 takes a free one)."
        ) from error
    osc.setblocking(False)
    return osc


def _watch_signals(happened: queue.SimpleQueue[str]) -> None:
    def heard(number: int, frame: FrameType | None) -> None:
        happened.put("signal")

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), heard)


def _wait(name: str, child: subprocess.Popen[bytes], happened: queue.SimpleQueue[str]) -> None:
    child.wait()
    happened.put(name)


def _let_go(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_LEAVE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _status(ended: str, children: dict[str, subprocess.Popen[bytes]]) -> int:
    if ended == "signal":
        return 0
    status = children[ended].returncode
    if status != 0 and not (ended == MAIN and status == 1):
        # Status 1 of main means that it said what was wrong; anything else nobody has told of.
        name = ended.rpartition(".")[2]
        sys.stderr.write(f"The {name} process ended with status {status}; please report what was done.\n")
    return 1 if status != 0 else 0
