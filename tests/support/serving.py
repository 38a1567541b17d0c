"""Requests for the tests of serving, and the plain forward that their texts are held against."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from model.config import SamplingParams
from model.network.gpt import GPT
from model.precision import rows_agree
from model.sampling import distribution, draw
from model.serving.request import Progress, Request
from model.serving.writer import Writer
from model.weights import Weights

PATIENCE_S = 60.0  # how long a test waits for what should take no time, before it says that it never comes
MANY_ROUNDS = 20_000  # more than any test's texts take


def params(**settings: Any) -> SamplingParams:
    """Settings for a short text."""
    return SamplingParams(**{"temperature": 1.0, "max_new_chars": 20, "seed": 7} | settings)


def finished(request: Request) -> Progress:
    """A request at its end."""
    deadline = time.monotonic() + PATIENCE_S
    while not (progress := request.progress()).finished:
        assert time.monotonic() < deadline, f"still {progress.state}"
        time.sleep(0.002)
    return progress


def make_writer(weights: Weights, seats: int = 16) -> Writer:
    """A writer without a thread: it goes on when it is told to."""
    return Writer(weights, seats, threading.Condition(threading.RLock()))


def ask(writer: Writer, prompt: str, settings: SamplingParams, viewer: str = "") -> Request:
    """A request that waits in a writer."""
    request = Request(prompt, (), settings, writer.weights.tokenizer.vocabulary, viewer)
    writer.submit(request)
    return request


def write_all(writer: Writer) -> None:
    """Rounds until nothing is left to write."""
    for _ in range(MANY_ROUNDS):
        if writer.idle:
            return
        writer.round()
    raise AssertionError("the writer does not come to an end")


def logits_of(request: Request, sample: int) -> NDArray[np.float32]:
    """What the network said before each character that a sample has, (chars, V)."""
    characters = [request.character(sample, i) for i in range(len(request.progress().texts[sample]))]
    assert None not in characters
    return np.stack([character.logits for character in characters if character])


@torch.no_grad()
def plain_logits(model: GPT, prompt: list[int], ids: list[int]) -> NDArray[np.float32]:
    """What the network says before each character that continues a prompt, without a cache, (chars, V).

    The context of the character at p is text[window_start(p):p]. Characters with the same start share a pass, for earlier
    logits do not depend on what follows; what fills the shorter windows up follows too.
    """
    text = prompt + ids
    ends: dict[int, list[int]] = defaultdict(list)
    for position in range(len(prompt), len(text)):
        ends[model.config.window_start(position)].append(position)
    windows = torch.zeros(len(ends), max(positions[-1] - start for start, positions in ends.items()), dtype=torch.long)
    for row, (start, positions) in enumerate(ends.items()):
        windows[row, : positions[-1] - start] = torch.tensor(text[start : positions[-1]])
    logits = model(windows)
    parts = [logits[row, [position - start - 1 for position in positions]] for row, (start, positions) in enumerate(ends.items())]
    return torch.cat(parts).numpy()


def assert_as_the_plain_forward_writes(request: Request, weights: Weights) -> None:
    """What a request has is what the plain forward gives along the same texts: logits within 1e-4, the same characters wherever
    the die is farther than 1e-5 from an edge. The interval that is remembered comes from the logits that are remembered."""
    settings, encode = request.params, weights.tokenizer.encode
    prompt = weights.tokenizer.encode_prompt(request.prompt)
    for sample, text in enumerate(request.progress().texts):
        if not text:
            continue
        logits, plain = logits_of(request, sample), plain_logits(weights.model, prompt, encode(text))
        assert_allclose(logits, plain, rtol=0, atol=1e-4)
        throws = request.throws[sample, : len(text)]
        drawn = draw(distribution(logits, settings.temperature, settings.top_k, settings.top_p), throws)
        assert_array_equal(drawn.ids, encode(text))
        edges = [(character.low, character.high) for i in range(len(text)) if (character := request.character(sample, i))]
        assert_allclose(edges, np.stack([drawn.low, drawn.high], axis=1), rtol=0, atol=1e-12)  # drawn beside others then
        if settings.temperature and not settings.top_k and settings.top_p == 1.0:  # where a little more or less changes little
            expected = draw(distribution(plain, settings.temperature), throws)
            clear = np.minimum(throws - expected.low, expected.high - throws) > 1e-5
            assert_array_equal(np.array(encode(text))[clear], expected.ids[clear])
            assert clear.mean() > 0.5 or len(text) < 10


def held_by_float16(model: GPT) -> GPT:
    """With weights that float16 holds exactly, as it does those that ship: packing changes nothing about them."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half())
    return model


def skip_without_bfloat16() -> None:
    """oneDNN's products in bfloat16 are not for every CPU."""
    if not (hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        pytest.skip("this CPU, or this PyTorch, has no packed products in bfloat16")


def skip_where_rows_disagree(model: GPT) -> None:
    """Bit-equal rows are the machine's to give, and the app asks it likewise; where it is known to give them it is no excuse."""
    if not rows_agree(model):
        assert not torch.cpu._is_amx_tile_supported()
        pytest.skip("on this machine a row's product depends on how many rows there are")
