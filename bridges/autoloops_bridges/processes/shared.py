"""What outlives a process that dies: heartbeats, the book of sounding notes, connections, and the session.

One file, mapped into all three processes and named after user and OSC port, so that even the next start finds what a
crash of everything left, until a reboot where it lies in memory (Linux). A reader never waits for a writer: a word is
written and read in one piece, and what is longer is written to two places in turn, each with a sequence number and a
checksum of that too, and the newest whole one counts.
"""

import contextlib
import errno
import mmap
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final

from platformdirs import user_state_path

from autoloops_bridges.processes.journal import Journal
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.player.ledger import LEDGER_SIZE

# The first words.
_HEARTBEATS: Final = {"main": 0, "player": 1}
_TRIES: Final = 2
_LEDGER_AT: Final = 64
# One for the port of --midi-out, and one for each of the rig's ports that parts play to.
_LEDGERS: Final = 8
_CONNECTIONS_AT: Final = _LEDGER_AT + _LEDGERS * LEDGER_SIZE
_CONNECTIONS_BYTES: Final = 8 << 10
_SESSION_AT: Final = _CONNECTIONS_AT + 2 * _CONNECTIONS_BYTES
# A trio of sixteen bars with all that it can hold frozen, lined up and in motion takes less than half of it.
_SESSION_BYTES: Final = 2 << 20
_JOURNAL_AT: Final = _SESSION_AT + 2 * _SESSION_BYTES
# Hundreds of values come between two whole sessions when sixteen parts are moved at once; each takes a hundred bytes.
_JOURNAL_BYTES: Final = 128 << 10
_PAST_AT: Final = _JOURNAL_AT + _JOURNAL_BYTES
# The last quarter of an hour of three parts that are moved all the time, twice that of parts that hold.
_PAST_BYTES: Final = 2 << 20
_SIZE: Final = _PAST_AT + 2 * _PAST_BYTES
# Sequence number and length of a payload, and the checksum of these and of the payload.
_COUNT: Final = struct.Struct("<QI")
_HEAD: Final = struct.Struct("<QII")
# Anybody may write to the folders that it may lie in: what is there under its name has to be ours and no link.
_OPEN: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class _Record:
    """Bytes that are replaced as a whole."""

    def __init__(self, memory: mmap.mmap, at: int, size: int) -> None:
        self._memory = memory
        self._places = (at, at + size)
        self._room = size - _HEAD.size
        self._sequences = [self._at(place)[0] for place in self._places]

    def write(self, payload: bytes) -> bool:
        """Replace what is there; False when it is too long."""
        if len(payload) > self._room:
            return False
        older = self._sequences.index(min(self._sequences))
        place, sequence = self._places[older], max(self._sequences) + 1
        self._memory[place : place + _HEAD.size] = bytes(_HEAD.size)
        self._memory[place + _HEAD.size : place + _HEAD.size + len(payload)] = payload
        head = (sequence, len(payload))
        self._memory[place : place + _HEAD.size] = _HEAD.pack(*head, _checksum(*head, payload))
        self._sequences[older] = sequence
        return True

    def read(self) -> bytes:
        """The newest whole payload; empty when there is none."""
        return max(self._at(place) for place in self._places)[1]

    @property
    def number(self) -> int:
        """Of the newest whole payload; it counts up, and is 0 when there is none."""
        return max(self._sequences)

    def _at(self, place: int) -> tuple[int, bytes]:
        """Sequence number and payload at a place; 0 and nothing where there is no whole one."""
        sequence, length, checksum = _HEAD.unpack_from(self._memory, place)
        payload = self._memory[place + _HEAD.size : place + _HEAD.size + min(length, self._room)]
        whole = _checksum(sequence, length, payload) == checksum
        return (sequence, payload) if whole else (0, b"")


class Shared:
    """The shared memory of one engine.

    Attributes:
        path: Of the file.
        ledger: The buffer of the MIDI output's ``NoteLedger``.
        connections: What the MIDI output was connected to, as the player last wrote it.
        session: The session, as main last wrote it.
        journal: What was set since then.
        past: What was played last, in two books that are filled in turn.
    """

    def __init__(self, path: Path) -> None:
        """Map the file, which is made if it is missing or of another size.

        Raises:
            OSError: it is somebody else's or cannot be written, or there is no room for it.
        """
        self.path: Final = path
        with os.fdopen(os.open(path, _OPEN, 0o600), "r+b") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != _user():
                raise PermissionError(errno.EPERM, "It belongs to somebody else", str(path))
            if found.st_size != _SIZE:
                _make(file, path)
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        # Not packed: the struct module clears a word before it writes it byte by byte, and who looks then sees 0.
        self._words = memoryview(self._memory)[:_LEDGER_AT].cast("Q")
        self.ledger = memoryview(self._memory)[_LEDGER_AT : _LEDGER_AT + LEDGER_SIZE]
        self._ledgers = memoryview(self._memory)[_LEDGER_AT + LEDGER_SIZE : _CONNECTIONS_AT]
        self.connections = _Record(self._memory, _CONNECTIONS_AT, _CONNECTIONS_BYTES)
        self.session = _Record(self._memory, _SESSION_AT, _SESSION_BYTES)
        self.journal = Journal(self._memory, _JOURNAL_AT, _JOURNAL_BYTES)
        past_at = (_PAST_AT, _PAST_AT + _PAST_BYTES)
        self.past = tuple(Journal(self._memory, at, _PAST_BYTES) for at in past_at)

    def begin(self) -> None:
        """Forget what is true of a former performance only; notes and connections of one that crashed stay."""
        self._memory[:_LEDGER_AT] = bytes(_LEDGER_AT)
        self._memory[_SESSION_AT:_SIZE] = bytes(_SIZE - _SESSION_AT)

    def end(self) -> None:
        """Let go of the file, and remove it if the next start would find nothing in it; the last call of all."""
        is_empty = not any(self.ledger) and not any(self._ledgers) and not self.connections.read()
        self._words.release()
        self.ledger.release()
        self._ledgers.release()
        self._memory.close()
        if is_empty:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def rig_ledger(self, number: int) -> memoryview | bytearray:
        """The buffer of the ``NoteLedger`` of the rig's port of this number, from 0.

        Beyond the seventh it outlives nobody: should the player crash, its notes are not ended.
        """
        if number >= _LEDGERS - 1:
            return bytearray(LEDGER_SIZE)
        return self._ledgers[number * LEDGER_SIZE : (number + 1) * LEDGER_SIZE]

    def beat(self, process: str, now_us: int) -> None:
        """Say that ``main`` or ``player`` is alive."""
        self._words[_HEARTBEATS[process]] = now_us

    def last_beat_us(self, process: str) -> int:
        """When it was last alive; 0 if it never was."""
        return self._words[_HEARTBEATS[process]]

    @property
    def tries(self) -> int:
        """How many main processes in a row started with models that were loaded on stage and did not live long."""
        return self._words[_TRIES]

    @tries.setter
    def tries(self, tries: int) -> None:
        self._words[_TRIES] = tries


def open_shared(osc_port: int, folders: Iterable[Callable[[], Path]] | None = None) -> Shared:
    """The shared memory of the engine on this OSC port, with what a crash left there.

    Args:
        osc_port: The port that it is named after, beside the user.
        folders: Where it may lie, best first; None: memory where the system has a folder for that (it is never written
            back to a disk, which the timing thread would have to wait for), else the user's state, else temporary
            files.

    Raises:
        AutoLoopsError: there is no room for it anywhere.
    """
    name = f"autoloops-{_user()}-{osc_port}.bin"
    for folder in folders if folders is not None else (_best_folder, _temporary_folder):
        try:
            return Shared(folder() / name)
        except OSError:
            # Full, missing, read-only or somebody else's: the next one may do.
            continue
    try:
        # No later start finds it under this name; better than no performance.
        descriptor, path = tempfile.mkstemp(prefix="autoloops-")
        os.close(descriptor)
        return Shared(Path(path))
    except OSError as error:
        raise AutoLoopsError(
            f"There is no room for the {_SIZE >> 10} KiB that the processes share ({error.strerror}); "
            "free some, or set TMPDIR to a folder that has it."
        ) from error


def is_shared(path: Path) -> bool:
    """Whether there is such a file, made by this version: opening another one would empty it under who uses it."""
    try:
        return path.stat().st_size == _SIZE
    except OSError:
        return False


def _checksum(sequence: int, length: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_COUNT.pack(sequence, length)))


def _best_folder() -> Path:
    if sys.platform.startswith("linux"):
        return Path("/dev/shm")
    return user_state_path("autoloops", ensure_exists=True)


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir())


def _make(file: BinaryIO, path: Path) -> None:
    """Give the file its size, full of zeros, and its room, or remove it.

    For a page without room the system ends whoever writes to it first, with a bus error.

    Raises:
        OSError: there is no room.
    """
    file.truncate(0)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, _SIZE)
        else:
            file.write(bytes(_SIZE))
            file.flush()
    except OSError:
        file.truncate(0)
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _user() -> int:
    """The user's number; 0 where there are none (Windows, whose folders all belong to one user)."""
    return os.getuid() if hasattr(os, "getuid") else 0
