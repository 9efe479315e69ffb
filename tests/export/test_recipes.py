"""Every shipped recipe, from a folder of MIDI files to a bundle with the two commands that docs/models.md gives."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("symusic")

from tests.export.made_up import run

from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_export.models.config import ModelConfig
from autoloops_export.training.recipe import load_recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "export" / "recipes").glob("*.toml"))
SIXTEENTH = 120
BARS = 40
# With the broken one as many files as are read without starting processes for it.
SONGS = 15
# What makes a model large, small; the recipe file says everything else.
SMALL = {
    "latent": 16,
    "encoder_hidden": 8,
    "decoder_hidden": 8,
    "decoder_layers": 1,
    "embedding": 4,
    "conductor_hidden": 8,
    "touch_hidden": 4,
    "bar_hidden": 8,
    "bar_share": 4,
}
SHORT = {
    "run.steps": 2,
    "run.batch_size": 8,
    "run.evaluate_every": 1,
    "run.evaluate_windows": 8,
    "data.min_windows": 8,
    # Small bars cannot be those of a bundle.
    "run.begin_from": "{}",
}


def line(rng: np.random.Generator, low: int, high: int) -> list[tuple[int, mido.Message]]:
    """A wandering part of eighths and quarters."""
    events, step, pitch = [], 0, (low + high) // 2
    while step < BARS * 16:
        length = int(rng.choice([2, 2, 4]))
        pitch = int(np.clip(pitch + rng.integers(-4, 5), low, high))
        events.append((step * SIXTEENTH, mido.Message("note_on", note=pitch, velocity=int(rng.integers(60, 110)))))
        events.append(((step + length) * SIXTEENTH, mido.Message("note_off", note=pitch)))
        step += length
    return events


def beat(rng: np.random.Generator) -> list[tuple[int, mido.Message]]:
    """A kick, a snare and a hat that vary."""
    events = []
    for step in range(BARS * 16):
        hits = [pitch for pitch, every in ((36, 4), (38, 8), (42, 2)) if step % every == 0 or rng.random() < 0.1]
        for pitch in hits:
            tick = step * SIXTEENTH + int(rng.integers(0, 15))
            events.append((tick, mido.Message("note_on", note=pitch, velocity=int(rng.integers(50, 120)))))
            events.append((tick + 30, mido.Message("note_off", note=pitch)))
    return events


def write_band(path: Path, seed: int) -> None:
    """A file with a melody, a bass and drums."""
    rng = np.random.default_rng(seed)
    file = mido.MidiFile(ticks_per_beat=4 * SIXTEENTH)
    for channel, program, events in ((0, 73, line(rng, 60, 84)), (1, 33, line(rng, 30, 50)), (9, 0, beat(rng))):
        track = mido.MidiTrack([mido.Message("program_change", program=program, channel=channel)])
        now = 0
        for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
            track.append(message.copy(time=tick - now, channel=channel))
            now = tick
        file.tracks.append(track)
    file.save(path)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "corpora"
    folder.mkdir()
    for number in range(SONGS):
        write_band(folder / f"song{number:02d}.mid", number)
    (folder / "broken.mid").write_bytes(b"MThd, and no more")
    return folder


def commands(recipe: Path) -> list[list[str]]:
    """The two commands that the page gives for a recipe."""
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    wanted = rf"(?:train export/recipes/{recipe.name}|export runs/{recipe.stem}/)"
    return [line.split()[1:] for line in re.findall(rf"^autoloops {wanted}.*$", page, re.MULTILINE)]


def small(recipe: Path) -> list[str]:
    """Options that make a run of the recipe take a second."""
    known = {entry.name for entry in dataclasses.fields(ModelConfig)}
    values = SHORT | {f"model.{name}": size for name, size in SMALL.items() if name in known}
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_two_commands_make_a_bundle_of_a_folder_of_midi_files(
    recipe: Path, corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_export: Callable[..., None]
) -> None:
    train, export = commands(recipe)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "corpora").symlink_to(corpora)
    (here / "export").symlink_to(ROOT / "export")
    said = run(*train, *small(recipe))
    assert "broken.mid" in said
    assert "The best weights are in" in said
    run(*export, "--points", "5")
    decoder = open_decoder(here / "runs" / recipe.stem / recipe.stem)
    config = load_recipe(recipe).model
    assert decoder.manifest.bars == config.bars
    assert decoder.manifest.accuracy
    assert decoder.manifest.parity is not None
