"""Slots and the sequence from one performance to the next: a file each, replaced as a whole whenever it changes.

The disk is waited for on a thread. Until it has them, they lie beside the file, in a draft that outlives the death of
every process but may be lost with the power; whoever reads takes the draft if it can be read, which is never older.
"""

import contextlib
import os
import threading
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from platformdirs import user_state_path

from autoloops_bridges.files import replace_file
from autoloops_bridges.record.kept_file import KeptFile
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.takes import Sequence

_SLOTS: Final = "slots"
_ENTRIES: Final = "entries of the sequence"
_SEQUENCE_SUFFIX: Final = ".sequence.json"
_Kept = TypeVar("_Kept")


def default_slots_path() -> Path:
    """Where this user's slots lie."""
    return user_state_path("autoloops") / "slots.json"


def sequence_path(slots_path: Path) -> Path:
    """Where the sequence lies that belongs to slots: beside them."""
    return slots_path.with_suffix(_SEQUENCE_SUFFIX)


def read_slots(path: Path) -> tuple[Slots, str]:
    """What was stored, and a sentence if it cannot be read; a file that is not there holds nothing."""
    return _read(path, Slots, {}, _SLOTS)


def read_sequence(slots_path: Path) -> tuple[Sequence, str]:
    """The sequence beside slots, and a sentence if it cannot be read; a file that is not there holds nothing."""
    return _read(sequence_path(slots_path), Sequence, (), _ENTRIES)


class StoredFile(Generic[_Kept]):
    """Thread: the owner's only, besides one that waits for the disk. Blocks: as the system's cache does; ``close``.

    Args:
        path: Where it is kept.
        kind: What is kept there.
        nothing: What there is without a file.
        what: What a performer calls it, in the plural.
    """

    def __init__(self, path: Path, kind: type[_Kept], nothing: _Kept, what: str) -> None:
        self._path = path
        self._kind = kind
        self._nothing = nothing
        self._what = what
        self._file = KeptFile(path, self._written)
        self._draft = _draft(path)
        self._drafted = b""
        self._lock = threading.Lock()

    def read(self) -> tuple[_Kept, str]:
        """What was stored, and a sentence if it cannot be read; what only a draft holds is the file's from now on."""
        kept, remark = _read(self._path, self._kind, self._nothing, self._what)
        with contextlib.suppress(OSError):
            if self._draft.exists():
                replace_file(self._path, msgspec.json.encode(kept))
                self._draft.unlink()
        return kept, remark

    def write(self, kept: _Kept) -> str:
        """Keep it, whatever dies from now on, and on the disk soon; a sentence if that fails."""
        content = msgspec.json.encode(kept)
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
        return f"The {self._what} cannot be written to {self._path} ({reason}): they last until the end only."


class SlotsFile(StoredFile[Slots]):
    """The file of the slots."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Slots, {}, _SLOTS)


class SequenceFile(StoredFile[Sequence]):
    """The file of the sequence, beside the slots."""

    def __init__(self, slots_path: Path) -> None:
        super().__init__(sequence_path(slots_path), Sequence, (), _ENTRIES)


def _read(path: Path, kind: type[_Kept], nothing: _Kept, what: str) -> tuple[_Kept, str]:
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(_draft(path).read_bytes(), type=kind), ""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind), ""
    except FileNotFoundError:
        return nothing, ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        aside = path.with_suffix(".unreadable.json")
        try:
            # What cannot be read is not overwritten.
            path.replace(aside)
        except OSError:
            aside = path
        return nothing, f"The {what} in {path} cannot be read ({error}): they are left in {aside}, and there are none."


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")
