"""Every sink's view of the performance, and what is handed out to each. Pure."""

from autoloops_engine.notes import Bar, Tie
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.feel import Feel
from autoloops_engine.player.held import HeldParts
from autoloops_engine.player.outlet import Outlet, Part
from autoloops_engine.time.songline import SongLine

Emission = tuple[str, Event]


class Outlets:
    """The outlets by key, and the events that wait for ``take``. Thread: the owner's only. Blocks: never.

    A patient outlet is served by ``catch_up``, when those that are heard have had theirs. Whatever would change what
    it is owed serves it first, so it hears what a prompt one hears.
    """

    def __init__(self) -> None:
        self._outlets: dict[str, Outlet] = {}
        self._patient: set[str] = set()
        self._owed: tuple[SongLine, dict[str, Part], int | None, int] | None = None
        self._emissions: list[Emission] = []

    @property
    def waiting(self) -> bool:
        """Whether there are events to take."""
        return bool(self._emissions)

    @property
    def lead_us(self) -> int:
        """How far ahead the sinks want their events at most."""
        return max([0, *(outlet.lead_us for outlet in self._outlets.values())])

    @property
    def least_lead_us(self) -> int:
        """How far ahead the last of the sinks wants its events; negative: it is behind."""
        return min([0, *(outlet.lead_us for outlet in self._outlets.values())])

    def add(self, emissions: list[Emission]) -> None:
        """Hand these out as well."""
        self._emissions += emissions

    def take(self) -> list[Emission]:
        """Everything to be handed out, per sink in order of time."""
        emissions, self._emissions = self._emissions, []
        return emissions

    def attach(self, key: str, outlet: Outlet, *, patient: bool) -> None:
        """Serve another sink."""
        self.catch_up()
        self._outlets[key] = outlet
        if patient:
            self._patient.add(key)

    def set_lead(self, key: str, lead_us: int) -> None:
        """Hand a sink its events so long before they are to be heard, from now on."""
        self.catch_up()
        self._outlets[key].lead_us = lead_us

    def detach(self, key: str, now_us: int) -> None:
        """End what sounds there, and serve a sink no more."""
        self.catch_up()
        self._patient.discard(key)
        self._emit(key, self._outlets.pop(key).end_sounding(now_us))

    def roll(self, parts: HeldParts, from_ub: int, position_ub: int) -> None:
        """Line up what lies from ``from_ub`` on; time starts to run at ``position_ub``."""
        self.catch_up()
        for outlet in self._outlets.values():
            parts.line_up(outlet, from_ub)
            outlet.roll(position_ub)

    def add_bar(self, part: str, song_bar: int, bar: Bar, ties: tuple[Tie, ...], from_ub: int) -> None:
        """Line up a frozen bar; see ``Voice.add_bar``."""
        self.catch_up()
        for outlet in self._outlets.values():
            outlet.add_bar(part, song_bar, bar, ties, from_ub)

    def splice(self, part: str, feel: Feel, song_bar: int, bar: Bar, ties: tuple[Tie, ...], splice_ub: int) -> None:
        """Replace the rest of a bar; see ``Outlet.splice``."""
        self.catch_up()
        for outlet in self._outlets.values():
            outlet.splice(part, feel, song_bar, bar, ties, splice_ub)

    def serve(self, song: SongLine, parts: dict[str, Part], end_ub: int | None, now_us: int) -> None:
        """Hand out what is due by ``now_us``, to those that are not patient."""
        self.catch_up()
        self._owed = (song, parts, end_ub, now_us)
        for key, outlet in self._outlets.items():
            if key not in self._patient:
                self._emit(key, outlet.serve(song, parts, end_ub, now_us))

    def catch_up(self) -> None:
        """Hand out what the patient ones are owed."""
        if self._owed is None:
            return
        owed, self._owed = self._owed, None
        for key in self._patient:
            self._emit(key, self._outlets[key].serve(*owed))

    def end_sounding(self, now_us: int, parts: tuple[str, ...] | None = None) -> None:
        """End what sounds, of these parts or of all."""
        self.catch_up()
        for key, outlet in self._outlets.items():
            self._emit(key, outlet.end_sounding(now_us, parts))

    def forget(self, part: str) -> None:
        """A part is gone; what sounded of it must have been ended."""
        self.catch_up()
        for outlet in self._outlets.values():
            outlet.forget(part)

    def silence(self, channels: list[int], now_us: int) -> None:
        """Tell every sink to end whatever sounds on these channels."""
        self._emissions += [
            (key, Event(now_us, Kind.SILENCE, "", channel, 0)) for channel in channels for key in self._outlets
        ]

    def clear(self) -> None:
        """Forget what is lined up; what sounds must have been ended."""
        self.catch_up()
        for outlet in self._outlets.values():
            outlet.clear()

    def next_deadline_us(self, song: SongLine, parts: dict[str, Part], end_ub: int | None) -> int | None:
        """When ``serve`` is to be called next; None when nothing is left before the end."""
        times_us = (outlet.next_deadline_us(song, parts, end_ub) for outlet in self._outlets.values())
        return min((due_us for due_us in times_us if due_us is not None), default=None)

    def _emit(self, key: str, events: list[Event]) -> None:
        self._emissions += [(key, event) for event in events]
