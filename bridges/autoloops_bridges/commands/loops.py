"""Between MIDI files, latent points and loops, for the commands that work without a performance."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoloops_engine.codecs.ensemble import Voice, ensemble_loops
from autoloops_engine.codecs.midifile import read_midi
from autoloops_engine.codecs.registry import LoopSteps, codec_named
from autoloops_engine.codecs.songs import loops_of
from autoloops_engine.errors import MusicError
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.inference.requests import FIRST_PREVIOUS, DecodeRequest, decode
from autoloops_engine.inference.views import JointModel, join_features, output_for
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Bar
from autoloops_engine.session.recording import RecordedNote, Recorder


class EncodedLoop(NamedTuple):
    """A loop of a MIDI file as a model sees it.

    Attributes:
        mu: Mean of the posterior, float32 [Z].
        tempo_bpm: The file's first tempo, or 120.
        remarks: One sentence for each thing that was chosen, dropped or changed.
    """

    mu: Floats
    tempo_bpm: float
    remarks: tuple[str, ...]


def encode_loop(model: JointModel, path: Path, part: str, track: int | None = None, loop: int = 1) -> EncodedLoop:
    """The latent point of one loop of a MIDI file.

    Args:
        model: The model; one that plays several parts reads each from the file that the file has.
        path: A standard MIDI file.
        part: The part to encode, which chooses its track before the others.
        track: The place of its track in the file, from 1; None chooses.
        loop: Which of the file's loops, from 1.

    Raises:
        MusicError: the file cannot be read, or has no such track or loop.
        BundleError: the model speaks what this program does not know.
        ModelError: the model cannot be run.
    """
    song = read_midi(path)
    outputs, bars = model.manifest.outputs, model.manifest.bars
    if len(outputs) == 1:
        alone = loops_of(song, codec_named(outputs[0].codec), part, bars, track)
        loops = tuple({outputs[0].part: steps} for steps in alone.loops)
        remarks = alone.remarks
    else:
        voices = [Voice(output.part, codec_named(output.codec)) for output in outputs]
        loops, remarks = ensemble_loops(song, voices, bars, output_for(model.manifest, part).part, track)
    if loop > len(loops):
        raise MusicError(f"{path.name} has no loop {loop}: there are {len(loops)}.")
    codecs = {output.part: codec_named(output.codec) for output in outputs}
    known = {part: codecs[part].features(steps)[None] for part, steps in loops[loop - 1].items()}
    posterior = model.encode(join_features(model.manifest, known))
    return EncodedLoop(posterior.mu[0], song.tempo_bpm, remarks)


def decode_loop(
    decoder: Decoder, z: Floats, first_id: int = 1, *, seed: int = 0, temperature: float = 0.0
) -> list[Bar]:
    """The bars of one pass of a loop, which starts silent and is cut off at its end.

    Args:
        decoder: The model.
        z: The latent point, [Z].
        first_id: Number of the first bar; the others count on.
        seed: Seed of the noise.
        temperature: From 0 (always the likeliest).

    Raises:
        ModelError: the model cannot be run.
    """
    point = np.asarray(z, dtype=np.float32)
    codec = codec_named(decoder.manifest.outputs[0].codec)
    bars: list[Bar] = []
    state, previous, sounding = None, FIRST_PREVIOUS, None
    for index in range(decoder.manifest.bars):
        request = DecodeRequest("", index, point, index, seed, temperature=temperature, state=state, previous=previous)
        answer = decode(decoder, request)
        decoded = codec.decode_bar(LoopSteps(answer.tokens, answer.extras), sounding)
        bars.append(Bar(first_id + index, bars[-1].id if bars else 0, decoded.notes, decoded.ties))
        # Hierarchical models start every bar from its own state; only the last token links the bars.
        state = answer.states[-1] if decoder.manifest.kind == "flat" else None
        previous, sounding = answer.tokens[-1], decoded.sounding
    return bars


def record(part: str, bars: Sequence[Bar]) -> tuple[RecordedNote, ...]:
    """The notes of bars that sound one after the other, ties joined."""
    recorder = Recorder()
    for song_bar, bar in enumerate(bars):
        recorder.add(Frozen(part, 0, song_bar, bar, "fresh", 0, 0, muted=False))
    return recorder.notes()
