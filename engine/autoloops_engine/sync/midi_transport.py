"""Start, Continue, Stop and Song Position Pointer as one table. Pure.

What the words mean is from the MIDI 1.0 Detailed Specification 4.2.1, "System Common" and "System Real Time Messages".
"""

from enum import Enum
from typing import Final

from autoloops_engine.units import STEPS_PER_BEAT, TICKS_PER_BEAT

# A Song Position Pointer counts sixteenths.
TICKS_PER_STEP: Final = TICKS_PER_BEAT // STEPS_PER_BEAT


class Word(Enum):
    """What a master says; the values are the status bytes."""

    POSITION = 0xF2
    CLOCK = 0xF8
    START = 0xFA
    CONTINUE = 0xFB
    STOP = 0xFC


class Mode(Enum):
    """Where the master is."""

    STOPPED = "stopped"
    # Start or Continue came: the next clock is the first to count.
    ARMED = "armed"
    RUNNING = "running"


class Deed(Enum):
    """What a word calls for."""

    NOTHING = "nothing"
    # The first clock of a run: play from the song position on.
    BEGIN = "begin"
    # One more clock of the run.
    COUNT = "count"
    # The song position is 0, and loops begin anew.
    REWIND = "rewind"
    # The song position is what the pointer says.
    LOCATE = "locate"
    HALT = "halt"


# Clocks run while stopped too, and give the tempo. A pointer while running means that the master jumped.
TABLE: Final[dict[tuple[Mode, Word], tuple[Mode, Deed]]] = {
    (Mode.STOPPED, Word.CLOCK): (Mode.STOPPED, Deed.NOTHING),
    (Mode.STOPPED, Word.START): (Mode.ARMED, Deed.REWIND),
    (Mode.STOPPED, Word.CONTINUE): (Mode.ARMED, Deed.NOTHING),
    (Mode.STOPPED, Word.STOP): (Mode.STOPPED, Deed.NOTHING),
    (Mode.STOPPED, Word.POSITION): (Mode.STOPPED, Deed.LOCATE),
    (Mode.ARMED, Word.CLOCK): (Mode.RUNNING, Deed.BEGIN),
    (Mode.ARMED, Word.START): (Mode.ARMED, Deed.REWIND),
    (Mode.ARMED, Word.CONTINUE): (Mode.ARMED, Deed.NOTHING),
    (Mode.ARMED, Word.STOP): (Mode.STOPPED, Deed.HALT),
    (Mode.ARMED, Word.POSITION): (Mode.ARMED, Deed.LOCATE),
    (Mode.RUNNING, Word.CLOCK): (Mode.RUNNING, Deed.COUNT),
    (Mode.RUNNING, Word.START): (Mode.ARMED, Deed.REWIND),
    (Mode.RUNNING, Word.CONTINUE): (Mode.RUNNING, Deed.NOTHING),
    (Mode.RUNNING, Word.STOP): (Mode.STOPPED, Deed.HALT),
    (Mode.RUNNING, Word.POSITION): (Mode.RUNNING, Deed.LOCATE),
}


class ByteReader:
    """Finds the words of a master among the bytes of a port, wherever they stand. Garbage is passed over.

    Real-time bytes may come in the middle of any other message, which goes on after them as if nothing had been.
    """

    def __init__(self) -> None:
        self._pointer: list[int] | None = None

    def read(self, data: bytes) -> list[tuple[Word, int]]:
        """The words in ``data``, each with the song position of a pointer in ticks, else 0."""
        words: list[tuple[Word, int]] = []
        for byte in data:
            if byte in _REALTIME:
                words.append((_REALTIME[byte], 0))
            elif byte >= _FIRST_REALTIME:
                continue
            elif byte == Word.POSITION.value:
                self._pointer = []
            elif byte >= _FIRST_STATUS:
                self._pointer = None
            elif self._pointer is not None:
                self._pointer.append(byte)
                if len(self._pointer) == 2:
                    low, high = self._pointer
                    self._pointer = None
                    words.append((Word.POSITION, (low | high << 7) * TICKS_PER_STEP))
        return words


_FIRST_STATUS: Final = 0x80
_FIRST_REALTIME: Final = 0xF8
_REALTIME: Final = {word.value: word for word in Word if word.value >= _FIRST_REALTIME}


def is_of_clock(message: bytes) -> bool:
    """Whether a whole message is a word of a master."""
    return message[:1] == bytes((Word.POSITION.value,)) or (len(message) == 1 and message[0] in _REALTIME)
