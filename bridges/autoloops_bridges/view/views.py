"""What the performer sees of main: a line for each bar, or the live view; main tells both the same."""

from collections.abc import Callable
from typing import Protocol

from autoloops_bridges.processes.report import BarLines, Printer, start_lines
from autoloops_bridges.view.following import FollowingNews
from autoloops_bridges.view.scene import Scene
from autoloops_engine.messages import FromPlayer, Frozen, PortsState, SyncState, ToPlayer
from autoloops_engine.session.surface import Surface


class View(Protocol):
    """What main tells. Thread: the owner's only. Blocks: only ``close``."""

    @property
    def dropped(self) -> int:
        """Lines that nobody read."""

    def surface(self, source: Callable[[], str]) -> Surface:
        """What a controller is to act on; ``source`` says which one acts at this moment."""

    def line(self, text: str) -> None:
        """Tell the performer something."""

    def greet(self, ports: PortsState | None) -> None:
        """All is ready; ``ports`` None: the player has not said which it opened."""

    def sent(self, message: ToPlayer, now_us: int) -> None:
        """A message leaves for the player."""

    def heard(self, message: FromPlayer) -> None:
        """A message came from the player, and the session knows of it."""

    def decoded(self, decode_us: int) -> None:
        """A decode took so long."""

    def press(self, keys: bytes, now_us: int) -> None:
        """Keys were pressed, a byte each."""

    def advance(self, now_us: int) -> None:
        """Show what has become due."""

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has to be called next; None: no need."""

    def close(self, patience_s: float) -> None:
        """Show what waits, for so long at most, and give the terminal back."""


class PlainView:
    """Prints what happens line by line, for a log."""

    def __init__(self, scene: Scene, printer: Printer) -> None:
        self._scene = scene
        self._printer = printer
        self._bar_lines = BarLines(scene.session.parts)
        self._following = FollowingNews()

    @property
    def dropped(self) -> int:
        """See ``View``."""
        return self._printer.dropped

    def surface(self, source: Callable[[], str]) -> Surface:
        """The session itself."""
        return self._scene.session

    def line(self, text: str) -> None:
        """See ``View``."""
        self._printer.line(text)

    def greet(self, ports: PortsState | None) -> None:
        """See ``View``."""
        for text in start_lines(self._scene.options, self._scene.osc, ports, self._scene.budget.total_us):
            self._printer.line(text)

    def sent(self, message: ToPlayer, now_us: int) -> None:
        """Nothing is printed of it."""

    def heard(self, message: FromPlayer) -> None:
        """Print a bar that is complete, and what became of following."""
        line: str | None = None
        if isinstance(message, Frozen):
            line = self._bar_lines.add(message, self._scene.session.misses, self._scene.stats.player.late_max_us)
        elif isinstance(message, SyncState):
            line = self._following.heard(message)
        if line:
            self._printer.line(line)

    def decoded(self, decode_us: int) -> None:
        """Nothing is printed of it."""

    def press(self, keys: bytes, now_us: int) -> None:
        """There are no keys without a view."""

    def advance(self, now_us: int) -> None:
        """Nothing becomes due."""

    def next_deadline_us(self) -> int | None:
        """Nothing becomes due."""
        return None

    def close(self, patience_s: float) -> None:
        """See ``View``."""
        self._printer.close(patience_s)


def open_view(scene: Scene) -> View:
    """The view that the performer asked for; the parent has found out whether there is a terminal for the live one."""
    if scene.options.plain:
        return PlainView(scene, Printer())
    # What draws is loaded only where something is drawn.
    from autoloops_bridges.view.live import open_live_view

    return open_live_view(scene)
