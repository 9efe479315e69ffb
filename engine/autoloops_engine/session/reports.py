"""What the player reports, and what follows from it for parts and transport."""

from autoloops_engine.messages import FromPlayer, Frozen, Hello, PartGone, RemovePart, SyncState, TransportState
from autoloops_engine.session import later, membership, moving, takeover
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target
from autoloops_engine.session.transport import Change
from autoloops_engine.time.timeline import bar_of


def take(stage: Stage, message: FromPlayer) -> None:
    """Take in what the player reports; what is the shell's alone is left to it."""
    match message:
        case TransportState():
            _follow(stage, message)
        case Frozen(part=name) if name in stage.parts:
            _froze(stage, message)
        case Frozen(part=name):
            # It left, or joined in when a former main process died, which nobody remembers.
            stage.messages.append(RemovePart(name))
        case PartGone(part=name):
            membership.gone(stage, name)
        case SyncState():
            _heed(stage, message)
        case Hello(generation=generation) if generation > 0:
            takeover.hand_over(stage, generation)


def _follow(stage: Stage, state: TransportState) -> None:
    tempo_bpm = stage.transport.tempo_bpm
    change = stage.transport.follow(state)
    if stage.transport.tempo_bpm != tempo_bpm:
        stage.touch(Target("tempo"))
    for part in stage.parts.values():
        if change is Change.ADOPT:
            part.adopt(state.epoch)
        elif change is Change.JUMP:
            with stage.settling(part):
                part.jump(state.epoch, bar_of(state.gearing.song_at(state.position_ub)))
    if change is Change.JUMP:
        later.jump(stage, state.time_us)


def _froze(stage: Stage, frozen: Frozen) -> None:
    part = stage.parts[frozen.part]
    with stage.settling(part):
        part.froze(frozen, stage.budget_us)
    if frozen.origin not in {"splice", "held"} and frozen.epoch == stage.transport.state.epoch:
        moving.bar_frozen(stage, part, frozen)
    later.settle(stage, frozen.at_us)
    if frozen.bar.id:
        part.held[part.loop_bar(frozen.song_bar)] = frozen.bar


def _heed(stage: Stage, sync: SyncState) -> None:
    tempo_bpm = stage.transport.tempo_bpm
    stage.transport.heed(sync)
    known, stage.sync = stage.sync, sync
    if known != sync:
        stage.touch(Target("sync/state"))
    if stage.transport.tempo_bpm != tempo_bpm:
        stage.touch(Target("tempo"))
