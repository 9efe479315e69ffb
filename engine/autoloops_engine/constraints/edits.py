"""The change limiter: at most so many steps of a bar differ from how it sounded in the last pass.

Which steps may change is decided by how much likelier the model finds the new class than the old one. As the order does
not depend on the limit, a greater limit changes all that a smaller one does, and more.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.constraints.bias import FORBIDDEN
from autoloops_engine.units import STEPS_PER_BAR

UNLIMITED: Final = STEPS_PER_BAR

Floats = npt.NDArray[np.float32]


def limited(new: LoopSteps, old: LoopSteps, logits: Floats, bias: Floats | None, edits: int) -> LoopSteps:
    """The old steps with the likeliest changes towards the new ones.

    An old class that harmony or limits forbid is changed first, and beyond the limit if need be.

    Args:
        new: Steps as decoded.
        old: As many, as they sounded in the last pass.
        logits: Of the new ones, float32 [steps, classes].
        bias: What was added to them, float32 [steps, classes]; None: nothing.
        edits: How many steps may change, 0 to 16.
    """
    places = [at for at, (a, b) in enumerate(zip(new.tokens, old.tokens, strict=True)) if a != b]
    if len(places) <= edits:
        return new
    must = {at for at in places if bias is not None and bias[at, old.tokens[at]] <= FORBIDDEN}
    gains = {at: float(np.nan_to_num(logits[at, new.tokens[at]] - logits[at, old.tokens[at]])) for at in places}
    ordered = sorted(places, key=lambda at: (at not in must, -gains[at], at))
    changed = np.zeros(len(new.tokens), dtype=bool)
    changed[ordered[: max(edits, len(must))]] = True
    tokens = tuple(a if change else b for a, b, change in zip(new.tokens, old.tokens, changed, strict=True))
    extras = (np.where(changed[:, None], a, b) for a, b in zip(new.extras, old.extras, strict=True))
    return LoopSteps(tokens, tuple(extras))
