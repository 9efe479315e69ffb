"""Events to MIDI bytes, and what comes in to typed events; garbage is counted."""

from collections import deque
from pathlib import Path
from types import SimpleNamespace

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.midi import ports
from autoloops_bridges.midi.apis import candidates, rtmidi_missing
from autoloops_bridges.midi.encode import midi_messages
from autoloops_bridges.midi.frame_map import FrameMap
from autoloops_bridges.midi.jack_queue import JackQueue
from autoloops_bridges.midi.names import find_port, stable_name
from autoloops_bridges.midi.parse import ControlEvent, MidiParser, Source, value_at
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event, Kind


def parse(*data: int) -> ControlEvent | None:
    return MidiParser().parse(MidiIn("keys", bytes(data), 7))


@given(st.integers(1, 16), st.integers(0, 127), st.integers(0, 127))
def test_notes_begin_with_a_velocity_and_end_with_a_true_note_off(channel: int, pitch: int, velocity: int) -> None:
    (on,) = midi_messages(Event(0, Kind.ON, "melody", channel, pitch, velocity))
    (off,) = midi_messages(Event(0, Kind.OFF, "melody", channel, pitch))
    assert on == bytes((0x90 + channel - 1, pitch, max(1, velocity)))
    assert off[:2] == bytes((0x80 + channel - 1, pitch))


@pytest.mark.parametrize("kind", [Kind.TIE, Kind.BEAT, Kind.BAR])
def test_what_is_no_note_has_no_bytes(kind: Kind) -> None:
    assert midi_messages(Event(0, kind, "", 0, 1)) == ()


@given(st.integers(1, 16))
def test_silence_is_all_sound_off_and_all_notes_off(channel: int) -> None:
    status = 0xB0 + channel - 1
    assert midi_messages(Event(0, Kind.SILENCE, "", channel, 0)) == (bytes((status, 120, 0)), bytes((status, 123, 0)))


def test_both_drivers_send_the_silence_behind_the_note_offs() -> None:
    rtmidi_ports = pytest.importorskip("autoloops_bridges.midi.rtmidi_ports")
    silence = [Event(100, Kind.OFF, "melody", 2, 60), Event(90, Kind.SILENCE, "", 2, 0)]
    expected = [b"\x81\x3c\x40", b"\xb1\x78\x00", b"\xb1\x7b\x00"]
    frames = FrameMap(1_000_000)
    frames.observe(0, 0)
    jack_queue = JackQueue(frames)
    sent: list[bytes] = []
    sink = object.__new__(rtmidi_ports.RtMidiOutput)
    sink._port = SimpleNamespace(send_message=sent.append)
    for event in silence:
        jack_queue.put(event)
        sink.send(event, 90)
    assert [write.data for write in jack_queue.cycle(0, 1000)] == expected
    assert sent == expected


def test_messages_of_controllers_are_read() -> None:
    assert parse(0x91, 60, 100) == ControlEvent(Source.NOTE, 2, 60, 100, 127, "keys", 7)
    assert parse(0xBF, 7, 127) == ControlEvent(Source.CC, 16, 7, 127, 127, "keys", 7)
    assert parse(0xE0, 0, 64) == ControlEvent(Source.PITCHBEND, 1, 0, 8192, 16383, "keys", 7)
    assert parse(0xD0, 5) == ControlEvent(Source.PRESSURE, 1, 0, 5, 127, "keys", 7)
    assert parse(0xA0, 60, 5) == ControlEvent(Source.POLY_PRESSURE, 1, 60, 5, 127, "keys", 7)
    assert parse(0xC0, 9) == ControlEvent(Source.PROGRAM, 1, 9, 9, 127, "keys", 7)


def test_a_note_on_of_velocity_zero_is_an_end() -> None:
    event = parse(0x90, 60, 0)
    assert event is not None
    assert event.source is Source.NOTE_OFF


def test_realtime_bytes_and_sysex_are_read_and_move_nothing() -> None:
    clock = parse(0xF8)
    assert clock is not None
    assert (clock.source, clock.number, clock.position) == (Source.REALTIME, 0xF8, 0.0)
    sysex = parse(0xF0, *range(100), 0xF7)
    assert sysex is not None
    assert sysex.source is Source.OTHER


@given(st.binary(max_size=40))
def test_garbage_is_counted_and_never_raised(data: bytes) -> None:
    parser = MidiParser()
    event = parser.parse(MidiIn("keys", data, 0))
    assert (parser.read, parser.garbage) == ((1, 0) if event else (0, 1))
    if event:
        assert 0.0 <= event.position <= 1.0


@given(st.integers(0, 15), st.integers(0, 127), st.integers(0, 127))
def test_positions_run_from_zero_to_one_evenly_with_the_centre_in_the_middle(
    channel: int, number: int, value: int
) -> None:
    event = parse(*mido.Message("control_change", channel=channel, control=number, value=value).bytes())
    assert event is not None
    assert event.position == pytest.approx(value / 127, abs=0.004)
    assert (event.position == 0.5) is (value == 64)
    assert ((event.position == 0.0), (event.position == 1.0)) == (value == 0, value == 127)
    assert value_at(event.position, 127) == value


@given(st.integers(0, 16383))
def test_a_14_bit_value_comes_back_from_its_position(value: int) -> None:
    position = ControlEvent(Source.PITCHBEND, 1, 0, value, 16383, "keys", 0).position
    assert value_at(position, 16383) == value


def test_a_port_is_found_by_part_of_its_name_whatever_number_it_has_today() -> None:
    names = ["Midi Through:Midi Through Port-0 14:0", "nanoKONTROL2:nanoKONTROL2 MIDI 1 28:0", "Synth 29:0"]
    assert stable_name(names[1]) == "nanoKONTROL2:nanoKONTROL2 MIDI 1"
    assert find_port(names, "NANOkontrol") == 1
    assert find_port(names, "synth 31:0") == 2
    assert find_port(names, "organ") is None


def test_the_same_name_goes_before_a_longer_one() -> None:
    assert find_port(["Synth 2", "Synth"], "synth") == 1


def test_each_platform_has_its_systems_and_one_can_be_asked_for() -> None:
    assert candidates("linux", None) == ("alsa", "jack")
    assert candidates("darwin", None) == ("coremidi", "jack")
    assert candidates("win32", None) == ("winmm",)
    assert candidates("linux", "JACK") == ("jack",)
    with pytest.raises(UsageError, match="alsa, jack, coremidi, winmm"):
        candidates("linux", "oss")


def test_what_to_install_is_named() -> None:
    alsa = ImportError("libasound.so.2: cannot open shared object file: No such file or directory")
    assert "apt install libasound2" in rtmidi_missing(alsa, "linux")
    missing = ModuleNotFoundError("No module named 'rtmidi'")
    assert "autoloops[midi]" in rtmidi_missing(missing, "darwin")
    assert "libasound2-dev" in rtmidi_missing(missing, "linux")


def test_no_port_is_opened_when_none_is_wanted() -> None:
    assert ports.open_output(None, "none") == (None, ())
    assert ports.open_input(None, "none", lambda: None) == (None, ())


def test_where_no_system_runs_there_is_a_sentence_for_each_and_nothing_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(ports, "ALSA_SEQUENCER", str(tmp_path / "seq"))
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    opened = ports.open_output(None, "virtual")
    assert opened.sink is None
    assert [remark.split()[0] for remark in opened.remarks] == ["ALSA's", "No"]
    assert ports.open_input(None, "virtual", lambda: None).source is None
    assert all(listed.remark for listed in ports.list_ports())
    assert capfd.readouterr() == ("", "")


def test_without_the_drivers_the_sentences_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried: deque[str] = deque()

    def fail(name: str) -> None:
        tried.append(name)
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("importlib.import_module", fail)
    monkeypatch.setattr(ports, "ALSA_SEQUENCER", str(tmp_path))
    opened = ports.open_output("alsa", "virtual")
    assert tried == deque(["autoloops_bridges.midi.rtmidi_ports"])
    assert opened.sink is None
    assert "autoloops[midi]" in opened.remarks[0]


def test_clocks_and_song_positions_are_the_bytes_of_the_standard() -> None:
    assert midi_messages(Event(0, Kind.CLOCK, "", 0, 0xF8)) == (b"\xf8",)
    assert midi_messages(Event(0, Kind.POSITION, "", 0, 16_383)) == (b"\xf2\x7f\x7f",)
    assert midi_messages(Event(0, Kind.POSITION, "", 0, 129)) == (b"\xf2\x01\x01",)
