"""``autoloops play``: the options that it takes, and what it launches with them."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges.commands import bundles
from autoloops_bridges.commands.words import repeat_options
from autoloops_bridges.processes.options import Address, PlayOptions, PortPair
from autoloops_bridges.record.slots_file import default_slots_path
from autoloops_engine.bundle.installed import models_folder

LAUNCHER: Final = "autoloops_bridges.processes.launcher"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model for every usual part."""
    installed = {f"{part}-2bar": tmp_path for part in ("melody", "bass", "drums")}
    monkeypatch.setattr(bundles, "installed_bundles", lambda: installed)
    monkeypatch.setattr(bundles, "find_bundle", lambda name: installed.get(name, Path(name)))


def test_without_options_plays_every_part_that_has_a_model(
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path
) -> None:
    assert autoloops("play") == (0, "", "")
    (options,) = launched
    assert options.parts == ("melody", "bass", "drums")
    assert options.channels == {"melody": 1, "bass": 2, "drums": 10}
    assert options.models == dict.fromkeys(options.parts, str(tmp_path))
    assert options == PlayOptions(
        parts=options.parts, models=options.models, channels=options.channels, slots=str(default_slots_path())
    )


def test_takes_every_option(autoloops: Run, launched: list[PlayOptions], tmp_path: Path) -> None:
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
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path
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
    assert [remark.split(":")[:2] for remark in options.remarks] == [
        ["rig.toml", " Line 13"],
        ["rig.toml", " Line 14"],
    ]


def test_a_rig_file_with_an_output_that_its_bundle_has_not_stops_nothing(
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[parts.bass]\nmodel = "trio-16bar#organ"\n', encoding="utf-8")
    assert autoloops("play", "--rig", str(rig)) == (0, "", "")
    (options,) = launched
    assert "#" not in options.models["bass"]
    (remark,) = options.remarks
    assert remark.startswith("rig.toml: Line 2: The model trio-16bar has no output organ; it has: ")


def test_a_damaged_bundle_in_a_rig_file_stops_nothing(
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(models_folder() / "bass-2bar", damaged)
    (damaged / "bar.onnx").write_bytes(b"rubbish")
    rig = tmp_path / "rig.toml"
    rig.write_text(f"[parts.bass]\nmodel = '{damaged}'\n", encoding="utf-8")
    assert autoloops("play", "--rig", str(rig)) == (0, "", "")
    (options,) = launched
    assert options.models["bass"] != str(damaged)
    (remark,) = options.remarks
    assert remark.startswith(f"rig.toml: Line 2: {damaged} is damaged")


def test_a_part_of_the_rig_file_that_waits_plays_only_if_the_command_line_names_it(
    autoloops: Run, launched: list[PlayOptions], tmp_path: Path
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[parts.melody]\n[parts.lead]\nmodel = "melody-2bar"\nwaits = true\n', encoding="utf-8")
    assert autoloops("play", "--rig", str(rig)) == (0, "", "")
    assert autoloops("play", "--rig", str(rig), "--parts", "lead") == (0, "", "")
    assert [options.parts for options in launched] == [("melody",), ("lead",)]
    assert not launched[0].remarks


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
def test_wrong_usage_has_status_2_and_launches_nothing(autoloops: Run, launched: list[PlayOptions], words: str) -> None:
    status, out, err = autoloops("play", *words.split())
    assert (status, out, launched) == (2, "", [])
    assert "Error: " in err


@pytest.mark.parametrize(("sync", "extra"), [("link", "link"), ("jack", "jack")])
def test_a_source_without_its_library_is_one_sentence(
    autoloops: Run, launched: list[PlayOptions], monkeypatch: pytest.MonkeyPatch, sync: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, sync, None)
    status, out, err = autoloops("play", "--sync", sync)
    assert (status, out, launched) == (1, "", [])
    assert f"run `pip install 'autoloops[{extra}]'`" in err
    assert err.count("\n") == 1


def test_a_part_without_a_model_is_one_sentence(autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "installed_bundles", dict)
    status, out, err = autoloops("play", "--parts", "bass,drums")
    assert (status, out) == (1, "")
    assert err == (
        "autoloops: No model is installed for the part bass (installed: none); name one with --model bass=BUNDLE.\n"
    )


def test_leaves_with_the_status_of_the_performance(
    autoloops: Run, launched: list[PlayOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, LAUNCHER, SimpleNamespace(launch=lambda options: 1))
    assert autoloops("play") == (1, "", "")


def test_several_values_behind_one_option_are_that_option_repeated() -> None:
    words = ["play", "--channel", "a=1", "b=2", "--plain", "x", "--channel", "c=3"]
    spread = ["play", "--channel", "a=1", "--channel", "b=2", "--plain", "x", "--channel", "c=3"]
    assert repeat_options(words, ("--channel",)) == spread
