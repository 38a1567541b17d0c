"""Cached decoding of texts that share a prompt, all in one forward pass per step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from model.config import SamplingParams
from model.gpt import GPT
from model.kv_cache import KVCache
from model.sampling import Draw, dice, distribution, draw


class Decoder:
    """The samples of one prompt, a character each per step.

    A window is always read one row at a time, so that its outcome does not depend on how many samples were asked for.

    Args:
        prompt: at least one id.
    """

    def __init__(self, model: GPT, prompt: list[int], params: SamplingParams):
        self.model, self.params = model, params
        self._texts = np.tile(np.array(prompt), (params.samples, 1))
        self._throws = np.stack([dice(params.seed, params.first_sample + i, params.max_new_chars) for i in range(params.samples)])
        self._cache = KVCache(model.config, params.samples, model.dtype, model.device)
        self._window_start = -1
        self._step = 0

    @property
    def done(self) -> bool:
        return self._step == self.params.max_new_chars

    def step(self) -> Draw:
        """The next character of every sample."""
        probabilities = distribution(self.logits().numpy(), self.params.temperature, self.params.top_k, self.params.top_p)
        drawn = draw(probabilities, self._throws[:, self._step])
        self._texts = np.concatenate([self._texts, drawn.ids[:, None]], axis=1)
        self._step += 1
        return drawn

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Logits of the next character of every sample, (samples, V), float32 on the CPU."""
        position = self._texts.shape[1]
        start = self.model.config.window_start(position)
        if start == self._window_start:
            return self._forward(self._texts[:, -1:], self._cache)
        self._window_start = start
        if self._step == 0:  # all samples still have the same text
            logits = self._read_window(0).expand(self.params.samples, -1)
            self._cache.share_row(0)
            return logits
        return torch.cat([self._read_window(row) for row in range(self.params.samples)])

    def _read_window(self, row: int) -> Tensor:
        cache = self._cache.row(row)
        cache.lengths.zero_()
        return self._forward(self._texts[row : row + 1, self._window_start :], cache)

    def _forward(self, ids: np.ndarray, cache: KVCache) -> Tensor:
        return self.model(torch.from_numpy(ids).to(self.model.device), cache=cache, last_only=True)[:, -1].cpu()
