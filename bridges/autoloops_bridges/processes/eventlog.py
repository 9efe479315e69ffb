"""What happened, in a file for later: a JSON line each, bounded, written on a thread of its own."""

import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from platformdirs import user_log_path

MAX_BYTES: Final = 1 << 20
MAX_WAITING: Final = 1_000


def default_log_path() -> Path:
    """Where this user's log lies; the one before it lies beside it."""
    return user_log_path("autoloops") / "autoloops.jsonl"


class EventLog:
    """Keeps the latest one to two ``max_bytes`` of events: a full file becomes the one before, which is overwritten.

    A full disk, a folder that cannot be written and a queue that is full are ordinary: events are lost and counted,
    nobody waits, nothing is raised.

    Thread: ``event`` and ``close`` may be called from any; the file belongs to the log's own. Blocks: only ``close``.

    Attributes:
        path: The file.
        lost: Events that are not in it.
    """

    def __init__(self, path: Path, wall_us: Callable[[], int], max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self.lost = 0
        self._wall_us = wall_us
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._torn = False
        self._events: queue.Queue[dict[str, object] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def event(self, kind: str, **facts: object) -> None:
        """Note that something happened; ``facts`` must be of types that JSON knows."""
        at = datetime.fromtimestamp(self._wall_us() / 1e6, UTC).isoformat(timespec="milliseconds")
        try:
            self._events.put_nowait({"at": at, "event": kind, **facts})
        except queue.Full:
            self.lost += 1

    def close(self, patience_s: float) -> None:
        """Write what waits, for so long at most."""
        try:
            self._events.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(patience_s)

    @property
    def older_path(self) -> Path:
        """The file before this one."""
        return self.path.with_suffix(".1" + self.path.suffix)

    def _write_all(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._write(msgspec.json.encode(event) + b"\n")
            except (OSError, TypeError, ValueError):
                self.lost += 1
                self._torn = True
                self._let_go()
        self._let_go()

    def _write(self, line: bytes) -> None:
        file = self._opened()
        if file.tell() + len(line) > self._max_bytes:
            self._let_go()
            self.path.replace(self.older_path)
            file = self._opened()
        # After a failure half a line may stand there; the next one begins on its own.
        written = file.write(b"\n" + line if self._torn else line)
        if written < len(line):
            raise OSError("The disk is full.")
        self._torn = False

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        return self._file

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
