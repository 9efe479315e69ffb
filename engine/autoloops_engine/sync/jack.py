"""The JACK transport as a sync source. Pure but for the transport it asks.

The transport counts frames, and is stopped, rolling, or somewhere else: everybody may start, stop and relocate it. How
many frames a beat has the timebase master says, where there is one; else our own tempo does.
"""

from typing import Final, Protocol

from msgspec import Struct

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.sync.ramp import Ramp
from autoloops_engine.sync.source import Follow, GoTo, Halt, Play, Request, SourceState, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_S, NS_PER_US, UB_PER_BEAT, US_PER_MS, US_PER_S, ns_per_beat

POLL_US: Final = 20 * US_PER_MS
# About a frame: the transport's time has no jitter, but its map to the monotonic clock is corrected now and then.
TOLERANCE_US: Final = 20
# What lies nearer than this is the place where we are.
NEAR_UB: Final = UB_PER_BEAT // 4


class Grid(Struct, frozen=True):
    """Positions by frames of the transport, where no timebase master tells them.

    Attributes:
        ns_per_beat: Nanoseconds in a beat.
        samplerate_hz: Frames in a second.
        frame: A frame of the transport ...
        position_ub: ... and the position there, in micro-beats.
    """

    ns_per_beat: int
    samplerate_hz: int
    frame: int = 0
    position_ub: int = 0

    def position_at(self, frame: int) -> int:
        """The position at a frame, rounded down."""
        frames_ns = (frame - self.frame) * NS_PER_S
        return self.position_ub + frames_ns * UB_PER_BEAT // (self.samplerate_hz * self.ns_per_beat)

    def frame_of(self, position_ub: int) -> int:
        """The frame of a position, rounded up: ``position_at(frame_of(p)) >= p``."""
        way = (self.position_ub - position_ub) * self.samplerate_hz * self.ns_per_beat
        return self.frame - way // (NS_PER_S * UB_PER_BEAT)

    def through(self, frame: int, position_ub: int, slope_ns_per_beat: int) -> "Grid":
        """Another tempo, through this position at this frame."""
        return Grid(slope_ns_per_beat, self.samplerate_hz, frame, position_ub)

    def from_the_start(self) -> "Grid":
        """The same tempo, counted from frame 0: where everybody is after a relocation."""
        return Grid(self.ns_per_beat, self.samplerate_hz)


class Cycles:
    """Tells relocations of the transport from cycles that a client missed. Thread: the owner's only. Blocks: never.

    Attributes:
        next_frame: The transport's frame in the next cycle, if it is not relocated; None before the first.
    """

    def __init__(self, samplerate_hz: int) -> None:
        self._samplerate_hz = samplerate_hz
        self.next_frame: int | None = None
        self._asked_us = 0

    def jumped(self, asked_us: int, now_us: int, frame: int, length: int, *, rolling: bool) -> bool:
        """Whether the transport was relocated since the last cycle.

        A transport that rolls goes on while a client misses cycles, but never faster than time; it stands while its
        server does. A client that is held up sees where it is in a later cycle, and then sees that again. Who moves it
        by less than that is followed as a master that drifts.

        Args:
            asked_us: Monotonic time before the transport was asked ...
            now_us: ... and after it.
            frame: Where the transport was in between.
            length: Frames in the cycle.
            rolling: Whether the transport rolls.
        """
        missed = max(0, now_us - self._asked_us) * self._samplerate_hz // US_PER_S
        jumped = self.next_frame is not None and not -length <= frame - self.next_frame <= missed
        self._asked_us = asked_us
        self.next_frame = frame + length if rolling else frame
        return jumped


class JackState(Struct, frozen=True):
    """The transport at the begin of a cycle.

    Attributes:
        at_us: Monotonic time of the cycle's first frame.
        rolling: Whether the transport rolls.
        jumps: Counts relocations.
        position_ub: The position there, in micro-beats; a timebase master rounds it down ...
        tick_ub: ... to so many of them (0: it is exact).
        ns_per_beat: Nanoseconds in a beat.
        from_us: Monotonic time since which the transport has rolled without a jump ...
        from_ub: ... and its position there.
        foreign: Whether another client is the timebase master.
        leading: Whether we are.
    """

    at_us: int
    rolling: bool
    jumps: int
    position_ub: int
    tick_ub: int
    ns_per_beat: int
    from_us: int
    from_ub: int
    foreign: bool = False
    leading: bool = False


class JackTransport(Protocol):
    """A client's view of the transport. Blocks: never."""

    def look(self) -> JackState | None:
        """The transport as it is; None: there is no server."""

    def start(self) -> None:
        """Let it roll."""

    def stop(self) -> None:
        """Stop it."""

    def locate(self, position_ub: int) -> None:
        """Take it to a position."""

    def set_tempo(self, slope_ns_per_beat: int) -> None:
        """Where nobody else says how frames go with beats: count them from frame 0 at this tempo."""

    def set_line(self, line: Timeline) -> None:
        """Where nobody else says how frames go with beats: let the transport be on this line."""

    def close(self) -> None:
        """Leave; once is enough."""


class JackSource:
    """Follows the JACK transport; see ``SyncSource``.

    Args:
        transport: The transport.
        leads: We are to be the timebase master.
        starts_itself: The first start is the programme's own: who follows does not start everybody by coming.
    """

    name = "jack"

    def __init__(self, transport: JackTransport, *, leads: bool = False, starts_itself: bool = False) -> None:
        self._transport = transport
        self._leads = leads
        self._waits = starts_itself and not leads
        self._seen: JackState | None = None
        self._line = Timeline(ns_per_beat(120.0), 0, 0)
        self._playing = False
        self._polled_us = 0
        self._ramp = Ramp()
        self._commands: list[SyncCommand] = []

    # -- what a performer asks -----------------------------------------------------------------------------------------

    def request(self, request: Request, now_us: int) -> bool:
        """Start, stop and relocate everybody; without a server, the player does it all."""
        seen = self._seen
        if seen is None:
            return False
        match request:
            case SetTempo(tempo_bpm=tempo_bpm, ramp_ub=ramp_ub) if not seen.foreign:
                self._ramp.end()
                if ramp_ub and seen.rolling:
                    self._ramp.begin(self._line_of(seen, seen.ns_per_beat), ns_per_beat(tempo_bpm), ramp_ub)
                else:
                    self._transport.set_line(self._line_of(seen, ns_per_beat(tempo_bpm)))
            case Start() if self._waits:
                self._waits = False
            case Start():
                self._transport.locate(0)
                self._transport.start()
            case Continue():
                self._transport.start()
            case Stop():
                self._stop(seen)
            case Locate(position_ub=position_ub):
                self._transport.locate(position_ub)
        return True

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        """Note where the player is; the transport takes the tempo.

        A transport that was not seen yet may know better where we are: a player that takes over has an old line.
        """
        same = line.ns_per_beat == self._line.ns_per_beat
        self._line = line
        self._playing = playing
        if self._seen is None:
            self._transport.set_tempo(line.ns_per_beat)
        elif not same:
            self._transport.set_line(line)

    # -- what the transport says ---------------------------------------------------------------------------------------

    def poll(self, now_us: int) -> list[SyncCommand]:
        """See where the transport is, and what follows from that."""
        self._polled_us = now_us
        before, self._seen = self._seen, self._transport.look()
        if self._seen is not None:
            self._follow(before, self._seen)
            self._bend(self._seen, now_us)
        commands, self._commands = self._commands, []
        return commands

    def next_poll_us(self) -> int | None:
        """Every 20 ms; the driver wakes whoever waits when the transport starts, stops or jumps."""
        return self._polled_us if self._commands else self._polled_us + POLL_US

    def state(self, now_us: int) -> SourceState:
        """Locked while there is a server."""
        seen = self._seen
        if seen is None:
            return SourceState(self._line.tempo_bpm, locked=False, remark="No JACK server is running; we play alone.")
        tempo_bpm = 60 * NS_PER_S / seen.ns_per_beat
        return SourceState(tempo_bpm, 0, True, int(seen.foreign), self._remark(seen), holds_tempo=seen.foreign)

    def close(self) -> None:
        """Leave the server."""
        self._transport.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _remark(self, seen: JackState) -> str:
        if self._playing and not seen.rolling:
            return "The JACK transport stands still; we play alone until it rolls."
        if self._leads and not seen.leading:
            return "Another JACK client is the timebase master; its tempo is followed."
        return "JACK: timebase master." if seen.leading else ""

    def _line_of(self, seen: JackState, slope_ns_per_beat: int) -> Timeline:
        return Timeline(slope_ns_per_beat, seen.position_ub, seen.at_us)

    def _bend(self, seen: JackState, now_us: int) -> None:
        """The next step of a ramp; one under way ends where the transport stops or another leads."""
        if seen.foreign or not seen.rolling:
            self._ramp.end()
        step_ns = self._ramp.step(seen.ns_per_beat, now_us)
        if step_ns is not None:
            self._transport.set_line(self._line_of(seen, step_ns))

    def _stop(self, seen: JackState) -> None:
        self._transport.stop()
        if self._playing and not seen.rolling:
            # We were alone.
            self._halt()

    def _follow(self, before: JackState | None, seen: JackState) -> None:
        if before is None:
            self._meet(seen)
        elif not seen.rolling:
            self._stand(before, seen)
        elif not before.rolling or seen.jumps != before.jumps:
            self._play(seen)
        elif self._playing:
            self._keep_up(seen)

    def _meet(self, seen: JackState) -> None:
        """There is a server: roll with it; who plays already does not stop because it stands still."""
        if not seen.rolling:
            if not self._playing:
                self._go_to(seen)
        elif not self._playing:
            self._play(seen)
        elif abs(seen.position_ub - self._line.position_at(seen.at_us)) < NEAR_UB:
            self._keep_up(seen)
        elif seen.foreign:
            self._play(seen)
        else:
            # The tempo has changed since frame 0, and only we knew.
            self._transport.set_line(self._line)

    def _play(self, seen: JackState) -> None:
        self._waits = False
        self._playing = True
        self._line = Timeline(seen.ns_per_beat, seen.from_ub, seen.from_us)
        self._commands.append(Play(self._line, fresh=seen.from_ub <= seen.tick_ub))

    def _halt(self) -> None:
        self._playing = False
        self._commands.append(Halt())

    def _stand(self, before: JackState, seen: JackState) -> None:
        if before.rolling and self._playing:
            self._halt()
        if self._playing:
            return
        moved = before.rolling or seen.position_ub != before.position_ub or seen.jumps != before.jumps
        if moved or seen.ns_per_beat != self._line.ns_per_beat:
            self._go_to(seen)

    def _go_to(self, seen: JackState) -> None:
        self._line = self._line_of(seen, seen.ns_per_beat)
        self._commands += [GoTo(seen.position_ub), Follow(self._line)]

    def _keep_up(self, seen: JackState) -> None:
        """Tell the transport's line when ours has parted from it."""
        position_ub = self._line.position_at(seen.at_us)
        nearest_ub = min(max(position_ub, seen.position_ub), seen.position_ub + seen.tick_ub)
        far = abs(nearest_ub - position_ub) * seen.ns_per_beat > TOLERANCE_US * NS_PER_US * UB_PER_BEAT
        if far or seen.ns_per_beat != self._line.ns_per_beat:
            self._line = Timeline(seen.ns_per_beat, nearest_ub, seen.at_us)
            self._commands.append(Follow(self._line))
