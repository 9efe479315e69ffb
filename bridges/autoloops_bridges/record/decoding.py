"""Decodes a recorded session anew: the same seeds, models and controls at the same times; what comes out otherwise.

The record itself is exact wherever it is read. Decoding again is exact on the same machine with the same bundles, but
for bars whose decode on stage came too late, which had to be played as they were.
"""

import contextlib
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.lines import (
    Control,
    Done,
    Joined,
    Opened,
    RecordedPart,
    Resumed,
    Stocked,
    Swapped,
    TakenUp,
    read_lines,
)
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Bar
from autoloops_engine.session.core import Session
from autoloops_engine.session.ear import Phrase
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.units import US_PER_S

# Behind the last line, for the bar that is under way.
_TAIL_US: Final = US_PER_S


class Compared(NamedTuple):
    """How many bars were decoded anew, and a sentence for each that came out otherwise."""

    bars: int
    differences: list[str]


def decode_anew(path: Path, opened: Opened) -> Compared:
    """Play a record's controls again and compare every bar.

    Raises:
        BundleError: a bundle is missing, damaged or unsafe.
        ModelError: a model cannot be run.
    """
    again = _Again(path, opened)
    recorded: list[Frozen] = []
    for line in read_lines(path):
        if isinstance(line, Frozen):
            recorded.append(line)
        elif isinstance(line, Stocked):
            again.stock(line)
        elif isinstance(line, Done):
            again.do(line)
    again.finish(max((frozen.at_us for frozen in recorded), default=opened.at_us))
    anew = _bars([message for message in again.performance.heard if isinstance(message, Frozen)])
    bars, differences = _bars(recorded), again.remarks
    for (part, epoch, song_bar), bar in bars.items():
        other = anew.get((part, epoch, song_bar))
        if other is None or (other.notes, other.ties) != (bar.notes, bar.ties):
            differences.append(f"{part}: bar {song_bar + 1} comes out otherwise.")
    return Compared(len(bars), differences)


class _Again:
    """The session of a record, played again.

    Attributes:
        session: The session.
        performance: What plays it.
        remarks: A sentence for each bundle that is not the one that was played.
    """

    def __init__(self, path: Path, opened: Opened) -> None:
        self.remarks: list[str] = []
        self._began_us = opened.at_us
        self._loaded: list[LoadedPart] = []
        cast = [self._load(part) for part in opened.parts]
        # Loaded before the first bar: a bundle that is gone is told at once.
        self._came = iter([self._load(line.part) for line in read_lines(path) if isinstance(line, Joined | Swapped)])
        self._decoders = {id(part.setup): part.decoder for part in self._loaded}
        self.session = Session([part.setup for part in cast], opened.seed, opened.tempo_bpm)
        decoders = {part.setup.name: part.decoder for part in cast}
        self.performance = Performance(self.session, decoders, opened.tempo_bpm)

    def stock(self, stocked: Stocked) -> None:
        """Fill the slots with what they held."""
        with contextlib.suppress(msgspec.DecodeError):
            self.session.restore_slots(msgspec.json.decode(stocked.slots, type=Slots))

    def do(self, done: Done) -> None:
        """Let happen what happened, when it did."""
        session, at_us = self.session, max(self.performance.now_us, done.at_us - self._began_us)
        self.performance.run_until(at_us)
        if not isinstance(done, Control | Resumed):
            session.set_budget(done.budget_us)
        try:
            match done:
                case Resumed():
                    session.resume(msgspec.json.decode(done.session, type=SessionState))
                case Joined():
                    session.join(next(self._came).setup, at_us)
                case Swapped():
                    session.swap_model(next(self._came).setup, done.z, at_us)
                case TakenUp():
                    session.take_up(Phrase(done.part, (), "", done.amount, done.when), done.z, at_us)
                case Control():
                    do_again(session, done, at_us)
        except (UsageError, msgspec.DecodeError):
            # A part that is gone here, or a line that somebody edited: what it played shows as differences.
            pass
        # What became of these has lines of its own.
        session.take_phrases()
        session.take_wishes()
        session.take_arrivals()
        # Undo and redo bring parts back, too.
        self.performance.decoders |= {setup.name: self._decoders[id(setup)] for setup in session.cast()}

    def finish(self, last_us: int) -> None:
        """Play on to the end of the bar that was under way."""
        self.performance.run_until(max(self.performance.now_us, last_us - self._began_us + _TAIL_US))

    def _load(self, part: RecordedPart) -> LoadedPart:
        loaded = load_part(part.name, part.channel, part.path, loaded=self._loaded)
        self._loaded.append(loaded)
        if loaded.digest != part.digest:
            self.remarks.append(f"{part.name}: the bundle {part.model} is not the one that was played.")
        return loaded


def _bars(frozen: list[Frozen]) -> dict[tuple[str, int, int], Bar]:
    """The last word on every bar."""
    return {(each.part, each.epoch, each.song_bar): each.bar for each in frozen if each.origin != "held"}
