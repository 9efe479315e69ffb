"""What following an Ableton Link session promises, against a session on a fake clock."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.others import QUANTUM_UB, FakeSession, whole

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.sync.link import BACK_UB, JOIN_US, POLL_US, TOLERANCE_US, LinkSource
from autoloops_engine.sync.source import Follow, Halt, Play, SyncCommand
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S, ns_per_beat

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

    def pass_until(self, done: Callable[[], bool]) -> None:
        until_us = self.now_us + 10 * US_PER_S
        while not done():
            assert self.now_us < until_us
            self.pass_time(POLL_US)

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


# -- joining -----------------------------------------------------------------------------------------------------------


def test_joining_commits_nothing_whatever_was_asked_before() -> None:
    rig = Rig()
    rig.source.request(SetTempo(97.0), rig.now_us)
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(700_000)
    rig.session.join(133.0, 1_300_000)
    rig.pass_time(3 * US_PER_S)
    assert rig.session.commits == []
    assert rig.session.line.ns_per_beat == whole(133.0)
    assert rig.line().ns_per_beat == whole(133.0)


def test_a_start_before_joining_begins_with_the_peers_next_quantum() -> None:
    rig = Rig()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(700_000)
    assert rig.plays() == []
    rig.session.join(133.0, 1_300_000)
    rig.pass_time(POLL_US)
    (play,) = rig.plays()
    assert play.fresh
    assert play.line.position_ub == 0
    assert rig.now_us < play.line.time_us <= rig.now_us + 4 * whole(133.0) // NS_PER_US
    assert phase_at(rig, play.line.time_us) in (0, 1, 2, 3)


def test_alone_the_asked_tempo_holds_and_the_start_comes_within_a_moment() -> None:
    rig = Rig(120.0)
    rig.source.request(SetTempo(97.0), rig.now_us)
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(JOIN_US + POLL_US)
    (play,) = rig.plays()
    assert play.line.ns_per_beat == whole(97.0)
    assert 0 < play.line.time_us - rig.now_us < 100_000
    assert rig.session.playing
    rig.pass_time(10 * US_PER_S)
    assert off_us(rig, play.line) < 2


def test_before_a_second_has_passed_it_is_not_locked() -> None:
    rig = Rig()
    assert not rig.source.state(rig.now_us).locked
    rig.pass_time(JOIN_US + POLL_US)
    assert rig.source.state(rig.now_us).locked


def test_a_player_that_took_over_goes_on_where_it_was() -> None:
    """It has the line of the one before it; its place in the session is new, and the session is the same."""
    rig = Rig()
    before = Timeline(whole(133.0), 37 * UB_PER_BEAT, BEGIN_US)
    rig.source.take_up(before, rig.now_us, playing=True)
    rig.pass_time(600_000)
    rig.session.join(133.0, before.position_at(rig.now_us) % QUANTUM_UB)
    rig.pass_time(2 * US_PER_S)
    assert rig.said == []
    assert rig.session.commits == []


def test_alone_a_player_that_took_over_founds_the_session_anew() -> None:
    rig = Rig(120.0)
    before = Timeline(ns_per_beat(123.45), 37 * UB_PER_BEAT + 400_000, BEGIN_US)
    rig.source.take_up(before, rig.now_us, playing=True)
    rig.pass_time(2 * US_PER_S)
    assert not rig.plays()
    assert rig.halts() == 0
    assert off_us(rig, before) < TOLERANCE_US
    assert rig.session.line.ns_per_beat == whole(123.45)


# -- tempo and phase ---------------------------------------------------------------------------------------------------


def test_a_peers_tempo_is_followed_within_a_poll() -> None:
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(4 * US_PER_S)
    rig.session.tempo(161.7)
    rig.pass_time(POLL_US)
    assert rig.line().ns_per_beat == whole(161.7)
    assert off_us(rig, rig.line()) < 2
    assert "tempo" not in rig.session.commits


def test_a_stopped_player_has_the_sessions_tempo() -> None:
    rig = joined(140.0)
    assert rig.said == [Follow(Timeline(whole(140.0), 0, rig.now_us))]
    rig.session.tempo(90.0)
    rig.pass_time(POLL_US)
    assert rig.line().ns_per_beat == whole(90.0)


def test_our_tempo_is_proposed_to_the_session() -> None:
    rig = joined()
    assert rig.source.request(SetTempo(77.0), rig.now_us)
    assert rig.session.commits == ["tempo"]
    rig.poll()
    assert rig.line().ns_per_beat == whole(77.0)


def test_a_ramp_is_proposed_in_steps_and_given_up_for_a_peers_tempo() -> None:
    rig = joined(120.0)
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(4 * US_PER_S)
    rig.source.request(SetTempo(140.0, 8 * UB_PER_BEAT), rig.now_us)
    rig.pass_time(2 * US_PER_S)
    assert whole(131.0) < rig.session.line.ns_per_beat < whole(129.0)
    rig.pass_time(3 * US_PER_S)
    assert rig.session.line.ns_per_beat == whole(140.0)
    assert rig.session.commits.count("tempo") < 200
    rig.source.request(SetTempo(120.0, 8 * UB_PER_BEAT), rig.now_us)
    rig.pass_time(US_PER_S)
    rig.session.tempo(99.0)
    rig.pass_time(5 * US_PER_S)
    assert rig.session.line.ns_per_beat == whole(99.0)


def test_a_peer_that_leaves_or_comes_changes_nothing() -> None:
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(4 * US_PER_S)
    rig.said.clear()
    for peers in (0, 3, 1, 0):
        rig.session.peers = peers
        rig.pass_time(US_PER_S)
        assert rig.said == []
        assert rig.source.state(rig.now_us).peers == peers
    assert "alone" in rig.source.state(rig.now_us).remark


def test_an_older_session_that_appears_is_reached_by_going_forward() -> None:
    rig = alone()
    line = Timeline(whole(120.0), 0, rig.now_us)
    rig.source.take_up(line, rig.now_us, playing=True)
    rig.pass_time(3 * US_PER_S)
    before_ub = 6 * UB_PER_BEAT
    rig.session.join(120.0, 1 * UB_PER_BEAT)
    rig.pass_time(POLL_US)
    assert 0 < rig.line().position_at(rig.now_us) - before_ub < QUANTUM_UB
    assert off_us(rig, rig.line()) < 2


def test_clocks_that_part_are_followed_without_retelling_every_poll() -> None:
    """The library's clock and ours part by 200 ppm: corrections are small, and few."""
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(4 * US_PER_S)
    told = len(rig.said)
    for _ in range(1000):
        line = rig.session.line
        rig.session.line = Timeline(line.ns_per_beat, line.position_ub, line.time_us + 2)
        rig.pass_time(POLL_US)
        assert off_us(rig, rig.line()) <= TOLERANCE_US + 3
    assert 20 <= len(rig.said) - told <= 60


# -- transport ---------------------------------------------------------------------------------------------------------


def test_a_start_here_starts_everybody_at_the_same_quantum() -> None:
    rig = joined()
    assert rig.source.request(Start(), rig.now_us)
    rig.poll()
    (play,) = rig.plays()
    assert rig.session.playing
    assert rig.session.playing_at_us >= rig.now_us
    assert rig.session.playing_at_us < play.line.time_us
    at_us = rig.session.playing_at_us
    quantum_us = 4 * rig.session.line.ns_per_beat // NS_PER_US
    assert play.line.time_us - at_us < quantum_us
    assert phase_at(rig, play.line.time_us) < 4
    rig.pass_time(5 * US_PER_S)
    assert len(rig.plays()) == 1


def test_the_programmes_own_start_is_nobody_elses() -> None:
    rig = joined(starts_itself=True)
    rig.source.request(Start(), rig.now_us)
    rig.poll()
    assert len(rig.plays()) == 1
    assert rig.session.commits == []
    rig.source.request(Start(), rig.now_us)
    assert rig.session.commits == ["start"]


def test_who_joins_the_players_starts_nobody_again() -> None:
    rig = Rig()
    rig.session.transport(playing=True, in_us=-5 * US_PER_S)
    rig.session.join(120.0, 0)
    rig.pass_time(US_PER_S)
    assert rig.plays() == []
    rig.source.request(Start(), rig.now_us)
    rig.poll()
    assert len(rig.plays()) == 1
    assert rig.session.commits == []


def test_alone_the_player_starts_at_once_and_the_session_takes_its_phase() -> None:
    rig = alone()
    assert not rig.source.request(Start(), rig.now_us)
    line = Timeline(whole(120.0), 0, rig.now_us + 7_000)
    rig.source.take_up(line, rig.now_us, playing=True)
    assert phase_at(rig, line.time_us) == 0
    assert rig.session.playing
    rig.pass_time(5 * US_PER_S)
    assert rig.said == []


def test_continue_waits_for_the_phase_of_its_place() -> None:
    rig = joined(120.0, 0)
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(int(5.3 * US_PER_S))
    rig.source.request(Stop(), rig.now_us)
    rig.poll()
    stopped_ub = rig.line().position_at(rig.now_us)
    rig.pass_time(1_234_567)
    rig.source.request(Continue(), rig.now_us)
    rig.poll()
    play = rig.plays()[-1]
    assert not play.fresh
    assert play.line.position_ub == stopped_ub
    assert abs(phase_at(rig, play.line.time_us) - stopped_ub % QUANTUM_UB) < 4


def test_a_stop_before_the_first_beat_leaves_us_at_the_beginning() -> None:
    rig = joined(120.0, 100_000)
    rig.source.request(Start(), rig.now_us)
    rig.poll()
    rig.source.request(Stop(), rig.now_us)
    rig.poll()
    rig.source.request(Continue(), rig.now_us)
    rig.poll()
    assert rig.plays()[-1].line.position_ub == 0


def test_a_peers_start_begins_at_the_next_quantum_after_it() -> None:
    rig = joined(120.0, 3_000_000)
    rig.session.transport(playing=True)
    rig.pass_time(POLL_US)
    (play,) = rig.plays()
    assert play.fresh
    assert 470_000 < play.line.time_us - rig.now_us <= 490_000
    assert "start" not in rig.session.commits


def test_a_start_on_the_first_beat_of_a_quantum_means_this_beat() -> None:
    rig = joined(120.0, 3_000_000)
    rig.session.transport(playing=True, in_us=490_001)
    rig.pass_time(POLL_US)
    (play,) = rig.plays()
    assert play.line.time_us - rig.now_us < 500_000


def test_a_start_heard_a_moment_late_is_still_that_start() -> None:
    rig = joined(120.0, 3_950_000)
    rig.session.transport(playing=True)
    rig.session.now_us += 60_000
    rig.poll()
    (play,) = rig.plays()
    assert play.line.time_us < rig.now_us
    assert phase_at(rig, play.line.time_us) < 4


def test_a_peers_stop_stops_us_when_it_says() -> None:
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(5 * US_PER_S)
    rig.session.transport(playing=False, in_us=200_000)
    rig.pass_time(190_000)
    assert rig.halts() == 0
    rig.pass_time(20_000)
    assert rig.halts() == 1
    assert rig.session.commits == ["start"]


def test_a_stop_here_stops_everybody() -> None:
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(5 * US_PER_S)
    rig.source.request(Stop(), rig.now_us)
    rig.poll()
    assert rig.halts() == 1
    assert not rig.session.playing


def test_an_old_stop_whose_time_a_tempo_moved_is_no_command() -> None:
    """Link keeps a start or stop by its beat: another tempo gives it another time."""
    rig = Rig()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(300_000)
    rig.session.join(120.0, 0)
    rig.session.transport(playing=False, in_us=-60 * US_PER_S)
    rig.pass_time(5 * US_PER_S)
    rig.session.tempo(200.0)
    rig.session.playing_at_us += 24 * US_PER_S
    rig.pass_time(US_PER_S)
    assert rig.halts() == 0


def test_a_locate_while_playing_keeps_the_phase() -> None:
    rig = joined()
    rig.source.request(Start(), rig.now_us)
    rig.pass_time(5 * US_PER_S)
    assert rig.source.request(Locate(16 * UB_PER_BEAT), rig.now_us)
    rig.poll()
    position_ub = rig.line().position_at(rig.now_us)
    assert 16 * UB_PER_BEAT <= position_ub < 20 * UB_PER_BEAT
    assert off_us(rig, rig.line()) < 2


def test_leaving_closes_the_session() -> None:
    rig = joined()
    rig.source.close()
    assert rig.session.closed == 1


DEEDS = st.sampled_from(["tempo", "start", "stop", "peer start", "peer stop", "peer tempo", "leave", "return", "wait"])


@settings(deadline=None)
@given(st.lists(st.tuples(DEEDS, st.integers(1, 3_000_000)), max_size=25))
def test_whatever_everybody_does_we_are_in_phase_and_never_go_back(deeds: list[tuple[str, int]]) -> None:
    rig = joined()
    position_ub = -1 << 60
    for deed, pause_us in deeds:
        match deed:
            case "tempo":
                rig.source.request(SetTempo(20 + pause_us / 4_000), rig.now_us)
            case "start":
                position_ub = -1 << 60
                if not rig.source.request(Start(), rig.now_us):
                    line = Timeline(rig.session.line.ns_per_beat, 0, rig.now_us + 2_000)
                    rig.said.append(Play(line, fresh=True))
                    rig.source.take_up(line, rig.now_us, playing=True)
            case "stop":
                rig.source.request(Stop(), rig.now_us)
            case "peer start":
                position_ub = -1 << 60
                rig.session.transport(playing=True)
            case "peer stop":
                rig.session.transport(playing=False)
            case "peer tempo":
                rig.session.tempo(20 + pause_us / 4_000)
            case "leave":
                rig.session.peers = 0
            case "return":
                rig.session.peers = 1
        rig.pass_time(pause_us)
        if rig.is_playing():
            assert off_us(rig, rig.line()) <= TOLERANCE_US + 2
            reached_ub = rig.line().position_at(rig.now_us)
            assert reached_ub >= position_ub - BACK_UB
            position_ub = reached_ub
