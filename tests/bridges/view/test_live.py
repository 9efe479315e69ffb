"""The live view between main and the painter: how often it shows what, and that it forgets nothing."""

import pytest
from tests.bridges.view.staging import rehearsal

from autoloops_bridges.processes.stats import Stats
from autoloops_bridges.view.live import LiveView
from autoloops_bridges.view.painter import Painter
from autoloops_bridges.view.scene import Scene
from autoloops_bridges.view.snapshot import Snapshot
from autoloops_engine.inference.budget import DecodeBudget
from autoloops_engine.messages import PortsState
from autoloops_engine.session.surface import Target

FRAME_US = 100_000


class Wall(Painter):
    """A painter that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: list[Snapshot] = []
        self.stuck = False

    @property
    def busy(self) -> bool:
        return self.stuck

    def show(self, snapshot: Snapshot) -> None:
        self.shown.append(snapshot)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def view(wall: Wall) -> LiveView:
    stage = rehearsal("melody", "bass")
    scene = Scene(stage.watch.options, ("127.0.0.1", 7400), stage.session, Stats(0), DecodeBudget(), lambda: 2)
    return LiveView(scene, wall)


def run(view: LiveView, until_us: int, from_us: int = 0) -> None:
    """Call the view as often as main turns when much is going on."""
    for now_us in range(from_us, until_us, 1_000):
        view.advance(now_us)


def test_it_shows_ten_times_a_second_at_most(view: LiveView, wall: Wall) -> None:
    for now_us in range(0, 1_000_000, 1_000):
        view.line(f"news {now_us}")
        view.advance(now_us)
    assert len(wall.shown) == 10


def test_what_stays_as_it_is_is_shown_once_a_second(view: LiveView, wall: Wall) -> None:
    run(view, 5_000_000)
    assert len(wall.shown) == 5


def test_a_key_is_answered_at_once(view: LiveView, wall: Wall) -> None:
    run(view, 50_000)
    view.press(b"2m", 50_000)
    view.advance(50_000)
    assert wall.shown[-1].selected == 1
    assert wall.shown[-1].parts[1].muted


def test_while_the_terminal_stands_still_nothing_is_built(view: LiveView, wall: Wall) -> None:
    wall.stuck = True
    run(view, 5_000_000)
    assert wall.shown == []
    wall.stuck = False
    run(view, 5_200_000, 5_000_000)
    assert wall.shown


def test_a_port_that_is_not_there_is_told_before_what_to_try(view: LiveView, wall: Wall) -> None:
    view.greet(PortsState((), (), ("No port is called nord.",)))
    view.advance(0)
    assert wall.shown[-1].remarks[0] == "No port is called nord."
    assert wall.shown[-1].remarks[1].startswith("Try: ")


def test_what_the_rig_file_sets_comes_from_nobody(view: LiveView, wall: Wall) -> None:
    view.surface(lambda: "").set(Target("knob", "bass", 1), (0.25,), 0)
    view.advance(0)
    assert wall.shown[-1].control == "/al/bass/knob/1 0.25"


def test_controllers_of_all_kinds_are_named(view: LiveView, wall: Wall) -> None:
    for at, source in enumerate(("10.0.0.2:9000", "Pads")):
        view.surface(lambda source=source: source).set(Target("knob", "bass", 1), (0.25,), 0)  # type: ignore[misc]
        view.advance(at * FRAME_US)
        assert wall.shown[-1].control == f"/al/bass/knob/1 0.25 from {source}"


def test_what_main_says_is_shown(view: LiveView, wall: Wall) -> None:
    view.greet(None)
    view.line("The player was replaced.")
    view.decoded(1_234)
    view.advance(0)
    assert wall.shown[-1].remarks[0].startswith("Try: ")
    assert wall.shown[-1].remarks[-1] == "The player was replaced."
    assert wall.shown[-1].decode_us == 1_234
    assert wall.shown[-1].listeners == 2
