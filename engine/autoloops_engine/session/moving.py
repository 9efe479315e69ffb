"""How parts move through latent space while they play, and what they do by themselves when a loop is through."""

from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Frozen
from autoloops_engine.philox import derived_seed
from autoloops_engine.session import later, slots
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.habits import FIRES, FOLLOWS, NO_CORNERS
from autoloops_engine.session.motion import Motion
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import Launch, Settings
from autoloops_engine.session.sharing import set_motion
from autoloops_engine.session.stage import Stage, carried
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import number, several, whole
from autoloops_engine.units import BAR_UB, MAX_COORDINATE

MAX_GLIDE_BARS: Final = 256
MAX_PASSES: Final = 256
MAX_GROUPS: Final = 16


def bar_frozen(stage: Stage, part: PartSession, frozen: Frozen) -> None:
    """A bar was frozen: what moves takes its step for the next one, and a loop that is through may be followed."""
    next_bar = frozen.song_bar + 1
    if _is_last(stage, part, next_bar):
        _step(stage, part, next_bar, frozen.at_us)
    habits = stage.habits[part.name]
    if habits.follow == "off" or part.loop_bar(next_bar) != 0:
        return
    habits.passes += 1
    if habits.passes >= habits.follow_passes:
        habits.passes = 0
        _follow(stage, part, habits.follow, next_bar, frozen.at_us)


def read_corners(stage: Stage, target: Target) -> Values:
    """The slots that the pad was laid between; they may hold something else by now."""
    return stage.habits[stage.part(target.part).name].corners


def write_corners(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Lay the pad between two or four slots; 0 takes it away."""
    part = stage.part(target.part)
    numbers = several(values, slots.MAX_SLOTS, "slots")
    corners = [slots.stored_settings(stage, part, each).point.z() for each in numbers]
    motion = _motion(stage, part).between(part.settings.point.base, corners)
    _move(stage, part, motion, now_us)
    set_motion(stage, part, motion, numbers or NO_CORNERS)
    stage.touch(target)


def read_pad(stage: Stage, target: Target) -> Values:
    """Where on the pad."""
    motion = _motion(stage, stage.part(target.part))
    return (motion.x, motion.y)


def write_pad(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Move on the pad: x, and y where there are four corners."""
    part = stage.part(target.part)
    motion = _motion(stage, part)
    x, y = number(values[:1], 0, 1), number(values[1:], 0, 1) if len(values) > 1 else motion.y
    _move(stage, part, msgspec.structs.replace(motion, x=x, y=y), now_us)
    stage.touch(target)


def read_walk(stage: Stage, target: Target) -> Values:
    """Speed of the random walk."""
    return (_motion(stage, stage.part(target.part)).walk,)


def write_walk(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let the point walk around its base; at 0 it goes back."""
    part = stage.part(target.part)
    motion = msgspec.structs.replace(_motion(stage, part), walk=number(values, 0, 1))
    _move(stage, part, motion if motion.walk else msgspec.structs.replace(motion, walked=()), now_us)
    stage.touch(target)


def read_orbit(stage: Stage, target: Target) -> Values:
    """Radius of the orbit, and bars of a round."""
    motion = _motion(stage, stage.part(target.part))
    return (motion.orbit, motion.orbit_bars)


def write_orbit(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let the point circle around its base; at 0 it goes back."""
    part = stage.part(target.part)
    motion = _motion(stage, part)
    bars = number(values[1:], 1, MAX_GLIDE_BARS) if len(values) > 1 else motion.orbit_bars
    motion = msgspec.structs.replace(motion, orbit=number(values[:1], 0, 1), orbit_bars=bars)
    _move(stage, part, motion, now_us)
    stage.touch(target)


def read_follow(stage: Stage, target: Target) -> Values:
    """What follows, and after how many passes."""
    habits = stage.habits[stage.part(target.part).name]
    return (habits.follow, habits.follow_passes)


def write_follow(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another follow action; the passes count from here."""
    habits = stage.habits[stage.part(target.part).name]
    action, passes = str(values[0]), whole(values[1:], 1, MAX_PASSES) if len(values) > 1 else 1
    if action not in FOLLOWS:
        raise UsageError(f"It takes {', '.join(FOLLOWS)}, not {action}.")
    habits.follow, habits.follow_passes, habits.passes = action, passes, 0
    stage.touch(target)


def glide(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Move to what a slot holds, over so many bars, from the next bar that is not frozen on.

    Raises:
        UsageError: the slot holds nothing of the part, or too few or too many bars.
    """
    part = stage.part(target.part)
    bars = whole(values, 1, MAX_GLIDE_BARS)
    end = slots.stored_settings(stage, part, target.key).point.z()
    point = part.settings.point
    # Knobs and faders stay where they are; what they add comes on top of where the glide leads.
    start = point.base if point.motion is None else point.base + point.motion
    motion = _motion(stage, part).gliding(point.base, start, end, part.next_bar, bars)
    _move(stage, part, motion, now_us)
    set_motion(stage, part, motion, NO_CORNERS)


def _is_last(stage: Stage, part: PartSession, next_bar: int) -> bool:
    """Whether a part is the last to freeze a bar of those who share its point.

    What moves takes one step a bar for all of them, and none is to be decoded from where the point goes next.
    """
    members = [part, *stage.linked(part)]
    staying = [member for member in members if member.name not in stage.leaving] or members
    return part in staying and all(member.next_bar >= next_bar for member in staying)


def _motion(stage: Stage, part: PartSession) -> Motion:
    return stage.habits[part.name].motion


def _move(stage: Stage, part: PartSession, motion: Motion, now_us: int) -> None:
    set_motion(stage, part, motion, stage.habits[part.name].corners)
    settings = part.settings
    offset = motion.offset(settings.point.space, stage.leader(part).settings.seed, part.next_bar)
    stage.change(part, replace(settings, point=carried(settings.point, offset)), now_us)


def _step(stage: Stage, part: PartSession, next_bar: int, now_us: int) -> None:
    motion, point = _motion(stage, part), part.settings.point
    replaced = [each.take_replaced() for each in (part, *stage.linked(part))]
    elsewhere = any(replaced) and not np.array_equal(point.base, motion.base)
    if motion.pulls and (elsewhere or point.motion is None):
        # The base was replaced (a fire, a recall, another z): the point is free again.
        motion = motion.released()
        set_motion(stage, part, _motion(stage, part), NO_CORNERS)
    elif motion.over(next_bar) and point.motion is not None:
        base = np.clip(point.base + point.motion, -MAX_COORDINATE, MAX_COORDINATE)
        stage.change(part, replace(part.settings, point=replace(point, base=base, motion=None)), now_us)
        motion = motion.released()
    motion = motion.stepped(point.space.size, stage.leader(part).settings.seed, next_bar)
    if motion != _motion(stage, part) or motion.glide_to or motion.orbit:
        _move(stage, part, motion, now_us)


def _follow(stage: Stage, part: PartSession, action: str, next_bar: int, now_us: int) -> None:
    fired = stage.fired[part.name]
    if action in FIRES:
        fired = fired.fire(action, part.settings, part.z())
        launch = Launch(next_bar * BAR_UB, stage.drifting(part, fired.point), fired.seed)
    else:
        found = _next_slot(stage, part, next_bar if action == "random" else None)
        if found is None:
            return
        slot, settings = found
        fired = Fired(fired.count, settings.point, settings.seed)
        settings = replace(settings, point=stage.drifting(part, settings.point))
        launch = Launch(next_bar * BAR_UB, settings=settings)
        stage.habits[part.name].recalled = slot
    stage.fired[part.name] = fired
    stage.line_up(part, launch, now_us)
    if not part.muted:
        # One that was choked plays on unheard; what follows there does not take the turn back.
        later.choke(stage, part, launch.position_ub, now_us)


def _next_slot(stage: Stage, part: PartSession, drawn: int | None) -> tuple[int, Settings] | None:
    """The slot behind the one that was recalled last, or one drawn by chance; None when none fits the part.

    Nobody waits for an answer here: of one that does not fit the performer is told, and another one is taken.
    """
    last, held = stage.habits[part.name].recalled, slots.slots_of(stage, part)
    behind = [slot for slot in held if slot > last] + [slot for slot in held if slot < last]
    if drawn is not None and behind:
        first = derived_seed(part.settings.seed, drawn) % len(behind)
        behind = behind[first:] + behind[:first]
    for slot in [*behind, *(slot for slot in held if slot == last)]:
        try:
            return slot, slots.stored_settings(stage, part, slot)
        except UsageError as error:
            stage.fail(f"/al/{part.name}/slot/{slot}", str(error))
    return None
