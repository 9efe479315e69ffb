"""What a part played as plain data, for a main process that takes over."""

from msgspec import Struct

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.constraints.limits import FrozenStep, fits, frozen_steps, loop_steps
from autoloops_engine.messages import Frozen
from autoloops_engine.session.past import PastBar
from autoloops_engine.session.stage import Stage
from autoloops_engine.session.state import SettingsState, restored_settings, settings_state


class PastState(Struct, frozen=True):
    """A bar that a part played; see ``PastBar``.

    Attributes:
        part: The part.
        model: What its model was called, and ...
        family: ... what identifies it among those of its name.
        settings: None: those of the part's bar before.
    """

    part: str
    model: str
    family: str
    song_bar: int
    loop_bar: int
    length_bars: int
    steps: tuple[FrozenStep, ...]
    settings: SettingsState | None
    scale: str
    chords: str
    frozen: tuple[Frozen, ...]


def take_past(stage: Stage) -> list[PastState]:
    """What parts played since the last call, part by part in the order in which it sounded."""
    return [_state(stage, name, bar) for name, part in stage.parts.items() for bar in part.past.take_new()]


def restore_past(stage: Stage, past: list[PastState]) -> None:
    """Remember what was played before; what the part's model cannot play is left out."""
    for state in past:
        part = stage.parts.get(state.part)
        if part is None or state.settings is None or (state.model, state.family) != _model_of(stage, state.part):
            continue
        try:
            settings = restored_settings(state.settings, part.settings.point.space)
        except ValueError:
            continue
        if not fits(state.steps, part.codec):
            continue
        harmony = Harmony().with_scale(state.scale).with_chords(state.chords)
        at = (state.song_bar, state.loop_bar, state.length_bars)
        part.past.restore(PastBar(*at, loop_steps(state.steps), settings, harmony, state.frozen))


def _state(stage: Stage, part: str, bar: PastBar) -> PastState:
    return PastState(
        part,
        *_model_of(stage, part),
        bar.song_bar,
        bar.loop_bar,
        bar.length_bars,
        frozen_steps([bar.steps]),
        settings_state(bar.settings),
        bar.harmony.scale,
        bar.harmony.chords,
        bar.frozen,
    )


def _model_of(stage: Stage, part: str) -> tuple[str, str]:
    return stage.models[part], stage.parts[part].settings.point.space.family
