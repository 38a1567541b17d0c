"""Decoding of a single text: a plain reference implementation, and one with a cache.

Both use the project's window rule and dice, so they write the same text if their logits agree. `generate` corresponds to the lecture's
`generate`. `generate_cached` writes one text quickly without the engine, for samples during training and for texts with parts of the
network off. The engine (`model.serving`) writes many texts at once and must write the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from model.network import Network
from model.network.reading import read_windows
from model.parts import Part, check_parts
from model.sampling import SamplingParams, dice, distribution, draw

NOT_FINITE = "the network's output is not finite"


@torch.inference_mode()
def generate(model: Network, prompt: Sequence[int], params: SamplingParams) -> Iterator[int]:
    """Continues a prompt with sample `first_sample` of the seed's dice, starting at throw `first_step`. Yields one id at a time and
    reads the whole window again for every character.

    Args:
        prompt: at least one id; the caller replaces an empty prompt by a newline, as in the lecture.

    Raises:
        FloatingPointError: the network's output is not finite.
    """
    text = list(prompt)
    for throw in _throws(params):
        context = torch.tensor([text[model.config.window_start(len(text)) :]], device=model.device)
        text.append(_draw(model(context, last_only=True)[:, -1], params, throw))
        yield text[-1]


@torch.inference_mode()
def generate_cached(model: Network, prompt: Sequence[int], params: SamplingParams, off: Collection[Part] = ()) -> Iterator[int]:
    """Like `generate`, with a cache if the network has one.

    Its passes have the same shapes as the engine's passes for one row. With nothing off it writes the same text as the engine, provided
    that rows do not depend on their neighbours, nor windows that are read in one pass (see `rows_agree` and `windows_agree` in
    `model.precision`).

    Args:
        off: parts to switch off, as in `Network.forward`.

    Raises:
        FloatingPointError: the network's output is not finite.
        ParameterError: a part does not exist.
    """
    if not model.keeps_cache:
        check_parts(off, model.config)
        yield from generate(model, prompt, params)
        return
    cache = model.make_cache(1)
    text, window = list(prompt), -1
    for throw in _throws(params):
        if (start := model.config.window_start(len(text))) != window:
            window = start
            logits = read_windows(model, cache, [0], [text[start:]], off)
        else:
            logits = model(torch.tensor([text[-1:]], device=model.device), cache=cache, off=off, last_only=True)[:, -1]
        text.append(_draw(logits, params, throw))
        yield text[-1]


def _throws(params: SamplingParams) -> Iterator[float]:
    yield from dice(params.seed, params.first_sample, params.max_new_chars, params.first_step)


def _draw(logits: Tensor, params: SamplingParams, throw: float) -> int:
    """The id at which the throw lands, from logits (1, V)."""
    if not torch.isfinite(logits).all():
        raise FloatingPointError(NOT_FINITE)
    probabilities = distribution(logits.cpu().numpy(), params.temperature, params.top_k, params.top_p)
    return int(draw(probabilities, [throw]).ids[0])
