"""What passes from one process to the next: the session to another main process, and to another player."""

import numpy as np
from msgspec import structs

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.messages import Adopt, Ask, HeldBar, SetFreezeLead
from autoloops_engine.session import later, membership, sounding
from autoloops_engine.session.habits import Habits
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.sharing import restore_links
from autoloops_engine.session.stage import FREEZE_LEAD_US, Stage
from autoloops_engine.session.state import SessionState, part_state, restore_part


def state_of(stage: Stage) -> SessionState:
    """The session as plain data."""
    transport, harmony = stage.transport, stage.harmony
    return SessionState(
        stage.seed,
        transport.tempo_bpm,
        {name: part_state(part, stage.fired[name], stage.habits[name]) for name, part in stage.parts.items()},
        transport.state,
        harmony.scale,
        harmony.chords,
        stage.links.groups,
        stage.swing,
        stage.listens,
        dict(stage.leaving),
        stage.came,
        stage.later,
    )


def restore(stage: Stage, state: SessionState) -> None:
    """Take over what a former main process left, and ask the player for the rest.

    The performer is told of each part that begins anew: its model is another.
    """
    # The player knows the parts as they are, not as they were set up at the start.
    stage.messages.clear()
    stage.seed = state.seed
    stage.swing = state.swing
    stage.listens = state.listens
    stage.transport.restore(state.tempo_bpm, state.transport)
    stage.harmony = Harmony().with_scale(state.scale).with_chords(state.chords)
    for name, part in stage.parts.items():
        if name in state.parts:
            try:
                stage.fired[name] = restore_part(part, state.parts[name], stage.harmony)
                stage.habits[name] = state.parts[name].habits
            except ValueError as error:
                stage.fail(f"/al/{name}/model", f"The part {name} begins anew: {error}")
        stage.messages.append(part.route())
    restore_links(stage, state.links)
    stage.came = max(stage.came, state.came)
    stage.later = state.later
    stage.leaving = {name: at_ub for name, at_ub in state.leaving.items() if name in stage.parts}
    stage.messages.append(Ask())
    membership.tell_leaving(stage)


def resume(stage: Stage, state: SessionState) -> None:
    """Go on with what was set in a performance that is over, before another begins with bar 1.

    What was lined up has taken effect; the tempo is the one that the session began with. The performer is told of each
    part that begins anew: its model is another.
    """
    stage.seed = state.seed
    stage.listens = state.listens
    stage.keep_to(Harmony().with_scale(state.scale).with_chords(state.chords), 0)
    stage.set_swing(state.swing)
    with sounding.telling(stage):
        for name, part in stage.parts.items():
            if name not in state.parts:
                continue
            with stage.settling(part):
                try:
                    stage.fired[name] = restore_part(part, state.parts[name], stage.harmony)
                except ValueError as error:
                    stage.fail(f"/al/{name}/model", f"The part {name} begins anew: {error}")
                    continue
                part.jump(stage.transport.state.epoch, 0)
            stage.habits[name] = _from_bar_1(state.parts[name].habits, part)
    stage.later = state.later
    later.jump(stage, 0)
    restore_links(stage, state.links)
    stage.came = max(stage.came, state.came)


def hand_over(stage: Stage, generation: int) -> None:
    """Tell a player that took over all that the former one knew, and what it had not confirmed."""
    parts = stage.parts.values()
    for part in parts:
        part.offer_again()
    muted = tuple(part.name for part in parts if sounding.silent(stage, part))
    held = tuple(HeldBar(part.name, at, bar) for part in parts for at, bar in part.held.items())
    routes = tuple(part.route() for part in parts)
    stage.messages += [
        Adopt(generation, stage.transport.state, routes, muted, held),
        SetFreezeLead(FREEZE_LEAD_US),
        *stage.transport.unconfirmed(),
    ]
    membership.tell_leaving(stage)


def _from_bar_1(habits: Habits, part: PartSession) -> Habits:
    """Habits without the bars of another performance: a glide goes on from where it has got to."""
    motion, point = habits.motion, part.settings.point
    if motion.glide_to:
        start = point.base if point.motion is None else point.base + point.motion
        motion = motion.gliding(point.base, start, np.array(motion.glide_to), 0, motion.glide_bars)
    return structs.replace(habits, motion=motion, passes=0)
