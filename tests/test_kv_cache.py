"""Cached decoding of rows that are not in step."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from model.config import GPTConfig
from model.network import kv_cache
from model.network.gpt import GPT
from model.network.kv_cache import CALL_COST, KEY_BLOCK, KVCache, Rows, _cuts
from model.network.step_attention import compiler
from tests.support.server import resident_bytes

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=["compiled", "PyTorch's"], autouse=True)
def attention(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The attention of a step."""
    if request.param == "compiled" and not find_spec("numba"):
        pytest.skip("Numba is optional and not installed")
    if request.param == "compiled":
        assert compiler()
    else:
        monkeypatch.setattr(kv_cache, "step_attention", lambda data: None)
    return str(request.param)


BLOCK = 72  # four and a half of the blocks that keys are read in


@pytest.fixture
def model(make_model: Callable[..., GPT]) -> GPT:
    """A network whose block is longer than the blocks that keys are read in, and no multiple of them."""
    return make_model(block_size=BLOCK)


@torch.no_grad()
def plain(model: GPT, text: Tensor, chars: int) -> Tensor:
    """Logits of the last `chars` positions of one text, without a cache, (chars, V)."""
    return model(text[None])[0, -chars:]


@torch.no_grad()
def read(model: GPT, cache: KVCache | Rows, ids: Tensor) -> Tensor:
    """Logits of new characters, (rows, chars, V)."""
    return model(ids, cache=cache)


def read_rows(model: GPT, ids: Tensor, lengths: list[int]) -> KVCache:
    """A cache with a beginning of its own length for each row."""
    cache = KVCache(model.config, len(lengths), torch.float32)
    for row, length in enumerate(lengths):
        if length:
            read(model, cache.row(row), ids[row : row + 1, :length])
    return cache


@pytest.mark.parametrize("pieces", [[1] * 40, [5, 1, 3, 23, 1, 1, 32], [71, 1], [72], [31, 1, 1], [15, 1, 1, 16], [32, 32, 8]], ids=str)
def test_a_text_read_in_pieces_gives_the_logits_of_the_whole(model: GPT, make_ids: Callable[..., Tensor], pieces: list[int]) -> None:
    ids = make_ids(3, sum(pieces))
    cache = KVCache(model.config, 3, torch.float32)
    logits = torch.cat([read(model, cache, piece) for piece in ids.split(pieces, dim=1)], dim=1)
    assert cache.lengths.tolist() == [sum(pieces)] * 3
    with torch.no_grad():
        assert_close(logits, model(ids), rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_new", [1, 4])
def test_rows_out_of_step_get_the_logits_that_each_gets_alone(model: GPT, make_ids: Callable[..., Tensor], n_new: int) -> None:
    lengths = [0, 1, 15, 31, 32, 48]
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
    cache = read_rows(model, ids, [3, 71])
    with pytest.raises(ValueError, match="73 characters do not fit in a block of 72"):
        read(model, cache, make_ids(2, 2))
    assert cache.lengths.tolist() == [3, 71]
    logits = read(model, cache, torch.stack([ids[0, 3:4], ids[1, 71:72]]))
    assert_close(logits[0], plain(model, ids[0, :4], 1), rtol=0, atol=1e-4)
    assert_close(logits[1], plain(model, ids[1], 1), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="73 characters do not fit in a block of 72"):
        read(model, cache, make_ids(2, 1))


@pytest.mark.parametrize(("source", "seats"), [(0, [1, 2, 3]), (2, [0, 3]), (2, [1]), (3, [0, 1, 2])])
def test_a_shared_row_goes_on_in_the_seats_it_was_shared_with(
    model: GPT, make_ids: Callable[..., Tensor], source: int, seats: list[int]
) -> None:
    ids, onwards = make_ids(4, 45), make_ids(4, 20, seed=1)
    lengths = [44, 3, 45, 10]
    cache = read_rows(model, ids, lengths)
    cache.share_row(source, seats)
    begun_as = [source if row in seats else row for row in range(4)]
    assert cache.lengths.tolist() == [lengths[row] for row in begun_as]
    for step in range(20):
        logits = read(model, cache, onwards[:, step : step + 1])
        for row, begin in enumerate(begun_as):
            text = torch.cat([ids[begin, : lengths[begin]], onwards[row, : step + 1]])
            assert_close(logits[row], plain(model, text, 1), rtol=0, atol=1e-4)


def test_shared_rows_are_copies(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, others = make_ids(2, 30), make_ids(1, 25, seed=1)
    cache = read_rows(model, ids, [29, 0])
    cache.share_row(0, [1])
    cache.row(0).forget()
    assert cache.lengths.tolist() == [0, 29]
    read(model, cache.row(0), others)  # row 0 writes over what row 1 was copied from
    assert_close(read(model, cache.row(1), ids[:1, 29:])[0], plain(model, ids[0], 1), rtol=0, atol=1e-4)


def test_a_row_shares_its_caches_memory(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids = make_ids(3, 30)
    cache = KVCache(model.config, 3, torch.float32)
    read(model, cache.row(1), ids[1:2, :20])
    assert cache.lengths.tolist() == [0, 20, 0]
    assert cache.block_size == BLOCK
    logits = read(model, cache, torch.stack([ids[0, :1], ids[1, 20:21], ids[2, :1]]))  # read through the whole cache
    assert_close(logits[1], plain(model, ids[1, :21], 1), rtol=0, atol=1e-4)
    assert cache.row(1).lengths.tolist() == [21]
    logits = read(model, cache.row(1), ids[1:2, 21:22])  # and on through the row
    assert_close(logits[0], plain(model, ids[1, :22], 1), rtol=0, atol=1e-4)
    assert cache.lengths.tolist() == [1, 22, 1]


def test_the_lengths_of_rows_are_a_copy(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    cache = read_rows(model, make_ids(2, 30), [29, 3])
    rows = cache.rows([0, 1])
    rows.lengths[:] = 0
    assert rows.lengths.tolist() == cache.lengths.tolist() == [29, 3]


@pytest.mark.parametrize("seats", [[0], [5], [0, 1], [1, 2, 4, 6], [0, 6], [0, 1, 2, 3, 4, 5, 6]], ids=str)
@pytest.mark.parametrize("in_step", [True, False], ids=["in step", "out of step"])
def test_some_rows_go_on_and_the_others_stay_as_they_are(
    model: GPT, make_ids: Callable[..., Tensor], seats: list[int], in_step: bool
) -> None:
    ids = make_ids(7, BLOCK)
    lengths = [20] * 7 if in_step else [3, 40, 20, 20, 17, 1, 60]
    cache = read_rows(model, ids, lengths)
    others = [seat for seat in range(7) if seat not in seats]
    before = cache.data[:, :, others].clone()
    for step in range(9):
        logits = read(model, cache.rows(seats), torch.stack([ids[seat, lengths[seat] + step][None] for seat in seats]))
        for row, seat in enumerate(seats):
            assert_close(logits[row], plain(model, ids[seat, : lengths[seat] + step + 1], 1), rtol=0, atol=1e-4)
    assert cache.lengths.tolist() == [length + 9 * (seat in seats) for seat, length in enumerate(lengths)]
    assert_close(cache.data[:, :, others], before, rtol=0, atol=0)


def test_rows_that_begin_apart_from_each_other_begin_anew(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids = make_ids(5, 30)
    cache = read_rows(model, ids.flip(1), [30] * 5)
    rows = cache.rows([0, 2, 4])
    rows.forget()
    assert cache.lengths.tolist() == [0, 30, 0, 30, 0]
    logits = torch.cat([read(model, rows, ids[::2, :17]), read(model, rows, ids[::2, 17:])], dim=1)
    with torch.no_grad():
        assert_close(logits, model(ids[::2]), rtol=0, atol=1e-4)


def test_a_row_that_would_outgrow_the_block_is_refused_for_its_step_alone(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    cache = read_rows(model, make_ids(3, BLOCK), [3, BLOCK, 5])
    with pytest.raises(ValueError, match="73 characters do not fit in a block of 72"):
        read(model, cache.rows([0, 1]), make_ids(2, 1))
    assert cache.lengths.tolist() == [3, BLOCK, 5]
    read(model, cache.rows([0, 2]), make_ids(2, 1))
    assert cache.lengths.tolist() == [4, BLOCK, 6]


@pytest.mark.parametrize("wiped", [True, False])
def test_a_wiped_seat_leaves_no_trace_of_what_was_no_number(
    model: GPT, make_ids: Callable[..., Tensor], wiped: bool, attention: str
) -> None:
    ids = make_ids(3, 30)
    cache = read_rows(model, ids, [20, 20, 20])
    cache.data[:, :, 1] = torch.nan
    if wiped:
        cache.clear(1)
        assert cache.lengths.tolist() == [20, 0, 20]
    cache.row(1).forget()
    read(model, cache.row(1), ids[1:2, :3])
    logits = read(model, cache, torch.stack([ids[0, 20:21], ids[1, 3:4], ids[2, 20:21]]))
    sound = wiped or attention == "compiled"
    assert bool(logits[1].isfinite().all()) is sound  # PyTorch's multiplies what is masked out by zero
    for row, length in ((0, 21), (1, 4), (2, 21)):
        if row != 1 or sound:
            assert_close(logits[row], plain(model, ids[row, :length], 1), rtol=0, atol=1e-4)


def waste(n_keys: list[int]) -> int:
    """Keys read for nothing where rows share a call: each reads as many as the longest has."""
    return sum(max(n_keys) - n for n in n_keys)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([16, 32, 64, 128, 240, 256])), min_size=1, max_size=40),
    st.integers(0, 5),
)
def test_spans_are_cut_where_seats_are_no_neighbours_and_where_waste_costs_more_than_a_call(
    gaps_and_keys: list[tuple[int, int]], first: int
) -> None:
    seats = [*itertools.accumulate((gap for gap, _ in gaps_and_keys[1:]), initial=first)]
    n_keys = [n for _, n in gaps_and_keys]
    cuts = _cuts(seats, n_keys)
    assert (cuts[0], cuts[-1]) == (0, len(seats))
    assert cuts == sorted({*cuts})
    for begin, end in itertools.pairwise(cuts):
        assert seats[begin:end] == [*range(seats[begin], seats[begin] + end - begin)]
        spans = [n_keys[begin:i] for i in range(begin + 1, end + 1)]
        assert all(waste(longer) - waste(span) <= CALL_COST for span, longer in itertools.pairwise(spans))
        if end < len(seats) and seats[end] == seats[end - 1] + 1:  # no need to cut, but it was worth it
            assert waste(n_keys[begin : end + 1]) - waste(n_keys[begin:end]) > CALL_COST


@pytest.mark.parametrize(
    ("seats", "n_keys", "cuts"),
    [
        ([4], [16], [0, 1]),
        ([0, 1, 2], [16, 16, 16], [0, 3]),
        ([0, 2, 3], [16, 16, 16], [0, 1, 3]),
        ([0, 1], [16, 176], [0, 2]),  # 160 keys of waste, as much as a call costs
        ([0, 1], [16, 192], [0, 1, 2]),
        ([0, 1], [192, 16], [0, 1, 2]),
        ([*range(11)], [16] * 10 + [32], [0, 11]),
        ([*range(12)], [16] * 11 + [32], [0, 11, 12]),  # 11 rows would read 16 more each
        ([0, 1, 2, 3], [256, 16, 16, 256], [0, 1, 3, 4]),
    ],
)
def test_a_cut_is_made_only_where_it_pays(seats: list[int], n_keys: list[int], cuts: list[int]) -> None:
    assert CALL_COST == 160
    assert _cuts(seats, n_keys) == cuts


@pytest.mark.parametrize("seats", [[0, 1, 2, 3, 4, 5, 6], [0, 1, 3, 4, 6]], ids=str)
def test_the_outcome_is_the_same_however_rows_are_cut(
    model: GPT, make_ids: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch, seats: list[int]
) -> None:
    ids, lengths, outcomes, calls = make_ids(7, BLOCK), [3, 40, 20, 20, 17, 1, 60], [], []
    for call_cost in (0, 20, 50, 10**9):
        monkeypatch.setattr(kv_cache, "CALL_COST", call_cost)
        cache = read_rows(model, ids, lengths)
        inputs = torch.stack([ids[seat, lengths[seat]][None] for seat in seats])
        outcomes.append((read(model, cache.rows(seats), inputs), cache.data.clone()))
        all_keys = [-(-(lengths[seat] + 1) // KEY_BLOCK) * KEY_BLOCK for seat in seats]
        calls.append(len(_cuts(seats, all_keys)))
    assert len({*calls}) > 1  # they were cut otherwise
    for logits, data in outcomes[1:]:
        assert_close(logits, outcomes[0][0], rtol=0, atol=1e-5)
        assert_close(data, outcomes[0][1], rtol=0, atol=1e-5)


def test_keys_are_read_in_whole_blocks_and_two_more(model: GPT) -> None:
    for length, n_keys in ((1, 18), (15, 18), (16, 34), (62, 66), (64, 82), (71, 82)):
        cache = KVCache(model.config, 3, torch.float32)
        for lengths in ([length] * 3, [length, 0, 0]):  # in step, and not
            cache.lengths[:] = lengths
            slots = cache.reserve(1)
            rows, keys, values, mask = slots.seen(0, torch.zeros(2, 3, 2, 1, 16))[0]
            assert rows.start == 0
            assert mask is not None
            assert keys.shape[2] == values.shape[2] == mask.shape[-1] == n_keys
            assert torch.equal(mask[0, 0, 0] == 0 if mask.dim() == 4 else mask[0] == 0, torch.arange(n_keys) <= length)


def test_empty_seats_take_no_memory_until_they_are_written_to(model: GPT) -> None:
    cache = KVCache(model.config, 512, torch.float32)
    assert not cache.data.any()
    assert cache.data.shape == (2, 2, 512, 2, 82, 16)
    assert KVCache(model.config, 2, torch.bfloat16).data.dtype == torch.bfloat16
    assert np.array_equal(cache.lengths, np.zeros(512))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_cache_takes_memory_only_for_the_keys_that_are_written() -> None:
    config = GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, vocab_size=65)
    before = resident_bytes(os.getpid())
    cache = KVCache(config, 128, torch.float32)
    assert cache.data.nbytes > 500e6
    assert resident_bytes(os.getpid()) - before < 5e6
    cache.data[:, :, ::8, :, :8] = 1.0  # 2 kB of each head of 16 seats: one page of memory, or two
    assert resident_bytes(os.getpid()) - before < 20e6


def test_a_cache_for_which_there_is_no_memory_says_so() -> None:
    with pytest.raises(MemoryError, match="key/value cache"):
        KVCache(GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, vocab_size=65), 10**11, torch.float32)


@pytest.mark.parametrize("head_dim", [1, 4, 6, 15, 16, 64, 100])
def test_each_thread_of_attention_has_an_aligned_buffer(head_dim: int) -> None:
    config = GPTConfig(n_layer=1, n_head=2, n_embd=2 * head_dim, block_size=40, vocab_size=5)
    cache = KVCache(config, 1, torch.float32)
    for length in range(1, 41):
        n_keys = cache.n_keys(length)
        assert (n_keys + 2 + head_dim) % 4 == 0  # scores, the largest and their sum, the output
        assert length <= 16 * (n_keys // 16)  # what is added to whole blocks is never attended to
    assert KVCache(config, 1, torch.bfloat16).n_keys(40) == 48
