"""A double for tests of controllers: a surface that only remembers."""

from autoloops_engine.errors import UsageError
from autoloops_engine.session.surface import Target, Values

LATENT_SIZE = 4
KNOBS = 30
ATTRIBUTES = ("density", "range")


class MemorySurface:
    """Keeps the values that it is given and a record of everything that was done, in order.

    Attributes:
        values: The present values.
        done: Each set and each act as (target, values), in order.
    """

    def __init__(self, parts: tuple[str, ...] = ("melody", "bass")) -> None:
        self.values: dict[Target, Values] = {Target("tempo"): (120.0,)}
        self.done: list[tuple[Target, Values]] = []
        self._parts: tuple[str, ...] = ()
        self._touched: dict[Target, None] = {}
        for channel, part in enumerate(parts, 1):
            self.join(part, channel)

    def join(self, part: str, channel: int) -> None:
        """Another part, with values at rest."""
        self._parts = (*self._parts, part)
        self.values[Target("z", part)] = (0.0,) * LATENT_SIZE
        self.values[Target("mute", part)] = (False,)
        self.values[Target("seed", part)] = (1,)
        self.values[Target("channel", part)] = (channel,)
        self.values.update({Target("knob", part, index + 1): (0.5,) for index in range(KNOBS)})
        self.values.update({Target("attr", part, name): (0.5,) for name in ATTRIBUTES})

    def parts(self) -> tuple[str, ...]:
        """The parts given at the start, and those that joined in."""
        return self._parts

    def attributes(self, part: str) -> tuple[str, ...]:
        """The same for every part."""
        return ATTRIBUTES

    def targets(self) -> tuple[Target, ...]:
        """Everything that has a value."""
        return tuple(self.values)

    def get(self, target: Target) -> Values:
        """The value that was set last."""
        self._check(target)
        return self.values[target]

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """Remember the values."""
        self._check(target)
        if target.name == "z" and len(values) != LATENT_SIZE:
            raise UsageError(f"The latent point has {LATENT_SIZE} coordinates, not {len(values)}.")
        self.values[target] = values
        self.done.append((target, values))
        self._touched[target] = None

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """Remember the deed."""
        if target.part and target.part not in self._parts:
            raise UsageError(f"There is no part {target.part!r}.")
        self.done.append((target, values))

    def touched(self) -> tuple[Target, ...]:
        """What was set since the last call."""
        touched, self._touched = tuple(self._touched), {}
        return touched

    def _check(self, target: Target) -> None:
        if target not in self.values:
            raise UsageError(f"There is no {target.name} of {target.part!r} here.")
