"""Folders of MIDI files to a prepared folder of windows, in parallel."""

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.drums import VOICES
from autoloops_engine.errors import UsageError
from autoloops_export.data.ensembles import select_trios
from autoloops_export.data.melody import transposition_class
from autoloops_export.data.packs import SPLITS
from autoloops_export.data.reading import UNREADABLE, FileWindows, read_windows
from autoloops_export.data.roles import Role
from autoloops_export.data.sources import SourceFile, find_files
from autoloops_export.data.trios import read_trios
from autoloops_export.data.windows import (
    BrokenFile,
    DatasetManifest,
    PackCounts,
    Selection,
    SplitWindows,
    save_dataset,
)

FILES_PER_TASK: Final = 16
HELD_OUT_FIRST: Final = ("test", "valid", "train")

Progress = Callable[[int, int], None]


def prepare(sources: list[Path], out: Path, role: Role, progress: Progress, workers: int = 0) -> DatasetManifest:
    """Read every MIDI file under ``sources`` and write the windows of ``role`` to ``out``.

    Args:
        sources: Folders with packs or their archives, packs, or plain folders of MIDI files.
        out: The folder to write; replaced as a whole.
        role: What to extract.
        progress: Called with the files done and the files in all, after each file.
        workers: Processes that read; 0: one per processor.

    Raises:
        UsageError: a source does not exist or holds no MIDI file, or the folder cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="autoloops-packs-") as unpacked:
        files = find_files(sources, Path(unpacked), role.test_share)
        # They may be read for hours: that there is no place for the windows is to be heard before.
        _make_folder(out)
        results = []
        for result in _read_all(files, role, workers or os.cpu_count() or 1):
            results.append(result)
            progress(len(results), len(files))
    packs = sorted({file.pack.name for file in files})
    select = select_trios if role.kind == "trio" else select_windows
    chosen = select(files, results, packs, role)
    manifest = DatasetManifest(
        role=role.name,
        bars=role.bars,
        steps=role.steps,
        classes=role.classes,
        windows={name: len(split) for name, split in chosen.splits.items()},
        duplicates=chosen.duplicates,
        leaks=chosen.leaks,
        reasons=dict(Counter(result.reason for result in results if result.reason).most_common()),
        broken=[
            BrokenFile(f"{file.pack.name}/{file.name}", result.detail)
            for file, result in zip(files, results, strict=True)
            if result.reason == UNREADABLE
        ],
        packs=[_counts(name, files, results, chosen) for name in packs],
        derived=chosen.derived,
        recombined=chosen.recombined,
        drummed=chosen.drummed,
    )
    save_dataset(out, manifest, chosen.splits)
    return manifest


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write {folder} ({error.strerror or error}): choose another place.") from error


def _read_all(files: list[SourceFile], role: Role, workers: int) -> Iterator[Any]:
    """What each file gives, in order; a few files are not worth starting processes for."""
    read = read_trios if role.kind == "trio" else read_windows
    if workers == 1 or len(files) <= FILES_PER_TASK:
        yield from (read(file.path, file.labels, role) for file in files)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        yield from pool.map(
            read,
            [file.path for file in files],
            [file.labels for file in files],
            [role] * len(files),
            chunksize=FILES_PER_TASK,
        )


def select_windows(files: list[SourceFile], results: list[FileWindows], packs: list[str], role: Role) -> Selection:
    """One copy of each window, none of which occurs in a more held-out split in any transposition.

    Drums are not transposed; two of the same hits are one window only where velocities and offsets agree too, and no
    training window has the hits of a held-out one, however they are played.
    """
    held_out: set[bytes] = set()
    splits: dict[str, SplitWindows] = {}
    duplicates = leaks = 0
    for name in HELD_OUT_FIRST:
        kept: list[tuple[FileWindows, int]] = []
        pack_of: list[int] = []
        seen: set[bytes] = set()
        classes: set[bytes] = set()
        for file, result in zip(files, results, strict=True):
            if file.split != name:
                continue
            for place in range(len(result.windows)):
                exact, anywhere = _identities(result, place)
                if anywhere in held_out:
                    leaks += 1
                elif exact in seen:
                    duplicates += 1
                else:
                    seen.add(exact)
                    classes.add(anywhere)
                    kept.append((result, place))
                    pack_of.append(packs.index(file.pack.name))
        held_out |= classes
        splits[name] = _gathered(kept, pack_of, role)
    counts = {
        pack: {name: int(np.sum(splits[name].packs == number)) for name in SPLITS} for number, pack in enumerate(packs)
    }
    derived = sum(result.derived for result in results)
    return Selection({name: splits[name] for name in SPLITS}, counts, duplicates, leaks, derived=derived)


def _identities(result: FileWindows, place: int) -> tuple[bytes, bytes]:
    """What only an equal window shares, and what every window shares that would give it away."""
    window = result.windows[place]
    if result.groove is None:
        return window.tobytes(), transposition_class(window)
    return window.tobytes() + result.groove[place].tobytes(), window.tobytes()


def _gathered(kept: list[tuple[FileWindows, int]], pack_of: list[int], role: Role) -> SplitWindows:
    kind: type[np.integer[Any]] = np.uint8 if role.kind == "line" else np.uint16
    tokens: npt.NDArray[np.integer[Any]] = np.array(
        [result.windows[place] for result, place in kept], dtype=kind
    ).reshape(-1, role.steps)
    packs = np.array(pack_of, dtype=np.uint8)
    if role.kind == "line":
        return SplitWindows(tokens, packs)
    groove = [result.groove[place] for result, place in kept if result.groove is not None]
    return SplitWindows(tokens, packs, np.array(groove, dtype=np.int8).reshape(-1, role.steps, len(VOICES), 2))


def _counts(name: str, files: list[SourceFile], results: list[Any], chosen: Selection) -> PackCounts:
    mine = [(file, not result.reason) for file, result in zip(files, results, strict=True) if file.pack.name == name]
    pack = mine[0][0].pack
    return PackCounts(
        name=name,
        licence=pack.licence,
        attribution=pack.attribution,
        licences=dict(Counter(file.licence for file, gave in mine if gave).most_common()),
        files=len(mine),
        files_used=sum(gave for _, gave in mine),
        windows=chosen.counts[name],
    )
