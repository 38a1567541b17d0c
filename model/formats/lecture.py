"""The lecture's gpt.py: a state dict with a matrix for each head, ReLU, biases in part, and an untied head with a bias.

Source: github.com/karpathy/ng-video-lecture, gpt.py. GPT-2 has no bias in its head. It is moved into that of the last norm: the head's
matrix W (V, C) makes b of a vector d with W d = b, which exists where V <= C and W has full rank.
"""

from __future__ import annotations

import torch

from model.config import GPTConfig
from model.errors import CheckpointError
from model.formats.foreign import EMBEDDING, HEAD, Foreign, Tensors, count_layers, shape_of

TOKENS, POSITIONS = "token_embedding_table.weight", "position_embedding_table.weight"
LARGEST_ERROR = 1e-5  # of a logit, by moving the bias


def is_it(tensors: Tensors) -> bool:
    """Whether tensors are those of the lecture's GPTLanguageModel."""
    return TOKENS in tensors and POSITIONS in tensors and "blocks.0.sa.heads.0.key.weight" in tensors


def read(tensors: Tensors) -> Foreign:
    """Reads a state dict.

    Raises:
        CheckpointError: tensors are missing or do not fit, or the head's bias cannot be moved.
    """
    (vocab_size, n_embd), (block_size, _) = shape_of(tensors, TOKENS), shape_of(tensors, POSITIONS)
    n_layer, n_head = count_layers(tensors, "blocks."), count_layers(tensors, "blocks.0.sa.heads.")
    config = GPTConfig(
        block_size=block_size,
        vocab_size=vocab_size,
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        bias=True,
        tied_head=False,
        activation="relu",
    )
    try:
        found = {EMBEDDING: tensors[TOKENS], "transformer.wpe.weight": tensors[POSITIONS], HEAD: tensors["lm_head.weight"]}
        for layer in range(n_layer):
            found |= _block(tensors, layer, n_head, n_embd)
        found["transformer.ln_f.weight"] = tensors["ln_f.weight"]
        found["transformer.ln_f.bias"] = tensors["ln_f.bias"] + _as_input(tensors["lm_head.weight"], tensors["lm_head.bias"])
    except KeyError as error:
        raise CheckpointError(f"It lacks {error}.") from None
    except (RuntimeError, IndexError):
        raise CheckpointError("Its tensors have shapes that do not fit together, or values that are not finite.") from None
    return Foreign(config, found)


def _block(tensors: Tensors, layer: int, n_head: int, n_embd: int) -> dict[str, torch.Tensor]:
    ours, theirs = f"transformer.h.{layer}.", f"blocks.{layer}."
    matrices = [tensors[f"{theirs}sa.heads.{head}.{part}.weight"] for part in ("query", "key", "value") for head in range(n_head)]
    pairs = {"ln_1": "ln1", "ln_2": "ln2", "attn.c_proj": "sa.proj", "mlp.c_fc": "ffwd.net.0", "mlp.c_proj": "ffwd.net.2"}
    named = {f"{ours}{mine}.{kind}": tensors[f"{theirs}{its}.{kind}"] for mine, its in pairs.items() for kind in ("weight", "bias")}
    return named | {f"{ours}attn.c_attn.weight": torch.cat(matrices), f"{ours}attn.c_attn.bias": torch.zeros(3 * n_embd)}


def _as_input(matrix: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The vector that a matrix turns into a bias, (C,).

    Raises:
        CheckpointError: there is none.
    """
    exact, wanted = matrix.double(), bias.double()
    found = torch.linalg.lstsq(exact, wanted[:, None]).solution[:, 0] if len(matrix) <= matrix.shape[1] else torch.zeros(matrix.shape[1])
    if (exact @ found.double() - wanted).abs().max() > LARGEST_ERROR:
        raise CheckpointError("The bias of its head cannot be moved into the last norm, and GPT-2 has no other place for it.")
    return found.to(bias.dtype)
