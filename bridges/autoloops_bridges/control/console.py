"""The session as OSC clients have it: beside the surface there are MIDI learn and the lights of controllers."""

from collections.abc import Callable
from typing import Final

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.control.learn import Learner
from autoloops_bridges.control.through import Through
from autoloops_engine.session.surface import Surface, Target, Values

_LEARN: Final = "learn"


class Console(Through):
    """Hands everything on to ``surface`` but what belongs to the mapping.

    Thread: the owner's only. Blocks: no.

    Args:
        surface: What is really acted on.
        learner: What learns.
        changed: Called when values changed.
    """

    def __init__(self, surface: Surface, learner: Learner, changed: Callable[[], None]) -> None:
        super().__init__(surface)
        self._learner = learner
        self._changed = changed

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``; what is set is what MIDI learn takes for touched."""
        super().set(target, values, now_us)
        self._learner.touched(address_of(target), now_us)

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``."""
        if not learns(self._learner, target, values, now_us):
            super().act(target, values, now_us)

    def touched(self) -> tuple[Target, ...]:
        """See ``Surface``; the lights of controllers follow."""
        touched = super().touched()
        if touched:
            self._changed()
        return touched


def learns(learner: Learner, target: Target, values: Values, now_us: int) -> bool:
    """Do what a verb of MIDI learn says; whether it is one.

    Raises:
        UsageError: it makes no sense now.
    """
    noun, _, verb = target.name.partition("/")
    if target.part or noun != _LEARN:
        return False
    words = [str(value) for value in values]
    match verb:
        case "":
            learner.begin(words[0] if words else "", values[1:], now_us)
        case "replace" | "both":
            learner.decide(replace=verb == "replace")
        case "cancel":
            learner.cancel()
        case "undo":
            learner.undo()
        case "forget":
            learner.forget(words[0])
    return True
