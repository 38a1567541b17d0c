"""minGPT: a state dict with the names of Transformers, matrices that are not transposed, biases, and an untied head.

Source: github.com/karpathy/minGPT, mingpt/model.py. Its GELU is the approximation by tanh. The file does not say how many heads there are,
nor which characters: what is written here says so in a meta.pkl beside it, like nanoGPT's, which also names the GELU, so that a
model comes back as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.config import GPTConfig
from model.errors import ParameterError
from model.formats.files import Meta, write_meta, write_torch
from model.formats.foreign import EMBEDDING, HEAD, Foreign, Tensors, Written, with_biases
from model.formats.nanogpt import META, layers_and_width, meta_beside, without_masks
from model.weights import Weights

FILE = "model.pt"
ACTIVATION = "gelu_tanh"
HEADS_BY_WIDTH = {48: 3, 128: 4, 192: 6, 512: 8, 768: 12, 1024: 16, 1280: 20, 1600: 25}  # minGPT's named sizes


def is_it(tensors: Tensors, content: dict[str, Any]) -> bool:
    """Whether a file is a state dict of minGPT."""
    return EMBEDDING in tensors and HEAD in tensors and "transformer.ln_f.bias" in tensors and "model_args" not in content


def read(tensors: Tensors, n_head: int | None, path: Path) -> Foreign:
    """Reads a state dict; the vocabulary from the meta.pkl beside it, if there is one.

    Args:
        n_head: None for the number that the meta.pkl names, or minGPT's named size of this width has.

    Raises:
        CheckpointError, ParameterError: the meta.pkl is damaged, or nobody says how many heads there are.
    """
    shape, meta = layers_and_width(tensors), meta_beside(path)
    more = meta.more if meta else {}
    n_head = n_head or more.get("n_head") or HEADS_BY_WIDTH.get(shape["n_embd"])
    if n_head is None:
        raise ParameterError("minGPT's file does not say how many heads it has: give --heads.")
    config = GPTConfig(**shape, n_head=n_head, bias=True, tied_head=False, activation=more.get("activation", ACTIVATION))
    return Foreign(config, without_masks(tensors), meta.tokenizer if meta else None)


def write(weights: Weights, folder: Path) -> Written:
    """Writes a folder with model.pt, a state dict, and a meta.pkl.

    Raises:
        ParameterError: minGPT's network cannot be this one.
        CheckpointError: it cannot be written.
    """
    config = weights.model.config
    assert isinstance(config, GPTConfig)
    if config.activation == "relu":
        raise ParameterError("minGPT has a GELU; this model has ReLU. Export it as transformers.")
    tensors = {name: tensor.clone() for name, tensor in with_biases(weights.model.state_dict()).items()}
    tensors.setdefault(HEAD, tensors[EMBEDDING].clone())
    mask = torch.tril(torch.ones(config.block_size, config.block_size)).view(1, 1, config.block_size, config.block_size)
    masks = {f"transformer.h.{layer}.attn.bias": mask.clone() for layer in range(config.n_layer)}
    write_torch(folder / FILE, tensors | masks)
    write_meta(folder / META, Meta(weights.tokenizer, {name: getattr(config, name) for name in ("n_head", "activation")}))
    settings = ", ".join(f"{name}={getattr(config, name)}" for name in ("n_layer", "n_head", "n_embd", "vocab_size", "block_size"))
    other = " minGPT's GELU is the approximation by tanh, this model's the exact one: there, logits differ by about 0.01."
    return Written([folder / FILE, folder / META], f"minGPT's config: {settings}.{other if config.activation != ACTIVATION else ''}")
