"""A part's settings, and the launches that change them at a position."""

from collections.abc import Container, Iterable
from dataclasses import replace

from autoloops_engine.session.settings import Launch, Settings, launched
from autoloops_engine.time.timeline import bar_of


class Lineup:
    """The settings that hold, and what is lined up to change them.

    Attributes:
        settings: What holds where nothing is lined up before.
        origin_bar: The song bar on which bar 0 of the loop falls.
        replaced: Whether a launch has put another point into the place of the one that was.
        splice: The launch that is to be spliced into a bar that is frozen already; None: none.

    Args:
        settings: What to start from.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.origin_bar = 0
        self.splice: Launch | None = None
        self.replaced = False
        self._launches: list[Launch] = []

    @property
    def launches(self) -> tuple[Launch, ...]:
        """What is lined up, by position."""
        return tuple(self._launches)

    def resume(self, settings: Settings, origin_bar: int, launches: Iterable[Launch]) -> None:
        """Take over what a former session left."""
        self.settings = settings
        self.origin_bar = origin_bar
        self._launches = list(launches)

    def add(self, launch: Launch) -> None:
        """Line up a launch; of its kind (fires, restarts) those for the same position or later fall away."""
        self._launches = [
            old for old in self._launches if old.position_ub < launch.position_ub or old.restart != launch.restart
        ]
        self._launches.append(launch)
        self._launches.sort(key=lambda each: each.position_ub)

    def commit(self, launch: Launch) -> None:
        """Let a launch take effect for good."""
        self.settings = launched(self.settings, launch)
        self.replaced |= launch.point is not None or launch.settings is not None
        if launch.restart:
            self.origin_bar = bar_of(launch.position_ub)

    def commit_until(self, position_ub: int) -> None:
        """Let every launch up to a position take effect for good."""
        for launch in [due for due in self._launches if due.position_ub <= position_ub]:
            self._launches.remove(launch)
            self.commit(launch)

    def jump(self) -> None:
        """The position jumped: every launch takes effect, and the loop's phase is the song's."""
        self.splice = None
        for launch in self._launches:
            self.commit(launch)
        self._launches.clear()
        self.origin_bar = 0

    def change_model(self, settings: Settings) -> None:
        """Settings of another model; points of the old one's space are none of the new one's."""
        self.settings = settings
        # A restart does not care what plays.
        self._launches = [launch for launch in self._launches if launch.point is None and launch.settings is None]
        self.splice = None

    def follow(self, other: "Lineup") -> None:
        """Take over the latent point of another lineup and what is lined up to change it; restarts stay one's own."""
        space = self.settings.point.space
        self.settings = replace(self.settings, point=other.settings.point.seen_in(space))
        points = [(launch.position_ub, launch.point) for launch in other.launches if launch.point is not None]
        launches = [launch for launch in self._launches if launch.point is None]
        launches += [Launch(position_ub, point.seen_in(space)) for position_ub, point in points]
        self._launches = sorted(launches, key=lambda each: each.position_ub)

    def at(self, position_ub: int) -> tuple[Settings, int]:
        """The settings and the origin that hold at a position."""
        settings, origin_bar = self.settings, self.origin_bar
        for launch in self._launches:
            if launch.position_ub <= position_ub:
                settings = launched(settings, launch)
                origin_bar = bar_of(launch.position_ub) if launch.restart else origin_bar
        return settings, origin_bar

    def at_start(self) -> Settings:
        """The settings that hold from a start on, which lets every launch that is lined up take effect."""
        settings = self.settings
        for launch in self._launches:
            settings = launched(settings, launch)
        return settings

    def find_splice(self, frozen: Container[int]) -> None:
        """A launch into a bar that is frozen already becomes a splice, and its settings hold from that moment on."""
        for launch in list(self._launches):
            if bar_of(launch.position_ub) in frozen:
                self._launches.remove(launch)
                self.commit(launch)
                self.splice = launch
