"""The session as plain data: what a main process that takes over has to know."""

from msgspec import Struct

from autoloops_engine.latent import LatentPoint, LatentSpace, point_at
from autoloops_engine.messages import TransportState
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.settings import Settings


class PointState(Struct, frozen=True):
    """A latent point by its controls; see ``LatentPoint``."""

    base: tuple[float, ...]
    knobs: dict[int, float] = {}
    attributes: dict[str, float] = {}
    motion: tuple[float, ...] | None = None


class FiredState(Struct, frozen=True):
    """What `fire again` goes back to, and how many points were fired."""

    count: int
    point: PointState
    seed: int


class PartState(Struct, frozen=True):
    """One part; see ``Settings`` and ``PartSession``."""

    point: PointState
    seed: int
    temperature: float
    hold: bool
    transpose: int
    velocity: float
    accent: float
    length_bars: int
    origin_bar: int
    muted: bool
    fired: FiredState


class SessionState(Struct, frozen=True):
    """Everything that a performer set, and the transport as the player last reported it; see ``Session``."""

    seed: int
    tempo_bpm: float
    parts: dict[str, PartState]
    transport: TransportState | None = None


def point_state(point: LatentPoint) -> PointState:
    """A latent point as plain data."""
    motion = None if point.motion is None else tuple(float(x) for x in point.motion)
    return PointState(tuple(float(x) for x in point.base), dict(point.knobs), dict(point.attributes), motion)


def restored_point(state: PointState, space: LatentSpace) -> LatentPoint:
    """The latent point again.

    Raises:
        ValueError: it does not fit the model's latent space.
    """
    point = point_at(space, state.base)
    for index, position in state.knobs.items():
        point = point.with_knob(index, position)
    for name, position in state.attributes.items():
        point = point.with_attribute(name, position)
    return point.with_motion(state.motion)


def part_state(part: PartSession, fired: Fired) -> PartState:
    """A part as plain data."""
    settings = part.settings
    return PartState(
        point_state(settings.point),
        settings.seed,
        settings.temperature,
        settings.hold,
        settings.transpose,
        settings.velocity,
        settings.accent,
        part.length_bars,
        part.origin_bar,
        part.muted,
        FiredState(fired.count, point_state(fired.point), fired.seed),
    )


def restore_part(part: PartSession, state: PartState) -> Fired:
    """Put a part back to what it was; what it fired last.

    Raises:
        ValueError: the point does not fit the part's model.
    """
    space = part.settings.point.space
    part.settings = Settings(
        restored_point(state.point, space),
        state.seed,
        state.temperature,
        state.hold,
        state.transpose,
        state.velocity,
        state.accent,
    )
    part.length_bars = state.length_bars
    part.origin_bar = state.origin_bar
    part.muted = state.muted
    return Fired(state.fired.count, restored_point(state.fired.point, space), state.fired.seed)
