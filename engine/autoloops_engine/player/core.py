"""The player: transport, freezing, and the events for every sink, driven by messages and by time alone.

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
from autoloops_engine.player.cast import Cast, Moment
from autoloops_engine.player.clock_out import ClockOuts
from autoloops_engine.player.course import Course
from autoloops_engine.player.held import HeldParts
from autoloops_engine.player.outlet import Outlet
from autoloops_engine.player.outlets import Emission, Outlets
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, SyncCommand
from autoloops_engine.time.timeline import Timeline, bar_of
from autoloops_engine.units import BAR_UB, UB_PER_BEAT, ns_per_beat

# Time between a start and its first event, so that a wake-up a little late does not make the first note late.
START_DELAY_US = 2_000
# A start that a master gave so long ago is still played from its beginning, late by that much.
PLAY_LATE_US = 50_000
# A place so near to ours is the same passage: the bars that are held go on.
_NEAR_UB = UB_PER_BEAT // 4

TransportRequest = Start | Continue | Stop | Locate | SetTempo | NudgeBy | SetMultiple


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
        self._course = Course(Timeline(ns_per_beat(tempo_bpm), 0, now_us))
        self._tell_us: int | None = None
        self._playing = False
        self._epoch = 0
        self._from_ub = 0
        self._rolled_ub = 0
        self._freeze_lead_us = 0
        self._parts = HeldParts()
        self._outlets = Outlets()
        self._cast = Cast(self._parts, self._outlets)
        self._clocks = ClockOuts()
        self._hello = Hello(generation, cause)
        self._waiting = generation > 0
        self._messages: list[FromPlayer] = [self._hello]
        self.fallbacks = 0
        self.dropped = 0
        self.bars = 0

    @property
    def waiting(self) -> bool:
        """Whether it has still to be told what to adopt."""
        return self._waiting

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self._playing

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
        position_ub = self._position_ub(now_us + outlet.lead_us)
        self._parts.line_up(outlet, position_ub)
        outlet.roll(position_ub)
        self._report(now_us)

    def set_lead(self, key: str, lead_us: int) -> None:
        """Hand a sink its events so long before they are to be heard, from now on."""
        self._outlets.set_lead(key, lead_us)

    def attach_clock(self, key: str, lead_us: int, now_us: int) -> None:
        """Lead another port by MIDI clock from now on."""
        clock = self._clocks.attach(key, lead_us)
        stage = self._course.stage
        if self._playing:
            clock.roll(stage.position_at(now_us + lead_us), anew=True)
        elif stage.line.position_ub:
            clock.locate(stage.line.position_ub)
        self._report(now_us)

    def detach_clock(self, key: str) -> None:
        """Lead a port no more."""
        self._clocks.detach(key)

    def detach(self, key: str, now_us: int) -> None:
        """Serve a sink no more; its note-offs are in the next ``advance``."""
        self._outlets.detach(key, now_us)
        self._report(now_us)

    def handle(self, message: ToPlayer, now_us: int) -> None:
        """Take a message from the main process; ``advance`` to ``now_us`` comes first."""
        if self._waiting and isinstance(message, Ask):
            # Whoever asks took over after the first hello was heard.
            self._messages.append(self._hello)
            return
        if self._waiting and not (isinstance(message, Adopt) and message.generation == self._hello.generation):
            self.dropped += 1
            return
        match message:
            case OfferBar() | SpliceBar():
                self._take_bar(message, now_us)
            case SetPart() | AddPart() | RemovePart() | Mute():
                self._messages += self._cast.take(message, self._moment(now_us))
            case SetFreezeLead(freeze_lead_us=freeze_lead_us):
                self._freeze_lead_us = freeze_lead_us
            case Start() | Continue() | Stop() | Locate() | SetTempo() | NudgeBy() | SetMultiple():
                self._transport(message, now_us)
            case Panic():
                self._panic(now_us)
            case EndAfter(bars=bars):
                self._parts.end_ub = bars * BAR_UB
            case Quit():
                self._stop(now_us)
            case Ask():
                self._report(now_us)
                self._messages += self._parts.told_again(self._epoch, now_us)
            case Adopt(generation=generation) if generation != self._hello.generation:
                self.dropped += 1
            case Adopt():
                self._adopt(message, now_us)
            case SetListeners() | SendMidi():
                # Sinks are the shell's: it attaches and detaches listeners, and sends what is no music.
                pass
            case _:
                assert_never(message)

    def follow(self, command: SyncCommand, now_us: int) -> None:
        """Do what a sync source says; ``advance`` to ``now_us`` comes first."""
        match command:
            case Play():
                self._play(command, now_us)
            case Follow(line=line):
                self._follow(line, now_us)
            case Halt():
                self._stop(now_us)
            case GoTo(position_ub=position_ub):
                if self._playing or not self._is_near(position_ub):
                    self._go_to(position_ub, now_us)
                    self._report(now_us)
                    return
                self._course.leave(Timeline(self._course.line.ns_per_beat, position_ub, now_us))
                self._clocks.locate(position_ub)
                self._report(now_us)

    def phase_error_us(self, now_us: int) -> int:
        """How far we are ahead of the master's line; 0 while stopped."""
        return self._course.error_us(now_us) if self._playing else 0

    def advance(self, now_us: int) -> list[Emission]:
        """Everything due by ``now_us``, per sink in order of time."""
        if self._playing:
            meets_us = self._course.meets_us
            if meets_us is not None and meets_us <= now_us:
                self._course.follow(self.line, now_us)
            if self._tell_us is not None and self._tell_us <= now_us:
                self._report(now_us)
            self._freeze_due(now_us)
            song, end_ub = self._course.song, self._parts.end_ub
            parts = self._parts.on(song)
            self._outlets.serve(song, parts, end_ub, now_us)
            self._messages += self._cast.dismiss_left(song, now_us)
            if end_ub is not None and song.time_of(end_ub) <= now_us:
                self._stop(now_us)
                self._messages.append(Ended())
        if not self._waiting:
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
        if not self._playing:
            return None if self._waiting else self._clocks.next_deadline_us(self._course.stage)
        song, end_ub = self._course.song, self._parts.end_ub
        parts = self._parts.on(song)
        times_us = [self._outlets.next_deadline_us(song, parts, end_ub)]
        times_us += [self._course.meets_us, self._tell_us, self._clocks.next_deadline_us(self._course.stage)]
        times_us += [self._parts.next_freeze_us(song, self._freeze_ahead_us()), self._cast.next_leave_us(song)]
        times_us += [None if end_ub is None else song.time_of(end_ub)]
        return min((due_us for due_us in times_us if due_us is not None), default=None)

    def take_messages(self) -> list[FromPlayer]:
        """What the main process has to be told since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def state(self, now_us: int) -> TransportState:
        """The transport as it is."""
        return self._course.state(self._epoch, self._lead_us(), now_us)

    # -- transport -------------------------------------------------------------------------------------------------

    def _transport(self, message: TransportRequest, now_us: int) -> None:
        match message:
            case Start():
                self._jump(0, now_us, fresh=True)
                self._roll(now_us)
            case Continue() if not self._playing:
                self._roll(now_us)
            case Stop():
                self._stop(now_us)
            case Locate(position_ub=position_ub):
                self._go_to(self.master_at(position_ub), now_us)
            case SetTempo(tempo_bpm=tempo_bpm, ramp_ub=ramp_ub):
                self._course.set_tempo(ns_per_beat(tempo_bpm), ramp_ub, now_us)
            case NudgeBy(shift_us=shift_us):
                self._course.nudge = self._course.nudge.by(shift_us, now_us + self._lead_us())
            case SetMultiple(multiple=multiple):
                self._course.shift_gear(multiple, self._untold_us(now_us))
        self._report(now_us)

    def _go_to(self, master_ub: int, now_us: int) -> None:
        was_playing = self._playing
        self._jump(master_ub, now_us)
        if was_playing:
            self._roll(now_us)

    def _jump(self, master_ub: int, now_us: int, *, fresh: bool = False) -> None:
        self._outlets.end_sounding(now_us)
        self._outlets.clear()
        if self._playing:
            self._outlets.add(self._clocks.halt(self._course.stage, now_us))
        self._playing = False
        self._messages += self._cast.dismiss_leaving()
        self._epoch += 1
        self._course.jump(master_ub, now_us, fresh=fresh)
        self._clocks.locate(master_ub)
        self._parts.jump(bar_of(self._course.standing_at()))

    def _roll(self, now_us: int) -> None:
        position_ub = self._course.standing_at()
        song = self._course.song
        ahead_us = song.time_of(position_ub) - song.time_of(position_ub - self._parts.early_ub) + self._parts.ahead_us
        self._course.roll(now_us + START_DELAY_US + self._lead_us() + ahead_us)
        self._begin(position_ub)

    def _begin(self, position_ub: int) -> None:
        """Time runs: hand out what lies from the song's ``position_ub`` on."""
        self._parts.settle()
        # From a bar line on, notes that come early are part of the bar; within a bar, what lies behind is over.
        self._from_ub = position_ub - self._parts.early_ub if position_ub % BAR_UB == 0 else position_ub
        self._rolled_ub = position_ub
        self._playing = True
        self._clocks.roll(self._course.gearing.master_at(position_ub))
        self._outlets.roll(self._parts, self._from_ub, position_ub)

    def _play(self, command: Play, now_us: int) -> None:
        line = command.line
        position_ub = line.position_ub if now_us - line.time_us <= PLAY_LATE_US else self._next_ub(line, now_us)
        if command.fresh or self._playing or not self._is_near(position_ub):
            self._jump(position_ub, now_us, fresh=command.fresh)
        self._join(line, position_ub, now_us)

    def _follow(self, line: Timeline, now_us: int) -> None:
        """Be led to the master's line, or jump to it when it is too far away."""
        if not self._playing:
            self._course.leave(Timeline(line.ns_per_beat, self._course.line.position_ub, now_us))
        elif not self._course.follow(line, now_us):
            position_ub = self._next_ub(line, now_us)
            self._jump(position_ub, now_us)
            self._join(line, position_ub, now_us)
        if self._course.is_news(now_us, playing=self._playing):
            self._report(now_us)

    def _join(self, line: Timeline, master_ub: int, now_us: int) -> None:
        self._course.join(line)
        self._begin(self._course.gearing.song_at(master_ub))
        self._report(now_us)

    def _next_ub(self, line: Timeline, now_us: int) -> int:
        """The first position on ``line`` that can still be handed out in time."""
        return line.position_at(self._course.nudge.line_us(now_us + START_DELAY_US + self._lead_us()))

    def _is_near(self, position_ub: int) -> bool:
        """Whether a position of the master is as good as the one where we stand."""
        return abs(position_ub - self._course.line.position_ub) < _NEAR_UB

    def _stop(self, now_us: int) -> None:
        if not self._playing:
            return
        self._outlets.end_sounding(now_us)
        self._outlets.add(self._clocks.halt(self._course.stage, now_us))
        self._course.halt(self._position_ub(now_us), now_us)
        self._playing = False
        self._outlets.clear()
        self._messages += self._cast.dismiss_leaving()
        self._report(now_us)

    def _adopt(self, message: Adopt, now_us: int) -> None:
        """Go on where the former player was: the same line through time, the bars it held."""
        state = message.state
        self._waiting = False
        self._epoch = state.epoch
        self._course.adopt(state)
        self._playing = state.playing
        self._from_ub = state.song_at(now_us)
        self._rolled_ub = self._from_ub
        self._parts.adopt(message, bar_of(self._position_ub(now_us)))
        self._outlets.roll(self._parts, self._from_ub, self._from_ub)
        if state.playing:
            self._clocks.roll(self._course.stage.position_at(now_us + self._lead_us()), anew=True)
        self._report(now_us)

    def _position_ub(self, at_us: int) -> int:
        if not self._playing:
            return self._course.standing_at()
        position_ub, end_ub = max(self._course.song.position_at(at_us), self._rolled_ub), self._parts.end_ub
        return position_ub if end_ub is None else min(position_ub, end_ub)

    def _report(self, now_us: int) -> None:
        if not self._waiting:
            self._course.told = self.line
            self._tell_us = self._course.tell_us(now_us)
            self._messages.append(self.state(now_us))

    # -- bars ------------------------------------------------------------------------------------------------------

    def _lead_us(self) -> int:
        return max(self._clocks.lead_us, self._outlets.lead_us)

    def _freeze_ahead_us(self) -> int:
        return self._lead_us() + self._freeze_lead_us

    def _freeze_due(self, now_us: int) -> None:
        for frozen, ties in self._parts.freeze_due(self._epoch, self._course.song, self._freeze_ahead_us(), now_us):
            self._messages.append(frozen)
            self.bars += 1
            self.fallbacks += frozen.origin != "fresh"
            self._outlets.add_bar(frozen.part, frozen.song_bar, frozen.bar, ties, self._from_ub)

    def _take_bar(self, message: OfferBar | SpliceBar, now_us: int) -> None:
        bars = self._parts.get(message.part)
        if bars is None:
            self.dropped += 1
        elif isinstance(message, OfferBar):
            self.dropped += not bars.offer(message.epoch, message.song_bar, message.bar, self._epoch)
        else:
            self._splice(bars, message, now_us)

    def _splice(self, bars: PartBars, message: SpliceBar, now_us: int) -> None:
        over = self._playing and self._position_ub(now_us) >= (message.song_bar + 1) * BAR_UB
        if over or message.epoch != self._epoch or not bars.replace(message.song_bar, message.bar):
            self.dropped += 1
            return
        splice_ub = message.song_bar * BAR_UB + message.from_ub
        ties = message.bar.ties if message.from_ub else bars.ties(message.song_bar)
        if self._playing:
            feel = bars.feel(self._course.song)
            self._outlets.splice(message.part, feel, message.song_bar, message.bar, ties, splice_ub)
        self._messages.append(bars.spliced(message, now_us))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _untold_us(self, now_us: int) -> int:
        """The first time on the song's line of which no sink was told anything yet, of any part."""
        return self._parts.line_us(now_us + self._lead_us())

    def _moment(self, now_us: int) -> Moment:
        untold_ub = self._course.song.position_at(self._untold_us(now_us)) + 1
        changes = (now_us + self._lead_us(), untold_ub) if self._playing else None
        return Moment(now_us, self._position_ub(now_us), self._playing, self._epoch, changes)

    def _panic(self, now_us: int) -> None:
        self._outlets.end_sounding(now_us)
        self._outlets.silence(self._parts.channels, now_us)
