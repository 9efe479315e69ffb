"""Whole loops through a bundle's graphs, many at once.

Axes: B loops, T steps of a loop, F features of a step, C classes, Z latent.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.codecs import drums
from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.inference.decoder import DecodedSteps, Decoder, Floats, Tokens
from autoloops_engine.inference.views import JointModel, OutputView, join_features, manifest_of, views_of
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.data.drums import offsets_of, velocities_of
from autoloops_export.data.windows import SplitWindows

ROWS_AT_ONCE: Final = 256
# Larger than any difference of logits: the biased class always wins.
FORCE: Final = np.float32(1e4)


class LoopSet(NamedTuple):
    """Some loops.

    Attributes:
        tokens: Whole numbers, [B, T]; of a model of several parts [B, T, parts].
        extras: What the codec has beside the tokens, float32 [B, T, size] each; of several parts, the one that has any.
        whole: Of one part of several: the loops of all of them, which the encoder reads together.
    """

    tokens: npt.NDArray[np.integer[Any]]
    extras: tuple[Floats, ...] = ()
    whole: "LoopSet | None" = None

    def sample(self, rng: np.random.Generator, most: int) -> "LoopSet":
        """At most so many of them, in any order."""
        return self.rows(rng.permutation(len(self.tokens))[:most])

    def rows(self, rows: slice | npt.NDArray[np.integer[Any]]) -> "LoopSet":
        """Some of them."""
        whole = None if self.whole is None else self.whole.rows(rows)
        return LoopSet(self.tokens[rows], tuple(extra[rows] for extra in self.extras), whole)


def loops_of(windows: SplitWindows) -> LoopSet:
    """Prepared windows as loops."""
    tokens = np.asarray(windows.tokens)
    if windows.groove is None:
        return LoopSet(tokens)
    groove = np.asarray(windows.groove)
    return LoopSet(tokens, (velocities_of(groove), offsets_of(groove)))


def random_loops(manifest: Manifest, tokens: Tokens, rng: np.random.Generator) -> LoopSet:
    """Loops of these tokens whose extras, if the codec has any, are anything from 0 to 1."""
    sizes = [int(port.shape[-1]) for port in manifest.graphs["bar"].outputs[3:]]
    return LoopSet(tokens, tuple(rng.random((*tokens.shape, size), dtype=np.float32) for size in sizes))


def few(count: int, manifest: Manifest) -> int:
    """How many loops have as many steps as ``count`` loops of two bars have, four at least."""
    return max(min(count, 4), 2 * count // max(2, manifest.bars))


def reach_of(two_bars: float, manifest: Manifest) -> float:
    """How far a point may move where one of two bars may move ``two_bars``: as far in every bar of a long loop."""
    return float(two_bars * np.sqrt(max(1.0, manifest.bars / 2)))


def parts_of(manifest: Manifest, loops: LoopSet) -> dict[str, LoopSet]:
    """The loops of each part of a bundle, by its name; one part's are the loops themselves."""
    if len(manifest.outputs) == 1:
        return {manifest.outputs[0].part: loops}
    return {
        output.part: LoopSet(loops.tokens[..., place], loops.extras if codec_named(output.codec).extras else (), loops)
        for place, output in enumerate(manifest.outputs)
    }


def features_of(manifest: Manifest, loops: LoopSet) -> Floats:
    """What the encoder of a bundle reads of loops: float32 [B, T, F]."""
    if len(manifest.outputs) > 1:
        parts = parts_of(manifest, loops)
        known = {part: features_of(manifest_of(manifest, part), own) for part, own in parts.items()}
        return join_features(manifest, known)
    output = manifest.outputs[0]
    if output.codec == drums.CODEC_NAME:
        velocities, offsets = loops.extras
        return drums.features(loops.tokens, velocities, offsets)
    return one_hot(loops.tokens, output.classes)


def one_hot(tokens: npt.NDArray[np.integer[Any]], classes: int) -> Floats:
    """Encoder features of loops: float32 [B, T, C]."""
    features: Floats = np.eye(classes, dtype=np.float32)[tokens]
    return features


def forcing_bias(tokens: Tokens, classes: int) -> Floats:
    """The bias [B, 16, C] with which a bar graph takes ``tokens`` [B, 16] whatever its logits and noise."""
    return one_hot(tokens, classes) * FORCE


def encode_loops(decoder: Decoder, loops: LoopSet) -> tuple[Floats, Floats]:
    """Posterior means and deviations of loops, each [B, Z]; of a part of several, those of all together."""
    if loops.whole is not None and isinstance(decoder, OutputView):
        return encode_loops(decoder.model, loops.whole)
    manifest = decoder.manifest
    posteriors = [decoder.encode(features_of(manifest, loops.rows(rows))) for rows in _rows(len(loops.tokens))]
    return np.concatenate([p.mu for p in posteriors]), np.concatenate([p.sigma for p in posteriors])


def decode_loops(
    decoder: Decoder, z: Floats, temperature: float = 0.0, rng: np.random.Generator | None = None
) -> Tokens:
    """Loops at latent points [B, Z], each step fed back into the next.

    Args:
        decoder: The bundle, opened.
        z: Latent points.
        temperature: 0: the likeliest tokens; then ``rng`` is not needed.
        rng: Where the noise comes from.

    Returns:
        Tokens, int64 [B, T]; of several parts [B, parts * T], one after the other.
    """
    if len(decoder.manifest.outputs) > 1:
        views = views_of(cast("JointModel", decoder)).values()
        return np.concatenate([decode_loops(view, z, temperature, rng) for view in views], axis=1)
    return np.asarray(decode_set(decoder, z, temperature, rng).tokens, dtype=np.int64)


def decode_set(
    decoder: Decoder, z: Floats, temperature: float = 0.0, rng: np.random.Generator | None = None
) -> LoopSet:
    """:func:`decode_loops` with what the codec has beside the tokens."""
    parts = []
    for rows in _rows(len(z)):
        bars = list(_bars(decoder, z[rows], temperature, rng, None))
        extras = zip(*(steps.extras for steps in bars), strict=True)
        tokens = np.concatenate([steps.tokens for steps in bars], axis=1)
        parts.append(LoopSet(tokens, tuple(np.concatenate(of_bars, axis=1) for of_bars in extras)))
    return joined(parts)


def joined(parts: Sequence[LoopSet]) -> LoopSet:
    """Some loops after the others."""
    extras = zip(*(part.extras for part in parts), strict=True)
    tokens = np.concatenate([part.tokens for part in parts])
    return LoopSet(tokens, tuple(np.concatenate(of_parts) for of_parts in extras))


def forced_logits(decoder: Decoder, z: Floats, tokens: npt.NDArray[np.integer]) -> Floats:
    """Logits [B, T, C] of every step of loops at ``z``, given the true tokens [B, T] before it."""
    parts = []
    for rows in _rows(len(z)):
        bars = _bars(decoder, z[rows], 1.0, None, np.asarray(tokens[rows], dtype=np.int64))
        parts.append(np.concatenate([steps.logits for steps in bars], axis=1))
    return np.concatenate(parts)


def _bars(
    decoder: Decoder, z: Floats, temperature: float, rng: np.random.Generator | None, forced: Tokens | None
) -> Iterator[DecodedSteps]:
    """What the bar graph answers, bar after bar."""
    size, classes = len(z), decoder.manifest.outputs[0].classes
    begun = decoder.start(z)
    own_state = begun.state.shape[1] > 1
    state, previous = begun.state[:, 0], np.zeros(size, dtype=np.int64)
    sharpness = np.full(size, temperature, dtype=np.float32)
    for bar in range(decoder.manifest.bars):
        shape = (size, STEPS_PER_BAR, classes)
        noise = np.zeros(shape, np.float32) if rng is None else rng.gumbel(size=shape).astype(np.float32)
        bias = np.zeros(shape, dtype=np.float32)
        if forced is not None:
            bias = forcing_bias(forced[:, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR], classes)
        which = bar if own_state else 0
        state = begun.state[:, bar] if own_state else state
        steps = decoder.bar(state, begun.embeddings[:, which], previous, sharpness, noise, bias)
        state, previous = steps.states[:, -1], steps.tokens[:, -1]
        yield steps


def _rows(count: int) -> Iterator[slice]:
    for first in range(0, count, ROWS_AT_ONCE):
        yield slice(first, first + ROWS_AT_ONCE)
