"""What one part may play: its range, its rests, steps and voices that stay as they are, voices that are left out."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from msgspec.structs import replace

from autoloops_engine.codecs.drums import VOICES
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.units import STEPS_PER_BAR

LOWEST: Final = 0
HIGHEST: Final = 127
Pitch = Annotated[int, Meta(ge=LOWEST, le=HIGHEST)]
Step = Annotated[int, Meta(ge=0, lt=STEPS_PER_BAR)]
LoopStep = Annotated[int, Meta(ge=0)]
Voice = Annotated[int, Meta(ge=0, lt=len(VOICES))]
# More than any velocity or microtiming is.
_MAX_FIGURE: Final = 2.0


class FrozenStep(Struct, frozen=True, array_like=True):
    """A step as it sounded when it was frozen: its class, and for each extra of the codec its figures."""

    token: int
    extras: tuple[tuple[float, ...], ...] = ()


class Limits(Struct, frozen=True):
    """Nothing is limited at first.

    Attributes:
        low: Lowest sounding pitch, a MIDI note number.
        high: Highest sounding pitch.
        rests: Steps of each bar that stay silent, from 0.
        kept: How the loop sounded when something was frozen, step after step of the loop.
        frozen: Steps of the loop that stay as in ``kept``, from 0.
        frozen_voices: Drum voices that stay as in ``kept``, from 0.
        muted_voices: Drum voices that are left out, from 0.
    """

    low: Pitch = LOWEST
    high: Pitch = HIGHEST
    rests: frozenset[Step] = frozenset()
    kept: tuple[FrozenStep, ...] = ()
    frozen: frozenset[LoopStep] = frozenset()
    frozen_voices: frozenset[Voice] = frozenset()
    muted_voices: frozenset[Voice] = frozenset()

    @property
    def freezes(self) -> bool:
        """Whether anything stays as it was."""
        return bool(self.frozen or self.frozen_voices)

    def keeping(self, loop: Sequence[LoopSteps]) -> "Limits":
        """The same, with the loop as it sounds now for whatever is frozen from here on.

        What is frozen already stays as it was.

        Args:
            loop: The bars of the loop as they last sounded.
        """
        if self.freezes:
            return self
        return replace(self, kept=frozen_steps(loop))

    def without_kept(self) -> "Limits":
        """The same with nothing frozen: for a model whose steps mean something else."""
        return replace(self, kept=(), frozen=frozenset(), frozen_voices=frozenset())

    def kept_at(self, loop_step: int) -> FrozenStep | None:
        """What sounded at a step of the loop when it was frozen; None: it is not known."""
        return self.kept[loop_step] if loop_step < len(self.kept) else None

    def with_kept_extras(self, steps: LoopSteps, first_loop_step: int) -> LoopSteps:
        """Decoded steps with the extras (velocity, microtiming) of what is frozen as they were.

        Args:
            steps: Steps of a bar, whose classes the decoder was held to already.
            first_loop_step: Which step of the loop the first of them is.
        """
        if not (self.freezes and steps.extras):
            return steps
        extras = tuple(np.array(extra) for extra in steps.extras)
        for step in range(len(steps.tokens)):
            kept = self.kept_at(first_loop_step + step)
            if kept is None:
                continue
            voices = slice(None) if first_loop_step + step in self.frozen else sorted(self.frozen_voices)
            for extra, figures in zip(extras, kept.extras, strict=True):
                extra[step, voices] = np.asarray(figures, dtype=np.float32)[voices]
        return LoopSteps(steps.tokens, extras)


NO_LIMITS: Final = Limits()


def frozen_steps(loop: Iterable[LoopSteps]) -> tuple[FrozenStep, ...]:
    """The steps of a loop, bar after bar, as they sound."""
    return tuple(step for bar in loop for step in _steps(bar))


def loop_steps(steps: Sequence[FrozenStep]) -> LoopSteps:
    """The steps of a bar again, as a model answers them; they must be such as one codec knows (see ``fits``)."""
    extras = zip(*(step.extras for step in steps), strict=True)
    tokens = tuple(step.token for step in steps)
    return LoopSteps(tokens, tuple(np.array(figures, dtype=np.float32) for figures in extras))


def fits(kept: Iterable[FrozenStep], codec: Codec) -> bool:
    """Whether steps that were frozen are such as a codec knows."""
    sizes = [extra.size for extra in codec.extras]
    return all(
        0 <= step.token < codec.classes
        and [len(each) for each in step.extras] == sizes
        and all(abs(figure) <= _MAX_FIGURE for each in step.extras for figure in each)
        for step in kept
    )


def as_heard(kept: tuple[FrozenStep, ...]) -> Limits:
    """The limits that leave nothing but the steps of a loop."""
    return Limits(kept=kept, frozen=frozenset(range(len(kept))))


def _steps(bar: LoopSteps) -> list[FrozenStep]:
    figures: list[npt.NDArray[np.float32]] = list(bar.extras)
    return [
        FrozenStep(token, tuple(tuple(float(x) for x in extra[step]) for extra in figures))
        for step, token in enumerate(bar.tokens)
    ]
