"""Device and precision: wrong wishes are refused, choices are measured once and remembered."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model import precision
from model.errors import ParameterError
from model.limits import MAX_STEP_ROWS
from model.machine import MAX_THREADS, choose_device, free_bytes
from model.network import kv_cache
from model.network.gpt import GPT
from model.network.kv_cache import KVCache
from model.network.linear import InBlocks, Linear
from model.network.reading import LONGEST_BLOCK, PASS_CHARS, read_in_one_pass
from model.network.step_attention import compiler
from model.precision import CROWDS, DTYPES, faster_dtype, ready_to_write, rows_agree, threads_agree, training_dtype, windows_agree
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
AGREEING = {"dtype": "float32", "in_blocks": False, "rows_agree": True, "threads_agree": True, "guesses_agree": True, "windows_agree": True}


@pytest.fixture(autouse=True)
def restore_onednn() -> Iterator[None]:
    """A choice of precision is also one for oneDNN, for the whole process."""
    enabled = torch.backends.mkldnn.enabled
    yield
    torch.backends.mkldnn.enabled = enabled


@pytest.mark.parametrize("wanted", ["gpu", "", "CPU", "cuda:0", None])
def test_an_unknown_device_is_refused_with_the_known_ones(wanted: str) -> None:
    with pytest.raises(ParameterError, match="The device must be auto, cpu or cuda, not "):
        choose_device(wanted)


def test_a_missing_gpu_is_refused_with_a_remedy() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ParameterError, match=r"no CUDA device that PyTorch can use\. Use --device cpu or --device auto"):
        choose_device("cuda")


def test_the_device_is_a_gpu_where_there_is_one_and_the_cpu_where_it_is_asked_for() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device() == choose_device("auto")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("slower", DTYPES.values(), ids=DTYPES.keys())
def test_the_faster_precision_is_taken(slower: torch.dtype) -> None:
    calls: list[torch.dtype] = []

    def work(dtype: torch.dtype) -> None:
        calls.append(dtype)
        time.sleep(0.03 if dtype == slower else 0.001)

    assert faster_dtype(work, CPU, rounds=3) != slower
    assert calls == [*DTYPES.values()] * 3  # in turns


def test_one_slow_round_decides_nothing() -> None:
    calls: list[torch.dtype] = []

    def work(dtype: torch.dtype) -> None:
        calls.append(dtype)
        disturbed = dtype == torch.bfloat16 and len(calls) > 4  # all but its first two rounds
        time.sleep(0.05 if disturbed else 0.001 if dtype == torch.bfloat16 else 0.02)

    assert faster_dtype(work, CPU, rounds=4) == torch.bfloat16


def test_training_measures_a_network_of_any_width_once(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {n_embd: training_dtype(n_embd, CPU) for n_embd in (8, 12)}
    assert set(measured.values()) <= set(DTYPES.values())
    assert len(remembered(cache_home)) == 2

    def measures(*_: object) -> torch.dtype:
        raise AssertionError("it was known")

    monkeypatch.setattr(precision, "faster_dtype", measures)
    assert {n_embd: training_dtype(n_embd, CPU) for n_embd in (8, 12)} == measured
    with pytest.raises(AssertionError, match="it was known"):
        training_dtype(16, CPU)


Memory = dict[str, dict[str, Any]]


def remembered(cache_home: Path) -> Memory:
    """What is kept on this machine."""
    return json.loads((cache_home / "precision.json").read_text(encoding="utf-8"))


def remember(cache_home: Path, memory: object) -> None:
    """Writes what is kept."""
    (cache_home / "precision.json").write_text(json.dumps(memory), encoding="utf-8")


def linears(model: GPT) -> list[Linear]:
    """All matrices but the head's."""
    return [module for module in model.modules() if isinstance(module, Linear)]


def test_the_choice_is_made_anew_when_another_compiler_writes(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numba 0.1", "", "numba 0.2"):
        monkeypatch.setattr(precision, "compiler", lambda name=name: name)
        ready_to_write(make_model(), "tiny")
        training_dtype(8, CPU)
    subjects = [key.split(" threads, ")[1] for key in remembered(cache_home)]
    assert sorted(subject.split(" by ")[1].split(",")[0] for subject in subjects if "tiny" in subject) == [
        "numba 0.1",
        "numba 0.2",
        "torch",
    ]
    assert len(subjects) == 4  # training has nothing to do with it


def test_the_choice_is_remembered_and_read_back(make_model: Callable[..., GPT], make_ids: Callable[..., Tensor], cache_home: Path) -> None:
    model = ready_to_write(make_model(), "tiny")
    ((key, choice),) = remembered(cache_home).items()
    assert choice.keys() == AGREEING.keys()
    assert model.dtype == DTYPES[choice["dtype"]]
    assert f"torch {torch.__version__}" in key
    assert f"{MAX_THREADS} threads" in key
    for name, in_blocks in itertools.product(writable_dtypes(), (False, True)):  # whichever it was, the word on disk is followed
        choice = AGREEING | {"dtype": name, "in_blocks": in_blocks}
        remember(cache_home, {key: choice})
        model = ready_to_write(make_model(), "tiny")
        assert model.dtype == DTYPES[name]
        assert torch.backends.mkldnn.enabled is (name == "bfloat16")
        for parameter, original in zip(model.parameters(), make_model().parameters(), strict=True):
            assert_close(parameter, original.to(DTYPES[name]), rtol=0, atol=0)
        assert {isinstance(linear.product, InBlocks) for linear in linears(model)} == {in_blocks}
        assert isinstance(model._head, InBlocks) is in_blocks
        with torch.inference_mode():
            tolerance = 1e-4 if name == "float32" else 0.2
            assert_close(model(make_ids(2, 9)), make_model()(make_ids(2, 9)), rtol=0, atol=tolerance)
        assert remembered(cache_home) == {key: choice}


@pytest.mark.parametrize("compiler", ["numba 0.1", ""])
def test_the_log_says_that_it_measures_and_how_the_model_writes(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, compiler: str
) -> None:
    monkeypatch.setattr(precision, "compiler", lambda: compiler)
    caplog.set_level(logging.INFO, "model.precision")
    dtype = precision.name_of(ready_to_write(make_model(), "tiny").dtype)
    attention = f"attention compiled by {compiler}" if compiler else "PyTorch's attention"
    ready = f"The model writes in {dtype}, with {attention}."
    assert caplog.messages == ["Measuring once on this machine which precision is faster ...", ready]
    caplog.clear()
    ready_to_write(make_model(), "tiny")
    assert caplog.messages == [ready]


def writable_dtypes() -> list[str]:
    """Those that this CPU has packed products in."""
    bfloat16 = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return ["float32", "bfloat16"] if bfloat16 else ["float32"]


def test_what_is_remembered_is_not_measured_again(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ready_to_write(make_model(), "tiny")

    def measures(_: GPT) -> dict[str, Any]:
        raise AssertionError("it was known")

    monkeypatch.setattr(precision, "_choose", measures)
    assert ready_to_write(make_model(), "tiny").dtype == first.dtype
    with pytest.raises(AssertionError, match="it was known"):
        ready_to_write(make_model(), "another")


def test_other_networks_and_other_numbers_of_threads_are_measured_anew(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_to_write(make_model(), "one")
    ready_to_write(make_model(), "two")
    ready_to_write(make_model(n_layer=1), "one")
    ready_to_write(make_model(seed=1), "one")  # trained on: as fast as before
    assert len(remembered(cache_home)) == 3
    monkeypatch.setattr(precision, "MAX_THREADS", MAX_THREADS + 1)
    ready_to_write(make_model(), "one")
    assert len(remembered(cache_home)) == 4
    assert {choice["dtype"] for choice in remembered(cache_home).values()} <= set(DTYPES)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"other machine": {"dtype": "float32"}}'],
    ids=["empty", "cut off", "a list", "a number", "not UTF-8", "nested", "of another machine"],
)
def test_an_unreadable_memory_is_measured_and_written_again(make_model: Callable[..., GPT], cache_home: Path, content: bytes) -> None:
    cache_home.mkdir(parents=True)
    (cache_home / "precision.json").write_bytes(content)
    model = ready_to_write(make_model(), "tiny")
    assert DTYPES[list(remembered(cache_home).values())[-1]["dtype"]] == model.dtype
    assert len(remembered(cache_home)) == (2 if b"other" in content else 1)


NO_WORDS = ["float8", "", None, 3, ["float32"], {"float32": 1}]
NO_ANSWERS = [None, 0, 1, "no", []]


@pytest.mark.parametrize(
    "value",
    [
        *NO_WORDS,
        "float32",  # as it was kept before there was more to choose
        *(AGREEING | {"dtype": word} for word in NO_WORDS),
        *(AGREEING | {answer: word} for answer in AGREEING if answer != "dtype" for word in NO_ANSWERS),
        *({name: known for name, known in AGREEING.items() if name != left_out} for left_out in AGREEING),
        {"dtype": "float32", "in_blocks": False},
        {},
    ],
    ids=repr,
)
def test_a_remembered_word_that_means_nothing_is_measured_again(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    choice = AGREEING | {"in_blocks": True}
    monkeypatch.setattr(precision, "_choose", lambda _: choice)
    ready_to_write(make_model(), "tiny")
    (key,) = remembered(cache_home)
    remember(cache_home, {key: value})
    model = ready_to_write(make_model(), "tiny")
    assert remembered(cache_home) == {key: choice}
    assert isinstance(model._head, InBlocks)


def test_a_cache_that_cannot_be_written_is_survived(make_model: Callable[..., GPT], cache_home: Path) -> None:
    cache_home.parent.parent.mkdir(parents=True, exist_ok=True)
    cache_home.parent.write_text("a file where the folder should be")
    assert ready_to_write(make_model(), "tiny").dtype in DTYPES.values()


@pytest.mark.parametrize("agrees", ["packed", "in blocks", "never"])
def test_rows_are_multiplied_in_blocks_where_packed_ones_do_not_agree(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, agrees: str
) -> None:
    asked: list[bool] = []

    def rows_agree(model: GPT) -> bool:
        asked.append(isinstance(model._head, InBlocks))
        return agrees == ("in blocks" if asked[-1] else "packed")

    monkeypatch.setattr(precision, "rows_agree", rows_agree)
    for _ in range(2):  # measured, and remembered
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            model = ready_to_write(make_model(), "tiny")
        assert asked == ([False] if agrees == "packed" else [False, True])
        assert {isinstance(linear.product, InBlocks) for linear in linears(model)} == {agrees != "packed"}
        assert ("a seed can give a different text" in caplog.text) is (agrees == "never")
        ((_, choice),) = remembered(cache_home).items()
        assert choice["in_blocks"] is (agrees != "packed")
        assert choice["rows_agree"] is (agrees != "never")


def test_a_cpu_without_products_in_bfloat16_writes_in_float32(tmp_path: Path) -> None:
    # oneDNN can be told to make do with less than the CPU has; what it has not, packing in bfloat16 cannot use.
    code = """
import torch
from model.config import GPTConfig
from model.network.gpt import GPT
from model.precision import ready_to_write
torch.set_num_threads(1)
model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=16)).eval().requires_grad_(False)
print(ready_to_write(model, "tiny").dtype)
"""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "XDG_CACHE_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() in ("torch.float32", "torch.bfloat16")


class Dependent:
    """A product that is the plain one, but for what the number of rows does to some of them.

    Args:
        disturb: given the outcome, (rows, out), changes it in place.
    """

    def __init__(self, linear: Linear, disturb: Callable[[Tensor], object]):
        self._weight, self._disturb = linear.weight, disturb

    def __call__(self, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
        y = InBlocks(self._weight)(x, gelu, plus)
        self._disturb(y.view(-1, y.shape[-1]))
        return y


def add_to(rows: slice, when: Callable[[int], bool]) -> Callable[[Tensor], object]:
    """Adds a little to some rows where there are certain numbers of them."""
    return lambda y: y[rows].mul_(1 + 2**-20) if when(len(y)) else None


def test_weights_that_float16_does_not_hold_are_written_with_as_they_are(
    make_model: Callable[..., GPT], make_ids: Callable[..., Tensor], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_measure_writing", lambda _: torch.float32)
    ids = make_ids(2, 9)
    with torch.inference_mode():
        model = ready_to_write(make_model(), "learned on")
        assert_close(model(ids), make_model()(ids), rtol=0, atol=1e-5)
    assert rows_agree(model)


def test_free_memory_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**24 < free_bytes(CPU) < 2**50
    files = {"/proc/meminfo": "MemTotal: 900 kB\nMemAvailable:     300 kB\n", "/sys/fs/cgroup/memory.current": "1000\n"}
    monkeypatch.setattr(Path, "read_text", lambda path, **_: read_file(files, path))
    assert free_bytes(CPU) == 300 * 1024
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert free_bytes(CPU) == 300 * 1024
    files["/sys/fs/cgroup/memory.max"] = "101000\n"
    assert free_bytes(CPU) == 100_000
    files["/sys/fs/cgroup/memory.max"] = "1000000\n"
    assert free_bytes(CPU) == 300 * 1024
    for told in ("", "MemTotal: 900 kB\n"):
        files["/proc/meminfo"] = told
        assert free_bytes(CPU) == 2**32
    files.clear()
    assert free_bytes(CPU) == 2**32


def read_file(files: dict[str, str], path: Path) -> str:
    """A file among some."""
    if str(path) not in files:
        raise FileNotFoundError(path)
    return files[str(path)]


@pytest.mark.parametrize("seats", [0, 1, 40, 1_000])
def test_rows_are_compared_in_what_memory_there_is(make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch, seats: int) -> None:
    model, taken = make_model().pack(in_blocks=True), []
    per_seat = KVCache.bytes_per_seat(model.config, model.dtype)
    assert per_seat == KVCache(model.config, 1, model.dtype).data.nbytes
    monkeypatch.setattr(precision, "free_bytes", lambda _: 8 * seats * per_seat)

    make_cache = model.make_cache
    monkeypatch.setattr(model, "make_cache", lambda seats: (taken.append(seats), make_cache(seats))[1])
    assert rows_agree(model)
    assert taken == [{0: 2, 1: 2, 40: 33, 1_000: 128}[seats]]
    linear = model.transformer.h[1].mlp.c_fc
    linear.product = Dependent(linear, add_to(slice(None), lambda rows: rows > 1))
    assert not rows_agree(model)


@pytest.mark.parametrize(
    "disturb",
    [
        add_to(slice(None), lambda rows: rows > 1),
        add_to(slice(None), lambda rows: rows == 1),
        add_to(slice(None), lambda rows: rows > 32),
        add_to(slice(None), lambda rows: rows == 128),
        add_to(slice(None), lambda rows: rows % 4 != 0),
        add_to(slice(3, 4), lambda rows: rows > 64),
        add_to(slice(-1, None), lambda rows: rows > 16 and rows % 16 != 0),
    ],
    ids=["all but one row", "one row", "many rows", "a full step", "odd numbers", "a row in the middle", "rows left over at the end"],
)
def test_rows_that_do_not_agree_are_found_out(make_model: Callable[..., GPT], disturb: Callable[[Tensor], object]) -> None:
    model = make_model().pack(in_blocks=True)
    assert rows_agree(model)
    linear = model.transformer.h[1].mlp.c_fc
    linear.product = Dependent(linear, lambda _: None)
    assert rows_agree(model)
    linear.product = Dependent(linear, disturb)
    assert not rows_agree(model)


def test_as_many_rows_are_compared_as_a_step_has() -> None:
    assert max(CROWDS) == CROWDS[-1] == MAX_STEP_ROWS
    assert min(CROWDS) > 1


def test_lengths_that_do_not_agree_are_found_out(make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch) -> None:
    # Keys read in pairs instead of whole blocks: what a row looks at is then as long as the longest text beside it.
    monkeypatch.setattr(kv_cache, "step_attention", lambda data: None)  # the compiled one reads only what a row has
    model = make_model(block_size=72).pack(in_blocks=True)
    assert rows_agree(model)
    monkeypatch.setattr(kv_cache, "KEY_BLOCK", 1)
    monkeypatch.setattr(kv_cache, "CALL_COST", 10**9)
    assert not rows_agree(model)


def test_threads_that_do_not_agree_are_found_out_and_not_changed(
    make_model: Callable[..., GPT], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "MAX_THREADS", 3)
    threads = torch.get_num_threads()
    model, forward, counts = make_model().pack(), GPT.forward, set()

    def records(self: GPT, *args: Any, **settings: Any) -> Tensor:
        counts.add(torch.get_num_threads())
        return forward(self, *args, **settings)

    def differs(self: GPT, *args: Any, **settings: Any) -> Tensor:
        return forward(self, *args, **settings) + 1e-5 * (torch.get_num_threads() == 2)

    monkeypatch.setattr(GPT, "forward", records)
    threads_agree(model)
    assert counts == {1, 2, 3}
    monkeypatch.setattr(GPT, "forward", differs)
    assert not threads_agree(model)
    assert torch.get_num_threads() == threads
    assert not ready_to_write(make_model(), "tiny").threads_agree


def last_bit(number: Tensor) -> None:
    """Changes a number by as little as possible."""
    number.copy_(torch.nextafter(number, torch.tensor(torch.inf)))


Harm = Callable[[KVCache, Sequence[int], Sequence[Sequence[int]], Tensor], None]


def harms_nothing(cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], logits: Tensor) -> None:
    pass


def harms_logits(cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], logits: Tensor) -> None:
    if sum(map(len, windows)) == PASS_CHARS:
        last_bit(logits[-1, 7])


def harms_a_key(cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], logits: Tensor) -> None:
    if sum(map(len, windows)) == PASS_CHARS:
        last_bit(cache.data[1, 0, seats[-1], 0, 0, 0])


def harms_three_threads(cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]], logits: Tensor) -> None:
    if torch.get_num_threads() == 3:
        last_bit(logits[0, 0])


@pytest.mark.parametrize(
    ("harm", "threads_agree", "agree"),
    [
        (harms_nothing, True, True),
        (harms_logits, True, False),
        (harms_a_key, True, False),
        (harms_three_threads, True, False),
        (harms_three_threads, False, True),  # then only one number of threads is used
    ],
)
def test_windows_that_depend_on_what_is_read_with_them_are_found(
    make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch, harm: Harm, threads_agree: bool, agree: bool
) -> None:
    if not compiler():
        pytest.skip("windows are read in one pass only with the compiled attention")

    def read(model: GPT, cache: KVCache, seats: Sequence[int], windows: Sequence[Sequence[int]]) -> Tensor:
        logits = read_in_one_pass(model, cache, seats, windows)
        harm(cache, seats, windows, logits)
        return logits

    monkeypatch.setattr(precision, "read_in_one_pass", read)
    monkeypatch.setattr(precision, "thread_counts", lambda _: [1, 3])
    model = make_model(block_size=64).pack(in_blocks=True)
    model.threads_agree = threads_agree
    assert windows_agree(model) is agree
    assert torch.get_num_threads() == 1


def test_windows_are_not_read_in_one_pass_where_that_is_slower_or_needs_too_much_memory(
    make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert windows_agree(make_model(block_size=LONGEST_BLOCK + 2)) is False
    monkeypatch.setattr(precision, "free_bytes", lambda _: 100_000)
    assert windows_agree(make_model(block_size=64)) is False
    monkeypatch.undo()
    monkeypatch.setattr(precision, "compiler", lambda: "")
    assert windows_agree(make_model(block_size=64)) is False
