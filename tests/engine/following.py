"""A player that follows a sync source, on a fake clock."""

from itertools import pairwise
from typing import Generic, TypeVar

from autoloops_engine.messages import FromPlayer, OfferBar, SetPart, SyncState, TransportState
from autoloops_engine.notes import Bar, Note
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.sync.guide import Guide
from autoloops_engine.sync.midi_clock import MidiClock
from autoloops_engine.sync.source import SyncSource
from autoloops_engine.units import STEP_UB, ns_per_beat

BEAT_US = 500_000
BAR_US = 4 * BEAT_US
NS = ns_per_beat(120.0)
MELODY = SetPart("melody", 1, 1)
# Sixteen different pitches: whatever is lost, doubled or misplaced shows.
BAR = Bar(1, 0, tuple(Note(step * STEP_UB, STEP_UB // 2, 60 + step, 100, held=False) for step in range(16)))

S = TypeVar("S", bound=SyncSource)


class Stage(Generic[S]):
    """A player on a fake clock with one part that plays sixteen different notes a bar, led by a source."""

    def __init__(self, source: S, lead_us: int = 0, generation: int = 0, tempo_bpm: float = 120.0) -> None:
        self.player = Player(tempo_bpm, 0, generation)
        self.player.attach("out", lead_us, 0)
        self.source = source
        self.guide = Guide(self.player, source, 0)
        self.events: list[Event] = []
        self.reports: list[FromPlayer] = []
        self.stops = 0
        self.places: list[tuple[int, int, bool, int]] = []
        self.now_us = 0
        self.guide.handle(MELODY, 0)
        for epoch in (0, 1):
            self.guide.handle(OfferBar("melody", epoch, 0, BAR), 0)

    def run(self, until_us: int) -> None:
        """Advance from deadline to deadline."""
        while True:
            self.advance()
            due_us = self.guide.next_deadline_us()
            if due_us is None or due_us > until_us:
                self.now_us = until_us
                return
            self.now_us = max(self.now_us + 1, due_us)

    def advance(self) -> None:
        """Do what is due now."""
        self.events += [event for _, event in self.guide.advance(self.now_us)]
        told = self.guide.take_messages()
        self.reports += told
        self.stops += sum(isinstance(each, TransportState) and not each.playing for each in told)
        state = self.player.state(self.now_us)
        self.places.append((state.epoch, self.stops, state.playing, self.player.position_ub(self.now_us)))

    @property
    def positions(self) -> list[int]:
        """Where it was at each advance."""
        return [position_ub for *_, position_ub in self.places]

    def moves(self) -> list[tuple[int, int]]:
        """Where it was before and after each advance that is no jump, while time ran."""
        return [
            (before_ub, after_ub)
            for (*passage, was_playing, before_ub), (*next_passage, playing, after_ub) in pairwise(self.places)
            if passage == next_passage and was_playing and playing
        ]

    def ons(self) -> list[tuple[int, int]]:
        """When each note was meant to begin, and its number."""
        return [(event.at_us, event.number) for event in self.events if event.kind is Kind.ON]

    def states(self) -> list[TransportState]:
        """What was told of the transport."""
        return [report for report in self.reports if isinstance(report, TransportState)]

    def sync(self) -> SyncState:
        """What was told last of how following goes."""
        return [report for report in self.reports if isinstance(report, SyncState)][-1]


CLOCK, START, CONTINUE, STOP = b"\xf8", b"\xfa", b"\xfb", b"\xfc"


def pointer(steps: int) -> bytes:
    """A Song Position Pointer, in sixteenths."""
    return bytes((0xF2, steps & 0x7F, steps >> 7))


class Clocked(Stage[MidiClock]):
    """A stage with a master's cable plugged in: bytes arrive at their times, and are stamped with them."""

    def __init__(self, lead_us: int = 0, generation: int = 0, tempo_bpm: float = 120.0) -> None:
        super().__init__(MidiClock(), lead_us, generation, tempo_bpm)

    def feed(self, data: bytes, at_us: int, stamp_us: int | None = None) -> None:
        """Something arrives."""
        self.run(at_us)
        self.source.feed(data, at_us if stamp_us is None else stamp_us)
        self.advance()

    def ticks(self, count: int, from_us: float, tempo_bpm: float = 120.0) -> float:
        """Clocks, from a time on; when the one after them would come."""
        tick_us = 60e6 / 24 / tempo_bpm
        for index in range(count):
            self.feed(CLOCK, round(from_us + index * tick_us))
        return from_us + count * tick_us
