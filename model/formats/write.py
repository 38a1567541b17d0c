"""Writes a model in the format of another project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from model.formats import mingpt, nanogpt, transformers
from model.formats.foreign import Written
from model.weights import Weights

WRITERS: dict[str, Callable[[Weights, Path], Written]] = {
    "nanogpt": nanogpt.write,
    "mingpt": mingpt.write,
    "transformers": transformers.write,
}
