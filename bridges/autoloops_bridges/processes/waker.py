"""How other threads wake one that waits for sockets."""

import socket
from typing import Final

_CHUNK_BYTES: Final = 4096


class Waker:
    """A byte that ``select`` sees. Thread: any for ``wake``, the rest the waiting one's. Blocks: never."""

    def __init__(self) -> None:
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)

    def fileno(self) -> int:
        """The descriptor that can be read once somebody called ``wake``, for ``select``."""
        return self._woken.fileno()

    def wake(self) -> None:
        """Wake the thread that waits, or keep it from waiting."""
        try:
            self._wake.send(b".")
        except BlockingIOError:
            # The bytes that wait will wake it as well.
            return

    def drain(self) -> None:
        """It is awake: what was said until now is heard; of a flood the rest wakes it once more."""
        try:
            self._woken.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
