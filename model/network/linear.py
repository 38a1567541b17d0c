"""Linear layers with packed matrices for fast writing on a CPU.

In training, a matrix product is PyTorch's own. For writing on a CPU, matrices are packed once in advance:

- in bfloat16 by oneDNN, which also fuses the activation or the sum with the residual stream into the product;
- in float32 by FBGEMM, which stores the matrix in float16 and multiplies in float32. That halves the memory traffic, which limits
  steps with few rows. It is used only for matrices that float16 represents exactly, such as the shipped weights.

Packing also makes results reproducible: a row's product with a packed matrix is bit-identical for any number of rows, so that a seed
always gives the same text. PyTorch's own product is not. `model.precision` checks this on the machine at hand; if it does not hold,
`InBlocks` multiplies a fixed number of rows at a time.

The operators are those used by PyTorch's compiler and its dynamic quantisation; if one is missing, PyTorch's own product is used.
Time for all 25 products of a step, on two cores with AMX and PyTorch 2.13: 1 row 0.80 ms (float32 packed), 0.93 (bfloat16 packed, before
a single row was doubled), 0.85 and 1.35 (PyTorch's own); 64 rows 5.5, 1.5, 6.1 and 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VECTORS_BYTES = 128  # PyTorch computes two vectors at once: with AVX-512 of so many bytes, on other CPUs of a divisor
ROW_BLOCK = 16  # rows per block: enough for an efficient matrix product, few enough for a single text

# Activations by name: the exact GELU, its approximation by tanh, and ReLU.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "gelu_tanh": partial(F.gelu, approximate="tanh"), "relu": F.relu}
_ONEDNN = {"": ("none", "none"), "gelu": ("gelu", "none"), "gelu_tanh": ("gelu", "tanh"), "relu": ("relu", "none")}  # name, algorithm


class Product(Protocol):
    """A packed matrix."""

    def __call__(self, x: Tensor, activation: str, plus: Tensor | None) -> Tensor:
        """As `Linear.forward`."""
        ...


def as_input(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Parameters in the precision of an input."""
    if weight.dtype == x.dtype:
        return weight, bias
    return weight.to(x.dtype), None if bias is None else bias.to(x.dtype)


class Linear(nn.Linear):
    """A linear layer whose parameters are cast to the precision of the input."""

    product: Product | None = None  # the packed matrix, while the model is used for writing

    def forward(self, x: Tensor, activation: str = "", plus: Tensor | None = None) -> Tensor:
        """x W^T + b, (..., out), followed by an activation if one is named, plus `plus` if given."""
        if self.product is not None:
            return self.product(x, activation, plus)
        return finish(F.linear(x, *as_input(x, self.weight, self.bias)), activation, plus)

    __call__ = forward

    def _apply(self, *arguments: Any, **settings: Any) -> Linear:
        """Discards the packed matrix when the parameters are moved or cast."""
        self.product = None
        return super()._apply(*arguments, **settings)


def packed(weight: Tensor, in_blocks: bool, bias: Tensor | None = None) -> Product | None:
    """Packs a matrix for writing; None if nothing is faster than PyTorch's own product.

    Args:
        weight: (out, in), in the precision of the product.
        in_blocks: whether to multiply blocks of rows, for machines on which products depend on the number of rows.
        bias: (out,), as the matrix.
    """
    if in_blocks:
        return InBlocks(weight, bias)
    if weight.device.type != "cpu":
        return None
    if weight.dtype == torch.bfloat16 and hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return OneDNN(weight, bias)
    if "fbgemm" in torch.backends.quantized.supported_engines and weight.dtype == torch.float32 and weight.half().float().equal(weight):
        return FBGEMM(weight, bias)
    return None


class OneDNN:
    """Product by oneDNN: bfloat16 in, bfloat16 out, sums in float32.

    A single row is multiplied twice: for one row oneDNN has another kernel on some CPUs (an AMD EPYC's with AVX-512, say), which sums in
    another order than the one for any other number of rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        # Packed for few rows, so that large products are summed in the same order as small ones.
        self._weight, self._bias = torch.ops.mkldnn._reorder_linear_weight(weight, 1), bias
        # `_op` skips the Python part of the dispatch, which takes a sixth of the time of a product with one row.
        self._plain, self._added = torch.ops.mkldnn._linear_pointwise.default._op, torch.ops.mkldnn._linear_pointwise.binary._op

    def __call__(self, x: Tensor, activation: str, plus: Tensor | None) -> Tensor:
        if x.dim() > 1 and x.numel() == x.shape[-1]:
            return self(torch.cat((x, x)), activation, None if plus is None else torch.cat((plus, plus)))[:1]
        if plus is not None and not activation:
            return self._added(x, plus, self._weight, self._bias, "add")
        name, algorithm = _ONEDNN[activation]
        return finish(self._plain(x, self._weight, self._bias, name, [], algorithm), "", plus)


class FBGEMM:
    """Product by FBGEMM: float32 in, float32 out, with the matrix in float16."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self._weight = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        self._multiply = torch.ops.quantized.linear_dynamic_fp16.default._op  # see OneDNN

    def __call__(self, x: Tensor, activation: str, plus: Tensor | None) -> Tensor:
        return finish(self._multiply(x, self._weight), activation, plus)


class InBlocks:
    """PyTorch's own product with a fixed number of rows at a time; the last block is padded with zeros."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor, activation: str, plus: Tensor | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        filled = F.pad(rows, (0, 0, 0, -len(rows) % ROW_BLOCK))
        y = torch.cat([F.linear(block, self._weight, self._bias) for block in filled.split(ROW_BLOCK)])
        return finish(y[: len(rows)].view(*x.shape[:-1], -1), activation, plus)


def finish(y: Tensor, activation: str, plus: Tensor | None) -> Tensor:
    """A product followed by an activation, if one is named, plus `plus` if given."""
    y = activated(y, activation) if activation else y
    return y if plus is None else plus + y


def activated(x: Tensor, activation: str) -> Tensor:
    """An activation. Outside training, the result for an element is the same to the last bit wherever it lies.

    On a CPU, PyTorch gives each thread a part, and computes what is left of a part after whole vectors by other functions. With 5 threads,
    say, a row of the shipped network would depend on the rows beside it. So zeros are added that make all parts whole.
    """
    surplus = -x.numel() % (torch.get_num_threads() * VECTORS_BYTES // x.itemsize)
    if not surplus or torch.is_grad_enabled() or x.device.type != "cpu":
        return ACTIVATIONS[activation](x)
    return ACTIVATIONS[activation](F.pad(x.flatten(), (0, surplus)))[: x.numel()].view_as(x)
