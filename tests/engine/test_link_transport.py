"""Following an Ableton Link session: starts, stops and places, against a session on a fake clock."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.linked import Rig, alone, joined, off_us, phase_at
from tests.engine.others import QUANTUM_UB, whole

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.sync.link import BACK_UB, POLL_US, TOLERANCE_US
from autoloops_engine.sync.source import Play
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S


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
