"""Decodes a recorded session anew: the same seeds, models and controls at the same times; what comes out otherwise.

The record itself is exact wherever it is read. Decoding again is exact on the same machine with the same bundles, but
for bars whose decode on stage came too late, which had to be played as they were.
"""

from pathlib import Path
from typing import Final, NamedTuple

from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.lines import Control, Joined, Opened, read_lines
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Bar
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
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
    joined = [line.part for line in read_lines(path) if isinstance(line, Joined)]
    parts: list[LoadedPart] = []
    for each in (*opened.parts, *joined):
        parts.append(load_part(each.name, each.channel, each.path, loaded=parts))
    differences = [
        f"{part.setup.name}: the bundle {each.model} is not the one that was played."
        for part, each in zip(parts, (*opened.parts, *joined), strict=True)
        if part.digest != each.digest
    ]
    cast, newcomers = parts[: len(opened.parts)], iter(parts[len(opened.parts) :])
    session = Session([part.setup for part in cast], opened.seed, opened.tempo_bpm)
    decoders = {id(part.setup): part.decoder for part in parts}
    performance = Performance(session, {part.setup.name: part.decoder for part in cast}, opened.tempo_bpm)
    recorded: list[Frozen] = []
    last_us = 0
    for line in read_lines(path):
        if isinstance(line, Frozen):
            recorded.append(line)
            last_us = max(last_us, line.at_us - opened.at_us)
        elif isinstance(line, Control | Joined):
            at_us = max(performance.now_us, line.at_us - opened.at_us)
            performance.run_until(at_us)
            if isinstance(line, Joined):
                session.set_budget(line.budget_us)
                session.join(next(newcomers).setup, at_us)
            else:
                do_again(session, line, at_us)
            # Undo and redo bring parts back, too.
            performance.decoders |= {setup.name: decoders[id(setup)] for setup in session.cast()}
    performance.run_until(max(performance.now_us, last_us + _TAIL_US))
    anew = _bars([message for message in performance.heard if isinstance(message, Frozen)])
    bars = _bars(recorded)
    for (part, epoch, song_bar), bar in bars.items():
        other = anew.get((part, epoch, song_bar))
        if other is None or (other.notes, other.ties) != (bar.notes, bar.ties):
            differences.append(f"{part}: bar {song_bar + 1} comes out otherwise.")
    return Compared(len(bars), differences)


def _bars(frozen: list[Frozen]) -> dict[tuple[str, int, int], Bar]:
    """The last word on every bar."""
    return {(each.part, each.epoch, each.song_bar): each.bar for each in frozen if each.origin != "held"}
