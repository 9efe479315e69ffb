"""The latent point: base + calibrated knob offsets + attribute offsets + motion.

Every function answers a new point and leaves the old one alone. Each control moves its own term, so moving one
never moves another; replacing the point (`z`, encode, a new one, recall) sets the base and brings the others to
rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.bundle.density import Density
from autoloops_engine.bundle.manifest import KNOB_REST, Attribute, Manifest
from autoloops_engine.density import Mixture, mixture_of
from autoloops_engine.interpolation import Paths, pad, slerp
from autoloops_engine.philox import Stream, normal
from autoloops_engine.units import MAX_COORDINATE

Vector = npt.NDArray[np.float64]

# A model without calibration: knob I moves axis I by so many standard deviations to either side.
UNCALIBRATED_REACH: Final = 2.0
MAX_KNOBS: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class Fader:
    """A direction and how far along it a control position leads.

    Attributes:
        direction: Vector of Z numbers.
        positions: Control positions by rising value, from 0 to 1.
        offsets: Offset along the direction at each of them, linear in between.
        rest: The position with offset 0.
        span: Of attributes: what is measured at positions 0 and 1; None: nobody knows.
    """

    direction: Vector
    positions: tuple[float, ...]
    offsets: tuple[float, ...]
    rest: float = KNOB_REST
    span: tuple[float, float] | None = None

    def offset(self, position: float) -> Vector:
        """What the control adds to the latent point."""
        return self.direction * float(np.interp(position, self.positions, self.offsets))


@dataclass(frozen=True, slots=True, eq=False)
class LatentSpace:
    """The controls of one model's latent space, as one of its parts sees them.

    Attributes:
        size: Z.
        knobs: Most telling first.
        attributes: By name, those of this part.
        density: Where the loops lie; None: the standard normal prior has to do.
        output: The part, where the model plays several; their points are one and the same.
        others: Where the model plays several parts, the attributes of the others, by ``PART/NAME``.
        family: Identifies the model; empty where it is not known.
        paths: The ways between points, where they lead along the density; None: great circles.
    """

    size: int
    knobs: tuple[Fader, ...]
    attributes: Mapping[str, Fader]
    density: Mixture | None = None
    output: str = ""
    others: Mapping[str, Fader] = field(default_factory=dict)
    family: str = ""
    paths: Paths | None = None

    def new_point(self, seed: int, index: int = 0) -> Vector:
        """A point where loops lie, float64 [Z]: the same for the same seed and index."""
        return prior_sample(seed, self.size, index) if self.density is None else self.density.draw(seed, index)

    def between(self, corners: Sequence[npt.ArrayLike], x: float, y: float = 0.0) -> Vector:
        """A point on the way between two points or on the pad between four, float64 [Z].

        Args:
            corners: Points [Z]; at ``x`` 0 and 1, and of four at ``y`` 0 and 1, these themselves are met.
            x: From the first to the second, and from the third to the fourth; 0 to 1.
            y: From the first pair to the second; 0 to 1.
        """
        points = [np.asarray(corner, dtype=np.float64) for corner in corners]
        return pad(slerp, points, x, y) if self.paths is None else self.paths.between(points, x, y)

    def key(self, name: str) -> str:
        """What an attribute of this part is called in the points of the space."""
        return f"{self.output}/{name}" if self.output else name

    def name(self, key: str) -> str | None:
        """The name of the attribute of this part with that key; None when it is another part's."""
        name = key.removeprefix(f"{self.output}/") if self.output else key
        return name if name in self.attributes and self.key(name) == key else None

    def fader(self, key: str) -> Fader:
        """The attribute fader, of whichever part, with that key; KeyError when there is none such."""
        name = self.name(key)
        return self.others[key] if name is None else self.attributes[name]

    def same_model(self, other: "LatentSpace") -> bool:
        """Whether a point of this space is one of the other, too."""
        return self is other or (self.family != "" and self.family == other.family)


def latent_space(manifest: Manifest, output: str = "", family: str = "") -> LatentSpace:
    """The controls that a bundle describes.

    Without ranked dimensions, knob I moves axis I by up to two standard deviations of the prior to
    either side.

    Args:
        manifest: Of the whole model.
        output: The part whose attributes they are, where the model plays several.
        family: Identifies the model, so that spaces of the same one recognise each other.
    """
    size = manifest.latent_size
    knobs = [
        Fader(_frozen(np.array(k.direction)), tuple(p for p, _ in k.curve), tuple(o for _, o in k.curve))
        for k in manifest.knobs
    ]
    if not knobs:
        reach = UNCALIBRATED_REACH
        axes = np.eye(size)[: min(MAX_KNOBS, size)]
        knobs = [Fader(_frozen(axis), (0.0, KNOB_REST, 1.0), (-reach, 0.0, reach)) for axis in axes]
    faders = {
        (a.output, a.name): Fader(
            _frozen(np.array(a.direction)), tuple(p for p, _ in a.curve), tuple(o for _, o in a.curve), a.rest, _span(a)
        )
        for a in manifest.attributes
    }
    density = None if manifest.density is None else mixture_of(manifest.density, size)
    paths = _paths(manifest.density, size) if manifest.density is not None and manifest.density.leads else None
    own = {name: fader for (part, name), fader in faders.items() if part == output}
    others = {f"{part}/{name}": fader for (part, name), fader in faders.items() if part != output}
    return LatentSpace(
        size,
        tuple(knobs),
        MappingProxyType(own),
        density,
        output,
        MappingProxyType(others),
        family,
        paths,
    )


@lru_cache(maxsize=8)
def _paths(density: Density, size: int) -> Paths:
    """The ways of a density, which all parts with the model share."""
    return Paths(mixture_of(density, size))


@dataclass(frozen=True, slots=True, eq=False)
class LatentPoint:
    """A point with the controls that lead to it.

    Attributes:
        space: The controls there are.
        base: Z numbers.
        knobs: Positions, 0 to 1, by knob from 0; those at rest are left out.
        attributes: Positions, 0 to 1, by the key that the space gives to names; those at rest are left out.
        motion: Z numbers that walk, orbit or morph add; None when still.
    """

    space: LatentSpace
    base: Vector
    knobs: Mapping[int, float] = field(default_factory=dict)
    attributes: Mapping[str, float] = field(default_factory=dict)
    motion: Vector | None = None

    def z(self) -> Vector:
        """The sum: what the decoder gets, float64 [Z]; the same for the same positions, however reached."""
        total = self.base.copy()
        for index, position in sorted(self.knobs.items()):
            total += self.space.knobs[index].offset(position)
        for key, position in sorted(self.attributes.items()):
            total += self.space.fader(key).offset(position)
        if self.motion is not None:
            total += self.motion
        return total

    def knob(self, index: int) -> float:
        """Position of a knob, from 0 in ``index``; ValueError when there is none such."""
        self._fader(index)
        return self.knobs.get(index, KNOB_REST)

    def attribute(self, name: str) -> float:
        """Position of an attribute fader; ValueError when the model has none such."""
        key = self._key(name)
        return self.attributes.get(key, self.space.fader(key).rest)

    def own_attributes(self) -> dict[str, float]:
        """By name, the positions of this part's attribute faders that are off their rest."""
        named = ((self.space.name(key), position) for key, position in sorted(self.attributes.items()))
        return {name: position for name, position in named if name is not None}

    def without_own_attributes(self) -> "LatentPoint":
        """The point with the attribute faders of this part at rest; all else stays."""
        return replace(
            self, attributes={key: at for key, at in self.attributes.items() if self.space.name(key) is None}
        )

    def seen_in(self, space: LatentSpace) -> "LatentPoint":
        """The same point as another part of the same model sees it."""
        return replace(self, space=space)

    def at(self, z: npt.ArrayLike) -> "LatentPoint":
        """The point whose base is ``z``, with knobs, attributes and motion at rest.

        Raises:
            ValueError: these are not Z finite numbers of at most 100 in size.
        """
        return LatentPoint(self.space, _vector(z, self.space.size))

    def with_coordinate(self, index: int, value: float) -> "LatentPoint":
        """The point with one coordinate of its base changed, from 0 in ``index``; all else stays.

        Raises:
            ValueError: there is no such coordinate or the number is not finite or too large.
        """
        if not 0 <= index < self.space.size:
            raise ValueError(f"The latent point has coordinates 1 to {self.space.size}, not {index + 1}.")
        base = self.base.copy()
        base[index] = value
        return replace(self, base=_vector(base, self.space.size))

    def with_knob(self, index: int, position: float) -> "LatentPoint":
        """The point with one knob moved, from 0 in ``index``; all else stays.

        Raises:
            ValueError: there is no such knob or the position is outside 0 to 1.
        """
        self._fader(index)
        moved = {**self.knobs, index: _position(position)}
        return replace(self, knobs={i: p for i, p in moved.items() if p != KNOB_REST})

    def with_attribute(self, name: str, position: float) -> "LatentPoint":
        """The point with one attribute fader moved; all else stays.

        Args:
            name: The fader's name, or its key, which may be that of another part's fader.
            position: 0 to 1.

        Raises:
            ValueError: the model has no such attribute or the position is outside 0 to 1.
        """
        key = self._key(name)
        moved = {**self.attributes, key: _position(position)}
        if moved[key] == self.space.fader(key).rest:
            del moved[key]
        return replace(self, attributes=moved)

    def with_motion(self, motion: npt.ArrayLike | None) -> "LatentPoint":
        """The point with what walk, orbit or morph add; None: nothing. All else stays.

        Raises:
            ValueError: these are not Z finite numbers of at most 100 in size.
        """
        return replace(self, motion=None if motion is None else _vector(motion, self.space.size))

    def _fader(self, index: int) -> Fader:
        if not 0 <= index < len(self.space.knobs):
            raise ValueError(f"The model has knobs 1 to {len(self.space.knobs)}, not {index + 1}.")
        return self.space.knobs[index]

    def _key(self, name: str) -> str:
        space = self.space
        if name in space.attributes:
            return space.key(name)
        if name in space.others or space.name(name) is not None:
            return name
        known = ", ".join(space.attributes) or "none"
        raise ValueError(f"The model has no attribute {name}; it has: {known}.")


def point_at(space: LatentSpace, z: npt.ArrayLike) -> LatentPoint:
    """A point with everything at rest.

    Raises:
        ValueError: these are not Z finite numbers of at most 100 in size.
    """
    return LatentPoint(space, _vector(z, space.size))


def prior_sample(seed: int, size: int, index: int = 0) -> Vector:
    """A point of the prior, standard normal [size]: the same for the same seed and index."""
    return normal(seed, Stream.PRIOR, index, size)


def _span(attribute: Attribute) -> tuple[float, float] | None:
    low, high = attribute.low, attribute.high
    return None if low is None or high is None else (low, high)


def _frozen(vector: Vector) -> Vector:
    vector.setflags(write=False)
    return vector


def _vector(numbers: npt.ArrayLike, size: int) -> Vector:
    try:
        vector = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A latent point is {size} numbers.") from error
    if vector.shape != (size,):
        raise ValueError(f"A latent point is {size} numbers, not {vector.size}.")
    # Written so that not-a-number fails too.
    if not (np.abs(vector) <= MAX_COORDINATE).all():
        raise ValueError(f"A latent coordinate is a number from -{MAX_COORDINATE:g} to {MAX_COORDINATE:g}.")
    return _frozen(vector)


def _position(position: float) -> float:
    if not 0.0 <= position <= 1.0:
        raise ValueError(f"A control position lies between 0 and 1, not {position!r}.")
    return float(position)
