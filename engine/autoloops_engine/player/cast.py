"""Parts of the player that come, change and leave. Pure."""

from typing import NamedTuple

from autoloops_engine.messages import AddPart, FromPlayer, Mute, PartGone, RemovePart, SetPart
from autoloops_engine.player.held import HeldParts
from autoloops_engine.player.outlets import Outlets
from autoloops_engine.time.songline import SongLine
from autoloops_engine.time.timeline import bar_of

CastMessage = SetPart | AddPart | RemovePart | Mute


class Moment(NamedTuple):
    """When and where a message comes.

    Attributes:
        now_us: The time.
        position_ub: Where the song is, in micro-beats.
        playing: Whether time runs.
        epoch: Of the position.
        changes: From when and where on another route can be heard; see ``PartBars.set_route``.
    """

    now_us: int
    position_ub: int
    playing: bool
    epoch: int
    changes: tuple[int, int] | None

    @property
    def first_bar(self) -> int:
        """The first bar that a part can play which comes now."""
        return bar_of(self.position_ub) + self.playing


class Cast:
    """Lets parts come and leave. Thread: the owner's only. Blocks: never.

    Args:
        parts: The parts.
        outlets: Where they are heard.
    """

    def __init__(self, parts: HeldParts, outlets: Outlets) -> None:
        self._parts = parts
        self._outlets = outlets

    def take(self, message: CastMessage, at: Moment) -> list[FromPlayer]:
        """Do what a message says; what to tell of it."""
        match message:
            case SetPart():
                self._parts.route(message, at.first_bar, at.changes)
            case AddPart(route=route):
                first_bar = message.first_bar if message.epoch == at.epoch else 0
                self._parts.add(route, max(first_bar, at.first_bar), at.changes)
            case Mute(part=part, muted=muted):
                self._mute(part, muted=muted, now_us=at.now_us)
            case RemovePart(part=part):
                if not self._leaves_later(message, at):
                    self._outlets.end_sounding(at.now_us, (part,))
                    return self._dismiss([part])
        return []

    def dismiss_left(self, song: SongLine, now_us: int) -> list[FromPlayer]:
        """Let those go whose last note has ended for every sink; what to tell of it."""
        return self._dismiss(self._parts.left(song, now_us + self._outlets.least_lead_us))

    def dismiss_leaving(self) -> list[FromPlayer]:
        """Let everybody go who is to leave somewhere ahead, when nothing sounds; what to tell of it."""
        return self._dismiss(self._parts.leaving())

    def next_leave_us(self, song: SongLine) -> int | None:
        """When ``dismiss_left`` has to be called next; None: nobody is to leave."""
        leave_us = self._parts.next_leave_us(song)
        return None if leave_us is None else leave_us - self._outlets.least_lead_us

    def _leaves_later(self, message: RemovePart, at: Moment) -> bool:
        """Whether a part has a place ahead to leave at, which is noted."""
        bars, position_ub = self._parts.get(message.part), message.position_ub
        if bars is None or position_ub is None or not at.playing or message.epoch != at.epoch:
            return False
        if position_ub > at.position_ub:
            bars.leaves_ub = position_ub
        return position_ub > at.position_ub

    def _dismiss(self, parts: list[str]) -> list[FromPlayer]:
        """These parts are gone; nothing of them sounds any more."""
        for part in parts:
            self._outlets.forget(part)
            self._parts.remove(part)
        return [PartGone(part) for part in parts]

    def _mute(self, part: str, *, muted: bool, now_us: int) -> None:
        bars = self._parts.get(part)
        if bars is None or bars.muted == muted:
            return
        bars.muted = muted
        if muted:
            self._outlets.end_sounding(now_us, (part,))
