"""The interface of all networks: what writing, training and display need from them.

A network is an `nn.Module` with a single `forward` for training, writing, capture and ablation. `model.network.kinds` lists all kinds
of networks. They differ in whether they use a key/value cache (`keeps_cache`) and in what they can show (`shows`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from model.config import NetworkConfig
from model.errors import ParameterError
from model.parts import NO_HEADS, Part

if TYPE_CHECKING:
    from model.network.kv_cache import Ahead, KVCache, Rows

ATTENTION, LENS, HEADS = "attention", "lens", "heads"  # what a network can show: attention weights, the logit lens, ablation


@dataclass
class Capture:
    """Collects intermediate results of a forward pass. Pass an instance to `Network.forward` to have it filled.

    Attributes:
        attention: attention weights after softmax, one (B, n_head, T, n_keys) per layer. They are computed, and multiplied by the
            values, in float32 whatever the model's precision.
        queries: queries before scaling, one (B, n_head, T, head_dim) per layer.
        keys, values: one (B, n_head, n_keys, head_dim) per layer.
        stream: the residual stream after the embeddings and after each block, n_layer + 1 tensors of (B, T, C). `GPT.logits` of
            one of them is the logit lens (nostalgebraist, "interpreting GPT: the logit lens", 2020).
    """

    attention: list[Tensor] = field(default_factory=list)
    queries: list[Tensor] = field(default_factory=list)
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    stream: list[Tensor] = field(default_factory=list)


class Network(nn.Module):
    """Base class of all networks.

    Attributes:
        config: the network's shape.
        keeps_cache: whether `forward` accepts a key/value cache. Without one, each new character costs a pass over the window.
        writes: whether the outputs are logits of the next character. A reward network's are not (see `model.network.reward`).
        instead: what a network is that does not write, for error messages.
        shows: the subset of ATTENTION, LENS and HEADS that the network can show.
        compute_dtype: the precision of matrix products; None for the parameters' dtype.
        threads_agree: whether a row's logits are known to be bit-identical for any number of threads (see `model.precision`).
        guesses_agree: likewise, when several characters of a row are read in one step.
        windows_agree: likewise, when windows are read in one pass (see `model.network.reading`).
    """

    config: NetworkConfig
    keeps_cache: ClassVar[bool] = False
    writes: ClassVar[bool] = True
    instead: ClassVar[str] = ""
    shows: ClassVar[frozenset[str]] = frozenset()
    compute_dtype: torch.dtype | None = None
    threads_agree: bool = False
    guesses_agree: bool = False
    windows_agree: bool = False

    def forward(
        self,
        ids: Tensor,
        *,
        cache: KVCache | Rows | Ahead | None = None,
        capture: Capture | None = None,
        off: Collection[Part] = (),
        generator: torch.Generator | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits of the next character at every position.

        Args:
            ids: ids of characters, (B, T). With a cache, each row continues the cached characters of the same row.
            cache: keys and values of earlier characters; those of the new characters are added.
            capture: filled with intermediate results of the pass.
            off: parts that add nothing to the residual stream: heads, MLPs or the position embedding. The attention of a head
                that is off is still captured.
            generator: random number generator for dropout, which is active only in training mode.
            last_only: whether to compute the logits of only the last position.

        Returns:
            (B, T, V) in float32, or (B, 1, V) with last_only.

        Raises:
            ValueError: the characters do not fit in the block.
            ParameterError: a part in `off` does not exist, or the network cannot show what `capture` asks for.
        """
        raise NotImplementedError

    def pack(self, in_blocks: bool = False) -> Network:
        """Prepares the matrices for writing (see `model.network.linear`). The parameters must not change afterwards.

        Args:
            in_blocks: whether to multiply a fixed number of rows at a time.
        """
        return self

    def make_cache(self, seats: int) -> KVCache:
        """An empty cache for up to `seats` texts, for networks with `keeps_cache`."""
        raise NotImplementedError

    def cache_bytes_per_seat(self) -> int:
        """Bytes that a text with a full block takes in the cache; 0 for networks without a cache."""
        return 0

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of matrix products."""
        return self.compute_dtype or next(self.parameters()).dtype

    def n_params(self) -> int:
        """Number of parameters, counting shared ones once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def learned(self) -> dict[str, Tensor]:
        """The parameters that training changes, by name: all but those that are frozen. They are the live tensors, without gradients."""
        return {name: parameter.detach() for name, parameter in self.named_parameters() if parameter.requires_grad}

    @staticmethod
    def floats_per_char(config: NetworkConfig) -> int:
        """Upper estimate of the numbers that a training pass stores per character for the backward pass."""
        raise NotImplementedError

    def refuse_attention(self, cache: object, capture: object, off: Collection[Part]) -> None:
        """Rejects arguments that a network without cache and heads cannot use.

        Raises:
            ParameterError: one of the arguments is given.
        """
        if cache is not None or capture is not None or off:
            raise ParameterError(NO_HEADS)


@contextmanager
def without_values() -> Iterator[None]:
    """A context in which networks are created without values for their parameters, on the device "meta"."""
    with torch.device("meta"), _WithoutRandomNumbers():
        yield


class _WithoutRandomNumbers(TorchFunctionMode):
    """Skips random initial weights. On the device "meta" PyTorch would import its compiler for them, which takes more than a second."""

    skipped = frozenset({Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.xavier_uniform_})

    def __torch_function__(self, func: Callable, types: Collection[type], args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func not in self.skipped:
            return func(*args, **kwargs)
        return args[0] if args else kwargs["tensor"]
