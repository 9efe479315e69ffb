"""The player: parts, freezing, and the events for every sink, driven by messages and by time alone.

Nothing here opens a port, reads a clock or waits. The shell hands in each message with the time at which it came,
calls ``advance`` no later than ``next_deadline_us`` and gives the events to the sinks.
"""

from typing import assert_never

from autoloops_engine.messages import (
    AddPart,
    Adopt,
    Ask,
    Continue,
    EndAfter,
    Ended,
    FromPlayer,
    Hello,
    Locate,
    Mute,
    NudgeBy,
    OfferBar,
    Panic,
    Quit,
    RemovePart,
    SendMidi,
    SetFreezeLead,
    SetListeners,
    SetMultiple,
    SetPart,
    SetTempo,
    SpliceBar,
    Start,
    Stop,
    ToPlayer,
    TransportState,
)
from autoloops_engine.player.bars import PartBars
from autoloops_engine.player.cast import Cast
from autoloops_engine.player.clock_out import ClockOuts
from autoloops_engine.player.course import Course
from autoloops_engine.player.held import HeldParts
from autoloops_engine.player.outlet import Outlet
from autoloops_engine.player.outlets import Emission, Outlets
from autoloops_engine.player.transport import Transport
from autoloops_engine.sync.source import SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import BAR_UB, ns_per_beat


class Player:
    """Plays the bars it holds. Thread: the timing thread only. Blocks: never.

    Args:
        tempo_bpm: Tempo to begin with, 20 to 999.
        now_us: The present monotonic time.
        generation: 0 for the first player; a later one says hello and then nothing, and hears nothing, before it is
            told what to adopt.
        cause: Why the one before it ended, as a clause.
    """

    def __init__(self, tempo_bpm: float, now_us: int, generation: int = 0, cause: str = "") -> None:
        self._freeze_lead_us = 0
        self._course = Course(Timeline(ns_per_beat(tempo_bpm), 0, now_us))
        self._parts = HeldParts()
        self._outlets = Outlets()
        self._cast = Cast(self._parts, self._outlets)
        self._clocks = ClockOuts()
        self._hello = Hello(generation, cause)
        self._messages: list[FromPlayer] = [self._hello]
        self._transport = Transport(
            self._course,
            self._parts,
            self._outlets,
            self._cast,
            self._clocks,
            self._messages,
            waiting=generation > 0,
        )
        self.fallbacks = 0
        self.dropped = 0
        self.bars = 0

    @property
    def waiting(self) -> bool:
        """Whether it has still to be told what to adopt."""
        return self._transport.waiting

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self._transport.playing

    @property
    def line(self) -> Timeline:
        """The line that the position is on, or is led back to."""
        return self._course.aim

    def master_at(self, song_ub: int) -> int:
        """Where the master is to be for the song to jump to a position."""
        return self._course.gearing.jumped_to(song_ub)

    def attach(self, key: str, lead_us: int, now_us: int, latency_us: int = 0, *, patient: bool = False) -> None:
        """Serve another sink from now on; it hears what begins after this moment.

        Args:
            key: What it is called in ``advance``.
            lead_us: How far ahead it wants its events.
            now_us: The present time.
            latency_us: How long after it was sent something sounds there.
            patient: Whether it gets its events from ``catch_up``, after everybody else.
        """
        outlet = Outlet(lead_us, latency_us)
        self._outlets.attach(key, outlet, patient=patient)
        position_ub = self.position_ub(now_us + outlet.lead_us)
        self._parts.line_up(outlet, position_ub)
        outlet.roll(position_ub)
        self._transport.report(now_us)

    def set_lead(self, key: str, lead_us: int) -> None:
        """Hand a sink its events so long before they are to be heard, from now on."""
        self._outlets.set_lead(key, lead_us)

    def attach_clock(self, key: str, lead_us: int, now_us: int) -> None:
        """Lead another port by MIDI clock from now on."""
        clock = self._clocks.attach(key, lead_us)
        stage = self._course.stage
        if self.playing:
            clock.roll(stage.position_at(now_us + lead_us), anew=True)
        elif stage.line.position_ub:
            clock.locate(stage.line.position_ub)
        self._transport.report(now_us)

    def detach_clock(self, key: str) -> None:
        """Lead a port no more."""
        self._clocks.detach(key)

    def detach(self, key: str, now_us: int) -> None:
        """Serve a sink no more; its note-offs are in the next ``advance``."""
        self._outlets.detach(key, now_us)
        self._transport.report(now_us)

    def handle(self, message: ToPlayer, now_us: int) -> None:
        """Take a message from the main process; ``advance`` to ``now_us`` comes first."""
        if self.waiting and isinstance(message, Ask):
            # Whoever asks took over after the first hello was heard.
            self._messages.append(self._hello)
            return
        if self.waiting and not (isinstance(message, Adopt) and message.generation == self._hello.generation):
            self.dropped += 1
            return
        match message:
            case OfferBar() | SpliceBar():
                self._take_bar(message, now_us)
            case SetPart() | AddPart() | RemovePart() | Mute():
                self._messages += self._cast.take(message, self._transport.moment(now_us))
            case SetFreezeLead(freeze_lead_us=freeze_lead_us):
                self._freeze_lead_us = freeze_lead_us
            case Start() | Continue() | Stop() | Locate() | SetTempo() | NudgeBy() | SetMultiple():
                self._transport.take(message, now_us)
            case Panic():
                self._panic(now_us)
            case EndAfter(bars=bars):
                self._parts.end_ub = bars * BAR_UB
            case Quit():
                self._transport.stop(now_us)
            case Ask():
                self._transport.report(now_us)
                self._messages += self._parts.told_again(self._transport.epoch, now_us)
            case Adopt(generation=generation) if generation != self._hello.generation:
                self.dropped += 1
            case Adopt():
                self._transport.adopt(message, now_us)
            case SetListeners() | SendMidi():
                # Sinks are the shell's: it attaches and detaches listeners, and sends what is no music.
                pass
            case _:
                assert_never(message)

    def follow(self, command: SyncCommand, now_us: int) -> None:
        """Do what a sync source says; ``advance`` to ``now_us`` comes first."""
        self._transport.follow(command, now_us)

    def phase_error_us(self, now_us: int) -> int:
        """How far we are ahead of the master's line; 0 while stopped."""
        return self._course.error_us(now_us) if self.playing else 0

    def advance(self, now_us: int) -> list[Emission]:
        """Everything due by ``now_us``, per sink in order of time."""
        if self.playing:
            self._transport.advance(now_us)
            self._freeze_due(now_us)
            song, end_ub = self._course.song, self._parts.end_ub
            parts = self._parts.on(song)
            self._outlets.serve(song, parts, end_ub, now_us)
            self._messages += self._cast.dismiss_left(song, now_us)
            if end_ub is not None and song.time_of(end_ub) <= now_us:
                self._transport.stop(now_us)
                self._messages.append(Ended())
        if not self.waiting:
            self._outlets.add(self._clocks.serve(self._course.stage, now_us))
        return self._outlets.take()

    def catch_up(self) -> list[Emission]:
        """What the patient sinks have missed since the last ``advance``."""
        self._outlets.catch_up()
        return self._outlets.take()

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has to be called next; None while nothing can become due."""
        if self._outlets.waiting:
            return self._course.line.time_us
        if not self.playing:
            return None if self.waiting else self._clocks.next_deadline_us(self._course.stage)
        song, end_ub = self._course.song, self._parts.end_ub
        parts = self._parts.on(song)
        times_us = [self._outlets.next_deadline_us(song, parts, end_ub)]
        times_us += [*self._transport.deadlines_us(), self._clocks.next_deadline_us(self._course.stage)]
        times_us += [self._parts.next_freeze_us(song, self._freeze_ahead_us()), self._cast.next_leave_us(song)]
        times_us += [None if end_ub is None else song.time_of(end_ub)]
        return min((due_us for due_us in times_us if due_us is not None), default=None)

    def take_messages(self) -> list[FromPlayer]:
        """What the main process has to be told since the last call."""
        messages = self._messages.copy()
        self._messages.clear()
        return messages

    def state(self, now_us: int) -> TransportState:
        """The transport as it is."""
        return self._transport.state(now_us)

    def position_ub(self, at_us: int) -> int:
        """Where the song is at a time, in micro-beats."""
        return self._transport.position_ub(at_us)

    def _freeze_ahead_us(self) -> int:
        return self._transport.lead_us + self._freeze_lead_us

    def _freeze_due(self, now_us: int) -> None:
        epoch, song = self._transport.epoch, self._course.song
        for frozen, ties in self._parts.freeze_due(epoch, song, self._freeze_ahead_us(), now_us):
            self._messages.append(frozen)
            self.bars += 1
            self.fallbacks += frozen.origin != "fresh"
            self._outlets.add_bar(frozen.part, frozen.song_bar, frozen.bar, ties, self._transport.from_ub)

    def _take_bar(self, message: OfferBar | SpliceBar, now_us: int) -> None:
        bars = self._parts.get(message.part)
        if bars is None:
            self.dropped += 1
        elif isinstance(message, OfferBar):
            self.dropped += not bars.offer(message.epoch, message.song_bar, message.bar, self._transport.epoch)
        else:
            self._splice(bars, message, now_us)

    def _splice(self, bars: PartBars, message: SpliceBar, now_us: int) -> None:
        over = self.playing and self.position_ub(now_us) >= (message.song_bar + 1) * BAR_UB
        if over or message.epoch != self._transport.epoch or not bars.replace(message.song_bar, message.bar):
            self.dropped += 1
            return
        splice_ub = message.song_bar * BAR_UB + message.from_ub
        ties = message.bar.ties if message.from_ub else bars.ties(message.song_bar)
        if self.playing:
            feel = bars.feel(self._course.song)
            self._outlets.splice(message.part, feel, message.song_bar, message.bar, ties, splice_ub)
        self._messages.append(bars.spliced(message, now_us))

    def _panic(self, now_us: int) -> None:
        self._outlets.end_sounding(now_us)
        self._outlets.silence(self._parts.channels, now_us)
