"""Following a MIDI clock: the first clock after Start is beat 0, and nothing that a cable does leaves a note behind."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.following import BAR, BEAT_US, CLOCK, CONTINUE, MELODY, START, STOP, Clocked, pointer

from autoloops_engine.messages import (
    Adopt,
    Continue,
    HeldBar,
    Locate,
    OfferBar,
    SetTempo,
    Start,
    Stop,
    ToPlayer,
    TransportState,
)
from autoloops_engine.player.events import Kind
from autoloops_engine.sync.midi_transport import TABLE, ByteReader, Mode, Word, is_of_clock
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT, ns_per_beat

TICK_US = BEAT_US / 24


def started(tempo_bpm: float = 120.0, lead_us: int = 0) -> tuple[Clocked, float]:
    """A stage that plays with a clock since 1 s, one bar ago; when the next tick is due."""
    stage = Clocked(lead_us)
    stage.feed(START, 999_000)
    return stage, stage.ticks(96, 1_000_000.0, tempo_bpm)


def late_us(stage: Clocked, from_us: float, tempo_bpm: float, first: int = 0) -> list[float]:
    """How late each note was meant, by a master whose step ``first`` fell at ``from_us``."""
    step_us = 15e6 / tempo_bpm
    return [at_us - from_us - (index - first) * step_us for index, (at_us, _) in enumerate(stage.ons())]


def test_the_table_has_an_answer_for_every_word_in_every_mode() -> None:
    assert set(TABLE) == {(mode, word) for mode in Mode for word in Word}


def test_the_first_clock_after_start_is_beat_0_and_locks_within_a_beat() -> None:
    stage = Clocked(tempo_bpm=97.0)
    stage.feed(START, 900_000)
    stage.run(999_999)
    assert not stage.events, "Start alone plays nothing"
    due_us = stage.ticks(24 * 16, 1_000_000.0, 140.0)
    stage.run(round(due_us) - 1)
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(64)]
    lateness_us = late_us(stage, 1_000_000.0, 140.0)
    assert lateness_us[0] == 0
    assert max(abs(each) for each in lateness_us[4:]) < 1_000
    assert (stage.sync().locked, stage.sync().peers, stage.sync().holds_tempo) == (True, 1, True)
    assert stage.sync().tempo_bpm == pytest.approx(140.0, rel=1e-3)


def test_clocks_while_stopped_give_the_tempo_and_keep_silent() -> None:
    stage = Clocked()
    due_us = stage.ticks(48, 1_000_000.0, 93.0)
    assert not stage.events
    assert stage.states()[-1].ns_per_beat == pytest.approx(ns_per_beat(93.0), rel=1e-3)
    stage.feed(START, round(due_us) - 5_000)
    stage.ticks(48, due_us, 93.0)
    assert max(abs(each) for each in late_us(stage, due_us, 93.0)) < 200, "in time from the first note on"


@pytest.mark.parametrize("lead_us", [0, 5_333, 100_000])
def test_notes_keep_to_an_exact_clock_within_a_fraction_of_a_millisecond(lead_us: int) -> None:
    stage = Clocked(lead_us)
    stage.feed(START, 999_000)
    stage.ticks(24 * 32, 1_000_000.0, 123.45)
    lateness_us = late_us(stage, 1_000_000.0, 123.45)[4:]
    assert max(abs(each) for each in lateness_us) < 500


def test_twenty_milliseconds_of_jitter_do_not_wobble_the_music() -> None:
    noise = random.Random(3)
    stage = Clocked(5_333)
    stage.feed(START, 970_000)
    for tick in range(24 * 48):
        meant_us = 1_000_000 + tick * TICK_US
        stage.feed(CLOCK, max(stage.now_us, round(meant_us + noise.uniform(-20_000, 20_000))))
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(len(stage.ons()))]
    lateness_us = sorted(abs(each) for each in late_us(stage, 1_000_000, 120.0)[64:])
    assert lateness_us[int(0.99 * len(lateness_us))] < 5_000
    assert stage.sync().tempo_bpm == pytest.approx(120.0, rel=1e-3)


def test_a_step_of_tempo_is_followed_within_a_beat_without_a_lost_or_doubled_note() -> None:
    stage, due_us = started(120.0, 5_333)
    stage.ticks(24 * 8, due_us, 140.0)
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(len(stage.ons()))]
    onsets_us = [at_us for at_us, _ in stage.ons() if at_us > due_us + 60e6 / 140]
    steps_us = [after - before for before, after in pairwise(onsets_us)]
    assert max(abs(step_us * 140 / 15e6 - 1) for step_us in steps_us) < 0.01
    assert {state.epoch for state in stage.states()[1:]} <= {0, 1}


def test_stop_ends_every_note_and_continue_goes_on_with_the_next_tick() -> None:
    stage, due_us = started()
    due_us = stage.ticks(30, due_us)
    stage.feed(STOP, round(due_us) - 8_000)
    heard = len(stage.ons())
    due_us = stage.ticks(100, due_us)
    assert len(stage.ons()) == heard
    assert sum({Kind.ON: 1, Kind.OFF: -1}.get(event.kind, 0) for event in stage.events) == 0
    stage.feed(CONTINUE, round(due_us) - 8_000)
    stage.ticks(24, due_us)
    # Tick 126 is next: five beats and a quarter.
    assert stage.ons()[heard][1] == 60 + 126 // 6 % 16
    assert abs(stage.ons()[heard][0] - due_us) < 100


@pytest.mark.parametrize("steps", [0, 1, 7, 16, 33, 127, 128, 1000, 16_383])
def test_a_pointer_while_stopped_goes_to_any_sixteenth_and_continue_plays_from_there(steps: int) -> None:
    stage, due_us = started()
    stage.feed(STOP, round(due_us) - 2_000)
    due_us += TICK_US
    stage.feed(pointer(steps), round(due_us))
    epoch = stage.states()[-1].epoch
    stage.guide.handle(OfferBar("melody", epoch, steps // 16, BAR), stage.now_us)
    heard = len(stage.ons())
    stage.feed(CONTINUE, round(due_us) + 100_000)
    due_us = stage.ticks(96, due_us + 120_000)
    ons = stage.ons()[heard:]
    assert [pitch for _, pitch in ons] == [60 + (steps + index) % 16 for index in range(len(ons))]
    assert len(ons) == 16
    beats = [event.number for event in stage.events if event.kind is Kind.BEAT]
    assert beats[-1] == (steps + 15) // 4 + 1


def test_start_while_it_runs_begins_anew_with_the_next_clock() -> None:
    stage, due_us = started()
    due_us = stage.ticks(31, due_us)
    stage.feed(START, round(due_us) - 1_000)
    stage.guide.handle(OfferBar("melody", 2, 0, BAR), stage.now_us)
    heard = len(stage.ons())
    stage.ticks(48, due_us)
    assert stage.ons()[heard][1] == 60
    assert abs(stage.ons()[heard][0] - due_us) < 200
    assert [event.number for event in stage.events if event.kind is Kind.BAR] == [1, 2, 1]


def test_a_pointer_while_it_runs_is_a_jump_of_the_master() -> None:
    stage, due_us = started()
    stage.feed(pointer(16 * 8), round(due_us) - 1_000)
    stage.ticks(100, due_us)
    bars = [event.number for event in stage.events if event.kind is Kind.BAR]
    assert bars[0] == 1
    assert bars[-1] == 10
    assert not {3, 4, 5, 6, 7, 8} & set(bars)


def test_a_pointer_to_where_it_is_while_it_runs_is_none() -> None:
    stage, due_us = started()
    epoch = stage.states()[-1].epoch
    stage.feed(pointer(16), round(due_us) - 1_000)
    stage.ticks(100, due_us)
    assert stage.states()[-1].epoch == epoch


def test_real_time_bytes_come_in_the_middle_of_anything() -> None:
    reader = ByteReader()
    words = []
    for part in (
        b"\x90\x3c\xf8\x64",
        b"\xf0\x7e\xfa\x01\xf8\xf7",
        b"\xf2\xf8\x05",
        b"\xfe\x01",
        b"\xf2\x7f\xb0\x07\x64",
    ):
        words += reader.read(part)
    assert words == [
        (Word.CLOCK, 0),
        (Word.START, 0),
        (Word.CLOCK, 0),
        (Word.CLOCK, 0),
        (Word.POSITION, (5 + 128) * 6),
    ]
    assert [is_of_clock(each) for each in (CLOCK, START, pointer(3), b"\xfe", b"\x90\x3c\x40", b"")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_lost_ticks_are_told_and_cost_no_beat() -> None:
    stage, due_us = started()
    due_us = stage.ticks(24, due_us)
    due_us = stage.ticks(48, due_us + 3 * TICK_US)
    assert "lost 3 of its ticks" in stage.sync().remark
    lateness_us = late_us(stage, 1_000_000.0, 120.0)
    assert max(abs(each) for each in lateness_us) < 3_000
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(len(stage.ons()))]
    stage.ticks(24 * 8, due_us)
    assert stage.sync().remark == ""


@pytest.mark.parametrize("away_us", [400_000, 7_250_000, 61_000_000])
def test_a_master_that_vanishes_is_coasted_and_its_return_keeps_the_bar(away_us: int) -> None:
    stage, due_us = started()
    stage.run(round(due_us) + away_us)
    assert (stage.sync().locked, stage.sync().holds_tempo) == (False, False)
    assert "silent" in stage.sync().remark
    epoch = stage.states()[-1].epoch
    # It is back, up to half a tick out of step.
    due_us = stage.ticks(24 * 5, 1_000_000.0 + (round((due_us - 1_000_000 + away_us) / TICK_US) + 0.3) * TICK_US)
    assert stage.sync().locked
    assert stage.states()[-1].epoch == epoch
    bars = [event.number for event in stage.events if event.kind is Kind.BAR]
    assert bars == list(range(1, len(bars) + 1))
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(len(stage.ons()))]


def test_without_a_clock_it_plays_by_itself_and_a_clock_that_comes_keeps_the_bar() -> None:
    stage = Clocked(tempo_bpm=118.0)
    stage.guide.handle(Start(), 0)
    stage.guide.handle(SetTempo(119.0), 0)
    stage.run(9_000_000)
    assert "came in yet" in stage.sync().remark
    stage.ticks(24 * 6, 9_000_000.0, 120.0)
    assert {state.epoch for state in stage.states()[1:]} == {1}
    assert stage.sync().tempo_bpm == pytest.approx(120.0, rel=1e-3)
    assert [pitch for _, pitch in stage.ons()] == [60 + index % 16 for index in range(len(stage.ons()))]


def test_while_there_is_a_clock_nobody_sets_the_tempo_here() -> None:
    stage, due_us = started()
    stage.guide.handle(SetTempo(60.0), stage.now_us)
    stage.ticks(24, due_us)
    assert max(abs(each) for each in late_us(stage, 1_000_000.0, 120.0)[4:]) < 200


def test_a_performer_stops_alone_and_joins_the_master_again_where_it_is() -> None:
    stage, due_us = started()
    stage.guide.handle(Stop(), stage.now_us)
    heard = len(stage.ons())
    due_us = stage.ticks(60, due_us)
    assert len(stage.ons()) == heard
    stage.guide.handle(OfferBar("melody", 2, 1, BAR), stage.now_us)
    stage.guide.handle(Continue(), stage.now_us)
    stage.ticks(24, due_us)
    assert stage.ons()[heard][1] == 60 + 156 // 6 % 16
    assert abs(stage.ons()[heard][0] - due_us) < 200


def test_a_performer_starts_to_a_clock_that_only_ticks() -> None:
    stage = Clocked()
    due_us = stage.ticks(100, 1_000_000.0, 90.0)
    stage.guide.handle(Start(), stage.now_us)
    due_us_after = stage.ticks(48, due_us, 90.0)
    assert max(abs(each) for each in late_us(stage, due_us, 90.0)) < 200
    stage.guide.handle(Stop(), stage.now_us)
    heard = len(stage.ons())
    stage.ticks(48, due_us_after, 90.0)
    assert len(stage.ons()) == heard


def test_where_a_performer_goes_while_stopped_continue_begins() -> None:
    stage = Clocked()
    due_us = stage.ticks(48, 1_000_000.0)
    stage.guide.handle(Locate(3 * BAR_UB + STEP_UB), stage.now_us)
    stage.guide.handle(OfferBar("melody", 1, 3, BAR), stage.now_us)
    stage.feed(CONTINUE, round(due_us) - 1_000)
    stage.ticks(24, due_us)
    assert stage.ons()[0][1] == 61


def test_a_player_that_took_over_is_back_in_step_without_a_jump() -> None:
    stage = Clocked(5_333, generation=1)
    former = TransportState(3, True, ns_per_beat(120.0), 20 * BAR_UB, 1_000_000, 5_333)
    # Half a second passed, and the master slowed down by a thousandth meanwhile.
    adopt: ToPlayer = Adopt(1, former, (MELODY,), (), (HeldBar("melody", 0, BAR),))
    due_us = stage.ticks(12, 1_400_300.0)
    stage.guide.handle(adopt, stage.now_us)
    due_us = stage.ticks(24 * 12, due_us)
    assert {state.epoch for state in stage.states()} == {3}
    assert [event.number for event in stage.events if event.kind is Kind.BAR] == [22, 23, 24]
    downbeats_us = [at_us for at_us, pitch in stage.ons() if pitch == 60]
    ticks = [(at_us - 1_400_300.0) / TICK_US for at_us in downbeats_us[1:]]
    assert max(abs(tick - round(tick)) for tick in ticks) < 0.05


def test_a_long_song_at_123_45_drifts_by_nothing() -> None:
    stage = Clocked()
    stage.feed(START, 999_000)
    stage.ticks(24 * 200, 1_000_000.0, 123.45)
    assert stage.player.line.position_at(stage.now_us) == pytest.approx(
        (stage.now_us - 1_000_000) * 123.45 / 60e6 * UB_PER_BEAT, abs=200
    )


WORDS = st.sampled_from([START, CONTINUE, STOP, pointer(0), pointer(5), pointer(32), b"\xf2\x01", b"\x90\x3c\x40"])
DEEDS = st.one_of(
    st.tuples(st.just("say"), WORDS, st.integers(0, 100_000)),
    st.tuples(st.just("tick"), st.integers(1, 60), st.floats(40.0, 300.0)),
    st.tuples(st.just("jitter"), st.integers(1, 60), st.integers(0, 40_000)),
    st.tuples(st.just("wait"), st.integers(0, 2_000_000), st.just(0)),
    st.tuples(
        st.just("ask"),
        st.sampled_from([Start(), Continue(), Stop(), SetTempo(77.0), Locate(5 * BAR_UB + STEP_UB)]),
        st.just(0),
    ),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(DEEDS, max_size=14), st.sampled_from([0, 5_333]), st.randoms(use_true_random=False))
def test_no_interleaving_leaves_a_note_or_moves_time_backwards(
    deeds: list[tuple[str, object, float]], lead_us: int, noise: random.Random
) -> None:
    stage = Clocked(lead_us)
    due_us = 1_000_000.0
    for deed, what, how in deeds:
        if deed == "say" and isinstance(what, bytes):
            stage.feed(what, max(stage.now_us, round(due_us + how)))
        elif deed == "tick" and isinstance(what, int):
            due_us = stage.ticks(what, max(due_us, float(stage.now_us)), how)
        elif deed == "jitter" and isinstance(what, int):
            for _ in range(what):
                due_us += TICK_US
                stage.feed(CLOCK, max(stage.now_us, round(due_us + noise.uniform(0, how))))
        elif deed == "wait" and isinstance(what, int):
            due_us = max(due_us, stage.now_us) + what
        elif isinstance(what, Start | Continue | Stop | SetTempo | Locate):
            stage.guide.handle(what, stage.now_us)
            stage.advance()
    stage.guide.handle(Stop(), stage.now_us)
    stage.feed(STOP, stage.now_us)
    stage.run(stage.now_us + 1_000_000)
    check_no_note_is_left(stage)


def check_no_note_is_left(stage: Clocked) -> None:
    sounding: Counter[int] = Counter()
    for event in stage.events:
        if event.kind is Kind.ON:
            assert sounding[event.number] == 0, "struck while it sounds"
            sounding[event.number] = 1
        elif event.kind is Kind.OFF:
            sounding[event.number] -= 1
    assert not any(sounding.values()), "a note hangs"
    for earlier, later in stage.moves():
        assert later >= earlier - 1, "time went backwards"
