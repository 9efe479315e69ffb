"""What a model makes of some loops, as piano rolls: the loops, below them what comes back, below that its own.

A picture is uint8 [height, width], time to the right and high pitches on top; onsets are white, held notes grey.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoloops_engine.codecs.drums import hits_of
from autoloops_export.data.melody import FIRST_PITCH_CLASS
from autoloops_export.models.config import TRIO_PARTS
from autoloops_export.models.flat import LoopVae
from autoloops_export.models.groove import GrooveDecoder
from autoloops_export.models.loops import Loops
from autoloops_export.training.measure import COOL, free_running

LOOPS: Final = 4
STEP_WIDTH: Final = 4
VOICE_HEIGHT: Final = 6
PITCHES: Final = 88
NOTE_END: Final = 1
ONSET, HELD, EDGE = 255, 120, 60

Picture = npt.NDArray[np.uint8]


@torch.no_grad()
def pictures(model: LoopVae, loops: Loops, seed: int = 0) -> dict[str, Picture]:
    """Piano rolls by part: the first few loops, their likely decoding from the posterior mean, and as many new ones."""
    model.eval()
    some = loops.rows(slice(LOOPS))
    generator = torch.Generator(device=loops.tokens.device).manual_seed(seed)
    mu, _ = model.encode(model.features(some))
    points = torch.randn(mu.shape, generator=generator, device=mu.device)
    rows, cores = [(model.start(mu), COOL), (model.start(points), 1.0)], model.cores(some)
    parts = TRIO_PARTS if len(cores) > 1 else (model.config.role,)
    return {
        part: _sheet(
            [core_loops.tokens] + [free_running(core, *begun, warmth, generator, place) for begun, warmth in rows],
            drums=isinstance(core, GrooveDecoder),
        )
        for place, (part, (core, core_loops)) in enumerate(zip(parts, cores, strict=True))
    }


def _sheet(rows: list[Tensor], drums: bool) -> Picture:
    """Loops beside each other, the rows below each other."""
    draw = drum_roll if drums else line_roll
    return np.concatenate([np.concatenate([_framed(draw(t)) for t in row.cpu().numpy()], axis=1) for row in rows])


def _framed(roll: Picture) -> Picture:
    return np.pad(roll, 1, constant_values=EDGE)


def line_roll(tokens: npt.NDArray[np.integer[Any]]) -> Picture:
    """The piano roll of a line of tokens [T]: [88, 4 T]."""
    roll = np.zeros((PITCHES, len(tokens)), dtype=np.uint8)
    sounding: int | None = None
    for step, token in enumerate(tokens):
        if token >= FIRST_PITCH_CLASS:
            sounding = int(token) - FIRST_PITCH_CLASS
            roll[PITCHES - 1 - sounding, step] = ONSET
        elif token == NOTE_END:
            sounding = None
        elif sounding is not None:
            roll[PITCHES - 1 - sounding, step] = HELD
    return roll.repeat(STEP_WIDTH, axis=1)


def drum_roll(tokens: npt.NDArray[np.integer[Any]]) -> Picture:
    """What drum tokens [T] strike, the kick at the bottom: [54, 4 T]."""
    hits = hits_of(tokens)[:, ::-1].T.astype(np.uint8) * ONSET
    return hits.repeat(VOICE_HEIGHT, axis=0).repeat(STEP_WIDTH, axis=1)
