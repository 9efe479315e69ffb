"""The command line: what it takes, what it answers, and with which exit status it leaves."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import EntryPoint, version
from pathlib import Path
from types import SimpleNamespace
from typing import Final, Protocol

import mido
import numpy as np
import pytest
import typer

from autoloops_bridges import cli
from autoloops_bridges.commands import bundles
from autoloops_bridges.commands.loops import decode_loop, record
from autoloops_bridges.commands.send import parse_value, show_value
from autoloops_bridges.commands.words import repeat_options
from autoloops_bridges.osc import codec
from autoloops_bridges.processes.options import Address, PlayOptions, PortPair
from autoloops_bridges.record.slots_file import default_slots_path
from autoloops_engine.codecs.melody import one_hot
from autoloops_engine.codecs.midifile import encode_melody, read_midi
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import UB_PER_BEAT

LAUNCHER: Final = "autoloops_bridges.processes.launcher"


class Run(Protocol):
    """Runs a command line in this process; answers exit status, standard output, standard error."""

    def __call__(self, *words: str) -> tuple[object, str, str]: ...


@pytest.fixture
def autoloops(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[PlayOptions]:
    """What ``play`` would have launched, with a model for every part."""
    options: list[PlayOptions] = []

    def launch(asked: PlayOptions) -> int:
        options.append(asked)
        return 0

    monkeypatch.setitem(sys.modules, LAUNCHER, SimpleNamespace(launch=launch))
    installed = {f"{part}-2bar": tmp_path for part in ("melody", "bass", "drums")}
    monkeypatch.setattr(bundles, "installed_bundles", lambda: installed)
    monkeypatch.setattr(bundles, "find_bundle", lambda name: installed.get(name, Path(name)))
    return options


class Engine:
    """Answers pings, and whatever the script says, on a port of its own."""

    def __init__(self, script: dict[str, list[bytes]]) -> None:
        self.heard: list[codec.Message] = []
        self.after_pong: list[bytes] = []
        self._script = script
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = str(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (packet := self._socket.recvfrom(65_535))[0]:
            data, peer = packet
            message = codec.parse(data)
            assert isinstance(message, codec.Message)
            if message.address == "/al/ping":
                for answer in (codec.encode("/al/pong", [str(message.arguments[0])]), *self.after_pong):
                    self._socket.sendto(answer, peer)
            else:
                self.heard.append(message)
                for answer in self._script.get(message.address, []):
                    self._socket.sendto(answer, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine(
        {
            "/al/tempo": [codec.encode("/al/tempo", [120.5])],
            "/al/nope": [codec.encode("/al/error", ["/al/nope", "there is no such address"])],
        }
    )
    yield running
    running.close()


class TestSend:
    def test_prints_the_answer_to_a_question(self, autoloops: Run, engine: Engine) -> None:
        assert autoloops("send", "/al/tempo", "--osc-port", engine.port) == (0, "/al/tempo 120.5\n", "")

    def test_keeps_the_types_of_its_arguments(self, autoloops: Run, engine: Engine) -> None:
        words = ("/al/melody/z/1", "-0.5", "-3", "7", "word", "--osc-port", engine.port)
        assert autoloops("send", *words) == (0, "", "")
        ((address, values),) = engine.heard
        assert address == "/al/melody/z/1"
        assert values == (-0.5, -3, 7, "word")
        assert [type(value) for value in values] == [float, int, int, str]

    def test_prints_what_comes_in_a_later_burst(self, autoloops: Run, engine: Engine) -> None:
        engine.after_pong = [codec.encode("/al/melody/seed", [7])]
        assert autoloops("send", "/al/sync", "--osc-port", engine.port) == (0, "/al/melody/seed 7\n", "")

    def test_an_error_of_the_engine_is_a_failure(self, autoloops: Run, engine: Engine) -> None:
        status, out, err = autoloops("send", "/al/nope", "--osc-port", engine.port)
        assert (status, out) == (1, "")
        assert err == "autoloops: /al/nope: there is no such address\n"

    def test_says_when_nothing_listens(self, autoloops: Run) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        status, _, err = autoloops("send", "/al/start", "--osc-port", str(port))
        assert status == 1
        assert err == f"autoloops: Nothing listens on 127.0.0.1 port {port}: start autoloops play first.\n"

    def test_says_when_who_listens_is_no_engine(self, autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("autoloops_bridges.commands.send.PATIENCE_S", 0.05)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 0))
            status, _, err = autoloops("send", "/al/start", "--osc-port", str(deaf.getsockname()[1]))
        assert status == 1
        assert "gives no answer" in err

    def test_an_address_starts_with_a_slash(self, autoloops: Run) -> None:
        status, _, err = autoloops("send", "al/start")
        assert status == 2
        assert "starts with a slash" in err

    @pytest.mark.parametrize(
        ("word", "value"),
        [("1", 1), ("-0.5", -0.5), ("1e3", 1000.0), ("nan", "nan"), ("inf", "inf"), ("1_000", "1_000"), ("new", "new")],
    )
    def test_reads_numbers_as_numbers(self, word: str, value: object) -> None:
        assert parse_value(word) == value
        assert type(parse_value(word)) is type(value)

    def test_reads_an_integer_too_large_for_osc_as_a_float(self) -> None:
        assert parse_value(str(2**70)) == float(2**70)

    def test_shows_floats_as_typed(self) -> None:
        assert [show_value(v) for v in (0.10000000149011612, 7, "new")] == ["0.1", "7", "new"]


class TestPlay:
    def test_without_options_plays_every_part_that_has_a_model(
        self, autoloops: Run, launched: list[PlayOptions], tmp_path: Path
    ) -> None:
        assert autoloops("play") == (0, "", "")
        (options,) = launched
        assert options.parts == ("melody", "bass", "drums")
        assert options.channels == {"melody": 1, "bass": 2, "drums": 10}
        assert options.models == dict.fromkeys(options.parts, str(tmp_path))
        assert options == PlayOptions(
            parts=options.parts, models=options.models, channels=options.channels, slots=str(default_slots_path())
        )

    def test_takes_every_option(self, autoloops: Run, launched: list[PlayOptions], tmp_path: Path) -> None:
        mapping = tmp_path / "map.toml"
        mapping.touch()
        words = (
            "--parts melody,lead --model lead=/x --tempo 98.5 --sync internal --seed 7 --bars 4 --stopped",
            "--osc-host 0.0.0.0 --osc-port 0 --osc-send 127.0.0.1:9001 [::1]:9002 --osc-send max:7401",
            "--midi-out none --midi-in nano --midi-api jack --channel melody=3 lead=4 --plain",
            "--no-record --slots /slots.json",
        )
        assert autoloops("play", *" ".join(words).split(), "--map", str(mapping)) == (0, "", "")
        assert launched == [
            PlayOptions(
                parts=("melody", "lead"),
                models={"melody": str(tmp_path), "lead": str(Path("/x").absolute())},
                tempo_bpm=98.5,
                seed=7,
                bars=4,
                stopped=True,
                osc_host="0.0.0.0",
                osc_port=0,
                osc_send=(Address("127.0.0.1", 9001), Address("::1", 9002), Address("max", 7401)),
                midi_out="none",
                midi_in="nano",
                midi_api="jack",
                channels={"melody": 3, "lead": 4},
                rig_file=str(mapping),
                record=False,
                slots="/slots.json",
                plain=True,
            )
        ]

    def test_a_rig_file_gives_what_the_command_line_does_not_and_its_mistakes_stop_nothing(
        self, autoloops: Run, launched: list[PlayOptions], tmp_path: Path
    ) -> None:
        rig = tmp_path / "rig.toml"
        rig.write_text(
            """
tempo = 96
seed = 7
midi_in = "none"
sync = "wind"
latency = { Moog = 4.5, "TR-8S" = 6 }
clock_out = ["same"]
[ports.desk]
in = "desk"
[parts.bass]
channel = 5
[parts.melody]
model = "/no/such/bundle"
[parts.choir]
[[map]]
source = = "cc"
""",
            encoding="utf-8",
        )
        words = ("--rig", str(rig), "--tempo", "100", "--latency", "Moog=3")
        assert autoloops("play", *words) == (0, "", "")
        (options,) = launched
        assert options.parts == ("bass", "melody")
        assert (options.tempo_bpm, options.seed, options.midi_in) == (100.0, 7, "none")
        assert options.clock_out == ("same",)
        assert {"Moog": 3.0, "TR-8S": 6.0}.items() <= options.latencies_ms.items()
        assert options.channels == {"bass": 5, "melody": 1}
        assert options.ports == (PortPair("desk", "desk", "none"),)
        assert options.rig == rig.read_text(encoding="utf-8")
        assert [remark.split(":")[0] for remark in options.remarks] == ["Line 12", "Line 14"]

    @pytest.mark.parametrize(
        "words",
        [
            "--tempo 19",
            "--tempo nan",
            "--tempo fast",
            "--bars 0",
            "--seed -1",
            "--osc-port 70000",
            "--osc-send 9001",
            "--osc-send host:0",
            "--channel melody=17",
            "--channel melody",
            "--channel piano=1",
            "--parts melody,melody",
            "--parts Melody",
            "--parts tempo",
            "--model piano=x",
            "--midi-api oss",
            "--sync tape",
            "--quantum 0",
            "--map /no/such/file.toml",
            "--no-such-option",
            "a-stray-word",
        ],
    )
    def test_wrong_usage_has_status_2_and_launches_nothing(
        self, autoloops: Run, launched: list[PlayOptions], words: str
    ) -> None:
        status, out, err = autoloops("play", *words.split())
        assert (status, out, launched) == (2, "", [])
        assert "Error: " in err

    @pytest.mark.parametrize(("sync", "extra"), [("link", "link"), ("jack", "jack")])
    def test_a_source_without_its_library_is_one_sentence(
        self, autoloops: Run, launched: list[PlayOptions], monkeypatch: pytest.MonkeyPatch, sync: str, extra: str
    ) -> None:
        monkeypatch.setitem(sys.modules, sync, None)
        status, out, err = autoloops("play", "--sync", sync)
        assert (status, out, launched) == (1, "", [])
        assert f"run `pip install 'autoloops[{extra}]'`" in err
        assert err.count("\n") == 1

    def test_a_part_without_a_model_is_one_sentence(self, autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundles, "installed_bundles", dict)
        status, out, err = autoloops("play", "--parts", "bass,drums")
        assert (status, out) == (1, "")
        assert err == (
            "autoloops: No model is installed for the part bass (installed: none); name one with --model bass=BUNDLE.\n"
        )

    def test_leaves_with_the_status_of_the_performance(
        self, autoloops: Run, launched: list[PlayOptions], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, LAUNCHER, SimpleNamespace(launch=lambda options: 1))
        assert autoloops("play") == (1, "", "")

    def test_several_values_behind_one_option_are_that_option_repeated(self) -> None:
        words = ["play", "--channel", "a=1", "b=2", "--plain", "x", "--channel", "c=3"]
        spread = ["play", "--channel", "a=1", "--channel", "b=2", "--plain", "x", "--channel", "c=3"]
        assert repeat_options(words, ("--channel",)) == spread


class TestEncodeAndInterpolate:
    @pytest.fixture(autouse=True)
    def _stub_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundles, "installed_bundles", lambda: {"melody-2bar": Path("melody-2bar")})
        monkeypatch.setattr(bundles, "find_bundle", Path)
        monkeypatch.setattr("autoloops_engine.inference.onnx_decoder.open_decoder", lambda path: StubDecoder())

    def test_encode_prints_the_point_and_tells_what_it_dropped(self, autoloops: Run, tmp_path: Path) -> None:
        status, out, err = autoloops("encode", str(write_tune(tmp_path / "a.mid", chord=True)), "--part", "melody")
        assert status == 0
        answer = json.loads(out)
        assert (answer["part"], answer["model"], len(answer["z"])) == ("melody", "tiny", 4)
        assert "Dropped: 1 note" in err

    def test_the_printed_point_is_exactly_the_models(self, autoloops: Run, tmp_path: Path) -> None:
        _, out, _ = autoloops("encode", str(write_tune(tmp_path / "a.mid")))
        song = read_midi(tmp_path / "a.mid")
        mu = StubDecoder().encode(one_hot(encode_melody(song).windows[0])[None]).mu[0]
        assert np.array_equal(np.array(json.loads(out)["z"], dtype=np.float32), mu)

    def test_encode_takes_another_loop_of_the_file(self, autoloops: Run, tmp_path: Path) -> None:
        tune = str(write_tune(tmp_path / "a.mid", notes=(60, 64, 67, 72, 71, 69, 67, 65)))
        _, first, _ = autoloops("encode", tune, "--loop", "1")
        _, second, _ = autoloops("encode", tune, "--loop", "2")
        assert json.loads(first)["z"] != json.loads(second)["z"]
        status, _, err = autoloops("encode", tune, "--loop", "3")
        assert (status, err) == (1, "autoloops: a.mid has no loop 3: there are 2.\n")

    def test_a_file_that_is_no_midi_is_one_sentence(self, autoloops: Run, tmp_path: Path) -> None:
        (tmp_path / "a.mid").write_text("not midi")
        status, out, err = autoloops("encode", str(tmp_path / "a.mid"))
        assert (status, out, err.count("\n")) == (1, "", 1)

    def test_interpolate_includes_both_ends(self, autoloops: Run, tmp_path: Path) -> None:
        a, b = write_tune(tmp_path / "a.mid"), write_tune(tmp_path / "b.mid", notes=(72, 71, 69, 67))
        out = tmp_path / "ab.mid"
        status, said, _ = autoloops("interpolate", str(a), str(b), "--steps", "3", "--out", str(out))
        assert (status, said) == (0, f"{out}: 3 loops, 6 bars.\n")
        for loop, end in ((0, a), (2, b)):
            tokens = encode_melody(read_midi(end)).windows[0]
            mu = StubDecoder().encode(one_hot(tokens)[None]).mu[0]
            wanted = record("melody", decode_loop(StubDecoder(), mu))
            assert wanted
            assert notes_between(out, 8 * loop, 8 * loop + 8) == [
                (n.start_ub, n.start_ub + n.duration_ub, n.pitch) for n in wanted
            ]

    def test_interpolate_keeps_the_tempo_of_the_first_file(self, autoloops: Run, tmp_path: Path) -> None:
        a = write_tune(tmp_path / "a.mid", tempo_bpm=96)
        autoloops("interpolate", str(a), str(a), "--steps", "2", "--out", str(tmp_path / "o.mid"))
        assert read_midi(tmp_path / "o.mid").tempo_bpm == 96

    def test_an_unwritable_place_is_one_sentence_and_leaves_nothing(self, autoloops: Run, tmp_path: Path) -> None:
        a = write_tune(tmp_path / "a.mid")
        status, _, err = autoloops("interpolate", str(a), str(a), "--out", str(tmp_path / "no" / "o.mid"))
        assert status == 1
        assert (
            err == f"autoloops: Cannot write {tmp_path}/no/o.mid (No such file or directory): choose another place.\n"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


class TestTheProgram:
    def test_help_names_every_command(self, autoloops: Run) -> None:
        status, out, err = autoloops("--help")
        assert (status, err) == (0, "")
        for command in (*cli.COMMANDS, "data", "train"):
            assert f"  {command} " in out

    def test_says_its_version(self, autoloops: Run) -> None:
        assert autoloops("--version") == (0, version("autoloops") + "\n", "")

    def test_an_unknown_command_is_wrong_usage(self, autoloops: Run) -> None:
        status, _, err = autoloops("pley")
        assert status == 2
        assert "No such command 'pley'" in err

    def test_a_broken_plug_in_is_a_remark(self, autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = EntryPoint("x", "no_such_package:register", cli.ENTRY_POINT_GROUP)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken])
        status, out, err = autoloops("--help")
        assert status == 0
        assert "  play " in out
        assert err.count("\n") == 1
        assert "no_such_package:register are left out" in err

    def test_our_commands_load_no_plug_in(self, autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(group: str) -> list[EntryPoint]:
            raise AssertionError(f"looked for {group}")

        monkeypatch.setattr("importlib.metadata.entry_points", refuse)
        monkeypatch.setattr("autoloops_engine.bundle.installed.installed_bundles", dict)
        assert autoloops("models")[0] == 0

    def test_a_missing_extra_is_one_sentence(self, autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def register(app: typer.Typer) -> None:
            @app.command()
            def train() -> None:
                raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")

        monkeypatch.setattr(EntryPoint, "load", lambda self: register)
        status, _, err = autoloops("train")
        assert (status, err) == (
            1,
            "autoloops: This needs torch, which is not installed: run pip install 'autoloops[export]'.\n",
        )

    def test_a_reader_that_goes_away_makes_no_noise(self) -> None:
        command = [sys.executable, "-m", "autoloops_bridges", "--help"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            child.stdout.close()
            assert child.stderr.read() == b""
            assert child.wait() == 1


def write_tune(
    path: Path, notes: tuple[int, ...] = (60, 64, 67, 72), *, tempo_bpm: float = 120, chord: bool = False
) -> Path:
    """Half notes one after the other, the first with a note below it if asked."""
    file = mido.MidiFile()
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo_bpm))])
    file.tracks.append(track)
    for index, note in enumerate(notes):
        if chord and index == 0:
            track.append(mido.Message("note_on", note=note - 12, velocity=80))
        track.append(mido.Message("note_on", note=note, velocity=80))
        track.append(mido.Message("note_off", note=note, time=2 * file.ticks_per_beat))
    file.save(path)
    return path


def notes_between(path: Path, start_beat: int, end_beat: int) -> list[tuple[int, int, int]]:
    """Start and end after ``start_beat`` in micro-beats, and pitch, of the notes that begin between two beats."""
    (track,) = read_midi(path).tracks
    return [
        (n.start_ub - start_beat * UB_PER_BEAT, n.start_ub + n.duration_ub - start_beat * UB_PER_BEAT, n.pitch)
        for n in track.notes
        if start_beat * UB_PER_BEAT <= n.start_ub < end_beat * UB_PER_BEAT
    ]
