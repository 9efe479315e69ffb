"""The lines of a session's record: JSON, one for each thing that happened, in the session's order.

A record is only ever appended to. A line that was torn by a crash is left out when it is read, and nothing else is
lost.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

from autoloops_bridges.record.excerpt import ends_of
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import Frozen, Heard, PartGone, Sounded, TransportState
from autoloops_engine.player.events import Kind
from autoloops_engine.session.surface import Values
from autoloops_engine.time.quantum import When

VERSION: Final = 1
# The longest lines, of what a player tells again, take half of it.
_TAIL_BYTES: Final = 512 << 10


class RecordedPart(Struct, frozen=True):
    """A part as it began: its MIDI channel, its model, and what identifies that model's files."""

    name: str
    channel: int
    model: str
    path: str
    digest: str


class Opened(Struct, frozen=True, tag=True):
    """The first line, and one for each main process that took over.

    Attributes:
        version: Of this format.
        program: Version of AutoLoops.
        wall_us: The wall clock's time ...
        at_us: ... at this moment of the monotonic clock, by which everything else is stamped.
        seed: Seed of the session.
        tempo_bpm: Tempo to begin with.
        parts: In order.
        generation: 0 for the first main process.
    """

    version: int
    program: str
    wall_us: int
    at_us: int
    seed: int
    tempo_bpm: float
    parts: tuple[RecordedPart, ...]
    generation: int


class Joined(Struct, frozen=True, tag=True):
    """A part joined in while the others played; the decode budget says from which bar line on it could."""

    at_us: int
    part: RecordedPart
    budget_us: int


class Control(Struct, frozen=True, tag=True):
    """Something was set or done: an address of the vocabulary with its arguments.

    Attributes:
        at_us: When.
        address: The address.
        arguments: Its arguments.
        budget_us: The decode budget, which says from which launch point on it could be heard; 0: not recorded.
    """

    at_us: int
    address: str
    arguments: Values
    budget_us: int = 0


class Stocked(Struct, frozen=True, tag=True):
    """What the slots held when the session began: ``Slots``, encoded; who only plays a record never needs them."""

    slots: Raw


class Resumed(Struct, frozen=True, tag=True):
    """The session began with the settings of another one: a ``SessionState``, encoded."""

    at_us: int
    session: Raw


class TakenUp(Struct, frozen=True, tag=True):
    """A part took up what was captured or loaded, as its model encoded it.

    Attributes:
        at_us: When.
        part: The part.
        amount: How much of it, 0 to 1.
        when: Launch quantisation.
        z: The point that it was encoded as.
        budget_us: The decode budget, which says from which launch point on it could be heard.
    """

    at_us: int
    part: str
    amount: float
    when: When
    z: tuple[float, ...]
    budget_us: int


class Swapped(Struct, frozen=True, tag=True):
    """A part got another model.

    Attributes:
        at_us: When.
        part: The part with its model.
        z: Its loop as that model encoded it; None: it did not.
        budget_us: The decode budget.
    """

    at_us: int
    part: RecordedPart
    z: tuple[float, ...] | None
    budget_us: int


class Searched(Struct, frozen=True, tag=True):
    """What was searched for the attribute faders of a part was found, and heard from the next bar on."""

    at_us: int
    part: str


# What is done to a session, by whomever.
Done = Resumed | Joined | TakenUp | Swapped | Searched | Control
Line = Opened | Stocked | Done | Sounded | Frozen | TransportState | PartGone

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """The line with its line feed."""
    return _encoder.encode(line) + b"\n"


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a record; those that cannot be read are left out.

    Raises:
        AutoLoopsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from _decoded(file)
    except OSError as error:
        raise _unreadable(path, error) from error


def last_us(path: Path, first_us: int) -> int:
    """When the last thing in a record happened, by its end alone; ``first_us`` where that has no time.

    Raises:
        AutoLoopsError: the file cannot be read.
    """
    last = first_us
    for line in _decoded(_tail(path)):
        if isinstance(line, Sounded) and line.events:
            last = max(last, line.events[-1].at_us)
        elif isinstance(line, (Control, Frozen)):
            last = max(last, line.at_us)
    return last


def heard_in(lines: Iterator[Line]) -> list[Heard]:
    """Everything that sounded, once each, in the order in which it did; what no MIDI message can say is left out.

    What a player that died left sounding ended when its successor came, which had the book of sounding notes.
    """
    heard: list[Heard] = []
    known: dict[int, int] = {}
    for line in lines:
        if isinstance(line, Sounded):
            if line.player not in known and line.events:
                heard += ends_of(heard, line.events[0].at_us)
            had = known.get(line.player, 0)
            heard += filter(_can_sound, line.events[max(0, had - line.first) :])
            known[line.player] = max(had, line.first + len(line.events))
    return heard


def _can_sound(event: Heard) -> bool:
    """Whether it is what a player records; somebody may have edited the file."""
    if event.kind == Kind.BEAT:
        return True
    is_note = event.kind in {Kind.ON, Kind.OFF}
    return is_note and 1 <= event.channel <= 16 and 0 <= event.number <= 127 and 0 <= event.velocity <= 127


def _decoded(lines: Iterable[bytes]) -> Iterator[Line]:
    for line in lines:
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.readlines()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> AutoLoopsError:
    return AutoLoopsError(f"Cannot read {path} ({error.strerror or error}): name a session's record.")
