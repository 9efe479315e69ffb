"""Where MIDI files come from: unpacked packs, archives of packs, plain folders."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from autoloops_engine.errors import UsageError
from autoloops_export.data.packs import TEST_SHARE, IndexedFile, Pack, pack_named, split_of, splits_of, tune_key

INDEX: Final = "index.jsonl"
ARCHIVE_SUFFIX: Final = ".tar.xz"
MIDI_SUFFIXES: Final = {".mid", ".midi"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One MIDI file to read.

    Attributes:
        path: Where it is.
        pack: The corpus it belongs to.
        name: Its path within the corpus, for reports.
        split: ``train``, ``valid`` or ``test``, decided by its tune.
        labels: The role of each track by its position, from the pack's index; None without an index.
        licence: Of this file.
        tune: The key that files of one tune share.
    """

    path: Path
    pack: Pack
    name: str
    split: str
    labels: dict[int, str] | None
    licence: str
    tune: str = ""


def find_files(sources: list[Path], unpack_to: Path, test_share: float = TEST_SHARE) -> list[SourceFile]:
    """Every MIDI file under ``sources``, archives of packs included, in a stable order.

    Args:
        sources: Folders with packs, packs, archives or plain MIDI folders.
        unpack_to: An empty folder for the contents of archives.
        test_share: Share of a pack's tunes that are held out to test on.

    Raises:
        UsageError: a source does not exist or holds no MIDI file.
    """
    files: list[SourceFile] = []
    for source in sources:
        if not source.exists():
            raise UsageError(f"There is no {source}: give a folder of MIDI files or of packs.")
        found = [file for root in _roots(source, unpack_to) for file in _files_of(root, test_share)]
        if not found:
            raise UsageError(f"{source} holds no MIDI files: give a folder of .mid files or of packs.")
        files.extend(found)
    return files


def _roots(source: Path, unpack_to: Path) -> Iterator[Path]:
    """The packs and plain folders in ``source``; an archive whose folder stands beside it is not unpacked again."""
    if source.name.endswith(ARCHIVE_SUFFIX):
        yield _unpack(source, unpack_to)
    elif (source / INDEX).exists():
        yield source
    else:
        packs = sorted(index.parent for index in source.glob(f"*/{INDEX}"))
        archives = sorted(source.glob(f"*{ARCHIVE_SUFFIX}"))
        unpacked = {pack.name for pack in packs}
        yield from packs
        for archive in archives:
            if archive.name.removesuffix(ARCHIVE_SUFFIX) not in unpacked:
                yield _unpack(archive, unpack_to)
        if not packs and not archives:
            yield source


def _unpack(archive: Path, unpack_to: Path) -> Path:
    """Unpack the index and the MIDI files of a pack; the folder it makes."""
    name = archive.name.removesuffix(ARCHIVE_SUFFIX)
    with tarfile.open(archive) as tar:
        wanted = [
            member
            for member in tar
            if member.isfile() and (Path(member.name).suffix in MIDI_SUFFIXES or Path(member.name).name == INDEX)
        ]
        tar.extractall(unpack_to, members=wanted, filter="data")
    if not (unpack_to / name).is_dir():
        raise UsageError(f"{archive} does not hold a folder {name}: it is not one of AutoLoops' packs.")
    return unpack_to / name


def _files_of(root: Path, test_share: float) -> list[SourceFile]:
    return _indexed_files(root, test_share) if (root / INDEX).exists() else _plain_files(root)


def _indexed_files(root: Path, test_share: float) -> list[SourceFile]:
    pack = pack_named(root.name)
    lines = (root / INDEX).read_text("utf-8").splitlines()
    # The standard library's reader, because some measurements in the indices are NaN, which JSON proper forbids.
    entries = [msgspec.convert(json.loads(line), IndexedFile) for line in lines if line.strip()]
    by_name = _midi_by_name(root)
    return [
        SourceFile(
            path=by_name.get(entry.file, root / "midi" / entry.file),
            pack=pack,
            name=entry.file,
            split=split_of(tune_key(pack, entry), test_share),
            labels={track.i: track.role for track in entry.tracks},
            licence=entry.licence or pack.licence,
            tune=tune_key(pack, entry),
        )
        for entry in entries
    ]


def _midi_by_name(root: Path) -> dict[str, Path]:
    """The files of a pack by their path below its one folder of music."""
    paths = [path for path in root.rglob("*") if path.suffix.lower() in MIDI_SUFFIXES]
    return {path.relative_to(root).as_posix().split("/", 1)[-1]: path for path in paths}


def _plain_files(root: Path) -> list[SourceFile]:
    pack = pack_named(root.resolve().name)
    paths = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in MIDI_SUFFIXES and path.is_file()]
    names = [path.relative_to(root).as_posix() for path in paths]
    keys = [tune_key(pack, IndexedFile(file=name, tracks=[])) for name in names]
    splits = splits_of(keys)
    return [
        SourceFile(path, pack, name, splits[key], None, pack.licence)
        for path, name, key in zip(paths, names, keys, strict=True)
    ]
