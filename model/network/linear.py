"""A matrix and its product with a text's channels, three ways.

While a model learns, a product is PyTorch's own. While it writes on a CPU, matrices are packed once, ahead of time:

- in bfloat16 by oneDNN, which then also takes the activation or the sum with the residual stream into the same pass;
- in float32 by FBGEMM, which holds the matrix in float16 and multiplies in float32: half of the memory to read, which is what a step
  of few rows waits for. For matrices that float16 holds exactly, as it does shipped weights.

Besides being faster, a row's product by a packed matrix is the same to the last bit however many rows there are, which PyTorch's own
is not, and which a seed's promise of the same text rests on. `model.precision` checks that on the machine at hand; where it
does not hold, `InBlocks` multiplies equal numbers of rows at a time.

The operators are those that PyTorch's own compiler and dynamic quantisation call; where one is missing, the plain product stands in.
Two cores with AMX, PyTorch 2.13, all 25 products of a step: 1 row 0.80 ms (float32 packed), 0.93 (bfloat16 packed), 0.85
and 1.35 (plain); 64 rows 5.5, 1.5, 6.1 and 2.3.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROW_BLOCK = 16  # rows in a block: enough for a matrix product to be one, few enough for one text alone


class Product(Protocol):
    """A packed matrix."""

    def __call__(self, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
        """As `Linear.forward`."""
        ...


class Linear(nn.Linear):
    """A matrix without bias that is cast to the precision of what it multiplies."""

    product: Product | None = None  # while a model writes

    def forward(self, x: Tensor, gelu: bool = False, plus: Tensor | None = None) -> Tensor:
        """x W^T, (..., out), after GELU if wanted, added to `plus` if given."""
        if self.product is not None:
            return self.product(x, gelu, plus)
        weight = self.weight
        return _finish(F.linear(x, weight if weight.dtype == x.dtype else weight.to(x.dtype)), gelu, plus)

    __call__ = forward

    def _apply(self, *arguments: Any, **settings: Any) -> Linear:
        """Moving the parameters, or casting them, leaves no packed copy behind."""
        self.product = None
        return super()._apply(*arguments, **settings)


def packed(weight: Tensor, in_blocks: bool) -> Product | None:
    """A matrix ready for writing, or None where nothing beats PyTorch's own product.

    Args:
        weight: (out, in), in the precision that it is multiplied in.
        in_blocks: by blocks of rows, for machines where products depend on the number of rows.
    """
    if in_blocks:
        return InBlocks(weight)
    if weight.device.type != "cpu":
        return None
    if weight.dtype == torch.bfloat16 and hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return OneDNN(weight)
    if "fbgemm" in torch.backends.quantized.supported_engines and weight.dtype == torch.float32 and weight.half().float().equal(weight):
        return FBGEMM(weight)
    return None


class OneDNN:
    """bfloat16 in, bfloat16 out, sums in float32."""

    def __init__(self, weight: Tensor):
        # Packed for one row: then large products are summed in the same order as small ones.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
        # `_op` skips Python's part of the dispatch, a sixth of the time that a product of one row takes.
        self._plain, self._added = torch.ops.mkldnn._linear_pointwise.default._op, torch.ops.mkldnn._linear_pointwise.binary._op

    def __call__(self, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
        if plus is not None and not gelu:
            return self._added(x, plus, self._weight, None, "add")
        return _finish(self._plain(x, self._weight, None, "gelu" if gelu else "none", [], "none"), False, plus)


class FBGEMM:
    """float32 in, float32 out, the matrix in float16."""

    def __init__(self, weight: Tensor):
        self._weight = torch.ops.quantized.linear_prepack_fp16(weight, None)
        self._multiply = torch.ops.quantized.linear_dynamic_fp16.default._op  # see OneDNN

    def __call__(self, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
        return _finish(self._multiply(x, self._weight), gelu, plus)


class InBlocks:
    """PyTorch's own product, always with the same number of rows; the last block is filled up with zeros."""

    def __init__(self, weight: Tensor):
        self._weight = weight

    def __call__(self, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        filled = F.pad(rows, (0, 0, 0, -len(rows) % ROW_BLOCK))
        y = torch.cat([F.linear(block, self._weight) for block in filled.split(ROW_BLOCK)])
        return _finish(y[: len(rows)].view(*x.shape[:-1], -1), gelu, plus)


def _finish(y: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
    y = F.gelu(y) if gelu else y
    return y if plus is None else plus + y
