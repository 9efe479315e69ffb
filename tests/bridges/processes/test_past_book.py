"""What was played outlives the death of a main process, the latest of it at least."""

from pathlib import Path

import pytest

from autoloops_bridges.processes.journal import Journal
from autoloops_bridges.processes.past_book import PastBook
from autoloops_bridges.processes.shared import Shared
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.views import views_of
from autoloops_engine.session.casting import cast
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.remembered import PastState
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import TrioStub, tiny_trio_manifest
from autoloops_engine.units import US_PER_S

MODEL = TrioStub(tiny_trio_manifest())
PARTS = tuple(views_of(MODEL))
# Beyond the loops of the model, so that there is something to go back to.
PLAYED_US = 80 * US_PER_S


def setups() -> list[PartSetup]:
    return [cast(part, channel, MODEL, family="trio").setup for channel, part in enumerate(PARTS, 1)]


def played() -> tuple[Session, list[PastState]]:
    """A session that has played, with another point half way, and what it noted."""
    session = Session(setups(), 7, 120.0)
    performance = Performance(session, views_of(MODEL), 120.0)
    session.act(Target("start"), (), 0)
    past = []
    for step in range(1, 21):
        performance.run_until(step * PLAYED_US // 20)
        if step == 10:
            session.act(Target("fire", PARTS[0]), ("new", "now"), performance.now_us)
        past += session.take_past()
    return session, past


def succeeded(session: Session, past: list[PastState]) -> Session:
    successor = Session(setups(), 7, 120.0, 1)
    successor.restore(session.state())
    successor.restore_past(past)
    return successor


def test_a_successor_goes_back_to_what_sounded_before_as_its_predecessor_would(tmp_path: Path) -> None:
    session, past = played()
    shared = Shared(tmp_path / "engine.bin")
    PastBook(shared.past).add(past[: len(past) // 2])
    # One that took over in between writes behind what was there.
    PastBook(shared.past).add(past[len(past) // 2 :])
    successor = succeeded(session, PastBook(Shared(tmp_path / "engine.bin").past).read())
    for name in PARTS:
        for bars_ago in (0, 3, 17):
            for each in (session, successor):
                each.act(Target("keep", name, 1), (bars_ago,), 0)
            slots = session.take_slots(), successor.take_slots()
            assert slots[0] == slots[1]
            assert slots[0]


def test_what_another_model_played_is_not_taken_up() -> None:
    session, past = played()
    other = Session([cast(PARTS[0], 1, MODEL, family="other").setup], 7, 120.0, 1)
    for each, remembers in ((other, past), (succeeded(session, []), [])):
        each.restore_past(remembers)
        with pytest.raises(UsageError, match="not known"):
            each.act(Target("keep", PARTS[0], 1), (0,), 0)


def test_full_books_keep_the_latest_bars_and_each_bar_knows_its_settings() -> None:
    _, past = played()
    size = 40_000
    memory = bytearray(2 * size)
    books = [Journal(memory, 0, size), Journal(memory, size, size)]
    book = PastBook(books)
    for bar in past:
        book.add([bar])
    found = PastBook(books).read()
    assert 0 < len(found) < len(past)
    assert found == past[-len(found) :]
