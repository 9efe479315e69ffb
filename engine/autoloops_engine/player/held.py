"""All parts of the player with the bars that it holds for them."""

from collections.abc import Iterator

from autoloops_engine.messages import Adopt, Frozen, SetPart
from autoloops_engine.notes import Tie
from autoloops_engine.player.bars import PartBars
from autoloops_engine.player.outlet import Outlet, Part
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import BAR_UB


class HeldParts:
    """The parts by name, in the order in which they came. Thread: the owner's only. Blocks: never.

    Attributes:
        end_ub: The song ends there, in micro-beats; None: it goes on.
    """

    def __init__(self) -> None:
        self.end_ub: int | None = None
        self._parts: dict[str, PartBars] = {}

    def get(self, name: str) -> PartBars | None:
        """A part; None: there is none of that name."""
        return self._parts.get(name)

    @property
    def channels(self) -> list[int]:
        """The MIDI channels in use, ascending."""
        return sorted({bars.route.channel for bars in self._parts.values()})

    @property
    def early_ub(self) -> int:
        """The greatest early microtiming of any part, in micro-beats."""
        return max((bars.route.early_ub for bars in self._parts.values()), default=0)

    @property
    def ahead_us(self) -> int:
        """How much ahead of the song the earliest part plays."""
        return max([0, *(-bars.route.offset_us for bars in self._parts.values())])

    def line_us(self, time_us: int) -> int:
        """How far any part is along the song's time at ``time_us``."""
        return max((bars.offset.line_us(time_us) for bars in self._parts.values()), default=time_us)

    def route(self, route: SetPart, next_bar: int, changes: tuple[int, int] | None) -> None:
        """Take another route of a part, or a part that begins with ``next_bar``; see ``PartBars.set_route``."""
        if route.part in self._parts:
            self._parts[route.part].set_route(route, changes)
        else:
            self._parts[route.part] = PartBars(route, next_bar)

    def add(self, route: SetPart, first_bar: int, changes: tuple[int, int] | None) -> None:
        """A part that plays from ``first_bar`` on, or one that was to leave and stays."""
        self.route(route, first_bar, changes)
        self._parts[route.part].leaves_ub = None

    def remove(self, name: str) -> None:
        """A part is gone."""
        self._parts.pop(name, None)

    def leaving(self) -> list[str]:
        """The parts that are to leave somewhere ahead."""
        return [name for name, bars in self._parts.items() if bars.leaves_ub is not None]

    def left(self, song: SongLine, time_us: int) -> list[str]:
        """The parts whose last note has ended by ``time_us``."""
        return [name for name, due_us in self._leave_us(song) if due_us <= time_us]

    def next_leave_us(self, song: SongLine) -> int | None:
        """When the next part leaves; None: none is to."""
        return min((due_us for _, due_us in self._leave_us(song)), default=None)

    def settle(self) -> None:
        """Time begins to run: every offset and swing holds from the beginning."""
        for bars in self._parts.values():
            bars.set_route(bars.route, None)

    def jump(self, song_bar: int) -> None:
        """Start again at ``song_bar``."""
        for bars in self._parts.values():
            bars.jump(song_bar)

    def adopt(self, message: Adopt, present_bar: int) -> None:
        """Hold what a former player held."""
        self._parts = {route.part: PartBars(route, present_bar) for route in message.parts}
        for held in message.held:
            if held.part in self._parts:
                self._parts[held.part].hold(held.loop_bar, held.bar)
        for part in message.muted:
            if part in self._parts:
                self._parts[part].muted = True

    def next_freeze_us(self, song: SongLine, lead_us: int) -> int | None:
        """When the next bar is frozen; None: none is any more."""
        lines_us = (self._freeze_line_us(bars, song, lead_us) for bars in self._parts.values())
        return min((line_us for line_us in lines_us if line_us is not None), default=None)

    def freeze_due(
        self, epoch: int, song: SongLine, lead_us: int, now_us: int
    ) -> Iterator[tuple[Frozen, tuple[Tie, ...]]]:
        """Freeze what is due by ``now_us``: each bar, with those of its ties that hold."""
        for bars in self._parts.values():
            while (due_us := self._freeze_line_us(bars, song, lead_us)) is not None and due_us <= now_us:
                frozen = bars.freeze(epoch, due_us, now_us)
                yield frozen, bars.ties(frozen.song_bar)

    def told_again(self, epoch: int, now_us: int) -> list[Frozen]:
        """The newest frozen bar of each part, for a main process that took over."""
        return [bars.told_again(epoch, now_us) for bars in self._parts.values()]

    def on(self, song: SongLine) -> dict[str, Part]:
        """What outlets have to know of the parts at this moment."""
        return {
            name: Part(bars.route.channel, bars.muted, bars.feel(song), bars.leaves_ub)
            for name, bars in self._parts.items()
        }

    def line_up(self, outlet: Outlet, position_ub: int) -> None:
        """Hand an outlet what is frozen from a position on, instead of what it has."""
        outlet.clear()
        for name, bars in self._parts.items():
            for song_bar, bar in bars.frozen(bar_of(position_ub)):
                outlet.add_bar(name, song_bar, bar, bars.ties(song_bar), position_ub)

    def _freeze_line_us(self, bars: PartBars, song: SongLine, lead_us: int) -> int | None:
        if any(end_ub is not None and bars.next_bar * BAR_UB >= end_ub for end_ub in (self.end_ub, bars.leaves_ub)):
            return None
        return bars.freeze_line_us(bars.next_bar, song, lead_us)

    def _leave_us(self, song: SongLine) -> Iterator[tuple[str, int]]:
        for name, bars in self._parts.items():
            if bars.leaves_ub is not None:
                yield name, bars.feel(song).time_of(bars.leaves_ub)
