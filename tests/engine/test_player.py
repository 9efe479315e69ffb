"""The player: nothing hangs, nothing depends on how time is sliced, there is always music."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.messages import (
    Adopt,
    Continue,
    EndAfter,
    Ended,
    Frozen,
    Locate,
    Mute,
    OfferBar,
    Panic,
    SetFreezeLead,
    SetPart,
    SetTempo,
    SpliceBar,
    Start,
    Stop,
    ToPlayer,
)
from autoloops_engine.notes import Bar, Note, Tie
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.outlets import Emission
from autoloops_engine.player.transport import START_DELAY_US
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT

BEAT_US = 500_000
BAR_US = 4 * BEAT_US
MELODY = SetPart("melody", 1, 2)


def note(step: int, pitch: int, steps: int = 1, *, held: bool = False) -> Note:
    return Note(step * STEP_UB, steps * STEP_UB, pitch, 100, held)


def player(*messages: ToPlayer, lead_us: int = 0) -> Player:
    fresh = Player(120.0, 0)
    fresh.attach("out", lead_us, 0)
    for message in messages:
        fresh.handle(message, 0)
    return fresh


def run(subject: Player, until_us: int, at: dict[int, list[ToPlayer]] | None = None) -> list[Event]:
    """Advance deadline by deadline, handing in messages at their times."""
    pending = sorted((at or {}).items())
    events: list[Event] = []
    now_us = 0
    while True:
        deadline_us = subject.next_deadline_us()
        message_us = pending[0][0] if pending else None
        times_us = [time_us for time_us in (deadline_us, message_us) if time_us is not None]
        if not times_us or min(times_us) > until_us:
            return events
        now_us = max(now_us, min(times_us))
        events += [event for _, event in subject.advance(now_us)]
        if message_us is not None and message_us <= now_us:
            for message in pending.pop(0)[1]:
                subject.handle(message, now_us)
            events += [event for _, event in subject.advance(now_us)]


def of(events: list[Event], *kinds: Kind) -> list[tuple[int, int]]:
    return [(event.at_us - START_DELAY_US, event.number) for event in events if event.kind in kinds]


def test_a_fresh_bar_sounds_at_its_times() -> None:
    bar = Bar(1, 0, (note(0, 60, 2), note(4, 64)))
    events = run(player(MELODY, OfferBar("melody", 1, 0, bar), Start()), BAR_US - 1)
    assert of(events, Kind.ON) == [(0, 60), (BEAT_US, 64)]
    assert of(events, Kind.OFF) == [(BEAT_US // 2, 60), (BEAT_US + BEAT_US // 4, 64)]
    assert of(events, Kind.BAR) == [(0, 1)]
    assert of(events, Kind.BEAT) == [(0, 1), (BEAT_US, 2), (2 * BEAT_US, 3), (3 * BEAT_US, 4)]


def test_a_part_without_offers_repeats_the_last_pass_and_before_that_the_sounding_bar() -> None:
    first, second = Bar(1, 0, (note(0, 60),)), Bar(2, 1, (note(0, 62),))
    subject = player(MELODY, OfferBar("melody", 1, 0, first), OfferBar("melody", 1, 1, second), Start())
    events = run(subject, 6 * BAR_US)
    assert [pitch for _, pitch in of(events, Kind.ON)] == [60, 62, 60, 62, 60, 62]
    origins = [message.origin for message in subject.take_messages() if isinstance(message, Frozen)]
    assert origins[:4] == ["fresh", "fresh", "last", "last"]

    lonely = player(MELODY, OfferBar("melody", 1, 0, first), Start())
    assert [pitch for _, pitch in of(run(lonely, 3 * BAR_US), Kind.ON)] == [60, 60, 60]


def test_the_newest_offer_before_the_freeze_line_wins_and_later_ones_are_dropped() -> None:
    subject = player(MELODY, SetFreezeLead(10_000), OfferBar("melody", 1, 0, Bar(1, 0, (note(0, 60),))), Start())
    offers: dict[int, list[ToPlayer]] = {
        1_000_000: [OfferBar("melody", 1, 1, Bar(2, 1, (note(0, 61),)))],
        BAR_US + START_DELAY_US - 10_001: [OfferBar("melody", 1, 1, Bar(3, 1, (note(0, 62),)))],
        BAR_US + START_DELAY_US - 9_999: [OfferBar("melody", 1, 1, Bar(4, 1, (note(0, 63),)))],
    }
    events = run(subject, 2 * BAR_US, offers)
    assert [pitch for _, pitch in of(events, Kind.ON)] == [60, 62]
    assert subject.dropped == 1


def test_a_held_note_goes_on_only_when_the_bar_decoded_after_it_ties_it() -> None:
    first = Bar(1, 0, (note(12, 60, 4, held=True),))
    tied = Bar(2, 1, (note(8, 67),), (Tie(60, 4 * STEP_UB),))
    stranger = Bar(3, 99, (note(8, 67),), (Tie(60, 4 * STEP_UB),))
    for bar, end_us, ties in ((tied, BAR_US + BEAT_US, 1), (stranger, BAR_US, 0)):
        subject = player(MELODY, OfferBar("melody", 1, 0, first), OfferBar("melody", 1, 1, bar), Start())
        events = run(subject, 2 * BAR_US - BEAT_US)
        assert (end_us, 60) in of(events, Kind.OFF)
        assert len(of(events, Kind.TIE)) == ties
        assert not any(event.early for event in events)


def test_bars_that_were_frozen_at_once_keep_their_ties() -> None:
    """Found by the property test below."""
    bar = Bar(1, 1, (note(0, 60, 16, held=True),), (Tie(60, BAR_UB),))
    subject = player(MELODY, OfferBar("melody", 1, 0, bar), Start())
    ends = [event for _, event in subject.advance(5 * BAR_US) if event.kind == Kind.OFF]
    assert len(ends) == 4
    assert all(event.early for event in ends)


def test_a_splice_replaces_the_rest_of_the_sounding_bar() -> None:
    old = Bar(1, 0, (note(0, 60, 16, held=True), note(12, 65)))
    new = Bar(2, 0, (note(8, 70),))
    at: dict[int, list[ToPlayer]] = {BEAT_US: [SpliceBar("melody", 1, 0, 8 * STEP_UB, new)]}
    events = run(player(MELODY, OfferBar("melody", 1, 0, old), Start()), BAR_US - 1, at)
    assert of(events, Kind.ON) == [(0, 60), (2 * BEAT_US, 70)]
    assert [event.early for event in events if event.kind == Kind.OFF] == [True, False]
    assert of(events, Kind.OFF)[0] == (2 * BEAT_US, 60)


def test_a_splice_may_tie_what_sounds() -> None:
    old = Bar(1, 0, (note(0, 60, 16, held=True),))
    new = Bar(2, 0, (), (Tie(60, 12 * STEP_UB),))
    at: dict[int, list[ToPlayer]] = {BEAT_US: [SpliceBar("melody", 1, 0, 8 * STEP_UB, new)]}
    events = run(player(MELODY, OfferBar("melody", 1, 0, old), Start()), BAR_US - 1, at)
    assert of(events, Kind.OFF) == [(3 * BEAT_US, 60)]
    assert of(events, Kind.TIE) == [(2 * BEAT_US, 60)]


def test_a_tie_that_would_end_before_the_splice_is_none() -> None:
    """Found by the property test below."""
    old = Bar(1, 0, (note(0, 60, 16, held=True),))
    new = Bar(2, 0, (), (Tie(60, 4 * STEP_UB),))
    at: dict[int, list[ToPlayer]] = {BEAT_US: [SpliceBar("melody", 1, 0, 8 * STEP_UB, new)]}
    events = run(player(MELODY, OfferBar("melody", 1, 0, old), Start()), BAR_US - 1, at)
    assert of(events, Kind.OFF) == [(2 * BEAT_US, 60)]
    assert not of(events, Kind.TIE)


def test_mute_and_stop_end_at_once_and_say_so() -> None:
    bar = Bar(1, 0, (note(0, 60, 8), note(10, 62)))
    for message in (Mute("melody", True), Stop()):
        at: dict[int, list[ToPlayer]] = {BEAT_US: [message]}
        events = run(player(MELODY, OfferBar("melody", 1, 0, bar), Start()), BAR_US - 1, at)
        offs = [event for event in events if event.kind == Kind.OFF]
        assert [(event.at_us, event.number, event.early) for event in offs] == [(BEAT_US, 60, True)]
        assert len(of(events, Kind.ON)) == 1


def test_continue_plays_the_rest_of_the_bar() -> None:
    bar = Bar(1, 0, (note(0, 60), note(10, 62)))
    at: dict[int, list[ToPlayer]] = {BEAT_US: [Stop()], 10 * BEAT_US: [Continue()]}
    events = run(player(MELODY, OfferBar("melody", 1, 0, bar), Start()), 12 * BEAT_US, at)
    played_us = BEAT_US - START_DELAY_US
    assert of(events, Kind.ON) == [(0, 60), (10 * BEAT_US + 10 * BEAT_US // 4 - played_us, 62)]


def test_a_tempo_change_moves_only_later_events() -> None:
    bar = Bar(1, 0, (note(0, 60), note(8, 62)))
    at: dict[int, list[ToPlayer]] = {START_DELAY_US + BEAT_US: [SetTempo(60.0)]}
    events = run(player(MELODY, OfferBar("melody", 1, 0, bar), Start()), 3 * BEAT_US + START_DELAY_US, at)
    assert of(events, Kind.ON) == [(0, 60), (3 * BEAT_US, 62)]


def test_it_ends_by_itself_after_the_bars_asked_for() -> None:
    bar = Bar(1, 0, (note(0, 60), note(12, 62, 4, held=True)))
    subject = player(MELODY, EndAfter(2), OfferBar("melody", 1, 0, bar), Start())
    events = run(subject, 10 * BAR_US)
    assert [pitch for _, pitch in of(events, Kind.ON)] == [60, 62, 60, 62]
    assert of(events, Kind.OFF)[-1] == (2 * BAR_US, 62)
    assert not any(event.early for event in events)
    assert any(isinstance(message, Ended) for message in subject.take_messages())
    assert subject.next_deadline_us() is None


def test_early_notes_of_the_first_bar_sound_in_time() -> None:
    route = SetPart("drums", 10, 2, early_ub=STEP_UB // 2)
    bar = Bar(1, 0, (Note(-STEP_UB // 4, STEP_UB, 36, 100),))
    subject = player(route, OfferBar("drums", 1, 0, bar), Start())
    (on,) = [event for event in run(subject, BEAT_US) if event.kind == Kind.ON]
    assert on.at_us >= START_DELAY_US
    assert on.number == 36


def test_a_sink_with_lead_hears_everything_ahead_of_time_and_stops_where_it_was_served() -> None:
    bar = Bar(1, 0, (note(0, 60, 8), note(4, 62)))
    subject = player(MELODY, OfferBar("melody", 1, 0, bar), Start(), lead_us=100_000)
    state = subject.state(0)
    handed: list[tuple[int, Event]] = []
    now_us = 0
    while (deadline_us := subject.next_deadline_us()) is not None and deadline_us < state.time_us + BEAT_US - 50_000:
        now_us = max(now_us, deadline_us)
        handed += [(now_us, event) for _, event in subject.advance(now_us)]
    assert all(event.at_us - at_us == 100_000 for at_us, event in handed if event.kind == Kind.ON)
    assert [event.number for _, event in handed if event.kind == Kind.ON] == [60, 62]
    subject.handle(Stop(), now_us)
    offs = [event for _, event in subject.advance(now_us)]
    sent = {event.number: event.at_us for _, event in handed if event.kind == Kind.ON}
    assert {event.number for event in offs} == {60, 62}
    assert all(event.at_us > sent[event.number] for event in offs)


def test_panic_silences_every_channel_in_use() -> None:
    subject = player(MELODY, SetPart("bass", 2, 2), Start(), Panic())
    silences = [event.channel for _, event in subject.advance(0) if event.kind == Kind.SILENCE]
    assert silences == [1, 2]


NOTES = st.lists(
    st.builds(
        lambda step, length, pitch, held: note(step, 60 + pitch, min(length, 16 - step), held=held),
        st.integers(0, 15),
        st.integers(1, 16),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=6,
)


@st.composite
def performances(draw: st.DrawFn) -> dict[int, list[ToPlayer]]:
    """Messages at random times: offers, splices, mutes, tempo changes, stops, jumps."""
    messages: dict[int, list[ToPlayer]] = {0: [MELODY, SetPart("bass", 1, 1, offset_us=-3_000), Start()]}
    epoch = 1
    for serial in range(1, draw(st.integers(1, 14))):
        at_us = draw(st.integers(1, 6 * BAR_US))
        part = draw(st.sampled_from(["melody", "bass"]))
        bar = Bar(serial, draw(st.integers(0, serial)), tuple(draw(NOTES)), (Tie(61, STEP_UB), Tie(62, BAR_UB, True)))
        choices: list[ToPlayer] = [
            OfferBar(part, epoch, serial % 7, bar),
            OfferBar(part, epoch, serial % 7, bar),
            SpliceBar(part, epoch, at_us // BAR_US, (serial % 16) * STEP_UB, bar),
            Mute(part, bool(serial % 2)),
            SetTempo(60.0 + 20 * serial),
            Stop(),
            Continue(),
            Start(),
            Locate(serial * UB_PER_BEAT),
            Panic(),
        ]
        messages.setdefault(at_us, []).append(draw(st.sampled_from(choices)))
    return messages


def replay(messages: dict[int, list[ToPlayer]], cuts_us: list[int], leads_us: tuple[int, ...]) -> list[Emission]:
    subject = Player(120.0, 0)
    for index, lead_us in enumerate(leads_us):
        subject.attach(f"out{index}", lead_us, 0)
    emissions: list[Emission] = []
    for now_us in sorted({*cuts_us, *messages, 8 * BAR_US}):
        emissions += subject.advance(now_us)
        for message in messages.get(now_us, []):
            subject.handle(message, now_us)
    subject.handle(Stop(), 8 * BAR_US)
    return emissions + subject.advance(8 * BAR_US)


@settings(max_examples=150, deadline=None)
@given(performances(), st.lists(st.integers(0, 8 * BAR_US), max_size=40))
def test_slicing_time_differently_never_changes_the_music(
    messages: dict[int, list[ToPlayer]], cuts_us: list[int]
) -> None:
    def by_time(emissions: list[Emission]) -> Counter[Emission]:
        return Counter(emissions)

    assert by_time(replay(messages, cuts_us, (0, 0))) == by_time(replay(messages, [], (0, 0)))


@pytest.mark.parametrize("ramp_ub", [0, 4 * UB_PER_BEAT])
def test_a_tempo_that_comes_right_after_a_start_leaves_the_start_where_it_is(ramp_ub: int) -> None:
    bar = Bar(1, 0, (note(0, 60), note(8, 64)))
    subject = player(MELODY, OfferBar("melody", 1, 0, bar), Start(), SetTempo(20.0, ramp_ub))
    state = subject.state(0)
    assert (state.position_ub, state.time_us) == (0, START_DELAY_US)
    assert of(run(subject, BAR_US), Kind.ON)[0] == (0, 60)


@pytest.mark.parametrize("ramp_ub", [0, 4 * UB_PER_BEAT])
def test_a_start_that_lies_ahead_stays_where_it_is_when_another_player_takes_over(ramp_ub: int) -> None:
    former = player(MELODY, Start(), SetTempo(20.0, ramp_ub)).state(0)
    successor = Player(120.0, START_DELAY_US // 2, generation=1)
    successor.handle(Adopt(1, former, (MELODY,), (), ()), START_DELAY_US // 2)
    state = successor.state(START_DELAY_US // 2)
    assert (state.position_ub, state.time_us, state.ramp_ub) == (0, START_DELAY_US, ramp_ub)


@settings(max_examples=150, deadline=None)
@given(performances(), st.lists(st.tuples(st.integers(0, 8 * BAR_US), st.booleans()), max_size=40))
def test_a_patient_sink_hears_what_a_prompt_one_hears(
    messages: dict[int, list[ToPlayer]], cuts: list[tuple[int, bool]]
) -> None:
    subject = Player(120.0, 0)
    subject.attach("prompt", 0, 0)
    subject.attach("patient", 0, 0, patient=True)
    heard: dict[str, list[Event]] = {"prompt": [], "patient": []}

    def hear(emissions: list[Emission]) -> None:
        for key, event in emissions:
            heard[key].append(event)

    catches_up = dict(cuts)
    for now_us in sorted({*catches_up, *messages, 8 * BAR_US}):
        hear(subject.advance(now_us))
        if catches_up.get(now_us):
            hear(subject.catch_up())
        for message in messages.get(now_us, []):
            subject.handle(message, now_us)
    subject.detach("prompt", 8 * BAR_US)
    subject.detach("patient", 8 * BAR_US)
    hear(subject.catch_up())
    assert heard["patient"] == heard["prompt"]


def test_a_patient_sink_waits_for_the_others() -> None:
    bar = Bar(1, 0, (note(0, 60, 2),))
    subject = player(MELODY, OfferBar("melody", 1, 0, bar))
    subject.attach("record", 0, 0, patient=True)
    subject.handle(Start(), 0)
    assert {key for key, _ in subject.advance(START_DELAY_US)} == {"out"}
    assert {key for key, _ in subject.catch_up()} == {"record"}


@settings(max_examples=150, deadline=None)
@given(performances(), st.lists(st.integers(0, 8 * BAR_US), max_size=40), st.sampled_from([0, 5_000, 100_000]))
def test_every_note_on_has_its_note_off_behind_it(
    messages: dict[int, list[ToPlayer]], cuts_us: list[int], lead_us: int
) -> None:
    sounding: dict[tuple[str, str, int], int] = {}
    for key, event in replay(messages, cuts_us, (lead_us, 0)):
        name = (key, event.part, event.number)
        if event.kind == Kind.ON:
            assert name not in sounding
            sounding[name] = event.at_us
        elif event.kind == Kind.OFF:
            assert event.at_us > sounding.pop(name)
        elif event.kind == Kind.TIE:
            assert name in sounding
    assert not sounding


@pytest.mark.parametrize("lead_us", [0, 6_000])
def test_an_attached_sink_joins_and_a_detached_one_is_left_silent(lead_us: int) -> None:
    bar = Bar(1, 0, tuple(note(step, 60 + step, 2) for step in range(0, 16, 2)))
    subject = player(MELODY, OfferBar("melody", 1, 0, bar), Start())
    joins_us, leaves_us = BEAT_US + START_DELAY_US + 1, 2 * BEAT_US + START_DELAY_US
    run(subject, joins_us)
    subject.attach("late", lead_us, joins_us)
    joined = [event for key, event in subject.advance(leaves_us) if key == "late"]
    assert {event.number for event in joined if event.kind == Kind.ON} == {66, 68}
    subject.detach("late", leaves_us)
    left = [event for key, event in subject.advance(leaves_us) if key == "late"]
    ends = [event.number for event in (*joined, *left) if event.kind == Kind.OFF]
    assert sorted(ends) == sorted(event.number for event in joined if event.kind == Kind.ON)
