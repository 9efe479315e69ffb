"""What outlives a process that dies: heartbeats, the book of sounding notes, connections, and the session.

One file, mapped into all three processes and named after the OSC port, so that even the next start finds what a crash
of everything left. A reader never waits for a writer: what is longer than a word is written to two places in turn, each
with a sequence number and a checksum, and the newest whole one counts.
"""

import mmap
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from platformdirs import user_state_path

from autoloops_engine.player.ledger import LEDGER_SIZE

_HEARTBEATS: Final = {"main": 0, "player": 8}
_LEDGER_AT: Final = 64
_CONNECTIONS_AT: Final = _LEDGER_AT + LEDGER_SIZE
_CONNECTIONS_BYTES: Final = 8 << 10
_SESSION_AT: Final = _CONNECTIONS_AT + 2 * _CONNECTIONS_BYTES
_SESSION_BYTES: Final = 512 << 10
_SIZE: Final = _SESSION_AT + 2 * _SESSION_BYTES
_HEAD: Final = struct.Struct("<QII")
_WORD: Final = struct.Struct("<Q")


class _Record:
    """Bytes that are replaced as a whole."""

    def __init__(self, memory: mmap.mmap, at: int, size: int) -> None:
        self._memory = memory
        self._places = (at, at + size)
        self._room = size - _HEAD.size

    def write(self, payload: bytes) -> bool:
        """Replace what is there; False when it is too long."""
        if len(payload) > self._room:
            return False
        sequences = [self._sequence(place) for place in self._places]
        older = sequences.index(min(sequences))
        place = self._places[older]
        _HEAD.pack_into(self._memory, place, 0, 0, 0)
        self._memory[place + _HEAD.size : place + _HEAD.size + len(payload)] = payload
        _HEAD.pack_into(self._memory, place, max(sequences) + 1, len(payload), zlib.crc32(payload))
        return True

    def read(self) -> bytes:
        """The newest whole payload; empty when there is none."""
        newest = (0, b"")
        for place in self._places:
            sequence, length, checksum = _HEAD.unpack_from(self._memory, place)
            payload = self._memory[place + _HEAD.size : place + _HEAD.size + min(length, self._room)]
            if sequence > newest[0] and zlib.crc32(payload) == checksum:
                newest = (sequence, payload)
        return newest[1]

    def _sequence(self, place: int) -> int:
        sequence, _, _ = _HEAD.unpack_from(self._memory, place)
        return int(sequence)


class Shared:
    """The shared memory of one engine.

    Attributes:
        ledger: The buffer of the MIDI output's ``NoteLedger``.
        connections: What the MIDI output was connected to, as the player last wrote it.
        session: The session, as main last wrote it.
    """

    def __init__(self, path: Path) -> None:
        """Map the file, which is made if it is missing or of another size.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as made:
            if made.tell() != _SIZE:
                made.truncate(0)
                made.truncate(_SIZE)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)
        self.ledger = memoryview(self._memory)[_LEDGER_AT : _LEDGER_AT + LEDGER_SIZE]
        self.connections = _Record(self._memory, _CONNECTIONS_AT, _CONNECTIONS_BYTES)
        self.session = _Record(self._memory, _SESSION_AT, _SESSION_BYTES)

    def beat(self, process: str, now_us: int) -> None:
        """Say that ``main`` or ``player`` is alive."""
        _WORD.pack_into(self._memory, _HEARTBEATS[process], now_us)

    def last_beat_us(self, process: str) -> int:
        """When it was last alive; 0 if it never was."""
        (beat_us,) = _WORD.unpack_from(self._memory, _HEARTBEATS[process])
        return int(beat_us)


def shared_path(osc_port: int, folder: Callable[[], Path] = lambda: user_state_path("autoloops")) -> Path:
    """Where the shared file of the engine on this OSC port lies: with the user's state, else with temporary files."""
    name = f"engine-{osc_port}.bin"
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with (folder() / name).open("ab"):
            return folder() / name
    except OSError:
        return Path(tempfile.gettempdir()) / f"autoloops-{name}"
