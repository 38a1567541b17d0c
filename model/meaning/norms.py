"""Where a block normalises: what each of its branches reads (pre-norm), or the sum after each branch (post-norm).

Both networks are trained with four recipes that differ in two settings, so that it can be seen which of them needs the warm-up:

    python -m model train --preset post-norm --warmup-steps 0 --run post-norm-no-warmup

Source: Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

from model.network.gpt import Block
from model.network.gpt1 import PostNormBlock

FOLDER = Path(__file__).parents[2]  # of the project


@dataclass(frozen=True)
class Norm:
    """One place for the norm.

    Attributes:
        id: the preset that trains such a network, and the folder of the shipped one in weights/meaning.
        about: what it does, in a sentence.
        block: the class of its blocks.
    """

    id: str
    title: str
    about: str
    block: type[Block]

    @property
    def file(self) -> Path:
        """The file that the block is in, from the project's folder."""
        return Path(inspect.getfile(self.block)).relative_to(FOLDER)

    def lines(self) -> list[tuple[int, str]]:
        """The lines that run a block, with their numbers in the file, without the head of their function."""
        (_, *lines), first = inspect.getsourcelines(self.block.forward)
        return [(number, line.rstrip("\n")) for number, line in enumerate(lines, first + 1)]


NORMS = (
    Norm("pre-norm", "Pre-norm", "GPT-2: each branch reads a normalised copy; the stream itself runs through.", Block),
    Norm(
        "post-norm",
        "Post-norm",
        "GPT-1: each sum is normalised, so all that is passed on goes through norms.",
        PostNormBlock,
    ),
)

# The folders of the shipped runs in weights/meaning, and which norm each has; the first two have weights as well as a curve.
RUNS = {f"{norm.id}{recipe}": norm.id for recipe in ("", "-short-warmup", "-no-warmup", "-low-rate") for norm in NORMS}
