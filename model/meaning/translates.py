"""How often a network translates without a mistake: sources kept back from training, of the lengths that it learned and of longer ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.config import REVERSAL, Checked, setting
from model.data import Corpus
from model.errors import CheckpointError, CorpusError
from model.files import parse_json, read_file, write_atomically
from model.limits import MAX_ASKED, MAX_SEED
from model.meaning.rows import IGNORE, make_rows, target_logits
from model.meaning.rules import kept_back
from model.meaning.translator import Translator
from model.statistics import wilson
from model.weights import hash_file, weights_path

TRANSLATES_FILE = "translates.json"
MEASURED = ("trained", "longer", "changed", "copied", "lengths", "diagonal")
ROWS = 32  # sources of a pass
LENGTHS = 4  # ranges among those that were learned
LOOKED_AT = 50  # sources whose attention is measured

Each = Callable[[int], object]


@dataclass(frozen=True)
class TranslatesConfig(Checked):
    """What a network is asked."""

    asked: int = setting(250, "sources of each range of lengths, as far as there are so many", 1, MAX_ASKED)
    seed: int = setting(0, "of the sources", 0, MAX_SEED)


def ranges(translator: Translator) -> list[range]:
    """The lengths that are measured: four ranges up to the longest source that was learned, and as many as fit beyond."""
    step = -(-translator.longest // LENGTHS)
    firsts = range(1, translator.most + 1, step)
    return [range(first, min(first + step, translator.most + 1)) for first in firsts]


@torch.inference_mode()
def exact(translator: Translator, sources: Sequence[str], each: Each = lambda n: None) -> list[bool]:
    """Whether greedy decoding writes each source's right answer.

    It does if the likeliest character is the right one at each place, given the right characters before: one pass tells.

    Args:
        each: called after each pass with the number of sources done by it.
    """
    found: list[bool] = []
    for first in range(0, len(sources), ROWS):
        some = sources[first : first + ROWS]
        pairs = [(source, translator.rule.answer(source)) for source in some]
        logits, targets = target_logits(translator.network, make_rows(translator.network, translator.tokenizer, pairs))
        found += ((logits.argmax(-1) == targets) | (targets == IGNORE)).all(1).tolist()
        each(len(some))
    return found


def measure(translator: Translator, corpus: Corpus | None, config: TranslatesConfig, each: Each = lambda n: None) -> dict[str, Any]:
    """The content of translates.json. A success is {"n", "right", "low", "high"}: a share with its 95 % interval.

    "lengths" has one for each range of lengths, with "from", "to" and whether such sources were learned ("trained"); "trained" and "longer"
    have them together. Of those trained, "changed" are the ones that the rule changes; "longer" and "changed" are null without any. Where
    it leaves many as they are, "copied" is the share that a plain copy would get right. "diagonal" says, of an encoder-decoder that
    reverses, how much of its cross-attention has its maximum where the character to write stands: "heads" by layer and head, "layers" in
    the mean of a layer's heads, "mean" in the mean of all; null of others.

    Args:
        corpus: of a rule that reads lines.

    Raises:
        CorpusError: its last tenth has no lines of the lengths that were learned.
    """
    asked = [(lengths, kept_back(translator.rule, lengths, config.asked, config.seed, corpus)) for lengths in ranges(translator)]
    right = [(lengths, sources, exact(translator, sources, each)) for lengths, sources in asked if sources]
    is_trained = [lengths[-1] <= translator.longest for lengths, _, _ in right]
    trained, longer = ([one for one, this in zip(right, is_trained, strict=True) if this is which] for which in (True, False))
    if not trained:
        raise CorpusError(
            f"The last tenth of the text has no lines of up to {translator.longest} characters. Choose a longer English text."
        )
    changes = [
        (ok, translator.rule.answer(source) != source) for _, sources, found in trained for source, ok in zip(sources, found, strict=True)
    ]
    return {
        "sha256": translator.sha256,
        "rule": translator.rule.id,
        "kind": translator.kind,
        "longest": translator.longest,
        "seed": config.seed,
        "trained": _success([ok for ok, _ in changes]),
        "longer": _success_if_any([ok for _, _, found in longer for ok in found]),
        "changed": _success_if_any([ok for ok, is_changed in changes if is_changed]),
        "copied": round(sum(not is_changed for _, is_changed in changes) / len(changes), 4),
        "lengths": [
            {"from": lengths[0], "to": lengths[-1], "trained": this, **_success(found)}
            for (lengths, _, found), this in zip(right, is_trained, strict=True)
        ],
        "diagonal": _diagonal(translator, [source for _, sources, _ in trained for source in sources][:: _every(trained)]),
    }


def _every(trained: list[tuple[range, list[str], list[bool]]]) -> int:
    """Of how many sources one is looked at."""
    return max(1, sum(len(sources) for _, sources, _ in trained) // LOOKED_AT)


def _success(found: Sequence[bool]) -> dict[str, Any]:
    """As `measure` tells it, of at least one source."""
    share = sum(found) / len(found)
    low, high = wilson(share, len(found))
    return {"n": len(found), "right": round(share, 4), "low": round(low, 4), "high": round(high, 4)}


def _success_if_any(found: Sequence[bool]) -> dict[str, Any] | None:
    return _success(found) if found else None


def _diagonal(translator: Translator, sources: Sequence[str]) -> dict[str, Any] | None:
    if not translator.is_pair or translator.rule.id != REVERSAL:
        return None
    hits: dict[str, list[Any]] = {"heads": [], "layers": [], "mean": []}
    for source in sources:
        weights = translator.look(source, translator.rule.answer(source))[1].cross
        assert weights is not None
        wanted = np.arange(len(source))[::-1]  # where the character to write stands; the last step writes the end sign
        for name, some in (("heads", weights), ("layers", weights.mean(1)), ("mean", weights.mean((0, 1)))):
            hits[name].append(some[..., : len(source), :].argmax(-1) == wanted)
    return {name: np.round(np.concatenate(some, axis=-1).mean(-1), 4).tolist() for name, some in hits.items()}


def save(folder: Path, measured: dict[str, Any]) -> None:
    """Writes translates.json.

    Raises:
        CheckpointError: it cannot be written.
    """
    write_atomically(folder / TRANSLATES_FILE, (json.dumps(measured, indent=1) + "\n").encode())


def read_translates(folder: Path) -> dict[str, Any]:
    """What was measured of the network in a folder, as `measure` gives it.

    Raises:
        CheckpointError: it was not measured, or on other weights.
    """
    path = folder / TRANSLATES_FILE
    try:
        measured = parse_json(read_file(path))
        if measured["sha256"] != hash_file(weights_path(folder)):
            raise ValueError("it was measured on other weights")
        if missing := [name for name in MEASURED if name not in measured]:
            raise ValueError(f"it lacks {missing[0]}")
        return measured
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be used: {error}. Measure again with: python -m model translates --save") from error
