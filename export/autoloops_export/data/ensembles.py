"""From the windows of many files to a prepared folder of trios.

True trios are rare. Training gets two more kinds of window, made of training tunes alone: melodies over the bass and
the drums of another piece whose own melody plays the same pitch classes bar by bar, and pairs of melody and bass, which
nobody drums to, over somebody's drums. Held-out windows are as they were written.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.data.melody import FIRST_PITCH_CLASS, transposition_class
from autoloops_export.data.packs import SPLITS
from autoloops_export.data.roles import BASS, LOWEST_PITCH, Role
from autoloops_export.data.sources import SourceFile
from autoloops_export.data.trios import FileTrios, Lines, TrioWindows
from autoloops_export.data.windows import Selection, SplitWindows

# Mean cosine of two melodies' pitch classes over the bars, from which one may stand in for the other.
FITTING: Final = 0.55
TWELVE: Final = 12
ROWS_AT_ONCE: Final = 512

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Windows of a split and where they come from.

    Attributes:
        windows: Of all three parts.
        files: The position of the file that each window's melody is from, [windows].
    """

    windows: TrioWindows
    files: Rows


def select_trios(
    files: list[SourceFile], found: list[FileTrios], packs: list[str], role: Role, seed: int = 0
) -> Selection:
    """The windows of each split, and for training the made-up ones.

    Args:
        files: All of them.
        found: What each gave.
        packs: Names, by position.
        role: The trio.
        seed: Of who drums for whom.
    """
    rng = np.random.default_rng(seed)
    held_out: set[bytes] = set()
    splits: dict[str, SplitWindows] = {}
    counts = {name: dict.fromkeys(SPLITS, 0) for name in packs}
    pack_of = np.array([packs.index(file.pack.name) for file in files])
    duplicates = leaks = recombined = drummed = 0
    for split in reversed(SPLITS):
        own, doubled, leaked = _gathered(files, found, split, held_out, role)
        duplicates, leaks = duplicates + doubled, leaks + leaked
        drum_files = own.files
        if split == "train" and len(own.files):
            crossed, companions = recombine(own)
            lent, drummers = _lend_drums(files, found, own, rng)
            recombined, drummed = len(crossed.files), len(lent.files)
            drum_files = np.concatenate([own.files, own.files[companions], drummers])
            own = Gathered(
                _joined([own.windows, crossed.windows, lent.windows]),
                np.concatenate([own.files, crossed.files, lent.files]),
            )
        for name_number, name in enumerate(packs):
            counts[name][split] = int(
                ((pack_of[own.files] == name_number) | (pack_of[drum_files] == name_number)).sum()
            )
        tokens = np.concatenate([own.windows.lines.astype(np.uint16), own.windows.drums[..., None]], axis=2)
        splits[split] = SplitWindows(tokens, pack_of[own.files].astype(np.uint8), own.windows.groove)
    return Selection(
        {name: splits[name] for name in SPLITS}, counts, duplicates, leaks, recombined=recombined, drummed=drummed
    )


def _gathered(
    files: list[SourceFile], found: list[FileTrios], split: str, held_out: set[bytes], role: Role
) -> tuple[Gathered, int, int]:
    """One copy of each true trio of a split, none of which a more held-out split has; how many were left out."""
    kept: list[TrioWindows] = []
    origins: list[Rows] = []
    seen: set[bytes] = set()
    classes: set[bytes] = set()
    duplicates = leaks = 0
    for number, (file, result) in enumerate(zip(files, found, strict=True)):
        if file.split != split:
            continue
        places = []
        for place, (lines, drums) in enumerate(zip(result.trios.lines, result.trios.drums, strict=True)):
            exact = lines.tobytes() + drums.tobytes()
            anywhere = transposition_class(lines.ravel()) + drums.tobytes()
            if anywhere in held_out:
                leaks += 1
            elif exact in seen:
                duplicates += 1
            else:
                seen.add(exact)
                classes.add(anywhere)
                places.append(place)
        kept.append(result.trios.rows(np.array(places, dtype=np.int64)))
        origins.append(np.full(len(places), number))
    held_out |= classes
    none = TrioWindows(
        np.empty((0, role.steps, 2), np.uint8),
        np.empty((0, role.steps), np.uint16),
        np.empty((0, role.steps, 9, 2), np.int8),
    )
    return Gathered(_joined([none, *kept]), np.concatenate([np.empty(0, np.int64), *origins])), duplicates, leaks


def recombine(own: Gathered) -> tuple[Gathered, Rows]:
    """Every melody over the bass and drums of the piece that fits it best, if any fits; and which window each took.

    A companion fits whose own melody, moved by some interval, plays the same pitch classes in the same bars.
    """
    profiles = pitch_profiles(own.windows.lines[..., 0])
    best = np.full(len(profiles), FITTING)
    companion, interval = np.full(len(profiles), -1), np.zeros(len(profiles), dtype=np.int64)
    other_piece = own.files[:, None] != own.files[None, :]
    for shift in range(TWELVE):
        moved = np.roll(profiles, shift, axis=2).reshape(len(profiles), -1)
        for first in range(0, len(profiles), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            fits = profiles[rows].reshape(-1, moved.shape[1]) @ moved.T / profiles.shape[1]
            fits[~other_piece[rows]] = 0
            nearest = fits.argmax(axis=1)
            found = fits[np.arange(len(nearest)), nearest]
            better = np.flatnonzero(found > best[rows])
            best[first + better], companion[first + better] = found[better], nearest[better]
            interval[first + better] = shift - TWELVE if shift > TWELVE // 2 else shift
    fitting = np.flatnonzero(companion >= 0)
    companions = companion[fitting]
    bass = own.windows.lines[companions, :, 1]
    moved_bass = _moved(bass, interval[fitting])
    lines = np.stack([own.windows.lines[fitting, :, 0], moved_bass], axis=2)
    windows = TrioWindows(lines, own.windows.drums[companions], own.windows.groove[companions])
    return Gathered(windows, own.files[fitting]), companions


def _moved(bass: npt.NDArray[np.uint8], semitones: Rows) -> npt.NDArray[np.uint8]:
    """Basses [windows, steps] transposed, each an octave back where it would leave the bass's range."""
    sounding = bass >= FIRST_PITCH_CLASS
    to_pitch = LOWEST_PITCH - FIRST_PITCH_CLASS
    pitches = bass.astype(np.int64) + semitones[:, None]
    low = np.where(sounding, pitches + to_pitch, BASS.high).min(axis=1)
    high = np.where(sounding, pitches + to_pitch, BASS.low).max(axis=1)
    octaves = np.where(low < BASS.low, TWELVE, np.where(high > BASS.high, -TWELVE, 0))
    moved = np.where(sounding, np.clip(pitches + octaves[:, None], FIRST_PITCH_CLASS, 89), bass)
    return moved.astype(np.uint8)


def pitch_profiles(melodies: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """How often each bar of melodies [windows, steps] strikes each pitch class, of length 1: [windows, bars, 12]."""
    bars = melodies.reshape(len(melodies), -1, STEPS_PER_BAR)
    struck = (bars.astype(np.int64) - FIRST_PITCH_CLASS) % TWELVE
    profiles = np.stack([((struck == pitch) & (bars >= FIRST_PITCH_CLASS)).sum(axis=2) for pitch in range(TWELVE)], 2)
    lengths = np.linalg.norm(profiles, axis=2, keepdims=True)
    unit: npt.NDArray[np.float32] = (profiles / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit


def _lend_drums(
    files: list[SourceFile], found: list[FileTrios], own: Gathered, rng: np.random.Generator
) -> tuple[Gathered, Rows]:
    """Pairs of melody and bass over drums of any training tune; and the file that each kit is from."""
    chosen = [number for number, file in enumerate(files) if file.split == "train"]
    pairs: Lines = np.concatenate([found[number].pairs for number in chosen])
    origins = np.concatenate([np.full(len(found[number].pairs), number) for number in chosen])
    kits = np.concatenate([own.windows.drums, *(found[number].drums.tokens for number in chosen)])
    groove = np.concatenate([own.windows.groove, *(found[number].drums.groove for number in chosen)])
    drummers = np.concatenate([own.files, *(np.full(len(found[number].drums.tokens), number) for number in chosen)])
    taken = rng.integers(0, len(kits), len(pairs))
    return Gathered(TrioWindows(pairs, kits[taken], groove[taken]), origins), drummers[taken]


def _joined(windows: list[TrioWindows]) -> TrioWindows:
    return TrioWindows(*(np.concatenate(arrays) for arrays in zip(*windows, strict=True)))
