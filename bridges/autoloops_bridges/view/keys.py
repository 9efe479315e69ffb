"""The keyboard, read in the parent: the terminal is its own, while main stands in the background of the terminal.

What is pressed travels to main over the life line, a byte for each key; ``q`` ends everything from here, so that it
works whatever became of main.
"""

import os
import re
import select
import sys
import threading
from collections.abc import Callable
from typing import Final

from autoloops_bridges.view.screen import leave_screen

LEAVE: Final = b"q"
KEYS: Final = b" fvmpt+-123456789"
_READ_BYTES: Final = 256
# Cursor and function keys, Alt with a key, answers of the terminal.
_SEQUENCE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|O.|.)?", re.DOTALL)


def keys_in(data: bytes) -> bytes:
    """The keys that mean something among what a terminal sent at once."""
    plain = _SEQUENCE.sub(b"", data).lower().replace(b"=", b"+")
    return bytes(key for key in plain if key in KEYS + LEAVE)


class _Keys:
    """What becomes of keys: the last one that leaves, or what main is handed."""

    def __init__(self, press: Callable[[bytes], None], leave: Callable[[], None]) -> None:
        self._press = press
        self._leave = leave

    def take(self, data: bytes) -> None:
        keys, left, _ = keys_in(data).partition(LEAVE)
        if keys:
            self._press(keys)
        if left:
            self._leave()


if sys.platform == "win32":
    import msvcrt

    # What msvcrt puts before the code of a function key.
    _PREFIXES: Final = "\x00\xe0"

    class Keyboard:
        """Reads keys on a thread of its own until it is closed.

        Args:
            press: Called with keys, a byte each; must not block.
            leave: Called when the performer wants to end; must not block.
        """

        def __init__(self, press: Callable[[bytes], None], leave: Callable[[], None]) -> None:
            self._keys = _Keys(press, leave)
            threading.Thread(target=self._read, name="keys", daemon=True).start()

        def close(self) -> None:
            """Give the terminal back."""
            leave_screen(sys.stdout.fileno())

        def _read(self) -> None:
            while True:
                key = msvcrt.getwch()
                if key in _PREFIXES:
                    msvcrt.getwch()
                elif key.isascii():
                    self._keys.take(key.encode())

else:
    import termios

    from autoloops_bridges.view.screen import key_by_key

    class Keyboard:
        """Reads keys on a thread of its own until it is closed.

        Args:
            press: Called with keys, a byte each; must not block.
            leave: Called when the performer wants to end; must not block.
        """

        def __init__(self, press: Callable[[bytes], None], leave: Callable[[], None]) -> None:
            self._keys = _Keys(press, leave)
            self._terminal = sys.stdin.fileno()
            self._was = key_by_key(self._terminal)
            self._woken, self._wake = os.pipe()
            self._thread = threading.Thread(target=self._read, name="keys", daemon=True)
            self._thread.start()

        def close(self) -> None:
            """Give the terminal back as it was."""
            os.close(self._wake)
            self._thread.join()
            os.close(self._woken)
            try:
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._was)
            except (OSError, termios.error):
                # The terminal is gone.
                return
            leave_screen(sys.stdout.fileno())

        def _read(self) -> None:
            while self._woken not in (ready := select.select([self._terminal, self._woken], [], [])[0]):
                try:
                    data = os.read(self._terminal, _READ_BYTES)
                except OSError:
                    data = b""
                if not ready or not data:
                    # The terminal is gone.
                    return
                self._keys.take(data)
