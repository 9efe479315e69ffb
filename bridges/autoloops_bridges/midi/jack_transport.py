"""The transport of a JACK server: watched in every cycle, and led as timebase master where that is asked for."""

import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any, Final

import jack

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.midi.jack_client import JackClient
from autoloops_engine.errors import PortError
from autoloops_engine.sync.jack import Cycles, Grid, JackState
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import BEATS_PER_BAR, NS_PER_S, UB_PER_BEAT, US_PER_S, ns_per_beat

CLIENT_NAME: Final = "AutoLoops-transport"
LOOK_S: Final = 0.25
LEAVE_S: Final = 0.5
# Bits of ``valid`` in jack_position_t (jack/types.h).
BBT: Final = 0x10
BBT_OFFSET: Final = 0x40
TICKS_PER_BEAT: Final = 1920
# A timebase master is called in every rolling cycle; one that is not any more was replaced.
SILENT_CYCLES: Final = 16
# What another master says beyond these is no tempo.
SLOWEST_BPM: Final = 1.0
FASTEST_BPM: Final = 10_000.0


class TransportClient(JackClient):
    """A client without ports. Thread: ``_process`` and ``_timebase`` are the server's.

    Attributes:
        leading: Whether we are the timebase master.
    """

    def __init__(self, slope_ns_per_beat: int, changed: Callable[[], None], wake: Callable[[], None]) -> None:
        """Become a client and watch.

        Args:
            slope_ns_per_beat: Nanoseconds in a beat, where nobody else says.
            changed: As of ``JackClient``.
            wake: Called from the server's thread when the transport starts, stops or jumps; must not block.

        Raises:
            PortError: no server is running.
        """
        super().__init__(CLIENT_NAME, changed)
        # Read by other threads: the frame belongs to what was seen there.
        self._latest: tuple[JackState | None, int] = None, 0
        self.leading = False
        self.replaced = False
        self._wake = wake
        self._rate_hz = int(self._client.samplerate)
        self._grid = Grid(slope_ns_per_beat, self._rate_hz)
        self._watched = Cycles(self._rate_hz)
        self._from = 0, 0
        self._silent_cycles = 0
        with self._opening():
            self._client.set_process_callback(self._process)
            self._client.activate()

    @property
    def seen(self) -> JackState | None:
        """The transport at the last cycle; None before the first."""
        return self._latest[0]

    def lead(self) -> None:
        """Become the timebase master, unless there is one."""
        with contextlib.suppress(jack.JackError):
            self._silent_cycles = 0
            self.leading = self._client.set_timebase_callback(self._timebase, conditional=True)

    def start(self) -> None:
        """Let it roll."""
        self._client.transport_start()

    def stop(self) -> None:
        """Stop it."""
        self._client.transport_stop()

    def locate(self, position_ub: int) -> None:
        """Take it to a position; a foreign tempo is taken to hold from here to there."""
        seen, frame = self._latest
        grid = self._grid.from_the_start()
        if seen is not None and seen.foreign:
            grid = grid.through(frame, seen.position_ub, seen.ns_per_beat)
        with contextlib.suppress(jack.JackError):
            self._client.transport_frame = max(0, grid.frame_of(position_ub))

    def set_tempo(self, slope_ns_per_beat: int) -> None:
        """Count beats from frame 0 at this tempo, where nobody else says how frames go with beats."""
        self._grid = Grid(slope_ns_per_beat, self._rate_hz)

    def set_line(self, line: Timeline) -> None:
        """Let the transport be on this line from here on, where nobody else says how frames go with beats."""
        seen, frame = self._latest
        if seen is not None:
            position_ub = line.position_at(seen.at_us) if seen.rolling else line.position_ub
            self._grid = self._grid.through(frame, position_ub, line.ns_per_beat)

    def _process(self, length: int) -> None:
        first = self._enter_cycle()
        asked_us = monotonic_us()
        state, position = self._client.transport_query_struct()
        rolling, frame = state == jack.ROLLING, int(position.frame)
        before = self.seen
        jumps = 0 if before is None else before.jumps
        if self._watched.jumped(asked_us, monotonic_us(), frame, length, rolling=rolling):
            jumps += 1
            self._grid = self._grid.from_the_start()
        self._watch_lead(rolling=rolling)
        at_us = self.frames.us_at(first)
        told = None if self.leading else _told(position, at_us, self._rate_hz)
        if told is None:
            told = (at_us, self._grid.position_at(frame), 0, self._grid.ns_per_beat)
        at_us, position_ub, tick_ub, slope = told
        foreign = not self.leading and bool(position.valid & BBT)
        news = before is None or rolling != before.rolling or jumps != before.jumps
        if news:
            self._from = at_us, position_ub
        seen = JackState(at_us, rolling, jumps, position_ub, tick_ub, slope, *self._from, foreign, self.leading)
        self._latest = seen, frame
        if news:
            self._wake()

    def _watch_lead(self, *, rolling: bool) -> None:
        if not self.leading or not rolling:
            self._silent_cycles = 0
            return
        self._silent_cycles += 1
        if self._silent_cycles > SILENT_CYCLES:
            self.leading = False
            self.replaced = True

    def _timebase(self, state: int, length: int, position: Any, new_position: bool) -> None:
        """Say where in the song the next cycle begins."""
        self._silent_cycles = 0
        grid = self._grid
        if new_position and position.frame != self._watched.next_frame:
            grid = grid.from_the_start()
        beats, rest_ub = divmod(max(0, grid.position_at(int(position.frame))), UB_PER_BEAT)
        bars, beat = divmod(beats, BEATS_PER_BAR)
        position.valid = BBT
        position.bar, position.beat = bars + 1, beat + 1
        position.tick = rest_ub * TICKS_PER_BEAT // UB_PER_BEAT
        position.bar_start_tick = bars * BEATS_PER_BAR * TICKS_PER_BEAT
        position.beats_per_bar, position.beat_type = BEATS_PER_BAR, BEATS_PER_BAR
        position.ticks_per_beat = TICKS_PER_BEAT
        position.beats_per_minute = 60 * NS_PER_S / grid.ns_per_beat


def _told(position: Any, at_us: int, rate_hz: int) -> tuple[int, int, int, int] | None:
    """Time, position, rounding and nanoseconds in a beat as the timebase master tells them; None: there is none."""
    if not position.valid & BBT or not SLOWEST_BPM <= position.beats_per_minute <= FASTEST_BPM:
        return None
    if not (0 < position.ticks_per_beat < math.inf and math.isfinite(position.beats_per_bar)):
        return None
    tick_ub = round(UB_PER_BEAT / position.ticks_per_beat)
    beats = round((position.bar - 1) * position.beats_per_bar) + position.beat - 1
    position_ub = beats * UB_PER_BEAT + round(position.tick * UB_PER_BEAT / position.ticks_per_beat)
    if position.valid & BBT_OFFSET:
        at_us -= round(position.bbt_offset * US_PER_S / rate_hz)
    return at_us, position_ub, tick_ub, round(60 * NS_PER_S / position.beats_per_minute)


class Transport:
    """The transport of the server that is there, or will be; a ``JackTransport``.

    Thread: the player's; a thread of its own opens and closes clients, which may take a while.
    """

    def __init__(self, tempo_bpm: float, wake: Callable[[], None], *, leads: bool) -> None:
        """Look for a server.

        Args:
            tempo_bpm: Our tempo.
            wake: Called from other threads when there is something to see; must not block.
            leads: Be the timebase master, unless there is one.
        """
        self._slope_ns_per_beat = ns_per_beat(tempo_bpm)
        self._wake = wake
        self._leads = leads
        self._client: TransportClient | None = None
        self._look_now = threading.Event()
        self._leaving = False
        self._thread = threading.Thread(target=self._run, name="jack transport", daemon=True)
        self._thread.start()

    def look(self) -> JackState | None:
        """The transport as it is; None: there is no server."""
        client = self._client
        return client.seen if client is not None and client.alive else None

    def start(self) -> None:
        """Let it roll."""
        if (client := self._client) is not None and client.alive:
            client.start()

    def stop(self) -> None:
        """Stop it."""
        if (client := self._client) is not None and client.alive:
            client.stop()

    def locate(self, position_ub: int) -> None:
        """Take it to a position."""
        if (client := self._client) is not None and client.alive:
            client.locate(position_ub)

    def set_tempo(self, slope_ns_per_beat: int) -> None:
        """Where nobody else says how frames go with beats: count them from frame 0 at this tempo."""
        self._slope_ns_per_beat = slope_ns_per_beat
        if (client := self._client) is not None and client.alive:
            client.set_tempo(slope_ns_per_beat)

    def set_line(self, line: Timeline) -> None:
        """Where nobody else says how frames go with beats: let the transport be on this line."""
        self._slope_ns_per_beat = line.ns_per_beat
        if (client := self._client) is not None and client.alive:
            client.set_line(line)

    def close(self) -> None:
        """Leave; once is enough. Blocks: up to a second."""
        self._leaving = True
        self._look_now.set()
        self._thread.join(LEAVE_S)
        if (client := self._client) is not None:
            client.close()

    def _run(self) -> None:
        while not self._leaving:
            with contextlib.suppress(PortError):
                self._turn()
            self._look_now.wait(LOOK_S)
            self._look_now.clear()

    def _turn(self) -> None:
        client = self._client
        if client is None:
            self._client = client = TransportClient(self._slope_ns_per_beat, self._look_now.set, self._wake)
        elif not client.check():
            self._client = None
            self._wake()
            client.close()
            return
        if self._leads and not client.leading and not client.replaced:
            client.lead()
