"""Pairs of request and answer: a JSON Lines file, and the rows that a network learns from it.

    {"request": "Insult me.", "answer": "Thou art a traitor."}

A row is an empty line, the request, the answer and an empty line again, which is the stop sign:

    \\n\\nInsult me.\\nThou art a traitor.\\n\\n
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.data import TRAIN_SHARE, read_raw
from model.errors import CorpusError, UnknownCharacterError
from model.tokenizer import CharTokenizer, normal_form

STOP = "\n\n"
IGNORE = -100  # the target of what is not learned: `torch.nn.functional.cross_entropy` leaves it out
KEYS = {"request", "answer"}
MOST_NAMED = 3  # lines with the same kind of problem that an error describes


def prompt_of(request: str) -> str:
    """What a network reads before it writes the answer to a request."""
    return f"{STOP}{request}\n"


class Pair(NamedTuple):
    """One request and its answer."""

    request: str
    answer: str
    line: int  # in the file, from 1

    @property
    def prompt(self) -> str:
        """What comes before the answer."""
        return prompt_of(self.request)


@dataclass(frozen=True)
class Pairs:
    """The pairs of a file, in its order.

    Attributes:
        content: the file as it was read.
    """

    name: str
    content: bytes
    pairs: tuple[Pair, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def split(self) -> tuple[Sequence[Pair], Sequence[Pair]]:
        """Pairs for training, and the last tenth, at least one, for evaluation."""
        n_train = min(int(TRAIN_SHARE * len(self.pairs)), len(self.pairs) - 1)
        return self.pairs[:n_train], self.pairs[n_train:]


class Row(NamedTuple):
    """One pair as a network reads it."""

    inputs: Tensor  # (T,)
    targets: Tensor  # (T,): IGNORE up to the answer


def load_pairs(path: Path) -> Pairs:
    """The pairs of a file.

    Raises:
        CorpusError: it cannot be read, is too large, is not in UTF-8, or has a line that is not a pair; empty lines are skipped.
    """
    return read_pairs(path.name, read_raw(path, "pairs"), str(path))


def read_pairs(name: str, content: bytes, source: str) -> Pairs:
    """Pairs from the bytes of a JSON Lines file, in the normal form in which prompts are read.

    Args:
        source: the name of the file in error messages.

    Raises:
        CorpusError: as `load_pairs`.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is not UTF-8 text (byte {error.start:,}). Save it as UTF-8 and try again.") from None
    pairs = tuple(_read_pair(line, number, source) for number, line in enumerate(lines, 1) if line.strip())
    if len(pairs) < 2:
        raise CorpusError(f"{source} has fewer than 2 pairs. At least one to learn and one to evaluate are needed.")
    return Pairs(name, content, pairs)


def _read_pair(line: str, number: int, source: str) -> Pair:
    where = f"{source}, line {number:,}"
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise CorpusError(f'{where} is not valid JSON. Each line must be an object like {{"request": "...", "answer": "..."}}.') from None
    if not isinstance(found, dict) or found.keys() != KEYS or not all(isinstance(text, str) for text in found.values()):
        raise CorpusError(f'{where} must be an object with the two texts "request" and "answer" and nothing else.')
    texts = {key: normal_form(text) for key, text in found.items()}
    for key in ("request", "answer"):
        if not texts[key].strip():
            raise CorpusError(f"{where}: the {key} is empty.")
        if STOP in f"\n{texts[key]}\n":
            raise CorpusError(f"{where}: the {key} begins or ends with a newline or has an empty line, which is the stop sign.")
    return Pair(texts["request"], texts["answer"], number)


def make_rows(pairs: Sequence[Pair], tokenizer: CharTokenizer, block_size: int, source: str) -> list[Row]:
    """The rows of some pairs.

    Raises:
        CorpusError: names the lines with unknown characters or, after them, those longer than the block.
    """
    rows, unknown, long = [], [], []
    for pair in pairs:
        try:
            ids = torch.tensor(tokenizer.encode(f"{pair.prompt}{pair.answer}{STOP}"))
        except UnknownCharacterError as error:
            unknown.append(f"line {pair.line:,}: {error}")
            continue
        if len(ids) > block_size + 1:
            long.append(f"line {pair.line:,} ({len(ids) - 1:,} characters)")
        targets = ids[1:].clone()
        targets[: len(pair.prompt) - 1] = IGNORE
        rows.append(Row(ids[:-1], targets))
    if unknown:
        raise CorpusError(f"{source}, {' '.join(unknown[:MOST_NAMED])}{_others(unknown)} Replace these characters or leave the pairs out.")
    if long:
        raise CorpusError(
            f"{source}, {', '.join(long[:MOST_NAMED])}: longer than the model's context of {block_size:,} characters.{_others(long)} "
            "Shorten them or leave them out."
        )
    return rows


def _others(lines: list[str]) -> str:
    more = len(lines) - MOST_NAMED
    return f" The same is true of {more:,} more {'line' if more == 1 else 'lines'}." if more > 0 else ""


def pad(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Inputs and targets of some rows side by side, each (rows, longest). The padding is ignored: it comes after each row's end, where a
    causal network cannot see it."""
    inputs = torch.nn.utils.rnn.pad_sequence([row.inputs for row in rows], batch_first=True, padding_value=0)
    targets = torch.nn.utils.rnn.pad_sequence([row.targets for row in rows], batch_first=True, padding_value=IGNORE)
    return inputs, targets
