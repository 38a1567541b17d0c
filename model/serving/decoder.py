"""Cached decoding of texts that share a prompt, all in one forward pass per step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.config import SamplingParams
from model.gpt import GPT
from model.kv_cache import KVCache
from model.sampling import Draw, Floats, dice, distribution, draw


class Decoder:
    """The samples of one prompt, a character each per step.

    A window is always read one row at a time, so that its outcome does not depend on how many samples were asked for.

    Args:
        prompt: at least one id.
        throws: the dice of each sample, (samples, characters to write).
        params: how characters are drawn.
    """

    def __init__(self, model: GPT, prompt: list[int], throws: Floats, params: SamplingParams):
        self.model, self.params = model, params
        samples, new_chars = throws.shape
        self._throws = throws
        self._texts = np.empty((samples, len(prompt) + new_chars), dtype=np.int64)
        self._texts[:, : len(prompt)] = prompt
        self._prompt_length = self._position = len(prompt)
        self._cache = KVCache(model.config, samples, model.dtype, model.device)
        self._window_start = -1

    @property
    def done(self) -> bool:
        return self._position == self._texts.shape[1]

    def step(self) -> Draw:
        """The next character of every sample."""
        probabilities = distribution(self.logits().numpy(), self.params.temperature, self.params.top_k, self.params.top_p)
        drawn = draw(probabilities, self._throws[:, self._position - self._prompt_length])
        self._texts[:, self._position] = drawn.ids
        self._position += 1
        return drawn

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Logits of the next character of every sample, (samples, V), float32 on the CPU. Once a step."""
        start = self.model.config.window_start(self._position)
        if start == self._window_start:
            return self._forward(self._texts[:, self._position - 1 : self._position], self._cache)
        self._window_start = start
        samples = len(self._texts)
        if self._position == self._prompt_length:  # all samples still have the same text
            logits = self._read_window(0).expand(samples, -1)
            self._cache.share_row(0)
            return logits
        return torch.cat([self._read_window(row) for row in range(samples)])

    def _read_window(self, row: int) -> Tensor:
        cache = self._cache.row(row)
        cache.lengths[:] = 0
        return self._forward(self._texts[row : row + 1, self._window_start : self._position], cache)

    def _forward(self, ids: np.ndarray, cache: KVCache) -> Tensor:
        return self.model(torch.from_numpy(ids).to(self.model.device), cache=cache, last_only=True)[:, -1].cpu()


def throws_of(params: SamplingParams) -> Floats:
    """The dice of a request's samples, (samples, max_new_chars)."""
    numbers = range(params.first_sample, params.first_sample + params.samples)
    return np.stack([dice(params.seed, number, params.max_new_chars) for number in numbers])
