"""Scale lock inside the decoder, against none and against snapping notes afterwards.

    python benchmarks/scale_lock.py --bars 10000

In one run, with the same points and the same noise: bars decoded freely, locked to a scale by the bias, and free ones
whose notes are snapped to the nearest pitch of the scale. Printed are the share of notes in the scale, the likelihood
that the unhindered model gives each, in nats a bar, and the time of a decode with and without the bias, in turns.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np
from rig import arguments, show

from autoloops_bridges.bench.tables import Cell
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs import melody
from autoloops_engine.codecs.registry import MELODY
from autoloops_engine.constraints.bias import FORBIDDEN, bar_bias
from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.constraints.limits import Limits
from autoloops_engine.constraints.scales import SCALES
from autoloops_engine.inference.decoder import DecodedSteps, Decoder, Floats
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import Decoded, DecodeRequest, decode

SCALE = "minor"
ROOTS = ("c", "c#", "d", "eb", "e", "f", "f#", "g", "ab", "a", "bb", "b")


def snapped(tokens: tuple[int, ...], pitch_classes: frozenset[int]) -> tuple[int, ...]:
    """The notes moved to the nearest pitch of the scale, downwards where two are as near."""

    def nearest(token: int) -> int:
        if token < melody.FIRST_ONSET:
            return token
        pitch = melody.pitch_of(token)
        moves = sorted(range(-6, 7), key=lambda move: (abs(move), move))
        return melody.token_of(melody.fold_pitch(next(pitch + m for m in moves if (pitch + m) % 12 in pitch_classes)))

    return tuple(nearest(token) for token in tokens)


def nats(decoder: Decoder, z: Floats, tokens: tuple[int, ...]) -> float:
    """How likely the unhindered model finds these steps from a point, as the logarithm: it is made to choose them."""
    forced = np.full((1, len(tokens), melody.CLASSES), FORBIDDEN, dtype=np.float32)
    forced[0, np.arange(len(tokens)), list(tokens)] = 0
    begun = decoder.start(z[None])
    answered: DecodedSteps = decoder.bar(
        begun.state[:, 0],
        begun.embeddings[:, 0],
        np.zeros(1, dtype=np.int64),
        np.ones(1, dtype=np.float32),
        np.zeros_like(forced),
        forced,
    )
    logits = answered.logits[0].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    likelihoods = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(likelihoods[np.arange(len(tokens)), list(tokens)].sum())


def in_scale(tokens: tuple[int, ...], pitch_classes: frozenset[int]) -> list[bool]:
    """For each note, whether it is of the scale."""
    return [melody.pitch_of(t) % 12 in pitch_classes for t in tokens if t >= melody.FIRST_ONSET]


def timed(decoder: Decoder, request: DecodeRequest) -> tuple[Decoded, float]:
    """A decode, and the milliseconds it took."""
    began_s = time.perf_counter()
    decoded = decode(decoder, request)
    return decoded, (time.perf_counter() - began_s) * 1000


def main() -> None:
    """Decode, compare and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--bars", type=int, default=10_000)
    asked = parser.parse_args()
    decoder = open_decoder(find_bundle(asked.model))
    rng = np.random.default_rng(1)
    took_ms: dict[str, list[float]] = {"free": [], "locked": []}
    notes: dict[str, list[bool]] = {"free": [], "locked": [], "snapped": []}
    likelihoods: dict[str, list[float]] = {"free": [], "locked": [], "snapped": []}
    for bar in range(asked.bars):
        root = int(rng.integers(12))
        pitch_classes = frozenset((root + degree) % 12 for degree in SCALES[SCALE])
        z = rng.standard_normal(decoder.manifest.latent_size).astype(np.float32)
        free = DecodeRequest("melody", 0, z, 0, bar)
        decoded, free_ms = timed(decoder, free)
        harmony = Harmony().with_scale(f"{ROOTS[root]} {SCALE}")
        began_s = time.perf_counter()
        bias = bar_bias(MELODY, Limits(), harmony, transpose=0, loop_bar=0, song_bar=bar)
        bias_ms = (time.perf_counter() - began_s) * 1000
        locked, locked_ms = timed(decoder, DecodeRequest("melody", 0, z, 0, bar, bias=bias))
        took_ms["free"].append(free_ms)
        took_ms["locked"].append(locked_ms + bias_ms)
        ways = {"free": decoded.tokens, "locked": locked.tokens, "snapped": snapped(decoded.tokens, pitch_classes)}
        for way, tokens in ways.items():
            notes[way] += in_scale(tokens, pitch_classes)
            likelihoods[way].append(nats(decoder, z, tokens))
    rows: dict[str, dict[str, Cell]] = {}
    for way in ("free", "locked", "snapped"):
        rows[way] = {
            "bars": float(asked.bars),
            "notes": float(len(notes[way])),
            "in scale, %": 100 * float(np.mean(notes[way])),
            "nats a bar": float(np.mean(likelihoods[way])),
        }
    for way, figures in took_ms.items():
        rows[way] |= {
            "decode p50, ms": float(np.median(figures)),
            "p99, ms": float(np.quantile(figures, 0.99)),
            "x free": float(np.median(figures) / np.median(took_ms["free"])),
        }
    show("Scale lock", rows, asked.json)


if __name__ == "__main__":
    main()
