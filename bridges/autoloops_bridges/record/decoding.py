"""Decodes a recorded session anew: the same seeds, models, controls and reports in the same order; what differs.

The record itself is exact wherever it is read. Decoding again is exact on the same machine with the same bundles. Bars
for which no decode came in time on stage are counted apart: they were played from what the player held.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from autoloops_bridges.processes.parts import LoadedPart, decode_budget, load_part
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.lines import (
    Control,
    Done,
    Joined,
    Opened,
    RecordedPart,
    Resumed,
    Searched,
    Stocked,
    Swapped,
    TakenUp,
    read_lines,
)
from autoloops_bridges.record.retelling import Retold
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Frozen, PartGone, TransportState
from autoloops_engine.session.core import Session
from autoloops_engine.session.ear import Phrase
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState


class Compared(NamedTuple):
    """What came of it.

    Attributes:
        bars: How many bars were compared.
        differences: A sentence for each that came out otherwise, and for each bundle that is another by now.
        missed: How many more there were for which nothing was decoded in time on stage: they say nothing about it.
    """

    bars: int
    differences: list[str]
    missed: int = 0


def decode_anew(path: Path, opened: Opened) -> Compared:
    """Do again what was done to a session, and compare every bar that was decoded.

    Raises:
        BundleError: a bundle is missing, damaged or unsafe.
        ModelError: a model cannot be run.
    """
    again = _Again(path, opened)
    # By part, epoch and bar: whether it came out the same, and its rest at each splice; None: not decoded on stage.
    same: dict[tuple[str, int, int], bool | None] = {}
    for line in read_lines(path):
        match line:
            case Frozen(origin="held"):
                again.retold.froze(line)
            case Frozen():
                place, comes_out = (line.part, line.epoch, line.song_bar), again.retold.froze(line)
                known = same.get(place)
                same[place] = comes_out if known is None else known and comes_out is not False
            case TransportState():
                again.retold.follow(line)
            case PartGone():
                again.retold.gone(line.part)
            case Stocked():
                again.stock(line)
            case Opened() if line.generation > 0:
                again.retold.replaced(line.generation)
            case Resumed() | Joined() | TakenUp() | Swapped() | Searched() | Control():
                again.do(line)
    others = [
        f"{part}: bar {song_bar + 1} comes out otherwise." for (part, _, song_bar), it in same.items() if it is False
    ]
    missed = sum(comes_out is None for comes_out in same.values())
    return Compared(len(same) - missed, again.remarks + others, missed)


class _Again:
    """The session of a record, and the models of its parts.

    Attributes:
        retold: The session.
        remarks: A sentence for each bundle that is not the one that was played.
    """

    def __init__(self, path: Path, opened: Opened) -> None:
        self.remarks: list[str] = []
        self._loaded: list[LoadedPart] = []
        cast = [self._load(part) for part in opened.parts]
        # Loaded before the first bar: a bundle that is gone is told at once.
        self._came = iter([self._load(line.part) for line in read_lines(path) if isinstance(line, Joined | Swapped)])
        self._decoders = {id(part.setup): part.decoder for part in self._loaded}
        session = Session([part.setup for part in cast], opened.seed, opened.tempo_bpm)
        # Records of before do not tell what it was; this machine's is the likeliest.
        session.set_budget(decode_budget(cast).total_us)
        self.retold = Retold(session, {part.setup.name: part.decoder for part in cast}, opened.at_us)
        # Records of before do not tell when a search was heard.
        self.retold.searches_at_once = not any(isinstance(line, Searched) for line in read_lines(path))

    def stock(self, stocked: Stocked) -> None:
        """Fill the slots with what they held."""
        with contextlib.suppress(msgspec.DecodeError):
            self.retold.session.restore_slots(msgspec.json.decode(stocked.slots, type=Slots))

    def do(self, done: Done) -> None:
        """Let happen what happened, when it did."""
        self.retold.run_until(done.at_us)
        session = self.retold.session
        budget_us = 0 if isinstance(done, Resumed | Searched) else done.budget_us
        if budget_us:
            session.set_budget(budget_us)
        # A part that is gone here, or a line that somebody edited: what it played shows as differences.
        with contextlib.suppress(UsageError, msgspec.DecodeError):
            self._do(done)
        # What became of these has lines of its own.
        session.take_phrases()
        session.take_wishes()
        session.take_arrivals()
        # Undo and redo bring parts back, too.
        self.retold.decoders |= {setup.name: self._decoders[id(setup)] for setup in session.cast()}
        self.retold.ask()

    def _do(self, done: Done) -> None:
        session = self.retold.session
        match done:
            case Resumed():
                session.resume(msgspec.json.decode(done.session, type=SessionState))
            case Joined():
                came = next(self._came).setup
                if came.name in session.parts():
                    # Records of before do not tell when a part has left.
                    self.retold.gone(came.name)
                session.join(came, done.at_us)
            case Swapped():
                session.swap_model(next(self._came).setup, done.z, done.at_us)
            case TakenUp():
                session.take_up(Phrase(done.part, (), "", done.amount, done.when), done.z, done.at_us)
            case Searched():
                self.retold.find(done.part)
            case Control():
                do_again(session, done, done.at_us)

    def _load(self, part: RecordedPart) -> LoadedPart:
        loaded = load_part(part.name, part.channel, part.path, loaded=self._loaded)
        self._loaded.append(loaded)
        if loaded.digest != part.digest:
            self.remarks.append(f"{part.name}: the bundle {part.model} is not the one that was played.")
        return loaded
