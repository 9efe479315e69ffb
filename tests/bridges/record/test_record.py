"""The record of a session: what was written survives, what is torn costs one line, a full disk costs no music."""

from pathlib import Path

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.record.lines import Control, Line, Opened, encode_line, heard_in, read_lines
from autoloops_bridges.record.replaying import Grid, notes_of, to_midi
from autoloops_bridges.record.writer import MAX_SESSIONS, RecordWriter, make_room
from autoloops_engine.messages import Heard, Sounded
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.player.transcript import Transcript

OPENED = Opened(1, "0.1.0", 1, 2, 3, 120.0, (), 0)


def on(at_us: int, pitch: int, part: str = "melody", velocity: int = 80) -> Heard:
    return Heard(at_us, int(Kind.ON), part, 1, pitch, velocity)


def off(at_us: int, pitch: int, part: str = "melody") -> Heard:
    return Heard(at_us, int(Kind.OFF), part, 1, pitch, 0)


def beat(at_us: int, number: int) -> Heard:
    return Heard(at_us, int(Kind.BEAT), "", 0, number, 0)


def test_what_was_written_can_be_read_at_once_and_a_torn_line_costs_nothing_else(tmp_path: Path) -> None:
    lines: list[Line] = [OPENED, Control(5, "/al/tempo", (133.0,)), Sounded(0, 0, (on(1, 60), off(2, 60)))]
    writer = RecordWriter(tmp_path / "deep" / "record.jsonl")
    writer.write(lines)
    assert list(read_lines(writer.path)) == lines
    with writer.path.open("ab") as file:
        file.write(b'{"type":"Control","at_\n\xff\xfe\n[]\n')
    writer.write([Control(7, "/al/stop", ())])
    assert list(read_lines(writer.path)) == [*lines, Control(7, "/al/stop", ())]
    writer.close(1.0)
    assert writer.take_remark() == ""


def test_a_record_that_is_full_says_so_once_and_stays_readable(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "record.jsonl", max_bytes=2_000)
    for at_us in range(200):
        writer.write([Control(at_us, "/al/tempo", (120.0,))])
    assert "is full" in writer.take_remark()
    assert writer.take_remark() == ""
    assert writer.path.stat().st_size <= 2_000
    assert len(list(read_lines(writer.path))) > 10
    writer.close(1.0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_disk_that_is_full_ends_the_record_and_nothing_else() -> None:
    writer = RecordWriter(Path("/dev/full"))
    writer.write([OPENED])
    assert "cannot be written" in writer.take_remark()
    writer.write([OPENED])
    writer.close(1.0)


def test_a_folder_that_cannot_be_written_ends_the_record_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writer = RecordWriter(tmp_path / "file" / "record.jsonl")
    writer.write([OPENED])
    assert "cannot be written" in writer.take_remark()
    writer.close(1.0)


def test_old_records_make_room(tmp_path: Path) -> None:
    for number in range(MAX_SESSIONS + 5):
        (tmp_path / f"{number:04}.jsonl").write_text("x")
    make_room(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == MAX_SESSIONS
    assert left[0] == "0005.jsonl"


@given(st.lists(st.integers(1, 30), max_size=20), st.data())
def test_what_is_told_twice_is_heard_once(sizes: list[int], data: st.DataObject) -> None:
    transcript = Transcript(0)
    told: list[Line] = [OPENED]
    events: list[Event] = []
    for size in sizes:
        for _ in range(size):
            events.append(Event(len(events), Kind.ON, "melody", 1, 60, 80))
            transcript.add(events[-1])
        if data.draw(st.booleans()):
            # A main process died here and heard nothing of it; its successor is told again.
            told.append(transcript.again())
        else:
            sounded = transcript.take()
            assert sounded is not None
            told.append(sounded)
    assert [heard.at_us for heard in heard_in(iter(told))] == [event.at_us for event in events]


@given(
    st.lists(
        st.builds(Heard, *[st.integers(-1, 10), st.integers(-1, 9), st.just("melody"), *[st.integers(-1, 200)] * 3])
    )
)
def test_whatever_an_edited_record_says_can_be_written_as_midi(events: list[Heard]) -> None:
    heard = heard_in(iter([OPENED, Sounded(0, 0, tuple(events))]))
    assert to_midi(heard, {"melody": 1}).startswith(b"MThd")
    assert all(each in events for each in heard)


def test_another_player_counts_anew() -> None:
    told: list[Line] = [OPENED, Sounded(0, 0, (on(1, 60), off(2, 60)))]
    told += [Sounded(1, 0, (on(3, 61),)), Sounded(1, 1, (off(4, 61),))]
    assert [heard.at_us for heard in heard_in(iter(told))] == [1, 2, 3, 4]


def test_notes_end_where_they_ended_and_at_the_last_event_where_nothing_ended_them() -> None:
    notes = notes_of([on(0, 60), on(5, 64), off(10, 60), on(10, 60), beat(30, 1)])
    assert [(note.on_us, note.off_us, note.pitch) for note in notes] == [(0, 10, 60), (5, 30, 64), (10, 30, 60)]


def test_the_grid_stands_still_while_the_music_does() -> None:
    beats = [(0, 1), (500_000, 2), (1_000_000, 3), (9_000_000, 3), (9_250_000, 4), (9_500_000, 5)]
    grid = Grid(beats)
    assert [grid.ticks(at_us) for at_us, _ in beats] == [0, 960, 1920, 2880, 3840, 4800]
    assert grid.ticks(-20_000) == 0
    assert grid.ticks(250_000) == 480
    # Behind the last beat before the stop no time passes.
    assert grid.ticks(5_000_000) == 2880
    assert grid.tempos() == [(0, 500_000), (2880, 250_000)]


def test_a_midi_file_has_the_tempo_map_and_a_named_track_for_each_part(tmp_path: Path) -> None:
    heard = [beat(0, 1), on(0, 60), off(250_000, 60), beat(500_000, 2), on(500_000, 36, "drums", 99)]
    heard += [off(600_000, 36, "drums"), beat(750_000, 3), beat(1_000_000, 4)]
    content = to_midi(heard, {"melody": 1, "drums": 10})
    assert content == to_midi(heard, {"melody": 1, "drums": 10})
    path = tmp_path / "x.mid"
    path.write_bytes(content)
    file = mido.MidiFile(path)
    assert [track.name for track in file.tracks] == ["AutoLoops", "melody", "drums"]
    assert [m.tempo for m in file.tracks[0] if m.type == "set_tempo"] == [500_000, 250_000]
    assert [(m.note, m.velocity) for m in file.tracks[2] if m.type == "note_on"] == [(36, 99)]


def test_lines_go_there_and_back() -> None:
    assert encode_line(OPENED).endswith(b"\n")
