"""Slots from one performance to the next: one file, replaced as a whole whenever something is stored.

The disk is waited for on a thread. Until it has them, the slots lie beside the file, in a draft that outlives the death
of every process but may be lost with the power; whoever reads takes the draft if it can be read, which is never older.
"""

import contextlib
import os
import threading
from pathlib import Path

import msgspec
from platformdirs import user_state_path

from autoloops_bridges.files import replace_file
from autoloops_bridges.record.kept_file import KeptFile
from autoloops_engine.session.slots import Slots


def default_slots_path() -> Path:
    """Where this user's slots lie."""
    return user_state_path("autoloops") / "slots.json"


def read_slots(path: Path) -> tuple[Slots, str]:
    """What was stored, and a sentence if it cannot be read; a file that is not there holds nothing."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(_draft(path).read_bytes(), type=Slots), ""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Slots), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        aside = path.with_suffix(".unreadable.json")
        try:
            # What cannot be read is not overwritten.
            path.replace(aside)
        except OSError:
            aside = path
        return {}, f"The slots in {path} cannot be read ({error}): they are left in {aside}, and all slots are empty."


class SlotsFile:
    """Thread: the owner's only, besides one that waits for the disk. Blocks: as the system's cache does; ``close``.

    Args:
        path: Where the slots are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = KeptFile(path, self._written)
        self._draft = _draft(path)
        self._drafted = b""
        self._lock = threading.Lock()

    def read(self) -> tuple[Slots, str]:
        """What was stored, and a sentence if it cannot be read; what only a draft holds is the file's from now on."""
        slots, remark = read_slots(self._path)
        with contextlib.suppress(OSError):
            if self._draft.exists():
                replace_file(self._path, msgspec.json.encode(slots))
                self._draft.unlink()
        return slots, remark

    def write(self, slots: Slots) -> str:
        """Keep the slots, whatever dies from now on, and on the disk soon; a sentence if that fails."""
        content = msgspec.json.encode(slots)
        whole = self._draft.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(content)
            with self._lock:
                whole.replace(self._draft)
                self._drafted = content
        except OSError as error:
            with contextlib.suppress(OSError):
                whole.unlink()
            return self._failed(error.strerror or str(error))
        self._file.put(content)
        return ""

    def take_failure(self) -> str:
        """A sentence if the disk could not have what was written, once."""
        reason = self._file.take_failure()
        return self._failed(reason) if reason else ""

    def close(self, patience_s: float) -> None:
        """Let the disk have what waits, for so long at most."""
        self._file.close(patience_s)

    def _written(self, content: bytes) -> None:
        """On the thread of the file: what the disk has needs no draft."""
        with self._lock, contextlib.suppress(OSError):
            if content == self._drafted:
                self._draft.unlink()

    def _failed(self, reason: str) -> str:
        return f"The slots cannot be written to {self._path} ({reason}): they last until the end only."


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")
