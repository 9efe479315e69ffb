"""One sink's view of the performance: a voice for each part, the beats, and how far it was served."""

from msgspec import Struct

from autoloops_engine.notes import Bar, Tie
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.feel import Feel
from autoloops_engine.player.voice import Voice
from autoloops_engine.time.quantum import next_multiple
from autoloops_engine.time.timeline import Line
from autoloops_engine.units import BAR_UB, UB_PER_BEAT


class Part(Struct, frozen=True):
    """What an outlet has to know of a part at one moment.

    Attributes:
        leaves_ub: There its notes end, and nothing of it begins any more; None: it stays.
    """

    channel: int
    muted: bool
    feel: Feel
    leaves_ub: int | None = None


class Outlet:
    """Hands out every event ahead of its time.

    Within, times are those at which something is to be heard; what goes out says when it is to be sent.

    Attributes:
        lead_us: How long before it is to be heard an event is handed out.

    Args:
        lead_us: How far ahead the sink wants its events, in microseconds.
        latency_us: How long after it was sent an event is heard; negative: it is to be held back.
    """

    def __init__(self, lead_us: int, latency_us: int = 0) -> None:
        self.lead_us = lead_us + latency_us
        self._latency_us = latency_us
        self._voices: dict[str, Voice] = {}
        self._served_us = 0
        # What a change of line has put before this time comes at this time: what was handed out is over.
        self._floor_us = 0
        self._next_beat_ub = 0

    def voice(self, part: str) -> Voice:
        """The voice of a part, made when first asked for."""
        if part not in self._voices:
            self._voices[part] = Voice(part)
        return self._voices[part]

    def roll(self, position_ub: int) -> None:
        """Time starts to run at ``position_ub``."""
        self._floor_us = 0
        self._next_beat_ub = next_multiple(position_ub, UB_PER_BEAT)

    def add_bar(self, part: str, song_bar: int, bar: Bar, ties: tuple[Tie, ...], from_ub: int) -> None:
        """Line up a frozen bar; see ``Voice.add_bar``."""
        self.voice(part).add_bar(song_bar, bar, ties, from_ub)

    def splice(self, name: str, feel: Feel, song_bar: int, bar: Bar, ties: tuple[Tie, ...], splice_ub: int) -> None:
        """Replace the rest of a bar from ``splice_ub`` on, or from where this sink was served up to."""
        from_ub = max(splice_ub, feel.position_at(self._served_us) + 1)
        if from_ub < (song_bar + 1) * BAR_UB:
            self.voice(name).splice(song_bar, bar, ties, splice_ub, from_ub)

    def serve(self, song: Line, parts: dict[str, Part], end_ub: int | None, now_us: int) -> list[Event]:
        """The events due up to ``now_us`` plus the lead, in order of time."""
        horizon_us = now_us + self.lead_us
        events = self._beats(song, horizon_us, end_ub)
        for name, part in parts.items():
            events += self._play(self.voice(name), part, _first(end_ub, part.leaves_ub), horizon_us)
        self._served_us = self._floor_us = max(self._served_us, horizon_us)
        events.sort(key=lambda event: (event.at_us, event.kind))
        return self._sent(events)

    def next_deadline_us(self, song: Line, parts: dict[str, Part], end_ub: int | None) -> int | None:
        """When this sink is to be served next; None when nothing is left before the end."""
        times_us = []
        if not _past(self._next_beat_ub, Kind.BEAT, end_ub):
            times_us.append(song.time_of(self._next_beat_ub))
        for name, part in parts.items():
            voice = self.voice(name)
            event = voice.next_event()
            if event is not None and not _past(*event, _first(end_ub, part.leaves_ub)):
                times_us.append(part.feel.time_of(event[0]))
            if part.leaves_ub is not None and voice.sounds:
                times_us.append(part.feel.time_of(part.leaves_ub))
        return min(times_us) - self.lead_us if times_us else None

    def end_sounding(self, now_us: int, parts: tuple[str, ...] | None = None) -> list[Event]:
        """End what sounds, of these parts or of all, as soon as the sink can still be told."""
        at_us = max(now_us + self._latency_us, self._served_us)
        voices = [voice for name, voice in self._voices.items() if parts is None or name in parts]
        return self._sent([event for voice in voices for event in voice.end_sounding(at_us)])

    def clear(self) -> None:
        """Forget what is lined up; what sounds must have been ended."""
        for voice in self._voices.values():
            voice.clear()

    def forget(self, part: str) -> None:
        """A part is gone; what sounded of it must have been ended."""
        self._voices.pop(part, None)

    def _play(self, voice: Voice, part: Part, end_ub: int | None, horizon_us: int) -> list[Event]:
        """What is due of one part; where it leaves, what still sounds of it ends."""
        feel, leaves_ub = part.feel, part.leaves_ub

        def due(at_ub: int, kind: Kind) -> bool:
            return not _past(at_ub, kind, end_ub) and feel.time_of(at_ub) <= horizon_us

        events = voice.emit(feel, due, self._floor_us, part.channel, muted=part.muted)
        if leaves_ub is not None and feel.time_of(leaves_ub) <= horizon_us:
            events += voice.end_sounding(max(feel.time_of(leaves_ub), self._floor_us))
        return events

    def _sent(self, events: list[Event]) -> list[Event]:
        """What is to be heard, by when it is to be sent."""
        latency_us = self._latency_us
        return [event._replace(at_us=event.at_us - latency_us) for event in events] if latency_us else events

    def _beats(self, song: Line, horizon_us: int, end_ub: int | None) -> list[Event]:
        events: list[Event] = []
        while song.time_of(self._next_beat_ub) <= horizon_us and (end_ub is None or self._next_beat_ub < end_ub):
            at_us = max(song.time_of(self._next_beat_ub), self._floor_us)
            bar, rest_ub = divmod(self._next_beat_ub, BAR_UB)
            if rest_ub == 0:
                events.append(Event(at_us, Kind.BAR, "", 0, bar + 1))
            beat = self._next_beat_ub // UB_PER_BEAT
            events.append(Event(at_us, Kind.BEAT, "", 0, beat + 1))
            self._next_beat_ub += UB_PER_BEAT
        return events


def _first(end_ub: int | None, leaves_ub: int | None) -> int | None:
    """Whichever end comes first."""
    return min((at_ub for at_ub in (end_ub, leaves_ub) if at_ub is not None), default=None)


def _past(at_ub: int, kind: Kind, end_ub: int | None) -> bool:
    """Whether an event lies behind the end of the performance or part, where notes still end but nothing begins."""
    return end_ub is not None and (at_ub > end_ub or (at_ub == end_ub and kind != Kind.OFF))
