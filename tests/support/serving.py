"""Requests for the tests of serving, and the plain forward pass that their texts are compared with."""

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

from model.network.gpt import GPT
from model.precision import rows_agree
from model.sampling import SamplingParams, distribution, draw
from model.serving.request import Progress, Request
from model.serving.writer import Writer
from model.weights import Weights

PATIENCE_S = 300.0  # how long a test waits before it decides that something will never happen
MANY_ROUNDS = 20_000  # more than any test's texts take


def params(**settings: Any) -> SamplingParams:
    """Settings for a short text."""
    return SamplingParams(**{"temperature": 1.0, "max_new_chars": 20, "seed": 7} | settings)


def finished(request: Request) -> Progress:
    """Waits until a request is finished."""
    deadline = time.monotonic() + PATIENCE_S
    while not (progress := request.progress()).finished:
        assert time.monotonic() < deadline, f"still {progress.state}"
        time.sleep(0.002)
    return progress


def make_writer(weights: Weights, seats: int = 16) -> Writer:
    """A writer without a thread: a test calls its rounds."""
    return Writer(weights, seats, threading.Condition(threading.RLock()))


def ask(writer: Writer, prompt: str, settings: SamplingParams, viewer: str = "") -> Request:
    """Submits a request to a writer."""
    request = Request(prompt, (), settings, writer.weights.tokenizer.vocabulary, viewer)
    writer.submit(request)
    return request


def write_all(writer: Writer) -> None:
    """Runs rounds until nothing is left to write."""
    for _ in range(MANY_ROUNDS):
        if writer.idle:
            return
        writer.round()
    raise AssertionError("the writer does not finish")


def logits_of(request: Request, sample: int) -> NDArray[np.float32]:
    """The logits from which each character of a sample was drawn, (chars, V)."""
    characters = [request.character(sample, i) for i in range(len(request.progress().texts[sample]))]
    assert None not in characters
    return np.stack([character.logits for character in characters if character])


@torch.no_grad()
def plain_logits(model: GPT, prompt: list[int], ids: list[int]) -> NDArray[np.float32]:
    """The logits for each character that continues a prompt, computed without a cache, (chars, V).

    The context of the character at p is text[window_start(p):p]. Characters with the same start share a pass, because logits
    depend on nothing that follows them; for the same reason shorter windows are padded at their ends.
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
    """Checks a request against the plain forward pass over the same texts: the logits agree within 1e-4, and so do the characters
    wherever the die is farther than 1e-5 from an edge. The recorded interval must come from the recorded logits."""
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
        assert_allclose(edges, np.stack([drawn.low, drawn.high], axis=1), rtol=0, atol=1e-12)  # the draw was made in a batch
        if settings.temperature and not settings.top_k and settings.top_p == 1.0:  # with top-k or top-p a tiny difference can change a lot
            expected = draw(distribution(plain, settings.temperature), throws)
            clear = np.minimum(throws - expected.low, expected.high - throws) > 1e-5
            assert_array_equal(np.array(encode(text))[clear], expected.ids[clear])
            assert clear.mean() > 0.5 or len(text) < 10


def held_by_float16(model: GPT) -> GPT:
    """Rounds the weights to float16, as the shipped ones are: packing then changes nothing about them."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half())
    return model


def skip_without_bfloat16() -> None:
    """Skips where oneDNN has no bfloat16 products for this CPU."""
    if not (hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        pytest.skip("this CPU or this PyTorch has no packed bfloat16 products")


def skip_where_rows_disagree(model: GPT) -> None:
    """Skips on a machine whose products differ in the last bit with the number of rows, asked as the app asks it at its start.

    On a machine with AMX the rows are known to agree, so that there it is a failure.
    """
    if not rows_agree(model):
        assert not torch.cpu._is_amx_tile_supported()
        pytest.skip("on this machine, the last bits of a row's product depend on the number of rows")
