"""Slots and the sequence from one performance to the next: a file each, replaced as a whole whenever it changes.

The disk is waited for on a thread. Until it has them, they lie beside the file, in a draft that outlives the death of
every process but may be lost with the power; whoever reads takes the draft if it can be read, which is never older.

Only a performance sets a file aside that cannot be read, for it is going to write one of that name; and ``check_slots``
keeps it from beginning where that file is somebody else's.
"""

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from platformdirs import user_state_path

from autoloops_bridges.files import replace_file
from autoloops_bridges.record.kept_file import KeptFile
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.takes import Sequence

_SLOTS: Final = "slots"
_ENTRIES: Final = "entries of the sequence"
_SEQUENCE_SUFFIX: Final = ".sequence.json"
# How what we write begins, however early it was torn; what the power took away is empty or of zeros.
_OURS: Final = {
    _SLOTS: re.compile(rb'\s*(\0|\Z|\{\s*(\}|\Z|"(\d|\Z)))'),
    _ENTRIES: re.compile(rb'\s*(\0|\Z|\[\s*(\]|\Z|\{\s*("tempo_bpm"|"[a-z_]*\Z|\Z)))'),
}
# As much of a file as tells whose it is.
_HEAD_BYTES: Final = 256
_Kept = TypeVar("_Kept")


def default_slots_path() -> Path:
    """Where this user's slots lie."""
    return user_state_path("autoloops") / "slots.json"


def sequence_path(slots_path: Path) -> Path:
    """Where the sequence lies that belongs to slots: beside them."""
    return slots_path.with_suffix(_SEQUENCE_SUFFIX)


def read_slots(path: Path) -> Slots:
    """What was stored; a file that is not there holds nothing.

    Raises:
        AutoLoopsError: it cannot be read; it stays as it is.
    """
    return _read(path, Slots, {}, _SLOTS)


def read_sequence(slots_path: Path) -> Sequence:
    """The sequence beside slots; a file that is not there holds nothing.

    Raises:
        AutoLoopsError: it cannot be read; it stays as it is.
    """
    return _read(sequence_path(slots_path), Sequence, (), _ENTRIES)


def check_slots(path: Path) -> None:
    """Make sure that no file of somebody else is taken for slots, or for the sequence beside them.

    What lies at the user's own place is ours, and so is what can be read, and a ``.json`` that begins as ours do.

    Raises:
        UsageError: there is something else.
    """
    if path == default_slots_path():
        return
    _check_ours(path, Slots, _SLOTS)
    _check_ours(sequence_path(path), Sequence, _ENTRIES)


def existing_slots(asked: Path | None) -> Path:
    """The slots to read: those that are asked for, or the user's, which need not be there yet.

    Raises:
        UsageError: neither they nor a sequence of theirs are there, or it is another kind of file.
    """
    if asked is None:
        return default_slots_path()
    beside = sequence_path(asked)
    if not any(path.exists() for path in (asked, _draft(asked), beside, _draft(beside))):
        raise UsageError(f"There is no file {asked}: name one that autoloops play --slots has written.")
    check_slots(asked)
    return asked


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
        """What was stored, and a sentence if it cannot be read, for which it is set aside.

        What only a draft holds is the file's from then on.
        """
        try:
            kept, remark = _read(self._path, self._kind, self._nothing, self._what), ""
        except AutoLoopsError as error:
            kept, aside = self._nothing, _set_aside(self._path)
            why = _cannot_be_read(self._what, self._path, error.__cause__)
            remark = f"{why}: they are left in {aside}, and there are none."
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


def _read(path: Path, kind: type[_Kept], nothing: _Kept, what: str) -> _Kept:
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(_draft(path).read_bytes(), type=kind)
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return nothing
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AutoLoopsError(f"{_cannot_be_read(what, path, error)}: autoloops play sets them aside.") from error


def _cannot_be_read(what: str, path: Path, why: BaseException | None) -> str:
    return f"The {what} in {path} cannot be read ({why})"


def _check_ours(path: Path, kind: type, what: str) -> None:
    if not path.exists():
        return
    other = f"{path} is no file of {what}, and is left as it is: choose another one for --slots."
    if not path.is_file():
        raise UsageError(other)
    try:
        with path.open("rb") as file:
            begins_as_ours = path.suffix == ".json" and _OURS[what].match(file.read(_HEAD_BYTES)) is not None
        if not begins_as_ours:
            msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror or error}): choose another one for --slots."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(other) from error


def _set_aside(path: Path) -> Path:
    """What cannot be read is not overwritten; where it is now."""
    aside = path.with_suffix(".unreadable.json")
    try:
        return path.replace(aside)
    except OSError:
        return path


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")
