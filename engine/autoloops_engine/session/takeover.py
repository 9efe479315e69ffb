"""What passes from one process to the next: the session to another main process, and to another player."""

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.messages import Adopt, Ask, HeldBar, SetFreezeLead
from autoloops_engine.session import membership, sounding
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
