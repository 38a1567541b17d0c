"""How well vectors find what belongs together: the second half of a speech from its first half, among the second halves of all speeches of
the corpus's last tenth, which no network has learned from.

Recall at k is the share of first halves whose own second half is among the k that are most like it; MRR is the mean of 1 / its rank. Beside
the embedding stand what it must beat: TF-IDF over characters, the plain GPT's mean states, the length of the texts, and chance. Length
counts because a speech is cut in the middle: the halves of a short one are about as long as each other, and can be told by that. So the
table is made once more of the speeches whose halves are both long, where length says nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import CheckpointError
from model.files import parse_json, read_file, write_atomically
from model.meaning.embedder import Embedder, MeanStates
from model.meaning.halves import held_out_halves
from model.meaning.tfidf import TfIdf
from model.statistics import median_and_high, wilson
from model.weights import hash_file, weights_path

RECALL_FILE = "recall.json"
AT = (1, 5, 10)
METHODS = {"embedding": "embedding", "tfidf": "TF-IDF", "mean": "mean GPT states", "length": "length alone", "chance": "chance"}
LONG_CHARS = 100  # of both halves


def ranks(similarities: Tensor) -> Tensor:
    """The rank of the right one for each row, from 1, (n,). Of those that are equally like it, half are counted as before it.

    Args:
        similarities: (n, n), the right ones on the diagonal.
    """
    right = similarities.diagonal()[:, None]
    better, equal = (similarities > right).sum(1), (similarities == right).sum(1) - 1
    return 1 + better + equal / 2


def scores(ranked: Tensor) -> dict[str, Any]:
    """Recall at each k with its 95 % interval, and MRR."""
    n = len(ranked)
    recall = {k: (ranked <= k).float().mean().item() for k in AT}
    intervals = {str(k): [round(end, 4) for end in wilson(share, n)] for k, share in recall.items()}
    return {"recall": {str(k): round(share, 4) for k, share in recall.items()}, "interval": intervals, "mrr": _mrr(ranked)}


def measure(embedder: Embedder, mean_states: MeanStates, text: str) -> dict[str, Any]:
    """The recall table of a corpus.

    Args:
        mean_states: of the model that the embedding was made from.

    Returns:
        "n", the number of speeches; "methods", a dictionary by method (METHODS); "long", the same two of the speeches whose halves have at
        least LONG_CHARS characters, compared with each other alone, or None if there are fewer than ten; "random", by method the "median"
        and the "high" (95 %) cosine of halves that do not belong together, against which a cosine can be read; "sha256" of the
        embedding's weights.

    Raises:
        CorpusError: the last tenth has too few speeches.
        UnknownCharacterError: it has characters that the models do not know.
    """
    pairs = held_out_halves(text)
    first, second = ([*side] for side in zip(*pairs, strict=True))
    states = mean_states.embed(first), mean_states.embed(second)
    cosines = {
        "embedding": embedder.embed(first) @ embedder.embed(second).T,
        "tfidf": TfIdf(second).similarities(first),
        "mean": states[0] @ states[1].T,
    }
    lengths = torch.tensor([[len(text) for text in side] for side in (first, second)])
    alike = cosines | {"mean": _centred(*states), "length": -(lengths[0][:, None] - lengths[1]).abs().float()}
    is_long = (lengths >= LONG_CHARS).all(0)
    return {
        **_table(alike),
        "long": _table({method: each[is_long][:, is_long] for method, each in alike.items()}) if is_long.sum() >= AT[-1] else None,
        "random": {method: _random(each) for method, each in cosines.items()},
        "sha256": embedder.sha256,
    }


def _table(alike: dict[str, Tensor]) -> dict[str, Any]:
    """ "n" and "methods", from how much each first half is like each second one, (n, n), by method."""
    n = len(next(iter(alike.values())))
    return {"n": n, "methods": {method: scores(ranks(each)) for method, each in alike.items()} | {"chance": _chance(n)}}


def _centred(first: Tensor, second: Tensor) -> Tensor:
    """Cosines after the mean of the vectors is taken off: without that, all mean states look alike, and the baseline is weaker."""
    middle = second.mean(0)
    return F.normalize(first - middle, dim=-1) @ F.normalize(second - middle, dim=-1).T


def _random(cosines: Tensor) -> dict[str, float]:
    """Of the cosines off the diagonal."""
    return median_and_high(cosines[~torch.eye(len(cosines), dtype=torch.bool)])


def _chance(n: int) -> dict[str, Any]:
    mrr = sum(1 / rank for rank in range(1, n + 1)) / n
    return {"recall": {str(k): round(min(1.0, k / n), 4) for k in AT}, "interval": None, "mrr": round(mrr, 4)}


def _mrr(ranked: Tensor) -> float:
    return round((1 / ranked).mean().item(), 4)


def save(folder: Path, measured: dict[str, Any]) -> None:
    """Writes a table beside the embedding's weights."""
    write_atomically(folder / RECALL_FILE, (json.dumps(measured, indent=2) + "\n").encode())


def read_recall(folder: Path) -> dict[str, Any]:
    """The table of the embedding in a folder.

    Raises:
        CheckpointError: it is missing, damaged, or was measured on other weights.
    """
    path = folder / RECALL_FILE
    try:
        measured = parse_json(read_file(path))
        if measured["sha256"] != hash_file(weights_path(folder)):
            raise ValueError("it was measured on other weights")
        return {**_read_table(measured), "long": measured["long"] and _read_table(measured["long"]), "random": dict(measured["random"])}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be used: {error}. Measure again with: python -m model recall --save") from error


def _read_table(measured: dict[str, Any]) -> dict[str, Any]:
    return {"n": int(measured["n"]), "methods": {method: measured["methods"][method] for method in METHODS}}
