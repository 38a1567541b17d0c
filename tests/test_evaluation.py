"""The loss of a text beside a loop written by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from model.checkpoint import Weights
from model.data import load_corpus, split
from model.evaluation import EVAL_ROWS, mean_loss
from model.gpt import GPT, Head

pytestmark = pytest.mark.usefixtures("one_thread")


@torch.no_grad()
def losses_by_hand(model: GPT, ids: Tensor, heads_off: Collection[Head] = ()) -> dict[int, float]:
    """Place of a character -> its loss, window by window."""
    losses: dict[int, float] = {}
    for start in range(0, len(ids) - 1, model.config.block_size):
        end = min(start + model.config.block_size, len(ids) - 1)
        log_probabilities = F.log_softmax(model(ids[None, start:end], heads_off=heads_off)[0].double(), dim=-1)
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


def test_heads_can_be_switched_off(tiny: Weights, make_ids: Callable[..., Tensor]) -> None:
    ids, off = make_ids(1, 100)[0], [(0, 0), (1, 1)]
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


def test_the_shipped_model_has_learned(shipped: Weights, corpus_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
    _, validation = split(torch.tensor(shipped.tokenizer.encode(load_corpus().text)), 256)
    assert 1.0 < mean_loss(shipped.model, validation[: 256 * 8 + 1]) < 2.4  # the lecture's bigram ends at about 2.5
