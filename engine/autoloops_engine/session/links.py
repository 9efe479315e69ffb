"""Which parts share one latent point."""

from collections.abc import Iterable


class Links:
    """Groups of parts, none in two of them; whoever moves the point of one moves that of all in its group."""

    def __init__(self) -> None:
        self._groups: list[frozenset[str]] = []

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The groups of more than one part, names in alphabetical order."""
        return tuple(tuple(sorted(group)) for group in self._groups)

    def others(self, part: str) -> frozenset[str]:
        """Who shares the point of a part, without itself."""
        return self._group(part) - {part}

    def join(self, parts: Iterable[str]) -> None:
        """Make one group of the groups of these parts."""
        united = frozenset[str]().union(*(self._group(part) for part in parts))
        self._groups = [group for group in self._groups if not group & united]
        if len(united) > 1:
            self._groups.append(united)

    def leave(self, part: str) -> None:
        """Take a part out of its group; one that is left over alone is in none."""
        rest = self.others(part)
        self._groups = [group for group in self._groups if part not in group]
        self.join(rest)

    def _group(self, part: str) -> frozenset[str]:
        return next((group for group in self._groups if part in group), frozenset({part}))
