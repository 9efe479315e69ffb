"""Tempo ramps, taps, positions, swing, offsets, nudges and multiples as a performer asks for them."""

import msgspec
import pytest

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, SyncState, TransportState
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance, render
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder
from autoloops_engine.time.swing import Swing
from autoloops_engine.units import STEP_UB

BEAT_US = 500_000
BAR_US = 4 * BEAT_US


def performance() -> Performance:
    space = latent_space(StubDecoder().manifest)
    setups = [PartSetup("melody", 1, space, 2), PartSetup("bass", 2, space, 2)]
    decoder = StubDecoder()
    return Performance(Session(setups, 7, 120.0), {"melody": decoder, "bass": decoder}, 120.0)


def playing() -> tuple[Performance, int]:
    joined = performance()
    joined.session.act(Target("start"), (), 0)
    joined.run_until(100_000)
    start_us = next(m.time_us for m in joined.heard if isinstance(m, TransportState) and m.playing)
    return joined, start_us


def put(joined: Performance, name: str, *values: float, part: str = "") -> None:
    joined.session.set(Target(name, part), values, joined.now_us)
    joined.settle()


def get(joined: Performance, name: str, part: str = "") -> Values:
    return joined.session.get(Target(name, part))


def beats(joined: Performance) -> dict[int, int]:
    return {event.number: event.at_us for event in joined.events if event.kind == Kind.BEAT}


def onsets(joined: Performance, part: str) -> list[int]:
    return [event.at_us for event in joined.events if event.kind == Kind.ON and event.part == part]


def test_a_ramp_is_heard_and_told_beat_by_beat() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + BAR_US)
    put(joined, "tempo", 128.0, 8.0)
    assert get(joined, "tempo") == (120.0,)
    joined.session.touched()
    told: list[object] = []
    for _ in range(300):
        joined.run_until(joined.now_us + 20_000)
        if Target("tempo") in joined.session.touched():
            told += get(joined, "tempo")
    assert len(told) == 8 * 4
    assert told == pytest.approx([120.25 + 0.25 * step for step in range(32)], abs=1e-3)
    # From the beat at which it was asked for: 60 ln(128 / 120) s for eight beats.
    heard = beats(joined)
    assert heard[13] - heard[5] == pytest.approx(3_872_312, abs=2)
    assert heard[14] - heard[13] == pytest.approx(468_750, abs=1)


def test_a_ramp_asked_for_while_stopped_begins_with_the_music() -> None:
    joined = performance()
    put(joined, "tempo", 60.0, 4.0)
    joined.run_until(5_000_000)
    joined.session.act(Target("start"), (), joined.now_us)
    joined.run_until(20_000_000)
    heard = beats(joined)
    assert heard[2] - heard[1] == pytest.approx(536_000, abs=2_000)
    assert heard[7] - heard[6] == pytest.approx(1_000_000, abs=1)


def test_taps_set_the_tempo() -> None:
    joined, _ = playing()
    for tap in range(4):
        joined.session.act(Target("tap"), (), 1_000_000 + tap * 400_000)
    joined.settle()
    assert get(joined, "tempo") == pytest.approx((150.0,))


@pytest.mark.parametrize("source", ["midi", "jack"])
def test_the_tempo_of_a_master_is_refused_and_a_nudge_is_not(source: str) -> None:
    joined, _ = playing()
    state = SyncState(source, 120.0, 0, 0, locked=True, peers=1, remark="", holds_tempo=True)
    joined.session.on_player(state)
    refusal = r"The tempo comes from the (MIDI clock|JACK transport)"
    with pytest.raises(UsageError, match=refusal):
        put(joined, "tempo", 130.0)
    with pytest.raises(UsageError, match=refusal):
        joined.session.act(Target("tap"), (), joined.now_us)
    joined.session.act(Target("nudge"), (5.0,), joined.now_us)
    assert get(joined, "tempo") == (120.0,)


def test_the_position_is_told_and_can_be_gone_to_while_playing() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 3 * BEAT_US)
    joined.session.advance(joined.now_us)
    assert get(joined, "position") == pytest.approx((3.0,))
    put(joined, "position", 64.0)
    joined.run_until(joined.now_us + BEAT_US)
    joined.session.advance(joined.now_us)
    assert get(joined, "position") == pytest.approx((65.0,), abs=0.01)
    frozen = [m.song_bar for m in joined.heard if isinstance(m, Frozen)]
    assert 16 in frozen
    put(joined, "position", 0.5)
    joined.session.act(Target("stop"), (), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    assert get(joined, "position") == pytest.approx((0.5,), abs=0.01)


def test_a_nudge_moves_every_beat_after_it_and_back() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + BAR_US)
    joined.session.act(Target("nudge"), (40.0,), joined.now_us)
    joined.run_until(start_us + 2 * BAR_US)
    joined.session.act(Target("nudge"), (-40.0,), joined.now_us)
    joined.run_until(start_us + 4 * BAR_US)
    late_us = {number: at_us - start_us - (number - 1) * BEAT_US for number, at_us in beats(joined).items()}
    assert (late_us[5], late_us[7], late_us[8]) == (0, 40_000, 40_000)
    assert (late_us[11], late_us[16]) == (0, 0)
    assert 0 < late_us[6] < 40_000


def test_double_and_half_time_keep_the_bar_lines_together() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + BAR_US + BEAT_US)
    put(joined, "sync/multiple", 2.0)
    assert get(joined, "sync/multiple") == (2.0,)
    joined.run_until(start_us + 4 * BAR_US - BEAT_US)
    put(joined, "sync/multiple", 0.5)
    joined.run_until(start_us + 7 * BAR_US)
    put(joined, "sync/multiple", 1.0)
    joined.run_until(start_us + 12 * BAR_US)
    bars = {event.number: event.at_us - start_us for event in joined.events if event.kind == Kind.BAR}
    at_bars = {number: at_us / BAR_US for number, at_us in bars.items()}
    assert [at_bars[number] for number in (1, 2, 3, 4, 5, 6, 7)] == [0, 1, 2, 2.5, 3, 3.5, 4]
    assert [at_bars[number] for number in (8, 9, 10, 11)] == [6, 8, 9, 10]
    assert get(joined, "tempo") == (120.0,)


def test_swing_delays_every_second_sixteenth_from_the_next_beat_on() -> None:
    def ons(swing: bool) -> set[int]:
        joined, start_us = playing()
        joined.run_until(start_us + BAR_US + BEAT_US // 2)
        if swing:
            put(joined, "swing", 75.0, 16)
            assert get(joined, "swing", "bass") == (75.0, 16)
        joined.run_until(start_us + 4 * BAR_US)
        return {at_us - start_us for part in ("melody", "bass") for at_us in onsets(joined, part)}

    straight, swung = ons(False), ons(True)
    step_us = BEAT_US // 4
    moved = {
        at_us + step_us // 2 if at_us % (2 * step_us) and at_us >= BAR_US + BEAT_US else at_us for at_us in straight
    }
    assert swung == moved
    assert swung != straight


def test_a_part_swings_by_itself_until_it_follows_the_rig_again() -> None:
    joined = performance()
    put(joined, "swing", 60.0, 8)
    put(joined, "swing", 70.0, 16, part="bass")
    assert get(joined, "swing", "melody") == (60.0, 8)
    assert get(joined, "swing", "bass") == (70.0, 16)
    put(joined, "swing", 0.0, part="bass")
    assert get(joined, "swing", "bass") == (60.0, 8)


@pytest.mark.parametrize(
    ("name", "part", "values"),
    [
        ("swing", "", (76.0,)),
        ("swing", "", (40.0,)),
        ("swing", "", (60.0, 12)),
        ("offset", "bass", (501.0,)),
        ("sync/multiple", "", (1.5,)),
        ("position", "", (-1.0,)),
        ("tempo", "", (120.0, -1.0)),
        ("sync/state", "", (1,)),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, part: str, values: Values) -> None:
    joined = performance()
    with pytest.raises(UsageError):
        joined.session.set(Target(name, part), values, 0)


def test_an_offset_is_reached_little_by_little_and_moves_its_part_alone() -> None:
    plain, start_us = playing()
    plain.run_until(start_us + 6 * BAR_US)
    joined, _ = playing()
    joined.run_until(start_us + BAR_US)
    put(joined, "offset", -30.0, part="bass")
    assert get(joined, "offset", "bass") == (-30.0,)
    joined.run_until(start_us + 6 * BAR_US)
    assert onsets(joined, "melody") == onsets(plain, "melody")
    moved = [b - a for a, b in zip(onsets(plain, "bass"), onsets(joined, "bass"), strict=False)]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] == -30_000


def test_how_following_goes_is_told_when_it_changes() -> None:
    joined = performance()
    with pytest.raises(UsageError):
        get(joined, "sync/state")
    assert Target("sync/state") not in joined.session.targets()
    state = SyncState("midi", 121.5, -1_500, 300, locked=True, peers=1, remark="", holds_tempo=True)
    joined.session.touched()
    joined.session.on_player(state)
    assert get(joined, "sync/state") == ("midi", 121.5, -1.5, 0.3, 1, 1)
    assert Target("sync/state") in joined.session.touched()
    joined.session.on_player(state)
    assert Target("sync/state") not in joined.session.touched()


def test_a_new_player_and_a_new_main_process_take_all_of_it_over() -> None:
    joined, start_us = playing()
    put(joined, "swing", 66.0, 8)
    put(joined, "offset", 12.0, part="bass")
    put(joined, "sync/multiple", 2.0)
    put(joined, "tempo", 60.0, 64.0)
    joined.run_until(start_us + 3 * BAR_US)
    joined.player = Player(120.0, joined.now_us, generation=1)
    joined.player.attach("out", 0, joined.now_us)
    joined.settle()
    state = joined.player.state(joined.now_us)
    assert state.gearing.multiple == 2.0
    assert state.line.goal_ns_per_beat == 1_000_000_000
    left = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    space = latent_space(StubDecoder().manifest)
    fresh = Session([PartSetup("melody", 1, space, 2), PartSetup("bass", 2, space, 2)], 7, 120.0, generation=1)
    fresh.restore(left)
    assert fresh.get(Target("swing")) == (66.0, 8)
    assert fresh.get(Target("swing", "bass")) == (66.0, 8)
    assert fresh.get(Target("offset", "bass")) == (12.0,)
    assert fresh.get(Target("sync/multiple")) == (2.0,)


def test_what_is_rendered_swings_as_what_is_played() -> None:
    space = latent_space(StubDecoder().manifest)
    setups = [PartSetup("melody", 1, space, 2)]
    decoders = {"melody": StubDecoder()}
    straight = render(setups, decoders, seed=7, tempo_bpm=120.0, bars=4)
    swung = render(setups, decoders, seed=7, tempo_bpm=120.0, bars=4, swing=Swing(70.0, 16))
    assert [note.pitch for note in swung] == [note.pitch for note in straight]
    moved = {(a.start_ub % (2 * STEP_UB), b.start_ub - a.start_ub) for a, b in zip(straight, swung, strict=True)}
    assert moved == {(0, 0), (STEP_UB, round(0.4 * STEP_UB))}
    assert all(note.duration_ub > 0 for note in swung)
