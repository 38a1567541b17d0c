"""The slow, plain reference: one text, no cache, the whole window read again for every character.

What the lecture's `generate` does, with the project's window rule and dice. The engine must write the same text.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from model.config import SamplingParams
from model.network.gpt import GPT
from model.sampling import dice, distribution, draw


@torch.inference_mode()
def generate(model: GPT, prompt: list[int], params: SamplingParams) -> Iterator[int]:
    """Continues a prompt as sample number `first_sample` of a seed from its throw `first_step` on, one id at a time.

    Args:
        prompt: at least one id; an empty prompt is for the caller to begin, with a newline as the lecture does.
    """
    text = list(prompt)
    for throw in dice(params.seed, params.first_sample, params.max_new_chars, params.first_step):
        context = torch.tensor([text[model.config.window_start(len(text)) :]], device=model.device)
        logits = model(context, last_only=True)[:, 0]
        probabilities = distribution(logits.cpu().numpy(), params.temperature, params.top_k, params.top_p)
        text.append(int(draw(probabilities, [throw]).ids[0]))
        yield text[-1]
