"""Appends to the record of a session: handed to the system at once, and to the disk every second.

What was written survives the death of this process at any moment; what was written more than a second ago survives a
power cut. A disk that is full or cannot be written ends the record with one remark, never the music.
"""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from autoloops_bridges.record.lines import Line, encode_line

# A session of sixteen busy parts writes about 60 MB an hour.
MAX_SESSION_BYTES: Final = 256 << 20
MAX_FOLDER_BYTES: Final = 1 << 30
MAX_SESSIONS: Final = 200
SUFFIX: Final = ".jsonl"
_SYNC_S: Final = 1.0


def sessions_folder() -> Path:
    """Where the records of this user's sessions lie."""
    return user_state_path("autoloops") / "sessions"


def new_record(folder: Path, wall_us: int) -> Path:
    """A file for a session that begins now; its name says when, so that names are in the order of time."""
    began = datetime.fromtimestamp(wall_us / 1e6, UTC).strftime("%Y%m%d-%H%M%S")
    return folder / f"{began}-{os.getpid()}{SUFFIX}"


def make_room(folder: Path) -> None:
    """Remove the oldest records until the others are few and small enough; what cannot be removed stays."""
    try:
        records = sorted(folder.glob(f"*{SUFFIX}"), reverse=True)
        kept = 0
        for number, path in enumerate(records, 1):
            kept += path.stat().st_size
            if number > MAX_SESSIONS or kept > MAX_FOLDER_BYTES:
                path.unlink()
    except OSError:
        return


class RecordWriter:
    """Thread: the owner's only, besides one of its own that waits for the disk. Blocks: as the system's cache does.

    Attributes:
        path: The record.

    Args:
        path: Appended to; made with its folder if it is not there.
        max_bytes: Longer it does not become.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_SESSION_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._fd: int | None = None
        self._remark = ""
        self._size = 0
        self._dirty = threading.Event()
        self._closing = threading.Event()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            self._give_up(f"cannot be written ({error.strerror or error})")
        self._thread = threading.Thread(target=self._sync_all, name="record", daemon=True)
        self._thread.start()

    def write(self, lines: list[Line]) -> None:
        """Append lines."""
        if self._fd is None or not lines:
            return
        data = b"".join(map(encode_line, lines))
        if self._size + len(data) > self._max_bytes:
            self._give_up(f"is full at {self._max_bytes >> 20} MB")
            return
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._give_up(f"cannot be written ({error.strerror or error})")
            return
        self._size += written
        if written < len(data):
            self._give_up("cannot be written (the disk is full)")
        self._dirty.set()

    def take_remark(self) -> str:
        """One sentence when the record ended before the session, told once."""
        remark, self._remark = self._remark, ""
        return remark

    def close(self, patience_s: float) -> None:
        """Let the disk have what waits, for so long at most."""
        self._closing.set()
        self._dirty.set()
        self._thread.join(patience_s)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _give_up(self, why: str) -> None:
        self._remark = f"The record of this session {why}: what is played from here on is not kept."
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _sync_all(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._dirty.clear()
            fd = self._fd
            if fd is not None:
                try:
                    os.fsync(fd)
                except OSError:
                    # The next write says what is wrong.
                    continue
            self._closing.wait(_SYNC_S)
