"""Following an Ableton Link session: joining it, its tempo and its phase, against a session on a fake clock."""

from tests.engine.linked import BEGIN_US, Rig, alone, joined, off_us, phase_at
from tests.engine.others import QUANTUM_UB, whole

from autoloops_engine.messages import SetTempo, Start
from autoloops_engine.sync.link import JOIN_US, POLL_US, TOLERANCE_US
from autoloops_engine.sync.source import Follow
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import NS_PER_US, UB_PER_BEAT, US_PER_S, ns_per_beat

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
