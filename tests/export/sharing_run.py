"""What each process of ``test_sharing`` does, started by torchrun: ``sharing_run.py DATA RECIPE OUT``.

Trains to the end, then again with a stop that only the last process hears of, and resumes; the first process writes
down the losses of the first of these.
"""

import json
import sys
from pathlib import Path

from autoloops_export.data.windows import load_dataset
from autoloops_export.training.recipe import load_recipe
from autoloops_export.training.schedules import Plan
from autoloops_export.training.sharing import Share, join_run
from autoloops_export.training.trainer import Observer, StepReport, Trainer


class Losses(Observer):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def stepped(self, report: StepReport, seconds: float) -> None:
        self.losses.append(float(report.terms.loss))


def main(data: Path, recipe: Path, out: Path, share: Share) -> None:
    plan = load_recipe(recipe)

    def trainer(name: str) -> Trainer:
        return Trainer(plan, load_dataset(data), out / name, Plan(plan.run.steps), share)

    losses = Losses()
    trainer("whole").run(losses, lambda: False)
    asked = iter([False, False, True])
    last = share.number == share.processes - 1
    broken = trainer("broken")
    broken.run(Observer(), lambda: last and next(asked))
    resumed = trainer("broken")
    resumed.resume()
    resumed.run(Observer(), lambda: False)
    if share.first:
        (out / "losses.json").write_text(json.dumps({"losses": losses.losses, "stopped_at": [broken.counters.step]}))


if __name__ == "__main__":
    with join_run() as joined:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), joined)
