"""Melody, bass and drums that play together: windows of all three, of the first two, and of drums alone, in a file."""

import dataclasses
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from autoloops_export.data.drums import DrumGrid, Groove, drum_windows_by_bar
from autoloops_export.data.melody import Segment, Tokens, melody_grid, windows_by_bar
from autoloops_export.data.reading import (
    NO_COMMON_TIME,
    NO_TRACK,
    NOTHING_MUSICAL,
    UNREADABLE,
    Piece,
    kit_grid,
    read_piece,
)
from autoloops_export.data.roles import BASS, DRUMS, MELODY, Role

# Tracks may double each other: of the pairs of a melody and a bass track at one bar so many are taken.
PAIRS_AT_ONCE: Final = 4
# A long piece is not worth more than so many windows of a kind; they are spread evenly over it.
MOST_TRIOS: Final = 240
MOST_PAIRS: Final = 16
MOST_DRUMS: Final = 16

Lines = npt.NDArray[np.uint8]


class TrioWindows(NamedTuple):
    """Windows of three parts.

    Attributes:
        lines: Melody and bass, uint8 [windows, steps, 2].
        drums: Joint classes, uint16 [windows, steps].
        groove: int8 [windows, steps, 9, 2]; see :mod:`autoloops_export.data.drums`.
    """

    lines: Lines
    drums: npt.NDArray[np.uint16]
    groove: Groove

    def rows(self, rows: npt.NDArray[np.integer[Any]] | slice) -> "TrioWindows":
        """Some of them."""
        return TrioWindows(self.lines[rows], self.drums[rows], self.groove[rows])


@dataclass(frozen=True, slots=True)
class FileTrios:
    """What a file gave.

    Attributes:
        trios: Windows of all three parts.
        pairs: Windows of melody and bass, of a file that has no trio.
        drums: Windows of drums, of a file that has no trio.
        reason: Why there is nothing at all, else empty.
        detail: What the reader said of a broken file, else empty.
    """

    trios: TrioWindows
    pairs: Lines
    drums: DrumGrid
    reason: str = ""
    detail: str = ""


def parts_of(role: Role) -> tuple[Role, Role, Role]:
    """What a trio's melody, bass and drums have to be: as long as the trio, and as silent as it may be."""
    melody, bass, drums = (
        dataclasses.replace(part, bars=role.bars, max_silence_steps=role.max_silence_steps)
        for part in (MELODY, BASS, DRUMS)
    )
    return melody, bass, drums


def read_trios(path: Path, labels: dict[int, str] | None, role: Role) -> FileTrios:
    """The windows of a trio in the file at ``path``; never raises for what a file holds.

    Args:
        path: A Standard MIDI File.
        labels: The role of each track by its position, where an index tells; else None.
        role: The trio.
    """
    nothing = FileTrios(_joined([], role), np.empty((0, role.steps, 2), dtype=np.uint8), _drums_joined([], role))
    parts = parts_of(role)
    try:
        piece = read_piece(path, labels, parts)
    except (RuntimeError, ValueError, OSError) as error:
        return dataclasses.replace(nothing, reason=UNREADABLE, detail=str(error).splitlines()[0])
    drummed = bool(piece.tracks["drums"])
    paired = bool(piece.tracks["melody"]) and bool(piece.tracks["bass"])
    if not drummed and not paired:
        return dataclasses.replace(nothing, reason=NO_TRACK)
    segments = piece.segments_of(role)
    if not segments:
        return dataclasses.replace(nothing, reason=NO_COMMON_TIME)
    found = _cut(piece, segments, role, drummed=drummed, paired=paired)
    empty = not any(len(windows) for windows in (found.trios.lines, found.pairs, found.drums.tokens))
    return dataclasses.replace(found, reason=NOTHING_MUSICAL if empty else "")


def _cut(piece: Piece, segments: list[Segment], role: Role, *, drummed: bool, paired: bool) -> FileTrios:
    """The windows of a file's segments."""
    trios, pairs, drums = [], [], []
    kit_role = parts_of(role)[2]
    for segment in segments:
        lines, at = _pairs(piece, segment, role) if paired else (np.empty((0, role.steps, 2), np.uint8), np.empty(0))
        pairs.append(lines)
        if not drummed:
            continue
        kit, musical = drum_windows_by_bar(kit_grid(piece.tracks["drums"], segment, piece.ticks), kit_role)
        drums.append(DrumGrid(kit.tokens[musical], kit.groove[musical]))
        bars = at.astype(np.int64)
        together = np.flatnonzero(bars < len(musical))
        together = together[musical[bars[together]]]
        trios.append(TrioWindows(lines[together], kit.tokens[bars[together]], kit.groove[bars[together]]))
    whole = _joined(trios, role)
    if len(whole.lines):
        return FileTrios(
            whole.rows(_spread(len(whole.lines), MOST_TRIOS)),
            np.empty((0, role.steps, 2), dtype=np.uint8),
            _drums_joined([], role),
        )
    loose, kits = np.concatenate([*pairs, np.empty((0, role.steps, 2), np.uint8)]), _drums_joined(drums, role)
    chosen = _spread(len(kits.tokens), MOST_DRUMS)
    return FileTrios(whole, loose[_spread(len(loose), MOST_PAIRS)], DrumGrid(kits.tokens[chosen], kits.groove[chosen]))


def _pairs(piece: Piece, segment: Segment, role: Role) -> tuple[Lines, npt.NDArray[np.int64]]:
    """Windows of melody and bass in a segment, and the bar at which each begins."""
    cut: list[list[tuple[Tokens, npt.NDArray[np.bool_]]]] = []
    for part in parts_of(role)[:2]:
        grids = (
            melody_grid(track.starts, track.ends, track.pitches, segment, piece.ticks, lowest=part.lowest)
            for track in piece.tracks[part.name]
        )
        cut.append([windows_by_bar(grid, part) for grid in grids])
    lines, at = [], []
    for bar in range(len(cut[0][0][0])):
        melodies, basses = ([windows[bar] for windows, musical in part if musical[bar]] for part in cut)
        for pair in islice(product(melodies, basses), PAIRS_AT_ONCE):
            lines.append(np.stack(pair, axis=1))
            at.append(bar)
    return np.array(lines, dtype=np.uint8).reshape(-1, role.steps, 2), np.array(at, dtype=np.int64)


def _spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many places of ``count``, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)) if count else np.empty(0, np.int64)


def _joined(windows: list[TrioWindows], role: Role) -> TrioWindows:
    drums = _drums_joined([DrumGrid(w.drums, w.groove) for w in windows], role)
    none = np.empty((0, role.steps, 2), dtype=np.uint8)
    return TrioWindows(np.concatenate([none, *(w.lines for w in windows)]), drums.tokens, drums.groove)


def _drums_joined(windows: list[DrumGrid], role: Role) -> DrumGrid:
    tokens, groove = np.empty((0, role.steps), np.uint16), np.empty((0, role.steps, 9, 2), np.int8)
    return DrumGrid(
        np.concatenate([tokens, *(w.tokens for w in windows)]), np.concatenate([groove, *(w.groove for w in windows)])
    )
