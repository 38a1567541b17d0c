"""The vectors of sentences: those of a trained embedding network, and those that it must beat, of the plain GPT.

embedder = Embedder.load("weights/meaning/embedding")
embedder.embed(["To be, or not to be", "My lord!"])    # (2, 128), of length 1: their products are cosines
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import CheckpointError, ParameterError
from model.limits import MAX_SENTENCE_CHARS
from model.network import Capture
from model.network.embedding import EmbeddingGPT, mean_state
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.weights import Weights, load_weights

EMBEDDING = "embedding"  # its folder in weights/meaning
ROWS = 32  # texts that are read at a time

Embed = Callable[[Tensor, Tensor], Tensor]  # ids (B, T) and lengths (B,) to vectors (B, width)


@dataclass(frozen=True)
class Embedder:
    """An embedding network with its vocabulary."""

    network: EmbeddingGPT
    tokenizer: CharTokenizer
    sha256: str

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> Embedder:
        """The embedding network in a folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        weights = load_weights(folder, device, writes=None)
        if not isinstance(weights.model, EmbeddingGPT):
            raise CheckpointError(f"{folder} has a network of the kind {weights.kind}, which gives texts no vectors.")
        return cls(weights.model, weights.tokenizer, weights.sha256)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """The vector of each text, (n, width) in float32, of length 1.

        Raises:
            ParameterError: a text is empty, or longer than MAX_SENTENCE_CHARS or than the network's context.
            UnknownCharacterError: it has characters that the vocabulary lacks.
            CheckpointError: a vector is not finite.
        """
        return in_rows(self.network.embed, self.tokenizer, texts, self.network.config.block_size, self.network.device)


@dataclass(frozen=True)
class MeanStates:
    """A GPT that was never trained to compare texts: its vectors are the mean of its states after the final LayerNorm."""

    network: GPT
    tokenizer: CharTokenizer

    @classmethod
    def of(cls, weights: Weights) -> MeanStates:
        """
        Raises:
            ParameterError: the model is not a GPT.
        """
        if not isinstance(weights.model, GPT):
            raise ParameterError(f"{weights.name} is not a GPT but a network of the kind {weights.kind}. Choose a GPT.")
        return cls(weights.model, weights.tokenizer)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """As `Embedder.embed`, (n, n_embd)."""
        return in_rows(self._embed, self.tokenizer, texts, self.network.config.block_size, self.network.device)

    def _embed(self, ids: Tensor, lengths: Tensor) -> Tensor:
        capture = Capture()
        self.network(ids, capture=capture)
        states = self.network.transformer.ln_f(capture.stream[-1]).float()
        return F.normalize(mean_state(states, lengths), dim=-1)


@torch.inference_mode()
def in_rows(embed: Embed, tokenizer: CharTokenizer, texts: Sequence[str], block_size: int, device: torch.device) -> Tensor:
    """The vectors of texts, some at a time, those of about one length together.

    Raises:
        ParameterError, UnknownCharacterError, CheckpointError: as `Embedder.embed`.
    """
    rows = [_encoded(tokenizer, text, min(block_size, MAX_SENTENCE_CHARS)) for text in texts]
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    found: dict[int, Tensor] = {}
    for first in range(0, len(order), ROWS):
        some = order[first : first + ROWS]
        ids, lengths = pad([rows[row] for row in some])
        found |= zip(some, embed(ids.to(device), lengths.to(device)).cpu(), strict=True)
    vectors = torch.stack([found[row] for row in range(len(rows))])
    if not torch.isfinite(vectors).all():
        raise CheckpointError("The model gives vectors that are not finite. Train it again with a lower learning rate.")
    return vectors


def pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Some rows side by side, (rows, longest), and the length of each, (rows,)."""
    return torch.nn.utils.rnn.pad_sequence([*rows], batch_first=True), torch.tensor([len(row) for row in rows])


def _encoded(tokenizer: CharTokenizer, text: str, most: int) -> Tensor:
    if not (text := text.strip()):
        raise ParameterError("The sentence is empty. Type some words.")
    if len(text) > most:
        raise ParameterError(f"The sentence has {len(text):,} characters; the maximum is {most:,}. Shorten it and try again.")
    return torch.tensor(tokenizer.encode(text))
