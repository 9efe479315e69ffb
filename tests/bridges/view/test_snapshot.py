"""Snapshots: what the view knows of a performance, on a clock that only tests move."""

from tests.bridges.view.staging import DECODE_US, rehearsal

from autoloops_bridges.view.snapshot import ShownBar
from autoloops_engine.messages import Frozen, OfferBar, PlayerStats, PortsState, TransportState
from autoloops_engine.notes import Bar, Note, Tie
from autoloops_engine.session.recording import Recorder
from autoloops_engine.session.surface import Target
from autoloops_engine.units import BAR_UB, STEP_UB, UB_PER_BEAT

BAR_US = 2_000_000


def pitches(bar: ShownBar | None) -> list[int]:
    return [] if bar is None else [note.pitch for note in bar.notes if not note.tied]


class TestTransport:
    def test_before_the_start_bar_1_lies_ready(self) -> None:
        stage = rehearsal()
        shown = stage.shown()
        assert not shown.playing
        assert shown.position_ub == 0
        (part,) = shown.parts
        assert part.sounding is None
        assert part.next is not None
        assert part.next.song_bar == 0

    def test_the_bar_that_lay_ready_is_the_one_that_sounds(self) -> None:
        stage = rehearsal()
        ready = stage.shown().parts[0].next
        stage.press(" ")
        stage.run_until(stage.now_us + 100_000)
        assert pitches(stage.shown().parts[0].sounding) == pitches(ready)

    def test_the_position_follows_the_clock_between_messages(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(2 * BAR_UB + 3 * UB_PER_BEAT)
        assert abs(stage.shown().position_ub - 2 * BAR_UB - 3 * UB_PER_BEAT) <= 4

    def test_a_stop_leaves_the_position_where_it_is(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(BAR_UB + UB_PER_BEAT)
        stage.press(" ")
        stopped_ub = stage.shown().position_ub
        stage.run_until(stage.now_us + 10 * BAR_US)
        assert stage.shown().position_ub == stopped_ub
        assert not stage.shown().playing

    def test_the_tempo_is_the_session_s(self) -> None:
        stage = rehearsal(tempo_bpm=98.0)
        stage.press("+")
        assert stage.shown().tempo_bpm == 99.0


class TestBars:
    def test_sounding_and_next_are_what_was_played(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press(" ")
        stage.run_to(3 * BAR_UB + UB_PER_BEAT)
        seen = {part.name: (pitches(part.sounding), pitches(part.next)) for part in stage.shown().parts}
        stage.run_to(5 * BAR_UB)
        frozen = {(m.part, m.song_bar): m for m in stage.performance.heard if isinstance(m, Frozen)}
        for name in ("melody", "bass"):
            expected = tuple([note.pitch for note in frozen[name, bar].bar.notes] for bar in (3, 4))
            assert seen[name] == expected

    def test_a_control_changes_the_next_bar_at_once(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(2 * BAR_UB + UB_PER_BEAT)
        before = stage.shown().parts[0]
        stage.session.set(Target("seed", "melody"), (99,), stage.now_us)
        stage.run_until(stage.now_us + 10 * DECODE_US)
        after = stage.shown().parts[0]
        assert after.sounding == before.sounding
        assert after.next != before.next

    def test_a_splice_is_drawn_as_it_is_heard(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(2 * BAR_UB + UB_PER_BEAT)
        before = stage.shown().parts[0].sounding
        stage.session.act(Target("fire", "melody"), ("new", "now"), stage.now_us)
        stage.run_to(2 * BAR_UB + 2 * UB_PER_BEAT)
        sounding = stage.shown().parts[0].sounding
        assert before is not None
        assert sounding is not None
        assert sounding != before
        assert sounding.origin == "splice"
        recorder = Recorder()
        for message in stage.performance.heard:
            if isinstance(message, Frozen):
                recorder.add(message)
        played = [(n.start_ub - 2 * BAR_UB, n.pitch) for n in recorder.notes() if 2 * BAR_UB <= n.start_ub < 3 * BAR_UB]
        assert sorted((n.start_ub, n.pitch) for n in sounding.notes if not n.tied) == played

    def test_a_note_into_which_a_splice_falls_ends_there_unless_it_is_tied(self) -> None:
        stage = rehearsal()
        watch = stage.watch
        held = Note(0, BAR_UB, 60, 90, held=True)
        other = Note(0, 8 * STEP_UB, 64, 90)
        watch.heard(frozen(Bar(1, 0, (held, other))))
        watch.heard(
            frozen(Bar(2, 0, (Note(4 * STEP_UB, STEP_UB, 72, 90),), (Tie(60, 6 * STEP_UB),)), "splice", 4 * STEP_UB)
        )
        bar = watch.frozen("melody", 0)
        assert bar is not None
        assert [(n.pitch, n.end_ub) for n in bar.notes] == [(60, 6 * STEP_UB), (64, 4 * STEP_UB), (72, 5 * STEP_UB)]

    def test_a_new_position_forgets_the_bars_of_the_old_one(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(2 * BAR_UB + UB_PER_BEAT)
        stage.watch.heard(TransportState(9, True, 500_000_000, 0, stage.now_us, 0))
        assert stage.watch.frozen("melody", 2) is None

    def test_the_range_is_that_of_the_bars_that_are_drawn_at_least(self) -> None:
        stage = rehearsal()
        stage.press(" ")
        stage.run_to(20 * BAR_UB)
        part = stage.shown().parts[0]
        assert {*pitches(part.sounding), *pitches(part.next)} <= set(part.pitches)


class TestFacts:
    def test_the_rows_of_parts_come_and_go(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press(" ")
        stage.run_until(stage.now_us + 2_500_000)
        (bass,) = (setup for setup in stage.session.cast() if setup.name == "bass")
        stage.session.act(Target("remove", "bass"), ("now",), stage.now_us)
        stage.performance.settle()
        assert [part.name for part in stage.shown().parts] == ["melody"]
        assert stage.shown().margin_us is not None
        stage.session.join(bass, stage.now_us)
        stage.performance.settle()
        melody, again = stage.shown().parts
        assert again.name == "bass"
        # Nothing of its former self is shown.
        assert again.sounding is None
        stage.run_until(stage.now_us + 4_000_000)
        assert stage.shown().parts[1].sounding is not None
        assert melody.sounding is not None

    def test_the_margin_is_the_time_from_the_newest_bar_to_its_freeze_line(self) -> None:
        stage = rehearsal()
        stage.watch.sent(OfferBar("melody", 0, 0, Bar(5, 0)), 1_000)
        stage.watch.heard(frozen(Bar(5, 0), due_us=41_000))
        assert stage.shown().margin_us == 40_000

    def test_the_part_with_the_least_time_left_counts_and_a_fallback_has_none(self) -> None:
        stage = rehearsal("melody", "bass")
        for part, at_us in (("melody", 1_000), ("bass", 30_000)):
            stage.watch.sent(OfferBar(part, 0, 0, Bar(5, 0)), at_us)
            stage.watch.heard(frozen(Bar(5, 0), due_us=41_000, part=part))
        assert stage.shown().margin_us == 11_000
        stage.watch.heard(frozen(Bar(4, 0), "again", due_us=2_041_000, part="bass"))
        assert stage.shown().margin_us is None

    def test_mute_and_hold_are_seen_at_once(self) -> None:
        stage = rehearsal("melody", "bass")
        stage.press("2m")
        stage.session.set(Target("hold", "melody"), (0,), stage.now_us)
        melody, bass = stage.shown().parts
        assert (melody.muted, melody.hold) == (False, False)
        assert (bass.muted, bass.hold) == (True, True)

    def test_misses_are_counted_for_their_part(self) -> None:
        # A decode takes longer than a bar: nothing that is moved is heard in time.
        stage = rehearsal("melody", "bass", tempo_bpm=300.0)
        slow = rehearsal("melody", "bass")
        slow.performance._decode_us = lambda request: 3 * BAR_US
        stage.press(" ")
        slow.press(" ")
        for each in (stage, slow):
            each.run_to(2 * BAR_UB)
            each.session.set(Target("temperature", "bass"), (0.5,), each.now_us)
            each.run_to(5 * BAR_UB)
        assert [part.misses for part in stage.shown().parts] == [0, 0]
        melody, bass = slow.shown().parts
        assert melody.misses == 0
        assert bass.misses > 0
        assert slow.shown().misses == bass.misses
        assert slow.shown().fallbacks > 0

    def test_the_last_control_is_told_with_its_arguments_and_where_it_came_from(self) -> None:
        stage = rehearsal()
        stage.press("f")
        assert stage.shown().control == "/al/melody/fire new from the keyboard"

    def test_ports_and_what_the_player_says_of_them_are_shown(self) -> None:
        stage = rehearsal()
        stage.watch.heard(PortsState(("Synth",), ("Pads",), ("No JACK server runs.",)))
        shown = stage.shown()
        assert (shown.outputs, shown.inputs, shown.remarks) == (("Synth",), ("Pads",), ("No JACK server runs.",))

    def test_messages_of_parts_that_nobody_knows_are_ignored(self) -> None:
        stage = rehearsal()
        before = stage.shown()
        stage.watch.sent(OfferBar("nobody", 0, 0, Bar(1, 0)), 0)
        stage.watch.heard(frozen(Bar(1, 0), part="nobody"))
        stage.watch.heard(PlayerStats(1, 1, (), 1, 1, 1))
        assert stage.shown() == before


def frozen(bar: Bar, origin: str = "fresh", from_ub: int = 0, *, due_us: int = 0, part: str = "melody") -> Frozen:
    return Frozen(part, 0, 0, bar, origin, due_us, due_us, False, from_ub)
