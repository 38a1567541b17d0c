"""Which machine, and how precise: choices that depend on the hardware and are measured rather than assumed.

bfloat16 is several times faster than float32 on a GPU and on CPUs with AMX, and slower on CPUs without.
"""

from __future__ import annotations

import contextlib
import copy
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from model.errors import CheckpointError, ParameterError
from model.files import cache_dir, write_atomically
from model.gpt import GPT
from model.kv_cache import KVCache

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
    for _ in range(rounds):
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


def in_faster_precision(model: GPT, name: str) -> GPT:
    """The model in the precision in which it writes faster on this machine.

    Measured once with eight rows, half of what a class may ask for, and remembered in the user's cache per machine, PyTorch and
    weights, so that a seed does not change its text from day to day.

    Args:
        model: in float32.
        name: of the weights.
    """
    key = f"{_machine(model.device)}, torch {torch.__version__}, {torch.get_num_threads()} threads, {name}, {model.n_params()} parameters"
    path = cache_dir() / "precision.json"
    known = _read_json(path)
    if str(known.get(key)) not in DTYPES:
        chosen = _measure_writing(model)
        known[key] = str(chosen).removeprefix("torch.")
        with contextlib.suppress(CheckpointError):  # a home that cannot be written to: measured again next time
            write_atomically(path, json.dumps(known, indent=2).encode())
    dtype = DTYPES[known[key]]
    set_up_writing(dtype)
    return model.to(dtype)


def set_up_writing(dtype: torch.dtype) -> None:
    """Lets oneDNN take part where it helps, for the whole process.

    It prepares every product anew, which for the few rows of a float32 step on a CPU costs a tenth of the time; in bfloat16 it is
    what makes the products fast.
    """
    torch.backends.mkldnn.enabled = dtype != torch.float32  # type: ignore[assignment]


def _measure_writing(model: GPT, rows: int = 8, chars: int = 4) -> torch.dtype:
    models = {dtype: copy.deepcopy(model).to(dtype) for dtype in DTYPES.values()}
    caches = {dtype: KVCache(model.config, rows, dtype, model.device) for dtype in models}
    ids = torch.zeros(rows, 1, dtype=torch.long, device=model.device)

    @torch.inference_mode()
    def work(dtype: torch.dtype) -> None:
        set_up_writing(dtype)
        caches[dtype].lengths[:] = model.config.block_size // 2
        for _ in range(chars):
            models[dtype](ids, cache=caches[dtype])

    return faster_dtype(work, model.device)


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _read_json(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
