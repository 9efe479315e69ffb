"""Prepared windows on disk: memory-mapped arrays and a JSON that says where they come from.

A folder holds ``dataset.json`` and, for each split, ``SPLIT.tokens.npy`` (uint8, drums uint16, [windows, steps]; of a
trio uint16 [windows, steps, 3]: melody, bass, drums),
``SPLIT.pack.npy`` (uint8 [windows], the position of the window's pack in the JSON) and, where there are drums,
``SPLIT.groove.npy`` (int8 [windows, steps, 9, 2]: velocity and offset of every voice).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from autoloops_engine.errors import UsageError
from autoloops_export.data.packs import SPLITS

MANIFEST: Final = "dataset.json"
SCHEMA: Final = 1
WITH_GROOVE: Final = ("drums", "trio")


class PackCounts(Struct, frozen=True):
    """What a pack gave.

    Attributes:
        name: Of the pack or folder.
        licence: Of the pack.
        attribution: The line that model cards carry.
        licences: Files that gave windows, by their licence.
        files: Files read.
        files_used: Files that gave windows.
        windows: Windows kept, by split.
    """

    name: str
    licence: str
    attribution: str
    licences: dict[str, int]
    files: int
    files_used: int
    windows: dict[str, int]


class BrokenFile(Struct, frozen=True):
    """A file that could not be read, and what the reader said."""

    name: str
    detail: str


class DatasetManifest(Struct, frozen=True):
    """``dataset.json``.

    Attributes:
        role: What the windows play.
        bars: Length of a window.
        steps: The same in sixteenths.
        classes: Number of token classes.
        windows: Windows kept, by split.
        duplicates: Windows dropped because an equal one of the same split was kept.
        leaks: Windows dropped because a held-out one equals them in some transposition.
        reasons: Files without windows, by reason.
        broken: The files that could not be read.
        packs: What each pack gave; windows name packs by their position here.
        derived: Windows, before duplicates and leaks were dropped, from tracks that only stand in for the role.
        recombined: Of a trio: training windows with a melody from one piece over bass and drums from another.
        drummed: Of a trio: training windows of melody and bass over drums from elsewhere.
        schema: Version of this file's layout.
    """

    role: str
    bars: int
    steps: int
    classes: int
    windows: dict[str, int]
    duplicates: int
    leaks: int
    reasons: dict[str, int]
    broken: list[BrokenFile]
    packs: list[PackCounts]
    derived: int = 0
    recombined: int = 0
    drummed: int = 0
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class SplitWindows:
    """The windows of one split.

    Attributes:
        tokens: uint8, drums uint16 [windows, steps], of a trio [windows, steps, 3].
        packs: uint8 [windows]: the position of each window's pack in the manifest.
        groove: Of drums: velocity (0 to 127) and offset (-127 to 127 for half a step, positive = early) of every voice,
            int8 [windows, steps, 9, 2].
    """

    tokens: npt.NDArray[np.integer[Any]]
    packs: npt.NDArray[np.uint8]
    groove: npt.NDArray[np.int8] | None = None

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is kept of all windows found, and what was left out.

    Attributes:
        splits: Windows, by split.
        counts: Windows by split for each pack; in a trio those that a pack only lends drums to count too.
        duplicates: See :class:`DatasetManifest`, like the others.
        leaks: See there.
        derived: See there.
        recombined: See there.
        drummed: See there.
    """

    splits: dict[str, SplitWindows]
    counts: dict[str, dict[str, int]]
    duplicates: int
    leaks: int
    derived: int = 0
    recombined: int = 0
    drummed: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """A prepared folder, its arrays mapped into memory and read as needed."""

    manifest: DatasetManifest
    splits: dict[str, SplitWindows]


def save_dataset(folder: Path, manifest: DatasetManifest, splits: dict[str, SplitWindows]) -> None:
    """Write a prepared folder; the manifest last, so that a half-written one is never taken for whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, split in splits.items():
        np.save(folder / f"{name}.tokens.npy", split.tokens)
        np.save(folder / f"{name}.pack.npy", split.packs)
        if split.groove is not None:
            np.save(folder / f"{name}.groove.npy", split.groove)
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(encoded + b"\n")


def load_dataset(folder: Path) -> Dataset:
    """Open what ``autoloops data prepare`` wrote.

    Raises:
        UsageError: the folder is not one, or not of this version.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=DatasetManifest)
        arrays = ("tokens", "pack", "groove") if manifest.role in WITH_GROOVE else ("tokens", "pack")
        splits = {
            name: SplitWindows(*(np.load(folder / f"{name}.{array}.npy", mmap_mode="r") for array in arrays))
            for name in SPLITS
        }
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise UsageError(
            f"{folder} holds no prepared windows ({error}): run `autoloops data prepare` to make them."
        ) from error
    if manifest.schema != SCHEMA:
        raise UsageError(f"{folder} is of another version: run `autoloops data prepare` again.")
    return Dataset(manifest, splits)
