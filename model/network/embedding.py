"""The embedding network: a GPT that gives a text one vector instead of continuing it (Neelakantan et al., "Text and Code Embeddings by
Contrastive Pre-Training", 2022).

The states after the final LayerNorm are averaged over the text's characters, mapped to fewer numbers and divided by their length, so that
the product of two vectors is the cosine of the angle between them.

Departure from the paper: the mean over all characters instead of the state at an end sign, which the vocabulary lacks.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import EmbeddingGPTConfig
from model.network.gpt import GPT

FIRST_TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01  # as Radford et al., "Learning Transferable Visual Models ...", 2021


class EmbeddingGPT(GPT):
    """A GPT whose `forward` gives (B, T, C): the state of each character after the final LayerNorm.

    Attributes:
        map: from the mean of the states to the vector.
        log_scale: logarithm of 1 / temperature, by which products of vectors are multiplied in training.
    """

    config: EmbeddingGPTConfig
    writes: ClassVar[bool] = False
    instead: ClassVar[str] = "an embedding network, which turns texts into vectors and writes none"
    shows = frozenset()

    def __init__(self, config: EmbeddingGPTConfig, generator: torch.Generator | None = None):
        super().__init__(config, generator)
        self.map = nn.Linear(config.n_embd, config.width, bias=False)
        nn.init.normal_(self.map.weight, 0.0, config.n_embd**-0.5, generator=generator)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / FIRST_TEMPERATURE)))

    def logits(self, stream: Tensor) -> Tensor:
        """States from a residual stream, (..., C) in float32: the final LayerNorm alone."""
        return self.transformer.ln_f(stream).float()

    @property
    def scale(self) -> Tensor:
        """1 / temperature, a scalar."""
        return self.log_scale.clamp(max=math.log(1 / LEAST_TEMPERATURE)).exp()

    def embed(self, ids: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The vector of each row, (B, width) in float32, of length 1.

        Args:
            ids: (B, T). What comes after a row's end is not seen.
            lengths: characters of each row, (B,), at least 1.
            generator: random number generator for dropout, which is active only in training mode.
        """
        states = self(ids, generator=generator)
        return F.normalize(F.linear(mean_state(states, lengths), self.map.weight.float()), dim=-1)


def mean_state(states: Tensor, lengths: Tensor) -> Tensor:
    """The mean of each row's states up to its length, (B, T, C) to (B, C)."""
    is_text = torch.arange(states.shape[1], device=states.device) < lengths[:, None]  # (B, T)
    return (states * is_text[..., None]).sum(1) / lengths[:, None]
