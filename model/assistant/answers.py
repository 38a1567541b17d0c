"""Answers to many requests at once, with the cache and the project's own dice. Each ends at its stop sign.

A row is one answer being written. When one is done, the last row takes its seat, so that the rows stay side by side in the cache and a
step costs no more than the rows that are still being written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.assistant.pairs import STOP
from model.decode import NOT_FINITE
from model.errors import ParameterError
from model.network import Network
from model.network.kv_cache import KVCache
from model.network.reading import read_windows
from model.sampling import dice, distribution, draw
from model.tokenizer import CharTokenizer

ANSWER_CHARS = 100  # of the longest answer; those of the examples have at most 90, and the stop sign 2


class Answers(NamedTuple):
    """What was written after some prompts.

    Attributes:
        ids: (B, T), 0 after the end of an answer. The stop sign is part of an answer.
        lengths: (B,).
        has_stopped: (B,): whether the answer ended with its stop sign.
    """

    ids: Tensor
    lengths: Tensor
    has_stopped: Tensor

    def texts(self, tokenizer: CharTokenizer) -> list[str]:
        """The answers without their stop signs."""
        rows = zip(self.ids.tolist(), self.lengths.tolist(), strict=True)
        return [tokenizer.decode(ids[:length]).removesuffix(STOP) for ids, length in rows]


@torch.inference_mode()
def write_answers(
    network: Network,
    tokenizer: CharTokenizer,
    prompts: Sequence[str],
    seeds: Sequence[int],
    temperature: float,
    most: int = ANSWER_CHARS,
) -> Answers:
    """Writes an answer to each prompt with sample 0 of the dice of its seed: the text that `model.decode.generate_cached` writes, up to
    and with the stop sign.

    Args:
        network: keeps a cache and is in evaluation mode.
        most: characters of an answer.

    Raises:
        FloatingPointError: the network's output is not finite.
        ParameterError: the network keeps no cache, or its context is too short for a prompt and its answer.
    """
    _check(network, prompts, most)
    encoded = [tokenizer.encode_prompt(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda row: (len(encoded[row]), prompts[row]))  # rows of one length share a call
    throws = np.stack([dice(seed, 0, most) for seed in seeds])  # (B, most)
    stop = tokenizer.encode(STOP)
    ids = np.zeros((len(prompts), most), dtype=np.int64)
    lengths, has_stopped = np.zeros(len(prompts), dtype=np.int64), np.zeros(len(prompts), dtype=bool)

    cache = network.make_cache(len(prompts))
    rows = np.array(order)  # which row sits in each seat
    logits = _read(network, cache, [encoded[row] for row in order])
    for step in range(most):
        if not torch.isfinite(logits).all():
            raise FloatingPointError(NOT_FINITE)
        drawn = draw(distribution(logits.cpu().numpy(), temperature), throws[rows, step]).ids
        ids[rows, step] = drawn
        lengths[rows] += 1
        has_stopped[rows] = (ids[rows, max(step - 1, 0) : step + 1] == stop).all(1) if step else False
        for seat in np.flatnonzero(has_stopped[rows])[::-1]:  # from the last one, so that a row that moves is not done
            last = len(rows) - 1
            if seat < last:
                cache.share_row(last, [seat])
                rows[seat], drawn[seat] = rows[last], drawn[last]
            rows, drawn = rows[:last], drawn[:last]
        if not len(rows) or step == most - 1:
            break
        unread = torch.from_numpy(drawn)[:, None].to(network.device)
        logits = network(unread, cache=cache.rows(np.arange(len(rows))), last_only=True)[:, -1]
    width = int(lengths.max())
    return Answers(torch.from_numpy(ids[:, :width].copy()), torch.from_numpy(lengths), torch.from_numpy(has_stopped))


def _check(network: Network, prompts: Sequence[str], most: int) -> None:
    if not network.keeps_cache:
        raise ParameterError("This network keeps no cache, so it cannot write many answers at once. Choose a GPT.")
    longest, context = max(map(len, prompts)), network.config.block_size
    if longest + most > context:
        raise ParameterError(
            f"A request of {longest} characters and an answer of {most} do not fit in the context of {context} characters."
        )
    assert not network.training


def _read(network: Network, cache: KVCache, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Reads each prompt into its seat, one that several seats share only once; the logits after it, (B, V)."""
    logits: list[Tensor] = []
    for seat, prompt in enumerate(prompts):
        if seat and prompt == prompts[seat - 1]:
            cache.share_row(seat - 1, [seat])
            logits.append(logits[-1])
        else:
            logits.append(read_windows(network, cache, [seat], [prompt]))
    return torch.cat(logits)
