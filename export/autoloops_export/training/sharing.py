"""One run on several processes: each learns from its share of every batch, and the first one keeps the books.

Every process draws the whole batch and the whole noise from equal generators and takes its own rows. So what a run
learns from does not depend on how many processes share it, and a checkpoint holds nothing of theirs.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

UNIFORM_LOWEST: Final = 1e-9
UNIFORM_HIGHEST: Final = 1 - 1e-7


@dataclass(frozen=True, slots=True)
class Share:
    """A process's part of a run.

    Attributes:
        number: Of the process among all, from 0.
        processes: How many there are.
        on_machine: Of the process among those on its machine, from 0: the CUDA device that it takes.
    """

    number: int = 0
    processes: int = 1
    on_machine: int = 0

    @property
    def first(self) -> bool:
        """Whether this process measures, logs and writes checkpoints."""
        return self.number == 0

    def device(self) -> torch.device:
        """CUDA where there is one, else the CPU."""
        return torch.device("cuda", self.on_machine) if torch.cuda.is_available() else torch.device("cpu")

    def rows(self, size: int) -> slice:
        """The rows of this process in a batch of ``size`` rows for each."""
        return slice(self.number * size, (self.number + 1) * size)

    def watched(self, module: nn.Module) -> nn.Module:
        """``module`` whose gradients are, after each backward pass, the mean over all processes."""
        if self.processes == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)

    def mean(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The mean of each number over the processes."""
        if self.processes == 1:
            return [value.detach() for value in values]
        together = torch.stack([value.detach().float() for value in values])
        torch.distributed.all_reduce(together)
        return list((together / self.processes).unbind())

    def from_first(self, *values: float) -> list[float]:
        """The numbers of the first process."""
        if self.processes == 1:
            return list(values)
        agreed = torch.tensor(values, dtype=torch.float64, device=self.device())
        torch.distributed.broadcast(agreed, src=0)
        numbers: list[float] = agreed.tolist()
        return numbers

    def anywhere(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process."""
        if self.processes == 1:
            return flag
        flags = torch.tensor(int(flag), device=self.device())
        torch.distributed.all_reduce(flags)
        return bool(flags)


ALONE: Final = Share()


@dataclass(frozen=True, slots=True)
class Noise:
    """Random numbers for this process's rows of a batch, with generators that are equal in all processes."""

    generator: torch.Generator
    share: Share = ALONE

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers; the first axis is the batch."""
        size, *rest = shape
        whole = (size * self.share.processes, *rest)
        return torch.randn(whole, generator=self.generator, device=self.generator.device)[self.share.rows(size)]

    def uniform(self, *shape: int) -> Tensor:
        """Numbers between 0 and 1, neither included; the first axis is the batch."""
        size, *rest = shape
        whole = (size * self.share.processes, *rest)
        numbers = torch.rand(whole, generator=self.generator, device=self.generator.device)[self.share.rows(size)]
        return numbers.clamp(UNIFORM_LOWEST, UNIFORM_HIGHEST)


@contextlib.contextmanager
def join_run() -> Iterator[Share]:
    """This process's share of the run: as ``torchrun`` says in the environment, else all of it."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        yield ALONE
        return
    share = Share(int(os.environ["RANK"]), processes, int(os.environ["LOCAL_RANK"]))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(share.device())
    torch.distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield share
    finally:
        torch.distributed.destroy_process_group()
