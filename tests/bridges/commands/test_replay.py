"""``autoloops replay``, ``sessions`` and ``slots``: what a record becomes, and what is refused."""

import subprocess
import sys
from pathlib import Path

import mido
import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.processes.options import PlayOptions, Replay
from autoloops_bridges.record.lines import Opened, RecordedPart, encode_line
from autoloops_engine.messages import Heard, Sounded
from autoloops_engine.player.events import Kind

NAME = "20261122-201500-4711"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four bars of 2 s, a note on each bar line."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "autoloops" / "sessions" / f"{NAME}.jsonl"
    path.parent.mkdir(parents=True)
    events = [Heard(500_000 * beat, int(Kind.BEAT), "", 0, beat + 1, 0) for beat in range(16)]
    for bar in range(4):
        events.append(Heard(2_000_000 * bar, int(Kind.ON), "melody", 3, 60 + bar, 90))
        events.append(Heard(2_000_000 * bar + 700_000, int(Kind.OFF), "melody", 3, 60 + bar, 0))
    events.sort(key=lambda event: event.at_us)
    part = RecordedPart("melody", 3, "melody-2bar", "/nowhere", "")
    lines = (Opened(1, "0.1.0", 1_790_000_000_000_000, 0, 7, 120.0, (part,), 0), Sounded(0, 0, tuple(events)))
    path.write_bytes(b"".join(encode_line(line) for line in lines))
    return path


def test_the_last_session_is_played_to_a_port_of_its_own(
    autoloops: Run, launched: list[PlayOptions], record: Path
) -> None:
    assert autoloops("replay") == (0, f"{record}: 4 notes, 0:08, seed 7.\n", "")
    replay = Replay(record=str(record), wait_s=10.0)
    assert launched == [PlayOptions(replay=replay, osc_port=0, midi_in="none", plain=True)]


def test_takes_every_option_of_a_port(autoloops: Run, launched: list[PlayOptions], record: Path) -> None:
    words = "--midi-out nord --midi-api jack --latency nord=4.5 moog=-3 --from 2 --bars 2 --wait 0"
    assert autoloops("replay", NAME, *words.split())[0] == 0
    assert launched == [
        PlayOptions(
            replay=Replay(record=str(record), first_bar=2, bars=2),
            osc_port=0,
            midi_out="nord",
            midi_in="none",
            midi_api="jack",
            latencies_ms={"nord": 4.5, "moog": -3.0},
            plain=True,
        )
    ]


def test_a_file_takes_the_bars_asked_for_and_nothing_sounds(
    autoloops: Run, launched: list[PlayOptions], record: Path, tmp_path: Path
) -> None:
    out = tmp_path / "two.mid"
    status, said, _ = autoloops("replay", "--out", str(out), "--from", "2", "--bars", "2")
    assert (status, said) == (0, f"{out}: 2 notes, 0:04, seed 7.\n")
    assert launched == []
    notes = [message for message in mido.MidiFile(out).tracks[1] if message.type == "note_on"]
    assert [(message.note, message.channel) for message in notes] == [(61, 2), (62, 2)]
    assert notes[0].time == 0


def test_a_file_is_written_and_played_where_both_are_asked_for(
    autoloops: Run, launched: list[PlayOptions], record: Path, tmp_path: Path
) -> None:
    assert autoloops("replay", "--out", str(tmp_path / "a.mid"), "--midi-out", "virtual")[0] == 0
    assert (tmp_path / "a.mid").exists()
    assert len(launched) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--from 5", "has 4 bars"),
        ("--midi-out none", "no port"),
        ("--bars 0", "--bars"),
        ("--latency x", "PORT=MS"),
        ("--wait nan", "--wait"),
    ],
)
def test_what_makes_no_sense_is_refused(
    autoloops: Run, launched: list[PlayOptions], record: Path, words: str, reason: str
) -> None:
    status, _, said = autoloops("replay", *words.split())
    assert status == 2
    assert reason in said
    assert launched == []


def test_a_session_in_which_nothing_sounded_is_no_music(
    autoloops: Run, launched: list[PlayOptions], record: Path
) -> None:
    record.write_bytes(record.read_bytes().splitlines(keepends=True)[0])
    status, _, said = autoloops("replay")
    assert status == 2
    assert "Nothing sounded" in said
    assert launched == []


def test_sessions_are_listed_with_name_length_seed_and_parts(autoloops: Run, record: Path) -> None:
    status, said, _ = autoloops("sessions")
    assert status == 0
    assert said.startswith(f"{NAME}  2026-09-")
    assert said.endswith("  0:08  seed 7  melody (melody-2bar)\n")


def test_where_no_session_was_recorded_that_is_said(
    autoloops: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    status, said, _ = autoloops("sessions")
    assert (status, said) == (0, "No session is recorded yet: autoloops play records each.\n")


def test_the_process_that_plays_a_record_loads_neither_numpy_nor_onnxruntime() -> None:
    code = "import sys, autoloops_bridges.processes.replayer; print({'numpy', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
