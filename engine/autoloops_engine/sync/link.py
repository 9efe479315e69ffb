"""Ableton Link as a sync source: joining, the phase, start and stop. Pure but for the session it asks.

A Link session is a tempo, a phase and, for those who share it, a transport. Joining changes none of them: nothing is
committed before a peer's session was adopted, or a second has passed without one. From then on the tempo belongs to
everybody: ours is proposed like everyone's, and what the others propose is followed.

The phase counts modulo the quantum: position modulo quantum = phase of the session. Only a peer who is alone may move
the phase; everybody else begins where it fits (Ableton Link, ``Link.hpp``: ``requestBeatAtTime``).
"""

from typing import Final, Protocol

from msgspec import Struct

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.sync.ramp import Ramp
from autoloops_engine.sync.source import Follow, Halt, Play, Request, SourceState, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_S, NS_PER_US, UB_PER_BEAT, US_PER_MS, US_PER_S, ns_per_beat

# A peer's session is found within a scan interval of half a second.
JOIN_US: Final = US_PER_S
POLL_US: Final = 10 * US_PER_MS
# Below this the line is kept, so that equal beats are equally long; the two clocks part by 500 ppm at most.
TOLERANCE_US: Final = 50
# What lies so little behind is caught up with; everything else is reached by going forward.
BACK_UB: Final = UB_PER_BEAT // 4
# A start needs so long to reach the ports; one who is alone also has to prepare what comes before the first beat.
AHEAD_US: Final = 10 * US_PER_MS
AHEAD_ALONE_US: Final = 60 * US_PER_MS
# A start given on a quantum's first beat means this one, however its time was rounded.
ON_TIME_US: Final = US_PER_MS


class LinkState(Struct, frozen=True):
    """A session at one moment.

    Attributes:
        at_us: The moment, on the monotonic clock.
        ns_per_beat: Nanoseconds in a beat.
        phase_ub: Micro-beats since the quantum began, from 0 to below the quantum.
        peers: How many others are in the session.
        playing: Whether its transport plays ...
        playing_at_us: ... and the monotonic time of that start or stop.
    """

    at_us: int
    ns_per_beat: int
    phase_ub: int
    peers: int
    playing: bool
    playing_at_us: int

    def line(self, position_ub: int) -> Timeline:
        """The session's tempo through ``position_ub`` at this moment."""
        return Timeline(self.ns_per_beat, position_ub, self.at_us)


class LinkSession(Protocol):
    """Our place in a Link session. Blocks: never."""

    def look(self) -> LinkState:
        """The session as it is."""

    def set_tempo(self, tempo_bpm: float, at_us: int) -> None:
        """Propose a tempo (20 to 999 BPM) to everybody."""

    def set_phase(self, position_ub: int, at_us: int) -> None:
        """Make ``at_us`` the time of ``position_ub``; for one who is alone."""

    def set_playing(self, at_us: int, *, playing: bool) -> None:
        """Start or stop everybody who shares the transport."""

    def close(self) -> None:
        """Leave the session; once is enough."""


class LinkSource:
    """Follows a Link session; see ``SyncSource``.

    Args:
        session: Our place in it, just taken.
        quantum_beats: Beats after which the phase begins again, from 1.
        now_us: The present time.
        starts_itself: The first start is the programme's own, which is nobody else's business.
    """

    name = "link"

    def __init__(self, session: LinkSession, quantum_beats: int, now_us: int, *, starts_itself: bool = False) -> None:
        self._session = session
        self._quantum_ub = quantum_beats * UB_PER_BEAT
        self._join_by_us = now_us + JOIN_US
        self._joined = False
        self._own_start = starts_itself
        self._peers = 0
        self._seen = session.look()
        self._line = self._seen.line(0)
        self._from_ub = 0
        self._playing = False
        # A start or stop of the session that is older than ours is no command.
        self._since_us = now_us
        self._halt_us: int | None = None
        # What was asked for before we had joined.
        self._tempo_bpm: float | None = None
        self._wanted: Start | Continue | None = None
        self._ramp = Ramp()
        self._commands: list[SyncCommand] = []
        self._remark = ""

    # -- what a performer asks -----------------------------------------------------------------------------------------

    def request(self, request: Request, now_us: int) -> bool:
        """Propose a tempo, ask for a start at the next quantum, stop; alone, the player does what it always does."""
        match request:
            case SetTempo(tempo_bpm=tempo_bpm, ramp_ub=ramp_ub):
                self._ramp.end()
                if ramp_ub and self._playing and self._joined:
                    line = self._seen.line(self._line.position_at(self._seen.at_us))
                    self._ramp.begin(line, ns_per_beat(tempo_bpm), ramp_ub)
                else:
                    self._propose(tempo_bpm, now_us)
                return True
            case Stop():
                self._stop(now_us)
                return True
            case Start() | Continue():
                own = self._own_start and isinstance(request, Start)
                self._own_start = self._own_start and not own
                return self._start(request, now_us, own=own)
            case Locate(position_ub=position_ub):
                return self._locate(position_ub)
        return False

    def take_up(self, line: Timeline, now_us: int, *, playing: bool) -> None:
        """Keep to the bars of ``line``; one who is alone takes its tempo and phase into the session."""
        self._line = line
        self._from_ub = line.position_ub
        if playing != self._playing:
            self._since_us = now_us
        self._playing = playing
        if self._joined and self._peers == 0:
            self._impose(now_us)

    # -- what the session says -----------------------------------------------------------------------------------------

    def poll(self, now_us: int) -> list[SyncCommand]:
        """See how the session is, and what follows from that."""
        self._seen = self._session.look()
        self._count_peers(now_us)
        if self._joined:
            self._follow_transport(now_us)
            step_ns = self._ramp.step(self._seen.ns_per_beat, now_us)
            if step_ns is not None:
                self._propose(60 * NS_PER_S / step_ns, now_us)
            self._follow_line(now_us)
        commands, self._commands = self._commands, []
        return commands

    def next_poll_us(self) -> int | None:
        """Every 10 ms: so late may a tempo be heard of."""
        return self._seen.at_us if self._commands else self._seen.at_us + POLL_US

    def state(self, now_us: int) -> SourceState:
        """Locked once we have joined."""
        return SourceState(self._line_seen().tempo_bpm, 0, self._joined, self._peers, self._remark)

    def close(self) -> None:
        """Leave the session."""
        self._session.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _line_seen(self) -> Timeline:
        return self._seen.line(self._seen.phase_ub)

    def _count_peers(self, now_us: int) -> None:
        peers = self._seen.peers
        if peers != self._peers:
            self._remark = _told(peers, self._line_seen().tempo_bpm, joined=not self._joined)
        self._peers = peers
        if not self._joined and (peers or now_us >= self._join_by_us):
            self._joined = True
            self._join(now_us)

    def _join(self, now_us: int) -> None:
        """Take up a peer's session, or found one."""
        if self._peers == 0:
            self._impose(now_us)
        self._tempo_bpm = None
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not self._playing:
            # Nobody else is started by our coming.
            self._play(wanted, now_us)

    def _impose(self, now_us: int) -> None:
        """Bring our tempo, phase and transport into a session that is ours alone."""
        if self._tempo_bpm is not None:
            self._session.set_tempo(self._tempo_bpm, now_us)
        if self._playing:
            # The session counts in whole microseconds.
            if self._tempo_bpm is None and abs(self._line.ns_per_beat - self._seen.ns_per_beat) >= NS_PER_US:
                self._session.set_tempo(self._line.tempo_bpm, now_us)
            self._session.set_phase(self._line.position_ub, self._line.time_us)
        if self._playing != self._seen.playing:
            self._session.set_playing(now_us, playing=self._playing)
        self._seen = self._session.look()

    def _propose(self, tempo_bpm: float, now_us: int) -> None:
        if not self._joined:
            self._tempo_bpm = tempo_bpm
            return
        self._session.set_tempo(tempo_bpm, now_us)
        self._seen = self._session.look()
        self._follow_line(now_us)

    def _start(self, request: Start | Continue, now_us: int, *, own: bool) -> bool:
        if not self._joined:
            self._wanted = request
            return True
        if self._peers == 0:
            return False
        if isinstance(request, Continue) and self._playing:
            return True
        start_us = self._play(request, now_us)
        if not self._seen.playing and not own:
            # A moment before, so that everybody takes the same first beat for the next one.
            self._session.set_playing(start_us - AHEAD_US, playing=True)
        return True

    def _play(self, request: Start | Continue, now_us: int) -> int:
        """Begin at the next fitting beat; when that is."""
        fresh = isinstance(request, Start)
        position_ub = 0 if fresh else self._line.position_ub
        if self._peers == 0:
            start_us = now_us + AHEAD_ALONE_US
            self._session.set_phase(position_ub, start_us)
            self._session.set_playing(start_us, playing=True)
        else:
            start_us = self._next_us(position_ub, now_us + AHEAD_US)
        self._begin(Timeline(self._seen.ns_per_beat, position_ub, start_us), now_us, fresh=fresh)
        return start_us

    def _begin(self, line: Timeline, now_us: int, *, fresh: bool) -> None:
        self._line = line
        self._from_ub = line.position_ub
        self._playing = True
        self._since_us = now_us
        self._halt_us = None
        self._commands.append(Play(line, fresh))

    def _stop(self, now_us: int) -> None:
        self._wanted = None
        if not self._playing:
            return
        self._halt(now_us)
        if self._joined:
            self._session.set_playing(now_us, playing=False)

    def _halt(self, now_us: int) -> None:
        self._ramp.end()
        # Where it goes on after a ``Continue``: nowhere before it began, if that was still to come.
        position_ub = max(self._line.position_at(now_us), self._from_ub)
        self._line = Timeline(self._line.ns_per_beat, position_ub, now_us)
        self._playing = False
        self._since_us = now_us
        self._halt_us = None
        self._commands.append(Halt())

    def _locate(self, position_ub: int) -> bool:
        if not self._playing or self._peers == 0:
            return False
        behind_ub = (self._seen.phase_ub - position_ub) % self._quantum_ub
        self._line = self._seen.line(position_ub + behind_ub)
        self._commands.append(Play(self._line))
        return True

    def _next_us(self, position_ub: int, from_us: int) -> int:
        """The first time from ``from_us`` on at which the session's phase is that of a position."""
        line = self._line_seen()
        first_ub = line.position_at(from_us)
        return line.time_of(first_ub + (position_ub - first_ub) % self._quantum_ub)

    def _follow_transport(self, now_us: int) -> None:
        """Do what a peer said since our own last start or stop."""
        seen = self._seen
        if self._halt_us is not None and self._halt_us <= now_us:
            self._halt(now_us)
        if seen.playing == self._playing or seen.playing_at_us <= self._since_us:
            return
        if not seen.playing:
            if seen.playing_at_us <= now_us:
                self._halt(now_us)
            else:
                self._halt_us = seen.playing_at_us
            return
        start_us = self._next_us(0, seen.playing_at_us - ON_TIME_US)
        if start_us < now_us - seen.ns_per_beat // NS_PER_US:
            start_us = self._next_us(0, now_us + AHEAD_US)
        self._begin(Timeline(seen.ns_per_beat, 0, start_us), now_us, fresh=True)

    def _follow_line(self, now_us: int) -> None:
        """Tell the session's line when ours has parted from it."""
        seen = self._seen
        position_ub = self._line.position_at(seen.at_us)
        if not self._playing:
            if seen.ns_per_beat != self._line.ns_per_beat:
                self._tell(Timeline(seen.ns_per_beat, self._line.position_ub, now_us))
            return
        error_ub = (seen.phase_ub - position_ub) % self._quantum_ub
        if error_ub > self._quantum_ub - BACK_UB:
            error_ub -= self._quantum_ub
        far = abs(error_ub) * seen.ns_per_beat > TOLERANCE_US * NS_PER_US * UB_PER_BEAT
        if far or seen.ns_per_beat != self._line.ns_per_beat:
            self._tell(seen.line(position_ub + error_ub))

    def _tell(self, line: Timeline) -> None:
        self._line = line
        self._commands.append(Follow(line))


def _told(peers: int, tempo_bpm: float, *, joined: bool) -> str:
    others = "1 peer" if peers == 1 else f"{peers} peers"
    if peers == 0:
        return "Link: the last peer left; we go on alone, in time."
    if joined:
        return f"Link: joined a session of {others} at {tempo_bpm:.2f} BPM."
    return f"Link: {others} in the session, at {tempo_bpm:.2f} BPM."
