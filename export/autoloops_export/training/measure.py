"""What a model can do on held-out windows: teacher-forced and free-running accuracy, KL, active dimensions."""

import dataclasses
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.config import TRIO_PARTS
from autoloops_export.models.core import CoreDecoder
from autoloops_export.models.flat import LoopVae
from autoloops_export.models.groove import GrooveDecoder
from autoloops_export.models.loops import Loops
from autoloops_export.training.objective import kl_nats, shifted

ACTIVE_VARIANCE: Final = 0.01
COOL: Final = 0.2
ROWS_AT_ONCE: Final = 512
ACCURACIES: Final = ("teacher_forced", "free_at_1", "free_at_02", "no_event")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures over windows; accuracies are shares of steps, 0 to 1, of several parts their mean.

    Attributes:
        reconstruction: Nats a window, teacher-forced, from a posterior sample.
        kl: Nats a window.
        active_dimensions: Dimensions whose posterior mean varies by more than 0.01 (Burda et al., 2016).
        teacher_forced: Likeliest token, true inputs, posterior sample.
        free_at_1: The model's own inputs at temperature 1, posterior sample.
        free_at_02: The model's own inputs at temperature 0.2, posterior mean.
        no_event: Accuracy of always answering "no event".
        velocity_error: Of drums: mean absolute error of a true hit's velocity, 0 to 1.
        offset_error: Of drums: mean absolute error of a true hit's offset, in half steps.
        parts: Of a trio: the accuracies of each part, by ``PART/FIGURE``.
    """

    reconstruction: float
    kl: float
    active_dimensions: float
    teacher_forced: float
    free_at_1: float
    free_at_02: float
    no_event: float
    velocity_error: float = 0.0
    offset_error: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float]:
        """Names to values."""
        figures: dict[str, float] = dataclasses.asdict(dataclasses.replace(self, parts={}))
        del figures["parts"]
        return figures | self.parts


@torch.no_grad()
def measure(model: LoopVae, loops: Loops, seed: int = 0) -> Metrics:
    """Measure ``model`` on windows with noise that depends on ``seed`` alone."""
    model.eval()
    generator = torch.Generator(device=loops.tokens.device).manual_seed(seed)
    sums: defaultdict[str, float] = defaultdict(float)
    means = []
    for start in range(0, len(loops.tokens), ROWS_AT_ONCE):
        some = loops.rows(slice(start, start + ROWS_AT_ONCE))
        mu, sigma = model.encode(model.features(some))
        z = mu + sigma * torch.randn(mu.shape, generator=generator, device=mu.device)
        means.append(mu)
        sums["kl"] += float(kl_nats(mu, sigma).sum())
        warm, cool, points = model.start(z), model.start(mu), model.told(z)
        for place, (core, part) in enumerate(model.cores(some)):
            outputs = core.run(points, shifted(part.tokens))
            logits = core.logits(outputs)
            sums["reconstruction"] -= float(logits.log_softmax(2).gather(2, part.tokens.unsqueeze(2)).sum())
            for name, error in _touch_errors(core, outputs, part).items():
                sums[name] += error
            sums[f"{place}.teacher_forced"] += _right(logits.argmax(2), part.tokens)
            sums[f"{place}.free_at_1"] += _right(free_running(core, *warm, 1.0, generator, place), part.tokens)
            sums[f"{place}.free_at_02"] += _right(free_running(core, *cool, COOL, generator, place), part.tokens)
            sums[f"{place}.no_event"] += _right(torch.zeros_like(part.tokens), part.tokens)
    active = (torch.cat(means).var(0, correction=0) > ACTIVE_VARIANCE).sum()
    return _metrics(sums, len(loops.tokens), len(model.cores(loops)), float(active))


def _metrics(sums: dict[str, float], windows: int, parts: int, active: float) -> Metrics:
    """Figures from sums over windows, of which accuracies are kept by the place of their part."""
    averages = {name: total / windows for name, total in sums.items()}
    figures = [{name: averages[f"{place}.{name}"] for name in ACCURACIES} for place in range(parts)]
    by_part = {
        f"{part}/{name}": value
        for part, figure in zip(TRIO_PARTS, figures, strict=False)
        for name, value in figure.items()
        if parts > 1
    }
    return Metrics(
        reconstruction=averages["reconstruction"],
        kl=averages["kl"],
        active_dimensions=active,
        **{name: sum(figure[name] for figure in figures) / parts for name in ACCURACIES},
        velocity_error=sums.get("velocity_error", 0.0) / max(sums.get("hits", 0.0), 1),
        offset_error=sums.get("offset_error", 0.0) / max(sums.get("hits", 0.0), 1),
        parts=by_part,
    )


def _touch_errors(core: CoreDecoder, outputs: Tensor, loops: Loops) -> dict[str, float]:
    """Absolute errors of velocities and of offsets at the true hits, summed, and the number of hits."""
    if not isinstance(core, GrooveDecoder) or loops.touch is None:
        return {}
    velocities, offsets = core.touch(outputs, loops.tokens)
    return {
        "velocity_error": float((velocities - loops.touch[..., 0]).abs().sum()),
        "offset_error": float((offsets - loops.touch[..., 1]).abs().sum()),
        "hits": float(core.hits(loops.tokens).sum()),
    }


def _right(answer: Tensor, truth: Tensor) -> float:
    """Right steps, in windows."""
    return float((answer == truth).float().mean(1).sum())


@torch.no_grad()
def free_running(
    core: CoreDecoder,
    states: Tensor,
    embeddings: Tensor,
    temperature: float,
    generator: torch.Generator,
    place: int = 0,
) -> Tensor:
    """Decode loops on the decoder's own tokens: int64 [B, T].

    Args:
        core: The decoder of a part.
        states: Before each bar, [B, N, S]; those of several parts stand beside each other.
        embeddings: What each bar is told, [B, N, P].
        temperature: Not negative.
        generator: Of the noise.
        place: Of the part among the model's parts.
    """
    rows, size = len(states), core.config.state
    states = states[:, :, place * size : (place + 1) * size]
    own_states = states.shape[1] > 1
    state, previous = states[:, 0], torch.zeros(rows, dtype=torch.int64, device=states.device)
    sharpness = torch.full((rows,), temperature, device=states.device)
    bars = []
    for number in range(core.config.bars):
        shape = (rows, STEPS_PER_BAR, core.config.classes)
        uniform = torch.rand(shape, generator=generator, device=states.device).clamp(1e-9, 1 - 1e-7)
        embedding = embeddings[:, min(number, embeddings.shape[1] - 1)]
        state = states[:, number] if own_states else state
        noise = -(-uniform.log()).log()
        tokens, after, *_ = core.bar(state, embedding, previous, sharpness, noise, torch.zeros_like(noise))
        state, previous = after[:, -1], tokens[:, -1]
        bars.append(tokens)
    return torch.cat(bars, 1)
