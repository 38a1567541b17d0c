"""What a network writes while it learns: at each evaluation from the same beginning with the same dice, so that only the network differs.

Keys and values are cached, so that a sample of a large network takes less than a second; `model.decode` is the reference.
"""

from __future__ import annotations

import torch

from model.network.gpt import GPT
from model.network.kv_cache import KVCache
from model.sampling import dice, distribution, draw
from model.tokenizer import CharTokenizer

SAMPLE_CHARS = 300
SAMPLE_TEMPERATURE = 0.8


@torch.inference_mode()
def write_sample(model: GPT, tokenizer: CharTokenizer, seed: int) -> str:
    """A text without a prompt, from sample 0 of a seed. The network's mode is left as it was."""
    was_training = model.training
    model.eval()
    prompt = tokenizer.encode_prompt("")
    text, start = list(prompt), 0
    cache = KVCache(model.config, 1, model.dtype, model.device)
    for throw in dice(seed, 0, SAMPLE_CHARS):
        if (now := model.config.window_start(len(text))) != start:  # the window moved: what is in it is read again
            start, cache.lengths[:] = now, 0
        unread = torch.tensor([text[start + int(cache.lengths[0]) :]], device=model.device)
        logits = model(unread, cache=cache, last_only=True)[:, 0]
        text.append(int(draw(distribution(logits.cpu().numpy(), SAMPLE_TEMPERATURE), [throw]).ids[0]))
    model.train(was_training)
    return tokenizer.decode(text[len(prompt) :])
