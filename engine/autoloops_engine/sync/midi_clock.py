"""Following a MIDI clock. Pure: fed with bytes and the times at which they came, polled for what to do."""

from collections import deque
from typing import Final

from autoloops_engine.messages import Continue, SetTempo, Start, Stop
from autoloops_engine.sync.midi_transport import TABLE, ByteReader, Deed, Mode, Word
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, Request, SourceState, SyncCommand
from autoloops_engine.sync.tick_line import TickLine
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import (
    MAX_TEMPO_BPM,
    MIN_TEMPO_BPM,
    NS_PER_US,
    TICKS_PER_BEAT,
    UB_PER_BEAT,
    US_PER_MS,
    US_PER_S,
    ns_per_beat,
)

# A clock that is silent for so long, and for so many of its ticks, is gone: a tick of 20 BPM takes 125 ms.
_SILENT_US: Final = 300 * US_PER_MS
_SILENT_TICKS: Final = 4
# How far the tempo of a clock that was never heard may be from the one to begin with, and that of one that is back.
_UNHEARD: Final = 0.3
_RETURN: Final = 0.02
# Locked: the place of a tick is known as well as this (standard deviation).
_LOCKED_US: Final = 3_000.0
_TOLD_US: Final = 3 * US_PER_S


class MidiClock:
    """Implements ``SyncSource``. Thread: the player's timing thread only. Blocks: never.

    Positions are counted in ticks from the start of bar 1: the first clock after Start is tick 0, and a Continue goes
    on with the tick that would have come next.
    """

    name = "midi"

    def __init__(self) -> None:
        self._reader = ByteReader()
        self._words: deque[tuple[Word, int, int]] = deque()
        self._commands: list[SyncCommand] = []
        self._mode = Mode.STOPPED
        # Whether the run was begun here and not by the master.
        self._ours = False
        self._fresh = False
        # The position of the tick that comes next, and of the player, as far as there is no clock to tell.
        self._next_tick = 0
        self._line = Timeline(ns_per_beat(120.0), 0, 0)
        self._ticks: TickLine | None = None
        self._lost_us: int | None = None
        self._lost_ticks = 0

    # -- what comes in -----------------------------------------------------------------------------------------------

    def feed(self, data: bytes, at_us: int) -> None:
        """Take in what came from the master's port at ``at_us``; ``poll`` acts on it."""
        self._words += [(word, ticks, at_us) for word, ticks in self._reader.read(data)]

    def request(self, request: Request, now_us: int) -> bool:
        """While there is a clock, it gives the tempo, and we play with it or not at all."""
        if not self._hears(now_us):
            return False
        match request:
            case SetTempo():
                return True
            case Start() | Continue() if self._mode is Mode.RUNNING and not self._ours:
                self._commands.append(Play(self._line))
                return True
            case Start() | Continue():
                self._ours = True
                self._take(Word.START if isinstance(request, Start) else Word.CONTINUE, 0)
                return True
            case Stop() if self._mode is not Mode.STOPPED and self._ours:
                self._take(Word.STOP, 0)
                return True
            case _:
                return False

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        """Count on from the tick that is nearest to where the player is."""
        self._line = line
        if playing:
            self._mode = Mode.RUNNING
            if self._ticks is not None:
                self._next_tick = _nearest_tick(line, self._ticks.meant_us) + 1
            return
        if self._mode is Mode.RUNNING and not self._ours:
            # Stopped here alone: the master plays on, and may be joined again.
            return
        self._mode = Mode.STOPPED
        self._next_tick = -(-line.position_ub * TICKS_PER_BEAT // UB_PER_BEAT)

    # -- what goes out -----------------------------------------------------------------------------------------------

    def poll(self, now_us: int) -> list[SyncCommand]:
        """What the words that came call for."""
        while self._words:
            word, ticks, at_us = self._words.popleft()
            if word is Word.CLOCK:
                self._clock(at_us)
            else:
                self._ours = False
                self._take(word, ticks)
        commands, self._commands = self._commands, []
        return commands

    def next_poll_us(self) -> int | None:
        """None: bytes wake the shell."""
        return None

    def state(self, now_us: int) -> SourceState:
        """How the clock is."""
        tempo_bpm = min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, self._line.tempo_bpm))
        if self._ticks is None:
            return SourceState(tempo_bpm, locked=False, remark="No MIDI clock came in yet; the tempo is our own.")
        jitter_us = round(self._ticks.jitter_us)
        if not self._hears(now_us):
            remark = "The MIDI clock is silent; its tempo goes on until it is back."
            return SourceState(tempo_bpm, jitter_us, locked=False, remark=remark)
        locked = self._ticks.settled and self._ticks.uncertainty_us <= _LOCKED_US
        return SourceState(tempo_bpm, jitter_us, locked, 1, self._lost_remark(now_us), holds_tempo=True)

    def close(self) -> None:
        """Nothing is held."""

    # -- inside ------------------------------------------------------------------------------------------------------

    def _hears(self, now_us: int) -> bool:
        """Whether there is a clock."""
        return self._ticks is not None and now_us - self._ticks.last_us <= self._patience_us(self._ticks)

    def _patience_us(self, ticks: TickLine) -> float:
        return max(_SILENT_US, _SILENT_TICKS * ticks.tick_us)

    def _take(self, word: Word, ticks: int) -> None:
        """Do what the table says about a word other than a clock."""
        self._mode, deed = TABLE[self._mode, word]
        match deed:
            case Deed.REWIND:
                self._next_tick, self._fresh = 0, True
            case Deed.LOCATE if self._mode is not Mode.RUNNING:
                self._next_tick, self._fresh = ticks, False
                self._commands.append(GoTo(_position_ub(ticks)))
            case Deed.LOCATE if abs(ticks - self._next_tick) > TICKS_PER_BEAT // 4:
                # The pointer is no finer than a sixteenth: what is nearer is the place where we are.
                self._next_tick = ticks
            case Deed.HALT:
                self._commands.append(Halt())

    def _clock(self, at_us: int) -> None:
        passed = self._count(at_us)
        self._mode, deed = TABLE[self._mode, Word.CLOCK]
        assert self._ticks is not None
        ns_per_beat = round(self._ticks.tick_us * TICKS_PER_BEAT * NS_PER_US)
        meant_us = round(self._ticks.meant_us)
        match deed:
            case Deed.BEGIN:
                tick = self._next_tick
            case Deed.COUNT if passed is not None:
                tick = self._next_tick + passed - 1
            case Deed.COUNT:
                # It was away, and what it did meanwhile nobody knows: the bar goes on as it went.
                tick = _nearest_tick(self._line, at_us)
            case _:
                self._say(Follow(Timeline(ns_per_beat, self._line.position_ub, self._line.time_us)))
                self._line = Timeline(ns_per_beat, self._line.position_ub, self._line.time_us)
                return
        self._next_tick = tick + 1
        self._line = Timeline(ns_per_beat, _position_ub(tick), meant_us)
        self._say(Play(self._line, fresh=self._fresh) if deed is Deed.BEGIN else Follow(self._line))
        self._fresh = False

    def _count(self, at_us: int) -> int | None:
        """How many ticks the clock went on, those that were lost included; None: it is new, or back."""
        ticks = self._ticks
        if ticks is None:
            tick_us = self._line.ns_per_beat / (NS_PER_US * TICKS_PER_BEAT)
            self._ticks = TickLine(0, at_us, tick_us, _UNHEARD)
            return None
        if at_us - ticks.last_us > self._patience_us(ticks):
            ticks.anchor(ticks.number + 1, at_us, ticks.tick_us, _RETURN)
            return None
        before, lost = ticks.number, ticks.lost
        if self._mode is Mode.ARMED and ticks.is_off(at_us):
            # Many a sequencer begins a tick anew with its start.
            ticks.anchor(ticks.number + 1, at_us, ticks.tick_us, _RETURN)
        else:
            ticks.tick(at_us)
        if ticks.lost != lost:
            self._lost_ticks, self._lost_us = ticks.lost - lost, at_us
        return ticks.number - before

    def _say(self, command: Play | Follow) -> None:
        """Say something, in place of what was to be followed before."""
        if self._commands and isinstance(self._commands[-1], Follow):
            self._commands.pop()
        self._commands.append(command)

    def _lost_remark(self, now_us: int) -> str:
        if self._lost_us is None or now_us - self._lost_us > _TOLD_US:
            return ""
        if self._lost_ticks > 0:
            return f"The MIDI clock lost {self._lost_ticks} of its ticks; the place in the bar was kept."
        return f"The MIDI clock had {-self._lost_ticks} ticks too many; the place in the bar was kept."


def _position_ub(tick: int) -> int:
    return tick * UB_PER_BEAT // TICKS_PER_BEAT


def _nearest_tick(line: Timeline, at_us: float) -> int:
    return round(line.position_at(round(at_us)) * TICKS_PER_BEAT / UB_PER_BEAT)
