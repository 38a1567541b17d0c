"""A step that computes every seat beside one that computes the rows alone. Only a CUDA device captures a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model.network.gpt import GPT
from model.network.kv_cache import KVCache
from model.network.step_graph import StepGraph
from model.serving.request import DONE
from model.weights import Weights
from tests.support.serving import ask, assert_as_the_plain_forward_writes, make_writer, params, write_all

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCK, SEATS = 40, 8
ON_CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))


@pytest.fixture(params=["cpu", ON_CUDA])
def model(request: pytest.FixtureRequest, make_model: Callable[..., GPT]) -> GPT:
    """A network whose block is no multiple of the blocks that keys are read in."""
    return make_model(block_size=BLOCK).to(request.param)


def tolerance(model: GPT) -> dict[str, float]:
    """Of logits of about 3."""
    return {"rtol": 0, "atol": 1e-5 if model.device.type == "cpu" else 1e-4}


@torch.inference_mode()
def read_rows(model: GPT, ids: Tensor, lengths: list[int]) -> KVCache:
    """A cache with a beginning of its own length for each row."""
    cache = KVCache(model.config, len(lengths), torch.float32, model.device)
    for row, length in enumerate(lengths):
        if length:
            model(ids[row : row + 1, :length].to(model.device), cache=cache.row(row))
    return cache


@torch.inference_mode()
def step_of_rows(model: GPT, cache: KVCache, seats: list[int], ids: Tensor) -> Tensor:
    """Logits of some rows, without a graph, (rows, V)."""
    return model(ids[:, None].to(model.device), cache=cache.rows(seats))[:, -1].cpu()


def assert_same_texts(model: GPT, graphs: KVCache, rows: KVCache) -> None:
    """What the seats hold of their texts is the same, but for the last character of a full row, which is read anew anyway."""
    assert graphs.lengths.tolist() == rows.lengths.tolist()
    for seat, length in enumerate(np.minimum(rows.lengths, BLOCK - 1).tolist()):
        assert_close(graphs.data[:, :, seat, :, :length], rows.data[:, :, seat, :, :length], **tolerance(model))


def test_every_seat_at_once_gives_the_logits_of_the_rows(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, random = make_ids(SEATS, BLOCK), Random(0)
    lengths = [0, 3, 15, 16, 17, 31, 1, 30]  # the first has not even begun
    graphs, rows = read_rows(model, ids, lengths), read_rows(model, ids, lengths)
    graph = StepGraph(model, graphs)
    took_part = set()
    for _ in range(60):
        able = [seat for seat in range(SEATS) if rows.lengths[seat] < BLOCK]
        if not able:
            break
        seats = sorted(random.sample(able, random.randint(1, len(able))))
        took_part.add(len(seats))
        new = torch.stack([ids[seat, rows.lengths[seat]] for seat in seats])
        logits = graph.step(np.array(seats), new)
        assert_close(torch.from_numpy(logits), step_of_rows(model, rows, seats, new), **tolerance(model))
        assert logits.dtype == np.float32
        assert_same_texts(model, graphs, rows)
    assert rows.lengths.max() == BLOCK  # some were full while others went on
    assert took_part >= {1, 2, 3, 4, 5, 6}


def test_a_full_row_that_takes_no_part_is_read_anew_and_goes_on(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, others = make_ids(3, BLOCK), make_ids(3, BLOCK, seed=1)
    graphs, rows = read_rows(model, ids, [BLOCK, 5, 20]), read_rows(model, ids, [BLOCK, 5, 20])
    graph = StepGraph(model, graphs)
    for step in range(4):
        new = others[1:, step]
        assert_close(torch.from_numpy(graph.step(np.array([1, 2]), new)), step_of_rows(model, rows, [1, 2], new), **tolerance(model))
    for cache in (graphs, rows):
        cache.row(0).forget()
        with torch.inference_mode():
            model(ids[:1, BLOCK // 2 :].to(model.device), cache=cache.row(0))
    assert_same_texts(model, graphs, rows)
    new = others[:, 9]
    assert_close(torch.from_numpy(graph.step(np.arange(3), new)), step_of_rows(model, rows, [0, 1, 2], new), **tolerance(model))


def test_a_row_is_the_same_to_the_last_bit_whoever_takes_part(model: GPT, make_ids: Callable[..., Tensor]) -> None:
    ids, lengths = make_ids(SEATS, BLOCK), [9] * SEATS
    alone, crowded = (StepGraph(model, read_rows(model, ids, lengths)) for _ in range(2))
    for step in range(9, 25):
        one = alone.step(np.array([3]), ids[3:4, step])
        seats = [3] if step % 3 == 0 else [1, 3, 5, 6] if step % 3 == 1 else [*range(SEATS)]
        many = crowded.step(np.array(seats), ids[seats, step])
        np.testing.assert_array_equal(many[seats.index(3)], one[0])


def test_a_writer_on_such_a_device_writes_what_the_plain_forward_writes(tiny: Weights, model: GPT) -> None:
    writer = make_writer(replace(tiny, model=model))
    assert (writer._decoder._graph is not None) is (model.device.type == "cuda")  # without one it writes row by row
    requests = [ask(writer, "To be" * n, params(samples=n, max_new_chars=60), str(n)) for n in (1, 2, 5, 8)]
    write_all(writer)
    model.cpu()
    for request in requests:
        assert request.progress().state == DONE
        assert_as_the_plain_forward_writes(request, replace(tiny, model=model))
