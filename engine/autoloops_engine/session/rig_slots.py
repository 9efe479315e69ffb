"""Slots of the whole rig: beside the settings of parts, what they are to keep to, who is heard, and how points move."""

from dataclasses import replace

from msgspec import structs

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint
from autoloops_engine.session import later
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.scene import Ground, Manner, Moves, Scene
from autoloops_engine.session.settings import Settings
from autoloops_engine.session.stage import Stage, carried
from autoloops_engine.session.state import Stored, packed, unpacked
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

# By part, what a slot holds of it and how it stood in the rig.
Scenes = dict[str, tuple[Stored, Scene]]


def scene_of(stage: Stage, part: PartSession) -> Scene:
    """How a part stands in the rig."""
    habits = stage.habits[part.name]
    motion = structs.replace(habits.motion, glide_bar=habits.motion.glide_bar - part.next_bar)
    moves = Moves(motion, habits.corners)
    return Scene(packed(part.settings.point.base), moves, part.muted, stage.swing, part.feel.own)


def scenes_in(slot: dict[str, Stored], recalled: list[tuple[PartSession, Settings]]) -> Scenes:
    """How the parts of a slot stood in the rig; none where each was stored by itself.

    Raises:
        UsageError: a file holds what cannot be played.
    """
    found: Scenes = {}
    for part, settings in recalled:
        stored = slot[part.name]
        if stored.scene is not None:
            Harmony().with_scale(stored.scale).with_chords(stored.chords)
            stored.scene.check(settings.point.space.size)
            try:
                settings.point.at(unpacked(stored.scene.base))
            except ValueError as error:
                raise UsageError(f"It does not fit {part.name}: {error}") from error
            found[part.name] = (stored, stored.scene)
    return found


def set_ground(stage: Stage, scenes: Scenes, position_ub: int, now_us: int) -> None:
    """From a position on, harmony and motion are those of a slot; before anything is launched that goes by them."""
    if scenes:
        stored, _ = next(iter(scenes.values()))
        moves = {name: _from(scene.moves, position_ub) for name, (_, scene) in scenes.items()}
        later.line_up(stage, Ground(position_ub, stored.scale, stored.chords, moves), now_us)


def set_manner(stage: Stage, scenes: Scenes, position_ub: int, now_us: int) -> None:
    """From a position on, mutes, swing and tempo are those of a slot."""
    if not scenes:
        return
    stored, first = next(iter(scenes.values()))
    tempo_bpm = stored.tempo_bpm
    if tempo_bpm is not None:
        tempo_bpm = min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, tempo_bpm / stage.transport.multiple))
    own_swings = {name: scene.own_swing for name, (_, scene) in scenes.items()}
    muted = {name: scene.muted for name, (_, scene) in scenes.items()}
    later.line_up(stage, Manner(position_ub, first.swing, own_swings, muted, tempo_bpm), now_us)


def moving(scene: Scene, settings: Settings, seed: int, position_ub: int) -> LatentPoint:
    """The latent point of a slot as it is at a position, where it goes on moving as it did.

    Args:
        scene: How the part stood in the rig.
        settings: What the slot holds, whose point stands where it had got to.
        seed: That the motion follows from.
        position_ub: The position.
    """
    motion, space = _from(scene.moves, position_ub).motion, settings.point.space
    point = replace(settings.point, base=settings.point.at(unpacked(scene.base)).base)
    return carried(point, motion.offset(space, seed, bar_of(position_ub)))


def _from(moves: Moves, position_ub: int) -> Moves:
    """The same, with the bar in which a glide began counted from the beginning of the song."""
    motion = moves.motion
    return Moves(structs.replace(motion, glide_bar=motion.glide_bar + bar_of(position_ub)), moves.corners)
