"""The session that was played last, for ``autoloops play --resume``.

A file has it as it was a second ago at most, whatever happens to the machine. What came since lies in the shared memory
of that performance, until the next start on its OSC port or the next boot.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace
from platformdirs import user_state_path

from autoloops_bridges.files import replace_file
from autoloops_bridges.processes.left import Left, read_left, read_noted
from autoloops_bridges.processes.shared import Shared, is_shared
from autoloops_bridges.record.kept_file import KeptFile
from autoloops_bridges.record.lines import Control
from autoloops_engine.units import US_PER_S

_INTERVAL_US: Final = US_PER_S


class LastSession(Struct, frozen=True):
    """What is left of the session that was played last.

    Attributes:
        left: All of it, as it was written last.
        shared: Path of the shared memory of its performance; empty: what was there is here.
        noted: What was set since.
    """

    left: Left
    shared: str = ""
    noted: tuple[Control, ...] = ()


class _Written(Struct, frozen=True):
    """The same with what is encoded already."""

    left: Raw
    shared: str


class LastSessionFile:
    """Writes what is left once a second while it changes. Thread: the owner's. Blocks: only ``close``.

    Args:
        path: The file.
        shared: Path of the shared memory.
        kept: Answers what the ``Keeper`` wrote last.
    """

    def __init__(self, path: Path, shared: Path, kept: Callable[[], bytes]) -> None:
        self._file = KeptFile(path)
        self._shared = str(shared)
        self._kept = kept
        self._written = b""
        self._due_us = 0
        self._told = False

    def advance(self, now_us: int) -> tuple[str, ...]:
        """Write if it is time and anything changed; what to tell the performer."""
        if now_us >= self._due_us and self._kept() is not self._written:
            self._due_us = now_us + _INTERVAL_US
            self._write()
        reason = self._file.take_failure()
        if not reason or self._told:
            return ()
        self._told = True
        return (f"The session cannot be written to {self._file.path} ({reason}): --resume will not find all of it.",)

    def close(self, patience_s: float) -> None:
        """Let the disk have the end of the session, for so long at most."""
        if self._kept() is not self._written:
            self._write()
        self._file.close(patience_s)

    def _write(self) -> None:
        self._written = self._kept()
        self._file.put(msgspec.json.encode(_Written(Raw(self._written), self._shared)))


def last_session_path() -> Path:
    """Where this user's last session lies."""
    return user_state_path("autoloops") / "last-session.json"


def read_last(path: Path) -> LastSession | None:
    """The session that was played last; None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LastSession)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def complete_last(path: Path) -> LastSession | None:
    """The same with what was set in its last second; the file has it from now on, as a new start forgets the rest."""
    last = read_last(path)
    if last is None or not last.shared:
        return last
    last = _with_what_is_shared(last)
    try:
        replace_file(path, msgspec.json.encode(last))
    except OSError:
        # Its last second is lost to a disk on which there is no room.
        return read_last(path)
    return last


def _with_what_is_shared(last: LastSession) -> LastSession:
    path, alone = Path(last.shared), replace(last, shared="")
    if not is_shared(path):
        return alone
    try:
        shared = Shared(path)
    except OSError:
        return alone
    left = read_left(shared)
    if left is None or left.performance != last.left.performance:
        # Another performance has begun there.
        return alone
    return LastSession(left, "", tuple(read_noted(shared)))
