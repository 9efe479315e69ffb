"""Undo and redo of what a performer did, one step for each movement of a control."""

from collections import deque
from typing import Final, NamedTuple

from msgspec import structs

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.errors import UsageError
from autoloops_engine.session import capturing, controls, later, sounding
from autoloops_engine.session.ear import Phrase
from autoloops_engine.session.feel import PartFeel
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.habits import Habits
from autoloops_engine.session.membership import Member, assemble, join
from autoloops_engine.session.scene import Later
from autoloops_engine.session.settings import Launch, PartSetup, Settings
from autoloops_engine.session.sharing import restore_links
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.state import Stored
from autoloops_engine.session.surface import Target
from autoloops_engine.session.takes import Sequence
from autoloops_engine.time.swing import Swing
from autoloops_engine.units import US_PER_S

MAX_STEPS: Final = 256
# Values of one control that follow each other within this time are one movement.
PAUSE_US: Final = US_PER_S
# What the steps are called in which a part joins in, or takes up a phrase.
_JOIN: Final = "join"
_TAKE_UP: Final = "take up"
# What cannot be undone: it has sounded, or is no change, or takes time of its own.
_PASSING: Final = frozenset(
    {
        *("start", "continue", "stop", "panic", "position", "sync/multiple", "tap", "nudge"),
        *("hear", "ear", "capture", "load", "model", "parts/add", "undo", "redo"),
    }
)


class _Part(NamedTuple):
    member: Member
    settings: Settings
    launches: tuple[Launch, ...]
    length_bars: int
    origin_bar: int
    channel: int
    port: str
    muted: bool
    feel: PartFeel
    habits: Habits
    fired: Fired


class _Snapshot(NamedTuple):
    parts: dict[str, _Part]
    harmony: Harmony
    swing: Swing
    tempo_bpm: float
    links: tuple[tuple[str, ...], ...]
    slots: dict[int, dict[str, Stored]]
    leaving: dict[str, int]
    sequence: Sequence
    later: tuple[Later, ...]


class Undo:
    """What was, before each step. Thread: the session's only."""

    def __init__(self) -> None:
        self._past: deque[_Snapshot] = deque(maxlen=MAX_STEPS)
        self._future: list[_Snapshot] = []
        self._last: tuple[Target, int] | None = None

    def before(self, stage: Stage, target: Target, now_us: int) -> "_Snapshot | None":
        """What is, before a control is moved; None when there is nothing to go back to."""
        return None if target.name in _PASSING or self._goes_on(target, now_us) else _snapshot(stage)

    def done(self, snapshot: "_Snapshot | None", target: Target, now_us: int) -> None:
        """A control was moved, and that worked."""
        if target.name in _PASSING:
            return
        if not self._joins(target, now_us):
            self._last = (target, now_us)
        self._future.clear()
        if snapshot is not None:
            self._past.append(snapshot)

    def undo(self, stage: Stage, now_us: int) -> None:
        """Go one step back.

        Raises:
            UsageError: there is none.
        """
        if not self._past:
            raise UsageError("There is nothing to undo.")
        self._future.append(_snapshot(stage))
        self._go(stage, self._past.pop(), now_us)

    def redo(self, stage: Stage, now_us: int) -> None:
        """Go one step forward again.

        Raises:
            UsageError: there is none.
        """
        if not self._future:
            raise UsageError("There is nothing to redo.")
        self._past.append(_snapshot(stage))
        self._go(stage, self._future.pop(), now_us)

    def join(self, stage: Stage, setup: PartSetup, now_us: int) -> None:
        """A part joins in, which is a step of its own."""
        before = _snapshot(stage)
        join(stage, setup, now_us)
        self.done(before, Target(_JOIN, setup.name), now_us)

    def take_up(self, stage: Stage, phrase: Phrase, z: list[float], now_us: int) -> None:
        """A part takes up a phrase, which is a step of its own.

        Raises:
            UsageError: the part is gone, or its model is another by now.
        """
        before = _snapshot(stage)
        capturing.take_up(stage, phrase, z, now_us)
        self.done(before, Target(_TAKE_UP, phrase.part), now_us)

    def setups(self) -> list[PartSetup]:
        """What the parts of every step were set up with."""
        return [was.member.setup for step in (*self._past, *self._future) for was in step.parts.values()]

    def clear(self) -> None:
        """What was does not fit what is: a model was swapped."""
        self._past.clear()
        self._future.clear()
        self._last = None

    def _goes_on(self, target: Target, now_us: int) -> bool:
        """Whether the last step goes on: the same control moves, or what just joined in is set up."""
        if self._last is None:
            return False
        last, at_us = self._last
        return self._joins(target, now_us) or (last == target and now_us - at_us < PAUSE_US)

    def _joins(self, target: Target, now_us: int) -> bool:
        """Whether this very moment a part joined in, and what is set belongs to that."""
        return self._last == (Target(_JOIN, target.part), now_us)

    def _go(self, stage: Stage, to: _Snapshot, now_us: int) -> None:
        self._last = None
        targets = {target: controls.read(stage, target) for target in _told(stage)}
        _put_back(stage, to, now_us)
        for target in _told(stage):
            if targets.get(target) != controls.read(stage, target):
                stage.touch(target)


def _told(stage: Stage) -> list[Target]:
    return [target for target in controls.targets(stage) if target.name not in {"position", "sync/state"}]


def _snapshot(stage: Stage) -> _Snapshot:
    parts = {
        name: _Part(
            Member(part, stage.setups[name]),
            part.settings,
            part.launches,
            part.length_bars,
            part.origin_bar,
            part.channel,
            part.port,
            part.muted,
            part.feel,
            structs.replace(stage.habits[name]),
            stage.fired[name],
        )
        for name, part in stage.parts.items()
    }
    slots = {number: dict(slot) for number, slot in stage.slots.items()}
    tempo_bpm, leaving = stage.transport.tempo_bpm, dict(stage.leaving)
    shared = stage.links.groups, slots, leaving, stage.sequence, stage.later
    return _Snapshot(parts, stage.harmony, stage.swing, tempo_bpm, *shared)


def _put_back(stage: Stage, to: _Snapshot, now_us: int) -> None:
    stage.slots = {number: dict(slot) for number, slot in to.slots.items()}
    stage.slots_changed = True
    stage.sequence_changed = stage.sequence_changed or to.sequence is not stage.sequence
    stage.sequence = to.sequence
    stage.harmony = to.harmony
    assemble(stage, {name: was.member for name, was in to.parts.items()}, to.leaving, now_us)
    stage.set_swing(to.swing)
    with sounding.telling(stage):
        for name, was in to.parts.items():
            part = stage.parts[name]
            stage.habits[name] = structs.replace(was.habits)
            stage.fired[name] = was.fired
            with stage.settling(part):
                part.resume(was.settings, was.length_bars, was.origin_bar, was.launches, to.harmony, muted=was.muted)
                part.channel = was.channel
                part.port = was.port
                part.feel = was.feel
                part.settle(now_us)
        stage.later = to.later
        later.settle(stage, now_us)
    restore_links(stage, to.links)
    if to.tempo_bpm != stage.transport.tempo_bpm and not (stage.sync is not None and stage.sync.holds_tempo):
        stage.messages.append(stage.transport.tell_tempo(to.tempo_bpm, 0))
