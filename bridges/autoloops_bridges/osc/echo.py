"""How often changed values are echoed. Pure."""

from typing import Final

from autoloops_engine.session.surface import Target
from autoloops_engine.units import US_PER_S

ECHO_INTERVAL_US: Final = US_PER_S // 30


class EchoThrottle:
    """Lets each target through at most 30 times a second; the last of a burst always comes through.

    Thread: the owner's only. Blocks: no.
    """

    def __init__(self) -> None:
        self._waiting: dict[Target, None] = {}
        self._sent_us: dict[Target, int] = {}

    def touch(self, target: Target) -> None:
        """The value of ``target`` changed."""
        self._waiting[target] = None

    def advance(self, now_us: int) -> list[Target]:
        """What may be sent now; the value is to be read now as well, so that the latest wins."""
        due = [target for target in self._waiting if self._due_us(target) <= now_us]
        for target in due:
            self._sent_us[target] = now_us
            del self._waiting[target]
        return due

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to say; none if nothing waits."""
        return min((self._due_us(target) for target in self._waiting), default=None)

    def _due_us(self, target: Target) -> int:
        sent_us = self._sent_us.get(target)
        return 0 if sent_us is None else sent_us + ECHO_INTERVAL_US
