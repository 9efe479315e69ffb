"""MIDI files for the export tests; the fixtures hand out the functions that make them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mido
import numpy as np
import pytest

# Tiny models on many threads mostly wait for each other; set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TICKS = 480
SIXTEENTH = TICKS // 4

Notes = list[tuple[int, int, int]]


def _write_midi(
    path: Path, tracks: list[Notes], meters: tuple[tuple[int, int, int], ...] = ((0, 4, 4),), program: int = 0
) -> Path:
    """Write tracks of (start, end, pitch) in ticks, with time signatures (tick, beats, unit)."""
    file = mido.MidiFile(ticks_per_beat=TICKS)
    signatures = [
        (tick, mido.MetaMessage("time_signature", numerator=beats, denominator=unit)) for tick, beats, unit in meters
    ]
    _append(file, signatures)
    for channel, notes in enumerate(tracks):
        events = [(0, mido.Message("program_change", program=program, channel=channel))]
        for start, end, pitch in notes:
            events.append((start, mido.Message("note_on", note=pitch, velocity=80, channel=channel)))
            events.append((end, mido.Message("note_off", note=pitch, channel=channel)))
        _append(file, events)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


def _append(file: mido.MidiFile, events: list[tuple[int, mido.Message | mido.MetaMessage]]) -> None:
    track = mido.MidiTrack()
    now = 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        track.append(message.copy(time=tick - now))
        now = tick
    file.tracks.append(track)


def _random_tune(seed: int, bars: int = 12) -> Notes:
    """A wandering line of eighths and quarters."""
    rng = np.random.default_rng(seed)
    notes, step, pitch = [], 0, int(rng.integers(55, 75))
    while step < bars * 16:
        length = min(int(rng.choice([2, 2, 4])), bars * 16 - step)
        pitch = int(np.clip(pitch + rng.integers(-4, 5), 48, 84))
        notes.append((step * SIXTEENTH, (step + length) * SIXTEENTH, pitch))
        step += length
    return notes


def _folder_of_tunes(folder: Path, count: int) -> Path:
    """A plain folder of ``count`` random tunes."""
    for number in range(count):
        _write_midi(folder / f"tune{number:03d}.mid", [_random_tune(number)])
    return folder


@pytest.fixture(scope="session", name="write_midi")
def fixture_write_midi() -> Callable[..., Path]:
    """Writes a file from tracks of (start, end, pitch)."""
    return _write_midi


@pytest.fixture(scope="session", name="random_tune")
def fixture_random_tune() -> Callable[..., Notes]:
    """Makes a tune from a seed."""
    return _random_tune


@pytest.fixture(scope="session", name="folder_of_tunes")
def fixture_folder_of_tunes() -> Callable[..., Path]:
    """Fills a folder with random tunes."""
    return _folder_of_tunes


@pytest.fixture(scope="module", name="quick_export")
def fixture_quick_export() -> Iterator[None]:
    """Exports fit and measure on a few loops only."""
    from autoloops_export import attributes, density, knobs, touch
    from autoloops_export.evaluation import samples, times

    with pytest.MonkeyPatch.context() as patch:
        for module in (attributes, knobs):
            patch.setattr(module, "CALIBRATION_LOOPS", 4)
            patch.setattr(module, "GRID", 5)
        patch.setattr(attributes, "CHECKED_LOOPS", 4)
        patch.setattr(knobs, "RANKING_LOOPS", 4)
        patch.setattr(knobs, "CHECKED_LOOPS", 2)
        patch.setattr(samples, "MADE_UP", 20)
        patch.setattr(touch, "LOOPS", 32)
        patch.setattr(density, "MOST_LOOPS", 280)
        patch.setattr(density, "HEARD_EACH", 4)
        patch.setattr(times.decode_ms, "__defaults__", (20,))
        yield
