"""The plain reference: what it reads, and that a seed is a set of dice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.decode import generate
from model.network.gpt import GPT
from model.sampling import SamplingParams
from model.weights import Weights

pytestmark = pytest.mark.usefixtures("one_thread")


def written(model: GPT, prompt: list[int], **settings: Any) -> list[int]:
    """What is written after a prompt."""
    return list(generate(model, prompt, SamplingParams(**{"temperature": 1.0, "max_new_chars": 60} | settings)))


@pytest.mark.parametrize("prompt_chars", [1, 15, 16, 17, 48])
def test_each_character_is_drawn_from_the_window_before_it(tiny: Weights, make_ids: Callable[..., Tensor], prompt_chars: int) -> None:
    read: list[list[int]] = []
    tiny.model.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0][0].tolist()))
    text = make_ids(1, prompt_chars)[0].tolist()
    text += written(tiny.model, text)
    assert len(text) == prompt_chars + 60
    for position, window in enumerate(read, start=prompt_chars):
        begin = 0 if position <= 16 else 8 * math.ceil((position - 16) / 8)
        assert window == text[begin:position]


def test_temperature_0_writes_the_likeliest_characters(tiny: Weights) -> None:
    text = [5]
    with torch.no_grad():
        for _ in range(16):
            text.append(int(tiny.model(torch.tensor([text[-16:]]))[0, -1].argmax()))
    assert written(tiny.model, [5], temperature=0.0, max_new_chars=16, seed=1) == text[1:]
    assert written(tiny.model, [5], top_k=1, max_new_chars=16, seed=2) == text[1:]


def test_a_seed_and_a_sample_number_make_the_text(tiny: Weights) -> None:
    texts = {(seed, sample): tuple(written(tiny.model, [5], seed=seed, first_sample=sample)) for seed in (0, 1) for sample in (0, 1)}
    assert len(set(texts.values())) == 4
    for (seed, sample), text in texts.items():
        assert tuple(written(tiny.model, [5], seed=seed, first_sample=sample)) == text


@given(
    prompt=st.lists(st.integers(0, 64), min_size=1, max_size=40),
    seed=st.integers(0, 2**53 - 1),
    sample=st.integers(0, 2**31 - 1),
    told=st.integers(0, 39),
    shape=st.sampled_from([{}, {"temperature": 0.0}, {"temperature": 1.7}, {"top_k": 5}, {"top_p": 0.7}]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_text_goes_on_from_its_middle_as_it_did(
    tiny: Weights, prompt: list[int], seed: int, sample: int, told: int, shape: dict[str, Any]
) -> None:
    whole = written(tiny.model, prompt, seed=seed, first_sample=sample, max_new_chars=40, **shape)
    rest = {"first_sample": sample, "first_step": told, "max_new_chars": 40 - told}
    assert written(tiny.model, prompt + whole[:told], seed=seed, **rest, **shape) == whole[told:]


def test_a_shorter_text_is_the_beginning_of_the_longer(tiny: Weights) -> None:
    assert written(tiny.model, [5], max_new_chars=25) == written(tiny.model, [5])[:25]


def test_characters_come_one_at_a_time(tiny: Weights) -> None:
    passes: list[None] = []
    tiny.model.register_forward_pre_hook(lambda *_: passes.append(None))
    text: Iterator[int] = generate(tiny.model, [5], SamplingParams(max_new_chars=10))
    next(text)
    assert len(passes) == 1
    next(text)
    assert len(passes) == 2


def test_the_prompt_is_left_alone(tiny: Weights) -> None:
    prompt = [1, 2, 3]
    written(tiny.model, prompt)
    assert prompt == [1, 2, 3]
