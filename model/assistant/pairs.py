"""Pairs of request and answer: a JSON Lines file, and the rows that a network learns from it.

    {"request": "Insult me.", "answer": "Thou art a traitor."}

A row is an empty line, the request, the answer and an empty line again, which is the stop sign:

    \\n\\nInsult me.\\nThou art a traitor.\\n\\n
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
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
KEYS = ("request", "answer")
MOST_NAMED = 3  # lines with the same kind of problem that an error describes
COUNTED = {2: "two", 3: "three"}
WORDS = {"better": "better answer", "worse": "worse answer"}


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
    pairs = tuple(Pair(request, answer, line) for line, (request, answer) in read_texts(content, source, KEYS))
    if len(pairs) < 2:
        raise CorpusError(f"{source} has fewer than 2 pairs. At least one to learn and one to evaluate are needed.")
    return Pairs(name, content, pairs)


def read_texts(content: bytes, source: str, keys: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    """The objects in a JSON Lines file, each as the number of its line and its texts, in the order of the keys and in the normal form in
    which prompts are read. Empty lines are skipped.

    Args:
        source: the name of the file in error messages.

    Raises:
        CorpusError: it is not in UTF-8, or a line is not an object of these texts, or one of them could not be told from its surroundings.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is not UTF-8 text (byte {error.start:,}). Save it as UTF-8 and try again.") from None
    return [(number, _read_line(line, f"{source}, line {number:,}", keys)) for number, line in enumerate(lines, 1) if line.strip()]


def _read_line(line: str, where: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        example = ", ".join(f'"{key}": "..."' for key in keys)
        raise CorpusError(f"{where} is not valid JSON. Each line must be an object like {{{example}}}.") from None
    if not isinstance(found, dict) or found.keys() != {*keys} or not all(isinstance(text, str) for text in found.values()):
        named = ", ".join(f'"{key}"' for key in keys[:-1])
        raise CorpusError(f'{where} must be an object with the {COUNTED[len(keys)]} texts {named} and "{keys[-1]}" and nothing else.')
    texts = tuple(normal_form(found[key]) for key in keys)
    for key, text in zip(keys, texts, strict=True):
        if not text.strip():
            raise CorpusError(f"{where}: the {WORDS.get(key, key)} is empty.")
        if STOP in f"\n{text}\n":
            raise CorpusError(
                f"{where}: the {WORDS.get(key, key)} begins or ends with a newline or has an empty line, which is the stop sign."
            )
    return texts


def make_rows(pairs: Sequence[Pair], tokenizer: CharTokenizer, block_size: int, source: str) -> list[Row]:
    """The rows of some pairs.

    Raises:
        CorpusError: names the lines with unknown characters or, after them, those longer than the block.
    """
    rows = []
    texts = ((pair.line, row_text(pair.request, pair.answer)) for pair in pairs)
    for pair, ids in zip(pairs, encode_rows(texts, tokenizer, block_size, source, predicted=1), strict=True):
        targets = ids[1:].clone()
        targets[: len(pair.prompt) - 1] = IGNORE
        rows.append(Row(ids[:-1], targets))
    return rows


def row_text(request: str, answer: str) -> str:
    """A request with its answer, as a network reads it."""
    return f"{prompt_of(request)}{answer}{STOP}"


def is_text(text: str) -> bool:
    """Whether a request or an answer can stand in a row: it is not empty, and its ends cannot be mistaken."""
    return bool(text.strip()) and STOP not in f"\n{text}\n"


def encode_rows(
    texts: Iterable[tuple[int, str]], tokenizer: CharTokenizer, block_size: int, source: str, predicted: int = 0
) -> list[Tensor]:
    """The ids of some rows, each (T,).

    Args:
        texts: the number of the line that each comes from, and its text.
        predicted: characters at the end of a row that are predicted and not read.

    Raises:
        CorpusError: as `make_rows`.
    """
    rows, unknown, long = [], [], []
    for line, text in texts:
        try:
            rows.append(torch.tensor(tokenizer.encode(text)))
        except UnknownCharacterError as error:
            unknown.append(f"line {line:,}: {error}")
            continue
        if len(text) - predicted > block_size:
            long.append(f"line {line:,} ({len(text) - predicted:,} characters)")
    if unknown:
        raise CorpusError(f"{source}, {' '.join(unknown[:MOST_NAMED])}{_others(unknown)} Replace these characters or leave the lines out.")
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
