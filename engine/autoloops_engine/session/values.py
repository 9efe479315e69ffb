"""The values of a part that controllers set and ask: one row each, with its range."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from autoloops_engine.constraints.edits import UNLIMITED
from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import Settings
from autoloops_engine.session.surface import Key, Values
from autoloops_engine.units import MAX_COORDINATE, STEPS_PER_BAR

MAX_LENGTH_BARS: Final = 64
MAX_OCTAVES: Final = 4
LEAST_GATE: Final = 0.05
MAX_SEED: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PartValue:
    """How one value of a part is read, and how the settings with another value are made."""

    read: Callable[[PartSession, Key], Values]
    write: Callable[[Settings, Key, Values], Settings]


def number(values: Values, low: float, high: float) -> float:
    """The single number in ``values``.

    Raises:
        UsageError: it is not one number from ``low`` to ``high``.
    """
    if len(values) != 1 or isinstance(values[0], str) or not low <= values[0] <= high:
        raise UsageError(f"It takes one number from {low:g} to {high:g}.")
    return float(values[0])


def whole(values: Values, low: int, high: int) -> int:
    """The single whole number in ``values``; see ``number``."""
    return round(number(values, low, high))


def flag(values: Values) -> bool:
    """The single 0 or 1 in ``values``; see ``number``."""
    return number(values, 0, 1) >= 0.5


def index(key: Key) -> int:
    """A position counted from 1 by performers, as one counted from 0.

    Raises:
        UsageError: it is no whole number.
    """
    if not isinstance(key, int):
        raise UsageError("It is addressed by a number, counted from 1.")
    return key - 1


def _coordinates(values: Values) -> list[float]:
    return [float(value) for value in values]


def _coordinate(point: LatentPoint, at: int) -> float:
    if not 0 <= at < point.space.size:
        raise UsageError(f"The latent point has coordinates 1 to {point.space.size}, not {at + 1}.")
    return float(point.base[at])


def several(values: Values, high: int, what: str) -> tuple[int, ...]:
    """Whole numbers from 1 to ``high``, of what a performer calls ``what``; a single 0 is none.

    Raises:
        UsageError: one lies outside.
    """
    numbers = [round(value) if not isinstance(value, str) and 0 <= value <= high else -1 for value in values]
    if numbers == [0]:
        return ()
    if any(number < 1 for number in numbers):
        raise UsageError(f"It takes {what} from 1 to {high}, one or several, or 0 alone for none.")
    return tuple(numbers)


def steps_of(values: Values, steps: int) -> frozenset[int]:
    """Steps counted from 1 by performers, counted from 0; a single 0 is none.

    Raises:
        UsageError: one lies outside of 1 to ``steps``.
    """
    return frozenset(step - 1 for step in several(values, steps, "steps"))


def told_steps(steps: Collection[int]) -> Values:
    """Steps as performers count them, from 1; 0 for none."""
    return tuple(step + 1 for step in sorted(steps)) or (0,)


PART_VALUES: Final[dict[str, PartValue]] = {
    "z": PartValue(
        lambda part, key: (
            tuple(float(x) for x in part.z()) if key is None else (_coordinate(part.settings.point, index(key)),)
        ),
        lambda settings, key, values: replace(
            settings,
            point=(
                settings.point.at(_coordinates(values))
                if key is None
                else settings.point.with_coordinate(index(key), number(values, -MAX_COORDINATE, MAX_COORDINATE))
            ),
        ),
    ),
    "knob": PartValue(
        lambda part, key: (part.settings.point.knob(index(key)),),
        lambda settings, key, values: replace(
            settings, point=settings.point.with_knob(index(key), number(values, 0, 1))
        ),
    ),
    "attr": PartValue(
        lambda part, key: (part.settings.point.attribute(str(key)),),
        lambda settings, key, values: replace(
            settings, point=settings.point.with_attribute(str(key), number(values, 0, 1))
        ),
    ),
    "temperature": PartValue(
        lambda part, key: (part.settings.temperature,),
        lambda settings, key, values: replace(settings, temperature=number(values, 0, 4)),
    ),
    "seed": PartValue(
        lambda part, key: (part.settings.seed,),
        lambda settings, key, values: replace(settings, seed=whole(values, 0, MAX_SEED)),
    ),
    "hold": PartValue(
        lambda part, key: (int(part.settings.hold),),
        lambda settings, key, values: replace(settings, hold=flag(values)),
    ),
    "transpose": PartValue(
        lambda part, key: (part.settings.transpose,),
        lambda settings, key, values: replace(settings, transpose=whole(values, -48, 48)),
    ),
    "velocity": PartValue(
        lambda part, key: (part.settings.velocity,),
        lambda settings, key, values: replace(settings, velocity=number(values, 0, 2)),
    ),
    "rests": PartValue(
        lambda part, key: told_steps(part.settings.limits.rests),
        lambda settings, key, values: replace(
            settings, limits=msgspec.structs.replace(settings.limits, rests=steps_of(values, STEPS_PER_BAR))
        ),
    ),
    "octave": PartValue(
        lambda part, key: (part.settings.octave,),
        lambda settings, key, values: replace(settings, octave=whole(values, -MAX_OCTAVES, MAX_OCTAVES)),
    ),
    "gate": PartValue(
        lambda part, key: (part.settings.gate,),
        lambda settings, key, values: replace(settings, gate=number(values, LEAST_GATE, 1)),
    ),
    "edits": PartValue(
        lambda part, key: (part.settings.edits,),
        lambda settings, key, values: replace(settings, edits=whole(values, 0, UNLIMITED)),
    ),
    "accent": PartValue(
        lambda part, key: (part.settings.accent,),
        lambda settings, key, values: replace(settings, accent=number(values, 0, 2)),
    ),
}
