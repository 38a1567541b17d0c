"""The machine: device, processors, free memory, processor name, and work in a fresh thread."""

from __future__ import annotations

import contextlib
import math
import platform
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import torch

from model.errors import ParameterError

Result = TypeVar("Result")

ROOT = Path("/")


def cpu_quota(root: Path = ROOT) -> float:
    """Processors' worth of time that the process's control groups allow it; infinity without a limit.

    A group's limit holds for the groups inside it, so the smallest one counts. A container often sees its own group as the root.

    Args:
        root: the file system's root.
    """
    smallest = math.inf
    for controllers, path in _control_groups(root):
        base = root / "sys/fs/cgroup" / controllers
        for group in (base / path.lstrip("/"), *(base / path.lstrip("/")).parents):
            smallest = min(smallest, _quota_of(group))
            if group == base:
                break
    return smallest


def _control_groups(root: Path) -> list[tuple[str, str]]:
    """The groups that limit processor time: (folder of the hierarchy, path of the group)."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    fields = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    groups = [(names, path) for _, names, path in fields if not names or "cpu" in names.split(",")]
    return groups + [("cpu", path) for names, path in groups if names]  # version 1 is often mounted under the short name, too


def _quota_of(group: Path) -> float:
    """Processors' worth of time that one group allows."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)  # "max" is no number
    with contextlib.suppress(OSError, ValueError):
        quota, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    return math.inf


# Threads that a matrix product may take at most: as many as PyTorch takes by itself, which is one for each core that the process may run
# on, or OMP_NUM_THREADS; fewer in a container with a quota of processor time, where more threads would only wait for each other.
MAX_THREADS = max(1, int(min(torch.get_num_threads(), cpu_quota())))
torch.set_num_threads(MAX_THREADS)  # the quota holds for every program


def thread_counts(most: int) -> list[int]:
    """Numbers of threads worth trying, largest first: all, all but one, and halves down to one."""
    halves = [most >> shift for shift in range(most.bit_length())]
    return sorted({*halves, max(1, most - 1)}, reverse=True)


def choose_device(wanted: str = "auto") -> torch.device:
    """Chooses the device to run on: auto, cpu or cuda.

    Raises:
        ParameterError: the name is unknown, or it is cuda and the machine has no CUDA device.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"The device must be auto, cpu or cuda, not {wanted!r}.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ParameterError("This machine has no CUDA device that PyTorch can use. Use --device cpu or --device auto.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def in_fresh_thread(work: Callable[[], Result]) -> Result:
    """Runs work that multiplies matrices in a new thread, which ends afterwards.

    OpenMP gives every thread that multiplies matrices a team of worker threads, which lives as long as that thread. Once the teams have
    more threads than there are processors, all of them sleep between products instead of spinning. On two cores, the engine's thread then
    took 13.1 ms instead of 7.8 ms for a step of 64 rows, and 4.9 ms instead of 1.7 ms for one row. So no other thread may keep a team.

    An interrupt does not wait for the work: the thread does not keep the process alive.
    """
    done: Future[Result] = Future()
    thread = threading.Thread(target=_fulfil, args=(done, work), daemon=True)
    thread.start()
    thread.join()
    return done.result()


def _fulfil(promise: Future[Result], work: Callable[[], Result]) -> None:
    torch.set_num_threads(MAX_THREADS)
    try:
        promise.set_result(work())
    except BaseException as error:
        promise.set_exception(error)
        del promise  # the error refers to this frame, and would keep itself in memory


def free_bytes(device: torch.device) -> int:
    """Free memory of a device in bytes; 4 GiB if the system does not report it."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 2**32
    with contextlib.suppress(OSError, ValueError):  # a container can have less memory than its machine
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="utf-8")) for name in ("max", "current"))
        free = min(free, limit - used)
    return free


def machine_name(device: torch.device) -> str:
    """What identifies the GPU or the processor, apart from its speed: the model, and for a processor what it can do, since cloud machines
    of different generations go by one name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    facts = dict.fromkeys(("model name", "cpu family", "model", "stepping", "flags"), "")
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            if name.strip() in facts:
                facts[name.strip()] = value.strip()
    except OSError:
        return platform.processor() or platform.machine()
    *model, flags = facts.values()
    if not facts["model name"]:  # not an x86 processor
        return platform.processor() or platform.machine()
    return f"{' '.join(model)} {zlib.crc32(flags.encode()):08x}".strip()
