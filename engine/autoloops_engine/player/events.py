"""What the player hands to its sinks: events with their intended times."""

from enum import IntEnum
from typing import NamedTuple, Protocol


class Kind(IntEnum):
    """Kinds of event, in the order in which they go out at one instant."""

    OFF = 0
    TIE = 1
    ON = 2
    BEAT = 3
    BAR = 4
    SILENCE = 5
    CLOCK = 6
    POSITION = 7


class Event(NamedTuple):
    """One thing that happens at one instant.

    Attributes:
        at_us: Intended time on the monotonic clock.
        kind: What happens.
        part: The part's name; empty for what belongs to none.
        channel: MIDI channel, 1 to 16; 0 for what belongs to none. ``SILENCE`` asks a MIDI sink for All Sound Off and
            All Notes Off on the channel, behind the note-offs of a panic.
        number: MIDI note number; for ``BEAT`` and ``BAR`` the number of the beat or bar, counted from 1; for ``CLOCK``
            the status byte of a clock, Start, Continue or Stop; for ``POSITION`` the sixteenths of a song position.
        velocity: MIDI velocity of an ``ON``, else 0.
        length_ub: Length known at the time of an ``ON`` or ``TIE``, in micro-beats.
        early: Of an ``OFF``: it comes before the end that was announced (stop, mute, splice, panic).
    """

    at_us: int
    kind: Kind
    part: str
    channel: int
    number: int
    velocity: int = 0
    length_ub: int = 0
    early: bool = False


class Sink(Protocol):
    """Where events leave the player; one driver each."""

    @property
    def name(self) -> str:
        """What to call it towards the performer."""

    @property
    def lead_us(self) -> int:
        """How far ahead of their time this sink wants its events; 0: at their time."""

    def send(self, event: Event, now_us: int) -> None:
        """Take one event; it never raises and never blocks."""

    def flush(self, now_us: int) -> None:
        """All events of this wake-up were handed over."""

    def close(self) -> None:
        """Let go of the port; every note was ended before."""
