"""The values and verbs of time: tempo, position, swing, offsets, taps, nudges, and how following goes."""

from typing import Final

from msgspec.structs import replace

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Locate, NudgeBy
from autoloops_engine.session.feel import read_offset_us, read_own_swing, read_swing
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import number
from autoloops_engine.time.gearing import MULTIPLES
from autoloops_engine.units import (
    MAX_NUDGE_MS,
    MAX_POSITION_BEATS,
    MAX_RAMP_BEATS,
    MAX_TEMPO_BPM,
    MIN_TEMPO_BPM,
    UB_PER_BEAT,
    US_PER_MS,
)

# What to call those who may hold the tempo.
_MASTERS: Final = {"midi": "the MIDI clock", "jack": "the JACK transport"}


def read_tempo(stage: Stage, target: Target) -> Values:
    """The present tempo, in beats per minute."""
    return (stage.transport.tempo_bpm,)


def set_tempo(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """The tempo in BPM, and perhaps in how many beats it is to be reached."""
    tempo_bpm = number(values[:1], MIN_TEMPO_BPM, MAX_TEMPO_BPM)
    ramp_beats = number(values[1:], 0, MAX_RAMP_BEATS) if len(values) > 1 else 0.0
    _change_tempo(stage, tempo_bpm, round(ramp_beats * UB_PER_BEAT))


def read_position(stage: Stage, target: Target) -> Values:
    """Where the song is, in beats from bar 1."""
    return (stage.transport.state.song_at(stage.now_us) / UB_PER_BEAT,)


def set_position(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Go to so many beats from bar 1."""
    beats = number(values, 0, MAX_POSITION_BEATS)
    stage.messages.append(Locate(round(beats * UB_PER_BEAT)))
    stage.touch(target)


def read_swing_of(stage: Stage, target: Target) -> Values:
    """The swing of the rig, or the one that a part plays with: percent and grid."""
    swing = stage.part(target.part).feel.swing if target.part else stage.swing
    return (swing.percent, swing.grid)


def set_swing(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another swing of the rig or of a part."""
    if target.part:
        part = stage.part(target.part)
        with stage.settling(part):
            part.feel = replace(part.feel, own=read_own_swing(values, part.feel.swing))
    else:
        stage.set_swing(read_swing(values, stage.swing))
    stage.touch(target)


def read_offset(stage: Stage, target: Target) -> Values:
    """How much later a part plays, in milliseconds."""
    return (stage.part(target.part).feel.offset_us / US_PER_MS,)


def set_offset(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let a part play so many milliseconds later."""
    part = stage.part(target.part)
    with stage.settling(part):
        part.feel = replace(part.feel, offset_us=read_offset_us(values))
    stage.touch(target)


def read_multiple(stage: Stage, target: Target) -> Values:
    """How many times the master's tempo the song plays."""
    return (stage.transport.multiple,)


def set_multiple(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another multiple of the master's tempo."""
    multiple = number(values, min(MULTIPLES), max(MULTIPLES))
    if multiple not in MULTIPLES:
        raise UsageError("It takes 0.5, 1 or 2.")
    stage.messages.append(stage.transport.tell_multiple(multiple))
    stage.touch(target)


def read_sync(stage: Stage, target: Target) -> Values:
    """How following goes."""
    sync = stage.sync
    if sync is None:
        raise UsageError("Nothing is known of it yet; ask again in a second.")
    phase_ms, jitter_ms = sync.phase_error_us / US_PER_MS, sync.jitter_us / US_PER_MS
    return (sync.source, sync.tempo_bpm, phase_ms, jitter_ms, int(sync.locked), sync.peers)


def set_sync(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Following goes as it goes."""
    raise UsageError("It can only be asked.")


def tap(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """A tap at ``now_us``; enough of them set the tempo."""
    _refuse_foreign_tempo(stage)
    tempo_bpm = stage.taps.tap(now_us)
    if tempo_bpm is not None:
        _change_tempo(stage, tempo_bpm, 0)


def nudge(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let everything sound so many milliseconds later."""
    shift_ms = number(values, -MAX_NUDGE_MS, MAX_NUDGE_MS)
    stage.messages.append(NudgeBy(round(shift_ms * US_PER_MS)))


def _change_tempo(stage: Stage, tempo_bpm: float, ramp_ub: int) -> None:
    _refuse_foreign_tempo(stage)
    stage.messages.append(stage.transport.tell_tempo(tempo_bpm, ramp_ub))
    stage.touch(Target("tempo"))


def _refuse_foreign_tempo(stage: Stage) -> None:
    sync = stage.sync
    if sync is not None and sync.holds_tempo:
        master = _MASTERS.get(sync.source, sync.source)
        raise UsageError(f"The tempo comes from {master}; set it there, or play with --sync internal.")
