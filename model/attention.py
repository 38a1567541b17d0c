"""One forward pass over a text and its results: attention weights, queries, keys and values, the logit lens, and the heads' measures.

Shapes: T characters, n_cells = T (T + 1) / 2, V vocabulary, C channels of the residual stream.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.config import GPTConfig, NetworkConfig
from model.errors import ParameterError
from model.head_measures import Description, describe, measure, rounded
from model.limits import MAX_CAPTURE_NUMBERS
from model.network import Capture, Network
from model.network.gpt import GPT
from model.parts import NO_HEADS, Part
from model.precision import name_of


@dataclass(frozen=True)
class Reading:
    """Results of one forward pass over a text.

    Attributes:
        precision: dtype of the matrix products. Attention itself is always computed in float32 (see `Capture`).
        weights: lower triangle of each head's attention weights, row by row, (n_layer, n_head, n_cells); row i has i + 1 weights.
        queries, keys, values: (n_layer, n_head, T, head_dim).
        projections: copies of the matrices that write the heads' outputs into the residual stream, (n_layer, C, C), in the model's
            precision: so that a reading keeps nothing of a model that is dropped.
        lens: logits from the residual stream after the embeddings and after each block, (n_layer + 1, T, V); the last ones are the
            model's logits.
        loss: mean loss in nats over all characters except the first; None for a single character.
        stats: measures of each layer's heads, as `describe` returns them.
        uniform: measures of uniform attention.
    """

    precision: str
    weights: NDArray[np.float32]
    queries: NDArray[np.float32]
    keys: NDArray[np.float32]
    values: NDArray[np.float32]
    projections: Tensor
    lens: NDArray[np.float32]
    loss: float | None
    stats: list[list[Description]]
    uniform: Description

    @property
    def n_layer(self) -> int:
        return self.queries.shape[0]

    @property
    def n_head(self) -> int:
        return self.queries.shape[1]

    @property
    def n_chars(self) -> int:
        return self.queries.shape[2]

    @property
    def n_bytes(self) -> int:
        """Size of the arrays in bytes."""
        arrays = (self.weights, self.queries, self.keys, self.values, self.projections, self.lens)
        return sum(array.nbytes for array in arrays)

    def row(self, layer: int, head: int, row: int) -> NDArray[np.float32]:
        """One row of a head's weights, (row + 1,)."""
        begin = row * (row + 1) // 2
        return self.weights[layer, head, begin : begin + row + 1]

    def output(self, layer: int, head: int, row: int) -> NDArray[np.float32]:
        """A head's output at a row, before the projection: its values, weighted by the row's weights and summed, (head_dim,)."""
        return self.row(layer, head, row) @ self.values[layer, head, : row + 1]

    def project(self, layer: int, head: int, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a head writes into the residual stream for outputs (n, head_dim), (n, C)."""
        head_dim = outputs.shape[1]
        matrix = self.projections[layer][:, head * head_dim : (head + 1) * head_dim]
        return outputs @ matrix.float().numpy().T


@torch.inference_mode()
def read(model: Network, ids: Sequence[int], text: str, off: Collection[Part] = ()) -> Reading:
    """Reads a text in one forward pass and captures its attention. The model must be in eval mode.

    Args:
        ids: the text's ids, at most block_size.
        off: parts to switch off, as in `Network.forward`.

    Raises:
        ParameterError: the network has no heads, or a part in `off` does not exist.
        FloatingPointError: the network's output is not finite.
    """
    if not isinstance(model, GPT):
        raise ParameterError(NO_HEADS)
    capture, given = Capture(), torch.tensor([ids], device=model.device)
    logits = model(given, capture=capture, off=off)[0]
    if not torch.isfinite(logits).all():
        raise FloatingPointError("the network's output is not finite")
    attention = torch.cat(capture.attention)  # (n_layer, n_head, T, T)
    measured = measure(attention, text)
    described = describe(measured)
    row, column = torch.tril_indices(len(ids), len(ids), device=model.device)
    return Reading(
        precision=name_of(model.dtype),
        weights=attention.flatten(-2).index_select(-1, row * len(ids) + column).cpu().numpy(),
        queries=torch.cat(capture.queries).float().cpu().numpy(),
        keys=torch.cat(capture.keys).float().cpu().numpy(),
        values=torch.cat(capture.values).float().cpu().numpy(),
        projections=torch.stack(
            [model.get_parameter(f"transformer.h.{layer}.attn.c_proj.weight") for layer in range(len(capture.keys))]
        ).cpu(),
        lens=torch.stack([*(model.logits(stream[0]) for stream in capture.stream[:-1]), logits]).cpu().numpy(),
        loss=F.cross_entropy(logits[:-1], given[0, 1:]).item() if len(ids) > 1 else None,
        stats=[described[first : first + model.config.n_head] for first in range(0, len(described), model.config.n_head)],
        uniform=rounded(measured.uniform_means()),
    )


def most_shown(config: NetworkConfig) -> int:
    """Maximum length of a reading in characters: block_size, or fewer if MAX_CAPTURE_NUMBERS weights, vectors and logits hold fewer.

    Raises:
        ParameterError: the network has no heads.
    """
    if not isinstance(config, GPTConfig):
        raise ParameterError(NO_HEADS)
    heads = config.n_layer * config.n_head
    by_char = heads + 6 * config.n_layer * config.n_embd + 2 * (config.n_layer + 1) * config.vocab_size  # doubled, like heads * n * n
    fitting = (math.isqrt(by_char**2 + 8 * heads * MAX_CAPTURE_NUMBERS) - by_char) // (2 * heads)
    return min(config.block_size, fitting)
