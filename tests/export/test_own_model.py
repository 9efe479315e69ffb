"""A model of one's own: that of docs/own-model.md as it stands there, and what can be wrong with others."""

import os
import re
import runpy
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("symusic")

import mido
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from autoloops_bridges.cli import build_app
from autoloops_engine.bundle.load import load_bundle, read_file
from autoloops_engine.errors import AutoLoopsError, ModelError, UsageError
from autoloops_export.onnx.own import import_class, load_own, load_weights

PAGE = (Path(__file__).parents[2] / "docs" / "own-model.md").read_text("utf-8")
TRAINED_STEPS = 60


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with the page's two files in it, under the names that the page gives them."""
    folder = tmp_path_factory.mktemp("own") / "work"
    folder.mkdir()
    names = re.findall(r"Save this as `(\w+\.py)`", PAGE)
    for name, text in zip(names, blocks("python"), strict=True):
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield folder
    for name in names:
        sys.modules.pop(name.removesuffix(".py"), None)


def run(*words: str) -> str:
    result = CliRunner().invoke(build_app(), list(words))
    if isinstance(result.exception, AutoLoopsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def bundle(folder: Path, folder_of_tunes: Callable[..., Path], quick_export: None) -> Path:
    """What the page's commands make of a few tunes, the last one (play) left out."""
    folder_of_tunes(folder.parent / "corpora", 40)
    prepare, train, export, play = (line.split() for line in blocks("sh")[0].splitlines())
    run(*prepare[1:], "--workers", "1")
    python, script, data, steps = train
    assert (python, steps.isdigit()) == ("python", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, data, str(TRAINED_STEPS)])
        runpy.run_path(script)
    said = run(*export[1:], "--points", "100")
    assert f"Next: {' '.join(play)}" in said
    return folder / "tiny-gru"


def test_the_model_of_the_page_has_parity_knobs_faders_figures_and_a_card(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert (manifest.name, manifest.kind, manifest.bars) == ("tiny-gru", "flat", 2)
    assert (manifest.latent_size, manifest.state_size, manifest.outputs[0].part) == (16, 128, "melody")
    assert manifest.parity is not None
    assert manifest.parity.differences["logits"] < 1e-4
    assert (manifest.parity.points, manifest.parity.unexcused) == (100, 0)
    assert len(manifest.knobs) == 16
    assert {"density", "pitch"} <= {attribute.name for attribute in manifest.attributes}
    # 32 steps of 90 classes: 144 nats before it has learnt anything.
    assert manifest.accuracy["reconstruction"] < 100
    card = read_file(bundle, "MODEL_CARD.md").decode()
    for text in ("# tiny-gru", "`tiny_gru:TinyGru`", "over 100 random points", "teacher-forced", "float16"):
        assert text in card


def test_the_model_of_the_page_is_rendered(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "own.mid"
    run("render", "--out", str(out), "--parts", "melody", "--model", f"melody={bundle}", "--bars", "4", "--seed", "3")
    notes = [message for message in mido.MidiFile(out) if message.type == "note_on" and message.velocity]
    assert len(notes) > 4


def test_the_model_of_the_page_plays(bundle: Path) -> None:
    play = blocks("sh")[0].splitlines()[-1].split()[1:]
    quiet = ("--bars", "2", "--tempo", "240", "--plain", "--midi-out", "none", "--midi-in", "none", "--osc-port", "0")
    done = subprocess.run(
        [sys.executable, "-m", "autoloops_bridges", *play, *quiet],
        cwd=bundle.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"bar +2  melody: \S", done.stdout), done.stdout


def test_without_data_it_has_raw_axes(
    bundle: Path, tmp_path: Path, quick_export: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = load_bundle(bundle).graphs
    monkeypatch.setattr("autoloops_export.onnx.bundle.export_graphs", lambda *_: graphs)
    out = tmp_path / "bare"
    run("export", "tiny_gru:TinyGru", "--checkpoint", "tiny_gru.safetensors", "--out", str(out), "--points", "20")
    manifest = load_bundle(out).manifest
    assert all(sorted(knob.direction) == [0.0] * 15 + [1.0] for knob in manifest.knobs)
    assert (len(manifest.knobs), manifest.attributes, manifest.accuracy) == (16, (), {})
    card = read_file(out, "MODEL_CARD.md").decode()
    assert "raw latent axes" in card
    assert "exported without data" in card


def test_what_export_is_not_told_is_asked_for(folder: Path) -> None:
    with pytest.raises(UsageError, match="tiny_gru:TinyGru needs its weights: give them with --checkpoint"):
        run("export", "tiny_gru:TinyGru")
    with pytest.raises(UsageError, match="--data"):
        run("export", "best.safetensors")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere_at_all:TinyGru", "There is no module nowhere_at_all: go to the folder that holds nowhere_at_all.py"),
        ("tiny_gru.inner:TinyGru", "no module tiny_gru.inner|cannot be imported"),
        ("tiny_gru:Missing", "tiny_gru has no Missing"),
        ("tiny_gru:choose", "tiny_gru:choose is not a class of torch.nn.Module"),
        ("tiny_gru:Tensor", "tiny_gru:Tensor is not a class of torch.nn.Module"),
        ("tiny_gru", "tiny_gru names no model: give module:Class"),
        ("../tiny_gru.py:TinyGru", "names no model"),
        ("broken_one:TinyGru", r"broken_one cannot be imported \(ZeroDivisionError: division by zero\): mend it"),
        ("lacking_one:TinyGru", "lacking_one cannot be imported .*no_such_package"),
    ],
)
def test_a_model_that_is_not_there_is_told(folder: Path, target: str, words: str) -> None:
    (folder / "broken_one.py").write_text("1 / 0\n")
    (folder / "lacking_one.py").write_text("import no_such_package\n")
    with pytest.raises((UsageError, ModelError), match=words) as told:
        import_class(target)
    assert "\n" not in str(told.value)


@pytest.fixture
def model(folder: Path) -> torch.nn.Module:
    torch.manual_seed(1)
    return import_class("tiny_gru:TinyGru")()


def test_data_of_another_kind_are_refused(
    folder: Path, model: torch.nn.Module, folder_of_tunes: Callable[..., Path], tmp_path: Path
) -> None:
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    folder_of_tunes(tmp_path / "tunes", 40)
    run("data", "prepare", str(tmp_path / "tunes"), "--bars", "4", "--out", str(tmp_path / "long"), "--workers", "1")
    words = ("--checkpoint", str(tmp_path / "w.safetensors"), "--data", str(tmp_path / "long"))
    with pytest.raises(UsageError, match="64 steps of melody, the model wants 32 of melody"):
        run("export", "tiny_gru:TinyGru", *words)


def test_every_weight_must_be_the_class_own(model: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"

    def refused(weights: dict[str, torch.Tensor], words: str) -> None:
        save_file(weights, path)
        with pytest.raises(ModelError, match=words):
            load_weights(model, path)

    own = dict(model.state_dict())
    most = {name: value for name, value in own.items() if not name.startswith("writer")}
    refused(most, r"lacks writer.weight_ih, writer.weight_hh, writer.bias_ih and 1 more of TinyGru")
    refused(own | {"second.bias": torch.zeros(3)}, "has second.bias, which TinyGru has not")
    refused(own | {"to_state.bias": torch.zeros(9)}, r"has to_state.bias as \[9\] and TinyGru wants \[128\]")


def test_only_whole_safetensors_files_are_read(model: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(model.state_dict(), tmp_path / "w.pt")
    (tmp_path / "old.safetensors").write_bytes(b"\x80\x04\x95\x10\x00\x00\x00")
    for name in ("w.pt", "old.safetensors"):
        with pytest.raises(UsageError, match=r"is a pickle, which can run code .* safetensors.torch.save_file"):
            load_weights(model, tmp_path / name)
    save_file(model.state_dict(), tmp_path / "half.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "half.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="no safetensors file or damaged"):
        load_weights(model, tmp_path / "half.safetensors")
    with pytest.raises(UsageError, match="No such file"):
        load_weights(model, tmp_path / "none.safetensors")


def test_weights_under_two_names_are_saved_under_one(tmp_path: Path) -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(4, 4)
            self.two = torch.nn.Linear(4, 4)
            self.two.weight = self.one.weight

    kept, other = Tied(), Tied()
    path = tmp_path / "tied.safetensors"
    save_file({name: value for name, value in kept.state_dict().items() if name != "two.weight"}, path)
    load_weights(other, path)
    assert torch.equal(other.two.weight, kept.one.weight)


WRONG = {
    "no_bar": ("bar = None", "no function bar: a model has encode, start and bar"),
    "needs": ("def __init__(self, units): super().__init__()", r"Wrong\(\) cannot be made .*units.*give them defaults"),
    "bars": ("bars = 0", "Wrong.bars is 0: give a whole number from 1 to 64"),
    "part": ("part = 'My Part'", "Wrong.part is 'My Part'"),
    "codec": ("codec = 'mp3'", "Wrong.codec is 'mp3': choose one of groove-512, melody-90"),
    "fails": ("def encode(self, x): return self.nothing", r"Wrong.encode fails on features \[3, 32, 90\] \(Attribute"),
    "one": ("def encode(self, x): return x.mean((1, 2))", "Wrong.encode must answer a tuple of 2 tensors: mu, sigma"),
    "axes": (
        "def encode(self, x): return x[:, :, :16], x[:, :, :16]",
        r"Wrong.encode answers mu as float32 \[3, 32, 16\] where float32 \[3, Z\] is due",
    ),
    "pair": (
        "def encode(self, x): return x[:, 0, :16], x[:, 0, :8]",
        r"answers sigma as float32 \[3, 8\] where float32 \[3, 16\] is due",
    ),
    "type": (
        "def encode(self, x): return x[:, 0].double(), x[:, 0]",
        r"answers mu as float64 \[3, 90\] where float32 \[3, Z\] is due",
    ),
    "minus": ("def encode(self, x): return x[:, 0, :16], -x[:, 0, :16]", "answers a negative sigma"),
    "nan": ("def encode(self, x): return x[:, 0, :16] / 0 * 0, x[:, 0, :16]", "answers mu that are not finite"),
    "starts": (
        "def start(self, z): return z.unsqueeze(1).repeat(1, 5, 8), z.unsqueeze(1).repeat(1, 5, 1)",
        "Wrong.start answers 5 states for each loop: answer 1, .* or 2, one for each bar",
    ),
    "told": (
        "def start(self, z): return z.unsqueeze(1), z[:, None, :7]",
        r"answers embeddings of \[3, 1, 7\] where \[3, 1, 16\] are due",
    ),
    "tokens": (
        "def bar(self, *x): t, s, l = super().bar(*x); return t[:, :15], s, l",
        r"Wrong.bar answers tokens as int64 \[3, 15\] where int64 \[3, 16\] is due",
    ),
    "kind": (
        "def bar(self, *x): t, s, l = super().bar(*x); return t.int(), s, l",
        r"answers tokens as int32 \[3, 16\] where int64 \[3, 16\] is due",
    ),
    "cold": (
        "def bar(self, *x): t, s, l = super().bar(*x); return l.argmax(2), s, l",
        "does not choose the largest of .* call autoloops_export.models.sampling.choose",
    ),
    "forgets": (
        "def bar(self, *x): t, s, l = super().bar(*x); return t, s * 0, l",
        "plays something else when it goes on from the state after a step",
    ),
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_what_is_wrong_with_a_class_is_told_in_its_own_words(
    folder: Path, model: torch.nn.Module, tmp_path: Path, wrong: str
) -> None:
    code, words = WRONG[wrong]
    text = "from tiny_gru import TinyGru\n\n\nclass Wrong(TinyGru):\n" + textwrap.indent(code, "    ") + "\n"
    (folder / f"wrong_{wrong}.py").write_text(text)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=words) as told:
        load_own(f"wrong_{wrong}:Wrong", tmp_path / "w.safetensors")
    assert "\n" not in str(told.value)


def test_sizes_are_read_off_the_answers(folder: Path, model: torch.nn.Module, tmp_path: Path) -> None:
    (folder / "long_one.py").write_text(
        "import torch\n"
        "from tiny_gru import TinyGru\n\n\n"
        "class Long(TinyGru):\n"
        "    part, bars = 'lead', 4\n\n"
        "    def encode(self, features):\n"
        "        return super().encode(features[:, :32])\n\n"
        "    def start(self, z):\n"
        "        state, told = super().start(z)\n"
        "        return state.repeat(1, 4, 1), told.repeat(1, 4, 1)\n"
    )
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    module, shape = load_own("long_one:Long", tmp_path / "w.safetensors")
    assert (shape.kind, shape.bars, shape.output.part, shape.output.codec) == ("hierarchical", 4, "lead", "melody-90")
    assert (shape.latent, shape.state, shape.embedding, shape.started_bars) == (16, 128, 16, 4)
    for name, value in load_file(tmp_path / "w.safetensors").items():
        assert torch.equal(module.state_dict()[name], value)
