"""What sounded is kept as it sounded: takes of slots, and the sequence."""

from itertools import pairwise

import msgspec
import pytest

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session import sequence as collecting
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.recording import RecordedNote, Recorder
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import Stored
from autoloops_engine.session.surface import Target
from autoloops_engine.session.takes import Sequence, Take, TakenNote, laid_out
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import BAR_UB

TEMPO_BPM = 120.0
BAR_US = 2_000_000
C_MAJOR = {0, 2, 4, 5, 7, 9, 11}


def performance(*names: str) -> Performance:
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 3, latent_space(decoder.manifest), 2) for i, name in enumerate(names or ("melody",))]
    joined = Performance(Session(setups, 7, TEMPO_BPM), {setup.name: decoder for setup in setups}, TEMPO_BPM)
    joined.session.act(Target("start"), (), 0)
    joined.settle()
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def put(joined: Performance, name: str, *values: float | str, part: str = "melody", key: int | None = None) -> None:
    joined.session.set(Target(name, part, key), values, joined.now_us)


def do(joined: Performance, name: str, *values: float | str, part: str = "", key: int | None = None) -> None:
    joined.session.act(Target(name, part, key), values, joined.now_us)


def recorded(joined: Performance, part: str = "melody") -> tuple[RecordedNote, ...]:
    """Everything that sounded, by the record's own reckoning."""
    recorder = Recorder()
    for message in joined.heard:
        if isinstance(message, Frozen) and message.part == part:
            recorder.add(message)
    return recorder.notes()


def between(notes: tuple[RecordedNote, ...], first_bar: int, bars: int) -> list[TakenNote]:
    """What began in some bars, as from their first bar line."""
    first_ub, end_ub = first_bar * BAR_UB, (first_bar + bars) * BAR_UB
    return [
        TakenNote(note.start_ub - first_ub, note.duration_ub, note.pitch, note.velocity)
        for note in notes
        if first_ub <= note.start_ub < end_ub
    ]


def stored(joined: Performance, slot: int = 1, part: str = "melody") -> Stored:
    slots = joined.session.take_slots()
    assert slots is not None
    return slots[slot][part]


def sequence(joined: Performance) -> Sequence:
    entries = joined.session.take_sequence()
    assert entries is not None
    return entries


@pytest.mark.parametrize("hold", [0, 1])
def test_a_slot_keeps_the_loop_as_it_sounded_with_its_scale_and_tempo(hold: int) -> None:
    joined = performance()
    put(joined, "scale", "c", "major", part="")
    put(joined, "tempo", 97.0, part="")
    put(joined, "hold", hold)
    joined.run_until(8 * BAR_US + BAR_US // 2)
    do(joined, "store", key=1)
    slot = stored(joined)
    last = max(message.song_bar for message in joined.heard if isinstance(message, Frozen))
    first = last - 1 - (last - 1) % 2
    assert slot.take is not None
    assert (slot.take.channel, slot.take.bars, slot.scale, slot.tempo_bpm) == (3, 2, "c major", 97.0)
    assert {note.pitch % 12 for note in slot.take.notes} <= C_MAJOR
    heard = recorded(joined)
    if last % 2 or hold:
        # The last whole pass; ties are joined with the notes that they go on from.
        assert list(slot.take.notes) == between(heard, first, 2)
    assert slot.take.notes


def test_what_has_not_sounded_as_it_is_set_is_kept_by_its_scale_and_chords() -> None:
    joined = performance()
    bars_on(joined, 4.5)
    put(joined, "knob", 0.9, key=1)
    do(joined, "store", key=1)
    assert stored(joined).take is None
    bars_on(joined, 3)
    do(joined, "store", key=2)
    assert stored(joined, 2).take is not None
    put(joined, "chords", "Am7 | Dm7 G7", part="")
    do(joined, "store", key=3)
    slot = stored(joined, 3)
    assert (slot.take, slot.chords) == (None, "Am7 | Dm7 G7")
    bars_on(joined, 3)
    do(joined, "store", key=3)
    assert stored(joined, 3).take is not None


@pytest.mark.parametrize("motion", [("walk", 0.7), ("orbit", 0.5, 4)])
def test_a_loop_that_drifts_is_kept_as_it_sounded_and_one_that_was_moved_is_not(motion: tuple[str, float]) -> None:
    joined = performance()
    put(joined, *motion)
    joined.run_until(5 * BAR_US + BAR_US // 2)
    do(joined, "store", key=1)
    take = stored(joined).take
    assert take is not None
    assert list(take.notes) == between(recorded(joined), 4, 2)
    put(joined, "knob", 0.9, key=1)
    do(joined, "store", key=1)
    assert stored(joined).take is None


def test_what_is_kept_after_the_fact_is_the_loop_of_then() -> None:
    joined = performance()
    put(joined, "hold", 0)
    joined.run_until(6 * BAR_US + BAR_US // 2)
    then = between(recorded(joined), 4, 2)
    bars_on(joined, 5)
    last = max(message.song_bar for message in joined.heard if isinstance(message, Frozen))
    do(joined, "keep", last - 5, key=4)
    take = stored(joined, 4).take
    assert take is not None
    assert list(take.notes) == then


def test_slots_of_before_are_read() -> None:
    joined = performance()
    bars_on(joined, 4.5)
    do(joined, "store", key=1)
    plain = msgspec.json.decode(msgspec.json.encode(joined.session.take_slots()))
    for name in ("take", "scale", "chords", "tempo_bpm"):
        del plain["1"]["melody"][name]
    read = msgspec.json.decode(msgspec.json.encode(plain), type=Slots)
    joined.session.restore_slots(read)
    do(joined, "slot", "now", key=1)
    assert (read[1]["melody"].take, read[1]["melody"].tempo_bpm) == (None, None)


def test_loops_are_collected_counted_taken_out_and_all_of_it_undone() -> None:
    joined = performance("melody", "bass")
    count = Target("sequence")
    with pytest.raises(UsageError, match="let it play through once"):
        do(joined, "sequence/add")
    bars_on(joined, 4.5)
    do(joined, "sequence/add")
    assert count in joined.session.touched()
    put(joined, "mute", 1, part="bass")
    do(joined, "sequence/add")
    do(joined, "sequence/add", "bass")
    assert [list(entry.takes) for entry in sequence(joined)] == [["melody", "bass"], ["melody"], ["bass"]]
    assert joined.session.get(count) == (3,)
    do(joined, "sequence/remove", 2)
    assert [list(entry.takes) for entry in sequence(joined)] == [["melody", "bass"], ["bass"]]
    bars_on(joined, 1)
    do(joined, "sequence/remove")
    assert [list(entry.takes) for entry in sequence(joined)] == [["melody", "bass"]]
    do(joined, "sequence/clear")
    assert sequence(joined) == ()
    with pytest.raises(UsageError, match="is empty"):
        do(joined, "sequence/remove")
    joined.session.touched()
    for held in (1, 2, 3):
        do(joined, "undo")
        assert joined.session.get(count) == (held,)
        assert len(sequence(joined)) == held
    assert count in joined.session.touched()
    do(joined, "redo")
    assert joined.session.get(count) == (2,)


def test_an_entry_is_what_sounds_at_the_tempo_of_the_moment() -> None:
    joined = performance()
    joined.run_until(4 * BAR_US)
    put(joined, "knob", 1.0, key=1)
    put(joined, "tempo", 90.0, part="")
    bars_on(joined, 6)
    do(joined, "sequence/add")
    (entry,) = sequence(joined)
    last = max(message.song_bar for message in joined.heard if isinstance(message, Frozen))
    first = last - 1 - (last - 1) % 2
    assert (entry.tempo_bpm, entry.bars) == (90.0, 2)
    assert list(entry.takes["melody"].notes) == between(recorded(joined), first, 2)


@pytest.mark.parametrize("bars", [1, 3, 7])
def test_the_last_bars_are_kept_as_they_sounded_whatever_changed(bars: int) -> None:
    joined = performance("melody", "bass")
    put(joined, "hold", 0)
    for turn in range(9):
        put(joined, "knob", turn / 9, key=1)
        bars_on(joined, 1)
    put(joined, "mute", 1, part="bass")
    bars_on(joined, 0.5)
    do(joined, "sequence/keep", bars)
    (entry,) = sequence(joined)
    last = max(message.song_bar for message in joined.heard if isinstance(message, Frozen))
    assert entry.bars == bars
    for part in ("melody", "bass"):
        assert list(entry.takes[part].notes) == between(recorded(joined, part), last - bars + 1, bars)
    do(joined, "sequence/keep", 2, "bass")
    assert list(sequence(joined)[1].takes) == ["bass"]


def test_a_bar_that_was_spliced_is_kept_as_it_sounded() -> None:
    joined = performance()
    joined.run_until(6 * BAR_US + BAR_US // 3)
    do(joined, "fire", "new", "now", part="melody")
    bars_on(joined, 0.5)
    assert any(message.origin == "splice" for message in joined.heard if isinstance(message, Frozen))
    do(joined, "store", key=1)
    assert stored(joined).take is None
    do(joined, "sequence/add")
    do(joined, "sequence/keep", 2)
    added, spliced = sequence(joined)
    heard = between(recorded(joined), 5, 2)
    assert list(spliced.takes["melody"].notes) == heard
    # Bar 1 of the loop is the spliced one, bar 2 that before it.
    first = [note for note in added.takes["melody"].notes if note.start_ub < BAR_UB]
    assert first == between(recorded(joined), 6, 1)


def test_a_part_whose_loop_is_not_through_is_left_out_and_that_is_said() -> None:
    joined = performance("melody", "bass")
    bars_on(joined, 4.5)
    put(joined, "length", 16, part="bass")
    bars_on(joined, 3)
    do(joined, "sequence/add")
    (entry,) = sequence(joined)
    assert list(entry.takes) == ["melody"]
    ((address, reason),) = joined.session.take_failures()
    assert (address, "bass" in reason) == ("/al/sequence/add", True)


def test_bars_from_before_a_jump_do_not_count() -> None:
    joined = performance()
    bars_on(joined, 9.5)
    put(joined, "position", 4.0 * 40, part="")
    bars_on(joined, 3)
    with pytest.raises(UsageError, match=r"Only \d bars are known"):
        do(joined, "sequence/keep", 8)
    do(joined, "sequence/keep", 3)
    (entry,) = sequence(joined)
    assert list(entry.takes["melody"].notes) == between(recorded(joined), 41, 3)


def test_a_sequence_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = performance()
    bars_on(joined, 4.5)
    for _ in range(256):
        do(joined, "sequence/add")
    with pytest.raises(UsageError, match="256 entries at most"):
        do(joined, "sequence/add")
    do(joined, "sequence/clear")
    do(joined, "sequence/add")
    (entry,) = sequence(joined)
    monkeypatch.setattr(collecting, "MAX_NOTES", 2 * len(entry.takes["melody"].notes) - 1)
    with pytest.raises(UsageError, match="notes at most"):
        do(joined, "sequence/add")
    with pytest.raises(UsageError, match="from 1 to 128"):
        do(joined, "sequence/keep", 129)


def test_shorter_loops_are_repeated_and_cut_where_the_entry_ends() -> None:
    one = Take(1, 1, (TakenNote(-10, 50, 60, 90), TakenNote(BAR_UB - 5, 20, 62, 80)))
    notes = laid_out({"one": one, "three": Take(2, 3, (TakenNote(0, 4 * BAR_UB, 40, 70),))}, 3)
    starts = [note.start_ub for note in notes if note.part == "one"]
    assert starts == [at for line_ub in (0, BAR_UB, 2 * BAR_UB) for at in (line_ub - 10, line_ub + BAR_UB - 5)]
    assert [note.duration_ub for note in notes if note.part == "one"][-2:] == [50, 5]
    assert [note.duration_ub for note in notes if note.part == "three"] == [3 * BAR_UB]
    assert all(earlier.part <= later.part for earlier, later in pairwise(notes))
