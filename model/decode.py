"""Writing one text: the plain reference, and the same with a cache.

Both apply the project's window rule and dice, so they write the same text wherever the logits agree. `generate` is what the lecture's
`generate` does; `generate_cached` is for whoever needs one text quickly without the engine: samples while a network trains, texts with
heads off. The engine (`model.serving`) writes many at once and must write the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from model.config import Head, SamplingParams
from model.network import Network
from model.sampling import dice, distribution, draw

NOT_FINITE = "the network's output is not finite"


@torch.inference_mode()
def generate(model: Network, prompt: Sequence[int], params: SamplingParams) -> Iterator[int]:
    """Continues a prompt as sample number `first_sample` of a seed from its throw `first_step` on, one id at a time. Reads the whole
    window again for every character.

    Args:
        prompt: at least one id; for an empty prompt the caller starts with a newline, as the lecture does.

    Raises:
        FloatingPointError: the network's output is not finite.
    """
    text = list(prompt)
    for throw in _throws(params):
        context = torch.tensor([text[model.config.window_start(len(text)) :]], device=model.device)
        text.append(_draw(model(context, last_only=True)[:, -1], params, throw))
        yield text[-1]


@torch.inference_mode()
def generate_cached(model: Network, prompt: Sequence[int], params: SamplingParams, heads_off: Collection[Head] = ()) -> Iterator[int]:
    """As `generate`, with a cache where the network keeps one.

    Its passes have the shapes of the engine's for one row: with no head off the text is the engine's, wherever a row does not depend on
    its neighbours (see `model.precision.rows_agree`).

    Args:
        heads_off: heads to switch off, as in `Network.forward`.

    Raises:
        FloatingPointError: the network's output is not finite.
        ParameterError: a head does not exist.
    """
    if not model.keeps_cache:
        if heads_off:
            model.refuse_attention(None, None, heads_off)
        yield from generate(model, prompt, params)
        return
    cache = model.make_cache(1)
    text, window = list(prompt), -1
    for throw in _throws(params):
        unread = text[-1:]
        if (start := model.config.window_start(len(text))) != window:
            window, unread = start, text[start:]
            cache.lengths[:] = 0
        ids = torch.tensor([unread], device=model.device)
        text.append(_draw(model(ids, cache=cache, heads_off=heads_off, last_only=True)[:, -1], params, throw))
        yield text[-1]


def _throws(params: SamplingParams) -> Iterator[float]:
    yield from dice(params.seed, params.first_sample, params.max_new_chars, params.first_step)


def _draw(logits: Tensor, params: SamplingParams, throw: float) -> int:
    """The character that the die gives, from logits (1, V)."""
    if not torch.isfinite(logits).all():
        raise FloatingPointError(NOT_FINITE)
    probabilities = distribution(logits.cpu().numpy(), params.temperature, params.top_k, params.top_p)
    return int(draw(probabilities, [throw]).ids[0])
