"""Attention of a decoding step on a CPU, compiled for the machine at hand by Numba. Numba is optional; without it PyTorch's is used.

A decoding step has one query per row and is limited by the memory that it reads. PyTorch's kernel reads keys in bfloat16 at a sixth of
the speed of this one. (Six layers of 64 rows with 250 keys, two cores of an AMD EPYC with AVX-512, PyTorch 2.13: 36 ms in bfloat16 and
15 ms in float32; compiled, 7 and 12 ms.) It needs neither masks nor rows of similar length in adjacent seats, and stores keys and values
itself.

Each head of a seat is computed by one thread in one order, so a row's result is bit-identical whatever else is decoded and for any number
of threads. One thread therefore runs the same compiled code as several: compiled twice, sums may be reordered in two ways.
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.files import cache_dir

log = logging.getLogger(__name__)

DTYPES = (torch.float32, torch.bfloat16)

Indices = NDArray[np.int64]
Kernel = Callable[..., None]


class StepAttention:
    """Attention of a step's characters to the keys in a cache.

    Args:
        data: keys and values, (n_layer, 2, seats, n_head, n_keys, head_dim).
        kernel: as `kernel` returns it.
    """

    def __init__(self, data: Tensor, kernel: Kernel):
        self._layers = [(layer[0], layer[1]) for layer in _array(data)]
        self._shape = data.shape[3], data.shape[5]
        self._kernel = kernel

    def __call__(self, layer: int, qkv: Tensor, seats: Indices, ends: Indices, positions: Indices) -> Tensor:
        """Stores the keys and values of the new characters, and attends to all keys of each row so far.

        Args:
            qkv: queries, keys and values of the new characters, (rows, 1, 3 x n_embd).
            seats: seats with new characters, ascending, (n_seats,).
            ends: where each seat's rows end, (n_seats,). Its rows are adjacent, by position. Rows after the last end are padding.
            positions: of the rows' characters, (rows,).

        Returns:
            (rows, 1, n_embd), 0 for padding.
        """
        rows = len(positions)
        out = torch.empty(rows, 1, qkv.shape[2] // 3, dtype=qkv.dtype)
        if ends[-1] < rows:
            out[ends[-1] :] = 0
        new = _array(qkv).reshape(rows, 3, *self._shape)
        arguments = new, *self._layers[layer], seats, ends, positions, _array(out).reshape(rows, *self._shape)
        self._kernel(*arguments, torch.get_num_threads())
        return out


def step_attention(data: Tensor) -> StepAttention | None:
    """The compiled attention to a cache; None where there is none."""
    found = kernel(data.dtype) if data.device.type == "cpu" and data.dtype in DTYPES else None
    return StepAttention(data, found) if found else None


def compiler() -> str:
    """Name and version of the kernel's compiler; empty where there is no kernel."""
    return f"numba {metadata.version('numba')}" if all(map(kernel, DTYPES)) else ""


@functools.cache
def kernel(dtype: torch.dtype) -> Kernel | None:
    """The kernel: `step_kernel.attend_in_parallel`, or the same by one thread where there is no OpenMP; None without Numba, or if it cannot
    compile here.

    Compiling takes 2 s for each precision, once per machine; loading what was compiled takes half a second per process.
    """
    if not find_spec("numba"):
        return None
    threads = torch.get_num_threads()
    try:
        try:
            return _compiled(dtype)
        except Exception:
            log.info("Numba failed; what it has compiled before is discarded, and it tries again.", exc_info=True)
            shutil.rmtree(cache_dir() / "numba", ignore_errors=True)  # damaged, say, when the machine lost its power
            return _compiled(dtype)
    except Exception:
        log.warning("Numba cannot compile the attention of a step. PyTorch's is used; large numbers of texts take longer.", exc_info=True)
        return None
    finally:
        torch.set_num_threads(threads)  # where Numba uses PyTorch's OpenMP, it sets it to all processors


def _compiled(dtype: torch.dtype) -> Kernel:
    import numba  # half a second, so only where it is needed

    from model.network.step_kernel import attend, attend_in_parallel

    some, first = _array(torch.zeros(1, 3, 1, 1, dtype=dtype)), np.zeros(1, dtype=np.int64)
    arguments = some, some.copy(), some.copy(), first, first + 1, first, some[0, :1].copy()
    most = int(numba.config.NUMBA_NUM_THREADS)

    def in_threads(*arguments: Any) -> None:
        *others, threads = arguments
        numba.set_num_threads(min(threads, most))
        attend_in_parallel(*others, threads)

    def by_one_thread(*arguments: Any) -> None:
        attend(*arguments[:-1], 0, 1)

    try:
        in_threads(*arguments, 1)
    except ValueError:  # no threading layer
        log.warning("Numba finds no OpenMP; the attention of a step uses one thread.", exc_info=True)
        by_one_thread(*arguments, 1)
        return by_one_thread
    return in_threads


def _array(tensor: Tensor) -> NDArray[Any]:
    """A view of a tensor. NumPy has no bfloat16: a number is given as its 16 bits."""
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
