"""One MIDI file to the windows of a role. symusic appears here and nowhere else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import symusic

from autoloops_export.data.melody import (
    Meter,
    Ticks,
    Tokens,
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
        windows: Tokens, [windows, steps]; none where ``reason`` says why.
        reason: Why there are none, else empty.
        detail: What the reader said of a broken file, else empty.
    """

    windows: Tokens
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Track:
    starts: Ticks
    ends: Ticks
    pitches: Ticks


def read_windows(path: Path, labels: dict[int, str] | None, role: Role) -> FileWindows:
    """The windows of ``role`` in the file at ``path``; never raises for what a file holds.

    Args:
        path: A Standard MIDI File.
        labels: The role of each track by its position, where an index tells; else None.
        role: What to look for.
    """
    none = np.empty((0, role.steps), dtype=np.uint8)
    try:
        score: Any = symusic.Score(str(path))
        tracks = _tracks_of(score, labels, role)
    except (RuntimeError, ValueError, OSError) as error:
        return FileWindows(none, UNREADABLE, str(error).splitlines()[0])
    if not tracks:
        return FileWindows(none, NO_TRACK)
    meters = [Meter(m.time, m.numerator, m.denominator) for m in score.time_signatures]
    ticks = int(score.ticks_per_quarter)
    end = max(int(track.ends.max()) for track in tracks)
    grids = [
        melody_grid(track.starts, track.ends, track.pitches, segment, ticks)
        for segment in common_time_segments(meters, end, ticks)
        for track in tracks
    ]
    if not any(len(grid) >= role.steps for grid in grids):
        return FileWindows(none, NO_COMMON_TIME)
    windows = np.concatenate([none, *(windows_of(grid, role) for grid in grids)])
    return FileWindows(windows, "" if len(windows) else NOTHING_MUSICAL)


def _tracks_of(score: Any, labels: dict[int, str] | None, role: Role) -> list[_Track]:
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
            tracks.append(_Track(starts, starts + notes["duration"].astype(np.int64), pitches))
    return tracks
