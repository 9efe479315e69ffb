"""What a network looks like, and the checks that it can."""

from dataclasses import dataclass
from typing import Final

from autoloops_engine.codecs import drums
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec
from autoloops_engine.units import STEPS_PER_BAR

CONDUCTED: Final = ("hierarchical", "trio")
TRIO_PARTS: Final = ("melody", "bass", "drums")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of a model; everything that is needed to build it before its weights are loaded."""

    kind: str = "flat"
    """Structure: ``flat`` (one decoder over all steps), ``groove`` (the same for drums with velocity and timing),
    ``hierarchical`` (a conductor over bars, a decoder of one bar) or ``trio`` (the same with a decoder for each of
    melody, bass and drums)."""
    role: str = "melody"
    """The role whose windows it learns."""
    classes: int = 90
    """Number of token classes a step; of a trio, those of its lines."""
    bars: int = 2
    """Bars of a loop; each has 16 steps."""
    latent: int = 128
    """Size of z."""
    encoder_hidden: int = 320
    """Units of the encoder's LSTM in each direction."""
    encoder_reads: int = 4
    """How many evenly spaced outputs of the encoder, each way, form its summary; 1: only the last ones."""
    decoder_hidden: int = 256
    """Units of each layer of the decoder's LSTM."""
    decoder_layers: int = 2
    """Layers of the decoder's LSTM."""
    embedding: int = 64
    """Size of the previous token's embedding at the decoder's input."""
    conductor_hidden: int = 192
    """Units of the conductor (with a conductor only)."""
    bar_hidden: int = 128
    """Size of what the encoder says of a bar, and units, each way, of the LSTM that reads the bars
    (with a conductor only)."""
    bar_share: int = 64
    """Numbers that each bar gives the posterior, and that each bar is told of z directly (with a conductor only)."""
    touch_hidden: int = 64
    """Units between the decoder and the velocities and offsets (``groove`` only)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ValueError: a size is not positive, or the reads do not divide the steps.
        """
        for name in ("classes", "bars", "latent", "encoder_hidden", "encoder_reads"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be at least 1.")
        for name in (
            "decoder_hidden",
            "decoder_layers",
            "embedding",
            "touch_hidden",
            "conductor_hidden",
            "bar_hidden",
            "bar_share",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be at least 1.")
        if self.kind == "groove" and self.classes != drums.CLASSES:
            raise ValueError(f"model.classes must be {drums.CLASSES} for the kind groove.")
        if self.encoder_steps % self.encoder_reads:
            raise ValueError(f"model.encoder_reads must divide the {self.encoder_steps} steps that the encoder reads.")

    @property
    def steps(self) -> int:
        """Steps of a loop."""
        return self.bars * STEPS_PER_BAR

    @property
    def encoder_steps(self) -> int:
        """Steps that the encoder's first LSTM reads at a stretch: a loop, or a bar."""
        return STEPS_PER_BAR if self.kind in CONDUCTED else self.steps

    @property
    def summary(self) -> int:
        """Size of what the posterior is read from."""
        if self.kind in CONDUCTED:
            return self.bars * self.bar_share
        return 2 * self.encoder_hidden * self.encoder_reads

    @property
    def point(self) -> int:
        """Size of what a bar is told at every step: z, or its share of z and the conductor's word on it."""
        return self.bar_share + self.conductor_hidden if self.kind in CONDUCTED else self.latent

    @property
    def codec(self) -> Codec:
        """What its steps mean to the engine."""
        return DRUMS if self.kind == "groove" else MELODY

    @property
    def features(self) -> int:
        """Numbers that the encoder reads for each step."""
        if self.kind == "trio":
            return 2 * self.classes + drums.FEATURES
        return drums.FEATURES if self.kind == "groove" else self.classes

    @property
    def state(self) -> int:
        """Size of the decoder's flattened state: h and c of every layer."""
        return 2 * self.decoder_layers * self.decoder_hidden
