"""The book of sounding notes: written before a note-on leaves, so that whoever reads it can end every note.

The book is one byte per channel and note number in a buffer that the caller provides. With a buffer in shared memory
it outlives the process that wrote it.
"""

from collections.abc import Iterator
from typing import Final

_NOTES: Final = 128
LEDGER_SIZE: Final = 16 * _NOTES


class NoteLedger:
    """Which notes of one output sound.

    Args:
        buffer: At least ``LEDGER_SIZE`` writable bytes; what it holds already counts as sounding.
    """

    def __init__(self, buffer: bytearray | memoryview) -> None:
        self._buffer = buffer

    def on(self, channel: int, pitch: int) -> None:
        """Note that ``pitch`` is about to sound on ``channel`` (1 to 16)."""
        self._buffer[(channel - 1) * _NOTES + pitch] = 1

    def off(self, channel: int, pitch: int) -> None:
        """Note that ``pitch`` was ended on ``channel`` (1 to 16)."""
        self._buffer[(channel - 1) * _NOTES + pitch] = 0

    def sounding(self) -> Iterator[tuple[int, int]]:
        """The (channel, pitch) of each sounding note."""
        for index, byte in enumerate(bytes(self._buffer[:LEDGER_SIZE])):
            if byte:
                yield index // _NOTES + 1, index % _NOTES
