"""What a network writes while it learns: at each evaluation from the same prompt with the same dice, so that only the network differs."""

from __future__ import annotations

from model.decode import generate_cached
from model.network import Network
from model.sampling import SamplingParams
from model.tokenizer import CharTokenizer
from model.training.tasks.task import evaluating

SAMPLE_CHARS = 300
SAMPLE_TEMPERATURE = 0.8


def write_sample(network: Network, tokenizer: CharTokenizer, seed: int, prompt: str = "", most: int = SAMPLE_CHARS, stop: str = "") -> str:
    """The continuation of a prompt, as sample 0 of a seed.

    Args:
        most: the most characters to write.
        stop: where to end earlier: the text before its first occurrence is returned. "" never ends earlier.
    """
    params = SamplingParams(temperature=SAMPLE_TEMPERATURE, max_new_chars=most, seed=seed)
    text = ""
    with evaluating(network):
        for i in generate_cached(network, tokenizer.encode_prompt(prompt), params):
            text += tokenizer.vocabulary[i]
            if stop and text.endswith(stop):
                return text.removesuffix(stop)
    return text
