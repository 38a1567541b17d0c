"""What one pass over a text shows of the heads, and what a head does, as numbers.

A head's weights are (T, T): row i says where character i looks, among the characters 0 to i. Each measure is a mean over the rows for
which there is something to measure; the first character can look only at itself and never counts. Entropy and distance aside, a
measure is a share: how much of its attention a row gives to the characters that are meant, on average.

- `entropy`: of a row, in bits; 0 looks at one character.
- `distance`: how many characters back, on average.
- `previous`: the character before.
- `first`: the first character of the window, where a head that has nothing to look for often looks (Xiao et al., "Efficient
  Streaming Language Models with Attention Sinks", 2023).
- `space`: the last space or newline before the row's own character. Rows with none before them are left out.
- `word`: the earlier characters of the word, that is those between that space or newline and the row's own character. Rows for which
  there are none are left out: those whose character begins a word, and the first word.
- `word_start`: the first of them. The same rows.
- `newline`: all newlines before the row's own character. Rows with none before them are left out.
- `line_start`: the first character after the last newline before the row's own character. Rows without a newline before them, and those
  whose own character begins the line, are left out.
- `same`: earlier characters that are the row's own character again. Rows whose character comes for the first time are left out.
- `induction`: characters, before the row's own, that follow an earlier occurrence of it: what came next the last times (Olsson et al.,
  "In-context Learning and Induction Heads", 2022). Rows for which there are none are left out.
- `speaker`: the name of who speaks, colon included: the latest line that ends with a colon and stands after an empty line or at
  the text's start. Rows before the end of such a line are left out.

A bare share misleads: where half of the text is spaces, a head that looks anywhere gives them half. So each measure comes with what
uniform attention would give on the same rows. A head's label is the share that goes farthest beyond that; but where one that means
fewer characters (the character before) goes nearly as far as one that means more (the word so far), the narrower says more.

Shapes: T characters, P measures, n_cells = T (T + 1) / 2, C channels, V vocabulary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.config import MAX_CAPTURE_NUMBERS, NO_HEADS, GPTConfig, Head, NetworkConfig
from model.errors import ParameterError
from model.network import Capture, Network
from model.network.gpt import GPT

SHARES = ("previous", "first", "space", "word", "word_start", "newline", "line_start", "same", "induction", "speaker")
MEASURES = ("entropy", "distance", *SHARES)
MIXED = "mixed"


class MeasureWords(NamedTuple):
    """How the page names a measure.

    Attributes:
        name: its key in the numbers; "worth" is a head's importance in `heads.json`.
        words: in lists.
        short: under a small picture.
        target: what a head with this label attends to; "" for measures that are not shares.
        unit: "share", "bits", "characters" or "nats".
    """

    name: str
    words: str
    short: str
    target: str
    unit: str


MEASURE_WORDS = (
    MeasureWords("previous", "previous character", "previous", "the previous character", "share"),
    MeasureWords("first", "first character", "first", "the first character of the text", "share"),
    MeasureWords("space", "last space", "space", "the last space or newline", "share"),
    MeasureWords("word", "word so far", "word", "the earlier characters of the word", "share"),
    MeasureWords("word_start", "start of the word", "initial", "the first character of the word", "share"),
    MeasureWords("newline", "earlier newlines", "newline", "earlier newlines", "share"),
    MeasureWords("line_start", "start of the line", "line", "the first character of the line", "share"),
    MeasureWords("same", "same character earlier", "same", "earlier occurrences of the same character", "share"),
    MeasureWords("induction", "induction", "induction", "the characters that followed the same character earlier", "share"),
    MeasureWords("speaker", "speaker’s name", "speaker", "the speaker’s name", "share"),
    MeasureWords("entropy", "entropy", "entropy", "", "bits"),
    MeasureWords("distance", "mean distance", "distance", "", "characters"),
    MeasureWords("worth", "importance", "importance", "", "nats"),
)
LABEL_FLOOR = 0.15  # of what there is beyond uniform attention; a head with less for every share is mixed
NEARLY = 0.8  # of the farthest

SPEAKER = re.compile(r"(?:\A\n?|(?<=\n\n))([^\n]+:)(?=\n)")

Numbers = dict[str, float | None]  # None where no row has what is measured
Description = dict[str, float | str | None]


@dataclass(frozen=True)
class Measured:
    """Sums over rows, so that texts add up.

    Attributes:
        heads: (..., P), in float64 as all three.
        uniform: what uniform attention gives on the same rows, (P,).
        rows: how many there were, (P,).
    """

    heads: Tensor
    uniform: Tensor
    rows: Tensor

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.heads + other.heads, self.uniform + other.uniform, self.rows + other.rows)

    def means(self) -> list[Numbers]:
        """Each head's measures, layer after layer."""
        return [_named(head) for head in (self.heads / self.rows).flatten(0, -2)]

    def uniform_means(self) -> Numbers:
        """What uniform attention would have."""
        return _named(self.uniform / self.rows)


def _named(values: Tensor) -> Numbers:
    return {name: None if math.isnan(value) else value for name, value in zip(MEASURES, values.tolist(), strict=True)}


def measure(weights: Tensor, text: str) -> Measured:
    """What heads do with a text.

    Args:
        weights: (..., T, T).
        text: the T characters.
    """
    wanted = targets(text).flatten(1)  # (P - 1, T * T)
    by_row = wanted.view(-1, len(text), len(text)).sum(-1).double()  # (P - 1, T)
    choices = torch.arange(1, len(text) + 1, dtype=torch.float64)  # in each row
    entropy = torch.special.entr(weights).sum((-2, -1))[..., None] / math.log(2)
    return Measured(
        torch.cat([entropy, weights.flatten(-2) @ wanted.T.to(weights.device)], -1).double().cpu(),
        torch.cat([choices.log2().sum()[None], (by_row / choices).sum(-1)]),
        torch.cat([choices[-1:] - 1, by_row.count_nonzero(-1).double()]),
    )


def targets(text: str) -> Tensor:
    """What each measure but the entropy gives for a weight at a place: 1 where it is meant and 0 elsewhere, or the distance;
    (P - 1, T, T). Rows of zeros have nothing to measure."""
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
    """Index of the last marked character before each, (T, 1); -1 where there is none."""
    at = torch.where(mark, torch.arange(len(mark)), -1)
    return F.pad(at[:-1], (1, 0), value=-1).cummax(0).values[:, None]


def _speakers(text: str) -> Tensor:
    """Where the speaker's name stands, seen from each row, (T, T)."""
    found = torch.zeros(len(text), len(text), dtype=torch.bool)
    for name in SPEAKER.finditer(text):
        begin, end = name.span(1)
        found[end:] = False  # another speaks
        found[end:, begin:end] = True
    return found


def excess(share: float, uniform: float) -> float:
    """How much of what there is beyond uniform attention a share takes: 0 as uniform, 1 all attention, negative for less than uniform."""
    return (share - uniform) / (1 - uniform)


def label(numbers: Numbers, uniform: Numbers) -> tuple[str, float]:
    """The share that stands out most, and its excess; `mixed` and the farthest excess where none reaches LABEL_FLOOR."""
    known = {name: (base, excess(share, base)) for name in SHARES if (share := numbers[name]) is not None and (base := uniform[name])}
    most = max((beyond for _, beyond in known.values()), default=0.0)
    if most < LABEL_FLOOR:
        return MIXED, most
    name = min((name for name, (_, beyond) in known.items() if beyond >= NEARLY * most), key=lambda name: known[name][0])
    return name, known[name][1]


def describe(measured: Measured) -> list[Description]:
    """Each head's measures, its `label`, and the `excess` of the share that stands out most; rounded for JSON."""
    uniform, described = measured.uniform_means(), []
    for numbers in measured.means():
        name, most = label(numbers, uniform)
        described.append(rounded(numbers) | {"label": name, "excess": round(most, 5)})
    return described


def rounded(numbers: Numbers) -> Description:
    """To five places, for JSON."""
    return {name: None if value is None else round(value, 5) for name, value in numbers.items()}


@dataclass(frozen=True)
class Reading:
    """What one pass over a text computed.

    Attributes:
        precision: what matrices were multiplied in. Attention is computed in float32 in any (see `Capture`).
        weights: the causal half of each head's, row by row: row i has the i + 1 weights that it may give, (n_layer, n_head, n_cells).
        queries, keys: (n_layer, n_head, T, head_dim).
        lens: logits from the residual stream as the embeddings begin it and after each block, (n_layer + 1, T, V); the last are the
            model's.
        loss: mean over all characters but the first, in nats; None where there is only one.
        stats: for each layer and head, as `describe` has them.
        uniform: what uniform attention would have.
    """

    precision: str
    weights: NDArray[np.float32]
    queries: NDArray[np.float32]
    keys: NDArray[np.float32]
    lens: NDArray[np.float32]
    loss: float | None
    stats: list[list[Description]]
    uniform: Description

    @property
    def n_layer(self) -> int:
        return self.queries.shape[0]

    @property
    def n_head(self) -> int:
        return self.queries.shape[1]

    @property
    def n_chars(self) -> int:
        return self.queries.shape[2]

    @property
    def n_bytes(self) -> int:
        """Memory that the numbers take."""
        return self.weights.nbytes + self.queries.nbytes + self.keys.nbytes + self.lens.nbytes

    def row(self, layer: int, head: int, row: int) -> NDArray[np.float32]:
        """Where a row of a head looks, (row + 1,)."""
        begin = row * (row + 1) // 2
        return self.weights[layer, head, begin : begin + row + 1]


@torch.inference_mode()
def read(model: Network, ids: Sequence[int], text: str, heads_off: Collection[Head] = ()) -> Reading:
    """Reads a text and keeps what the heads did. For a model that is not training.

    Args:
        ids: of the text, at most a block of them.

    Raises:
        ParameterError: the network has no heads, or a head that is to be off does not exist.
        FloatingPointError: the network's output is not finite.
    """
    if not isinstance(model, GPT):
        raise ParameterError(NO_HEADS)
    capture, given = Capture(), torch.tensor([ids], device=model.device)
    logits = model(given, capture=capture, heads_off=heads_off)[0]
    if not torch.isfinite(logits).all():
        raise FloatingPointError("the network's output is not finite")
    attention = torch.cat(capture.attention)  # (n_layer, n_head, T, T)
    measured = measure(attention, text)
    described = describe(measured)
    row, column = torch.tril_indices(len(ids), len(ids), device=model.device)
    return Reading(
        precision=str(model.dtype).removeprefix("torch."),
        weights=attention.flatten(-2).index_select(-1, row * len(ids) + column).cpu().numpy(),
        queries=torch.cat(capture.queries).float().cpu().numpy(),
        keys=torch.cat(capture.keys).float().cpu().numpy(),
        lens=torch.stack([*(model.logits(stream[0]) for stream in capture.stream[:-1]), logits]).cpu().numpy(),
        loss=F.cross_entropy(logits[:-1], given[0, 1:]).item() if len(ids) > 1 else None,
        stats=[described[first : first + model.config.n_head] for first in range(0, len(described), model.config.n_head)],
        uniform=rounded(measured.uniform_means()),
    )


def most_shown(config: NetworkConfig) -> int:
    """How many characters a reading may have: a block, or as many as give MAX_CAPTURE_NUMBERS weights, vectors and logits.

    Raises:
        ParameterError: the network has no heads.
    """
    if not isinstance(config, GPTConfig):
        raise ParameterError(NO_HEADS)
    heads = config.n_layer * config.n_head
    by_char = heads + 4 * config.n_layer * config.n_embd + 2 * (config.n_layer + 1) * config.vocab_size  # twice, as is heads * n * n
    fitting = (math.isqrt(by_char**2 + 8 * heads * MAX_CAPTURE_NUMBERS) - by_char) // (2 * heads)
    return min(config.block_size, fitting)
