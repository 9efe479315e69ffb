"""A player's place in an Ableton Link session, on a fake clock."""

from tests.engine.others import QUANTUM_UB, FakeSession

from autoloops_engine.sync.link import JOIN_US, POLL_US, LinkSource
from autoloops_engine.sync.source import Follow, Halt, Play, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT

BEGIN_US = 1_000_000_000


class Rig:
    """A source, its session and the clock."""

    def __init__(self, tempo_bpm: float = 120.0, *, starts_itself: bool = False) -> None:
        self.session = FakeSession(tempo_bpm, BEGIN_US)
        self.source = LinkSource(self.session, 4, BEGIN_US, starts_itself=starts_itself)
        self.said: list[SyncCommand] = []

    @property
    def now_us(self) -> int:
        return self.session.now_us

    def pass_time(self, us: int) -> None:
        """Time goes on, polled as often as the source asks for."""
        until_us = self.now_us + us
        while self.now_us < until_us:
            due_us = self.source.next_poll_us()
            assert due_us is not None
            self.session.now_us = min(until_us, max(due_us, self.now_us + 1))
            self.poll()

    def poll(self) -> list[SyncCommand]:
        said = self.source.poll(self.now_us)
        self.said += said
        return said

    def plays(self) -> list[Play]:
        return [each for each in self.said if isinstance(each, Play)]

    def halts(self) -> int:
        return sum(isinstance(each, Halt) for each in self.said)

    def is_playing(self) -> bool:
        changes = [each for each in self.said if isinstance(each, Play | Halt)]
        return bool(changes) and isinstance(changes[-1], Play)

    def line(self) -> Timeline:
        """The line told last."""
        return [each.line for each in self.said if isinstance(each, Play | Follow)][-1]


def alone(tempo_bpm: float = 120.0) -> Rig:
    rig = Rig(tempo_bpm)
    rig.pass_time(JOIN_US + POLL_US)
    return rig


def joined(tempo_bpm: float = 133.0, phase_ub: int = 1_300_000, *, starts_itself: bool = False) -> Rig:
    """A source that has joined somebody's session."""
    rig = Rig(starts_itself=starts_itself)
    rig.pass_time(300_000)
    rig.session.join(tempo_bpm, phase_ub)
    rig.pass_time(POLL_US)
    return rig


def phase_at(rig: Rig, time_us: int) -> int:
    return rig.session.line.position_at(time_us) % QUANTUM_UB


def off_us(rig: Rig, line: Timeline) -> float:
    """How far a line is off the session's phase, in microseconds."""
    error_ub = (line.position_at(rig.now_us) - rig.session.line.position_at(rig.now_us)) % QUANTUM_UB
    error_ub = min(error_ub, QUANTUM_UB - error_ub)
    return error_ub * line.ns_per_beat / NS_PER_US / UB_PER_BEAT
