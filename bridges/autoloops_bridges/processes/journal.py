"""What was set since the session was last written as a whole: short notes, one behind the other, in shared memory.

A note is there or not, at whatever moment its writer dies: it lies behind the others before its head says so. It
belongs to one whole session, whose number goes into its checksum; with the next whole one, all notes are void.
"""

import mmap
import struct
import zlib
from typing import Final

# Length of a note, and the checksum of the number of its session and of the note.
_HEAD: Final = struct.Struct("<II")
_NUMBER: Final = struct.Struct("<Q")


class Journal:
    """Thread: the writer's only; another process reads after the writer's death. Blocks: no."""

    def __init__(self, memory: mmap.mmap | bytearray, at: int, size: int) -> None:
        self._memory = memory
        self._begin, self._end = at, at + size
        self._at = at

    def clear(self) -> None:
        """Begin anew: the session was written as a whole."""
        self._at = self._begin
        self._memory[self._at : self._at + _HEAD.size] = bytes(_HEAD.size)

    def note(self, session: int, note: bytes) -> bool:
        """Add a note to the whole session of that number; False when there is no room for it.

        Args:
            session: Number of the session as it was written last, from 1.
            note: At least one byte.
        """
        begin = self._at + _HEAD.size
        end = begin + len(note)
        if end + _HEAD.size > self._end:
            return False
        self._memory[begin:end] = note
        self._memory[end : end + _HEAD.size] = bytes(_HEAD.size)
        self._memory[self._at : begin] = _HEAD.pack(len(note), _checksum(session, note))
        self._at = end
        return True

    def go_on(self, session: int) -> None:
        """Add behind the notes that belong to the whole session of that number."""
        self._at = self._begin + sum(_HEAD.size + len(note) for note in self.read(session))

    def read(self, session: int) -> list[bytes]:
        """The notes that belong to the whole session of that number, in order."""
        notes, at = [], self._begin
        while at + _HEAD.size <= self._end:
            length, checksum = _HEAD.unpack_from(self._memory, at)
            at += _HEAD.size
            note = bytes(self._memory[at : at + length])
            if not 0 < length <= self._end - at or _checksum(session, note) != checksum:
                break
            notes.append(note)
            at += length
        return notes


def _checksum(session: int, note: bytes) -> int:
    return zlib.crc32(note, zlib.crc32(_NUMBER.pack(session)))
