"""Cached decoding of rows that are not in step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model.gpt import GPT
from model.kv_cache import KVCache

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCK = 80  # two and a half of the blocks that keys are read in


@pytest.fixture
def model(make_model: Callable[..., GPT]) -> GPT:
    """A network whose block is longer than the blocks that keys are read in, and no multiple of them."""
    return make_model(block_size=BLOCK)


@torch.no_grad()
def plain(model: GPT, text: Tensor, chars: int) -> Tensor:
    """Logits of the last `chars` positions of one text, without a cache, (chars, V)."""
    return model(text[None])[0, -chars:]


@torch.no_grad()
def read(model: GPT, cache: KVCache, ids: Tensor) -> Tensor:
    """Logits of new characters, (rows, chars, V)."""
    return model(ids, cache=cache)


def read_rows(model: GPT, ids: Tensor, lengths: list[int]) -> KVCache:
    """A cache with a beginning of its own length for each row."""
    cache = KVCache(model.config, len(lengths), torch.float32)
    for row, length in enumerate(lengths):
        if length:
            read(model, cache.row(row), ids[row : row + 1, :length])
    return cache


@pytest.mark.parametrize("pieces", [[1] * 40, [5, 1, 3, 23, 1, 1, 40], [79, 1], [80], [31, 1, 1], [32, 32, 16]], ids=str)
def test_a_text_read_in_pieces_gives_the_logits_of_the_whole(model: GPT, make_ids: Callable[..., Tensor], pieces: list[int]) -> None:
    ids = make_ids(3, sum(pieces))
    cache = KVCache(model.config, 3, torch.float32)
    logits = torch.cat([read(model, cache, piece) for piece in ids.split(pieces, dim=1)], dim=1)
    assert cache.lengths.tolist() == [sum(pieces)] * 3
    with torch.no_grad():
        assert_close(logits, model(ids), rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_new", [1, 4])
def test_rows_out_of_step_get_the_logits_that_each_gets_alone(model: GPT, make_ids: Callable[..., Tensor], n_new: int) -> None:
    lengths = [0, 1, 17, 31, 32, 50]
    ids = make_ids(len(lengths), BLOCK)
    cache = read_rows(model, ids, lengths)
    assert cache.lengths.tolist() == lengths
    for step in range(24 // n_new):
        starts = [length + step * n_new for length in lengths]
        logits = read(model, cache, torch.stack([ids[row, start : start + n_new] for row, start in enumerate(starts)]))
        for row, start in enumerate(starts):
            assert_close(logits[row], plain(model, ids[row, : start + n_new], n_new), rtol=0, atol=1e-4)
    assert cache.lengths.tolist() == [length + 24 for length in lengths]


def test_a_lowered_length_forgets_what_came_after(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, others = make_ids(4, BLOCK), make_ids(4, BLOCK, seed=1)
    cache = read_rows(model, ids, [40, 40, 40, 40])
    cache.lengths[:] = [40, 33, 0, 7]
    texts = [torch.cat([ids[row, :length], others[row, :30]]) for row, length in enumerate(cache.lengths.tolist())]
    for step in range(30):
        logits = read(model, cache, others[:, step : step + 1])
        for row, text in enumerate(texts):
            assert_close(logits[row], plain(model, text[: len(text) - 29 + step], 1), rtol=0, atol=1e-4)


def test_all_rows_forgotten_begin_anew(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, others = make_ids(2, 40), make_ids(2, 20, seed=1)
    cache = read_rows(model, ids, [40, 40])
    cache.lengths[:] = 0
    logits = torch.cat([read(model, cache, others[:, :9]), read(model, cache, others[:, 9:])], dim=1)
    with torch.no_grad():
        assert_close(logits, model(others), rtol=0, atol=1e-4)


def test_growing_past_the_block_is_refused_and_leaves_the_cache_as_it_was(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids = make_ids(2, BLOCK)
    cache = read_rows(model, ids, [3, 79])
    with pytest.raises(ValueError, match="81 characters do not fit a block of 80"):
        read(model, cache, make_ids(2, 2))
    assert cache.lengths.tolist() == [3, 79]
    logits = read(model, cache, torch.stack([ids[0, 3:4], ids[1, 79:80]]))
    assert_close(logits[0], plain(model, ids[0, :4], 1), rtol=0, atol=1e-4)
    assert_close(logits[1], plain(model, ids[1], 1), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="81 characters do not fit a block of 80"):
        read(model, cache, make_ids(2, 1))


@pytest.mark.parametrize("source", [0, 2])
def test_a_shared_row_goes_on_in_every_row(model: GPT, make_ids: Callable[..., Tensor], source: int) -> None:
    ids, onwards = make_ids(4, 45), make_ids(4, 20, seed=1)
    cache = read_rows(model, ids, [44, 3, 45, 10])
    length = int(cache.lengths[source])
    cache.share_row(source)
    assert cache.lengths.tolist() == [length] * 4
    for step in range(20):
        logits = read(model, cache, onwards[:, step : step + 1])
        for row in range(4):
            text = torch.cat([ids[source, :length], onwards[row, : step + 1]])
            assert_close(logits[row], plain(model, text, 1), rtol=0, atol=1e-4)


def test_shared_rows_are_copies(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, others = make_ids(2, 30), make_ids(1, 25, seed=1)
    cache = read_rows(model, ids, [29, 0])
    cache.share_row(0)
    cache.row(0).lengths[:] = 0
    read(model, cache.row(0), others)  # row 0 writes over what row 1 was copied from
    assert_close(read(model, cache.row(1), ids[:1, 29:])[0], plain(model, ids[0], 1), rtol=0, atol=1e-4)


def test_a_row_shares_its_caches_memory(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids = make_ids(3, 30)
    cache = KVCache(model.config, 3, torch.float32)
    read(model, cache.row(1), ids[1:2, :20])
    assert cache.lengths.tolist() == [0, 20, 0]
    assert cache.row(1).block_size == cache.block_size == BLOCK
    logits = read(model, cache, torch.stack([ids[0, :1], ids[1, 20:21], ids[2, :1]]))  # read through the whole cache
    assert_close(logits[1], plain(model, ids[1, :21], 1), rtol=0, atol=1e-4)
    assert cache.row(1).lengths.tolist() == [21]
    logits = read(model, cache.row(1), ids[1:2, 21:22])  # and on through the row
    assert_close(logits[0], plain(model, ids[1, :22], 1), rtol=0, atol=1e-4)
    assert cache.lengths.tolist() == [1, 22, 1]
