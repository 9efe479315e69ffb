"""Everything of a session that has a value: which there are, how they are read and how they are set.

The values that are part of a part's settings are the rows of ``PART_VALUES``; those that are kept elsewhere are the
rows of ``STAGE_VALUES``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from autoloops_engine.errors import UsageError
from autoloops_engine.session import capturing, limiting, moving, sequence, slots, sounding, timing
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.sharing import link, unlink
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import MIDI_OUT, Target, Values
from autoloops_engine.session.values import MAX_LENGTH_BARS, PART_VALUES, whole

MAX_CHANNEL: Final = 16
# What `link` says of a part that shares its latent point with nobody.
NO_LINK: Final = "none"


@dataclass(frozen=True, slots=True)
class StageValue:
    """How a value is read and set that is not part of a part's settings.

    Attributes:
        read: The present value.
        write: Sets it at ``now_us``; may raise UsageError.
    """

    read: Callable[[Stage, Target], Values]
    write: Callable[[Stage, Target, Values, int], None]


_WHOLE: Final = ("parts", "tempo", "position", "swing", "sync/multiple", "scale", "chords", "ear", "sequence", "slots")
_PLAIN: Final = (
    "model",
    "temperature",
    "seed",
    "hold",
    "mute",
    "transpose",
    "velocity",
    "accent",
    "length",
    "channel",
    "port",
    "link",
    "rests",
    "freeze",
    "edits",
    "swing",
    "offset",
    "octave",
    "gate",
    "solo",
    "choke",
    "corners",
    "pad",
    "walk",
    "orbit",
    "follow",
    "quantise",
    "slots",
)


def targets(stage: Stage) -> tuple[Target, ...]:
    """Everything that has a value."""
    found = [Target(name) for name in _WHOLE]
    if stage.sync is not None:
        found.append(Target("sync/state"))
    for part in stage.parts.values():
        found += targets_of(stage, part)
    return tuple(found)


def targets_of(stage: Stage, part: PartSession) -> list[Target]:
    """Everything of a part that has a value."""
    name, space = part.name, part.settings.point.space
    found = [Target("z", name)]
    found += [Target("knob", name, i) for i in range(1, len(space.knobs) + 1)]
    found += [Target("attr", name, attribute) for attribute in space.attributes]
    found += [Target(value, name) for value in _PLAIN]
    found += [Target("range", name)] if part.codec.pitched else []
    found += [Target(value, name, voice) for value in ("voice", "frozen") for voice in limiting.voices_of(part)]
    return found


def read(stage: Stage, target: Target) -> Values:
    """The present value; see ``Surface.get``."""
    if target.name in STAGE_VALUES:
        return STAGE_VALUES[target.name].read(stage, target)
    part = stage.part(target.part)
    if target.name not in PART_VALUES:
        raise UsageError(f"There is no value {target.name}.")
    try:
        return PART_VALUES[target.name].read(part, target.key)
    except ValueError as error:
        raise UsageError(str(error)) from error


def write(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Set a value; see ``Surface.set``."""
    if target.name in STAGE_VALUES:
        STAGE_VALUES[target.name].write(stage, target, values, now_us)
        return
    part = stage.part(target.part)
    if target.name not in PART_VALUES:
        raise UsageError(f"There is no value {target.name}.")
    try:
        settings = PART_VALUES[target.name].write(part.settings, target.key, values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    stage.change(part, settings, now_us)
    stage.touch(target)


def _wish_model(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    # Loading takes time: the value changes, and is echoed, when the part has the model.
    stage.wishes[stage.part(target.part).name] = str(values[0])


def _set_length(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    part = stage.part(target.part)
    with stage.settling(part):
        part.set_length(whole(values, 1, MAX_LENGTH_BARS), now_us)
    stage.touch(target)


def _link(stage: Stage, target: Target) -> Values:
    return tuple(part.name for part in stage.linked(stage.part(target.part))) or (NO_LINK,)


def _set_link(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    part = stage.part(target.part)
    if values == (NO_LINK,):
        unlink(stage, part)
    else:
        link(stage, part, [str(value) for value in values], now_us)


def _set_channel(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    part = stage.part(target.part)
    with stage.settling(part):
        part.channel = whole(values, 1, MAX_CHANNEL)
    stage.touch(target)


def _set_port(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    part, (port,) = stage.part(target.part), values
    with stage.settling(part):
        part.port = "" if port == MIDI_OUT else str(port)
    stage.touch(target)


def _set_parts(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    raise UsageError("Parts join in by /al/parts/add and leave by /al/PART/remove.")


STAGE_VALUES: Final[dict[str, StageValue]] = {
    "parts": StageValue(lambda stage, target: tuple(stage.parts), _set_parts),
    "tempo": StageValue(timing.read_tempo, timing.set_tempo),
    "position": StageValue(timing.read_position, timing.set_position),
    "swing": StageValue(timing.read_swing_of, timing.set_swing),
    "offset": StageValue(timing.read_offset, timing.set_offset),
    "sync/multiple": StageValue(timing.read_multiple, timing.set_multiple),
    "sync/state": StageValue(timing.read_sync, timing.set_sync),
    "mute": StageValue(sounding.read_mute, sounding.write_mute),
    "solo": StageValue(sounding.read_solo, sounding.write_solo),
    "choke": StageValue(sounding.read_choke, sounding.write_choke),
    "quantise": StageValue(sounding.read_quantise, sounding.write_quantise),
    "corners": StageValue(moving.read_corners, moving.write_corners),
    "pad": StageValue(moving.read_pad, moving.write_pad),
    "walk": StageValue(moving.read_walk, moving.write_walk),
    "orbit": StageValue(moving.read_orbit, moving.write_orbit),
    "follow": StageValue(moving.read_follow, moving.write_follow),
    "model": StageValue(lambda stage, target: (stage.models[stage.part(target.part).name],), _wish_model),
    "ear": StageValue(capturing.read_ear, capturing.write_ear),
    "slots": StageValue(slots.read, slots.write),
    "sequence": StageValue(sequence.read, sequence.write),
    "scale": StageValue(limiting.read_scale, limiting.write_scale),
    "chords": StageValue(limiting.read_chords, limiting.write_chords),
    "range": StageValue(limiting.read_range, limiting.write_range),
    "freeze": StageValue(limiting.read_freeze, limiting.write_freeze),
    "frozen": StageValue(limiting.read_frozen, limiting.write_frozen),
    "voice": StageValue(limiting.read_voice, limiting.write_voice),
    "link": StageValue(_link, _set_link),
    "channel": StageValue(lambda stage, target: (stage.part(target.part).channel,), _set_channel),
    "port": StageValue(lambda stage, target: (stage.part(target.part).port or MIDI_OUT,), _set_port),
    "length": StageValue(lambda stage, target: (stage.part(target.part).length_bars,), _set_length),
}
