"""Reads a model of another project, whichever it is."""

from __future__ import annotations

from pathlib import Path

import torch

from model.errors import CheckpointError
from model.files import is_whole
from model.formats import lecture, mingpt, nanogpt, transformers
from model.formats.files import load_content, tensors_of
from model.formats.foreign import Foreign, simplified
from model.network import without_values
from model.network.kinds import make_network
from model.tokenizer import CharTokenizer
from model.weights import Weights, check_tensors, read_config, without_wrappers

UNKNOWN = (
    "{path} is none of the formats that can be read: a checkpoint of nanoGPT, a state dict of minGPT or of the lecture's gpt.py, or a "
    "folder with a GPT-2 of Transformers."
)
NO_VOCABULARY = (
    "{path} does not say which characters its ids stand for. Give a text that has them all, such as its corpus: --vocabulary FILE."
)


def is_own(source: Path) -> bool:
    """Whether a folder is one of this project's own, which `load_weights` reads."""
    try:
        read_config(source)
    except CheckpointError:
        return False
    return True


def read_foreign(source: Path, tokenizer: CharTokenizer | None = None, n_head: int | None = None) -> Weights:
    """Reads a model as it can be used here, in float32.

    Args:
        source: a file of weights, or a folder that has one.
        tokenizer: the vocabulary, if the source has none, or another one.
        n_head: number of heads, if the source does not say.

    Raises:
        CheckpointError, ParameterError: says what cannot be read, and why.
    """
    foreign = simplified(_read(source, n_head))
    tokenizer = tokenizer or foreign.tokenizer
    if tokenizer is None:
        raise CheckpointError(NO_VOCABULARY.format(path=source))
    if not is_whole("".join(tokenizer.vocabulary)):
        raise CheckpointError(f"{source} has half a surrogate pair in its vocabulary, which is no character.")
    if len(tokenizer) != foreign.config.vocab_size:
        raise CheckpointError(f"{source} has {foreign.config.vocab_size} ids, but the vocabulary has {len(tokenizer)} characters.")
    with without_values():
        model = make_network(foreign.config)
    check_tensors(source, foreign.tensors, model.state_dict())
    model.load_state_dict({name: tensor.float() for name, tensor in foreign.tensors.items()}, assign=True)
    return Weights(source.resolve().name, model.eval().requires_grad_(False), tokenizer, {}, "")


def dtype_without_loss(weights: Weights) -> torch.dtype:
    """The smaller type that holds a model's weights as they are: float16 or float32."""
    is_exact = all(tensor.half().float().equal(tensor) for tensor in weights.model.state_dict().values())
    return torch.float16 if is_exact else torch.float32


def _read(source: Path, n_head: int | None) -> Foreign:
    if source.is_dir():
        if transformers.is_it(source):
            return transformers.read(source)
        files = [source / name for name in (nanogpt.CHECKPOINT, mingpt.FILE) if (source / name).exists()]
        if not files:
            raise CheckpointError(UNKNOWN.format(path=source))
        source = files[0]
    content = load_content(source)
    tensors = without_wrappers(tensors_of(content, source))
    try:
        if nanogpt.is_it(tensors, content):
            return nanogpt.read(tensors, content, source)
        if lecture.is_it(tensors):
            return lecture.read(tensors)
        if mingpt.is_it(tensors, content):
            return mingpt.read(tensors, n_head, source)
    except CheckpointError as error:
        raise CheckpointError(str(error) if str(source) in str(error) else f"{source}: {error}") from None
    raise CheckpointError(UNKNOWN.format(path=source))
