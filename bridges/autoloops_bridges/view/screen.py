"""The terminal's second screen: how to get there, how to get back. What any process may do that shares the terminal."""

import os
import select
import sys
from typing import Any, Final

ENTER: Final = b"\x1b[?1049h\x1b[?25l\x1b[2J"
# Entered once more before it is left: so leaving is harmless for whoever is back on the first screen already.
LEAVE: Final = b"\x1b[0m\x1b[?1049h\x1b[?1049l\x1b[?25h"

if sys.platform == "win32":
    import ctypes

    _OUTPUT: Final = -11
    _VIRTUAL_TERMINAL: Final = 0x0007

    def can_show() -> bool:
        """Whether there is a terminal in front of a performer, which understands what we draw."""
        return bool(sys.stdin.isatty() and sys.stdout.isatty() and _switched())

    def leave_screen(terminal: int) -> None:
        """Back to the first screen, if this is not it."""
        with open(os.dup(terminal), "wb", buffering=0) as screen:  # noqa: PTH123
            screen.write(LEAVE)

    def _switched() -> bool:
        kernel = ctypes.windll.kernel32
        return bool(kernel.SetConsoleMode(kernel.GetStdHandle(_OUTPUT), _VIRTUAL_TERMINAL))

else:
    import termios

    _PATIENCE_S: Final = 0.5
    _SUSPEND: Final = b"\x1a"

    def can_show() -> bool:
        """Whether there is a terminal in front of a performer, which understands what we draw."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "") in {"", "dumb"}:
            return False
        return sys.stdout.encoding.lower().replace("-", "") == "utf8" and _in_foreground()

    def _in_foreground() -> bool:
        try:
            return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except OSError:
            # It controls nobody, so that nobody is stopped for using it.
            return True

    def leave_screen(terminal: int) -> None:
        """Back to the first screen, if this is not it; given up where the terminal takes nothing."""
        try:
            if select.select([], [terminal], [], _PATIENCE_S)[1]:
                os.write(terminal, LEAVE)
        except OSError:
            # The terminal is gone.
            return

    def key_by_key(terminal: int) -> list[Any]:
        """Let keys come singly and unseen, with Ctrl-S and Ctrl-Z of no effect; the mode that was."""
        was = termios.tcgetattr(terminal)
        mode = termios.tcgetattr(terminal)
        mode[0] &= ~termios.IXON
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME], mode[6][termios.VSUSP] = 1, 0, _disabled(terminal)
        termios.tcsetattr(terminal, termios.TCSANOW, mode)
        return was

    def line_by_line(terminal: int) -> None:
        """Undo ``key_by_key`` for a process that died before it could; any other mode stays as it is."""
        try:
            mode = termios.tcgetattr(terminal)
            if mode[3] & termios.ICANON or mode[6][termios.VSUSP] != _disabled(terminal):
                return
            mode[0] |= termios.IXON
            mode[3] |= termios.ICANON | termios.ECHO
            mode[6][termios.VSUSP] = _SUSPEND
            termios.tcsetattr(terminal, termios.TCSANOW, mode)
        except (OSError, termios.error):
            # The terminal is gone.
            return

    def _disabled(terminal: int) -> bytes:
        return bytes([os.fpathconf(terminal, "PC_VDISABLE") & 0xFF])
