"""What others share with the player, on a fake clock: a Link session and a JACK transport."""

from autoloops_engine.sync.jack import Grid, JackState
from autoloops_engine.sync.link import LinkState
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S, ns_per_beat

QUANTUM_UB = 4 * UB_PER_BEAT
RATE_HZ = 48_000
TICK_UB = UB_PER_BEAT // 1920


def whole(tempo_bpm: float) -> int:
    """A Link session counts a beat in whole microseconds."""
    return round(60e6 / tempo_bpm) * NS_PER_US


class FakeSession:
    """A session of which the test is everybody else."""

    def __init__(self, tempo_bpm: float, now_us: int) -> None:
        self.now_us = now_us
        self.line = Timeline(whole(tempo_bpm), 0, now_us)
        self.peers = 0
        self.playing = False
        self.playing_at_us = now_us
        self.commits: list[str] = []
        self.closed = 0

    def look(self) -> LinkState:
        phase_ub = self.line.position_at(self.now_us) % QUANTUM_UB
        return LinkState(self.now_us, self.line.ns_per_beat, phase_ub, self.peers, self.playing, self.playing_at_us)

    def set_tempo(self, tempo_bpm: float, at_us: int) -> None:
        self.commits.append("tempo")
        self.tempo(tempo_bpm)

    def set_phase(self, position_ub: int, at_us: int) -> None:
        self.commits.append("phase")
        if not self.peers:
            self.line = Timeline(self.line.ns_per_beat, position_ub, at_us)

    def set_playing(self, at_us: int, *, playing: bool) -> None:
        self.commits.append("start" if playing else "stop")
        self.playing, self.playing_at_us = playing, at_us

    def close(self) -> None:
        self.closed += 1

    # What the others do.

    def tempo(self, tempo_bpm: float) -> None:
        self.line = self.line.with_tempo(whole(tempo_bpm), self.now_us)

    def transport(self, *, playing: bool, in_us: int = 0) -> None:
        self.playing, self.playing_at_us = playing, self.now_us + in_us

    def join(self, tempo_bpm: float, phase_ub: int, *, peers: int = 1) -> None:
        """We are found by an older session, and take it on."""
        self.peers = peers
        self.line = Timeline(whole(tempo_bpm), phase_ub, self.now_us)


class FakeTransport:
    """A transport of which the test is everybody else."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us
        self.there = True
        self.rolling = False
        self.jumps = 0
        self.frame, self.frame_us = 0, now_us
        self.grid = Grid(ns_per_beat(120.0), RATE_HZ)
        self.master_bpm: float | None = None
        self.did: list[str] = []

    def present_frame(self) -> int:
        if not self.rolling:
            return self.frame
        return self.frame + (self.now_us - self.frame_us) * RATE_HZ // US_PER_S

    def look(self) -> JackState | None:
        if not self.there:
            return None
        frame = self.present_frame()
        at_us = self.frame_us + (frame - self.frame) * US_PER_S // RATE_HZ if self.rolling else self.now_us
        grid, tick_ub = self.grid, 0
        if self.master_bpm is not None:
            grid, tick_ub = Grid(ns_per_beat(self.master_bpm), RATE_HZ), TICK_UB
        position_ub = grid.position_at(frame)
        if tick_ub:
            position_ub -= position_ub % tick_ub
        foreign = self.master_bpm is not None
        from_ub = grid.position_at(self.frame)
        return JackState(
            at_us, self.rolling, self.jumps, position_ub, tick_ub, grid.ns_per_beat, self.frame_us, from_ub, foreign
        )

    def start(self) -> None:
        self.did.append("start")
        self.roll()

    def stop(self) -> None:
        self.did.append("stop")
        self.halt()

    def locate(self, position_ub: int) -> None:
        self.did.append("locate")
        self.go(self.grid.from_the_start().frame_of(position_ub))

    def set_tempo(self, slope_ns_per_beat: int) -> None:
        self.grid = Grid(slope_ns_per_beat, RATE_HZ)

    def set_line(self, line: Timeline) -> None:
        frame = self.present_frame()
        position_ub = line.position_at(self.now_us) if self.rolling else line.position_ub
        self.grid = self.grid.through(frame, position_ub, line.ns_per_beat)

    def close(self) -> None:
        self.did.append("close")

    # What the others do.

    def roll(self) -> None:
        self.frame, self.frame_us, self.rolling = self.present_frame(), self.now_us, True

    def halt(self) -> None:
        self.frame, self.rolling = self.present_frame(), False

    def go(self, frame: int) -> None:
        self.frame, self.frame_us = frame, self.now_us
        self.grid = self.grid.from_the_start()
        self.jumps += 1
