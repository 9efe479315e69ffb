"""From what the model decoded to the steps that a bar is kept with."""

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.constraints.edits import UNLIMITED, limited
from autoloops_engine.inference.requests import Decoded
from autoloops_engine.session.rendering import BarRecord
from autoloops_engine.session.wanted import Asked
from autoloops_engine.units import STEPS_PER_BAR


def shaped(asked: Asked, decoded: Decoded, last: BarRecord | None) -> LoopSteps:
    """The decoded steps as faders, change limiter and what is frozen want them.

    Args:
        asked: What the bar was asked from.
        decoded: The answer.
        last: The same bar as it sounded in the last pass; None: it did not.
    """
    settings, request = asked.loop.settings, decoded.request
    first, first_loop_step = request.first_step, asked.loop_bar * STEPS_PER_BAR + request.first_step
    steps = LoopSteps(decoded.tokens, decoded.extras)
    if asked.levers is not None:
        steps = asked.levers.touch(steps, first)
    if settings.edits < UNLIMITED and last is not None and not settings.as_heard:
        bias = None if request.bias is None else request.bias[first:]
        steps = limited(steps, last.steps.rest(first), decoded.logits, bias, settings.edits)
    return settings.bounds.with_kept_extras(steps, first_loop_step)
