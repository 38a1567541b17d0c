"""The compiled attention of a step."""

from __future__ import annotations

import builtins
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from model.network import step_attention
from model.network.gpt import explicit_attention
from model.network.step_attention import DTYPES, StepAttention, compiler, kernel

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.01}

needs_numba = pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is optional and not installed")


@pytest.fixture
def threads() -> Iterator[None]:
    """Restores the number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def anew() -> Iterator[None]:
    """Compiles again, and forgets the outcome."""
    kernel.cache_clear()
    yield
    kernel.cache_clear()


def numbers(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def attention_to(data: Tensor) -> StepAttention:
    made = step_attention.step_attention(data)
    assert made is not None
    return made


Step = tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]


def make_step(taken: list[tuple[int, int, int]], n_head: int, head_dim: int, dtype: torch.dtype) -> Step:
    """A step's queries, keys and values, its seats, their ends and the rows' positions, from (seat, cached characters, new ones)."""
    counts = [count for _, _, count in taken]
    positions = np.concatenate([length + np.arange(count) for _, length, count in taken])
    qkv = numbers(len(positions), 1, 3 * n_head * head_dim, dtype=dtype, seed=1)
    return qkv, np.array([seat for seat, _, _ in taken]), np.cumsum(counts), positions


seats_taken = st.lists(st.tuples(st.integers(0, 250), st.integers(1, 4)), min_size=1, max_size=6)


@needs_numba
@pytest.mark.usefixtures("threads")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # the first example may compile
@given(seats_taken, st.sampled_from([(1, 1), (2, 16), (3, 5), (6, 64)]), st.sampled_from(DTYPES), st.integers(1, 2))
def test_it_is_the_attention_of_the_lecture(
    lengths_and_counts: list[tuple[int, int]], shape: tuple[int, int], dtype: torch.dtype, threads: int
) -> None:
    n_head, head_dim = shape
    taken = [(2 * i, length, count) for i, (length, count) in enumerate(lengths_and_counts)]
    data = numbers(2, 2, 12, n_head, 256, head_dim, dtype=dtype)
    before = data.clone()
    qkv, seats, ends, positions = make_step(taken, n_head, head_dim, dtype)
    torch.set_num_threads(threads)
    attend = attention_to(data)
    y = attend(1, qkv, seats, ends, positions)
    assert y.dtype == dtype
    assert torch.equal(data[0], before[0])  # the other layer
    q, k, v = qkv.view(len(positions), 3, n_head, 1, head_dim).unbind(1)
    row = 0
    for seat, length, count in taken:
        for position in range(length, length + count):
            assert torch.equal(data[1, :, seat, :, position], torch.stack([k[row, :, 0], v[row, :, 0]]))
            seen = data[1, :, seat : seat + 1, :, : position + 1].float()
            expected, _ = explicit_attention(q[row : row + 1].float(), seen[0], seen[1], torch.zeros(1, position + 1))
            assert_close(y[row, 0].float(), expected.reshape(-1), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
            row += 1
    unused = [seat for seat in range(12) if seat not in seats]
    assert torch.equal(data[1][:, unused], before[1][:, unused])


@needs_numba
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(6, 64), (3, 5), (1, 100)], ids=str)
def test_a_row_is_the_same_to_the_last_bit_whatever_is_beside_it(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    torch.set_num_threads(2)
    taken = [(seat, 7 * seat % 200, 1 + seat % 3) for seat in range(23)]
    qkv, seats, ends, positions = make_step(taken, *shape, dtype)
    data = numbers(1, 2, 23, shape[0], 256, shape[1], dtype=dtype)
    together = attention_to(data.clone())(0, qkv, seats, ends, positions)
    torch.set_num_threads(1)
    assert torch.equal(attention_to(data.clone())(0, qkv, seats, ends, positions), together)
    for i, seat in enumerate(seats):
        first = ends[i - 1] if i else 0
        attend = attention_to(data.clone())
        for row in range(first, ends[i]):  # one character at a time
            one = attend(0, qkv[row : row + 1], np.array([seat]), np.array([1]), positions[row : row + 1])
            assert torch.equal(one[0], together[row])


@needs_numba
def test_bfloat16_is_rounded_to_the_nearest_and_of_two_to_the_even_one() -> None:
    pairs = torch.tensor([[1.0, 1.0078125], [1.0078125, 1.015625], [-1.0, -1.0078125], [1.0, 1.0], [3.0, 4.03125]])
    means = torch.tensor([1.0, 1.015625, -1.0, 1.0, 3.515625])  # bfloat16 has 7 bits after the point
    values = torch.cat([pairs, numbers(500, 2, dtype=torch.bfloat16).float()])
    data = torch.zeros(1, 2, 1, 1, 2, len(values), dtype=torch.bfloat16)
    data[0, 1, 0, 0, 0] = values[:, 0]
    new = torch.cat([torch.zeros(2 * len(values)), values[:, 1]]).bfloat16()  # keys of equal score: the output is the values' mean
    y = attention_to(data)(0, new.view(1, 1, -1), np.array([0]), np.array([1]), np.array([1]))
    assert y[0, 0, : len(means)].tolist() == means.tolist()
    assert torch.equal(y[0, 0], values.mean(1).bfloat16())


@needs_numba
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_no_number_is_not_hidden(dtype: torch.dtype, wrong: float) -> None:
    data = numbers(1, 2, 2, 1, 8, 4, dtype=dtype)
    data[0, 0, 1, 0, 2] = wrong
    qkv, seats, ends, positions = make_step([(0, 5, 1), (1, 5, 1)], 1, 4, dtype)
    qkv[:] = 1
    y = attention_to(data)(0, qkv, seats, ends, positions)
    assert y[0].isfinite().all()
    assert not y[1].isfinite().any()
    beyond = make_step([(1, 1, 1)], 1, 4, dtype)  # what lies after a row's characters is not read at all
    assert attention_to(data)(0, *beyond).isfinite().all()


@needs_numba
def test_it_compiles_here_for_several_threads() -> None:
    assert compiler().startswith("numba ")
    assert all("in_threads" in kernel(dtype).__qualname__ for dtype in DTYPES)


@pytest.mark.usefixtures("anew")
def test_without_numba_pytorch_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_attention, "find_spec", lambda name: None)
    assert step_attention.step_attention(torch.zeros(1, 2, 1, 1, 8, 4)) is None
    assert not compiler()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_other_precisions_are_pytorchs(dtype: torch.dtype) -> None:
    assert step_attention.step_attention(torch.zeros(1, 2, 1, 1, 8, 4, dtype=dtype)) is None


@needs_numba
@pytest.mark.usefixtures("anew")
def test_where_nothing_can_be_compiled_pytorch_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, cache_home: Path
) -> None:
    real: Callable[..., Any] = builtins.__import__

    def damaged(name: str, *others: Any, **more: Any) -> Any:
        if name == "numba":
            raise OSError("no LLVM for this machine")
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", damaged)
    assert step_attention.step_attention(torch.zeros(1, 2, 1, 1, 8, 4)) is None
    assert not compiler()
    assert "cannot compile" in caplog.text
    assert "no LLVM for this machine" in caplog.text


def in_a_process(code: str, home: Path, **environment: str) -> str:
    """Runs a program that counts its threads and computes a step; what it printed."""
    program = f"import sys, torch\nfrom tests.test_step_attention import a_step\n{code}\nprint(torch.get_num_threads(), a_step())"
    variables = os.environ | {"XDG_CACHE_HOME": str(home), "PYTHONPATH": os.getcwd()} | environment
    return subprocess.run([sys.executable, "-c", program], env=variables, check=True, capture_output=True, text=True).stdout.strip()


def a_step() -> str:
    """The name of the kernel and the number of threads after a step, which must be as PyTorch computes it."""
    data = numbers(1, 2, 8, 2, 256, 16, dtype=torch.float32)
    qkv, seats, ends, positions = make_step([(seat, 200, 1) for seat in range(8)], 2, 16, torch.float32)
    y = attention_to(data)(0, qkv, seats, ends, positions)
    query = qkv.view(8, 3, 2, 1, 16)[:, 0]
    expected = scaled_dot_product_attention(query, data[0, 0, :, :, :201], data[0, 1, :, :, :201])
    assert_close(y.view(8, 2, 1, 16), expected, rtol=1e-5, atol=1e-5)
    return f"{getattr(kernel(torch.float32), '__name__', None)} {torch.get_num_threads()}"


@needs_numba
def test_without_openmp_one_thread_is_used(tmp_path: Path) -> None:
    assert in_a_process("sys.modules['numba.np.ufunc.omppool'] = None", tmp_path, OMP_NUM_THREADS="2") == "2 by_one_thread 2"


@needs_numba
@pytest.mark.slow
def test_pytorch_keeps_its_threads_and_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    few = "torch.set_num_threads(1)\ntorch.ones(64, 64) @ torch.ones(64, 64)"
    assert in_a_process(few, tmp_path) == "1 in_threads 1"
    for kind in ("*.nbi", "*.nbc"):
        files = [*(tmp_path / "soliloquy" / "numba").rglob(kind)]
        assert files
        for file in files:
            file.write_bytes(file.read_bytes()[:20])
        assert in_a_process(few, tmp_path) == "1 in_threads 1"
    (tmp_path / "a file").write_text("where a folder should be")
    assert in_a_process(few, tmp_path / "a file") == "1 in_threads 1"
