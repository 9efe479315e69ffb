"""From MIDI files to a prepared folder."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autoloops_engine.errors import UsageError
from autoloops_export.data.melody import transposed
from autoloops_export.data.packs import pack_named
from autoloops_export.data.prepare import prepare, select_windows
from autoloops_export.data.reading import (
    NO_COMMON_TIME,
    NO_TRACK,
    NOTHING_MUSICAL,
    UNREADABLE,
    FileWindows,
    read_windows,
)
from autoloops_export.data.roles import MELODY
from autoloops_export.data.sources import SourceFile, find_files
from autoloops_export.data.windows import load_dataset

pytest.importorskip("symusic")
SIXTEENTH = 120
Notes = list[tuple[int, int, int]]
Tune = Callable[..., Notes]
Write = Callable[..., Path]


def test_adding_the_commands_imports_neither_torch_nor_symusic() -> None:
    heavy = "{'torch', 'symusic', 'onnx', 'safetensors'}"
    code = "import sys, typer, autoloops_export.commands as c; c.register(typer.Typer())"
    code += f"; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def silent(done: int, total: int) -> None:
    assert done <= total


def test_a_file_gives_its_windows(tmp_path: Path, write_midi: Write, random_tune: Tune) -> None:
    path = write_midi(tmp_path / "a.mid", [random_tune(1, bars=12)])
    result = read_windows(path, None, MELODY)
    assert result.reason == ""
    assert result.windows.shape == (11, 32)
    assert result.windows.dtype == np.uint8


def test_chords_are_no_melody_unless_the_index_says_so(tmp_path: Path, write_midi: Write, random_tune: Tune) -> None:
    tune = random_tune(1)
    path = write_midi(tmp_path / "a.mid", [tune + [(start, end, pitch - 12) for start, end, pitch in tune]])
    assert read_windows(path, None, MELODY).reason == NO_TRACK
    assert read_windows(path, {0: "other"}, MELODY).reason == NO_TRACK
    top = write_midi(tmp_path / "b.mid", [tune])
    named = read_windows(path, {0: "melody"}, MELODY).windows
    assert named.tolist() == read_windows(top, None, MELODY).windows.tolist()


@pytest.mark.parametrize(
    ("meters", "tune", "reason"),
    [
        (
            ((0, 3, 4),),
            [(step * SIXTEENTH, (step + 1) * SIXTEENTH, 60 + step % 7) for step in range(64)],
            NO_COMMON_TIME,
        ),
        (((0, 4, 4),), [(0, SIXTEENTH, 60), (40 * SIXTEENTH, 41 * SIXTEENTH, 60)], NOTHING_MUSICAL),
    ],
)
def test_a_file_without_windows_says_why(
    tmp_path: Path, write_midi: Write, meters: tuple[tuple[int, int, int], ...], tune: Notes, reason: str
) -> None:
    assert read_windows(write_midi(tmp_path / "a.mid", [tune], meters), None, MELODY).reason == reason


@pytest.mark.parametrize("content", [b"", b"MThd", b"not a midi file at all", bytes(200)])
def test_a_broken_file_is_reported_and_not_fatal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mid").write_bytes(content)
    result = read_windows(tmp_path / "broken.mid", None, MELODY)
    assert result.reason in {UNREADABLE, NO_TRACK}
    assert len(result.windows) == 0


def source(name: str, split: str) -> SourceFile:
    return SourceFile(Path(name), pack_named("p"), name, split, None, "")


def window(*pitches: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    tokens = np.zeros(32, dtype=np.uint8)
    tokens[: 4 * len(pitches) : 4] = np.array(pitches) - 19
    return tokens


def test_training_windows_that_a_held_out_tune_has_in_any_key_are_dropped_and_counted() -> None:
    held, other = window(60, 62, 64), window(60, 64, 62)
    files = [source("t", "train"), source("v", "valid"), source("e", "test")]
    results = [
        FileWindows(np.stack([transposed(held, 7), other, transposed(other, 1), window(50, 51, 53)])),
        FileWindows(np.stack([other, transposed(held, -3)])),
        FileWindows(np.stack([held])),
    ]
    chosen = select_windows(files, results, ["p"], MELODY)
    splits = chosen.splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 1, "valid": 1, "test": 1}
    assert splits["train"].tokens[0].tolist() == window(50, 51, 53).tolist()
    assert (chosen.duplicates, chosen.leaks) == (0, 4)


def test_equal_windows_of_a_split_are_kept_once_and_transposed_ones_each() -> None:
    one = window(60, 62, 64)
    results = [FileWindows(np.stack([one, one, transposed(one, 2)]))]
    chosen = select_windows([source("t", "train")], results, ["p"], MELODY)
    assert (len(chosen.splits["train"]), chosen.duplicates, chosen.leaks) == (2, 1, 0)


def test_a_folder_becomes_windows_that_are_read_back(tmp_path: Path, folder_of_tunes: Write) -> None:
    folder = folder_of_tunes(tmp_path / "tunes", 40)
    (folder / "broken.mid").write_bytes(b"MThd nonsense")
    manifest = prepare([folder], tmp_path / "out", MELODY, silent, workers=2)
    dataset = load_dataset(tmp_path / "out")
    assert dataset.manifest == manifest
    assert sum(manifest.windows.values()) == 40 * 11
    assert all(len(dataset.splits[name]) == count > 0 for name, count in manifest.windows.items())
    assert [broken.name for broken in manifest.broken] == ["tunes/broken.mid"]
    assert manifest.reasons == {UNREADABLE: 1}
    assert isinstance(dataset.splits["train"].tokens, np.memmap)


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path: Path, folder_of_tunes: Write) -> None:
    folder = folder_of_tunes(tmp_path / "tunes", 24)
    for workers, out in ((1, "one"), (2, "two")):
        prepare([folder], tmp_path / out, MELODY, silent, workers)
    one, two = load_dataset(tmp_path / "one"), load_dataset(tmp_path / "two")
    for name, split in one.splits.items():
        assert split.tokens.tolist() == two.splits[name].tokens.tolist()


def make_pack(folder: Path, write_midi: Write, random_tune: Tune) -> Path:
    write_midi(folder / "midi" / "sub" / "a.mid", [random_tune(1), random_tune(2)])
    tracks = [{"i": 1, "role": "bass", "mono": float("nan")}, {"i": 2, "role": "melody"}]
    (folder / "index.jsonl").write_text(json.dumps({"file": "sub/a.mid", "tracks": tracks, "licence": "CC0"}) + "\n")
    return folder


def test_a_pack_is_read_through_its_index_also_from_its_archive(
    tmp_path: Path, write_midi: Write, random_tune: Tune
) -> None:
    pack = make_pack(tmp_path / "build" / "freedoom_music", write_midi, random_tune)
    (tmp_path / "packs").mkdir()
    with tarfile.open(tmp_path / "packs" / "freedoom_music.tar.xz", "w:xz") as archive:
        archive.add(pack, "freedoom_music")
    unpacked = find_files([pack], tmp_path / "unused")
    archived = find_files([tmp_path / "packs"], tmp_path / "unpacked")
    for (file,) in (unpacked, archived):
        assert file.path.is_file()
        assert (file.name, file.licence, file.labels) == ("sub/a.mid", "CC0", {1: "bass", 2: "melody"})
        assert file.pack.name == "freedoom_music"


@pytest.mark.parametrize("make", [False, True], ids=["missing", "empty"])
def test_a_source_without_files_is_refused(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(UsageError, match="nothing"):
        prepare([folder], tmp_path / "out", MELODY, silent)


def test_that_there_is_no_place_for_windows_is_told_before_any_file_is_read(
    tmp_path: Path, folder_of_tunes: Write
) -> None:
    folder_of_tunes(tmp_path / "tunes", 1)
    (tmp_path / "file").touch()
    read: list[int] = []
    for out in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(UsageError, match="choose another place"):
            prepare([tmp_path / "tunes"], out, MELODY, lambda done, total: read.append(done), workers=1)
    assert read == []


def test_a_folder_that_was_not_prepared_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data prepare"):
        load_dataset(tmp_path)
