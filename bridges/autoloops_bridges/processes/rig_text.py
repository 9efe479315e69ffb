"""The rig file while it is in use: its text, what that says, and where it is kept."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path

from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.files import replace_file


class RigText:
    """Implements the ``Map`` that learning changes.

    Thread: the owner's; a thread of its own writes the file. Blocks: ``refresh`` while the file is read.

    Args:
        path: Where the file lies; none: there is none, and changes hold until the end.
        text: What it says.
        parts: The parts that play.
        used: Called when another text is in use.
    """

    def __init__(self, path: str | None, text: str, parts: Collection[str], used: Callable[[], None]) -> None:
        self._path = Path(path) if path is not None else None
        self._parts = parts
        self._used = used
        self._text = self._kept = text
        self._rig = read_rig(text, parts, preset_text)
        self._failures: deque[str] = deque()
        self._to_write: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    @property
    def text(self) -> str:
        """The rig file as it is in use."""
        return self._text

    @property
    def parts(self) -> Collection[str]:
        """The parts that play."""
        return self._parts

    @property
    def rig(self) -> Rig:
        """What it says."""
        return self._rig

    def use(self, text: str) -> None:
        """Use another text, without keeping it."""
        self._text = text
        self._rig = read_rig(text, self._parts, preset_text)
        self._used()

    def play(self, parts: Collection[str]) -> None:
        """Other parts play; what is said of those counts."""
        self._parts = parts
        self.use(self._text)

    def refresh(self) -> None:
        """Use the file as somebody else left it, if it was changed since it was read or written here."""
        if self._path is None or not self._to_write.empty():
            return
        try:
            found = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            # What is in use is what it said before.
            return
        if found not in {self._text, self._kept}:
            self._kept = found
            self.use(found)

    def change(self, text: str) -> str:
        """Use another text and keep it; a sentence if there is no file for it."""
        self.use(text)
        if self._path is None:
            return "It holds until the end; give play a rig file with --rig to keep it."
        self._to_write.put(text)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, args=(self._path,), name="rig", daemon=True)
            self._writer.start()
        return ""

    def take_failures(self) -> list[str]:
        """A sentence for each change that could not be kept, since the last call."""
        failures = []
        while self._failures:
            failures.append(self._failures.popleft())
        return failures

    def _write_all(self, path: Path) -> None:
        while True:
            text = self._to_write.get()
            try:
                replace_file(path, text.encode())
                self._kept = text
            except OSError as error:
                self._failures.append(
                    f"The rig file {path} cannot be written ({error.strerror or error}); what was learnt holds until "
                    "the end."
                )
