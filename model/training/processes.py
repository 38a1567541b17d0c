"""The processes that train a run together, with PyTorch's DistributedDataParallel. Without torchrun there is one, which does everything.

    torchrun --nproc-per-node 2 -m -- model train --preset shakespeare --run shakespeare

Each process has the whole network and reads its part of the rows of each pass; gradients are averaged before every step, so that all take
the same step. The first process leads: it alone has the run's folder, evaluates, and decides when the training ends. The others follow.
Everything random is a function of seed and step here too, and dropout draws for the whole pass (`model.network.dropout`): so the numbers
are those of one process, up to the order in which sums are rounded.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.errors import ParameterError, SoliloquyError, TrainingError
from model.machine import choose_device
from model.network.dropout import SharedRows
from model.program import on_stop

Value = TypeVar("Value")

BACKENDS = "cpu:gloo,cuda:nccl"
PATIENCE = timedelta(hours=2)  # more than an evaluation takes, while which the others wait
LOST = "One of the {count} processes that train together has ended."
CONNECTION = ("gloo", "NCCL", "onnection")  # in what is raised if it breaks


class LostProcessError(TrainingError):
    """Another process of the training has ended before its time."""


class Processes:
    """This process among those that train a run.

    Attributes:
        rank: its number, from 0, the one that leads.
        count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank, self.count = rank, count

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, rows: tuple[Tensor, ...], dice: SharedRows) -> tuple[tuple[Tensor, ...], bool]:
        """The rows of a pass that are this process's, and whether they count: a process that has none reads one of another's for nothing,
        since all must take part in a pass.

        Args:
            dice: the generator for dropout, which is told the rows.
        """
        if self.count == 1:
            return rows, True
        n = len(rows[0])
        first, end = n * self.rank // self.count, n * (self.rank + 1) // self.count
        counts = first < end
        first = min(first, n - 1)
        dice.first, dice.rows = first, n
        return tuple(tensor[first : max(end, first + 1)] for tensor in rows), counts

    def parallel(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over the processes."""
        if self.count == 1:
            return module
        with self._watched():
            return DistributedDataParallel(module)

    def averaging(self, module: nn.Module, now: bool) -> AbstractContextManager[None]:
        """What a pass through a module of `parallel` runs in: whether gradients are averaged now or later."""
        if self.count == 1:
            return nullcontext()
        return self._watched() if now else module.no_sync()  # type: ignore[operator]

    def total(self, number: float, device: torch.device) -> float:
        """The sum over all processes."""
        if self.count == 1:
            return number
        with self._watched():
            found = torch.tensor(number, dtype=torch.float64, device=device)
            dist.all_reduce(found)
            return found.item()

    def same(self, value: Value) -> Value:
        """What the first process calls this with."""
        if self.count == 1:
            return value
        with self._watched():
            values = [value]
            dist.broadcast_object_list(values, device=torch.device("cpu"))
            return values[0]

    def spread(self, tensors: dict[str, Tensor]) -> None:
        """Gives all processes the tensors of the first."""
        if self.count > 1:
            with self._watched():
                for name in sorted(tensors):
                    dist.broadcast(tensors[name], 0)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """
        Raises:
            LostProcessError: another process has ended.
        """
        try:
            yield
        except RuntimeError as error:  # what gloo and NCCL raise has no type in common
            if isinstance(error, dist.DistError) or any(word in str(error) for word in CONNECTION):
                raise LostProcessError(LOST.format(count=self.count)) from error
            raise


ALONE = Processes()


@contextmanager
def joined(wanted: str) -> Iterator[tuple[Processes, torch.device]]:
    """Joins the processes that torchrun has started with this one, if it has, on a device each. In those that follow, the errors of the
    project say nothing if the first has ended, since that says why.

    Args:
        wanted: as in `choose_device`.

    Raises:
        ParameterError: the device is not there, or the machine has fewer GPUs than processes.
    """
    device, count = choose_device(wanted), int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE, device
        return
    if device.type == "cuda":
        place = int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise ParameterError(
                f"This machine has {torch.cuda.device_count()} GPUs, too few for its processes. Use --device cpu or fewer."
            )
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    dist.init_process_group(BACKENDS if device.type == "cuda" else "gloo", timeout=PATIENCE)
    processes = Processes(dist.get_rank(), count)
    if not processes.leads:  # the first is asked to stop as well, and tells when
        for_nothing: Callable[..., Any] = lambda *_: None  # noqa: E731
        on_stop(for_nothing)
        signal.signal(signal.SIGINT, for_nothing)
    try:
        yield processes, device
    except LostProcessError:
        raise
    except (SoliloquyError, SystemExit):
        _end(processes)
        raise
    else:
        _end(processes)


def launcher() -> list[str]:
    """The beginning of the command line that started the processes, up to this program; nothing without torchrun, which without "--"
    takes this program's --run for its own."""
    here, count = (os.environ.get(name, "1") for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if count == "1" or "TORCHELASTIC_RUN_ID" not in os.environ:
        return []
    machines = [] if here == count else ["--nnodes", str(int(count) // int(here))]  # where they meet is for the user to repeat
    return ["torchrun", *machines, "--nproc-per-node", here, "-m", "--", "model"]


def _end(processes: Processes) -> None:
    """Tells those that follow, which wait for the first to say how it goes on, that it does not."""
    if processes.leads:
        with suppress(LostProcessError):
            processes.same(None)
