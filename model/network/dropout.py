"""What dropout keeps: masks from a random number generator that training seeds for each step."""

from __future__ import annotations

import torch
from torch import Tensor


class SharedRows(torch.Generator):
    """A generator for a pass whose rows several processes share. Masks are drawn for all rows of the pass, so that the processes together
    drop what one alone would; this process uses those of its own rows.

    Attributes:
        first: the first row of this process.
        rows: the rows of the whole pass; 0 while no others share it.
    """

    first = rows = 0


def kept(x: Tensor, shape: tuple[int, ...], p: float, generator: torch.Generator | None) -> Tensor:
    """Random zeros, with probability p, and ones; of a shape whose first size is the number of rows.

    Args:
        x: where precision and device come from.
        generator: None for PyTorch's default.
    """
    first, rows = (generator.first, generator.rows) if isinstance(generator, SharedRows) and generator.rows else (0, shape[0])
    mask = torch.empty((rows, *shape[1:]), dtype=x.dtype, device=x.device).bernoulli_(1 - p, generator=generator)
    return mask[first : first + shape[0]]
