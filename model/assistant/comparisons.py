"""Comparisons of two answers to one request, from a JSON Lines file or made by rule, and the rows that a reward network learns from them.

    {"request": "Insult me.", "better": "Thou art a traitor.", "worse": "I thank you, sir."}

A person's votes have this form too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.assistant.answers import write_answers
from model.assistant.pairs import encode_rows, is_text, prompt_of, read_texts, row_text
from model.assistant.skills import judge
from model.data import TRAIN_SHARE, read_raw
from model.errors import CorpusError
from model.limits import MAX_COMPARISONS, MAX_SEED
from model.tokenizer import CharTokenizer
from model.weights import Weights

COMPARISONS_FILE, HELD_OUT_FILE = "comparisons.jsonl", "held_out.jsonl"  # in the folder of a run
KEYS = ("request", "better", "worse")
MADE = "made by rule"  # the name of such comparisons
REQUESTS_AT_ONCE = 16
ANSWERS = 4  # to each of them
PATIENCE = 64  # answers for each comparison that is found


class Comparison(NamedTuple):
    """Two answers to one request, of which one is better."""

    request: str
    better: str
    worse: str


class Row(NamedTuple):
    """One comparison as a network reads it: each answer after the request, (T,)."""

    better: Tensor
    worse: Tensor


@dataclass(frozen=True)
class Comparisons:
    """Some comparisons, in order, and where they come from."""

    name: str
    comparisons: tuple[Comparison, ...]

    def __len__(self) -> int:
        return len(self.comparisons)

    @property
    def content(self) -> bytes:
        """As a JSON Lines file."""
        return "".join(json.dumps(comparison._asdict()) + "\n" for comparison in self.comparisons).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def split(self) -> tuple[Comparisons, Comparisons]:
        """Comparisons to learn, and the last tenth, at least one, to evaluate."""
        n = min(int(TRAIN_SHARE * len(self)), len(self) - 1)
        return Comparisons(self.name, self.comparisons[:n]), Comparisons(self.name, self.comparisons[n:])

    def __add__(self, other: Comparisons) -> Comparisons:
        """Both, one after the other."""
        return Comparisons(f"{self.name} and {other.name}", self.comparisons + other.comparisons)


def load_comparisons(path: Path) -> Comparisons:
    """The comparisons of a file.

    Raises:
        CorpusError: it cannot be read, is too large, is not in UTF-8, or has a line that is not a comparison, too many, or none.
    """
    return read_comparisons(path.name, read_raw(path, "comparisons"), str(path))


def read_comparisons(name: str, content: bytes, source: str) -> Comparisons:
    """Comparisons from the bytes of a JSON Lines file, in the normal form in which prompts are read.

    Args:
        source: the name of the file in error messages.

    Raises:
        CorpusError: as `load_comparisons`.
    """
    found = read_texts(content, source, KEYS)
    if not found:
        raise CorpusError(f"{source} has no comparisons.")
    if len(found) > MAX_COMPARISONS:
        raise CorpusError(f"{source} has {len(found):,} comparisons; the maximum is {MAX_COMPARISONS:,}. Leave some out.")
    for line, (_, better, worse) in found:
        if better == worse:
            raise CorpusError(f"{source}, line {line:,}: both answers are the same, so neither is better. Leave the line out.")
    return Comparisons(name, tuple(Comparison(*texts) for _, texts in found))


def make_rows(comparisons: Comparisons, tokenizer: CharTokenizer, block_size: int) -> list[Row]:
    """The rows of some comparisons.

    Raises:
        CorpusError: names the comparisons with unknown characters or, after them, those longer than the block.
    """
    sides = []
    for answer in ("better", "worse"):
        texts = ((line, row_text(one.request, getattr(one, answer))) for line, one in enumerate(comparisons.comparisons, 1))
        sides.append(encode_rows(texts, tokenizer, block_size, comparisons.name))
    return [Row(*row) for row in zip(*sides, strict=True)]


def pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Some rows side by side, (rows, longest), and the length of each, (rows,)."""
    lengths = torch.tensor([len(row) for row in rows])
    return torch.nn.utils.rnn.pad_sequence([*rows], batch_first=True), lengths


def make_comparisons(
    writers: Sequence[Weights], requests: Iterator[str], n: int, seed: int, each: Callable[[int], None] = lambda _: None
) -> Comparisons:
    """Comparisons made by the rules of the skills: of two answers to one request, the rule accepts one and rejects the other.

    Rejected answers are the first writer's own, those of the other writers, and those that are good for another request: a reward model
    that has only seen one model's mistakes is blind to all others.

    Args:
        writers: the model whose answers are compared, and others that write some of the worse ones.
        requests: at least as many as will be needed.
        n: how many comparisons are wanted.
        each: called with the number found so far.

    Raises:
        CorpusError: the rules accept all answers of the first writer, or none.
    """
    rng = random.Random(seed)
    found: dict[Comparison, None] = {}
    n_answers = n_accepted = 0
    while len(found) < n:
        asked = list(itertools.islice(requests, REQUESTS_AT_ONCE))
        own, *others = (_write(writer, asked, ANSWERS if writer is writers[0] else 1, rng) for writer in writers)
        accepted, rejected = _judged(asked, own)
        n_answers, n_accepted = n_answers + len(asked) * ANSWERS, n_accepted + sum(map(len, accepted))
        for answers in others:
            for some, more in zip(rejected, _judged(asked, answers)[1], strict=True):
                some.extend(more)
        for i, request in enumerate(asked):
            elsewhere = [answer for answer in accepted[rng.randrange(len(asked))] if not _obeys(request, answer)]
            rejected[i].extend(elsewhere[:1])
            found |= dict.fromkeys(Comparison(request, *answers) for answers in zip(accepted[i], rejected[i], strict=False))
        each(min(n, len(found)))
        if n_answers >= PATIENCE * max(len(found), REQUESTS_AT_ONCE):
            raise CorpusError(
                f"The rules accept {n_accepted:,} of {n_answers:,} answers of {writers[0].name}, so there is nothing to compare. "
                "Choose a parent that was fine-tuned on the skills, or give it more steps."
            )
    return Comparisons(MADE, tuple(found)[:n])


def _write(writer: Weights, asked: Sequence[str], times: int, rng: random.Random) -> list[list[str]]:
    """Some answers to each request, at temperature 1, those alone that can stand in a row."""
    prompts = [prompt_of(request) for request in asked for _ in range(times)]
    answers = write_answers(writer.model, writer.tokenizer, prompts, [rng.randrange(MAX_SEED) for _ in prompts], temperature=1.0)
    texts = answers.texts(writer.tokenizer)
    return [[text for text in texts[i : i + times] if is_text(text)] for i in range(0, len(texts), times)]


def _judged(asked: Sequence[str], answers: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """The answers to each request that its rule accepts, and those that it rejects."""
    judged = [[(text, _obeys(request, text)) for text in texts] for request, texts in zip(asked, answers, strict=True)]
    accepted, rejected = ([[text for text, obeys in some if obeys is wanted] for some in judged] for wanted in (True, False))
    return accepted, rejected


def _obeys(request: str, answer: str) -> bool:
    verdict = judge(request, answer)
    return verdict is not None and verdict.obeys
