"""The line to the parent, as the main process reads it."""

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
