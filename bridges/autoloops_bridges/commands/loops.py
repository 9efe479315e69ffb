"""Between MIDI files, latent points and loops, for the commands that work without a performance."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoloops_engine.codecs.melody import CODEC_NAME, decode_bar, one_hot
from autoloops_engine.codecs.midifile import encode_melody, read_midi
from autoloops_engine.errors import BundleError, MusicError
from autoloops_engine.inference.decoder import Decoder, Floats
from autoloops_engine.inference.requests import FIRST_PREVIOUS, DecodeRequest, decode
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


def encode_loop(decoder: Decoder, path: Path, part: str, track: int | None = None, loop: int = 1) -> EncodedLoop:
    """The latent point of one loop of a MIDI file.

    Args:
        decoder: The model.
        path: A standard MIDI file.
        part: The part to encode.
        track: The track's place in the file, from 1; None chooses.
        loop: Which of the file's loops, from 1.

    Raises:
        MusicError: the file cannot be read, or has no such track or loop.
        BundleError: the model does not play this part as a melody.
        ModelError: the model cannot be run.
    """
    check_codec(decoder, part)
    song = read_midi(path)
    encoded = encode_melody(song, decoder.manifest.bars, track)
    if loop > len(encoded.windows):
        raise MusicError(f"{path.name} has no loop {loop}: there are {len(encoded.windows)}.")
    posterior = decoder.encode(one_hot(encoded.windows[loop - 1])[None])
    return EncodedLoop(posterior.mu[0], song.tempo_bpm, encoded.remarks)


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
    bars: list[Bar] = []
    state, previous, sounding = None, FIRST_PREVIOUS, None
    for index in range(decoder.manifest.bars):
        request = DecodeRequest("", index, point, index, seed, temperature=temperature, state=state, previous=previous)
        answer = decode(decoder, request)
        decoded = decode_bar(answer.tokens, sounding)
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


def check_codec(decoder: Decoder, part: str) -> None:
    """Refuse models that do not speak in melodies.

    Raises:
        BundleError: the part is not played by the model's only output, or not with melody tokens.
    """
    outputs = decoder.manifest.outputs
    if len(outputs) != 1 or outputs[0].codec != CODEC_NAME:
        raise BundleError(f"The model {decoder.manifest.name} has no melody codec, which encoding {part} needs so far.")
