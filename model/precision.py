"""Which machine, and how precise: choices that depend on the hardware and are measured rather than assumed.

bfloat16 is several times faster than float32 on a GPU and on CPUs with AMX, and slower on CPUs without.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from model.errors import ParameterError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(wanted: str = "auto") -> torch.device:
    """The device to run on.

    Raises:
        ParameterError: cuda is wanted and there is none.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"The device must be auto, cpu or cuda, not {wanted!r}.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ParameterError("This machine has no CUDA device that PyTorch can use. Take --device cpu, or auto.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def faster_dtype(work: Callable[[torch.dtype], object], device: torch.device, rounds: int = 5) -> torch.dtype:
    """The precision in which a piece of work takes less time, the two measured in turns, best round each."""
    best = dict.fromkeys(DTYPES.values(), float("inf"))
    for _ in range(rounds + 1):  # the first round of each warms up and never is the best
        for dtype in best:
            begin = time.perf_counter()
            work(dtype)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best[dtype] = min(best[dtype], time.perf_counter() - begin)
    return min(best, key=lambda dtype: best[dtype])


def training_dtype(n_embd: int, device: torch.device) -> torch.dtype:
    """The precision in which a training step's largest products, forward and backward, are faster."""

    def work(dtype: torch.dtype) -> None:
        x = torch.zeros(2048, n_embd, device=device, dtype=dtype, requires_grad=True)
        w = torch.zeros(n_embd, 4 * n_embd, device=device, requires_grad=True)
        (x @ w.to(dtype)).sum().backward()

    return faster_dtype(work, device)
