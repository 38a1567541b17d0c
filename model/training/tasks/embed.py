"""Embeddings: vectors that are alike where texts belong together, from a trained parent model (Neelakantan et al., "Text and Code
Embeddings by Contrastive Pre-Training", 2022).

The first text of each pair is compared with the second texts of all pairs of a pass: its own should be the most like it, the others stand
for all that does not belong to it. The loss is the cross-entropy of that choice, in both directions, over cosines divided by a temperature
that is learned.

    python -m model train --task embed --from weights/shakespeare --run embedding
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import EmbedConfig, EmbeddingGPTConfig
from model.data import Corpus
from model.errors import CheckpointError, CorpusError, UnknownCharacterError
from model.meaning.embedder import in_rows, pad
from model.meaning.halves import HALF_CHARS, Pair, TrainingPairs, held_out_halves
from model.meaning.recall import ranks
from model.network import Network
from model.network.embedding import EmbeddingGPT
from model.training.presets import EMBED
from model.training.run import Metrics, Run
from model.training.tasks.fine_tuning import FineTuning, Start, as_writer
from model.training.tasks.task import Rows
from model.weights import CONFIG_FILE

SHOWN = 4  # first halves in the text of each evaluation
RECALL_AT = 10


class Embed(FineTuning):
    """Learns which texts of the plays belong together.

    Raises:
        CorpusError: the corpus has too few speeches, or characters that the parent does not know, or its texts do not fit the context.
    """

    name: ClassVar[str] = EMBED
    config: EmbeddingGPTConfig

    def __init__(self, start: Start, recipe: EmbedConfig, corpus: Corpus):
        super().__init__(start, recipe)
        self.corpus = corpus
        self.pairs, self.held_out = TrainingPairs(corpus.text, recipe.windows_share), held_out_halves(corpus.text)
        if self.config.block_size < HALF_CHARS[-1]:
            context = f"{start.parent.name} has a context of {self.config.block_size} characters"
            raise CorpusError(f"{context}; the texts have up to {HALF_CHARS[-1]}. Choose another parent.")
        try:
            self.tokenizer.encode("".join(corpus.alphabet))
        except UnknownCharacterError as error:
            raise CorpusError(f"{corpus.name} cannot be learned by {start.parent.name}: {error}") from None

    @classmethod
    def begin(cls, start: Start, recipe: EmbedConfig, corpus: Corpus) -> Embed:
        """The task of a new run."""
        return cls(replace(start, config=EmbeddingGPTConfig(**vars(start.config))), recipe, corpus)

    @classmethod
    def resume(cls, run: Run, corpus: Corpus) -> Embed:
        """The task of a run that was started before.

        Raises:
            CheckpointError: as `Start.resume`.
            CorpusError: the corpus is not the run's.
        """
        plan = run.plan()
        known = plan.about.get("corpus")
        if not isinstance(known, dict) or not isinstance(plan.recipe, EmbedConfig):
            raise CheckpointError(f"{run.folder / CONFIG_FILE} is not that of a run that learns embeddings.")
        if corpus.sha256 != known.get("sha256"):
            raise CorpusError(f"{run.folder} was started with another text ({known.get('name')}). Resume it with that one (--corpus).")
        return cls(Start.resume(run), plan.recipe, corpus)

    @property
    def chance_loss(self) -> float:
        """That of a choice among the held-out texts, of which there are more than in a pass."""
        return math.log(max(len(self.held_out), self.recipe.micro_batch_size))

    def about(self) -> dict[str, Any]:
        corpus = {"name": self.corpus.name, "characters": len(self.corpus.text), "sha256": self.corpus.sha256}
        return super().about() | {"corpus": corpus}

    def batch(self, step: int, network: Network) -> Rows:
        """First and second texts, each with its lengths: (batch_size, longest), (batch_size,) and the same again."""
        pairs = self.pairs.draw(self.recipe.batch_size, np.random.default_rng([self.recipe.seed, step]))
        return self._side_by_side(pairs)

    def weight(self, rows: Rows) -> int:
        """Pairs."""
        return len(rows[0])

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        assert isinstance(network, EmbeddingGPT)
        first, first_lengths, second, second_lengths = rows
        longest = max(first.shape[1], second.shape[1])
        ids = torch.cat([F.pad(side, (0, longest - side.shape[1])) for side in (first, second)])
        vectors = network.embed(ids, torch.cat([first_lengths, second_lengths]), generator)
        return contrastive(vectors[: len(first)], vectors[len(first) :], network.scale).mean()

    @torch.no_grad()
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """On the halves of the held-out speeches: "val_loss", the loss with all of them in one pass; "recall", the share of first halves
        whose second half is among the ten that are most like it; and "temperature"."""
        first, second = self._vectors(network, each)
        assert isinstance(network, EmbeddingGPT)
        scale = network.scale.detach().float().cpu()
        found = (ranks(first @ second.T) <= RECALL_AT).float().mean().item()
        loss = contrastive(first, second, scale).mean().item()
        return {"val_loss": round(loss, 6), "recall": round(found, 6), "temperature": round(1 / scale.item(), 6)}

    @torch.no_grad()
    def sample(self, network: Network) -> dict[str, Any]:
        """The first held-out speeches: a first half, and the second half that is the most like it of all."""
        vectors = self._vectors(network, lambda: None)
        best = (vectors[0][:SHOWN] @ vectors[1].T).argmax(1).tolist()
        shown = zip(self.held_out[:SHOWN], (self.held_out[i] for i in best), strict=True)
        return {"text": "\n\n".join(f"{one.first}\n= {other.second}" for one, other in shown)}

    def _vectors(self, network: Network, each: Callable[[], None]) -> tuple[Tensor, Tensor]:
        """The vectors of all held-out first and second halves, (n, width) each."""
        reader = as_writer(network)
        assert isinstance(reader, EmbeddingGPT)

        def embed(ids: Tensor, lengths: Tensor) -> Tensor:
            each()
            return reader.embed(ids, lengths)

        texts = [text for side in zip(*self.held_out, strict=True) for text in side]
        vectors = in_rows(embed, self.tokenizer, texts, self.config.block_size, network.device)
        first, second = vectors.split(len(self.held_out))
        return first, second

    def _side_by_side(self, pairs: Sequence[Pair]) -> Rows:
        sides = ([torch.tensor(self.tokenizer.encode(text)) for text in side] for side in zip(*pairs, strict=True))
        first, second = (pad(side) for side in sides)
        return (*first, *second)


def contrastive(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """The loss of each pair, (B,): the mean cross-entropy of choosing the second text of each first one, and the first of each second one.

    Args:
        first, second: (B, width), of length 1.
        scale: 1 / temperature, a scalar.
    """
    logits = first @ second.T * scale
    right = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, right, reduction="none") + F.cross_entropy(logits.T, right, reduction="none")) / 2
