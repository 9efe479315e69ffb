"""``autoloops slots`` and ``autoloops sequence``: the files hold what sounded."""

from pathlib import Path

import mido
import msgspec
import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.record.slots_file import (
    SequenceFile,
    SlotsFile,
    default_slots_path,
    read_slots,
    sequence_path,
)
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.recording import Recorder
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.session.takes import Entry, Take, TakenNote
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import BAR_UB, UB_PER_BEAT

BAR_US = 2_000_000
C_MAJOR = {0, 2, 4, 5, 7, 9, 11}
Tone = tuple[float, int, int]


def performance(decoder: Decoder | None = None, model: str = "") -> Performance:
    """A part in C major on channel 5."""
    decoder = decoder or StubDecoder()
    setup = PartSetup("melody", 5, latent_space(decoder.manifest), 2, model=model)
    joined = Performance(Session([setup], 11, 120.0), {"melody": decoder}, 120.0)
    joined.session.set(Target("scale"), ("c", "major"), 0)
    joined.settle()
    return joined


def played(joined: Performance, bars: float) -> None:
    joined.session.act(Target("start"), (), joined.now_us)
    joined.run_until(joined.now_us + round(bars * BAR_US))


def kept(joined: Performance, path: Path) -> Path:
    slots = joined.session.take_slots()
    assert slots is not None
    file = SlotsFile(path)
    assert file.write(slots) == ""
    file.close(10.0)
    return path


def tones(track: mido.MidiTrack) -> list[Tone]:
    """Onset in beats, pitch and velocity of every note."""
    found, at = [], 0
    for message in track:
        at += message.time
        if message.type == "note_on":
            found.append((at / 480, message.note, message.velocity))
    return found


def tempos(file: mido.MidiFile) -> list[tuple[float, float]]:
    """Bar from 0, and BPM from there on."""
    found, at = [], 0
    for message in file.tracks[0]:
        at += message.time
        if message.type == "set_tempo":
            found.append((at / 480 / 4, round(mido.tempo2bpm(message.tempo), 2)))
    return found


def channels(track: mido.MidiTrack) -> set[int]:
    return {message.channel + 1 for message in track if message.type == "note_on"}


def test_a_slot_that_sounded_is_exported_as_it_sounded_without_its_model(autoloops: Run, tmp_path: Path) -> None:
    joined = performance(model="a-model-that-is-nowhere")
    joined.session.set(Target("tempo"), (93.0,), 0)
    joined.session.set(Target("hold", "melody"), (0,), 0)
    played(joined, 4)
    joined.session.act(Target("store", "", 1), (), joined.now_us)
    recorder = Recorder()
    for message in joined.heard:
        if isinstance(message, Frozen):
            recorder.add(message)
    bars = [message.song_bar for message in joined.heard if isinstance(message, Frozen)]
    # The bar of the loop that sounds and the one before it; the loop begins on even bars.
    latest = {bar % 2: bar for bar in bars}
    heard = [
        ((note.start_ub - latest[at] * BAR_UB) / UB_PER_BEAT + 4 * at, note.pitch, note.velocity)
        for at in (0, 1)
        for note in recorder.notes()
        if note.start_ub // BAR_UB == latest[at]
    ]
    path = kept(joined, tmp_path / "slots.json")
    status, said, _ = autoloops("slots", "--slots", str(path), "--out", str(tmp_path))
    assert (status, "93 BPM" in said) == (0, True)
    file = mido.MidiFile(tmp_path / "slot-1.mid")
    assert tones(file.tracks[1]) == heard
    assert {pitch % 12 for _, pitch, _ in tones(file.tracks[1])} <= C_MAJOR
    assert (file.tracks[1].name, channels(file.tracks[1]), tempos(file)) == ("melody", {5}, [(0, 93.0)])
    assert autoloops("slots", "--slots", str(path), "--out", str(tmp_path), "--tempo", "140")[0] == 0
    assert tempos(mido.MidiFile(tmp_path / "slot-1.mid")) == [(0, 140.0)]


def test_a_slot_that_did_not_sound_is_exported_as_it_would_have_in_its_scale(autoloops: Run, tmp_path: Path) -> None:
    joined = performance(open_decoder(find_bundle("melody-2bar")), "melody-2bar")
    joined.session.act(Target("store", "", 1), (), 0)
    path = kept(joined, tmp_path / "slots.json")
    assert autoloops("slots", "--slots", str(path), "--out", str(tmp_path))[0] == 0
    found = tones(mido.MidiFile(tmp_path / "slot-1.mid").tracks[1])
    played(joined, 1.9)
    recorder = Recorder()
    for message in joined.heard:
        if isinstance(message, Frozen):
            recorder.add(message)
    assert found == [(note.start_ub / UB_PER_BEAT, note.pitch, note.velocity) for note in recorder.notes()]
    assert found
    assert {pitch % 12 for _, pitch, _ in found} <= C_MAJOR


def test_a_slot_of_before_is_exported_at_120(autoloops: Run, tmp_path: Path) -> None:
    joined = performance(open_decoder(find_bundle("melody-2bar")), "melody-2bar")
    joined.session.act(Target("store", "", 1), (), 0)
    path = kept(joined, tmp_path / "slots.json")
    plain = msgspec.json.decode(path.read_bytes())
    for name in ("take", "scale", "chords", "tempo_bpm"):
        plain["1"]["melody"].pop(name)
    path.write_bytes(msgspec.json.encode(plain))
    assert autoloops("slots", "--slots", str(path), "--out", str(tmp_path))[0] == 0
    assert tempos(mido.MidiFile(tmp_path / "slot-1.mid")) == [(0, 120.0)]


def entry(tempo_bpm: float, **parts: tuple[int, int, int]) -> Entry:
    """By part: channel, bars, and the pitch of a note of a beat that begins each."""
    return Entry(
        tempo_bpm,
        {
            part: Take(channel, bars, (TakenNote(0, UB_PER_BEAT, pitch, 80),))
            for part, (channel, bars, pitch) in parts.items()
        },
    )


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    """Three entries: of 2 bars, of 4, and of 1."""
    path = tmp_path / "slots.json"
    entries = (
        entry(120.0, melody=(1, 2, 60), drums=(10, 1, 36)),
        entry(120.0, melody=(1, 4, 62), bass=(2, 2, 40)),
        entry(96.0, melody=(1, 1, 64)),
    )
    file = SequenceFile(path)
    assert file.write(entries) == ""
    file.close(10.0)
    return path


def test_all_entries_come_one_after_the_other_each_part_on_a_track(autoloops: Run, slots: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.mid"
    status, said, _ = autoloops("sequence", "--slots", str(slots), "--out", str(out))
    assert status == 0
    assert said.splitlines() == [
        "entry 1: melody, drums, 2 bars, 120 BPM",
        "entry 2: melody, bass, 4 bars, 120 BPM",
        "entry 3: melody, 1 bar, 96 BPM",
        f"{out}: 7 bars, 7 notes.",
    ]
    file = mido.MidiFile(out)
    tracks = {track.name: (channels(track), tones(track)) for track in file.tracks[1:]}
    assert tracks == {
        "melody": ({1}, [(0, 60, 80), (8, 62, 80), (24, 64, 80)]),
        "drums": ({10}, [(0, 36, 80), (4, 36, 80)]),
        "bass": ({2}, [(8, 40, 80), (16, 40, 80)]),
    }
    assert tempos(file) == [(0, 120.0), (6, 96.0)]
    assert {sum(message.time for message in track) / 480 for track in file.tracks} == {28.0}


def test_one_entry_is_written_by_itself_at_its_tempo(autoloops: Run, slots: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.mid"
    status, said, _ = autoloops("sequence", "--slots", str(slots), "--entry", "3", "--out", str(out))
    assert (status, said.splitlines()) == (0, ["entry 3: melody, 1 bar, 96 BPM", f"{out}: 1 bar, 1 note."])
    file = mido.MidiFile(out)
    assert (tones(file.tracks[1]), tempos(file)) == ([(0, 64, 80)], [(0, 96.0)])
    assert autoloops("sequence", "--slots", str(slots), "--entry", "4")[0] == 2


def test_there_may_be_nothing_in_it_or_nothing_that_can_be_read(autoloops: Run, tmp_path: Path) -> None:
    path = tmp_path / "slots.json"
    path.write_text("{}")
    assert "is empty" in autoloops("sequence", "--slots", str(path))[1]
    status, _, _ = autoloops("sequence", "--slots", str(path), "--out", str(tmp_path / "a.mid"))
    assert (status, (tmp_path / "a.mid").exists()) == (1, False)
    torn = '[{"tempo_bpm": 120, "takes": {"melody": {"channel": 99, "bars": 1, "notes": []}}}]'
    sequence_path(path).write_text(torn)
    status, _, said = autoloops("sequence", "--slots", str(path))
    assert (status, "cannot be read" in said) == (1, True)
    assert sequence_path(path).read_text() == torn
    assert read_slots(path) == {}


def test_the_slots_of_a_user_who_has_stored_nothing_yet_are_empty(autoloops: Run) -> None:
    assert not default_slots_path().exists()
    for command in ("slots", "sequence"):
        status, said, _ = autoloops(command)
        assert (status, "empty" in said) == (0, True)


def test_a_folder_that_cannot_be_made_is_told(autoloops: Run, tmp_path: Path) -> None:
    joined = performance()
    played(joined, 4)
    joined.session.act(Target("store", "", 1), (), joined.now_us)
    path = kept(joined, tmp_path / "slots.json")
    status, _, said = autoloops("slots", "--slots", str(path), "--out", str(path / "sub"))
    assert (status, said) == (
        1,
        f"autoloops: Cannot write {path / 'sub'} (Not a directory): choose another place.\n",
    )


@pytest.mark.parametrize("command", ["slots", "sequence", "play"])
def test_a_file_that_is_no_slots_is_told_and_left_alone(
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path, command: str
) -> None:
    path = tmp_path / "mytune.mid"
    path.write_bytes(b"MThd and so on")
    status, out, said = autoloops(command, "--slots", str(path))
    assert (status, out, said.count("\n")) == (2, "", 1)
    assert f"{path} is no file of slots" in said
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"MThd and so on"]
    assert launched == []


@pytest.mark.parametrize("command", ["slots", "sequence"])
def test_slots_that_are_named_but_are_not_there_are_told(autoloops: Run, tmp_path: Path, command: str) -> None:
    status, out, said = autoloops(command, "--slots", str(tmp_path / "nosuch.json"))
    assert (status, out, "There is no file" in said) == (2, "", True)


def test_a_sequence_whose_slots_were_never_stored_is_listed(autoloops: Run, slots: Path) -> None:
    slots.unlink(missing_ok=True)
    assert autoloops("sequence", "--slots", str(slots))[1].startswith("entry 1")
