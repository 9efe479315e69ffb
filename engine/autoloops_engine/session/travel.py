"""Time travel: a loop that sounded before comes back as it was, or goes into a slot after the fact."""

from dataclasses import replace

from autoloops_engine.constraints.limits import frozen_steps
from autoloops_engine.errors import UsageError
from autoloops_engine.session import slots
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import Settings
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.surface import Key
from autoloops_engine.session.takes import take_of_loop
from autoloops_engine.time.quantum import When


def back(stage: Stage, parts: list[PartSession], bars_ago: int, when: When, now_us: int) -> int:
    """Let parts play, from a launch point on, what they played so many bars ago: the same notes.

    The controls are what they were then; moving one goes on from there.

    Returns:
        The first launch point, in micro-beats; 0 where there are no parts.

    Raises:
        UsageError: what sounded then is not known, or not any more.
    """
    positions_ub = []
    for part, settings in [(part, heard(part, bars_ago)) for part in parts]:
        stage.fired[part.name] = Fired(stage.fired[part.name].count, settings.point, settings.seed)
        positions_ub.append(stage.launch(part, when, now_us, settings=settings, to_group=len(parts) == 1))
    return min(positions_ub, default=0)


def keep(stage: Stage, parts: list[PartSession], key: Key, bars_ago: int) -> None:
    """Put into a slot what parts played so many bars ago.

    Raises:
        UsageError: there is no such slot, or what sounded then is not known, or not any more.
    """
    for part, settings in [(part, heard(part, bars_ago)) for part in parts]:
        slots.put(stage, part, key, settings, take_of_loop(part.channel, part.past.loop(bars_ago)))


def heard(part: PartSession, bars_ago: int) -> Settings:
    """The settings with which a part plays what it played so many bars ago.

    Raises:
        UsageError: that is not known, or not any more.
    """
    loop = part.past.loop(bars_ago)
    if not loop:
        raise UsageError(f"What {part.name} played {bars_ago} bars ago is not known: the loop was not through yet.")
    return replace(loop[-1].settings, hold=True, as_heard=frozen_steps(bar.steps for bar in loop))
