"""The slots on the disk: whatever dies, and wherever it does, what was stored is there."""

from pathlib import Path

import pytest

from autoloops_bridges.files import replace_file
from autoloops_bridges.record import kept_file
from autoloops_bridges.record.slots_file import (
    SlotsFile,
    check_slots,
    default_slots_path,
    read_sequence,
    read_slots,
    sequence_path,
)
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.session.slots import Slots

FIRST: Slots = {1: {}}
SECOND: Slots = {1: {}, 2: {}}


class Disk:
    """Keeps what is to be written until it is told to go on; ``synced``: what it has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: list[bytes] = []
        self.fails = False
        monkeypatch.setattr(kept_file, "replace_file", self._write)

    def _write(self, path: Path, content: bytes) -> None:
        if self.fails:
            raise OSError(28, "No space left on device")
        replace_file(path, content)
        self.synced.append(content)


def test_slots_are_replaced_as_a_whole_and_a_file_that_cannot_be_read_is_left_aside(tmp_path: Path) -> None:
    path = tmp_path / "state" / "slots.json"
    file = SlotsFile(path)
    assert file.read() == ({}, "")
    assert file.write(FIRST) == ""
    file.close(5.0)
    assert read_slots(path) == FIRST
    assert [left.name for left in (tmp_path / "state").iterdir()] == ["slots.json"]
    path.write_text('{"1": {"melody"')
    slots, remark = SlotsFile(path).read()
    assert slots == {}
    assert "cannot be read" in remark
    assert path.with_suffix(".unreadable.json").read_text() == '{"1": {"melody"'
    (tmp_path / "file").write_text("")
    assert "cannot be written" in SlotsFile(tmp_path / "file" / "slots.json").write({})
    assert [left.name for left in (tmp_path / "state").iterdir()] == ["slots.unreadable.json"]


def test_what_was_stored_is_there_at_once_and_the_last_of_it_on_the_disk_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, disk = tmp_path / "slots.json", Disk(monkeypatch)
    file = SlotsFile(path)
    for slots in (FIRST, SECOND, FIRST, SECOND):
        assert file.write(slots) == ""
        # Whoever is killed at this moment leaves it.
        assert read_slots(path) == slots
    file.close(5.0)
    assert disk.synced[-1] == path.read_bytes()
    assert read_slots(path) == SECOND
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_the_power_took_away_leaves_what_the_disk_had(tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    file = SlotsFile(path)
    file.write(FIRST)
    file.close(5.0)
    for torn in (b"", b"\0" * 40, b'{"1": {"mel'):
        (tmp_path / ".slots.json.draft").write_bytes(torn)
        assert SlotsFile(path).read() == (FIRST, "")
        assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_death_left_becomes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, disk = tmp_path / "slots.json", Disk(monkeypatch)
    disk.fails = True
    file = SlotsFile(path)
    file.write(SECOND)
    file.close(5.0)
    assert "cannot be written" in file.take_failure()
    assert file.take_failure() == ""
    assert not path.exists()
    assert SlotsFile(path).read() == (SECOND, "")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 40, b"{", b'{"', b'{"1', b'{"1": {"melody"', b'{"12":{"melody":{"z":"of another version"}}}'],
)
def test_slots_of_ours_that_went_bad_are_told_by_whoever_lists_and_are_no_reason_not_to_play(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    check_slots(path)
    with pytest.raises(AutoLoopsError, match=r"mine\.json cannot be read"):
        read_slots(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"[", b"[{", b'[{"tem', b'[{"tempo_bpm":120,"takes":{"melody":{"channel":99'])
def test_so_are_entries_of_the_sequence(tmp_path: Path, content: bytes) -> None:
    path = sequence_path(tmp_path / "mine.json")
    path.write_bytes(content)
    check_slots(tmp_path / "mine.json")
    with pytest.raises(AutoLoopsError, match=r"mine\.sequence\.json cannot be read"):
        read_sequence(tmp_path / "mine.json")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tune.mid", b"MThd"),
        ("tune.mid", b""),
        ("rig.toml", b"[rig]"),
        ("package.json", b'{"name": "somebody else\'s"}'),
        ("list.json", b"[1, 2]"),
        ("text.json", b"\xff\xfe"),
    ],
)
def test_a_file_of_somebody_else_is_never_taken_for_slots_nor_for_a_sequence(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    for at in (path, sequence_path(path)):
        if at != path and not content:
            continue
        at.write_bytes(content)
        with pytest.raises(UsageError, match="is no file of"):
            check_slots(path)
        assert [each.read_bytes() for each in tmp_path.iterdir()] == [content]
        at.unlink()
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UsageError, match="is no file of"):
        check_slots(tmp_path / "folder.json")


def test_the_file_at_the_place_of_the_user_is_ours_whatever_is_in_it() -> None:
    path = default_slots_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"MThd")
    check_slots(path)
    assert "cannot be read" in SlotsFile(path).read()[1]
    aside = path.with_suffix(".unreadable.json")
    assert (path.exists(), aside.read_bytes()) == (False, b"MThd")
    aside.unlink()
