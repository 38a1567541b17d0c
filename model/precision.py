"""The choice of precision, measured on the hardware at hand rather than assumed.

bfloat16 is several times faster than float32 on a GPU and on CPUs with AMX, and slower on CPUs without AMX.
"""

from __future__ import annotations

import copy
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from model.errors import CheckpointError
from model.files import cache_dir, parse_json, read_file, write_atomically
from model.machine import MAX_THREADS, free_bytes, machine_name, thread_counts
from model.network import Network
from model.network.kv_cache import Ahead
from model.network.reading import LONGEST_BLOCK, PASS_CHARS, pass_sizes, read_in_one_pass, read_windows
from model.network.step_attention import compiler

log = logging.getLogger(__name__)

CHECKS = 1  # raised whenever the checks below change, so that what older ones found is not taken for their answers
CROWD = 64  # rows with which the two precisions are compared
CROWDS = (2, 13, 16, 33, 64, 100, 128)  # batch sizes that `rows_agree` tries
THREAD_CROWDS = (1, 5, 16)  # ... and `threads_agree`
GUESSED_ROWS, GUESSED_CHARS = 8, 5  # ... and `guesses_agree`
ANSWERS = ("threads_agree", "guesses_agree", "windows_agree")  # that a network ready to write has, see `Network`
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def faster_dtype(work: Callable[[torch.dtype], object], device: torch.device, rounds: int = 5) -> torch.dtype:
    """The precision in which a piece of work is faster. The two alternate, and the best round of each counts."""
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
    """The precision in which the largest matrix products of a training step, forward and backward, are faster.

    Measured once per machine: on a CPU without AVX-512 the products in bfloat16 take 10 s, and a minute in a wide network.
    """

    def work(dtype: torch.dtype) -> None:
        x = torch.zeros(2048, n_embd, device=device, dtype=dtype, requires_grad=True)
        w = torch.zeros(n_embd, 4 * n_embd, device=device, requires_grad=True)
        (x @ w.to(dtype)).sum().backward()

    def measure() -> dict[str, Any]:
        return {"dtype": name_of(faster_dtype(work, device))}

    return DTYPES[_measured_once(device, f"training with {n_embd} channels", measure, _has_dtype)["dtype"]]


def ready_to_write(model: Network, name: str) -> Network:
    """Converts a model to the precision in which it writes faster on this machine, and packs its matrices so that a row's text does
    not depend on the other texts being written.

    Both choices are measured once per machine, versions of PyTorch and Numba, and `name`, and stored in the user's cache, so that a seed
    gives the same text from day to day. A network without a key/value cache is small and stays in float32.

    Args:
        model: the model in float32.
        name: identifies what the measurement depends on (`model.serving.engine.precision_name`).
    """
    if not model.keeps_cache:
        set_up_writing(torch.float32)
        return model.pack()
    steps = (model.device.type == "cpu" and compiler()) or "torch"
    subject = f"{name}, {model.n_params()} parameters, steps of {CROWD} rows by {steps}, checks {CHECKS}"
    choice = _measured_once(model.device, subject, lambda: _choose(model), _is_choice)
    dtype = DTYPES[choice["dtype"]]
    set_up_writing(dtype)
    if not choice["rows_agree"]:
        log.warning("On this machine a seed can give a different text while others are being written: products depend on the batch size.")
    ready = model.to(dtype).pack(choice["in_blocks"])
    for answer in ANSWERS:
        setattr(ready, answer, choice[answer])
    attention = "PyTorch's attention" if steps == "torch" else f"attention compiled by {steps}"
    log.info("The model writes in %s, with %s.", choice["dtype"], attention)
    return ready


def _measured_once(
    device: torch.device, subject: str, measure: Callable[[], dict[str, Any]], is_valid: Callable[[Any], bool]
) -> dict[str, Any]:
    """What was measured on this machine with this version of PyTorch, from the user's cache; measured now if it is not there."""
    key = f"{machine_name(device)}, torch {torch.__version__}, {MAX_THREADS} threads, {subject}"
    path = cache_dir() / "precision.json"
    known = _read_json(path)
    if not is_valid(known.get(key)):
        log.info("Measuring once on this machine which precision is faster ...")
        known[key] = measure()
        try:
            write_atomically(path, json.dumps(known, indent=2).encode())
        except CheckpointError as error:
            log.warning("%s The faster precision will be measured again next time.", error)
    return known[key]


def _has_dtype(remembered: Any) -> bool:
    return isinstance(remembered, dict) and remembered.get("dtype") in [*DTYPES]


def _is_choice(remembered: Any) -> bool:
    return _has_dtype(remembered) and all(isinstance(remembered.get(answer), bool) for answer in ("in_blocks", "rows_agree", *ANSWERS))


def name_of(dtype: torch.dtype) -> str:
    """The name of a precision, as in DTYPES."""
    return str(dtype).removeprefix("torch.")


def packed_to_agree(model: Network, dtype: torch.dtype) -> tuple[Network, bool, bool]:
    """A copy of a model packed for writing in a precision, in blocks only if its rows do not agree otherwise; whether it is in blocks, and
    whether its rows agree."""
    set_up_writing(dtype)
    packed = copy.deepcopy(model).to(dtype).pack()
    if rows_agree(packed):
        return packed, False, True
    packed = copy.deepcopy(model).to(dtype).pack(in_blocks=True)
    return packed, True, rows_agree(packed)


def _choose(model: Network) -> dict[str, Any]:
    dtype = _measure_writing(model)
    packed, in_blocks, agree = packed_to_agree(model, dtype)
    packed.threads_agree = threads_agree(packed)
    packed.guesses_agree = agree and guesses_agree(packed)
    packed.windows_agree = agree and windows_agree(packed)
    answers = {answer: getattr(packed, answer) for answer in ANSWERS}
    return {"dtype": name_of(dtype), "in_blocks": in_blocks, "rows_agree": agree} | answers


@torch.inference_mode()
def rows_agree(model: Network) -> bool:
    """Whether a row's logits are bit-identical when it is decoded alone and in a batch with rows of any length."""
    if model.device.type == "cuda":  # every step has the same shape there (see model/network/step_graph.py)
        return True
    crowds = [n for n in CROWDS if n * model.cache_bytes_per_seat() <= free_bytes(model.device) // 8] or [2]
    step = _random_step(model, crowds[-1])
    alone = torch.cat([step(range(row, row + 1)) for row in range(crowds[-1])])
    return all(torch.equal(step(range(crowd)), alone[:crowd]) for crowd in crowds)


@torch.inference_mode()
def threads_agree(model: Network) -> bool:
    """Whether logits are bit-identical for any number of threads, when windows of several lengths are read and when rows are decoded."""
    if model.device.type == "cuda":
        return True
    found = []
    block = model.config.block_size
    windows = _random_windows(model, {1, 2, block // 4, block - 1})
    step = _random_step(model, max(THREAD_CROWDS))
    with _threads_kept():
        for count in thread_counts(MAX_THREADS):
            torch.set_num_threads(count)
            found.append(
                [read_windows(model, model.make_cache(1), [0], [window]) for window in windows] + [step(range(n)) for n in THREAD_CROWDS]
            )
    return all(torch.equal(one, other) for others in found[1:] for one, other in zip(found[0], others, strict=True))


@torch.inference_mode()
def guesses_agree(model: Network) -> bool:
    """Whether logits are bit-identical when several characters of a row are read at once (`kv_cache.Ahead`) and one by one."""
    if model.device.type == "cuda" or model.config.block_size <= GUESSED_CHARS:
        return False
    generator = torch.Generator().manual_seed(0)
    cache = model.make_cache(GUESSED_ROWS)
    cache.data[:] = torch.randn(cache.data.shape, generator=generator)
    lengths = torch.randint(model.config.block_size - GUESSED_CHARS, (GUESSED_ROWS,), generator=generator).numpy()
    ids = torch.randint(model.config.vocab_size, (GUESSED_ROWS, GUESSED_CHARS), generator=generator)
    cache.lengths[:] = lengths
    alone = [torch.cat([model(row[None, None, i], cache=cache.row(seat)) for i in range(GUESSED_CHARS)]) for seat, row in enumerate(ids)]
    for seats in (range(1), range(2), range(GUESSED_ROWS // 2), range(GUESSED_ROWS), range(0, GUESSED_ROWS, 2)):
        for varies in (False, True):
            counts = [1 + (seat % GUESSED_CHARS if varies else GUESSED_CHARS - 1) for seat in seats]
            cache.lengths[:] = lengths
            read = torch.cat([ids[seat, :count] for seat, count in zip(seats, counts, strict=True)])[:, None]
            together = model(read, cache=Ahead(cache, np.array(seats), np.array(counts)))
            if not torch.equal(together, torch.cat([alone[seat][:count] for seat, count in zip(seats, counts, strict=True)])):
                return False
    return True


@torch.inference_mode()
def windows_agree(model: Network) -> bool:
    """Whether windows leave bit-identical keys and values, and logits, when they are read alone and in a pass of any size, with any number
    of threads that the model may be given."""
    block, random = model.config.block_size, Random(0)
    if model.device.type != "cpu" or not compiler() or block > LONGEST_BLOCK:
        return False
    windows = _random_windows(model, {1, 2, 3, block // 15, block // 4 - 1, block // 4, block // 2, block // 2 + 1, block - 1, block})
    passes = [_fill(random.randint(less + 1, size), windows, random) for less, size in itertools.pairwise([0, *pass_sizes()])]
    passes.append(_fill(PASS_CHARS, windows, random))
    n_seats = max(map(len, passes))
    if n_seats * model.cache_bytes_per_seat() > free_bytes(model.device) // 8:
        return False
    cache = model.make_cache(n_seats)
    alone = [(read_in_one_pass(model, cache, [0], [window])[0], cache.contents(0).clone()) for window in windows]
    with _threads_kept():
        for count, chosen in itertools.product(thread_counts(MAX_THREADS) if model.threads_agree else [MAX_THREADS], passes):
            torch.set_num_threads(count)
            seats = random.sample(range(n_seats), len(chosen))
            together = read_in_one_pass(model, cache, seats, [windows[i] for i in chosen])
            for i, seat, logits in zip(chosen, seats, together, strict=True):
                if not (torch.equal(logits, alone[i][0]) and torch.equal(cache.contents(seat), alone[i][1])):
                    return False
    return True


def _fill(size: int, windows: Sequence[Sequence[int]], random: Random) -> list[int]:
    """Indices of windows, chosen at random, that are as many characters in all."""
    chosen: list[int] = []
    while fitting := [i for i, window in enumerate(windows) if len(window) <= size]:
        chosen.append(random.choice(fitting))
        size -= len(windows[chosen[-1]])
    return chosen


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Restores PyTorch's number of threads."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _random_windows(model: Network, lengths: set[int]) -> list[list[int]]:
    """Windows of several lengths, the shortest first."""
    generator = torch.Generator().manual_seed(0)
    chosen = sorted(n for n in lengths if 0 < n <= model.config.block_size)
    return [torch.randint(model.config.vocab_size, (n,), generator=generator).tolist() for n in chosen]


def _random_step(model: Network, rows: int) -> Callable[[range], torch.Tensor]:
    """A function that decodes some of so many rows, which have random lengths, and returns their logits, (n, 1, V)."""
    generator = torch.Generator().manual_seed(0)
    cache = model.make_cache(rows)
    cache.data[:] = torch.randn(cache.data[:, :, :1].shape, generator=generator)  # equal in every row; only the lengths matter
    ids = torch.randint(model.config.vocab_size, (rows, 1), generator=generator)
    lengths = torch.randint(model.config.block_size, (rows,), generator=generator).numpy()

    def step(chosen: range) -> torch.Tensor:
        cache.lengths[:] = lengths
        return model(ids[chosen.start : chosen.stop], cache=cache.rows(chosen))

    return step


def set_up_writing(dtype: torch.dtype) -> None:
    """Enables oneDNN for the whole process in the precision in which it helps.

    oneDNN prepares every product again, which takes a tenth of the time of a float32 step with few rows on a CPU. In bfloat16 it is
    what makes the products fast.
    """
    torch.backends.mkldnn.enabled = dtype != torch.float32  # type: ignore[assignment]


def _measure_writing(model: Network) -> torch.dtype:
    """The precision in which a crowd's steps are faster: with few texts either is fast enough."""
    rows = max(1, min(CROWD, free_bytes(model.device) // (16 * model.cache_bytes_per_seat())))
    models = {dtype: copy.deepcopy(model).to(dtype).pack() for dtype in DTYPES.values()}
    caches = {dtype: one.make_cache(rows) for dtype, one in models.items()}
    for cache in caches.values():
        cache.data[:] = 0  # unwritten pages are all the same page of zeros, so reading them would cost nothing
    ids = torch.zeros(rows, 1, dtype=torch.long, device=model.device)

    @torch.inference_mode()
    def work(dtype: torch.dtype) -> None:
        set_up_writing(dtype)
        caches[dtype].lengths[:] = (model.config.block_size - 1) // 2
        models[dtype](ids, cache=caches[dtype])

    return faster_dtype(work, model.device, rounds=10)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(read_file(path))
    except (CheckpointError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
