"""What can be done to a session: one row for each verb."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Continue, Panic, Start, Stop
from autoloops_engine.session import capturing, later, membership, moving, sequence, slots, timing, travel
from autoloops_engine.session.firing import when_named
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.past import REMEMBERED_BARS
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import whole
from autoloops_engine.time.quantum import When

# A start waits this long for bar 1 as the controls are, then plays what the player holds.
START_PATIENCE_US: Final = 100_000

Verb = Callable[[Stage, Target, Values, int], None]


def act(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Do what a verb says; see ``Surface.act``."""
    if target.name not in VERBS:
        raise UsageError(f"There is no verb {target.name}.")
    VERBS[target.name](stage, target, values, now_us)


def start_if_ready(stage: Stage, now_us: int) -> None:
    """Let a start that waits begin, if bar 1 lies ready or it waited long enough."""
    if stage.start_by_us is None:
        return
    if now_us >= stage.start_by_us or all(part.cued() for part in stage.parts.values()):
        stage.start_by_us = None
        stage.messages.append(stage.transport.tell(Start()))


def _start(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    stage.start_by_us = now_us + START_PATIENCE_US
    start_if_ready(stage, now_us)


def _continue(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    stage.messages.append(stage.transport.tell(Continue()))


def _stop(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    stage.start_by_us = None
    stage.messages.append(stage.transport.tell(Stop()))


def _panic(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    stage.messages.append(Panic())


def _fire(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    what = str(values[0]) if values else "new"
    part = stage.part(target.part)
    when = stage.when(part, values[1:])
    fired = stage.fired[part.name] = stage.fired[part.name].fire(what, part.settings, part.z())
    for other in stage.linked(part):
        point = fired.point.seen_in(other.settings.point.space)
        stage.fired[other.name] = replace(stage.fired[other.name], point=point, seed=other.settings.seed)
    position_ub = stage.launch(part, when, now_us, point=stage.drifting(part, fired.point), seed=fired.seed)
    later.choke(stage, part, position_ub, now_us)


def _store(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    slots.store(stage, _meant(stage, target), target.key, whole=not target.part)


def _recall(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    parts, when = _meant(stage, target), _when(stage, target, values)
    position_ub = slots.recall(stage, parts, target.key, when, now_us, whole=not target.part)
    if target.part:
        later.choke(stage, parts[0], position_ub, now_us)


def _back(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    parts, when = _meant(stage, target), _when(stage, target, values[1:])
    position_ub = travel.back(stage, parts, whole(values[:1], 0, REMEMBERED_BARS), when, now_us)
    if target.part:
        later.choke(stage, parts[0], position_ub, now_us)


def _keep(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    bars_ago = whole(values, 0, REMEMBERED_BARS) if values else 0
    travel.keep(stage, _meant(stage, target), target.key, bars_ago)


def _meant(stage: Stage, target: Target) -> list[PartSession]:
    """The part that an address names, or all of them."""
    return [stage.part(target.part)] if target.part else list(stage.parts.values())


def _when(stage: Stage, target: Target, words: Values) -> When:
    """The launch quantisation that is asked for; else that of the part, and for the whole rig the bar line."""
    return stage.when(stage.part(target.part), words) if target.part else when_named(str((*words, When.BAR)[0]))


def _restart(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    part = stage.part(target.part)
    when = stage.when(part, values)
    # The loop's bars stay on the song's bar lines, so a restart falls on one at the earliest.
    stage.launch(part, When.BAR if when in {When.NOW, When.BEAT} else when, now_us, restart=True)


VERBS: Final[dict[str, Verb]] = {
    "start": _start,
    "continue": _continue,
    "stop": _stop,
    "panic": _panic,
    "fire": _fire,
    "restart": _restart,
    "tap": timing.tap,
    "nudge": timing.nudge,
    "store": _store,
    "slot": _recall,
    "clear": slots.clear,
    "glide": moving.glide,
    "hear": capturing.hear,
    "capture": capturing.capture,
    "load": capturing.load,
    "parts/add": membership.call,
    "remove": membership.leave,
    "back": _back,
    "keep": _keep,
    "sequence/add": sequence.add,
    "sequence/keep": sequence.keep,
    "sequence/remove": sequence.remove,
    "sequence/clear": sequence.clear,
}
