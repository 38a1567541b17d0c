"""TF-IDF over characters, the baseline of all embeddings: texts are alike if they share runs of characters that few others have.

A text becomes the counts of its runs of 3 to 5 characters, each count c dampened to 1 + ln c and weighted by how rare the run is,
ln((1 + n) / (1 + n with it)) + 1, and the whole divided by its length (Salton and Buckley, "Term-weighting approaches in automatic text
retrieval", 1988). A test compares it with scikit-learn's `TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True)`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.meaning.nearest import nearest

RUN_CHARS = range(3, 6)


class TfIdf:
    """A collection of texts that can be searched.

    Args:
        texts: the collection, (n,).
    """

    def __init__(self, texts: Sequence[str]):
        counts = [_runs(text) for text in texts]
        self._columns = {run: column for column, run in enumerate(dict.fromkeys(run for each in counts for run in each))}
        with_run = Counter(run for each in counts for run in each)
        self._rarity = np.log((1 + len(texts)) / (1 + np.array([with_run[run] for run in self._columns]))) + 1
        self._vectors = self._matrix(counts)  # (n, runs)

    def similarities(self, texts: Sequence[str]) -> Tensor:
        """The cosine of each of some texts with each text of the collection, (len(texts), n). Runs that the collection lacks do not count,
        so a text that shares none is like nothing: 0."""
        return (self._vectors @ self._matrix([_runs(text) for text in texts]).to_dense().T).T

    def similarity(self, text: str, other: str) -> float:
        """The cosine of two texts, with the runs' rarity in the collection."""
        vectors = self._matrix([_runs(text), _runs(other)]).to_dense()
        return (vectors[0] @ vectors[1]).item()

    def nearest(self, text: str, k: int) -> list[tuple[int, float]]:
        """The k texts of the collection that are most like a text, with their cosine, best first."""
        return nearest(self.similarities([text])[0], k)

    def _matrix(self, counts: Sequence[Counter[str]]) -> Tensor:
        """The vectors of some texts, sparse, of length 1, (texts, runs)."""
        rows = [self._vector(each) for each in counts]
        ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        columns, values = (np.concatenate(parts) if parts else np.empty(0) for parts in zip(*rows, strict=True))
        size = (len(counts), len(self._columns))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PyTorch calls this format a beta
            starts, indices, entries = map(torch.from_numpy, (ends, columns, values))
            return torch.sparse_csr_tensor(starts, indices, entries.float(), size, check_invariants=True)

    def _vector(self, counts: Counter[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        known = sorted((self._columns[run], count) for run, count in counts.items() if run in self._columns)
        columns = np.array([column for column, _ in known], dtype=np.int64)
        values = (1 + np.log(np.array([count for _, count in known], dtype=float))) * self._rarity[columns]
        return columns, values / (np.linalg.norm(values) or 1.0)


def _runs(text: str) -> Counter[str]:
    """How often each run of characters is in a text, in small letters, with one space for each gap between words."""
    text = " ".join(text.lower().split())
    return Counter(text[i : i + n] for n in RUN_CHARS for i in range(len(text) - n + 1))
