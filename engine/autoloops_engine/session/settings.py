"""What a part is set up with, what its bars are decoded from, and what changes that at a position."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from autoloops_engine.codecs.registry import MELODY, Codec
from autoloops_engine.constraints.edits import UNLIMITED
from autoloops_engine.constraints.limits import NO_LIMITS, FrozenStep, Limits, as_heard
from autoloops_engine.latent import LatentPoint, LatentSpace

SEMITONES_PER_OCTAVE: Final = 12
# Beside the point, what the model reads; the rest changes how its notes sound.
_DECODED: Final = ("seed", "temperature", "hold", "limits", "edits")


@dataclass(frozen=True, slots=True, eq=False)
class PartSetup:
    """A part as the performer asked for it.

    Attributes:
        name: Its name.
        channel: MIDI channel, 1 to 16.
        space: The controls of its model's latent space.
        bars: Bars in a loop of its model.
        temperature: Temperature to begin with.
        codec: What the steps of its model mean.
        model: What the model is called.
        port: The port of the rig file that it plays to; empty: that of ``--midi-out``.
    """

    name: str
    channel: int
    space: LatentSpace
    bars: int
    temperature: float = 1.0
    codec: Codec = MELODY
    model: str = ""
    port: str = ""


class Arrival(NamedTuple):
    """A part that somebody wants, before its model is loaded.

    Attributes:
        part: Its name.
        bundle: Name or path of the bundle, and after ``#`` the output that is to play.
        channel: MIDI channel, 1 to 16.
        port: The port of the rig file that it plays to; empty: that of ``--midi-out``.
    """

    part: str
    bundle: str
    channel: int
    port: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What a bar is decoded and rendered from.

    Attributes:
        point: The latent point.
        seed: Seed of the noise.
        temperature: 0 to 4; 0 is greedy.
        hold: The loop repeats; otherwise each pass has noise of its own.
        transpose: Semitones, -48 to 48.
        velocity: Factor, 0 to 2.
        accent: Depth of the metric accents of models that know no velocity, 0 to 2.
        limits: What the part may not play.
        edits: How many steps of a bar may differ from the last pass, 0 to 16; 16: all.
        octave: Octaves on top of the transposition, -4 to 4.
        as_heard: The loop is to sound as this one, bar after bar, whatever the model would make; empty: it is not.
        gate: Length of the notes, as a share of what was decoded, 0.05 to 1; below 1 no note sounds on over a bar line.
    """

    point: LatentPoint
    seed: int
    temperature: float = 1.0
    hold: bool = True
    transpose: int = 0
    velocity: float = 1.0
    accent: float = 1.0
    limits: Limits = NO_LIMITS
    edits: int = UNLIMITED
    octave: int = 0
    gate: float = 1.0

    as_heard: tuple[FrozenStep, ...] = ()

    @property
    def bounds(self) -> Limits:
        """What may be played: the limits, or nothing but what was heard."""
        return as_heard(self.as_heard) if self.as_heard else self.limits

    def going_on_from(self, old: "Settings") -> "Settings":
        """The settings behind a change: what was heard before comes back only until something else is asked for."""
        if not self.as_heard or self.as_heard is not old.as_heard:
            return self
        same = self.point is old.point and all(getattr(self, name) == getattr(old, name) for name in _DECODED)
        return self if same else replace(self, as_heard=())

    @property
    def shift(self) -> int:
        """Semitones that are added to what is decoded."""
        return self.transpose + SEMITONES_PER_OCTAVE * self.octave


@dataclass(frozen=True, slots=True)
class Launch:
    """Something that takes effect at a position.

    Attributes:
        position_ub: Where, in micro-beats from the start of bar 1.
        point: The latent point from there on; None: as it is.
        seed: The seed from there on; None: as it is.
        restart: Bar 0 of the loop falls on this position, which is a bar line then.
        settings: Everything from there on, before point and seed; None: as it is.
    """

    position_ub: int
    point: LatentPoint | None = None
    seed: int | None = None
    restart: bool = False
    settings: Settings | None = None


def launched(settings: Settings, launch: Launch) -> Settings:
    """The settings that hold once a launch took effect."""
    settings = launch.settings or settings
    if launch.point is not None or launch.seed is not None:
        settings = replace(settings, as_heard=())
    return replace(
        settings,
        point=settings.point if launch.point is None else launch.point,
        seed=settings.seed if launch.seed is None else launch.seed,
    )
