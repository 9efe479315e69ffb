"""A file that is replaced as a whole, again and again, on a thread that waits for the disk."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from autoloops_bridges.files import replace_file


class KeptFile:
    """Of what is put in while the disk is busy, the latest is written.

    Thread: the owner's, besides one of its own. Blocks: only ``close``.

    Args:
        path: The file; made with its folder.
        written: Called on the thread with what the disk has.
    """

    def __init__(self, path: Path, written: Callable[[bytes], None] = lambda content: None) -> None:
        self.path = path
        self._written = written
        self._failures: deque[str] = deque(maxlen=1)
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, content: bytes) -> None:
        """Let this be what the file holds, soon and for good."""
        self._waiting.put(content)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="kept", daemon=True)
            self._thread.start()

    def take_failure(self) -> str:
        """Why the last content could not be written, once; empty: it could, or is under way."""
        return self._failures.popleft() if self._failures else ""

    def close(self, patience_s: float) -> None:
        """Let the disk have what waits, for so long at most."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(patience_s)

    def _write_all(self) -> None:
        while True:
            waiting = [self._waiting.get()]
            while not self._waiting.empty():
                waiting.append(self._waiting.get())
            contents = [content for content in waiting if content is not None]
            if contents:
                self._write(contents[-1])
            if len(contents) < len(waiting):
                return

    def _write(self, content: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, content)
        except OSError as error:
            self._failures.append(error.strerror or str(error))
        else:
            self._written(content)
