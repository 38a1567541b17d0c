"""What a network writes while it learns: at each evaluation from the same start with the same dice, so that only the network differs."""

from __future__ import annotations

from model.config import SamplingParams
from model.decode import generate_cached
from model.network import Network
from model.tokenizer import CharTokenizer

SAMPLE_CHARS = 300
SAMPLE_TEMPERATURE = 0.8


def write_sample(model: Network, tokenizer: CharTokenizer, seed: int) -> str:
    """A text without a prompt, from sample 0 of a seed. The network's mode is left as it was."""
    was_training = model.training
    model.eval()
    try:
        params = SamplingParams(temperature=SAMPLE_TEMPERATURE, max_new_chars=SAMPLE_CHARS, seed=seed)
        return tokenizer.decode(generate_cached(model, tokenizer.encode_prompt(""), params))
    finally:
        model.train(was_training)
