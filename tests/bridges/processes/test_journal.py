"""What was set between two whole sessions: whenever its writer dies, whatever was acknowledged is there."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.processes.journal import Journal
from autoloops_bridges.processes.left import Left, read_left, read_noted
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.succession import Keeper
from autoloops_bridges.record.again import do_again
from autoloops_bridges.record.lines import Control
from autoloops_engine.session.casting import cast
from autoloops_engine.session.core import Session
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import TrioStub, tiny_trio_manifest

ROOM = 200


class Dying(bytearray):
    """Memory whose writer dies after so many bytes."""

    left = ROOM * ROOM

    def __setitem__(self, at: object, content: object) -> None:
        assert isinstance(at, slice)
        assert isinstance(content, bytes)
        count = min(self.left, len(content))
        self.left -= count
        super().__setitem__(slice(at.start, at.start + count), content[:count])


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.integers(0, ROOM))
def test_whenever_the_writer_dies_every_finished_note_is_there_and_no_torn_one(notes: list[bytes], until: int) -> None:
    memory = Dying(b"\xff" * (ROOM + 20))
    journal = Journal(memory, 10, ROOM)
    journal.clear()
    memory.left = until
    finished: list[bytes] = []
    begun: list[bytes] = []
    for note in notes:
        if journal.note(7, note) and memory.left:
            finished.append(note)
        begun.append(note)
    found = Journal(memory, 10, ROOM).read(7)
    assert found[: len(finished)] == finished
    assert found == begun[: len(found)]
    assert bytes(memory[:10] + memory[-10:]) == b"\xff" * 20
    assert Journal(memory, 10, ROOM).read(8) == []


def test_a_full_journal_says_so_and_keeps_what_it_has() -> None:
    memory = bytearray(64)
    journal = Journal(memory, 0, 64)
    assert journal.note(1, b"x" * 40)
    assert not journal.note(1, b"y" * 20)
    assert journal.read(1) == [b"x" * 40]


class Stage:
    """A session that is kept, and what a successor makes of what it finds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = self._session()
        self.shared = Shared(path)
        self.keeper = Keeper(self.shared, lambda: Left(self.session.state(), (), {}, ""))
        self.keeper.advance(0)

    def answer(self, now_us: int) -> None:
        """What main does before it answers."""
        controls = [Control(each.at_us, address_of(each.target), each.values) for each in self.session.take_controls()]
        assert self.keeper.advance(now_us, controls) == ()

    def succeeded(self) -> Session:
        shared, session = Shared(self.path), self._session()
        left = read_left(shared)
        assert left is not None
        session.restore(left.session)
        for control in read_noted(shared):
            do_again(session, control, 0)
        return session

    def _session(self) -> Session:
        return Session([cast("melody", 1, TrioStub(tiny_trio_manifest()), output="melody").setup], 5, 120.0)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["temperature", "knob", "fire", "store", "undo"]), st.integers(0, 10))))
def test_a_successor_has_everything_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[str, int]]
) -> None:
    stage = Stage(tmp_path_factory.mktemp("stage") / "engine.bin")
    stage.session.set(Target("temperature", "melody"), (0.75,), 0)
    for at_us, (name, value) in enumerate(doings, 1):
        if name == "temperature":
            stage.session.set(Target(name, "melody"), (value / 10,), at_us)
        elif name == "knob":
            stage.session.set(Target(name, "melody", 1), (value / 10,), at_us)
        elif name == "undo":
            stage.session.set(Target("mute", "melody"), (value % 2,), at_us)
            stage.session.act(Target(name), (), at_us)
        else:
            key, words = (None, ("new", "now")) if name == "fire" else (1, ())
            stage.session.act(Target(name, "melody", key), words, at_us)
        stage.answer(at_us)
        assert stage.succeeded().state() == stage.session.state()
    stage.path.unlink()


def test_a_flood_of_values_is_noted_and_the_session_written_as_seldom_as_ever(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "engine.bin")
    begun = stage.shared.session.number
    for at_us in range(1_000):
        stage.session.set(Target("temperature", "melody"), (at_us / 1_000,), at_us * 100)
        stage.answer(at_us * 100)
    assert stage.shared.session.number - begun <= 3
    assert stage.succeeded().get(Target("temperature", "melody")) == (0.999,)


def test_what_fills_the_journal_is_written_as_a_whole(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "engine.bin")
    for turn in range(3_000):
        stage.session.set(Target("temperature", "melody"), (turn / 3_000,), 1)
        stage.answer(1)
    assert stage.succeeded().state() == stage.session.state()
