"""Parts that join in and leave while the others play."""

from typing import Final, NamedTuple

from msgspec import structs

from autoloops_engine.errors import UsageError
from autoloops_engine.messages import AddPart, Mute, RemovePart
from autoloops_engine.session import controls, sounding
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import Arrival, PartSetup
from autoloops_engine.session.sharing import move_along
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.values import whole
from autoloops_engine.time.quantum import When
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import BAR_UB

# More than two cores can decode; a client that goes on adding is to be told.
MAX_PARTS: Final = 64
MAX_CHANNEL: Final = 16
PARTS: Final = Target("parts")


class Member(NamedTuple):
    """A part of some moment, with what it was set up with."""

    part: PartSession
    setup: PartSetup


def call(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Ask for a part: its name, its bundle, its MIDI channel and its port. It joins in when its model is loaded.

    Raises:
        UsageError: the name is taken, or there are too many parts.
    """
    if len(values) != 4:
        raise UsageError("A part joins in with a name, a bundle, a MIDI channel and a port.")
    name, bundle, channel, port = values
    arrival = Arrival(str(name), str(bundle), whole((channel,), 1, MAX_CHANNEL), str(port))
    if arrival.part in stage.parts:
        raise name_taken(arrival.part)
    if arrival.part in stage.awaited:
        raise UsageError(f"The part {name} is being loaded already.")
    if len(stage.parts) + len(stage.awaited) >= MAX_PARTS:
        raise UsageError(f"There are {MAX_PARTS} parts, and more cannot be played; remove one first.")
    stage.awaited.add(arrival.part)
    stage.arrivals.append(arrival)


def name_taken(part: str) -> UsageError:
    """Why nobody else can be called that."""
    return UsageError(f"There is a part {part} already; remove it first, or take another name.")


def join(stage: Stage, setup: PartSetup, now_us: int) -> None:
    """A part joins in at the next bar line that its first bar can be decoded for."""
    stage.awaited.discard(setup.name)
    part = stage.add(setup)
    part.keep_to(stage.harmony, now_us)
    part.feel = structs.replace(part.feel, rig=stage.swing)
    sharing = stage.linked(part)
    if sharing:
        part.follow(sharing[0], now_us)
        move_along(stage, sharing[0])
    enter(stage, part, now_us)


def enter(stage: Stage, part: PartSession, now_us: int) -> None:
    """Let a part that the stage has play from the next bar line on that can be reached."""
    state = stage.transport.state
    position_ub = stage.joinable(part, now_us) if stage.playing else state.song_at(now_us)
    first_bar = bar_of(position_ub)
    part.join(state.epoch, first_bar)
    stage.messages.append(AddPart(part.route(), state.epoch, first_bar))
    if sounding.silent(stage, part):
        stage.messages.append(Mute(part.name, True))
    stage.touch(PARTS)
    for target in controls.targets_of(stage, part):
        stage.touch(target)


def leave(stage: Stage, target: Target, values: Values, now_us: int) -> None:
    """Let a part leave: at once while nothing plays, else at the next position that the launch quantisation allows."""
    part = stage.part(target.part)
    when = stage.when(part, values)
    epoch = stage.transport.state.epoch
    if when is When.NOW or not stage.playing:
        stage.messages.append(RemovePart(part.name))
        drop(stage, part.name)
        return
    stage.leaving[part.name] = stage.reachable(part, when, now_us)
    stage.messages.append(RemovePart(part.name, epoch, stage.leaving[part.name]))


def gone(stage: Stage, name: str) -> None:
    """The player says that a part has left; one that was to stay after all, or came back, is none of them."""
    if name in stage.leaving:
        drop(stage, name)


def drop(stage: Stage, name: str) -> None:
    """Forget a part: its addresses answer no more. Its slots stay, for when it comes back."""
    others = stage.linked(stage.parts[name])
    with sounding.telling(stage):
        del stage.parts[name]
        for each in (stage.habits, stage.fired, stage.models, stage.setups, stage.wishes, stage.leaving):
            each.pop(name, None)
    stage.phrases = [phrase for phrase in stage.phrases if phrase.part != name]
    stage.links.leave(name)
    stage.touch(PARTS)
    for other in others:
        stage.touch(Target("link", other.name))


def tell_leaving(stage: Stage) -> None:
    """Tell the player again who is to leave, and where."""
    epoch = stage.transport.state.epoch
    stage.messages += [RemovePart(name, epoch, position_ub) for name, position_ub in stage.leaving.items()]


def assemble(stage: Stage, cast: dict[str, Member], leaving: dict[str, int], now_us: int) -> None:
    """Put the parts back to those of another moment: who came since goes at once, who went comes back.

    Their settings are the caller's; so is what they share.

    Args:
        stage: The stage.
        cast: The parts of that moment, in order.
        leaving: Who of them was to leave, and where.
        now_us: The present time.
    """
    for name in [name for name, part in stage.parts.items() if name not in cast or cast[name].part is not part]:
        stage.messages.append(RemovePart(name))
        drop(stage, name)
    back = [member for name, member in cast.items() if name not in stage.parts]
    for member in back:
        stage.take_in(member.part, member.setup)
    for name in cast:
        # Dictionaries keep the order in which names came.
        stage.parts[name] = stage.parts.pop(name)
    for member in back:
        enter(stage, member.part, now_us)
    for name in stage.leaving.keys() - leaving.keys():
        position_ub = stage.leaving.pop(name)
        part = stage.parts[name]
        stage.messages.append(AddPart(part.route(), stage.transport.state.epoch, position_ub // BAR_UB))
    stage.leaving.update(leaving)
    tell_leaving(stage)
