"""The player's transport: what starts, stops and jumps do to all that plays, whoever asks for them."""

from typing import Final

from autoloops_engine.messages import (
    Adopt,
    Continue,
    FromPlayer,
    Locate,
    NudgeBy,
    SetMultiple,
    SetTempo,
    Start,
    Stop,
    TransportState,
)
from autoloops_engine.player.cast import Cast, Moment
from autoloops_engine.player.clock_out import ClockOuts
from autoloops_engine.player.course import Course
from autoloops_engine.player.held import HeldParts
from autoloops_engine.player.outlets import Outlets
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, SyncCommand
from autoloops_engine.time.timeline import Timeline, bar_of
from autoloops_engine.units import BAR_UB, UB_PER_BEAT, ns_per_beat

# Time between a start and its first event, so that a wake-up a little late does not make the first note late.
START_DELAY_US: Final = 2_000
# A start that a master gave so long ago is still played from its beginning, late by that much.
PLAY_LATE_US: Final = 50_000
# A place so near to ours is the same passage: the bars that are held go on.
_NEAR_UB: Final = UB_PER_BEAT // 4

TransportRequest = Start | Continue | Stop | Locate | SetTempo | NudgeBy | SetMultiple


class Transport:
    """Whether time runs and where the song is; brings along what plays. Thread: the owner's only. Blocks: never.

    Attributes:
        playing: Whether time runs.
        waiting: Whether it has still to be told what to adopt; nothing is reported before that.
        epoch: Counts the jumps.
        from_ub: Nothing before this position is played any more, in micro-beats of the song.

    Args:
        course: The line that the position is on.
        parts: Who plays.
        outlets: Where they are heard.
        cast: Lets them come and leave.
        clocks: Who is led by MIDI clock.
        messages: What the main process has to be told; reports go to its end.
        waiting: See above.
    """

    def __init__(
        self,
        course: Course,
        parts: HeldParts,
        outlets: Outlets,
        cast: Cast,
        clocks: ClockOuts,
        messages: list[FromPlayer],
        *,
        waiting: bool,
    ) -> None:
        self._course = course
        self.playing = False
        self.waiting = waiting
        self.epoch = 0
        self.from_ub = 0
        self._rolled_ub = 0
        self._tell_us: int | None = None
        self._parts = parts
        self._outlets = outlets
        self._cast = cast
        self._clocks = clocks
        self._messages = messages

    @property
    def lead_us(self) -> int:
        """How far ahead the sink or clock that wants its events earliest wants them."""
        return max(self._clocks.lead_us, self._outlets.lead_us)

    def position_ub(self, at_us: int) -> int:
        """Where the song is at a time, in micro-beats; it never goes back but by a jump."""
        if not self.playing:
            return self._course.standing_at()
        position_ub, end_ub = max(self._course.song.position_at(at_us), self._rolled_ub), self._parts.end_ub
        return position_ub if end_ub is None else min(position_ub, end_ub)

    def moment(self, now_us: int) -> Moment:
        """What a message that comes for a part has to know."""
        untold_ub = self._course.song.position_at(self._untold_us(now_us)) + 1
        changes = (now_us + self.lead_us, untold_ub) if self.playing else None
        return Moment(now_us, self.position_ub(now_us), self.playing, self.epoch, changes)

    def state(self, now_us: int) -> TransportState:
        """What others are told."""
        return self._course.state(self.epoch, self.lead_us, now_us)

    def report(self, now_us: int) -> None:
        """Tell how it is."""
        if not self.waiting:
            self._course.told = self._course.aim
            self._tell_us = self._course.tell_us(now_us)
            self._messages.append(self.state(now_us))

    def advance(self, now_us: int) -> None:
        """Go on along the master's line once ours has met it, and report a tempo that is changing."""
        meets_us = self._course.meets_us
        if meets_us is not None and meets_us <= now_us:
            self._course.follow(self._course.aim, now_us)
        if self._tell_us is not None and self._tell_us <= now_us:
            self.report(now_us)

    def deadlines_us(self) -> list[int | None]:
        """When ``advance`` has to be called next, while time runs."""
        return [self._course.meets_us, self._tell_us]

    # -- asked for here ----------------------------------------------------------------------------------------------

    def take(self, message: TransportRequest, now_us: int) -> None:
        """Do what a performer asks for."""
        match message:
            case Start():
                self._jump(0, now_us, fresh=True)
                self._roll(now_us)
            case Continue() if not self.playing:
                self._roll(now_us)
            case Stop():
                self.stop(now_us)
            case Locate(position_ub=position_ub):
                self._go_to(self._course.gearing.jumped_to(position_ub), now_us)
            case SetTempo(tempo_bpm=tempo_bpm, ramp_ub=ramp_ub):
                self._course.set_tempo(ns_per_beat(tempo_bpm), ramp_ub, now_us)
            case NudgeBy(shift_us=shift_us):
                self._course.nudge = self._course.nudge.by(shift_us, now_us + self.lead_us)
            case SetMultiple(multiple=multiple):
                self._course.shift_gear(multiple, self._untold_us(now_us))
        self.report(now_us)

    def stop(self, now_us: int) -> None:
        """Let time stand still, and end every note."""
        if not self.playing:
            return
        self._outlets.end_sounding(now_us)
        self._outlets.add(self._clocks.halt(self._course.stage, now_us))
        self._course.halt(self.position_ub(now_us), now_us)
        self.playing = False
        self._outlets.clear()
        self._messages += self._cast.dismiss_leaving()
        self.report(now_us)

    def adopt(self, message: Adopt, now_us: int) -> None:
        """Go on where the former player was: the same line through time, the bars it held."""
        state = message.state
        self.waiting = False
        self.epoch = state.epoch
        self._course.adopt(state)
        self.playing = state.playing
        self.from_ub = state.song_at(now_us)
        self._rolled_ub = self.from_ub
        self._parts.adopt(message, bar_of(self.position_ub(now_us)))
        self._outlets.roll(self._parts, self.from_ub, self.from_ub)
        if state.playing:
            self._clocks.roll(self._course.stage.position_at(now_us + self.lead_us), anew=True)
        self.report(now_us)

    # -- told by a sync source ---------------------------------------------------------------------------------------

    def follow(self, command: SyncCommand, now_us: int) -> None:
        """Do what a sync source says."""
        match command:
            case Play():
                self._play(command, now_us)
            case Follow(line=line):
                self._follow(line, now_us)
            case Halt():
                self.stop(now_us)
            case GoTo(position_ub=position_ub):
                if self.playing or not self._is_near(position_ub):
                    self._go_to(position_ub, now_us)
                else:
                    self._course.leave(Timeline(self._course.line.ns_per_beat, position_ub, now_us))
                    self._clocks.locate(position_ub)
                self.report(now_us)

    def _play(self, command: Play, now_us: int) -> None:
        line = command.line
        position_ub = line.position_ub if now_us - line.time_us <= PLAY_LATE_US else self._next_ub(line, now_us)
        if command.fresh or self.playing or not self._is_near(position_ub):
            self._jump(position_ub, now_us, fresh=command.fresh)
        self._join(line, position_ub, now_us)

    def _follow(self, line: Timeline, now_us: int) -> None:
        """Be led to the master's line, or jump to it when it is too far away."""
        if not self.playing:
            self._course.leave(Timeline(line.ns_per_beat, self._course.line.position_ub, now_us))
        elif not self._course.follow(line, now_us):
            position_ub = self._next_ub(line, now_us)
            self._jump(position_ub, now_us)
            self._join(line, position_ub, now_us)
        if self._course.is_news(now_us, playing=self.playing):
            self.report(now_us)

    def _join(self, line: Timeline, master_ub: int, now_us: int) -> None:
        self._course.join(line)
        self._begin(self._course.gearing.song_at(master_ub))
        self.report(now_us)

    def _next_ub(self, line: Timeline, now_us: int) -> int:
        """The first position on ``line`` that can still be handed out in time."""
        return line.position_at(self._course.nudge.line_us(now_us + START_DELAY_US + self.lead_us))

    def _is_near(self, position_ub: int) -> bool:
        """Whether a position of the master is as good as the one where we stand."""
        return abs(position_ub - self._course.line.position_ub) < _NEAR_UB

    # -- starts and jumps --------------------------------------------------------------------------------------------

    def _go_to(self, master_ub: int, now_us: int) -> None:
        was_playing = self.playing
        self._jump(master_ub, now_us)
        if was_playing:
            self._roll(now_us)

    def _jump(self, master_ub: int, now_us: int, *, fresh: bool = False) -> None:
        self._outlets.end_sounding(now_us)
        self._outlets.clear()
        if self.playing:
            self._outlets.add(self._clocks.halt(self._course.stage, now_us))
        self.playing = False
        self._messages += self._cast.dismiss_leaving()
        self.epoch += 1
        self._course.jump(master_ub, now_us, fresh=fresh)
        self._clocks.locate(master_ub)
        self._parts.jump(bar_of(self._course.standing_at()))

    def _roll(self, now_us: int) -> None:
        position_ub = self._course.standing_at()
        song = self._course.song
        ahead_us = song.time_of(position_ub) - song.time_of(position_ub - self._parts.early_ub) + self._parts.ahead_us
        self._course.roll(now_us + START_DELAY_US + self.lead_us + ahead_us)
        self._begin(position_ub)

    def _begin(self, position_ub: int) -> None:
        """Time runs: hand out what lies from the song's ``position_ub`` on."""
        self._parts.settle()
        # From a bar line on, notes that come early are part of the bar; within a bar, what lies behind is over.
        self.from_ub = position_ub - self._parts.early_ub if position_ub % BAR_UB == 0 else position_ub
        self._rolled_ub = position_ub
        self.playing = True
        self._clocks.roll(self._course.gearing.master_at(position_ub))
        self._outlets.roll(self._parts, self.from_ub, position_ub)

    def _untold_us(self, now_us: int) -> int:
        """The first time on the song's line of which no sink was told anything yet, of any part."""
        return self._parts.line_us(now_us + self.lead_us)
