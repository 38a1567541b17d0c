"""Device and precision: wrong wishes are refused, choices are measured once and remembered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from model.errors import ParameterError
from model.gpt import GPT
from model.precision import DTYPES, choose_device, faster_dtype, in_faster_precision, training_dtype

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


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
    with pytest.raises(ParameterError, match=r"no CUDA device that PyTorch can use\. Take --device cpu, or auto"):
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


def test_training_measures_a_network_of_any_width() -> None:
    assert training_dtype(8, CPU) in DTYPES.values()


def remembered(cache_home: Path) -> dict[str, str]:
    """What is kept on this machine."""
    return json.loads((cache_home / "precision.json").read_text(encoding="utf-8"))


def test_the_choice_is_remembered_and_read_back(make_model: Callable[..., GPT], cache_home: Path) -> None:
    model = in_faster_precision(make_model(), "tiny")
    (key, name), *others = remembered(cache_home).items()
    assert not others
    assert model.dtype == DTYPES[name]
    assert f"torch {torch.__version__}" in key
    for name, dtype in DTYPES.items():  # whichever it was, the word on disk is followed
        (cache_home / "precision.json").write_text(json.dumps({key: name}), encoding="utf-8")
        model = in_faster_precision(make_model(), "tiny")
        assert model.dtype == dtype
        assert torch.backends.mkldnn.enabled is (dtype == torch.bfloat16)
        for parameter, original in zip(model.parameters(), make_model().parameters(), strict=True):
            assert_close(parameter, original.to(dtype), rtol=0, atol=0)
        assert remembered(cache_home) == {key: name}


def test_other_networks_are_measured_anew(make_model: Callable[..., GPT], cache_home: Path) -> None:
    in_faster_precision(make_model(), "one")
    in_faster_precision(make_model(), "two")
    in_faster_precision(make_model(n_layer=1), "one")
    in_faster_precision(make_model(seed=1), "one")  # trained on: as fast as before
    assert len(remembered(cache_home)) == 3
    assert set(remembered(cache_home).values()) <= set(DTYPES)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"other machine": "float32"}'],
    ids=["empty", "cut off", "a list", "a number", "not UTF-8", "of another machine"],
)
def test_an_unreadable_memory_is_measured_and_written_again(make_model: Callable[..., GPT], cache_home: Path, content: bytes) -> None:
    cache_home.mkdir(parents=True)
    (cache_home / "precision.json").write_bytes(content)
    model = in_faster_precision(make_model(), "tiny")
    assert DTYPES[list(remembered(cache_home).values())[-1]] == model.dtype
    assert len(remembered(cache_home)) == (2 if b"other" in content else 1)


@pytest.mark.parametrize("value", ["float8", "", None, 3, ["float32"], {"float32": 1}], ids=repr)
def test_a_remembered_word_that_means_nothing_is_measured_again(make_model: Callable[..., GPT], cache_home: Path, value: object) -> None:
    in_faster_precision(make_model(), "tiny")
    (key,) = remembered(cache_home)
    (cache_home / "precision.json").write_text(json.dumps({key: value}), encoding="utf-8")
    model = in_faster_precision(make_model(), "tiny")
    assert DTYPES[remembered(cache_home)[key]] == model.dtype


def test_a_cache_that_cannot_be_written_is_survived(make_model: Callable[..., GPT], cache_home: Path) -> None:
    cache_home.parent.parent.mkdir(parents=True, exist_ok=True)
    cache_home.parent.write_text("a file where the folder should be")
    assert in_faster_precision(make_model(), "tiny").dtype in DTYPES.values()
