"""Which parts are heard: mute, solo and choke groups."""

from collections.abc import Iterator
from contextlib import contextmanager

from autoloops_engine.messages import Mute
from autoloops_engine.session.firing import when_named
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import flag, whole

MAX_GROUPS = 16


def silent(stage: Stage, part: PartSession) -> bool:
    """Whether a part is not heard: it is muted, or others are played solo."""
    solos = any(habits.solo for habits in stage.habits.values())
    return part.muted or (solos and not stage.habits[part.name].solo)


def read_mute(stage: Stage, target: Target) -> Values:
    """Whether a part is muted."""
    return (int(stage.part(target.part).muted),)


def write_mute(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Mute a part at once, or let it be heard."""
    part, muted = stage.part(target.part), flag(values)
    with telling(stage):
        part.muted = muted
    stage.touch(target)


def read_solo(stage: Stage, target: Target) -> Values:
    """Whether a part is played solo."""
    return (int(stage.habits[stage.part(target.part).name].solo),)


def write_solo(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Play a part solo at once, beside others that are."""
    part, solo = stage.part(target.part), flag(values)
    with telling(stage):
        stage.habits[part.name].solo = solo
    stage.touch(target)


def read_choke(stage: Stage, target: Target) -> Values:
    """The choke group of a part."""
    return (stage.habits[stage.part(target.part).name].choke,)


def write_choke(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Put a part into a choke group; 0: none."""
    stage.habits[stage.part(target.part).name].choke = whole(values, 0, MAX_GROUPS)
    stage.touch(target)


def read_quantise(stage: Stage, target: Target) -> Values:
    """The launch quantisation of a part where none is asked for."""
    return (stage.habits[stage.part(target.part).name].quantise.value,)


def write_quantise(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Another launch quantisation of a part; what is lined up stays where it is."""
    stage.habits[stage.part(target.part).name].quantise = when_named(str(values[0]))
    stage.touch(target)


def choke_others(stage: Stage, part: PartSession) -> None:
    """A part is launched: it is heard, and the others of its choke group are muted."""
    group = stage.habits[part.name].choke
    if not group:
        return
    with telling(stage):
        for other in stage.parts.values():
            if stage.habits[other.name].choke == group and other.muted != (other is not part):
                other.muted = other is not part
                stage.touch(Target("mute", other.name))


@contextmanager
def telling(stage: Stage) -> Iterator[None]:
    """Tells the player which parts are heard, or not, by what is done within."""
    before = {name: silent(stage, part) for name, part in stage.parts.items()}
    yield
    for name, part in stage.parts.items():
        if silent(stage, part) != before.get(name, False):
            stage.messages.append(Mute(name, silent(stage, part)))
