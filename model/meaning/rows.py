"""Rows of source and target, as the two kinds of network that translate read them.

An encoder-decoder reads the source and its end sign at once, and the target behind a start sign:

    source  Y o u . \\n        inputs  \\n T h o u .        targets  T h o u . \\n

A GPT reads one text, of which only the target counts:

    inputs  Y o u . \\n T h o u .        targets  - - - - T h o u . \\n
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.meaning.rules import SIGN
from model.network import Network
from model.network.encoder_decoder import EncoderDecoder
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer

IGNORE = -100  # a target that does not count

Rows = tuple[Tensor, ...]


def make_rows(network: Network, tokenizer: CharTokenizer, pairs: Sequence[tuple[str, str]]) -> Rows:
    """Rows for `target_logits`. Of an encoder-decoder: sources (B, S), their lengths (B,), inputs and targets (B, T) each; of a GPT: inputs
    and targets."""
    if isinstance(network, EncoderDecoder):
        sources = [torch.tensor(tokenizer.encode(source + SIGN)) for source, _ in pairs]
        targets = [torch.tensor(tokenizer.encode(SIGN + target + SIGN)) for _, target in pairs]
        lengths = torch.tensor([len(source) for source in sources])
        return pad_sequence(sources, batch_first=True), lengths, *_shifted(targets, [0] * len(pairs))
    texts = [torch.tensor(tokenizer.encode(f"{source}{SIGN}{target}{SIGN}")) for source, target in pairs]
    return _shifted(texts, [len(source) for source, _ in pairs])


def _shifted(texts: list[Tensor], unread: list[int]) -> Rows:
    """Inputs and, one character on, targets, of which the first `unread` do not count."""
    targets = [text[1:].clone() for text in texts]
    for target, n in zip(targets, unread, strict=True):
        target[:n] = IGNORE
    inputs = pad_sequence([text[:-1] for text in texts], batch_first=True)
    return inputs, pad_sequence(targets, batch_first=True, padding_value=IGNORE)


def target_logits(network: Network, rows: Rows, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Logits (B, T, V) at each place of some rows, and the targets (B, T). The padding of rows that are all short costs nothing."""
    *sources, inputs, targets = (part.to(network.device) for part in rows)
    longest = int((targets != IGNORE).any(0).nonzero().max()) + 1
    inputs, targets = inputs[:, :longest], targets[:, :longest]
    if isinstance(network, EncoderDecoder):
        source, lengths = sources
        return network(source[:, : int(lengths.max())], inputs, lengths, generator=generator), targets
    assert isinstance(network, GPT)
    return network(inputs, generator=generator), targets
