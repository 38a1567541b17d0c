"""Named recipes, each with what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from model.config import GPTConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """A network and how to train it."""

    about: str
    network: GPTConfig
    recipe: TrainConfig


PRESETS = {
    "quick": Preset(
        "a small network, for a first look: 0.8 M parameters; it learns to write words and lines that make no sense",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, dropout=0.0),
        TrainConfig(steps=1_500, batch_size=16, eval_interval=150),
    ),
    "lesson": Preset(
        "the shipped network, trained within one lesson: 10.7 M parameters, with less dropout than in a long training",
        GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, dropout=0.2),
        TrainConfig(steps=1_700, batch_size=16, warmup_steps=50, average=0.99, eval_interval=170),
    ),
    "shakespeare": Preset(
        "the shipped model itself: 10.7 M parameters, trained for hours",
        GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, dropout=0.35),
        TrainConfig(steps=8_000, batch_size=16, warmup_steps=50, average=0.995, eval_interval=200),
    ),
    "nanogpt-cpu": Preset(
        "nanoGPT's preset for a CPU: 0.8 M parameters, validation loss 1.88",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, dropout=0.0),
        TrainConfig(
            steps=2_000,
            batch_size=12,
            micro_batch_size=12,
            optimizer="adamw",
            learning_rate=1e-3,
            embedding_learning_rate=1e-3,
            warmup_steps=100,
            decay_share=1.0,
            average=0.0,
            eval_interval=250,
        ),
    ),
    "tiny": Preset(
        "a very small network, for a try: it is done in seconds, and it shows",
        GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=32, dropout=0.1),
        TrainConfig(steps=60, batch_size=8, micro_batch_size=4, warmup_steps=5, eval_interval=20, input_noise=0.02),
    ),
}
DEFAULT_PRESET = "lesson"  # of the page
