"""Slots: what parts were set to, stored under a number and recalled at a launch point."""

from dataclasses import replace
from typing import Final

import numpy as np
from msgspec import structs

from autoloops_engine.constraints.limits import fits
from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.rig_slots import Scenes, moving, scene_of, scenes_in, set_ground, set_manner
from autoloops_engine.session.scene import Scene
from autoloops_engine.session.settings import Settings
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.state import SettingsState, Stored, restored_settings, settings_state
from autoloops_engine.session.surface import Key, Target, Values
from autoloops_engine.session.takes import Take, take_of_loop
from autoloops_engine.time.quantum import When
from autoloops_engine.units import MAX_COORDINATE

MAX_SLOTS: Final = 64
# What `slots` says where nothing is stored.
NO_SLOTS: Final = (0,)

# By slot, from 1, and then by part.
Slots = dict[int, dict[str, Stored]]


def store(stage: Stage, parts: list[PartSession], key: Key, *, whole: bool) -> None:
    """Keep what parts are set to; what the slot holds of other parts stays.

    Args:
        stage: The stage.
        parts: The parts.
        key: The slot.
        whole: They are the whole rig, and how they stand to each other is kept as well.

    Raises:
        UsageError: there is no such slot.
    """
    if whole:
        # Those who are not there any more stood in another rig.
        slot = stage.slots.get(_number(key), {})
        stage.slots[_number(key)] = {name: structs.replace(stored, scene=None) for name, stored in slot.items()}
    for part in parts:
        put(stage, part, key, part.settings, _take_as_set(stage, part), scene_of(stage, part) if whole else None)


def put(
    stage: Stage, part: PartSession, key: Key, settings: Settings, take: Take | None, scene: Scene | None = None
) -> None:
    """Put settings of a part into a slot, with the loop as it sounded by them.

    Raises:
        UsageError: there is no such slot.
    """
    slot, point = stage.slots.setdefault(_number(key), {}), settings.point
    if point.motion is not None:
        # Where it has got to counts, not how.
        base = np.clip(point.base + point.motion, -MAX_COORDINATE, MAX_COORDINATE)
        settings = replace(settings, point=replace(point, base=base, motion=None))
    if not slot:
        stage.touch(Target("slots"))
    if part.name not in slot:
        stage.touch(Target("slots", part.name))
    stage.slots_changed = True
    harmony, tempo_bpm = stage.harmony, stage.transport.song_tempo_bpm
    what = (stage.models[part.name], settings_state(settings), point.space.family)
    slot[part.name] = Stored(*what, take, harmony.scale, harmony.chords, tempo_bpm, scene)


def clear(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Empty a slot of what it holds of a part, or altogether, parts that are not there included.

    Raises:
        UsageError: there is no such slot, or there is nothing to take out.
    """
    number = _number(target.key)
    slot = stage.slots.get(number, {})
    if target.part and stage.part(target.part).name not in slot:
        raise UsageError(f"Slot {number} holds nothing of {target.part}.")
    if not slot:
        raise UsageError(f"Slot {number} is empty.")
    gone = [target.part] if target.part else list(slot)
    stage.slots[number] = {name: stored for name, stored in slot.items() if name not in gone}
    if not stage.slots[number]:
        del stage.slots[number]
        stage.touch(Target("slots"))
    for name in gone:
        if name in stage.parts:
            stage.touch(Target("slots", name))
    stage.slots_changed = True


def read(stage: Stage, target: Target) -> Values:
    """The slots that hold something, of a part or at all, in order."""
    if target.part:
        name = stage.part(target.part).name
        full = sorted(number for number, slot in stage.slots.items() if name in slot)
    else:
        full = sorted(number for number, slot in stage.slots.items() if slot)
    return tuple(full) or NO_SLOTS


def write(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Raises UsageError: they are not set but filled and emptied."""
    raise UsageError("Slots are filled by /al/store/I or /al/PART/store/I, and emptied by clear in place of store.")


def recall(stage: Stage, parts: list[PartSession], key: Key, when: When, now_us: int, *, whole: bool) -> int:
    """Set parts to what a slot holds, at a launch point; parts that it does not hold stay as they are.

    Args:
        stage: The stage.
        parts: The parts.
        key: The slot.
        when: Launch quantisation.
        now_us: The present time.
        whole: They are the whole rig: how it stood when it was stored as a whole comes back as well.

    Returns:
        The first launch point, in micro-beats.

    Raises:
        UsageError: there is no such slot, or nothing of these parts is in it, or what belongs to another model.
    """
    held = [part for part in parts if part.name in stage.slots.get(_number(key), {})]
    if not held:
        raise UsageError(f"Slot {key} is empty: store something in it first.")
    # All of them are read before one is launched: either all change or none.
    recalled = [(part, stored_settings(stage, part, key)) for part in held]
    scenes = scenes_in(stage.slots[_number(key)], recalled) if whole else {}
    first_ub = min(stage.launch_point(part, when, now_us) for part, _ in recalled)
    seeds = {part.name: settings.seed for part, settings in recalled}
    set_ground(stage, scenes, first_ub, now_us)
    for part, settings in recalled:
        stage.fired[part.name] = Fired(stage.fired[part.name].count, settings.point, settings.seed)
        stage.habits[part.name].recalled = _number(key)
    points: dict[str, LatentPoint] = {}
    for part, settings in recalled:
        # Those who share a point by now go to one, whatever was stored: that of the first of them.
        leader = stage.leader(part).name
        first = leader not in points
        if first:
            points[leader] = _point(stage, part, settings, scenes, seeds.get(leader), first_ub)
        launched = replace(settings, point=points[leader].seen_in(settings.point.space))
        stage.launch(part, when, now_us, settings=launched, to_group=first)
    set_manner(stage, scenes, first_ub, now_us)
    return first_ub


def _point(
    stage: Stage, part: PartSession, settings: Settings, scenes: Scenes, seed: int | None, position_ub: int
) -> LatentPoint:
    """The point of a slot, moving as it did if the whole rig was stored, else as the part moves by now."""
    if part.name not in scenes:
        return stage.drifting(part, settings.point)
    its_seed = stage.leader(part).settings.seed if seed is None else seed
    return moving(scenes[part.name][1], settings, its_seed, position_ub)


def stored_settings(stage: Stage, part: PartSession, key: Key) -> Settings:
    """What a slot holds of a part.

    Raises:
        UsageError: nothing, or what belongs to another model.
    """
    stored = stage.slots.get(_number(key), {}).get(part.name)
    if stored is None:
        raise UsageError(f"Slot {key} holds nothing of {part.name}: store something in it first.")
    if stored.model != stage.models[part.name]:
        raise UsageError(f"Slot {key} holds a loop of {stored.model}, and {part.name} plays {stage.models[part.name]}.")
    try:
        settings = restored_settings(stored.settings, part.settings.point.space)
    except ValueError as error:
        raise UsageError(f"Slot {key} does not fit {part.name}: {error}") from error
    if not fits((*settings.limits.kept, *settings.as_heard), part.codec):
        raise UsageError(f"Slot {key} holds steps that {stored.model} does not know: store something in it anew.")
    family = part.settings.point.space.family
    if stored.family and family and stored.family != family:
        stage.fail(
            f"/al/{part.name}/slot/{key}",
            f"Slot {key} was stored with another training of {stored.model}, whose points meant other loops; "
            "store it anew to have it as it sounds now.",
        )
    return settings


def slots_of(stage: Stage, part: PartSession) -> list[int]:
    """The slots that hold something of a part with the model of that name, in order."""
    model = stage.models[part.name]
    return sorted(
        number for number, slot in stage.slots.items() if part.name in slot and slot[part.name].model == model
    )


def _take_as_set(stage: Stage, part: PartSession) -> Take | None:
    """The loop as it sounds, if all of it was made from what the part is set to; None: that has not sounded yet."""
    loop, drifts = part.past.loop(0), stage.habits[part.name].motion.drifts
    wanted = _to_compare(part.settings, drifts)
    for bar in loop:
        # A splice has only the rest of its bar from these settings.
        if len(bar.frozen) > 1 or bar.harmony != stage.harmony or _to_compare(bar.settings, drifts) != wanted:
            return None
    return take_of_loop(part.channel, loop) if len(loop) == part.length_bars else None


def _to_compare(settings: Settings, drifts: bool) -> SettingsState:
    """Settings as plain data; without what motion adds where each bar has its own."""
    point = settings.point.with_motion(None) if drifts else settings.point
    return settings_state(replace(settings, point=point))


def _number(key: Key) -> int:
    if not isinstance(key, int) or not 1 <= key <= MAX_SLOTS:
        raise UsageError(f"Slots are numbered from 1 to {MAX_SLOTS}, not {key}.")
    return key
