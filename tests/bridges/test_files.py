"""Files that are replaced as a whole."""

from pathlib import Path

import pytest

from autoloops_bridges.files import replace_file


def test_the_file_is_replaced_as_a_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text("old")
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    replace_file(link, b"new")
    assert path.read_text() == "new"
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "rig.toml"]


def test_a_file_that_is_new_has_the_rights_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    replace_file(tmp_path / "new.json", b"{}")
    assert (tmp_path / "new.json").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_what_cannot_be_replaced_is_left_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match=r"a\.json"):
        replace_file(tmp_path / "a.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
