"""A training session at the terminal: signals, progress bar, TensorBoard, and the run itself."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from autoloops_engine.errors import UsageError
from autoloops_export.data.windows import Dataset
from autoloops_export.training.checkpoints import RESUME
from autoloops_export.training.measure import Metrics
from autoloops_export.training.pictures import Picture
from autoloops_export.training.recipe import Recipe
from autoloops_export.training.schedules import Plan
from autoloops_export.training.sharing import ALONE, Share
from autoloops_export.training.trainer import BEST, Observer, StepReport, Trainer

STEPS_PER_POINT: Final = 50


class _Telemetry(Observer):
    """Shows a run on the terminal and writes it for TensorBoard."""

    def __init__(self, batch_size: int, bar: Progress, task: TaskID, writer: SummaryWriter) -> None:
        self._batch_size, self._bar, self._task, self._writer = batch_size, bar, task, writer
        self._began: tuple[int, float] | None = None

    def stepped(self, report: StepReport, seconds: float) -> None:
        """Move the bar; every few steps a point for TensorBoard."""
        if self._began is None:
            self._began = report.step, seconds
        steps, took_s = report.step - self._began[0], seconds - self._began[1]
        speed = steps * self._batch_size / took_s if took_s else 0.0
        left_s = seconds * (1 - report.progress) / report.progress if report.progress else 0.0
        self._bar.update(
            self._task,
            completed=report.progress,
            speed=f"{speed:,.0f} windows/s",
            left=f"{left_s / 60:.0f} min left",
        )
        if report.step % STEPS_PER_POINT:
            return
        terms = report.terms
        points = {
            "train/loss": float(terms.loss.detach()),
            "train/reconstruction_nats": float(terms.reconstruction),
            "train/kl_nats": float(terms.kl),
            "train/touch": float(terms.touch),
            "train/accuracy": float(terms.correct),
            "train/kl_weight": report.kl_weight,
            "train/learning_rate": report.learning_rate,
            "train/windows_per_s": speed,
        }
        for name, value in points.items():
            self._writer.add_scalar(name, value, report.step)

    def measured(self, step: int, metrics: Metrics, is_best: bool) -> None:
        """Print a line and write the figures."""
        for name, value in metrics.as_dict().items():
            self._writer.add_scalar(f"valid/{name}", value, step)
        self._bar.console.print(
            f"step {step:,}: free-running {metrics.free_at_1:.3f} (T=1), {metrics.free_at_02:.3f} (mean, T=0.2); "
            f"teacher-forced {metrics.teacher_forced:.3f}; KL {metrics.kl:.1f} nats in "
            f"{metrics.active_dimensions:.0f} dimensions; reconstruction {metrics.reconstruction:.2f} nats"
            f"{_touch(metrics)}{_parts(metrics)}"
            f"{'; best so far' if is_best else ''}",
            highlight=False,
            soft_wrap=True,
        )

    def drawn(self, step: int, pictures: dict[str, Picture]) -> None:
        """Hang the piano rolls beside the figures."""
        for part, picture in pictures.items():
            self._writer.add_image(f"loops/{part}", picture, step, dataformats="HW")
        self._writer.flush()


def train_run(
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    *,
    minutes: float | None,
    resume: bool,
    initial: dict[str, Tensor] | None = None,
    share: Share = ALONE,
) -> None:
    """Train ``recipe`` on ``dataset`` into ``folder``, to the end or until a signal.

    Args:
        recipe: What and how.
        dataset: Prepared windows.
        folder: Receives ``best`` and ``last`` (weights and card), the resumable state and TensorBoard's files.
        minutes: Length of the whole run, time of earlier sessions included; None: the recipe's steps.
        resume: Go on from the state in ``folder``.
        initial: Weights to start from, which count as the best until better ones are found; None: random ones.
        share: This process's part of the run; only the first process shows and writes anything.

    Raises:
        UsageError: the data do not do, a run is there already, or there is nothing to resume.
    """
    if not resume:
        require_fresh(folder)
    plan = Plan(recipe.run.steps, None if minutes is None else minutes * 60)
    trainer = Trainer(recipe, dataset, folder, plan, share)
    if resume:
        trainer.resume()
    console = Console(quiet=not share.first)
    console.print(
        f"{recipe.run.name}: {len(dataset.splits['train']):,} training windows, "
        f"{sum(p.numel() for p in trainer.model.parameters()) / 1e6:.2f} M parameters, "
        f"{_place(trainer)} in {str(trainer.precision).removeprefix('torch.')}",
        highlight=False,
        soft_wrap=True,
    )
    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
    )
    with contextlib.ExitStack() as shown, stop_signals() as stopped:
        observer = Observer()
        if share.first:
            bar = shown.enter_context(Progress(*columns, console=console))
            writer = shown.enter_context(SummaryWriter(str(folder / "tensorboard")))
            task = bar.add_task("training", total=1.0, speed="", left="")
            observer = _Telemetry(recipe.run.batch_size * share.processes, bar, task, writer)
        if initial is not None and not resume:
            trainer.begin_from(initial, observer)
        ending = trainer.run(observer, lambda: bool(stopped))
    console.print(f"Training ended after {trainer.counters.step:,} steps: {ending}.", highlight=False, soft_wrap=True)
    if (folder / BEST).exists():
        console.print(f"The best weights are in {folder / BEST}.", highlight=False, soft_wrap=True)


def require_fresh(folder: Path) -> None:
    """Let a folder without a run pass.

    Raises:
        UsageError: a run is there already.
    """
    if (folder / RESUME).exists():
        raise UsageError(f"{folder} holds a run already: add --resume to go on, or give another folder with --out.")


def _place(trainer: Trainer) -> str:
    processes = trainer.share.processes
    return trainer.device.type if processes == 1 else f"{processes} processes on {trainer.device.type}"


def _parts(metrics: Metrics) -> str:
    own = {name.removesuffix("/free_at_1"): value for name, value in metrics.parts.items() if "/free_at_1" in name}
    return "; " + ", ".join(f"{part} {value:.3f}" for part, value in own.items()) if own else ""


def _touch(metrics: Metrics) -> str:
    if not metrics.velocity_error:
        return ""
    return f"; velocity off by {metrics.velocity_error:.3f}, timing by {metrics.offset_error:.3f} half steps"


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the list it yields, so that a run can end at a checkpoint."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
