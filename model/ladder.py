"""The rungs of the lecture's ladder: how each is trained, where its weights are, and the lines of code that it adds.

The networks are in `model.network.ladder`; the last rung is the shipped GPT.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from model.lecture import LOSSES
from model.network import gpt, ladder

FOLDER = "ladder"  # in weights/


class Line(NamedTuple):
    """A line of a source file.

    Attributes:
        number: its place in the file, from 1.
        is_new: whether no earlier rung has such a line; False for an empty one.
    """

    number: int
    text: str
    is_new: bool


@dataclass(frozen=True)
class Rung:
    """One network of the ladder.

    Attributes:
        id: identifies the rung.
        about: what it adds to the one before, in a sentence.
        preset: key of the preset that trains it.
        model: id of its weights in the catalogue.
        adds: the classes and functions that it adds, all of one file, in the file's order.
        note: what to know about its loss; {network.X} and {recipe.X} stand for settings of its preset.
    """

    id: str
    title: str
    about: str
    preset: str
    model: str
    adds: tuple[Callable[..., object], ...]
    note: str = ""

    @property
    def lecture_loss(self) -> float | None:
        """Validation loss in the lecture, in nats per character; None if it does not have this network."""
        return LOSSES.get(self.id)

    @property
    def file(self) -> Path:
        """The source file of what it adds, from the top of the repository."""
        return Path(*self.adds[0].__module__.split(".")).with_suffix(".py")


def _rung(id: str, title: str, about: str, *adds: Callable[..., object], note: str = "") -> Rung:
    return Rung(id, title, about, f"{FOLDER}-{id}", f"{FOLDER}/{id}", adds, note)


RUNGS = (
    Rung(
        "bigram",
        "Bigram",
        "A table of which character follows which: the next character depends on the last one alone.",
        "bigram",
        f"{FOLDER}/bigram",
        (ladder.Bigram,),
    ),
    _rung(
        "one-head",
        "One head",
        "Characters get a position, and one head of self-attention lets each look back at those before it.",
        ladder.Head,
        ladder.Embedded,
        ladder.OneHead,
    ),
    _rung(
        "four-heads",
        "Four heads",
        "Four heads of a quarter of the width look for different things at once, with as many parameters as one wide head.",
        ladder.MultiHeadAttention,
        ladder.FourHeads,
    ),
    _rung(
        "feed-forward",
        "+ feed-forward",
        "After looking back, each character computes on its own with what it has found.",
        ladder.FeedForward,
        ladder.HeadsAndFeedForward,
    ),
    _rung(
        "no-residual",
        "Deeper, no residual",
        "Three such blocks one after the other: the network is deeper, and harder to train.",
        ladder.Block,
        ladder.NoResidual,
        note="Worse than one block, although it has about twice the parameters. The lecture goes straight on to residual connections.",
    ),
    _rung(
        "residual",
        "+ residual",
        "Each block adds to what was there instead of replacing it, attention gets a projection, and the feed-forward network becomes four "
        "times as wide inside.",
        ladder.ProjectedAttention,
        ladder.WideFeedForward,
        ladder.ResidualBlock,
        ladder.Residual,
        note="Three changes in one step, as in the lecture. The additions alone, without more parameters, reach 2.148.",
    ),
    _rung(
        "layer-norm",
        "+ layer norm",
        "What a branch reads is normalised, which keeps a deep network's numbers in range.",
        ladder.NormBlock,
        ladder.LayerNorm,
    ),
    _rung(
        "small-gpt",
        "The lecture's small GPT",
        "Twice as wide, one block deeper, four times the context, and dropout, which is 0 here: only larger networks need it.",
        ladder.DropoutHead,
        ladder.DropoutAttention,
        ladder.DropoutFeedForward,
        ladder.DropoutBlock,
        ladder.SmallGPT,
        note="Better than in the lecture, whose attention scores were scaled by n_embd ** -0.5 until a correction to head_size ** -0.5.",
    ),
    Rung(
        "gpt",
        "The shipped GPT",
        "The same idea at fifty times the size and eight times the context, written to be fast: PyTorch's fused kernel computes what "
        "explicit_attention writes out.",
        "shakespeare",
        "shakespeare",
        (
            gpt.LayerNorm,
            gpt.causal_mask,
            gpt.explicit_attention,
            gpt.CausalSelfAttention,
            gpt.FeedForward,
            gpt.Block,
            gpt.Transformer,
            gpt.GPT.forward,
        ),
        note="Trained with another recipe than the lecture's large network: {recipe.steps:,} steps with the optimizer {recipe.optimizer} "
        "and a dropout of {network.dropout}.",
    ),
)


@cache
def lines_of(rung: Rung) -> tuple[Line, ...]:
    """The lines of what a rung adds, from the file that runs."""
    earlier = {text.strip() for other in RUNGS[: RUNGS.index(rung)] for _, text in _source(other)} | {""}
    return tuple(Line(number, text, text.strip() not in earlier) for number, text in _source(rung))


def _source(rung: Rung) -> list[tuple[int, str]]:
    """The lines of what a rung adds, with their numbers."""
    found = []
    for item in rung.adds:
        lines, first = inspect.getsourcelines(item)
        found += [(number, line.rstrip("\n")) for number, line in enumerate(lines, first)]
    return found
