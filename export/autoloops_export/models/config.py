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
    bar_hidden: int = 96
    """Units, each way, of the encoder's LSTM over bars (with a conductor only)."""
    bar_share: int = 96
    """Numbers that a bar of a part is encoded in, and that it is told of its latent dimensions (with a conductor
    only)."""
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
        if self.kind in CONDUCTED and self.latent % self.bars:
            raise ValueError(f"model.latent must be a multiple of the {self.bars} bars for the kind {self.kind}.")
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
    def parts(self) -> tuple[str, ...]:
        """What plays together."""
        return TRIO_PARTS if self.kind == "trio" else (self.role,)

    @property
    def reads(self) -> int:
        """Numbers that the encoder gathers at a few steps of what it reads at a stretch."""
        return 2 * self.encoder_hidden * self.encoder_reads

    @property
    def bar_latent(self) -> int:
        """Latent dimensions of a bar (with a conductor only)."""
        return self.latent // self.bars

    @property
    def bar_embedding(self) -> int:
        """Size of what the start graph says of a bar: z, or every part's share and the conductor's word."""
        shares = len(self.parts) * self.bar_share
        return shares + self.conductor_hidden if self.kind in CONDUCTED else self.latent

    @property
    def point(self) -> int:
        """Size of what a part is told at every step: z, or its share of a bar and the conductor's word."""
        return self.bar_share + self.conductor_hidden if self.kind in CONDUCTED else self.latent

    @property
    def codec(self) -> Codec:
        """What its steps mean to the engine."""
        return DRUMS if self.kind == "groove" else MELODY

    @property
    def part_features(self) -> dict[str, int]:
        """Numbers that the encoder reads of each part for each step."""
        drummed = {"drums"} if self.kind == "trio" else {self.role} if self.kind == "groove" else set()
        return {part: drums.FEATURES if part in drummed else self.classes for part in self.parts}

    @property
    def features(self) -> int:
        """Numbers that the encoder reads for each step."""
        return sum(self.part_features.values())

    @property
    def state(self) -> int:
        """Size of the decoder's flattened state: h and c of every layer."""
        return 2 * self.decoder_layers * self.decoder_hidden
