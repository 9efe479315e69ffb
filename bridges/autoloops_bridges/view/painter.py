"""Draws snapshots on the terminal, on a thread of its own: a terminal that stands still holds up nothing."""

import io
import os
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

from rich.console import Console
from rich.text import Text

from autoloops_bridges.view.render import rows
from autoloops_bridges.view.screen import ENTER, LEAVE
from autoloops_bridges.view.snapshot import Snapshot

# Whatever else wrote on the screen is painted over once in so many frames.
_FRAMES_ANEW: Final = 10
# Columns and rows of a terminal that was never told how many it has, and says 0.
_USUAL_SIZE: Final = (80, 24)


class Canvas:
    """Knows what stands on the screen, and answers the bytes that bring it up to date. Pure."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._shown: list[Text] = []
        self._frames = 0
        self._console = Console(file=io.StringIO(), force_terminal=True, legacy_windows=False, highlight=False)

    def paint(self, drawn: Sequence[Text], size: tuple[int, int]) -> bytes:
        """The bytes that make the screen show ``drawn``: only rows that changed, at times all.

        Args:
            drawn: As many rows as the screen has, each as wide as the screen.
            size: Its columns and rows.
        """
        anew = size != self._size or self._frames % _FRAMES_ANEW == 0
        self._frames += 1
        old: Sequence[Text | None] = [None] * len(drawn) if anew else self._shown
        changed = [
            at for at, (was, now) in enumerate(zip(old, drawn, strict=True)) if was is None or not _alike(was, now)
        ]
        self._size, self._shown = size, list(drawn)
        lines = self._ansi([drawn[at] for at in changed], size[0])
        return "".join(f"\x1b[{at + 1};1H{line}" for at, line in zip(changed, lines, strict=True)).encode()

    def _ansi(self, drawn: Sequence[Text], width: int) -> list[str]:
        self._console.width = width
        self._console.file = io.StringIO()
        for row in drawn:
            self._console.print(row, crop=False)
        return self._console.file.getvalue().splitlines()


class Painter:
    """Paints the newest snapshot whenever the terminal has taken the one before.

    Thread: ``show`` and ``close`` the owner's; all drawing is its own. Blocks: only ``close``.

    Args:
        terminal: Where bytes go, unbuffered.
        size: The columns and rows of the terminal at this moment.
    """

    def __init__(self, terminal: BinaryIO, size: Callable[[], tuple[int, int]]) -> None:
        self._terminal = terminal
        self._size = size
        self._latest: Snapshot | None = None
        self._news = threading.Event()
        self._leaving = False
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the last snapshot waits to be drawn."""
        return self._latest is not None

    def show(self, snapshot: Snapshot) -> None:
        """Draw this when it is its turn; a newer one replaces it."""
        self._latest = snapshot
        self._news.set()

    def close(self, patience_s: float) -> None:
        """Leave the screen; wait for the terminal so long at most."""
        self._leaving = True
        self._news.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        canvas = Canvas()
        try:
            self._write(ENTER)
            while self._news.wait() and not self._leaving:
                self._news.clear()
                snapshot, self._latest = self._latest, None
                if snapshot is not None:
                    size = self._size()
                    self._write(canvas.paint(rows(snapshot, *size), size))
            self._write(LEAVE)
        except OSError:
            # The terminal is gone; the music goes on.
            return

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._terminal.write(data) :]


def _alike(one: Text, other: Text) -> bool:
    # Rich itself compares no base styles.
    return one == other and one.style == other.style


def standard_painter() -> Painter:
    """A painter on the standard output."""
    terminal = open(os.dup(1), "wb", buffering=0)  # noqa: PTH123, SIM115
    return Painter(terminal, _terminal_size)


def _terminal_size() -> tuple[int, int]:
    columns, lines = os.get_terminal_size(1)
    return columns or _USUAL_SIZE[0], lines or _USUAL_SIZE[1]
