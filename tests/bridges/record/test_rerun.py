"""A record on its way out again: every note once, at its time, whole, and nothing sounds on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.processes.book import LedgeredSink
from autoloops_bridges.processes.playback import Playback
from autoloops_bridges.record.excerpt import bars_in, excerpt
from autoloops_bridges.record.lines import Line, heard_in
from autoloops_bridges.record.replaying import PlayedNote, notes_of
from autoloops_bridges.record.rerun import TOO_LATE_US, Rerun
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import Heard, Sounded
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.ledger import LEDGER_SIZE, NoteLedger

BEAT_US = 500_000
BAR_US = 4 * BEAT_US
BEGINS_US = 7_000_000


def on(at_us: int, pitch: int, part: str = "melody", velocity: int = 80) -> Heard:
    return Heard(at_us, int(Kind.ON), part, 1, pitch, velocity)


def off(at_us: int, pitch: int, part: str = "melody") -> Heard:
    return Heard(at_us, int(Kind.OFF), part, 1, pitch, 0)


def beats(count: int) -> list[Heard]:
    return [Heard(beat * BEAT_US, int(Kind.BEAT), "", 0, beat + 1, 0) for beat in range(count)]


def in_time(*heard: Heard) -> list[Heard]:
    return sorted(heard, key=lambda event: (event.at_us, event.kind))


class Port:
    """A port that keeps what it gets, with when it got it."""

    name = "port"

    def __init__(self, lead_us: int = 0) -> None:
        self.lead_us = lead_us
        self.got: list[tuple[int, Event]] = []

    def send(self, event: Event, now_us: int) -> None:
        self.got.append((now_us, event))

    def flush(self, now_us: int) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""

    def sounding(self) -> set[tuple[int, int]]:
        """What has begun and not ended when everything has had its time."""
        sounding: set[tuple[int, int]] = set()
        for _, event in sorted(self.got, key=lambda each: (each[1].at_us, each[1].kind)):
            key = event.channel, event.number
            (sounding.add if event.kind is Kind.ON else sounding.discard)(key)
        return sounding


def ledgered(port: Port, buffer: bytearray) -> LedgeredSink:
    return LedgeredSink(port, NoteLedger(buffer))


NOTES = st.lists(
    st.builds(
        lambda at_us, pitch, length_us: (on(at_us, pitch), off(at_us + length_us, pitch)),
        st.integers(0, 4_000_000),
        st.integers(0, 127),
        st.integers(1, 900_000),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda note: note[0].number,
)


@given(
    NOTES,
    st.integers(0, 20_000),
    st.integers(-50_000, 200_000),
    st.lists(st.integers(20_000, 150_000), min_size=1, max_size=5),
)
def test_each_event_goes_out_once_at_its_time_however_time_is_cut(
    notes: list[tuple[Heard, Heard]], lead_us: int, latency_us: int, steps_us: list[int]
) -> None:
    heard = excerpt(in_time(*(event for note in notes for event in note)))
    port, now_us, turn = Port(lead_us), BEGINS_US - 500_000, 0
    playback = Playback(Rerun(heard, BEGINS_US, now_us), lambda: now_us)
    playback.attach(ledgered(port, bytearray(LEDGER_SIZE)), latency_us)
    while (due_us := playback.next_deadline_us()) is not None:
        now_us = min(max(due_us, now_us), now_us + steps_us[turn % len(steps_us)])
        playback.advance(now_us)
        turn += 1
    shift_us = BEGINS_US - latency_us - heard[0].at_us
    assert [(e.at_us, e.kind, e.channel, e.number, e.velocity) for _, e in port.got] == [
        (each.at_us + shift_us, each.kind, each.channel, each.number, each.velocity) for each in heard
    ]
    assert all(at_us == event.at_us - lead_us for at_us, event in port.got)
    assert "0 of them over 1 ms late (at most 0.0 ms)" in playback.told()


@given(NOTES, st.integers(0, 5_000_000), st.integers(0, 20_000))
def test_whenever_it_is_ended_no_note_sounds_on(notes: list[tuple[Heard, Heard]], for_us: int, lead_us: int) -> None:
    heard = excerpt(in_time(*(event for note in notes for event in note)))
    port, buffer = Port(lead_us), bytearray(LEDGER_SIZE)
    playback = Playback(Rerun(heard, BEGINS_US, 0), lambda: 0)
    playback.attach(ledgered(port, buffer))
    for now_us in range(BEGINS_US - lead_us, BEGINS_US + for_us, 10_000):
        playback.advance(now_us)
    playback.end(BEGINS_US + for_us)
    assert port.sounding() == set()


@given(NOTES, st.integers(0, 5_000_000))
def test_a_successor_goes_on_where_the_music_is_and_ends_what_was_left(
    notes: list[tuple[Heard, Heard]], died_us: int
) -> None:
    heard = excerpt(in_time(*(event for note in notes for event in note)))
    buffer, ports = bytearray(LEDGER_SIZE), [Port(), Port()]
    began_us = [BEGINS_US - 1, BEGINS_US + died_us + 50_000]
    for port, from_us, until_us in zip(ports, began_us, (BEGINS_US + died_us, BEGINS_US + 6_000_000), strict=True):
        sink = ledgered(port, buffer)
        sink.end_left_over(from_us)
        playback = Playback(Rerun(heard, BEGINS_US, from_us), lambda: 0)
        playback.attach(sink)
        for now_us in range(from_us, until_us, 10_000):
            playback.advance(now_us)
    assert not [event for _, event in ports[1].got if event.at_us < began_us[1]]
    both = Port()
    both.got = ports[0].got + ports[1].got
    assert both.sounding() == set()


def test_a_port_that_comes_back_is_told_the_ends_and_goes_on() -> None:
    heard = [on(0, 60), on(100_000, 64), off(300_000, 60), off(400_000, 64), on(500_000, 65), off(600_000, 65)]
    buffer, first, second = bytearray(LEDGER_SIZE), Port(), Port()
    playback = Playback(Rerun(heard, BEGINS_US, 0), lambda: 0)
    playback.attach(ledgered(first, buffer))
    playback.advance(BEGINS_US)
    playback.attach(None)
    playback.advance(BEGINS_US + 150_000)
    playback.advance(BEGINS_US + 450_000)
    back = ledgered(second, buffer)
    back.end_left_over(BEGINS_US + 450_000)
    playback.attach(back)
    playback.advance(BEGINS_US + 700_000)
    assert [(event.kind, event.number) for _, event in second.got] == [
        (Kind.OFF, 60),
        (Kind.ON, 65),
        (Kind.OFF, 65),
    ]
    assert "Found no port: 1." in playback.told()


def test_late_notes_are_counted_and_far_too_late_ones_left_out() -> None:
    heard = [on(0, 60), off(10_000, 60), on(TOO_LATE_US, 64), off(TOO_LATE_US + 10, 64)]
    now_us = BEGINS_US + TOO_LATE_US + 3_000
    port = Port()
    playback = Playback(Rerun(heard, BEGINS_US, 0), lambda: now_us)
    playback.attach(ledgered(port, bytearray(LEDGER_SIZE)))
    playback.advance(now_us)
    assert [event.number for _, event in port.got if event.kind is Kind.ON] == [64]
    assert (
        playback.told()
        == "Notes played: 1, 1 of them over 1 ms late (at most 3.0 ms). Left out, being far too late: 1."
    )


def test_a_bar_takes_the_notes_that_come_a_little_before_its_line_and_ends_what_would_sound_on() -> None:
    early, long = (on(BAR_US - 30_000, 36), off(BAR_US + 50_000, 36)), (on(BAR_US, 60), off(3 * BAR_US, 60))
    heard = in_time(*beats(16), on(0, 50), off(2 * BAR_US, 50), *early, *long, on(2 * BAR_US - 30_000, 38))
    taken = excerpt(heard, first_bar=2, bars=1)
    end_us = 2 * BAR_US - BEAT_US // 8
    assert notes_of(taken) == [
        PlayedNote(BAR_US - 30_000, BAR_US + 50_000, "melody", 1, 36, 80),
        PlayedNote(BAR_US, end_us, "melody", 1, 60, 80),
    ]
    assert [event.number for event in taken if event.kind == Kind.BEAT] == [5, 6, 7, 8]


@given(NOTES, st.integers(1, 16), st.integers(0, 127))
def test_excerpts_side_by_side_have_every_note_once(notes: list[tuple[Heard, Heard]], count: int, unended: int) -> None:
    heard = in_time(*beats(count), *(event for note in notes for event in note), on(4_000_000, unended))
    together = [event for bar in range(1, bars_in(heard) + 1) for event in excerpt(heard, bar, 1)]
    whole = excerpt(heard)
    assert [e for e in together if e.kind != Kind.OFF] == [e for e in whole if e.kind != Kind.OFF]
    assert len([e for e in together if e.kind == Kind.OFF]) == len([e for e in whole if e.kind == Kind.OFF])


def test_a_bar_that_never_came_is_refused() -> None:
    with pytest.raises(UsageError, match="has 2 bars"):
        excerpt(beats(5), first_bar=3)


def test_what_a_player_that_died_left_sounding_ends_with_its_successor() -> None:
    told: list[Line] = [Sounded(0, 0, (on(1, 60), on(2, 62), off(3, 62))), Sounded(1, 0, (on(500, 64),))]
    told.append(Sounded(1, 1, (off(900, 64),)))
    notes = notes_of(heard_in(iter(told)))
    assert [(note.pitch, note.on_us, note.off_us) for note in notes] == [(60, 1, 500), (62, 2, 3), (64, 500, 900)]


def test_beats_are_counted_for_a_successor_too() -> None:
    heard = in_time(*beats(6), on(0, 60), off(10, 60))
    rerun = Rerun(heard, BEGINS_US, 0)
    rerun.due(BEGINS_US, 2 * BEAT_US)
    assert rerun.beats == 3
    assert Rerun(heard, BEGINS_US, BEGINS_US + 2 * BEAT_US + 1).beats == 3
