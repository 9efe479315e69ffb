"""What the processes that keep time have in common."""

import socket
from typing import Final

from autoloops_engine.units import US_PER_MS

# How long a busy Python thread (a MIDI callback) may keep the timing thread waiting.
SWITCH_INTERVAL_S: Final = 0.000_5
# The parent takes a player that is silent for 200 ms for hung.
BEAT_US: Final = 50 * US_PER_MS
# A MIDI system that takes longer to answer gets its port when it does; the show goes on meanwhile.
PORTS_PATIENCE_S: Final = 1.0


def is_closed(life: socket.socket) -> bool:
    """Whether the parent has closed the life line or is gone."""
    try:
        return life.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
