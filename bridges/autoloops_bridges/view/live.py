"""The live view: snapshots for the painter, keys for the desk."""

import signal
import sys
from collections.abc import Callable
from typing import Final

from autoloops_bridges.processes.report import hint_lines
from autoloops_bridges.view.desk import Desk
from autoloops_bridges.view.painter import Painter, standard_painter
from autoloops_bridges.view.scene import Scene
from autoloops_bridges.view.snapshot import Snapshot, Watch, snapshot
from autoloops_bridges.view.watched import LastMove, WatchedSurface
from autoloops_engine.messages import FromPlayer, PortsState, ToPlayer
from autoloops_engine.session.surface import Surface
from autoloops_engine.units import US_PER_MS, US_PER_S

if sys.platform != "win32":
    from autoloops_bridges.view.screen import line_by_line

_FRAME_US: Final = 100 * US_PER_MS
# What stays as it is is shown again at times, as the terminal may have got another size.
_STILL_US: Final = US_PER_S
# How long the thread that draws may keep the others of main waiting.
_SWITCH_INTERVAL_S: Final = 0.000_5


class LiveView:
    """Draws ten times a second what plays, and does what keys say."""

    def __init__(self, scene: Scene, painter: Painter) -> None:
        self._scene = scene
        self._painter = painter
        self._watch = Watch(scene.options, scene.osc)
        self._last = LastMove()
        self._desk = Desk(self.surface(lambda: "the keyboard"))
        self._due_us = 0
        self._again_us = 0
        self._shown: Snapshot | None = None

    @property
    def dropped(self) -> int:
        """None: only the latest is shown."""
        return 0

    def surface(self, source: Callable[[], str]) -> Surface:
        """The session, watched."""
        return WatchedSurface(self._scene.session, self._last, source)

    def line(self, text: str) -> None:
        """See ``View``."""
        self._watch.remark(text)

    def greet(self, ports: PortsState | None) -> None:
        """Say what is wrong with the ports and what to try; the rest is shown all the time."""
        remarks = ports.remarks if ports is not None else ()
        for text in (*remarks, *hint_lines(self._scene.options, self._scene.osc)):
            self._watch.remark(text)

    def sent(self, message: ToPlayer, now_us: int) -> None:
        """See ``View``."""
        self._watch.sent(message, now_us)

    def heard(self, message: FromPlayer) -> None:
        """See ``View``."""
        self._watch.heard(message)

    def decoded(self, decode_us: int) -> None:
        """See ``View``."""
        self._watch.decode_us = decode_us

    def press(self, keys: bytes, now_us: int) -> None:
        """See ``View``."""
        for key in keys.decode("ascii", "replace"):
            self._desk.press(key, now_us, playing=self._scene.session.playing)
        self._due_us = now_us

    def advance(self, now_us: int) -> None:
        """Hand a snapshot over, unless the terminal has not taken the last one or nothing changed."""
        if now_us < self._due_us:
            return
        self._due_us = now_us + _FRAME_US
        if self._painter.busy:
            return
        scene = self._scene
        shown = snapshot(
            scene.session,
            self._watch,
            now_us,
            selected=self._desk.selected,
            budget_us=scene.budget.total_us,
            listeners=scene.listeners(),
            stats=scene.stats.player,
            move=self._last.move,
        )
        if shown != self._shown or now_us >= self._again_us:
            self._shown, self._again_us = shown, now_us + _STILL_US
            self._painter.show(shown)

    def next_deadline_us(self) -> int | None:
        """See ``View``."""
        return self._due_us

    def close(self, patience_s: float) -> None:
        """See ``View``."""
        self._painter.close(patience_s)
        if sys.platform != "win32":
            # The parent does that itself, unless its own death is what ends us.
            line_by_line(1)


def open_live_view(scene: Scene) -> LiveView:
    """A live view on the terminal of the standard output."""
    if sys.platform != "win32":
        # The parent is in the terminal's foreground, this process is not: writing must not stop it.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    return LiveView(scene, standard_painter())
