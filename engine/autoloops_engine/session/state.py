"""The session as plain data: what a main process that takes over has to know."""

from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from autoloops_engine.constraints.edits import UNLIMITED
from autoloops_engine.constraints.harmony import OFF, Harmony
from autoloops_engine.constraints.limits import FrozenStep, Limits
from autoloops_engine.latent import LatentPoint, LatentSpace, Vector, point_at
from autoloops_engine.messages import TransportState
from autoloops_engine.session.feel import PartFeel
from autoloops_engine.session.firing import Fired
from autoloops_engine.session.habits import Habits
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.scene import Later, Scene
from autoloops_engine.session.settings import Launch, Settings
from autoloops_engine.session.takes import Take, TempoBpm
from autoloops_engine.time.swing import Swing

_FLOAT64: Final = "<f8"


class PointState(Struct, frozen=True):
    """A latent point by its controls; see ``LatentPoint``.

    Attributes:
        base: Float64, little-endian: what is written thirty times a second is to be short, and exact.
        knobs: By knob from 0.
        attributes: By key.
        motion: As ``base``; None when still.
    """

    base: bytes
    knobs: dict[int, float] = {}
    attributes: dict[str, float] = {}
    motion: bytes | None = None


class FiredState(Struct, frozen=True):
    """What `fire again` goes back to, and how many points were fired."""

    count: int
    point: PointState
    seed: int


class SettingsState(Struct, frozen=True):
    """What bars are made from; see ``Settings``. It lies in files, which others may write: ranges are checked."""

    point: PointState
    seed: Annotated[int, Meta(ge=0)]
    temperature: Annotated[float, Meta(ge=0, le=4)]
    hold: bool
    transpose: Annotated[int, Meta(ge=-48, le=48)]
    velocity: Annotated[float, Meta(ge=0, le=2)]
    accent: Annotated[float, Meta(ge=0, le=2)]
    limits: Limits
    edits: Annotated[int, Meta(ge=0, le=UNLIMITED)]
    octave: Annotated[int, Meta(ge=-4, le=4)]
    gate: Annotated[float, Meta(ge=0.05, le=1)]
    as_heard: tuple[FrozenStep, ...]


class Stored(Struct, frozen=True):
    """What a slot holds of a part, and the model whose latent point that is; with what it takes to export it.

    Attributes:
        model: What the model is called.
        settings: What the part was set to.
        family: Identifies the model among those of its name; empty: it is not known.
        take: The loop as it sounded; None: it was stored before it did.
        scale: What it was to keep to then, as in ``Harmony``, ...
        chords: ... and so.
        tempo_bpm: The tempo of the song then; None: not known.
        scene: How the part stood in the rig, which was stored as a whole; None: the part was stored by itself.
    """

    model: str
    settings: SettingsState
    family: str = ""
    take: Take | None = None
    scale: str = OFF
    chords: str = OFF
    tempo_bpm: TempoBpm | None = None
    scene: Scene | None = None


class LaunchState(Struct, frozen=True):
    """A launch that is lined up; see ``Launch``."""

    position_ub: int
    point: PointState | None
    seed: int | None
    restart: bool
    settings: SettingsState | None


class PartState(Struct, frozen=True):
    """One part; see ``Settings`` and ``PartSession``."""

    settings: SettingsState
    length_bars: int
    origin_bar: int
    channel: int
    muted: bool
    fired: FiredState
    launches: tuple[LaunchState, ...]
    feel: PartFeel
    habits: Habits
    port: str = ""


class SessionState(Struct, frozen=True):
    """Everything that a performer set, the transport as the player last reported it, and who shares a latent point.

    Attributes:
        leaving: By part, the position at which it leaves.
        came: How many parts there were since the start.
        later: What takes effect together with launches.
    """

    seed: int
    tempo_bpm: float
    parts: dict[str, PartState]
    transport: TransportState | None = None
    scale: str = OFF
    chords: str = OFF
    links: tuple[tuple[str, ...], ...] = ()
    swing: Swing = Swing()
    listens: bool = False
    leaving: dict[str, int] = {}
    came: int = 0
    later: tuple[Later, ...] = ()


def point_state(point: LatentPoint) -> PointState:
    """A latent point as plain data."""
    motion = None if point.motion is None else packed(point.motion)
    return PointState(packed(point.base), dict(point.knobs), dict(point.attributes), motion)


def restored_point(state: PointState, space: LatentSpace) -> LatentPoint:
    """The latent point again.

    Raises:
        ValueError: it does not fit the model's latent space.
    """
    point = point_at(space, unpacked(state.base))
    for index, position in state.knobs.items():
        point = point.with_knob(index, position)
    for name, position in state.attributes.items():
        point = point.with_attribute(name, position)
    return point.with_motion(None if state.motion is None else unpacked(state.motion))


def settings_state(settings: Settings) -> SettingsState:
    """Settings as plain data."""
    return SettingsState(
        point_state(settings.point),
        settings.seed,
        settings.temperature,
        settings.hold,
        settings.transpose,
        settings.velocity,
        settings.accent,
        settings.limits,
        settings.edits,
        settings.octave,
        settings.gate,
        settings.as_heard,
    )


def restored_settings(state: SettingsState, space: LatentSpace) -> Settings:
    """The settings again.

    Raises:
        ValueError: the point does not fit the model's latent space.
    """
    return Settings(
        restored_point(state.point, space),
        state.seed,
        state.temperature,
        state.hold,
        state.transpose,
        state.velocity,
        state.accent,
        state.limits,
        state.edits,
        state.octave,
        state.gate,
        state.as_heard,
    )


def part_state(part: PartSession, fired: Fired, habits: Habits) -> PartState:
    """A part as plain data."""
    return PartState(
        settings_state(part.settings),
        part.length_bars,
        part.origin_bar,
        part.channel,
        part.muted,
        FiredState(fired.count, point_state(fired.point), fired.seed),
        tuple(_launch_state(launch) for launch in part.launches),
        part.feel,
        habits,
        part.port,
    )


def restore_part(part: PartSession, state: PartState, harmony: Harmony) -> Fired:
    """Put a part back to what it was; what it fired last.

    Raises:
        ValueError: the point does not fit the part's model.
    """
    space = part.settings.point.space
    settings = restored_settings(state.settings, space)
    launches = [_restored_launch(launch, space) for launch in state.launches]
    fired = Fired(state.fired.count, restored_point(state.fired.point, space), state.fired.seed)
    part.resume(settings, state.length_bars, state.origin_bar, launches, harmony, muted=state.muted)
    part.channel = state.channel
    part.port = state.port
    part.feel = state.feel
    return fired


def _launch_state(launch: Launch) -> LaunchState:
    point = None if launch.point is None else point_state(launch.point)
    settings = None if launch.settings is None else settings_state(launch.settings)
    return LaunchState(launch.position_ub, point, launch.seed, launch.restart, settings)


def _restored_launch(state: LaunchState, space: LatentSpace) -> Launch:
    point = None if state.point is None else restored_point(state.point, space)
    settings = None if state.settings is None else restored_settings(state.settings, space)
    return Launch(state.position_ub, point, state.seed, state.restart, settings)


def packed(vector: Vector) -> bytes:
    """Numbers as float64, little-endian."""
    return vector.astype(_FLOAT64).tobytes()


def unpacked(packed: bytes) -> Vector:
    """The numbers again.

    Raises:
        ValueError: these are no whole numbers of eight bytes.
    """
    return np.frombuffer(packed, _FLOAT64).astype(np.float64)
