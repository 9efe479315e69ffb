"""One MIDI file to the windows of a role. symusic appears here and nowhere else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import symusic

from autoloops_engine.units import BEATS_PER_BAR
from autoloops_export.data.drums import DrumGrid, Groove, drum_grid, drum_windows
from autoloops_export.data.melody import (
    Meter,
    Segment,
    Ticks,
    common_time_segments,
    melody_grid,
    windows_of,
)
from autoloops_export.data.roles import Role, TrackFacts

UNREADABLE: Final = "unreadable"
NO_TRACK: Final = "no track of this role"
NO_COMMON_TIME: Final = "no stretch of 4/4 or 2/2 long enough"
NOTHING_MUSICAL: Final = "windows too thin, too silent or on one pitch"


@dataclass(frozen=True, slots=True)
class FileWindows:
    """What a file gave.

    Attributes:
        windows: Tokens, uint8 or (drums) uint16 [windows, steps]; none where ``reason`` says why.
        reason: Why there are none, else empty.
        detail: What the reader said of a broken file, else empty.
        groove: Of drums: velocities and offsets, int8 [windows, steps, 9, 2]; see :mod:`autoloops_export.data.drums`.
        derived: How many of the windows come from tracks that stand in for the role.
    """

    windows: npt.NDArray[np.integer[Any]]
    reason: str = ""
    detail: str = ""
    groove: Groove | None = None
    derived: int = 0


@dataclass(frozen=True, slots=True)
class Track:
    """Notes of a track: onsets and ends in ticks, pitches and velocities, [notes] each; and whether it stands in."""

    starts: Ticks
    ends: Ticks
    pitches: Ticks
    velocities: Ticks
    derived: bool = False


def read_windows(path: Path, labels: dict[int, str] | None, role: Role) -> FileWindows:
    """The windows of ``role`` in the file at ``path``; never raises for what a file holds.

    Args:
        path: A Standard MIDI File.
        labels: The role of each track by its position, where an index tells; else None.
        role: What to look for.
    """
    none = np.empty((0, role.steps), dtype=np.uint8 if role.kind == "line" else np.uint16)
    try:
        piece = read_piece(path, labels, (role,))
    except (RuntimeError, ValueError, OSError) as error:
        return FileWindows(none, UNREADABLE, str(error).splitlines()[0])
    tracks = piece.tracks[role.name]
    if not tracks:
        return FileWindows(none, NO_TRACK)
    segments = piece.segments_of(role)
    if not segments:
        return FileWindows(none, NO_COMMON_TIME)
    read = _read_lines if role.kind == "line" else _read_drums
    found = read(tracks, segments, piece.ticks, role)
    return found if len(found.windows) else FileWindows(none, NOTHING_MUSICAL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file.

    Attributes:
        ticks: Of a quarter.
        meters: Its time signatures.
        tracks: Those of each role asked for, by the role's name.
    """

    ticks: int
    meters: list[Meter]
    tracks: dict[str, list[Track]]

    def segments_of(self, role: Role) -> list[Segment]:
        """The stretches of common time that hold a window of ``role``."""
        end = max(int(track.ends.max()) for tracks in self.tracks.values() for track in tracks)
        shortest = (role.bars - 1) * BEATS_PER_BAR * self.ticks
        return [s for s in common_time_segments(self.meters, end, self.ticks) if s.end - s.start > shortest]


def read_piece(path: Path, labels: dict[int, str] | None, roles: tuple[Role, ...]) -> Piece:
    """The tracks of ``roles`` in the file at ``path``.

    Raises:
        RuntimeError, ValueError, OSError: it cannot be read.
    """
    score: Any = symusic.Score(str(path))
    meters = [Meter(m.time, m.numerator, m.denominator) for m in score.time_signatures]
    return Piece(int(score.ticks_per_quarter), meters, {role.name: _tracks_of(score, labels, role) for role in roles})


def _read_lines(tracks: list[Track], segments: list[Segment], ticks: int, role: Role) -> FileWindows:
    """The windows of every track, each a line of its own."""
    windows, derived = [], 0
    for segment in segments:
        for track in tracks:
            grid = melody_grid(track.starts, track.ends, track.pitches, segment, ticks, lowest=role.lowest)
            windows.append(windows_of(grid, role))
            derived += track.derived * len(windows[-1])
    return FileWindows(np.concatenate(windows), derived=derived)


def _read_drums(tracks: list[Track], segments: list[Segment], ticks: int, role: Role) -> FileWindows:
    """The windows of all drum tracks together: they are one kit."""
    grids = [kit_grid(tracks, segment, ticks) for segment in segments]
    cut = [drum_windows(grid, role) for grid in grids]
    tokens, groove = (np.concatenate(arrays) for arrays in zip(*cut, strict=True))
    return FileWindows(tokens, groove=groove)


def kit_grid(tracks: list[Track], segment: Segment, ticks: int) -> DrumGrid:
    """The steps of all drum tracks together in a segment."""
    starts, pitches, velocities = (
        np.concatenate([getattr(track, name) for track in tracks]) for name in ("starts", "pitches", "velocities")
    )
    return drum_grid(starts, pitches, velocities, segment, ticks)


def _tracks_of(score: Any, labels: dict[int, str] | None, role: Role) -> list[Track]:
    """The tracks that play ``role``; an index that names one decides for all."""
    tracks = []
    for number, track in enumerate(score.tracks):
        notes = track.notes.numpy()
        starts = notes["time"].astype(np.int64)
        if not len(starts):
            continue
        _, counts = np.unique(starts, return_counts=True)
        facts = TrackFacts(
            drum=track.is_drum,
            program=track.program,
            monophonic_share=float(np.mean(counts == 1)),
            label=None if labels is None else labels.get(number, ""),
        )
        if role.wants(facts):
            pitches = notes["pitch"].astype(np.int64)
            velocities = notes["velocity"].astype(np.int64)
            ends = starts + notes["duration"].astype(np.int64)
            tracks.append(Track(starts, ends, pitches, velocities, facts.label in role.derived))
    return tracks
