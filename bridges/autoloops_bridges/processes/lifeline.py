"""Sockets on which there is little to read: the line to the parent, and the one that wakes the main thread."""

import socket
from typing import Final

_MAX_KEYS: Final = 64


def heard(life: socket.socket) -> bytes | None:
    """The keys that the parent hands on; None: it has closed the line or is gone."""
    try:
        return life.recv(_MAX_KEYS) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def drain(woken: socket.socket) -> None:
    """Read all that waits."""
    try:
        while woken.recv(4096):
            pass
    except BlockingIOError:
        return
