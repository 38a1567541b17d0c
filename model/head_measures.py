"""Measures that describe what an attention head does with a text.

A head's weights are (T, T). Each row is a query; row i attends to the keys of characters 0 to i. Each measure is a mean over the rows
in which it is defined. The first character can attend only to itself, so its row never counts. All measures except entropy and
distance are shares: the mean fraction of a row's attention that goes to its target characters.

- `entropy`: entropy of a row in bits; 0 if the row attends to a single character.
- `distance`: mean distance to the keys, in characters.
- `previous`: the previous character.
- `first`: the first character of the window. A head that finds nothing to attend to often attends to it (Xiao et al., "Efficient
  Streaming Language Models with Attention Sinks", 2023).
- `space`: the last space or newline before the query. Undefined before the first one.
- `word`: the earlier characters of the word, that is the characters between the last space or newline and the query. Undefined
  for the first character of a word and throughout the first word of the text.
- `word_start`: the first character of the word. Defined in the same rows as `word`.
- `newline`: all newlines before the query. Undefined before the first one.
- `line_start`: the first character after the last newline before the query. Undefined before the first newline and where the query is
  itself the first character of its line.
- `same`: earlier occurrences of the query's character. Undefined at its first occurrence.
- `induction`: characters that followed an earlier occurrence of the query's character (Olsson et al., "In-context Learning and
  Induction Heads", 2022). Undefined if there are none before the query.
- `speaker`: the current speaker's name with its colon. A name is a line that ends with a colon and either follows an empty line or
  begins the text. Undefined up to the end of the first name.

A share alone is misleading: if half of the text is spaces, a head with uniform attention gives half of its attention to spaces. Each
measure therefore comes with its value for uniform attention over the same rows. A head's label is the share that exceeds uniform
attention most. If a narrower share (the previous character) exceeds it nearly as much as a broader one (the word so far), the
narrower one is the label, because it is more specific.

Shapes: T characters, P measures.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SHARES = ("previous", "first", "space", "word", "word_start", "newline", "line_start", "same", "induction", "speaker")
MEASURES = ("entropy", "distance", *SHARES)
MIXED = "mixed"


class MeasureWords(NamedTuple):
    """The page's names for a measure.

    Attributes:
        name: the key of its value; "worth" is a head's importance in `heads.json`.
        words: name in lists.
        short: name under a thumbnail.
        target: what a head with this label attends to; "" for measures that are not shares.
        unit: "share", "bits", "characters" or "nats".
    """

    name: str
    words: str
    short: str
    target: str
    unit: str


MEASURE_WORDS = (
    MeasureWords("previous", "previous character", "prev. char", "the previous character", "share"),
    MeasureWords("first", "first character", "first char", "the first character of the text", "share"),
    MeasureWords("space", "last space", "last space", "the last space or newline", "share"),
    MeasureWords("word", "word so far", "same word", "the earlier characters of the word", "share"),
    MeasureWords("word_start", "start of the word", "word start", "the first character of the word", "share"),
    MeasureWords("newline", "earlier newlines", "newlines", "earlier newlines", "share"),
    MeasureWords("line_start", "start of the line", "line start", "the first character of the line", "share"),
    MeasureWords("same", "same character earlier", "same letter", "earlier occurrences of the same character", "share"),
    MeasureWords("induction", "induction", "induction", "the characters that followed the same character earlier", "share"),
    MeasureWords("speaker", "speaker’s name", "speaker", "the speaker’s name", "share"),
    MeasureWords("entropy", "entropy", "entropy", "", "bits"),
    MeasureWords("distance", "mean distance", "distance", "", "characters"),
    MeasureWords("worth", "importance", "importance", "", "nats"),
)
LABEL_FLOOR = 0.15  # minimum excess over uniform attention; a head with less in every share is mixed
NEARLY = 0.8  # of the largest excess

SPEAKER = re.compile(r"(?:\A\n?|(?<=\n\n))([^\n]+:)(?=\n)")

Numbers = dict[str, float | None]  # None for a measure that is undefined in every row
Description = dict[str, float | str | None]


@dataclass(frozen=True)
class Measured:
    """Sums of the measures over rows, so that several texts can be added up. All three are in float64.

    Attributes:
        heads: sums for each head, (..., P).
        uniform: sums for uniform attention over the same rows, (P,).
        rows: number of rows in which each measure is defined, (P,).
    """

    heads: Tensor
    uniform: Tensor
    rows: Tensor

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.heads + other.heads, self.uniform + other.uniform, self.rows + other.rows)

    def means(self) -> list[Numbers]:
        """Each head's measures, layer by layer."""
        return [_named(head) for head in (self.heads / self.rows).flatten(0, -2)]

    def uniform_means(self) -> Numbers:
        """The measures of uniform attention."""
        return _named(self.uniform / self.rows)


def _named(values: Tensor) -> Numbers:
    return {name: None if math.isnan(value) else value for name, value in zip(MEASURES, values.tolist(), strict=True)}


def measure(weights: Tensor, text: str) -> Measured:
    """Measures the heads on a text.

    Args:
        weights: attention weights, (..., T, T).
        text: the T characters.
    """
    wanted = targets(text).flatten(1)  # (P - 1, T * T)
    by_row = wanted.view(-1, len(text), len(text)).sum(-1).double()  # (P - 1, T)
    choices = torch.arange(1, len(text) + 1, dtype=torch.float64)  # keys in each row
    entropy = torch.special.entr(weights).sum((-2, -1))[..., None] / math.log(2)
    return Measured(
        torch.cat([entropy, weights.flatten(-2) @ wanted.T.to(weights.device)], -1).double().cpu(),
        torch.cat([choices.log2().sum()[None], (by_row / choices).sum(-1)]),
        torch.cat([choices[-1:] - 1, by_row.count_nonzero(-1).double()]),
    )


def uniform(text: str) -> Description:
    """The measures of uniform attention on a text, rounded for JSON."""
    return rounded(measure(torch.zeros(len(text), len(text)), text).uniform_means())


def targets(text: str) -> Tensor:
    """The factor of each weight in each measure except entropy, (P - 1, T, T): the distance, or 1 for targets and 0 elsewhere.
    A measure is undefined in rows of zeros."""
    ids = torch.tensor([ord(char) for char in text])
    i, j = torch.arange(len(text))[:, None], torch.arange(len(text))
    same = ids[:, None] == ids
    newline = ids == ord("\n")
    space, line = _last(newline | (ids == ord(" "))), _last(newline)
    meant = {
        "distance": i - j,
        "previous": j == i - 1,
        "first": j == 0,
        "space": j == space,
        "word": (j > space) & (space >= 0),
        "word_start": (j == space + 1) & (space >= 0),
        "newline": newline,
        "line_start": (j == line + 1) & (line >= 0),
        "same": same,
        "induction": F.pad(same[:, :-1], (1, 0)),
        "speaker": _speakers(text),
    }
    return torch.stack([meant[name] * (j < i) for name in MEASURES[1:]]).float()


def _last(mark: Tensor) -> Tensor:
    """Index of the last marked character before each character, (T, 1); -1 if there is none."""
    at = torch.where(mark, torch.arange(len(mark)), -1)
    return F.pad(at[:-1], (1, 0), value=-1).cummax(0).values[:, None]


def _speakers(text: str) -> Tensor:
    """Mask of the current speaker's name for each row, (T, T)."""
    found = torch.zeros(len(text), len(text), dtype=torch.bool)
    for name in SPEAKER.finditer(text):
        begin, end = name.span(1)
        found[end:] = False  # the speaker changes
        found[end:, begin:end] = True
    return found


def excess(share: float, uniform: float) -> float:
    """A share's excess over uniform attention: 0 if it is uniform, 1 if it is all of the attention, negative if it is below uniform."""
    return (share - uniform) / (1 - uniform)


def label(numbers: Numbers, uniform: Numbers) -> tuple[str, float]:
    """A head's label and its excess; `mixed` and the largest excess if no share reaches LABEL_FLOOR."""
    known = {name: (base, excess(share, base)) for name in SHARES if (share := numbers[name]) is not None and (base := uniform[name])}
    most = max((beyond for _, beyond in known.values()), default=0.0)
    if most < LABEL_FLOOR:
        return MIXED, most
    name = min((name for name, (_, beyond) in known.items() if beyond >= NEARLY * most), key=lambda name: known[name][0])
    return name, known[name][1]


def describe(measured: Measured) -> list[Description]:
    """Each head's measures with its `label` and the `excess` of that share, rounded for JSON."""
    uniform, described = measured.uniform_means(), []
    for numbers in measured.means():
        name, most = label(numbers, uniform)
        described.append(rounded(numbers) | {"label": name, "excess": round(most, 5)})
    return described


def rounded(numbers: Numbers) -> Description:
    """Values rounded to five decimal places for JSON."""
    return {name: None if value is None else round(value, 5) for name, value in numbers.items()}
