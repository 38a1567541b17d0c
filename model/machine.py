"""The machine: which device to run on, how much memory is free, and work in a thread of its own."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

from model.errors import ParameterError

Result = TypeVar("Result")


def choose_device(wanted: str = "auto") -> torch.device:
    """The device to run on.

    Raises:
        ParameterError: cuda is wanted, and the machine has none.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"The device must be auto, cpu or cuda, not {wanted!r}.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ParameterError("This machine has no CUDA device that PyTorch can use. Take --device cpu, or auto.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def in_fresh_thread(work: Callable[[], Result]) -> Result:
    """Runs work that multiplies matrices in a thread of its own, which ends with it.

    OpenMP gives every thread that multiplies a team of helpers, which lasts as long as the thread. Once the teams have more threads
    than there are processors, all of them sleep between products instead of spinning. On two cores the engine, in its thread, then took
    13.1 ms instead of 7.8 for a step of 64 rows, and 4.9 instead of 1.7 for one row: so no other thread may keep a team.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def free_bytes(device: torch.device) -> int:
    """Free memory of a device in bytes; 4 GiB where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 2**32
    with contextlib.suppress(OSError, ValueError):  # a container may have less than its machine
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        free = min(free, limit - used)
    return free


def processor_name(device: torch.device) -> str:
    """The name of the GPU or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
