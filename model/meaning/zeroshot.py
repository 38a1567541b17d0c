"""What a model knows without ever having been trained on a label: how often the right text of a minimal pair is the likelier one.

weights/meaning/zeroshot.json has the results of the models that ship, beside chance and an n-gram model (`python -m model zeroshot --all
--save`):

    {"pairs": "3eb1...", "corpus": "86c4...", "precision": "bfloat16", "models": [...], "speakers": {...}}

"pairs" is the digest of the pairs and "corpus" the sha256 of the text. ui/web/meaning_zeroshot.py describes "models" and "speakers".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import CheckpointError
from model.files import parse_json, read_file, write_atomically
from model.meaning.likelihood import Read, log_probs
from model.meaning.minimal_pairs import KINDS, Pair
from model.meaning.ngram import NGram
from model.statistics import wilson
from model.weights import Weights

ZEROSHOT_FILE = "zeroshot.json"
AGAIN = "Measure again with: python -m model zeroshot --all --save"
CHANCE, NGRAM = "chance", "n-gram"

Each = Callable[[int], object]


def pair_log_probs(weights: Weights, pairs: Sequence[Pair], each: Each = lambda n: None) -> list[NDArray[np.float32]]:
    """The log-probability of each character of the right text and of the wrong one, pair by pair: twice as many as there are pairs.

    Raises:
        UnknownCharacterError: the model's vocabulary lacks characters of the pairs.
        FloatingPointError: the network's output is not finite.
    """
    encode = weights.tokenizer.encode
    reads = [Read(encode(pair.context), encode(text)) for pair in pairs for text in (pair.right, pair.wrong)]
    return log_probs(weights.model, reads, each)


def measure(weights: Weights, pairs: Sequence[Pair], each: Each = lambda n: None) -> dict[str, Any]:
    """The results of a model, as `results`. Arguments and errors are those of `pair_log_probs`."""
    return results(pairs, [float(found.sum(dtype=np.float64)) for found in pair_log_probs(weights, pairs, each)])


def measure_ngram(ngram: NGram, pairs: Sequence[Pair]) -> dict[str, Any]:
    """The results of an n-gram model, as `results`.

    Raises:
        UnknownCharacterError: its text lacks characters of the pairs.
    """
    return results(pairs, [ngram_sum(ngram, pair.context, text) for pair in pairs for text in (pair.right, pair.wrong)])


def ngram_sum(ngram: NGram, context: str, text: str) -> float:
    """The log-probability of a text after a context under an n-gram model."""
    return float(ngram.log_probs(context + text)[len(context) :].sum())


def results(pairs: Sequence[Pair], sums: Sequence[float]) -> dict[str, Any]:
    """How often the right text is likelier: {"n", "kinds": {id: {"n", "right", "low", "high"}}, "mean": {"right", "low", "high"}}.

    "right" is a share with Wilson's interval. "mean" is the mean of the kinds that count, with the interval for all of their pairs.

    Args:
        sums: the log-probability of each pair's right text, then of its wrong one.
    """
    is_right = np.array(sums[::2]) > np.array(sums[1::2])
    kinds = {}
    for kind in KINDS:
        own = [bool(right) for pair, right in zip(pairs, is_right, strict=True) if pair.kind == kind.id]
        if own:
            kinds[kind.id] = {"n": len(own)} | _share(sum(own) / len(own), len(own))
    return {"n": len(pairs), "kinds": kinds, "mean": mean_of(kinds)}


def about(
    id: str,
    name: str = "",
    group: str = "",
    *,
    key: str | None = None,
    parameters: int | None = None,
    val_loss: float | None = None,
    run: str | None = None,
    step: int | None = None,
) -> dict[str, Any]:
    """What zeroshot.json says of a model beside its results."""
    known = {"key": key, "parameters": parameters, "val_loss": val_loss, "run": run, "step": step}
    return {"id": id, "name": name or id, "group": group or id} | known


def chance(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The results of guessing, without intervals: {"n", "kinds", "mean"}."""
    half = {"right": 0.5, "low": 0.5, "high": 0.5}
    n = {kind.id: sum(pair.kind == kind.id for pair in pairs) for kind in KINDS}
    return {"n": len(pairs), "kinds": {kind: {"n": some} | half for kind, some in n.items() if some}, "mean": half}


def mean_of(kinds: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The mean of the kinds that count."""
    counted = [kinds[kind.id] for kind in KINDS if kind.is_counted and kind.id in kinds]
    return _share(sum(kind["right"] for kind in counted) / len(counted), sum(kind["n"] for kind in counted))


def _share(right: float, n: int) -> dict[str, float]:
    low, high = wilson(right, n)
    return {"right": round(right, 4), "low": round(low, 4), "high": round(high, 4)}


def save(folder: Path, measured: dict[str, Any]) -> None:
    """Writes zeroshot.json, with a line for each model.

    Raises:
        CheckpointError: it cannot be written.
    """
    models = ",\n".join(f"  {json.dumps(model)}" for model in measured["models"])
    rest = json.dumps({name: value for name, value in measured.items() if name != "models"})
    write_atomically(folder / ZEROSHOT_FILE, f'{rest[:-1]}, "models": [\n{models}\n]}}\n'.encode())


def read_zeroshot(folder: Path) -> dict[str, Any]:
    """The content of zeroshot.json.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    path = folder / ZEROSHOT_FILE
    try:
        measured = parse_json(read_file(path))
        for model in measured["models"]:
            if not isinstance(model["id"], str) or not all(0 <= kind["right"] <= 1 for kind in (*model["kinds"].values(), model["mean"])):
                raise ValueError("a model's results are not what they should be")
        if not isinstance(measured["speakers"], dict):
            raise ValueError("the speakers' results are not what they should be")
        return {name: measured[name] for name in ("pairs", "corpus", "precision", "models", "speakers")}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be used: {error!r}. {AGAIN}") from error
