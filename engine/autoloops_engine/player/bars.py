"""The bars that the player holds for one part: provisional, frozen, sounding, and those of the last pass."""

from msgspec.structs import replace

from autoloops_engine.messages import Frozen, SetPart, SpliceBar
from autoloops_engine.notes import Bar, Tie
from autoloops_engine.player.feel import Feel
from autoloops_engine.time.nudge import Nudge
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.swing import Swings
from autoloops_engine.units import BAR_UB

_EMPTY = Bar(0, 0)


class PartBars:
    """What a part plays next, whatever becomes of the process that decodes.

    Attributes:
        leaves_ub: Nothing of it begins from this position on, in micro-beats; None: it stays.

    Args:
        route: How the part is routed and how its loop runs.
        first_bar: The first song bar to freeze.
    """

    def __init__(self, route: SetPart, first_bar: int) -> None:
        self.route = route
        self.muted = False
        self.leaves_ub: int | None = None
        self.swings = Swings(((0, route.swing),))
        self.offset = Nudge(0, route.offset_us, route.offset_us)
        self.next_bar = first_bar
        self._offers: dict[tuple[int, int], Bar] = {}
        self._last_pass: dict[int, Bar] = {}
        self._frozen: dict[int, Bar] = {}

    def loop_bar(self, song_bar: int) -> int:
        """Which bar of the loop sounds at ``song_bar``."""
        return (song_bar - self.route.origin_bar) % self.route.length_bars

    def offer(self, epoch: int, song_bar: int, bar: Bar, present_epoch: int) -> bool:
        """Take a provisional bar; the newest wins.

        Returns:
            False when it comes too late: the bar is frozen, or the position has jumped.
        """
        if epoch < present_epoch or (epoch == present_epoch and song_bar < self.next_bar):
            return False
        self._offers[epoch, song_bar] = bar
        return True

    def feel(self, song: SongLine) -> Feel:
        """How it goes along the song."""
        return Feel(song, self.swings, self.offset)

    def set_route(self, route: SetPart, changes: tuple[int, int] | None) -> None:
        """Another route; its bars are as they were.

        Args:
            route: The route.
            changes: The first time, and the song's position then, of which nothing was handed out yet; None: time
                stands still, so that nothing has to be led over.
        """
        if changes is None:
            self.swings = Swings(((0, route.swing),))
            self.offset = Nudge(0, route.offset_us, route.offset_us)
        else:
            from_us, from_ub = changes
            if route.swing != self.swings.latest:
                self.swings = self.swings.changed(route.swing, from_ub)
            if route.offset_us != self.offset.to_us:
                self.offset = self.offset.by(route.offset_us - self.offset.to_us, from_us)
        self.route = route

    def freeze_line_us(self, song_bar: int, song: SongLine, lead_us: int) -> int:
        """When ``song_bar`` is frozen: ``lead_us`` before its earliest possible event."""
        earliest_ub = song_bar * BAR_UB - self.route.early_ub
        # Swing makes nothing come earlier, and what an offset is on its way to may come earlier than it does now.
        return song.time_of(earliest_ub) + min(0, self.offset.from_us, self.offset.to_us) - lead_us

    def freeze(self, epoch: int, due_us: int, now_us: int) -> Frozen:
        """Freeze the next bar: the newest offer, else the same bar of the last pass, else the one before it again."""
        song_bar = self.next_bar
        loop_bar = self.loop_bar(song_bar)
        if (epoch, song_bar) in self._offers:
            bar, origin = self._offers[epoch, song_bar], "fresh"
        elif loop_bar in self._last_pass:
            bar, origin = self._last_pass[loop_bar], "last"
        elif song_bar - 1 in self._frozen and self._frozen[song_bar - 1] is not _EMPTY:
            bar, origin = self._frozen[song_bar - 1], "again"
        elif self._last_pass:
            # A jump into a loop that grew: the bar of the loop that lies before, or the last there is.
            before = max((at for at in self._last_pass if at < loop_bar), default=max(self._last_pass))
            bar, origin = self._last_pass[before], "again"
        else:
            bar, origin = _EMPTY, "empty"
        self._offers = {at: old for at, old in self._offers.items() if at > (epoch, song_bar)}
        self._frozen = {at: old for at, old in self._frozen.items() if at >= song_bar - 1}
        self._frozen[song_bar] = bar
        if bar is not _EMPTY:
            self._last_pass[loop_bar] = bar
        self.next_bar = song_bar + 1
        return Frozen(self.route.part, epoch, song_bar, bar, origin, due_us, now_us, self.muted)

    def told_again(self, epoch: int, now_us: int) -> Frozen:
        """The newest frozen bar, for a main process that took over; an empty one before the next bar if none is."""
        song_bar = max(self._frozen, default=self.next_bar - 1)
        bar = self._frozen.get(song_bar, _EMPTY)
        return Frozen(self.route.part, epoch, song_bar, bar, "held", now_us, now_us, self.muted)

    def replace(self, song_bar: int, bar: Bar) -> bool:
        """Put a spliced bar in the place of a frozen one; False when that bar is not held any more."""
        if song_bar not in self._frozen:
            return False
        self._frozen[song_bar] = bar
        self._last_pass[self.loop_bar(song_bar)] = bar
        return True

    def spliced(self, message: SpliceBar, now_us: int) -> Frozen:
        """What to tell of a splice that was taken."""
        at = (message.part, message.epoch, message.song_bar)
        return Frozen(*at, message.bar, "splice", now_us, now_us, self.muted, message.from_ub)

    def ties(self, song_bar: int) -> tuple[Tie, ...]:
        """The ties of a frozen bar that hold: it was decoded after the bar that sounds before it."""
        before, bar = self._frozen.get(song_bar - 1), self._frozen[song_bar]
        return bar.ties if before is not None and bar.after_id == before.id != 0 else ()

    def frozen(self, from_bar: int) -> list[tuple[int, Bar]]:
        """The frozen bars from ``from_bar`` on, in order."""
        return sorted((at, bar) for at, bar in self._frozen.items() if at >= from_bar)

    def hold(self, loop_bar: int, bar: Bar) -> None:
        """Take over a bar of the loop as it last sounded."""
        self._last_pass[loop_bar] = bar

    def jump(self, song_bar: int) -> None:
        """Start again at ``song_bar``: nothing is frozen, and what was offered for other positions falls away."""
        self._frozen.clear()
        self.next_bar = song_bar
        self.set_route(replace(self.route, origin_bar=0), None)
