"""Transformers: a folder that `AutoModelForCausalLM` and `AutoTokenizer` load offline, and `generate` with.

The network is GPT-2; its matrices are stored transposed (Conv1D), with biases, which are zero where the model has none. The tokenizer has
one token for each character.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from model.config import GPTConfig, shown
from model.errors import CheckpointError
from model.files import parse_json, read_file, write_atomically
from model.formats.foreign import HEAD, Foreign, Tensors, Written, with_biases
from model.tokenizer import CharTokenizer
from model.weights import CONFIG_FILE, Weights, load_tensors

TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}  # theirs -> ours
WEIGHTS_FILE, TOKENIZER_FILE = "model.safetensors", "tokenizer.json"
SHAPE = {"vocab_size": "vocab_size", "n_positions": "block_size", "n_layer": "n_layer", "n_head": "n_head", "n_embd": "n_embd"}
# What GPT-2 may do otherwise, and our network does not.
FIXED: dict[str, Any] = {
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
}


def is_it(folder: Path) -> bool:
    """Whether a folder holds a GPT-2 of Transformers."""
    try:
        content = parse_json(read_file(folder / CONFIG_FILE))
    except (CheckpointError, ValueError):
        return False
    return isinstance(content, dict) and content.get("model_type") == "gpt2"


def read(folder: Path) -> Foreign:
    """Reads a folder.

    Raises:
        CheckpointError, ParameterError: it is damaged, or its network is none that ours can be.
    """
    config, tokenizer = read_shape(folder)
    tensors = _ours(load_tensors(folder / WEIGHTS_FILE)[0])
    return Foreign(replace(config, tied_head=HEAD not in tensors), tensors, tokenizer)


def read_shape(folder: Path) -> tuple[GPTConfig, CharTokenizer | None]:
    """The shape of a folder's network, and its vocabulary if it has one, without the tensors. Whether the head is tied only they say.

    Raises:
        CheckpointError, ParameterError: a file is damaged, or the network is none that ours can be.
    """
    path = folder / CONFIG_FILE
    content = parse_json(read_file(path))
    if missing := [name for name in SHAPE if name not in content]:
        raise CheckpointError(f"{path} lacks {missing[0]}.")
    for name, value in FIXED.items():
        if content.get(name, value) != value:
            raise CheckpointError(f"{path}: {name} is {shown(content[name])}, which is not supported here; only {value} is.")
    activation = content.get("activation_function", "gelu_new")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise CheckpointError(f"{path}: the activation {shown(activation)} is not supported here; {', '.join(ACTIVATIONS)} are.")
    shape = {ours: content[theirs] for theirs, ours in SHAPE.items()}
    config = GPTConfig(**shape, bias=True, tied_head=False, activation=ACTIVATIONS[activation])
    n_inner = content.get("n_inner")
    if n_inner not in (None, 4 * config.n_embd):
        raise CheckpointError(f"{path}: n_inner is {shown(n_inner)}; only four times n_embd is supported here.")
    return config, _read_tokenizer(folder / TOKENIZER_FILE)


def _ours(tensors: Tensors) -> dict[str, torch.Tensor]:
    """The parameters under our names, not transposed."""
    named = {name if name == HEAD or name.startswith("transformer.") else f"transformer.{name}": tensor for name, tensor in tensors.items()}
    parameters = {name: tensor for name, tensor in named.items() if not name.endswith((".attn.bias", ".attn.masked_bias"))}
    return {name: tensor.T.contiguous() if name.endswith(TRANSPOSED) else tensor for name, tensor in parameters.items()}


def _read_tokenizer(path: Path) -> CharTokenizer | None:
    """The vocabulary of a tokenizer with one token for each character.

    Raises:
        CheckpointError: it has other tokens.
    """
    if not path.exists():
        return None
    try:
        vocabulary = parse_json(read_file(path))["model"]["vocab"]
        ids = {i: char for char, i in vocabulary.items()}
        return CharTokenizer(ids[i] for i in range(len(ids)))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CheckpointError(f"{path} is not a tokenizer with one token for each character. Only such models can be used here.") from None


def write(weights: Weights, folder: Path) -> Written:
    """Writes a folder.

    Raises:
        CheckpointError: it cannot be written.
    """
    config = weights.model.config
    assert isinstance(config, GPTConfig)
    theirs = {ours: name for name, ours in reversed(ACTIVATIONS.items())}
    about = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **{name: getattr(config, ours) for name, ours in SHAPE.items()},
        "activation_function": theirs[config.activation],
        **{f"{part}_pdrop": 0.0 for part in ("attn", "embd", "resid")},
        **FIXED,
        "tie_word_embeddings": config.tied_head,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }
    tensors = with_biases(weights.model.state_dict())
    stored = {name: tensor.T if name.endswith(TRANSPOSED) else tensor for name, tensor in tensors.items()}
    files = {
        CONFIG_FILE: about,
        "generation_config.json": {"do_sample": True, "max_length": config.block_size},
        TOKENIZER_FILE: _tokenizer_json(weights.tokenizer),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config.block_size,
            "clean_up_tokenization_spaces": False,
        },
    }
    for name, content in files.items():
        write_atomically(folder / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    # "format" is what Transformers looks for.
    write_atomically(folder / WEIGHTS_FILE, safetensors.torch.save({name: t.contiguous() for name, t in stored.items()}, {"format": "pt"}))
    hint = f"In Python: AutoModelForCausalLM.from_pretrained({str(folder)!r}), and AutoTokenizer likewise."
    return Written([folder / name for name in (*files, WEIGHTS_FILE)], hint)


def _tokenizer_json(tokenizer: CharTokenizer) -> dict[str, Any]:
    """A tokenizer of the `tokenizers` package: each character is split off and looked up."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {char: i for i, char in enumerate(tokenizer.vocabulary)},
            "unk_token": tokenizer.vocabulary[0],
        },
    }
