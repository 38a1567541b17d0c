"""One text, written with some heads switched off. It has a cache of its own: those of the writer are for the whole network.

Window rule, dice and distribution are the engine's, and the passes have the shapes that its own have for a row alone; so with no head
off the text is the engine's, wherever a row does not depend on its neighbours (see `model.precision.rows_agree`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch

from model.config import Head, SamplingParams
from model.errors import ParameterError
from model.network.gpt import GPT
from model.network.kv_cache import KVCache
from model.sampling import dice, distribution, draw

MAX_CHARS_WITHOUT_HEADS = 300  # of a text: nobody shares its passes


def check_length(params: SamplingParams) -> None:
    """Refuses a text that is too long to be written alone.

    Raises:
        ParameterError: says what is allowed.
    """
    if params.max_new_chars > MAX_CHARS_WITHOUT_HEADS:
        most, came = MAX_CHARS_WITHOUT_HEADS, params.max_new_chars
        raise ParameterError(f"length must be between 1 and {most} where heads can be off, not {came:,}.")


@torch.inference_mode()
def write_without(model: GPT, prompt: Sequence[int], params: SamplingParams, heads_off: Collection[Head]) -> Iterator[int]:
    """Continues a prompt as sample number `first_sample` of a seed from its throw `first_step` on, one id at a time.

    Args:
        prompt: at least one id.

    Raises:
        FloatingPointError: the network's outcome is no number.
    """
    cache = KVCache(model.config, 1, model.dtype, model.device)
    text, window = list(prompt), -1
    for throw in dice(params.seed, params.first_sample, params.max_new_chars, params.first_step):
        new = text[-1:]
        if (start := model.config.window_start(len(text))) != window:
            window, new = start, text[start:]
            cache.lengths[:] = 0
        ids = torch.tensor([new], device=model.device)
        logits = model(ids, cache=cache, heads_off=heads_off, last_only=True)[:, -1]
        if not torch.isfinite(logits).all():
            raise FloatingPointError("the network's outcome is no number")
        probabilities = distribution(logits.cpu().numpy(), params.temperature, params.top_k, params.top_p)
        text.append(int(draw(probabilities, [throw]).ids[0]))
        yield text[-1]
