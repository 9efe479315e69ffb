"""Drums from MIDI file to bundle: grids and windows, the groove model, its training and its graphs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("symusic")

import torch
from tests.export.made_up import lively_model

from autoloops_engine.codecs.drums import HALF_STEP_UB, hits_of, tokens_of
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_export.data.drums import FULL_OFFSET, DrumGrid, drum_grid, drum_windows
from autoloops_export.data.melody import Segment
from autoloops_export.data.packs import pack_named
from autoloops_export.data.prepare import prepare, select_windows
from autoloops_export.data.reading import NO_TRACK, FileWindows, read_windows
from autoloops_export.data.roles import BASS, DRUMS, MELODY, TrackFacts
from autoloops_export.data.sources import SourceFile
from autoloops_export.data.windows import Dataset, SplitWindows, load_dataset
from autoloops_export.evaluation.figures import DrumFigures, hit_f1, measure, touch_errors
from autoloops_export.evaluation.loops import LoopSet, loops_of
from autoloops_export.models.config import ModelConfig
from autoloops_export.models.groove import GrooveVae
from autoloops_export.models.loops import Loops, loops_from
from autoloops_export.models.registry import CheckpointCard, build_model, load_card, save_model
from autoloops_export.onnx.bundle import ExportPlan, export_bundle
from autoloops_export.training import schedules
from autoloops_export.training.batches import BatchSampler
from autoloops_export.training.measure import measure as measure_torch
from autoloops_export.training.objective import Feeding, TouchWeights, elbo, shifted
from autoloops_export.training.recipe import DataArguments, ObjectiveArguments, Recipe, RunArguments
from autoloops_export.training.sharing import Noise
from autoloops_export.training.trainer import LAST, Observer, Trainer

TICKS = 480
STEP = TICKS // 4
CONFIG = ModelConfig(
    kind="groove", role="drums", classes=512, latent=6, encoder_hidden=8, decoder_hidden=10, embedding=4, touch_hidden=5
)


def drum_file(path: Path, seed: int, bars: int = 12) -> Path:
    """Kick, snare and hat in eighths, swung and uneven, on the drum channel."""
    rng = np.random.default_rng(seed)
    track = mido.MidiTrack()
    timed: list[tuple[int, mido.Message]] = []
    for step in range(0, bars * 16, 2):
        for pitch, chance in ((36, 0.4), (38, 0.3), (42, 0.8)):
            if step == 0 or rng.random() < chance:
                at = max(0, step * STEP + int(rng.integers(-40, 41)))
                velocity = int(rng.integers(20, 128))
                timed.append((at, mido.Message("note_on", note=pitch, velocity=velocity, channel=9)))
                timed.append((at + 30, mido.Message("note_off", note=pitch, channel=9)))
    now = 0
    for tick, message in sorted(timed, key=lambda event: event[0]):
        track.append(message.copy(time=tick - now))
        now = tick
    file = mido.MidiFile(ticks_per_beat=TICKS, tracks=[track])
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("drums")
    for seed in range(40):
        drum_file(folder / "beats" / f"{seed:02d}.mid", seed)
    prepare([folder / "beats"], folder / "out", DRUMS, lambda done, total: None, workers=1)
    return load_dataset(folder / "out")


@pytest.fixture
def model() -> GrooveVae:
    return lively_model(CONFIG, GrooveVae)


def some_loops(count: int = 4, seed: int = 3) -> Loops:
    rng = np.random.default_rng(seed)
    hits = rng.random((count, 32, 9)) < 0.2
    touch = np.stack([rng.random(hits.shape), rng.uniform(-1, 1, hits.shape)], axis=-1) * hits[..., None]
    return Loops(torch.from_numpy(tokens_of(hits)), torch.from_numpy(touch.astype(np.float32)))


def ticks(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_hits_keep_velocity_and_distance_and_the_loudest_of_a_voice_stays() -> None:
    starts, pitches = ticks(-20, STEP + 30, STEP, STEP, 4 * STEP - 60), ticks(36, 38, 40, 42, 60)
    grid = drum_grid(starts, pitches, ticks(90, 50, 40, 30, 99), Segment(0, 16 * STEP), TICKS)
    assert np.flatnonzero(grid.tokens).tolist() == [0, 1]
    assert grid.tokens[:2].tolist() == [1, 0b110]
    assert grid.groove[0, 0].tolist() == [90, round(20 / 60 * FULL_OFFSET)]
    assert grid.groove[1, 1].tolist() == [50, round(-30 / 60 * FULL_OFFSET)]
    assert not grid.groove[2:].any()


def test_windows_with_too_little_in_them_are_left_out() -> None:
    hits = np.zeros((64, 9), dtype=bool)
    hits[0:32:4, 0] = True
    hits[2, 1] = True
    grid = DrumGrid(tokens_of(hits).astype(np.uint16), np.zeros((64, 9, 2), np.int8))
    assert len(drum_windows(grid, DRUMS).tokens) == 1
    assert len(drum_windows(DrumGrid(grid.tokens[:16], grid.groove[:16]), DRUMS).tokens) == 0


def test_only_drum_tracks_are_drums_and_only_bass_programs_bass(
    tmp_path: Path, write_midi: Callable[..., Path], random_tune: Callable[..., list[tuple[int, int, int]]]
) -> None:
    melodic = write_midi(tmp_path / "a.mid", [random_tune(1)])
    assert read_windows(melodic, None, DRUMS).reason == NO_TRACK
    assert read_windows(drum_file(tmp_path / "d.mid", 1), None, MELODY).reason == NO_TRACK
    drums = read_windows(drum_file(tmp_path / "d.mid", 1), None, DRUMS)
    assert drums.windows.shape == (11, 32)
    assert drums.groove is not None
    assert drums.groove.shape == (11, 32, 9, 2)
    assert BASS.wants(TrackFacts(drum=False, program=33, monophonic_share=0.2))
    assert not BASS.wants(TrackFacts(drum=False, program=0, monophonic_share=1.0))


def test_a_bass_is_the_lowest_of_a_left_hand_and_is_counted_as_derived(
    tmp_path: Path, write_midi: Callable[..., Path]
) -> None:
    chords = [(step * STEP, (step + 4) * STEP, pitch + step % 8) for step in range(0, 64, 4) for pitch in (40, 52)]
    path = write_midi(tmp_path / "a.mid", [chords])
    found = read_windows(path, {0: "piano_lh", 1: "piano_lh"}, BASS)
    assert found.derived == len(found.windows) == 3
    assert set(np.unique(found.windows)) == {0, 40 - 19, 44 - 19}
    high = write_midi(tmp_path / "b.mid", [[(start, end, pitch + 24) for start, end, pitch in chords]])
    assert len(read_windows(high, {0: "bass"}, BASS).windows) == 0
    assert read_windows(path, {0: "bass", 1: "bass"}, BASS).derived == 0


def test_hits_of_a_held_out_groove_are_dropped_however_they_are_played() -> None:
    tokens = np.arange(64, dtype=np.uint16).reshape(2, 32)
    quiet, loud = np.full((2, 32, 9, 2), 10, np.int8), np.full((2, 32, 9, 2), 90, np.int8)
    files = [
        SourceFile(Path(name), pack_named("p"), name, split, None, "")
        for name, split in (("a", "train"), ("b", "test"))
    ]
    results = [
        FileWindows(np.concatenate([tokens, tokens[1:]]), groove=np.concatenate([quiet, loud[1:]])),
        FileWindows(tokens[:1], groove=loud[:1]),
    ]
    chosen = select_windows(files, results, ["p"], DRUMS)
    splits = chosen.splits
    assert (len(splits["train"]), len(splits["test"]), chosen.duplicates, chosen.leaks) == (2, 1, 0, 1)
    assert splits["train"].groove is not None
    assert splits["train"].groove[:, 0, 0, 0].tolist() == [10, 90]


def test_prepared_drums_come_back_with_their_groove(dataset: Dataset) -> None:
    train = dataset.splits["train"]
    assert isinstance(train.groove, np.memmap)
    assert train.tokens.dtype == np.uint16
    struck = hits_of(train.tokens)
    assert (train.groove[..., 0][struck] > 0).all()
    assert not train.groove[~struck].any()
    assert np.abs(train.groove[..., 1]).max() > 40


def test_batches_recombine_hits_with_their_touch(dataset: Dataset) -> None:
    train = dataset.splits["train"]
    known = {row.tobytes() for row in np.asarray(train.tokens, dtype=np.int64)}

    def batch(recombine: float) -> Loops:
        return BatchSampler(train, ["beats"], DRUMS, DataArguments(recombine=recombine), seed=1).draw(64)

    plain, mixed = batch(0.0), batch(1.0)
    assert all(row.numpy().tobytes() in known for row in plain.tokens)
    assert sum(row.numpy().tobytes() not in known for row in mixed.tokens) > 32
    assert mixed.touch is not None
    struck = torch.from_numpy(hits_of(mixed.tokens.numpy()))
    assert (mixed.touch[..., 0][struck] > 0).all()
    assert not mixed.touch[~struck].any()


@torch.no_grad()
def test_a_bar_answers_velocities_and_offsets_at_its_hits_alone(model: GrooveVae) -> None:
    loops = some_loops()
    mu, sigma = model.encode(model.features(loops))
    states, embeddings = model.start(mu)
    rows = len(mu)
    noise = torch.zeros(rows, 16, 512)
    forcing = 1e4 * torch.nn.functional.one_hot(loops.tokens[:, :16], 512).float()
    first = torch.zeros(rows, dtype=torch.int64)
    answer = model.bar(states[:, 0], embeddings[:, 0], first, torch.ones(rows), noise, forcing)
    tokens, _, logits, velocities, offsets = answer
    assert tokens.tolist() == loops.tokens[:, :16].tolist()
    outputs = model.decode(mu, shifted(loops.tokens))
    torch.testing.assert_close(logits, model.logits(outputs)[:, :16], atol=1e-5, rtol=1e-5)
    expected = model.touch(outputs, loops.tokens)
    torch.testing.assert_close(velocities, expected[0][:, :16], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(offsets, expected[1][:, :16], atol=1e-5, rtol=1e-5)
    struck = torch.from_numpy(hits_of(tokens.numpy()))
    assert (velocities[struck] > 0).all()
    assert not velocities[~struck].any()
    assert not offsets[~struck].any()
    assert sigma.shape == (rows, CONFIG.latent)


def test_touch_costs_what_its_weights_say(model: GrooveVae) -> None:
    loops = some_loops()

    def touch(velocity: float, offset: float) -> float:
        generator = torch.Generator().manual_seed(0)
        weights = TouchWeights(velocity, offset)
        terms = elbo(model, loops, 0.0, 0.0, Feeding(), Noise(generator), torch.float32, weights)
        assert float(terms.loss.detach() - terms.reconstruction) == pytest.approx(float(terms.touch), abs=1e-3)
        return float(terms.touch)

    assert touch(0.0, 0.0) == 0.0
    assert touch(2.0, 3.0) == pytest.approx(2 * touch(1.0, 0.0) + 3 * touch(0.0, 1.0), rel=1e-4)


def test_the_joint_class_learns_what_nine_coins_cannot() -> None:
    """Kick and snare never together, each half of the time: independent voices would be wrong half of the time."""
    torch.manual_seed(0)
    model = build_model(CONFIG)
    assert isinstance(model, GrooveVae)
    optimiser = torch.optim.Adam(model.parameters(), 1e-1)
    outputs = torch.ones(64, CONFIG.decoder_hidden)
    tokens = torch.tensor([1, 2]).repeat(32)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model.logits(outputs), tokens).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    chances = model.logits(outputs[:1]).softmax(1)[0].detach()
    assert float(chances[1] + chances[2]) > 0.95
    assert float(chances[1]) == pytest.approx(0.5, abs=0.1)


RECIPE = Recipe(
    run=RunArguments(name="smoke", steps=6, batch_size=16, evaluate_every=3, precision="float32"),
    model=CONFIG,
    data=DataArguments(min_windows=100, recombine=0.5),
    objective=ObjectiveArguments(kl_target_nats=10.0, sampling=0.4),
)


def test_an_interrupted_drum_run_equals_an_unbroken_one(dataset: Dataset, tmp_path: Path) -> None:
    def run(folder: Path) -> Trainer:
        return Trainer(RECIPE, dataset, tmp_path / folder, schedules.Plan(RECIPE.run.steps))

    whole = run(Path("whole"))
    whole.run(Observer(), lambda: False)
    asked = iter([False, True])
    run(Path("broken")).run(Observer(), lambda: next(asked))
    resumed = run(Path("broken"))
    resumed.resume()
    resumed.run(Observer(), lambda: False)
    assert (tmp_path / "whole" / LAST).read_bytes() == (tmp_path / "broken" / LAST).read_bytes()
    metrics = load_card(tmp_path / "whole" / LAST).metrics
    assert 0 < metrics["velocity_error"] < 1
    assert 0 < metrics["offset_error"] < 1


def test_groove_models_are_of_512_classes() -> None:
    with pytest.raises(ValueError, match="512"):
        dataclasses.replace(CONFIG, classes=90)


@pytest.fixture(scope="module")
def bundle(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory, quick_export: None) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(2)
    weights = build_model(CONFIG).state_dict()
    save_model(folder / "best.safetensors", weights, CheckpointCard(CONFIG, step=3))
    plan = ExportPlan(
        checkpoint=folder / "best.safetensors", out=folder / "drums-tiny", dataset=dataset, storage="float16", points=20
    )
    manifest = export_bundle(plan, lambda word: None)
    assert manifest.parity is not None
    assert {"velocities", "offsets"} <= set(manifest.parity.differences)
    return folder / "drums-tiny"


def test_a_drum_bundle_plays_with_velocity_and_timing(bundle: Path) -> None:
    decoder = open_decoder(bundle)
    assert decoder.manifest.outputs[0].codec == "groove-512"
    answer = decode(decoder, DecodeRequest("drums", 0, np.ones(6, np.float32), 1, 5))
    velocities, offsets = answer.extras
    struck = hits_of(answer.tokens)
    assert velocities.shape == offsets.shape == (16, 9)
    assert (velocities[struck] > 0).all()
    assert not offsets[~struck].any()
    assert np.abs(offsets * HALF_STEP_UB).max() <= HALF_STEP_UB


def test_the_rest_of_a_bar_is_played_as_the_whole_bar_would_have_been(bundle: Path) -> None:
    decoder = open_decoder(bundle)
    z = np.ones(6, np.float32)
    whole = decode(decoder, DecodeRequest("drums", 0, z, 0, 5))
    rest = decode(
        decoder,
        DecodeRequest("drums", 0, z, 0, 5, state=whole.states[4], previous=whole.tokens[4], first_step=5),
    )
    assert rest.tokens == whole.tokens[5:]
    for one, other in zip(rest.extras, whole.extras, strict=True):
        np.testing.assert_allclose(one, other[5:], atol=1e-5)


def test_figures_of_drums_count_hits_and_touch(bundle: Path, dataset: Dataset) -> None:
    figures = measure(open_decoder(bundle), loops_of(dataset.splits["test"]))
    assert isinstance(figures, DrumFigures)
    assert 0 < figures.flat_velocity_error < 1
    card = (bundle / "MODEL_CARD.md").read_text("utf-8")
    assert "all nine voices" in card
    assert f"{figures.flat_timing_error:.3f}" in card


def test_touch_errors_are_counted_by_hand() -> None:
    truth = LoopSet(np.array([[1, 2]]), (np.zeros((1, 2, 9), np.float32), np.zeros((1, 2, 9), np.float32)))
    truth.extras[0][0, [0, 1], [0, 1]] = 0.2, 0.6
    truth.extras[1][0, 0, 0] = -0.5
    found = LoopSet(np.array([[1, 6]]), tuple(np.full((1, 2, 9), 0.4, np.float32) for _ in range(2)))
    errors = touch_errors(found, truth)
    assert errors["velocity_error"] == pytest.approx(0.2)
    assert errors["timing_error"] == pytest.approx((0.9 + 0.4) / 2)
    assert errors["flat_velocity_error"] == pytest.approx(0.2)
    assert errors["flat_timing_error"] == pytest.approx(0.25)
    assert hit_f1(found.tokens, truth.tokens) == pytest.approx(2 * 2 / 5)


def test_the_graphs_measure_what_training_measured(bundle: Path, dataset: Dataset) -> None:
    """Two ways of one thing: teacher-forced accuracy through PyTorch and through the bundle."""
    test = dataset.splits["test"]
    torch.manual_seed(2)
    module = build_model(CONFIG).eval()
    trained = measure_torch(module, loops_from(SplitWindows(test.tokens, test.packs, test.groove)))
    graphs = measure(open_decoder(bundle), loops_of(test))
    assert graphs.teacher_forced == pytest.approx(trained.teacher_forced, abs=0.05)
    assert graphs.no_event == pytest.approx(trained.no_event)
