"""What the archive makes of a session: its record is in the order in which the session heard of everything."""

from pathlib import Path

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.record.archive import Archive
from autoloops_bridges.record.lines import Control, Searched, read_lines
from autoloops_engine.messages import Frozen, PartGone
from autoloops_engine.notes import Bar
from autoloops_engine.session.core import Session
from autoloops_engine.session.surface import Target


def test_what_was_done_stands_before_what_was_heard_later(tmp_path: Path) -> None:
    session = Session([], 5, 120.0)
    archive = Archive(PlayOptions(slots=""), session, tmp_path / "record.jsonl", 0)
    frozen, gone = Frozen("melody", 1, 0, Bar(1, 0), "fresh", 20, 20, False), PartGone("melody")
    session.set_budget(11_000)
    session.set(Target("tempo"), (121.0,), 10)
    archive.heard(frozen)
    session.set_budget(12_000)
    session.set(Target("tempo"), (122.0,), 30)
    archive.add(Searched(30, "melody"))
    archive.heard(gone)
    session.set(Target("tempo"), (123.0,), 40)
    archive.advance()
    controls = [
        Control(10, "/al/tempo", (121.0,), 11_000),
        Control(30, "/al/tempo", (122.0,), 12_000),
        Control(40, "/al/tempo", (123.0,), 12_000),
    ]
    assert list(read_lines(tmp_path / "record.jsonl")) == [
        controls[0],
        frozen,
        controls[1],
        Searched(30, "melody"),
        gone,
        controls[2],
    ]
    assert archive.controls == controls
    archive.advance()
    assert archive.controls == []
    archive.close()
