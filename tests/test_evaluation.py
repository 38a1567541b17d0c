"""The loss of a text beside a loop written by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from model.config import GPTConfig
from model.data import load_corpus, split
from model.decode import generate
from model.evaluation import EVAL_ROWS, mean_loss, window_logits, windows
from model.network.gpt import GPT
from model.parts import Part
from model.sampling import SamplingParams
from model.weights import Weights
from tests.support.serving import plain_logits

pytestmark = pytest.mark.usefixtures("one_thread")


@torch.no_grad()
def losses_by_hand(model: GPT, ids: Tensor, off: Collection[Part] = ()) -> dict[int, float]:
    """Place of a character -> its loss, window by window."""
    losses: dict[int, float] = {}
    for start in range(0, len(ids) - 1, model.config.block_size):
        end = min(start + model.config.block_size, len(ids) - 1)
        log_probabilities = F.log_softmax(model(ids[None, start:end], off=off)[0].double(), dim=-1)
        for i, row in enumerate(log_probabilities):
            assert start + i + 1 not in losses
            losses[start + i + 1] = -float(row[ids[start + i + 1]])
    assert sorted(losses) == list(range(1, len(ids)))  # each character but the first, once
    return losses


@pytest.mark.parametrize("chars", [2, 3, 16, 17, 18, 33, 100, 16 * EVAL_ROWS + 1, 16 * (EVAL_ROWS + 1) + 1, 16 * (2 * EVAL_ROWS + 3) + 6])
def test_the_mean_loss_is_that_of_single_windows(tiny: Weights, make_ids: Callable[..., Tensor], chars: int) -> None:
    ids = make_ids(1, chars)[0]
    losses = losses_by_hand(tiny.model, ids)
    assert_close(mean_loss(tiny.model, ids), sum(losses.values()) / len(losses), rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", [1, 16, 17, 256, 257, 272, 279])
def test_each_character_counts_once(tiny: Weights, make_ids: Callable[..., Tensor], place: int) -> None:
    # Only the windows that hold the changed character can change: the difference of the sums is theirs.
    ids = make_ids(1, 280)[0]
    changed = ids.clone()
    changed[place] = (changed[place] + 1) % 65
    before, after = losses_by_hand(tiny.model, ids), losses_by_hand(tiny.model, changed)
    expected = sum(after.values()) - sum(before.values())
    assert abs(expected) > 0.01
    assert_close(279 * (mean_loss(tiny.model, changed) - mean_loss(tiny.model, ids)), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("off", [[(0, 0), (1, 1)], [("mlp", 0)], [("positions",), ("mlp", 1), (0, 1)]], ids=str)
def test_parts_can_be_switched_off(tiny: Weights, make_ids: Callable[..., Tensor], off: list[Part]) -> None:
    ids = make_ids(1, 100)[0]
    losses = losses_by_hand(tiny.model, ids, off)
    assert_close(mean_loss(tiny.model, ids, off), sum(losses.values()) / len(losses), rtol=0, atol=1e-5)
    assert abs(mean_loss(tiny.model, ids, off) - mean_loss(tiny.model, ids)) > 0.01


@pytest.mark.parametrize("training", [True, False])
def test_dropout_takes_no_part_and_the_mode_is_restored(
    make_model: Callable[..., GPT], make_ids: Callable[..., Tensor], training: bool
) -> None:
    ids, model = make_ids(1, 100)[0], make_model(dropout=0.5).train(training)
    loss = mean_loss(model, ids)
    assert model.training is training
    assert_close(loss, mean_loss(make_model(dropout=0.0), ids), rtol=0, atol=1e-6)


def scored(model: GPT, ids: list[int]) -> NDArray[np.float32]:
    """What comes after each character of a text, window by window, (characters, V)."""
    return np.concatenate([window_logits(model, ids, window) for window in windows(model.config, len(ids))])


@given(st.integers(1, 64).map(lambda half: 2 * half), st.integers(0, 1_000))
def test_windows_give_each_character_the_context_of_the_rule(block_size: int, n: int) -> None:
    config = GPTConfig(block_size=block_size)
    told = [(window.start, index) for window in windows(config, n) for index in range(window.first, window.stop)]
    assert told == [(config.window_start(index + 1), index) for index in range(n)]
    assert all(window.stop - window.start <= block_size for window in windows(config, n))


def test_a_shipped_window_is_a_block_and_then_half_a_block_on() -> None:
    assert windows(GPTConfig(), 500) == [(0, 0, 256), (128, 256, 384), (256, 384, 500)]
    assert windows(GPTConfig(), 0) == []


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 24, 25, 100])
def test_window_logits_are_the_plain_forwards(tiny: Weights, make_ids: Callable[..., Tensor], n: int) -> None:
    ids = make_ids(1, n)[0].tolist()
    logits = scored(tiny.model, ids)
    assert (logits.shape, logits.dtype) == ((n, 65), np.float32)
    assert_allclose(logits, plain_logits(tiny.model, ids[:1], [*ids[1:], 0]), rtol=0, atol=1e-4)


def test_window_logits_of_the_shipped_model_are_the_plain_forwards(shipped: Weights) -> None:
    ids = shipped.tokenizer.encode("ROMEO:\nBut, soft! what light through yonder window breaks?\n" * 12)
    assert len(ids) > 256 + 3 * 128
    assert_allclose(scored(shipped.model, ids), plain_logits(shipped.model, ids[:1], [*ids[1:], 0]), rtol=0, atol=1e-4)


def test_a_text_that_the_model_wrote_is_scored_in_the_contexts_that_it_was_written_in(tiny: Weights) -> None:
    said: list[Tensor] = []
    handle = tiny.model.register_forward_hook(lambda _, __, logits: said.append(logits[0, -1]))
    ids = [5, *generate(tiny.model, [5], SamplingParams(temperature=1.0, max_new_chars=70))]
    handle.remove()
    assert_allclose(scored(tiny.model, ids)[:-1], torch.stack(said).numpy(), rtol=0, atol=1e-4)


def test_the_shipped_model_has_learned(shipped: Weights, corpus_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
    _, validation = split(torch.tensor(shipped.tokenizer.encode(load_corpus().text)), 256)
    assert 1.0 < mean_loss(shipped.model, validation[: 256 * 8 + 1]) < 2.4  # the lecture's bigram ends at about 2.5
