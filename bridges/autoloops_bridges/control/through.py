"""A surface in front of another: those that add something to what is set and done begin here."""

from autoloops_engine.session.surface import Surface, Target, Values


class Through:
    """Hands everything on to ``surface``; see ``Surface`` for what each method does and raises.

    Thread: the owner's only. Blocks: no.

    Args:
        surface: What is really acted on.
    """

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def parts(self) -> tuple[str, ...]:
        """See ``Surface``."""
        return self._surface.parts()

    def attributes(self, part: str) -> tuple[str, ...]:
        """See ``Surface``."""
        return self._surface.attributes(part)

    def targets(self) -> tuple[Target, ...]:
        """See ``Surface``."""
        return self._surface.targets()

    def get(self, target: Target) -> Values:
        """See ``Surface``."""
        return self._surface.get(target)

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``."""
        self._surface.set(target, values, now_us)

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``."""
        self._surface.act(target, values, now_us)

    def touched(self) -> tuple[Target, ...]:
        """See ``Surface``."""
        return self._surface.touched()
