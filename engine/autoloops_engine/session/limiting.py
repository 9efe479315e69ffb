"""Scale, chords, and what is frozen or left out of a part: how they are read and set."""

from dataclasses import replace
from typing import Final

import msgspec

from autoloops_engine.codecs import drums
from autoloops_engine.constraints.bias import sounding_pitches
from autoloops_engine.constraints.limits import HIGHEST, LOWEST, Limits
from autoloops_engine.errors import UsageError
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import flag, steps_of, told_steps, whole
from autoloops_engine.units import STEPS_PER_BAR

# As they stand in addresses.
VOICES: Final = tuple(name.replace(" ", "-") for name in drums.VOICES)


def voices_of(part: PartSession) -> tuple[str, ...]:
    """The drum voices of a part; none if it is pitched."""
    return () if part.codec.pitched else VOICES


def read_scale(stage: Stage, target: Target) -> Values:
    """The scale as words."""
    return tuple(stage.harmony.scale.split())


def write_scale(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another scale; see ``Harmony.with_scale``."""
    stage.keep_to(stage.harmony.with_scale(_words(values)), now_us)
    stage.touch(target)


def read_chords(stage: Stage, target: Target) -> Values:
    """The progression as it was written."""
    return (stage.harmony.chords,)


def write_chords(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another progression; see ``Harmony.with_chords``."""
    stage.keep_to(stage.harmony.with_chords(_words(values)), now_us)
    stage.touch(target)


def read_range(stage: Stage, target: Target) -> Values:
    """The lowest and the highest pitch that sounds."""
    limits = _pitched(stage, target).settings.limits
    return (limits.low, limits.high)


def write_range(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another range; one that leaves a part nothing to play, as it is transposed, is refused."""
    part = _pitched(stage, target)
    low, high = (whole((value,), LOWEST, HIGHEST) for value in values)
    if low > high:
        raise UsageError(f"The range goes from the lowest to the highest pitch, not from {low} to {high}.")
    lowest, highest = sounding_pitches(part.settings.shift)
    if low > highest or high < lowest:
        raise UsageError(f"Nothing of {part.name} sounds from {low} to {high}: its pitches are {lowest} to {highest}.")
    _limit(stage, part, msgspec.structs.replace(part.settings.limits, low=low, high=high), now_us)
    stage.touch(target)


def read_freeze(stage: Stage, target: Target) -> Values:
    """The frozen steps of the loop, from 1; 0 for none."""
    return told_steps(stage.part(target.part).settings.limits.frozen)


def write_freeze(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Freeze steps of the loop as they sound."""
    part = stage.part(target.part)
    steps = steps_of(values, part.length_bars * STEPS_PER_BAR)
    limits = _keeping(part) if steps else part.settings.limits
    if steps and len(limits.kept) <= max(steps):
        raise UsageError("A step is frozen as it sounds: let the loop play through once, then freeze it.")
    _limit(stage, part, msgspec.structs.replace(limits, frozen=steps), now_us)
    stage.touch(target)


def read_frozen(stage: Stage, target: Target) -> Values:
    """Whether a drum voice is frozen."""
    part = stage.part(target.part)
    return (int(_voice(part, target) in part.settings.limits.frozen_voices),)


def write_frozen(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Freeze a drum voice as it sounds, or let it go."""
    part = stage.part(target.part)
    voice, freeze = _voice(part, target), flag(values)
    limits = _keeping(part) if freeze else part.settings.limits
    if freeze and len(limits.kept) < part.length_bars * STEPS_PER_BAR:
        raise UsageError("A voice is frozen as it sounds: let the loop play through once, then freeze it.")
    voices = limits.frozen_voices | {voice} if freeze else limits.frozen_voices - {voice}
    _limit(stage, part, msgspec.structs.replace(limits, frozen_voices=voices), now_us)
    stage.touch(target)


def read_voice(stage: Stage, target: Target) -> Values:
    """Whether a drum voice plays."""
    part = stage.part(target.part)
    return (int(_voice(part, target) not in part.settings.limits.muted_voices),)


def write_voice(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let a drum voice play, or leave it out: the others are drawn as if it were not there."""
    part = stage.part(target.part)
    voice, limits = _voice(part, target), part.settings.limits
    voices = limits.muted_voices - {voice} if flag(values) else limits.muted_voices | {voice}
    _limit(stage, part, msgspec.structs.replace(limits, muted_voices=voices), now_us)
    stage.touch(target)


def _words(values: Values) -> str:
    return " ".join(str(value) for value in values)


def _keeping(part: PartSession) -> Limits:
    return part.settings.limits.keeping(part.loop_steps())


def _limit(stage: Stage, part: PartSession, limits: Limits, now_us: int) -> None:
    stage.change(part, replace(part.settings, limits=limits), now_us)


def _pitched(stage: Stage, target: Target) -> PartSession:
    part = stage.part(target.part)
    if not part.codec.pitched:
        raise UsageError(f"{part.name} plays drums, which have no range; /al/{part.name}/voice/NAME 0 leaves one out.")
    return part


def _voice(part: PartSession, target: Target) -> int:
    voices = voices_of(part)
    if target.key not in voices:
        known = f"its voices are: {', '.join(voices)}" if voices else "only drums have voices"
        raise UsageError(f"There is no voice {target.key} in {part.name}; {known}.")
    return voices.index(target.key)
