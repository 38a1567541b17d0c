"""Which machine, and how precise: choices that depend on the hardware and are measured rather than assumed.

bfloat16 is several times faster than float32 on a GPU and on CPUs with AMX, and slower on CPUs without.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch

from model.errors import CheckpointError, ParameterError
from model.files import cache_dir, write_atomically
from model.network.gpt import GPT
from model.network.kv_cache import KVCache

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CROWDS = (2, 13, 16, 33, 64, 100, 128)  # row counts that are tried
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


def ready_to_write(model: GPT, name: str) -> GPT:
    """The model in the precision in which it writes faster on this machine, its matrices packed so that a row's text does not
    depend on what else is being written.

    Both are found by measurement, once per machine, PyTorch and weights, and remembered in the user's cache, so that a seed does
    not change its text from day to day.

    Args:
        model: in float32.
        name: of the weights, another for others.
    """
    key = f"{_machine(model.device)}, torch {torch.__version__}, {torch.get_num_threads()} threads, {name}, {model.n_params()} parameters"
    path = cache_dir() / "precision.json"
    known = _read_json(path)
    choice: Any = known.get(key)
    if not _is_choice(choice):
        known[key] = choice = _choose(model)
        with contextlib.suppress(CheckpointError):  # a home that cannot be written to: measured again next time
            write_atomically(path, json.dumps(known, indent=2).encode())
    dtype = DTYPES[choice["dtype"]]
    set_up_writing(dtype)
    if not choice["rows_agree"]:
        log.warning("On this machine a seed may give another text while others are being written: rows of a product do not agree.")
    return model.to(dtype).pack(choice["in_blocks"])


def _is_choice(remembered: Any) -> bool:
    if not isinstance(remembered, dict) or remembered.get("dtype") not in [*DTYPES]:
        return False
    return all(isinstance(remembered.get(answer), bool) for answer in ("in_blocks", "rows_agree"))


def _choose(model: GPT) -> dict[str, Any]:
    dtype = _measure_writing(model)
    set_up_writing(dtype)
    in_blocks = not rows_agree(copy.deepcopy(model).to(dtype).pack())
    agree = not in_blocks or rows_agree(copy.deepcopy(model).to(dtype).pack(in_blocks))
    return {"dtype": str(dtype).removeprefix("torch."), "in_blocks": in_blocks, "rows_agree": agree}


@torch.inference_mode()
def rows_agree(model: GPT) -> bool:
    """Whether a row's logits are the same to the last bit alone and among others of any length."""
    if model.device.type == "cuda":  # where every step has the same shape (see model/network/step_graph.py)
        return True
    crowds = [n for n in CROWDS if n * KVCache.bytes_per_seat(model.config, model.dtype) <= free_bytes(model.device) // 8] or [2]
    generator = torch.Generator().manual_seed(0)
    cache = KVCache(model.config, crowds[-1], model.dtype)
    cache.data[:] = torch.randn(cache.data[:, :, :1].shape, generator=generator)  # the same in every row: it is the lengths that count
    ids = torch.randint(model.config.vocab_size, (crowds[-1], 1), generator=generator)
    lengths = torch.randint(model.config.block_size, (crowds[-1],), generator=generator).numpy()

    def logits(rows: range) -> torch.Tensor:
        cache.lengths[:] = lengths
        return model(ids[rows.start : rows.stop], cache=cache.rows(rows))

    # At the beginning and at the end of a crowd.
    compared = {row for row in {0, 1, 2, 3} | {crowd - back for crowd in crowds for back in (1, 2)} if row < crowds[-1]}
    alone = {row: logits(range(row, row + 1))[0] for row in compared}
    for crowd in crowds:
        together = logits(range(crowd))
        if any(not torch.equal(together[row], alone[row]) for row in compared if row < crowd):
            return False
    return True


def apart(work: Callable[[], Result]) -> Result:
    """Does work that multiplies in a thread of its own, which ends with it.

    OpenMP gives every thread that multiplies a team of helpers, which lasts as long as the thread. Once the teams have more threads
    than there are processors, all of them sleep between products instead of spinning. On two cores the engine, in its thread, then took
    13.1 ms instead of 7.8 for a step of 64 rows, and 4.9 instead of 1.7 for one row: so nobody else may keep a team.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def free_bytes(device: torch.device) -> int:
    """Memory that can be taken on a device, or 4 GiB where it does not tell."""
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


def set_up_writing(dtype: torch.dtype) -> None:
    """Lets oneDNN take part where it helps, for the whole process.

    It prepares every product anew, which for the few rows of a float32 step on a CPU costs a tenth of the time; in bfloat16 it is
    what makes the products fast.
    """
    torch.backends.mkldnn.enabled = dtype != torch.float32  # type: ignore[assignment]


def _measure_writing(model: GPT, rows: int = 32, chars: int = 4) -> torch.dtype:
    models = {dtype: copy.deepcopy(model).to(dtype).pack() for dtype in DTYPES.values()}
    caches = {dtype: KVCache(model.config, rows, dtype, model.device) for dtype in models}
    ids = torch.zeros(rows, 1, dtype=torch.long, device=model.device)

    @torch.inference_mode()
    def work(dtype: torch.dtype) -> None:
        set_up_writing(dtype)
        caches[dtype].lengths[:] = model.config.block_size // 2 - chars
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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
