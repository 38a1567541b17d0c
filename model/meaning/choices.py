"""Choosing by likelihood: which of some endings a model expects after a beginning, without ever having learned to choose.

The sum of the log-probabilities prefers short endings, and endings that are likely anywhere. So there are three orders: by the sum, by the
mean of the characters, and by how much the beginning makes an ending likelier than it is at the start of a line (A. Holtzman et al.,
"Surface Form Competition", 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.errors import ParameterError
from model.limits import MAX_ENDING_CHARS, MAX_ENDINGS
from model.meaning.likelihood import Read, log_probs
from model.network import Network
from model.tokenizer import CharTokenizer

ALONE = "\n"  # what an ending follows alone
ORDERS = ("sum", "per_character", "corrected")


class Choice(NamedTuple):
    """An ending, and how likely it is, in nats.

    Attributes:
        log_probs: of each of its characters after the beginning.
        alone: log-probability after a newline alone, without leading spaces: no line begins with one.
    """

    text: str
    log_probs: NDArray[np.float32]
    alone: float

    @property
    def sum(self) -> float:
        """Log-probability of the ending."""
        return float(self.log_probs.sum())

    @property
    def per_character(self) -> float:
        """Mean log-probability of its characters."""
        return self.sum / len(self.text)

    @property
    def corrected(self) -> float:
        """How much likelier the beginning makes it."""
        return self.sum - self.alone


def choose(network: Network, tokenizer: CharTokenizer, beginning: str, endings: Sequence[str]) -> list[Choice]:
    """How likely each ending is after the beginning; an empty beginning is a newline, as in the lecture.

    Args:
        endings: as `check_endings` demands.

    Raises:
        UnknownCharacterError: the vocabulary lacks a character.
        FloatingPointError: the network's output is not finite.
    """
    before, alone = tokenizer.encode_prompt(beginning), tokenizer.encode_prompt("")
    after = [Read(before, tokenizer.encode(ending)) for ending in endings]
    bare = [Read(alone, tokenizer.encode(ending.lstrip(" "))) for ending in endings]
    found = log_probs(network, after + bare)
    return [Choice(*each) for each in zip(endings, found[: len(endings)], (float(own.sum()) for own in found[len(endings) :]), strict=True)]


def orders(choices: Sequence[Choice]) -> dict[str, list[int]]:
    """The endings' places from the best to the worst, by each of ORDERS."""
    return {order: sorted(range(len(choices)), key=lambda i: -getattr(choices[i], order)) for order in ORDERS}


def check_endings(endings: object) -> list[str]:
    """Endings as somebody typed them.

    Raises:
        ParameterError: they are not texts, too few, too many, too long, empty, or two of them are the same.
    """
    if not isinstance(endings, list) or not all(isinstance(ending, str) for ending in endings):
        raise ParameterError("The endings must be a list of texts.", "endings")
    if not 2 <= len(endings) <= MAX_ENDINGS:
        raise ParameterError(f"Give 2 to {MAX_ENDINGS} endings to choose from, not {len(endings)}.", "endings")
    for i, ending in enumerate(endings, 1):
        if not ending.strip():
            raise ParameterError(f"Ending {i} is empty. Write something, or leave it out.", "endings")
        if len(ending) > MAX_ENDING_CHARS:
            raise ParameterError(
                f"Ending {i} has {len(ending):,} characters; the maximum is {MAX_ENDING_CHARS:,}. Shorten it, or move its first words "
                "to the beginning.",
                "endings",
            )
        if ending in endings[: i - 1]:
            raise ParameterError(f"Endings {endings.index(ending) + 1} and {i} are the same. Change one of them.", "endings")
    return endings
