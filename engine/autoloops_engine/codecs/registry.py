"""Codecs by the name that a manifest gives for an output.

A codec says what a model's steps mean: how they become notes, what the encoder wants to see of a loop, and which
figures the bar graph answers beside tokens, states and logits.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs import drums, melody
from autoloops_engine.codecs.melody import DecodedBar
from autoloops_engine.errors import BundleError

Floats = npt.NDArray[np.float32]


class LoopSteps(NamedTuple):
    """Steps of a loop or of a bar, as a model reads and answers them.

    Attributes:
        tokens: A class for each step.
        extras: What the codec has beside the tokens, in the order of :attr:`Codec.extras`, float32 [steps, size] each.
    """

    tokens: tuple[int, ...]
    extras: tuple[Floats, ...] = ()

    def rest(self, step: int) -> "LoopSteps":
        """The steps from ``step`` on."""
        return LoopSteps(self.tokens[step:], tuple(extra[step:] for extra in self.extras))

    def spliced(self, step: int, rest: "LoopSteps") -> "LoopSteps":
        """The bar whose steps before ``step`` are these and whose others are the first of ``rest``.

        Raises:
            ValueError: the step lies outside the bar or ``rest`` is too short.
        """
        tokens = melody.splice(self.tokens, step, rest.tokens)
        extras = (np.concatenate([old[:step], new]) for old, new in zip(self.extras, rest.extras, strict=True))
        return LoopSteps(tokens, tuple(extra[: len(tokens)] for extra in extras))


class Extra(NamedTuple):
    """An output of the bar graph beside tokens, states and logits: float32 [batch, 16, size]."""

    name: str
    size: int


class Codec(Protocol):
    """What the steps of an output mean. Pure; any thread."""

    @property
    def name(self) -> str:
        """As in the manifest."""

    @property
    def classes(self) -> int:
        """Size of the vocabulary."""

    @property
    def feature_size(self) -> int:
        """Numbers that the encoder reads for each step."""

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What the bar graph answers beside tokens, states and logits, in this order."""

    @property
    def early_ub(self) -> int:
        """Greatest early microtiming of a note, in micro-beats."""

    @property
    def pitched(self) -> bool:
        """Whether transposing means anything."""

    def features(self, steps: LoopSteps) -> Floats:
        """What the encoder reads of a loop: float32 [steps, feature_size].

        Raises:
            ValueError: a token is no class.
        """

    def decode_bar(
        self, steps: LoopSteps, sounding: int | None, *, from_step: int = 0, accent_depth: float = 1.0
    ) -> DecodedBar:
        """The notes of sixteen steps; what sounds before ``from_step`` is left out.

        Models that know no velocity get metric accents, 0 for none to 2 for twice the usual depth.

        Raises:
            ValueError: there are not sixteen steps, or a token is no class.
        """

    def sounding_at(self, tokens: Sequence[int], step: int, sounding: int | None) -> int | None:
        """The pitch that goes on into ``step`` (0 to 16) of a bar that starts with ``sounding``."""

    def attack_velocity(self, step: int, accent_depth: float = 1.0) -> int:
        """The velocity of a note that goes on into ``step`` where it has to be struck anew."""


class MelodyCodec:
    """Single lines of MusicVAE's 90 classes; see :mod:`autoloops_engine.codecs.melody`."""

    name = melody.CODEC_NAME
    classes = melody.CLASSES
    feature_size = melody.CLASSES
    extras: tuple[Extra, ...] = ()
    early_ub = 0
    pitched = True

    def features(self, steps: LoopSteps) -> Floats:
        """See :meth:`Codec.features`."""
        return melody.one_hot(steps.tokens)

    def decode_bar(
        self, steps: LoopSteps, sounding: int | None, *, from_step: int = 0, accent_depth: float = 1.0
    ) -> DecodedBar:
        """See :meth:`Codec.decode_bar`."""
        return melody.decode_bar(steps.tokens, sounding, from_step=from_step, accent_depth=accent_depth)

    def sounding_at(self, tokens: Sequence[int], step: int, sounding: int | None) -> int | None:
        """See :meth:`Codec.sounding_at`."""
        return melody.sounding_at(tokens, step, sounding)

    def attack_velocity(self, step: int, accent_depth: float = 1.0) -> int:
        """See :meth:`Codec.attack_velocity`."""
        return melody.accent_velocity(step, accent_depth)


class DrumCodec:
    """Drums with velocity and microtiming; see :mod:`autoloops_engine.codecs.drums`."""

    name = drums.CODEC_NAME
    classes = drums.CLASSES
    feature_size = drums.FEATURES
    extras = (Extra("velocities", len(drums.VOICES)), Extra("offsets", len(drums.VOICES)))
    early_ub = drums.HALF_STEP_UB
    pitched = False

    def features(self, steps: LoopSteps) -> Floats:
        """See :meth:`Codec.features`."""
        return drums.features(steps.tokens, *steps.extras)

    def decode_bar(
        self, steps: LoopSteps, sounding: int | None, *, from_step: int = 0, accent_depth: float = 1.0
    ) -> DecodedBar:
        """See :meth:`Codec.decode_bar`; nothing ever sounds on."""
        return drums.decode_bar(drums.DrumLoop(steps.tokens, *steps.extras), from_step=from_step)

    def sounding_at(self, tokens: Sequence[int], step: int, sounding: int | None) -> int | None:
        """See :meth:`Codec.sounding_at`: None."""
        return None

    def attack_velocity(self, step: int, accent_depth: float = 1.0) -> int:
        """See :meth:`Codec.attack_velocity`."""
        return melody.accent_velocity(step, accent_depth)


MELODY: Final = MelodyCodec()
DRUMS: Final = DrumCodec()
CODECS: Final[dict[str, Codec]] = {codec.name: codec for codec in (MELODY, DRUMS)}


def codec_named(name: str) -> Codec:
    """The codec called ``name``.

    Raises:
        BundleError: this program has none of that name.
    """
    if name not in CODECS:
        raise BundleError(f"The model speaks {name}, which this program does not know; update autoloops to use it.")
    return CODECS[name]
