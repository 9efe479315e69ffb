"""Parts that share a latent point: who joins whom, who leaves, and what becomes of it when a model is swapped."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint, point_at
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.habits import NO_CORNERS, Habits
from autoloops_engine.session.motion import Motion
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import PartSetup, Settings
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target


def link(stage: Stage, part: PartSession, names: Sequence[str], now_us: int) -> None:
    """Let a part share the latent point of others, from the next bar that is not frozen on.

    Where these have points of their own, that of the first counts for all. The part leaves whom it shared with before.

    Raises:
        UsageError: there is no such part, or it plays another model.
    """
    others = [stage.part(name) for name in names]
    first = others[0]
    for other in (part, *others):
        if not first.settings.point.space.same_model(other.settings.point.space):
            raise UsageError(
                f"{first.name} plays {stage.models[first.name]} and {other.name} plays {stage.models[other.name]}; "
                "only parts of the same model can share a latent point."
            )
    _touch_group(stage, part)
    stage.links.leave(part.name)
    stage.links.join([part.name, *names])
    _touch_group(stage, part)
    for other in stage.linked(first):
        with stage.settling(other):
            other.follow(first, now_us)
    move_along(stage, first)


def unlink(stage: Stage, part: PartSession) -> None:
    """Give a part a latent point of its own again: to begin with, the one where it is."""
    _touch_group(stage, part)
    stage.links.leave(part.name)


def set_motion(stage: Stage, part: PartSession, motion: Motion, corners: tuple[int, ...]) -> None:
    """How the latent point of a part moves from here on, which is that of all who share it.

    Args:
        stage: The stage.
        part: The part.
        motion: How it moves.
        corners: The slots that its pad was laid between.
    """
    for each in (part, *stage.linked(part)):
        habits = stage.habits[each.name]
        before = _shown(habits)
        habits.motion, habits.corners = motion, corners
        for name, value in _shown(habits).items():
            if before[name] != value:
                stage.touch(Target(name, each.name))


def move_along(stage: Stage, part: PartSession) -> None:
    """Let all who share the latent point of a part move as it does."""
    set_motion(stage, part, stage.habits[part.name].motion, stage.habits[part.name].corners)


def swap_model(stage: Stage, setup: PartSetup, z: Sequence[float] | None, now_us: int) -> None:
    """Give a part another model; see ``Session.swap_model``."""
    part = stage.part(setup.name)
    seed, sharing = part.settings.seed, stage.born_with(setup)
    if sharing is None:
        point = point_at(setup.space, setup.space.new_point(seed) if z is None else z)
    else:
        point = sharing.settings.point.seen_in(setup.space)
    stage.touch(Target("length", part.name))
    with stage.settling(part):
        part.swap(_settings_for(setup, part, point), setup.bars, setup.codec, now_us)
        if sharing is not None:
            part.follow(sharing, now_us)
    unlink(stage, part)
    if sharing is not None:
        stage.links.join([part.name, sharing.name])
        _touch_group(stage, part)
    if sharing is None:
        # Where it was on its way to lies in the latent space of the old model.
        set_motion(stage, part, structs.replace(stage.habits[part.name].motion.released(), walked=()), NO_CORNERS)
    else:
        move_along(stage, sharing)
    stage.fired[part.name] = Fired(0, point, seed)
    stage.models[part.name] = setup.model
    stage.setups[part.name] = setup
    stage.touch(Target("model", part.name))


def _settings_for(setup: PartSetup, part: PartSession, point: LatentPoint) -> Settings:
    """A part's settings for another model: that one is to be heard, and steps of another kind are no steps of its."""
    limits = part.settings.limits
    if setup.codec.name != part.codec.name:
        limits = limits.without_kept()
    return replace(part.settings, point=point, limits=limits, as_heard=())


def restore_links(stage: Stage, groups: Iterable[Sequence[str]]) -> None:
    """Put the groups back to what a former session left.

    A part that it did not have, or whose model is another than the first one's, shares with nobody.
    """
    for name in stage.parts:
        stage.links.leave(name)
    for group in groups:
        parts = [stage.parts[name] for name in group if name in stage.parts]
        same = [part for part in parts if part.settings.point.space.same_model(parts[0].settings.point.space)]
        stage.links.join(part.name for part in same)


def _shown(habits: Habits) -> dict[str, tuple[float, ...]]:
    """What a performer sees of how a point moves."""
    motion = habits.motion
    return {
        "corners": habits.corners,
        "pad": (motion.x, motion.y),
        "walk": (motion.walk,),
        "orbit": (motion.orbit, motion.orbit_bars),
    }


def _touch_group(stage: Stage, part: PartSession) -> None:
    for each in (part, *stage.linked(part)):
        stage.touch(Target("link", each.name))
