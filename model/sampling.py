"""Sampling: logits -> distribution -> character, and the dice. Pure functions on numpy arrays, without a network.

A character is drawn by inverting the cumulative distribution. The vocabulary is laid out on [0, 1), each character as wide as its
probability, and a number between 0 and 1 lands on one of them. Everything is computed in float64 on the CPU, and the distribution
shown is exactly the array that was drawn from.

The numbers come from numpy's Philox generator, keyed by (seed, sample); step t uses the t-th number. A seed is a set of dice: with the
same seed and another temperature, the same throw lands elsewhere. Philox is counter-based, so any throw can be computed without the
throws before it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.config import Checked, setting
from model.errors import ParameterError
from model.limits import MAX_ABLATION_CHARS, MAX_NEW_CHARS, MAX_SAMPLES, MAX_SEED, MAX_TEMPERATURE, MAX_VOCAB_SIZE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


PHILOX_NUMBERS = 4  # per value of the counter
DRAWN_SEEDS = 1_000_000  # a drawn seed has at most six digits, so that it is easy to read out and type


@dataclass(frozen=True)
class SamplingParams(Checked):
    """How characters are drawn from the network's distribution."""

    temperature: float = setting(0.8, "0: always the most likely character · 1: as learned", 0.0, MAX_TEMPERATURE)
    max_new_chars: int = setting(300, "characters to write", 1, MAX_NEW_CHARS, label="length")
    samples: int = setting(1, "texts written side by side from the same prompt", 1, MAX_SAMPLES)
    seed: int = setting(0, "same seed, same dice, same texts", 0, MAX_SEED)
    first_sample: int = setting(0, "number of the first sample; each sample has its own dice", 0, 2**31 - 1)
    first_step: int = setting(0, "number of the first throw; a text continued from the middle of a sample keeps its dice", 0, 1_000_000)
    top_k: int = setting(0, "draws from the k most likely characters only; 0: from all", 0, MAX_VOCAB_SIZE)
    top_p: float = setting(1.0, "draws from the most likely characters that together reach this probability", 0.0, 1.0)


def check_ablation_length(params: SamplingParams) -> None:
    """Checks the length of a text to be written with heads off.

    Raises:
        ParameterError: the text would be too long.
    """
    if params.max_new_chars > MAX_ABLATION_CHARS:
        came = params.max_new_chars
        raise ParameterError(f"length must be between 1 and {MAX_ABLATION_CHARS} when heads are switched off, not {came:,}.")


def draw_seed() -> int:
    """Draws a random seed, for a request without one."""
    return secrets.randbelow(DRAWN_SEEDS)


def dice(seed: int, sample: int, count: int, start: int = 0) -> Floats:
    """Throws `start` to `start + count` of one sample's dice, (count,), each in [0, 1)."""
    philox = np.random.Philox(key=[seed, sample])
    philox.advance(start // PHILOX_NUMBERS)
    skipped = start % PHILOX_NUMBERS
    return np.random.Generator(philox).random(skipped + count)[skipped:]


def distribution(logits: ArrayLike, temperature: ArrayLike = 1.0, top_k: ArrayLike = 0, top_p: ArrayLike = 1.0) -> Floats:
    """The probabilities from which characters are drawn.

    Args:
        logits: (rows, V).
        temperature: one value for all rows, or (rows,). 0 gives all probability to the likeliest character, the first one if several
            are equal.
        top_k: likewise. Keeps only the k likeliest characters, the lower ids in a tie; 0 keeps all.
        top_p: likewise. Of the characters that top_k keeps, keeps the likeliest ones until their probabilities add up to top_p,
            including the one that reaches it; at least one.

    Returns:
        (rows, V), float64, each row summing to 1.
    """
    logits = np.asarray(logits, dtype=np.float64)
    temperature, top_k, top_p = (np.asarray(setting).reshape(-1, 1) for setting in (temperature, top_k, top_p))  # (rows or 1, 1)
    scaled = logits - logits.max(axis=1, keepdims=True)
    if temperature.min() == 0:  # only the likeliest character
        top_k, temperature = np.where(temperature == 0, 1, top_k), np.where(temperature == 0, 1.0, temperature)
    with np.errstate(over="ignore"):  # a temperature near 0 sends all other characters to -inf, as intended
        weights = np.exp(scaled / temperature)
    if top_k.any() or top_p.min() < 1:
        weights = _keep_likeliest(weights, logits, np.where(top_k > 0, top_k, logits.shape[1]), top_p)
    return weights / weights.sum(axis=1, keepdims=True)


def _keep_likeliest(weights: Floats, logits: Floats, keep: Ints, top_p: Floats) -> Floats:
    """Sets all weights to zero except the `keep` likeliest ones, and of these all beyond `top_p`."""
    order = np.argsort(-logits, axis=1, kind="stable")  # stable: ties go to the lower id
    ranked = np.take_along_axis(weights, order, axis=1)
    ranked = np.where(np.arange(ranked.shape[1]) < keep, ranked, 0.0)
    before = np.cumsum(ranked, axis=1) - ranked  # cumulative weight of the likelier characters
    crossed = (before >= top_p * ranked.sum(axis=1, keepdims=True)) & (top_p < 1)
    crossed[:, 0] = False
    kept = np.empty_like(weights)
    np.put_along_axis(kept, order, np.where(crossed, 0.0, ranked), axis=1)
    return kept


@dataclass(frozen=True)
class Draw:
    """One drawn character per row.

    Attributes:
        ids: ids of the characters, (rows,).
        low, high: bounds of each character's interval in [0, 1), (rows,).
    """

    ids: Ints
    low: Floats
    high: Floats


def draw(probabilities: Floats, throws: ArrayLike) -> Draw:
    """Draws one character per row: where the throw lands if the characters are laid out in vocabulary order.

    Args:
        probabilities: (rows, V).
        throws: (rows,), each in [0, 1).
    """
    edges = np.cumsum(probabilities, axis=1)
    edges /= edges[:, -1:]
    ids = (edges <= np.asarray(throws)[:, None]).sum(axis=1)  # a right-sided search
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    ids = np.minimum(ids, last)
    rows = np.arange(len(ids))
    return Draw(ids, np.where(ids > 0, edges[rows, ids - 1], 0.0), edges[rows, ids])
