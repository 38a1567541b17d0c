"""Which characters follow the last few in a text, and how often: a table of counts that is small enough to keep beside weights.

A context is a number with one digit per character, its last character first; digit 0 stands for no character, so that contexts of all
lengths are one sorted array. What is saved leaves out what is rare, and keeps counts as logarithms in 8 bits. No long stretch of the text
can be read from it: of Tiny Shakespeare, the longest in which each character is the likeliest is "POMPEY: I beseech your honour".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import CheckpointError

CONTEXT = 5  # characters
STEPS_PER_DOUBLING = 14  # of a kept count: 5 % apart, up to 300,000
LEAST_CONTEXT, LEAST_COUNT = 4, 2  # how often what is saved occurs
MAX_KEPT_VOCABULARY = 255
DTYPES = {"contexts": torch.int32, "followers": torch.uint8, "chars": torch.uint8, "counts": torch.uint8}

Ids = NDArray[np.int64]


class Continuations:
    """Counts of what follows each context.

    Args:
        contexts: sorted, (C,).
        followers: how many different characters follow each context, (C,).
        chars: ids of the followers, context by context, (F,).
        counts: how often each follows, (F,).
    """

    def __init__(self, contexts: Ids, followers: Ids, chars: Ids, counts: NDArray[np.float64], vocab_size: int):
        self.vocab_size, self.longest = vocab_size, longest(vocab_size)
        self._weights = _weights(vocab_size)
        self._contexts, self._followers, self._chars, self._counts = contexts, followers, chars, counts
        self._ends = followers.cumsum()

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, least_context: int = 1, least_count: int = 1) -> Continuations:
        """Counts in a text.

        Args:
            ids: of the text's characters.
            least_context: contexts that occur less often are left out.
            least_count: and so are followers that follow their context less often.
        """
        parts = []
        before = np.zeros(len(ids), dtype=np.int64)
        for length in range(longest(vocab_size) + 1):
            if length:
                before[length:] += _weights(vocab_size)[length - 1] * (ids[:-length] + 1)
            pairs, counts = np.unique(before[length:] * vocab_size + ids[length:], return_counts=True)
            contexts, index = np.unique(pairs // vocab_size, return_inverse=True)
            occurs = np.bincount(index, weights=counts, minlength=len(contexts))
            kept = (occurs[index] >= least_context) & (counts >= least_count)
            parts.append((pairs[kept], counts[kept]))
        pairs, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(pairs)
        contexts, followers = np.unique(pairs[order] // vocab_size, return_counts=True)
        return cls(contexts, followers, pairs[order] % vocab_size, counts[order].astype(np.float64), vocab_size)

    def after(self, context: tuple[int, ...]) -> NDArray[np.float64] | None:
        """How often each character follows a context, (V,); None if that is not known.

        Args:
            context: ids of at most `longest` characters.
        """
        key = sum(weight * (char + 1) for weight, char in zip(self._weights, reversed(context), strict=False))
        at = int(self._contexts.searchsorted(key))
        if at == len(self._contexts) or self._contexts[at] != key:
            return None
        found = slice(self._ends[at] - self._followers[at], self._ends[at])
        counts = np.zeros(self.vocab_size)
        counts[self._chars[found]] = self._counts[found]
        return counts

    def tensors(self) -> dict[str, Tensor]:
        """As they are saved; for vocabularies of at most MAX_KEPT_VOCABULARY characters."""
        codes = np.rint(STEPS_PER_DOUBLING * np.log2(self._counts)).clip(0, 255)
        arrays = {"contexts": self._contexts, "followers": self._followers, "chars": self._chars, "counts": codes}
        return {name: torch.from_numpy(array).to(DTYPES[name]) for name, array in arrays.items()}

    @classmethod
    def of(cls, tensors: dict[str, Tensor], vocab_size: int) -> Continuations:
        """Made of what `tensors` gave.

        Raises:
            CheckpointError: says what is wrong with them.
        """
        if {name: tensor.dtype for name, tensor in tensors.items()} != DTYPES or any(tensor.ndim != 1 for tensor in tensors.values()):
            raise CheckpointError("its tensors are not those of a draft.")
        contexts, followers, chars, codes = (tensors[name].numpy().astype(np.int64) for name in DTYPES)
        if not len(contexts) == len(followers) or not len(chars) == len(codes) == followers.sum() or not followers.all():
            raise CheckpointError("its tensors do not fit each other.")
        if (
            not len(contexts)
            or contexts[0] != 0
            or (np.diff(contexts) <= 0).any()
            or contexts[-1] >= (vocab_size + 1) ** longest(vocab_size)
        ):
            raise CheckpointError("its contexts are not in order.")
        if chars.max() >= vocab_size:
            raise CheckpointError(f"it is for another vocabulary than one of {vocab_size} characters.")
        return cls(contexts, followers, chars, 2 ** (codes / STEPS_PER_DOUBLING), vocab_size)


def longest(vocab_size: int) -> int:
    """The length of the longest contexts: CONTEXT, or as many characters as 31 bits have room for."""
    return min(CONTEXT, int(31 / np.log2(vocab_size + 1)))


def _weights(vocab_size: int) -> list[int]:
    """Of the digits of a context, the last character's first."""
    return [(vocab_size + 1) ** (longest(vocab_size) - back) for back in range(1, longest(vocab_size) + 1)]
