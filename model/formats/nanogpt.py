"""nanoGPT: a ckpt.pt with "model" and "model_args", and the vocabulary in a meta.pkl.

Source: github.com/karpathy/nanoGPT, model.py, train.py, sample.py. Its names are ours. Its GELU is the exact one and its head is tied; the
file lists the head as well. `attn.bias` is no parameter but the causal mask, which it keeps without fused attention.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import torch

from model.config import GPTConfig
from model.errors import CheckpointError, ParameterError
from model.formats.files import Meta, read_meta, write_meta, write_torch
from model.formats.foreign import EMBEDDING, HEAD, Foreign, Tensors, Written, count_layers, shape_of
from model.weights import Weights

CHECKPOINT, META = "ckpt.pt", "meta.pkl"
MASK = re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)")
ARGUMENTS = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")


def is_it(tensors: Tensors, content: dict[str, Any]) -> bool:
    """Whether a file is a checkpoint of nanoGPT: the names alone would be minGPT's as well."""
    return EMBEDDING in tensors and isinstance(content.get("model_args"), dict)


def read(tensors: Tensors, content: dict[str, Any], path: Path) -> Foreign:
    """Reads a checkpoint; the vocabulary from the meta.pkl beside it, if there is one.

    Raises:
        CheckpointError, ParameterError: it is damaged.
    """
    arguments = content["model_args"]
    if missing := [name for name in ARGUMENTS if name not in arguments]:
        raise CheckpointError(f"{path}: its model_args lack {missing[0]}.")
    config = GPTConfig(
        **{name: arguments[name] for name in ARGUMENTS},
        bias=any(name.endswith("ln_f.bias") for name in tensors),
        tied_head=HEAD not in tensors,
    )
    meta = meta_beside(path)
    return Foreign(config, without_masks(tensors), meta.tokenizer if meta else None)


def meta_beside(path: Path) -> Meta | None:
    """The content of the meta.pkl beside a file; None if there is none.

    Raises:
        CheckpointError: it is damaged.
    """
    meta = path.with_name(META)
    return read_meta(meta) if meta.exists() else None


def without_masks(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The parameters alone."""
    return {name: tensor for name, tensor in tensors.items() if not MASK.fullmatch(name)}


def write(weights: Weights, folder: Path) -> Written:
    """Writes a folder with ckpt.pt and meta.pkl.

    Raises:
        ParameterError: nanoGPT's network cannot be this one.
        CheckpointError: it cannot be written.
    """
    config = weights.model.config
    assert isinstance(config, GPTConfig)
    if config.activation != "gelu" or not config.tied_head:
        raise ParameterError("nanoGPT has the exact GELU and a tied head; this model has not. Export it as transformers.")
    tensors = {name: tensor.clone() for name, tensor in weights.model.state_dict().items()}
    arguments = {name: getattr(config, name) for name in ARGUMENTS} | {"bias": config.bias, "dropout": config.dropout}
    content = {
        "model": tensors | {HEAD: tensors[EMBEDDING]},
        "model_args": arguments,
        "iter_num": 0,
        "best_val_loss": torch.tensor(weights.val_loss or float("nan")),
        "config": {"dataset": weights.name},
    }
    write_torch(folder / CHECKPOINT, content)
    write_meta(folder / META, Meta(weights.tokenizer))
    data, out = shlex.quote(f"data/{weights.name}"), shlex.quote(str(folder.absolute()))
    hint = (
        f"In nanoGPT's folder: mkdir -p {data} && cp {out}/{META} {data} && python sample.py --out_dir={out} --device=cpu. "
        f"(sample.py looks for {META} in data/, and takes GPT-2's tokens without it.)"
    )
    return Written([folder / CHECKPOINT, folder / META], hint)


def layers_and_width(tensors: Tensors) -> dict[str, int]:
    """What the tensors say of the shape."""
    vocab_size, n_embd = shape_of(tensors, EMBEDDING)
    block_size, _ = shape_of(tensors, "transformer.wpe.weight")
    return {"n_layer": count_layers(tensors, "transformer.h."), "n_embd": n_embd, "vocab_size": vocab_size, "block_size": block_size}
