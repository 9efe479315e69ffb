"""Whatever is bent while it plays: time never goes back, no note hangs, is lost or doubled, and slicing is all one."""

from collections import Counter, defaultdict
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.messages import (
    Continue,
    Locate,
    NudgeBy,
    OfferBar,
    SetMultiple,
    SetPart,
    SetTempo,
    Start,
    Stop,
    ToPlayer,
)
from autoloops_engine.notes import Bar, Note, Tie
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.outlets import Emission
from autoloops_engine.player.transport import START_DELAY_US
from autoloops_engine.sync.guide import Guide
from autoloops_engine.sync.source import Follow, Internal, Play, Request, SyncCommand
from autoloops_engine.time.swing import Swing
from autoloops_engine.time.timeline import Timeline
from autoloops_engine.units import STEP_UB, UB_PER_BEAT, US_PER_S, ns_per_beat

BEAT_US = 500_000
BAR_US = 4 * BEAT_US
END_US = 8 * BAR_US
EARLY_UB = STEP_UB // 3
# Sixteen different pitches, some early and some long: whatever is lost, doubled or misplaced shows.
BAR = Bar(
    1,
    0,
    tuple(
        Note(step * STEP_UB - (EARLY_UB if step % 3 == 0 else 0), STEP_UB * (1 + step % 3), 60 + step, 100)
        for step in range(16)
    ),
)
SWINGS = st.builds(Swing, st.floats(50, 75), st.sampled_from([8, 16]))
ROUTES = st.builds(
    lambda part, offset_ms, swing: SetPart(
        part, 1 if part == "melody" else 2, 1, 0, EARLY_UB, offset_ms * 1_000, swing
    ),
    st.sampled_from(["melody", "bass"]),
    st.integers(-300, 300),
    SWINGS,
)
BENDS: st.SearchStrategy[ToPlayer] = st.one_of(
    st.builds(SetTempo, st.floats(20, 999)),
    st.builds(lambda bpm, steps: SetTempo(bpm, steps * STEP_UB), st.floats(20, 999), st.integers(1, 64)),
    st.builds(NudgeBy, st.integers(-200_000, 200_000)),
    st.builds(SetMultiple, st.sampled_from([0.5, 1.0, 2.0])),
    ROUTES,
)
MOVES: st.SearchStrategy[ToPlayer] = st.one_of(
    st.just(Start()),
    st.just(Continue()),
    st.just(Stop()),
    st.builds(lambda steps: Locate(steps * STEP_UB), st.integers(0, 400)),
)
TIMES = st.lists(st.integers(0, END_US), max_size=40)


def at_times(messages: st.SearchStrategy[ToPlayer]) -> st.SearchStrategy[dict[int, list[ToPlayer]]]:
    return st.dictionaries(st.integers(1, END_US - 1), st.lists(messages, min_size=1, max_size=2), max_size=12)


def player(leads_us: tuple[int, ...], *routes: SetPart) -> Player:
    subject = Player(120.0, 0)
    for index, lead_us in enumerate(leads_us):
        subject.attach(f"out{index}", lead_us, 0)
    for route in routes:
        subject.handle(route, 0)
        subject.handle(OfferBar(route.part, 1, 0, BAR), 0)
    subject.handle(Start(), 0)
    return subject


def replay(messages: dict[int, list[ToPlayer]], cuts_us: list[int], leads_us: tuple[int, ...]) -> list[Emission]:
    subject = player(leads_us, SetPart("melody", 6, 1, 0, EARLY_UB), SetPart("bass", 4, 1, 0, EARLY_UB))
    emissions: list[Emission] = []
    for now_us in sorted({*cuts_us, *messages, END_US}):
        emissions += subject.advance(now_us)
        for message in messages.get(now_us, []):
            subject.handle(message, now_us)
    subject.handle(Stop(), END_US)
    return emissions + subject.advance(END_US)


def ends_all(emissions: list[Emission]) -> None:
    sounding: dict[tuple[str, str, int], int] = {}
    for key, event in emissions:
        name = (key, event.part, event.number)
        if event.kind == Kind.ON:
            assert name not in sounding
            sounding[name] = event.at_us
        elif event.kind == Kind.OFF:
            assert event.at_us > sounding.pop(name)
    assert not sounding


@settings(max_examples=20, deadline=None)
@given(at_times(st.one_of(BENDS, MOVES)), TIMES, st.sampled_from([0, 5_000, 100_000]))
def test_every_note_ends_and_slicing_changes_nothing(
    messages: dict[int, list[ToPlayer]], cuts_us: list[int], lead_us: int
) -> None:
    sliced = replay(messages, cuts_us, (lead_us, 0))
    ends_all(sliced)
    assert Counter(sliced) == Counter(replay(messages, [], (lead_us, 0)))


@settings(max_examples=20, deadline=None)
@given(at_times(BENDS), TIMES, st.sampled_from([0, 5_000, 100_000]))
def test_time_never_goes_back_and_no_note_is_lost_or_doubled(
    messages: dict[int, list[ToPlayer]], cuts_us: list[int], lead_us: int
) -> None:
    events: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for key, event in replay(messages, cuts_us, (lead_us, 0)):
        if event.kind in {Kind.ON, Kind.BEAT}:
            events[key, event.part].append(event)
    for (_, part), heard in events.items():
        times_us = [event.at_us for event in heard]
        assert times_us == sorted(times_us)
        numbers = [event.number for event in heard]
        if part:
            assert numbers == [60 + at % 16 for at in range(len(numbers))]
        else:
            assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=20, deadline=None)
@given(at_times(BENDS), st.lists(st.integers(0, END_US), min_size=10, max_size=60))
def test_what_others_are_told_of_the_position_never_goes_back(
    messages: dict[int, list[ToPlayer]], looks_us: list[int]
) -> None:
    subject = player((0,), SetPart("melody", 1, 1))

    def told_ub(now_us: int) -> int:
        # A start at 0 lies a moment ahead, so that its first note is not late; until then time stands still.
        return max(0, subject.state(now_us).song_at(now_us))

    before_ub = 0
    for now_us in sorted({*looks_us, *messages}):
        subject.advance(now_us)
        for message in messages.get(now_us, []):
            subject.handle(message, now_us)
            # A ramp is told from where it is at the moment: that is rounded to a micro-beat.
            assert told_ub(now_us) >= before_ub - 2
        before_ub = told_ub(now_us)


def test_swing_leaves_the_order_and_moves_ends_as_it_moves_onsets() -> None:
    route = SetPart("melody", 1, 1, swing=Swing(75.0, 8))
    bar = Bar(1, 0, (Note(0, 2 * STEP_UB, 60, 100), Note(2 * STEP_UB, 2 * STEP_UB, 62, 100)))
    subject = Player(120.0, 0)
    subject.attach("out", 0, 0)
    subject.handle(route, 0)
    subject.handle(OfferBar("melody", 1, 0, bar), 0)
    subject.handle(Start(), 0)
    heard = [event for _, event in subject.advance(BEAT_US + START_DELAY_US) if event.kind in {Kind.ON, Kind.OFF}]
    times = [(event.kind, event.at_us - START_DELAY_US, event.length_ub) for event in heard]
    long_us, short_us = BEAT_US * 3 // 4, BEAT_US // 4
    assert times == [
        (Kind.ON, 0, 3 * STEP_UB),
        (Kind.OFF, long_us, 0),
        (Kind.ON, long_us, STEP_UB),
        (Kind.OFF, long_us + short_us, 0),
    ]


def test_a_held_note_is_tied_through_swing() -> None:
    first = Bar(1, 0, (Note(14 * STEP_UB, 2 * STEP_UB, 60, 100, held=True),))
    second = Bar(2, 1, (), (Tie(60, 2 * STEP_UB),))
    subject = Player(120.0, 0)
    subject.attach("out", 0, 0)
    subject.handle(SetPart("melody", 1, 2, swing=Swing(75.0, 8)), 0)
    for at, bar in enumerate((first, second)):
        subject.handle(OfferBar("melody", 1, at, bar), 0)
    subject.handle(Start(), 0)
    kinds = [event for _, event in subject.advance(2 * BAR_US) if event.number == 60]
    assert [event.kind for event in kinds] == [Kind.ON, Kind.TIE, Kind.OFF]
    assert kinds[1].length_ub == 3 * STEP_UB
    assert kinds[2].at_us - kinds[1].at_us == BEAT_US * 3 // 4


@pytest.mark.parametrize("offset_us", [-80_000, 80_000])
def test_a_part_with_an_offset_plays_its_first_bar_whole(offset_us: int) -> None:
    subject = player((0,), SetPart("melody", 1, 1, 0, EARLY_UB, offset_us))
    events = [event for _, event in subject.advance(BAR_US)]
    beat_us = next(event.at_us for event in events if event.kind == Kind.BEAT)
    ons = [event.at_us for event in events if event.kind == Kind.ON]
    assert ons[1] == beat_us + offset_us + BEAT_US // 4
    assert ons[0] >= START_DELAY_US


@pytest.mark.parametrize("latency_us", [-30_000, 30_000])
@pytest.mark.parametrize("lead_us", [0, 5_000])
def test_a_port_that_sounds_late_is_sent_to_that_much_earlier(latency_us: int, lead_us: int) -> None:
    subject = Player(120.0, 0)
    subject.attach("plain", 0, 0)
    subject.attach("late", lead_us, 0, latency_us)
    subject.handle(SetPart("melody", 1, 1, 0, EARLY_UB), 0)
    subject.handle(OfferBar("melody", 1, 0, BAR), 0)
    subject.handle(Start(), 0)
    emissions: list[Emission] = []
    handed_us: dict[Event, int] = {}
    while (due_us := subject.next_deadline_us()) is not None and due_us < 3 * BAR_US + BEAT_US // 3:
        for key, event in subject.advance(due_us):
            emissions.append((key, event))
            handed_us[event] = due_us - event.at_us if key == "late" else 0
    plain_ons, late_ons = ([e for to, e in emissions if (to, e.kind) == (key, Kind.ON)] for key in ("plain", "late"))
    pairs = list(zip(plain_ons, late_ons, strict=False))
    assert len(pairs) > 40
    assert all(late.at_us == plain.at_us - latency_us and late.number == plain.number for plain, late in pairs)
    assert set(handed_us.values()) == {0, -lead_us}
    assert all(event.at_us >= START_DELAY_US for event in late_ons)
    subject.handle(Stop(), 3 * BAR_US + BEAT_US // 3)
    ends_all(emissions + subject.advance(3 * BAR_US + BEAT_US // 3))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 400_000), st.integers(-40_000, 40_000), st.floats(110, 130)), max_size=25),
    st.dictionaries(st.integers(0, 5_000_000), st.integers(-80_000, 80_000), max_size=4),
)
def test_a_nudge_holds_against_a_master_that_wavers(
    wavers: list[tuple[int, int, float]], nudges: dict[int, int]
) -> None:
    subject = Player(120.0, 0)
    subject.attach("out", 0, 0)
    master = Timeline(ns_per_beat(120.0), 0, 10_000)
    subject.follow(Play(master, fresh=True), 0)
    changes: dict[int, list[SyncCommand | NudgeBy]] = {at_us: [NudgeBy(shift_us)] for at_us, shift_us in nudges.items()}
    at_us = 10_000
    for wait_us, off_us, tempo_bpm in wavers:
        at_us += wait_us
        line = Timeline(ns_per_beat(tempo_bpm), master.position_at(at_us), at_us + off_us)
        changes.setdefault(at_us, []).append(Follow(line))
    changes.setdefault(at_us + 1, []).append(Follow(master))
    before_ub, now_us = -UB_PER_BEAT, 0
    for now_us in sorted({*changes, *range(0, max(changes) + 10_000_000, 200_000)}):
        while (due_us := subject.next_deadline_us()) is not None and due_us < now_us:
            subject.advance(due_us)
        subject.advance(now_us)
        for change in changes.get(now_us, []):
            if isinstance(change, NudgeBy):
                subject.handle(change, now_us)
            else:
                subject.follow(change, now_us)
        assert subject.position_ub(now_us) >= before_ub - 1
        before_ub = subject.position_ub(now_us)
    shift_us = sum(nudges.values())
    assert abs(subject.position_ub(now_us) - master.position_at(now_us - shift_us)) <= 4
    assert abs(subject.phase_error_us(now_us)) <= 2


def test_a_source_is_asked_for_places_in_its_own_beats() -> None:
    """At double time the song's beat 16 is the master's beat 8."""

    class Asked(Internal):
        places: ClassVar[list[int]] = []

        def request(self, request: Request, now_us: int) -> bool:
            if isinstance(request, Locate):
                self.places.append(request.position_ub)
            return False

    subject, source = Player(120.0, 0), Asked()
    guide = Guide(subject, source, 0)
    guide.handle(SetMultiple(2.0), 0)
    guide.handle(Locate(16 * UB_PER_BEAT), 0)
    assert source.places == [8 * UB_PER_BEAT]
    assert subject.state(0).song_at(0) == 16 * UB_PER_BEAT
    assert subject.line.position_ub == 8 * UB_PER_BEAT


def test_an_hour_at_an_odd_tempo_with_everything_undone_ends_where_arithmetic_says() -> None:
    """At 123.45 BPM an hour is 7,407 beats; three changes of tempo round to a microsecond each."""
    subject = player((0,), SetPart("melody", 1, 1))
    subject.handle(Stop(), 0)
    subject.handle(SetTempo(123.45), 0)
    subject.handle(Start(), 0)
    start_us = subject.state(0).time_us

    def run(until_us: int) -> None:
        while (due_us := subject.next_deadline_us()) is not None and due_us <= until_us:
            beats.extend(event.at_us for _, event in subject.advance(due_us) if event.kind == Kind.BEAT)

    beats: list[int] = []
    run(start_us + 600 * US_PER_S)
    for shift_us in (35_000, -50_000, 15_000):
        subject.handle(NudgeBy(shift_us), start_us + 600 * US_PER_S)
    run(start_us + 3_600 * US_PER_S)
    assert len(beats) == 7_408
    assert abs(beats[-1] - start_us - 3_600 * US_PER_S) <= 4
    subject.handle(SetTempo(128.0, 8 * UB_PER_BEAT), beats[-1])
    run(beats[-1] + 600 * US_PER_S)
    # The integral of 60 / (123.45 + 4.55 x / 8) from 0 to 8 is 480 / 4.55 ln(128 / 123.45) seconds.
    assert beats[7_407 + 8] - beats[7_407] == pytest.approx(3_818_273, abs=2)
    assert beats[7_407 + 8 + 128] - beats[7_407 + 8] == pytest.approx(60 * US_PER_S, abs=1)
