"""A model of another project, once it is read: its shape as our network's, its tensors under our names, its vocabulary if it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.config import GPTConfig
from model.errors import CheckpointError
from model.tokenizer import CharTokenizer

Tensors = Mapping[str, Tensor]

HEAD, EMBEDDING, POSITIONS = "lm_head.weight", "transformer.wte.weight", "transformer.wpe.weight"


@dataclass(frozen=True)
class Foreign:
    """A model that was read.

    Attributes:
        tensors: under the names of `model.network.gpt.GPT`, in any precision.
        tokenizer: None if the source does not say what its ids stand for.
    """

    config: GPTConfig
    tensors: dict[str, Tensor]
    tokenizer: CharTokenizer | None = None


@dataclass(frozen=True)
class Written:
    """What was written for another project.

    Attributes:
        hint: how it is used there, and what differs.
    """

    files: list[Path]
    hint: str


def shape_of(tensors: Tensors, name: str) -> tuple[int, int]:
    """The shape of a matrix.

    Raises:
        CheckpointError: there is no such matrix.
    """
    if name not in tensors or tensors[name].dim() != 2:
        raise CheckpointError(f"It has no matrix {name}.")
    n_rows, n_columns = tensors[name].shape
    return n_rows, n_columns


def count_layers(tensors: Tensors, prefix: str) -> int:
    """How many blocks there are, from names such as PREFIX0.ln_1.weight."""
    numbers = {name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)}
    return len({number for number in numbers if number.isdigit()})


def simplified(foreign: Foreign) -> Foreign:
    """The same model without a head that equals the embedding and without biases that are all zero."""
    tensors, config = dict(foreign.tensors), foreign.config
    if HEAD in tensors and tensors[HEAD].equal(tensors[EMBEDDING]):
        del tensors[HEAD]
    config = replace(config, tied_head=HEAD not in tensors)
    biases = [name for name in tensors if name.endswith(".bias")]
    if not any(tensors[name].any() for name in biases):
        for name in biases:
            del tensors[name]
        config = replace(config, bias=False)
    return replace(foreign, config=config, tensors=tensors)


def with_biases(tensors: Tensors) -> dict[str, Tensor]:
    """The same parameters with a bias, zero where there is none, for each matrix in the blocks and each norm."""
    matrices = [name for name in tensors if name.endswith(".weight") and name not in (HEAD, EMBEDDING, POSITIONS)]
    zeros = {f"{name.removesuffix('weight')}bias": torch.zeros(len(tensors[name])) for name in matrices}
    return {**zeros, **tensors}
