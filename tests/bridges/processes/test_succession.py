"""The models of a successor: those that played, unless they are what kills it."""

from pathlib import Path

import msgspec
import pytest

from autoloops_bridges.processes import succession
from autoloops_bridges.processes.birth import Born
from autoloops_bridges.processes.left import Left
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.parts import LoadedPart
from autoloops_bridges.processes.shared import Shared
from autoloops_bridges.processes.succession import Keeper, load_models
from autoloops_engine.errors import BundleError
from autoloops_engine.session.state import SessionState

US_PER_S = 1_000_000
STARTED = {"melody": "first", "bass": "second"}
SWAPPED = {"melody": "other"}


class Stage:
    """One shared memory and who is born on it; answers which models were loaded."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shared = Shared(path)
        self.path = path
        self.broken: dict[str, Exception] = {}
        monkeypatch.setattr(succession, "load_parts", self._load_parts)

    def leave(self, models: dict[str, str]) -> None:
        left = Left(SessionState(1, 120.0, {}, None), (), STARTED | models, "")
        self.shared.session.write(msgspec.json.encode(left))

    def born(self, generation: int) -> dict[str, str]:
        options = PlayOptions(parts=("melody", "bass"), models=STARTED)
        load_models(Born(options, str(self.path), generation, "", {}))
        return self.loaded

    def _load_parts(self, options: PlayOptions) -> list[LoadedPart]:
        for name in options.models.values():
            if name in self.broken:
                raise self.broken[name]
        self.loaded = options.models
        return []


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path / "engine.bin", monkeypatch)


def test_a_successor_plays_the_models_that_played(stage: Stage) -> None:
    stage.leave(SWAPPED)
    assert stage.born(1) == STARTED | SWAPPED


def test_the_first_of_a_performance_plays_what_was_asked_for_whatever_lies_there(stage: Stage) -> None:
    stage.leave(SWAPPED)
    assert stage.born(0) == STARTED


def test_after_two_successors_that_died_young_the_models_of_the_start_play(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.leave(SWAPPED)
    assert [stage.born(generation) for generation in (1, 2)] == [STARTED | SWAPPED] * 2
    assert stage.born(3) == STARTED
    assert "The models of the start are used." in capsys.readouterr().err
    stage.leave(STARTED)
    assert stage.born(4) == STARTED
    stage.leave(SWAPPED)
    assert stage.born(5) == STARTED | SWAPPED


def test_a_successor_that_lives_for_ten_seconds_has_proved_its_models(stage: Stage) -> None:
    stage.leave(SWAPPED)
    for generation in range(1, 6):
        assert stage.born(generation) == STARTED | SWAPPED
        keeper = Keeper(stage.shared, lambda: Left(SessionState(1, 120.0, {}, None), (), STARTED | SWAPPED, ""))
        for now_us in (5 * US_PER_S, 6 * US_PER_S, 15 * US_PER_S):
            keeper.advance(now_us)


def test_a_young_life_proves_nothing(stage: Stage) -> None:
    stage.leave(SWAPPED)
    for generation in (1, 2):
        stage.born(generation)
        keeper = Keeper(stage.shared, lambda: Left(SessionState(1, 120.0, {}, None), (), STARTED | SWAPPED, ""))
        for now_us in (5 * US_PER_S, 14 * US_PER_S):
            keeper.advance(now_us)
    assert stage.born(3) == STARTED


@pytest.mark.parametrize("error", [BundleError("It is damaged."), ZeroDivisionError(), MemoryError()])
def test_a_model_that_cannot_be_loaded_again_gives_way_to_that_of_the_start(stage: Stage, error: Exception) -> None:
    stage.leave(SWAPPED)
    stage.broken["other"] = error
    assert stage.born(1) == STARTED
