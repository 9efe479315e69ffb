"""What a model can do on held-out windows: teacher-forced and free-running accuracy, KL, active dimensions."""

import dataclasses
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.flat import FlatVae
from autoloops_export.models.groove import GrooveVae
from autoloops_export.models.loops import Loops
from autoloops_export.training.objective import kl_nats, shifted

ACTIVE_VARIANCE: Final = 0.01
COOL: Final = 0.2
ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures over windows; accuracies are shares of steps, 0 to 1.

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

    def as_dict(self) -> dict[str, float]:
        """Names to values."""
        return dataclasses.asdict(self)


@torch.no_grad()
def measure(model: FlatVae, loops: Loops, seed: int = 0) -> Metrics:
    """Measure ``model`` on windows with noise that depends on ``seed`` alone."""
    model.eval()
    generator = torch.Generator(device=loops.tokens.device).manual_seed(seed)
    sums = dict.fromkeys(("reconstruction", "kl", "teacher_forced", "free_at_1", "free_at_02", "no_event"), 0.0)
    means = []
    errors = torch.zeros(3)
    for start in range(0, len(loops.tokens), ROWS_AT_ONCE):
        some = loops.rows(slice(start, start + ROWS_AT_ONCE))
        rows = some.tokens
        mu, sigma = model.encode(model.features(some))
        z = mu + sigma * torch.randn(mu.shape, generator=generator, device=mu.device)
        outputs = model.decode(z, shifted(rows))
        logits = model.logits(outputs)
        errors += _touch_errors(model, outputs, some)
        chosen = logits.log_softmax(2).gather(2, rows.unsqueeze(2))
        means.append(mu)
        sums["reconstruction"] -= float(chosen.sum())
        sums["kl"] += float(kl_nats(mu, sigma).sum())
        sums["teacher_forced"] += _right(logits.argmax(2), rows)
        sums["free_at_1"] += _right(free_running(model, z, 1.0, generator), rows)
        sums["free_at_02"] += _right(free_running(model, mu, COOL, generator), rows)
        sums["no_event"] += _right(torch.zeros_like(rows), rows)
    active = (torch.cat(means).var(0, correction=0) > ACTIVE_VARIANCE).sum()
    averages = {name: total / len(loops.tokens) for name, total in sums.items()}
    loud, timed, hits = errors.tolist()
    touch = {"velocity_error": loud / max(hits, 1), "offset_error": timed / max(hits, 1)}
    return Metrics(active_dimensions=float(active), **averages, **touch)


def _touch_errors(model: FlatVae, outputs: Tensor, loops: Loops) -> Tensor:
    """Absolute errors of velocities and of offsets at the true hits, summed, and the number of hits: [3]."""
    if not isinstance(model, GrooveVae) or loops.touch is None:
        return torch.zeros(3)
    velocities, offsets = model.touch(outputs, loops.tokens)
    loud = (velocities - loops.touch[..., 0]).abs().sum()
    timed = (offsets - loops.touch[..., 1]).abs().sum()
    return torch.stack([loud, timed, model.hits(loops.tokens).sum()]).cpu()


def _right(answer: Tensor, truth: Tensor) -> float:
    """Right steps, in windows."""
    return float((answer == truth).float().mean(1).sum())


@torch.no_grad()
def free_running(model: FlatVae, z: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Decode loops from z [B, Z] on the model's own tokens: int64 [B, T]."""
    rows, classes = len(z), model.config.classes
    states, embeddings = model.start(z)
    own_states = states.shape[1] > 1
    state, previous = states[:, 0], torch.zeros(rows, dtype=torch.int64, device=z.device)
    sharpness = torch.full((rows,), temperature, device=z.device)
    bars = []
    for number in range(model.config.bars):
        shape = (rows, STEPS_PER_BAR, classes)
        uniform = torch.rand(shape, generator=generator, device=z.device).clamp(1e-9, 1 - 1e-7)
        embedding = embeddings[:, min(number, embeddings.shape[1] - 1)]
        state = states[:, number] if own_states else state
        noise = -(-uniform.log()).log()
        tokens, after, *_ = model.bar(state, embedding, previous, sharpness, noise, torch.zeros_like(noise))
        state, previous = after[:, -1], tokens[:, -1]
        bars.append(tokens)
    return torch.cat(bars, 1)
