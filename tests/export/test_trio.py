"""Melody, bass and drums together, from MIDI files to a model with one latent for all three."""

import dataclasses
from pathlib import Path

import mido
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("symusic")

import torch
from tests.export.made_up import lively_model

from autoloops_engine.codecs.registry import DRUMS as DRUM_CODEC
from autoloops_engine.codecs.registry import MELODY as MELODY_CODEC
from autoloops_engine.codecs.registry import LoopSteps
from autoloops_export.data.ensembles import Gathered, pitch_profiles, recombine
from autoloops_export.data.melody import FIRST_PITCH_CLASS, transposed
from autoloops_export.data.packs import split_of
from autoloops_export.data.prepare import prepare
from autoloops_export.data.reading import NO_TRACK
from autoloops_export.data.roles import BASS, DRUMS, MELODY, TRIO
from autoloops_export.data.trios import TrioWindows, read_trios
from autoloops_export.data.windows import Dataset, load_dataset
from autoloops_export.models.config import TRIO_PARTS, ModelConfig
from autoloops_export.models.loops import Loops, loops_from
from autoloops_export.models.trio import TrioVae
from autoloops_export.training import schedules
from autoloops_export.training.batches import BatchSampler
from autoloops_export.training.measure import measure
from autoloops_export.training.objective import shifted
from autoloops_export.training.recipe import DataArguments, ObjectiveArguments, Recipe, RunArguments
from autoloops_export.training.trainer import Observer, Trainer

TICKS = 480
STEP = TICKS // 4
BARS = 2
ROLE = dataclasses.replace(TRIO, bars=BARS)
CONFIG = ModelConfig(
    kind="trio",
    role="trio",
    bars=BARS,
    latent=6,
    encoder_hidden=5,
    encoder_reads=2,
    bar_hidden=6,
    bar_share=3,
    conductor_hidden=4,
    decoder_hidden=7,
    embedding=3,
    touch_hidden=4,
)


def band(path: Path, seed: int, *, bars: int = 8, bass: bool = True, drums: bool = True) -> Path:
    """A melody in eighths, a bass in quarters, a kick on each beat and a snare or hat beside it."""
    rng = np.random.default_rng(seed)
    file = mido.MidiFile(ticks_per_beat=TICKS)
    tracks = [(0, 81, [(step, 2, int(rng.integers(60, 80))) for step in range(0, bars * 16, 2)])]
    if bass:
        tracks.append((1, 33, [(step, 4, int(rng.integers(34, 50))) for step in range(0, bars * 16, 4)]))
    if drums:
        kit = [(step, 1, 36) for step in range(0, bars * 16, 4)]
        kit += [(step, 1, int(rng.choice([38, 42]))) for step in range(2, bars * 16, 4)]
        tracks.append((9, 0, kit))
    for channel, program, notes in tracks:
        track, now = mido.MidiTrack([mido.Message("program_change", program=program, channel=channel)]), 0
        events = [(start * STEP, "note_on", pitch) for start, _, pitch in notes]
        events += [((start + length) * STEP, "note_off", pitch) for start, length, pitch in notes]
        for tick, kind, pitch in sorted(events):
            track.append(mido.Message(kind, note=pitch, velocity=80, channel=channel, time=tick - now))
            now = tick
        file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("bands")
    for seed in range(24):
        band(folder / "songs" / f"{seed:02d}.mid", seed)
    for seed in range(4):
        band(folder / "duos" / f"{seed}.mid", 100 + seed, drums=False)
    prepare([folder / "songs", folder / "duos"], folder / "out", ROLE, lambda done, total: None, workers=1)
    return load_dataset(folder / "out")


@pytest.fixture
def model() -> TrioVae:
    return lively_model(CONFIG, TrioVae, seed=2)


def test_a_band_gives_windows_in_which_all_three_begin_at_the_same_bar(tmp_path: Path) -> None:
    found = read_trios(band(tmp_path / "a.mid", 1), None, ROLE)
    assert (found.reason, len(found.pairs), len(found.drums.tokens)) == ("", 0, 0)
    assert found.trios.lines.shape == (7, BARS * 16, 2)
    kick_alone = found.trios.drums[:, ::4]
    assert (kick_alone == 1).all()
    later = found.trios.rows(slice(1, None))
    for part in range(2):
        assert later.lines[:, :16, part].tolist() == found.trios.lines[:-1, 16:, part].tolist()
    assert later.drums[:, :16].tolist() == found.trios.drums[:-1, 16:].tolist()


def test_who_has_no_trio_lends_pairs_or_drums(tmp_path: Path) -> None:
    duo = read_trios(band(tmp_path / "a.mid", 1, drums=False), None, ROLE)
    assert (len(duo.trios.lines), len(duo.pairs), len(duo.drums.tokens)) == (0, 7, 0)
    solo = read_trios(band(tmp_path / "b.mid", 1, bass=False), None, ROLE)
    assert (len(solo.trios.lines), len(solo.pairs), len(solo.drums.tokens)) == (0, 0, 7)
    alone = read_trios(band(tmp_path / "c.mid", 1, bass=False, drums=False), None, ROLE)
    assert alone.reason == NO_TRACK


def test_held_out_trios_are_true_ones_and_training_gets_more(dataset: Dataset) -> None:
    manifest = dataset.manifest
    # Of four duos two are held out, and held-out windows are not made up.
    assert manifest.drummed == 2 * 7
    train = dataset.splits["train"]
    assert train.tokens.shape == (manifest.windows["train"], BARS * 16, 3)
    assert train.groove is not None
    assert len(train.groove) == len(train)
    for name in ("valid", "test"):
        assert manifest.windows[name] in {7, 14}


def test_no_tune_is_measured_that_the_models_of_two_bars_learnt() -> None:
    tunes = [f"songs:{number}" for number in range(2_000)]
    held_out = [tune for tune in tunes if split_of(tune, TRIO.test_share) == "test"]
    assert len(held_out) > 100
    for role in (MELODY, BASS, DRUMS):
        assert "train" not in {split_of(tune, role.test_share) for tune in held_out}


def test_a_melody_takes_the_bass_and_drums_of_the_piece_whose_own_melody_it_matches() -> None:
    rng = np.random.default_rng(0)
    melody = np.zeros(BARS * 16, dtype=np.uint8)
    melody[::4] = rng.permutation(12)[:8] + 50
    bass = np.zeros_like(melody)
    bass[::8] = 20
    lines = np.stack([np.stack([melody, bass], 1), np.stack([transposed(melody, 3), transposed(bass, 1)], 1)])
    drums = np.array([[1] * 32, [2] * 32], dtype=np.uint16)
    own = TrioWindows(lines, drums, np.zeros((2, 32, 9, 2), np.int8))
    crossed, companions = recombine(Gathered(own, np.array([0, 1])))
    assert companions.tolist() == [1, 0]
    assert crossed.windows.drums[:, 0].tolist() == [2, 1]
    assert crossed.windows.lines[..., 0].tolist() == own.lines[..., 0].tolist()
    # What went with the melody three semitones higher comes three lower, and the other way round.
    assert crossed.windows.lines[:, 0, 1].tolist() == [20 + 1 - 3, 20 + 3]
    same_piece, _ = recombine(Gathered(own, np.array([0, 0])))
    assert len(same_piece.files) == 0


def test_profiles_say_which_pitch_classes_a_bar_strikes() -> None:
    melody = np.zeros((1, 32), dtype=np.uint8)
    melody[0, :2] = FIRST_PITCH_CLASS, FIRST_PITCH_CLASS + 24
    profile = pitch_profiles(melody)
    assert profile[0].tolist() == [[1.0] + [0.0] * 11, [0.0] * 12]


def test_lines_move_together_and_drums_may_come_from_another(dataset: Dataset) -> None:
    train = dataset.splits["train"]
    names = [pack.name for pack in dataset.manifest.packs]
    drawn = BatchSampler(train, names, ROLE, DataArguments(recombine=0.5), 3).draw(200)
    known = {row.tobytes() for row in train.tokens[..., 2]}
    lines = {(part, transposed_to_zero(row)) for part in range(2) for row in train.tokens[..., part]}
    together = {transposed_to_zero(row) for row in train.tokens[..., :2].reshape(len(train), -1)}
    swapped = 0
    pairs = {(a.tobytes(), b.tobytes()) for a, b in zip(train.tokens[..., 0], train.tokens[..., 2], strict=True)}
    for row in drawn.tokens.numpy():
        assert transposed_to_zero(row[:, :2].ravel()) in together
        assert (0, transposed_to_zero(row[:, 0])) in lines
        assert row[:, 2].astype(np.uint16).tobytes() in known
        swapped += (row[:, 0].astype(np.uint16).tobytes(), row[:, 2].astype(np.uint16).tobytes()) not in pairs
    assert swapped > 20


def transposed_to_zero(row: np.ndarray) -> bytes:
    """A line, or two, counted from the lowest note."""
    notes = row >= FIRST_PITCH_CLASS
    return np.where(notes, row.astype(int) - row[notes].min() + 100, row).astype(np.int64).tobytes()


@torch.no_grad()
def test_each_part_step_by_step_is_what_training_sees(model: TrioVae, dataset: Dataset) -> None:
    loops = loops_from(dataset.splits["test"], slice(0, 3))
    z = torch.randn(3, CONFIG.latent)
    states, embeddings = model.start(z)
    assert states.shape == (3, BARS, 3 * CONFIG.state)
    for place, (core, part) in enumerate(model.cores(loops)):
        expected = core.logits(core.run(model.told(z), shifted(part.tokens)))
        previous = torch.zeros(3, dtype=torch.int64)
        for bar in range(BARS):
            forced = part.tokens[:, 16 * bar : 16 * (bar + 1)]
            bias = 1e4 * torch.nn.functional.one_hot(forced, core.config.classes).float()
            state = states[:, bar, place * CONFIG.state : (place + 1) * CONFIG.state]
            tokens, _, logits, *_ = core.bar(
                state, embeddings[:, bar], previous, torch.zeros(3), torch.zeros_like(bias), bias
            )
            torch.testing.assert_close(logits, expected[:, 16 * bar : 16 * (bar + 1)], atol=1e-5, rtol=1e-5)
            previous = tokens[:, -1]


def test_the_encoder_reads_what_the_engine_will_give_it(model: TrioVae, dataset: Dataset) -> None:
    loops = loops_from(dataset.splits["test"], slice(0, 1))
    assert loops.touch is not None
    melody, bass, drums = (tuple(loops.tokens[0, :, part].tolist()) for part in range(3))
    touch = loops.touch[0].numpy()
    wanted = np.concatenate(
        [
            MELODY_CODEC.features(LoopSteps(melody)),
            MELODY_CODEC.features(LoopSteps(bass)),
            DRUM_CODEC.features(LoopSteps(drums, (touch[..., 0], touch[..., 1]))),
        ],
        axis=1,
    )
    assert model.features(loops)[0].numpy() == pytest.approx(wanted, abs=1e-6)


def test_it_trains_and_is_measured_part_by_part(dataset: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(
        run=RunArguments(steps=3, batch_size=8, evaluate_every=3, precision="float32"),
        model=CONFIG,
        data=DataArguments(min_windows=50, recombine=0.3),
        objective=ObjectiveArguments(sampling=0.5, input_dropout=0.1),
    )
    trainer = Trainer(recipe, dataset, tmp_path, schedules.Plan(3))
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.run(Observer(), lambda: False)
    after = trainer.model.state_dict()
    for part in TRIO_PARTS:
        assert not torch.equal(
            after[f"parts.{part}.decoder.weight_hh_l0"], before[f"parts.{part}.decoder.weight_hh_l0"]
        )
    figures = measure(trainer.average, trainer.valid).as_dict()
    mean = np.mean([figures[f"{part}/free_at_1"] for part in TRIO_PARTS])
    assert figures["free_at_1"] == pytest.approx(mean)
    assert trainer.valid.touch is not None
    silent = Loops(torch.zeros_like(trainer.valid.tokens), torch.zeros_like(trainer.valid.touch))
    assert measure(trainer.average, silent).parts["drums/no_event"] == 1.0
