"""Named recipes, each with its purpose, and the settings that each allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from model.config import (
    EARLY_MODERN,
    REVERSAL,
    BigramConfig,
    Checked,
    EmbedConfig,
    EncoderDecoderConfig,
    FeedForwardConfig,
    GPT1Config,
    GPTConfig,
    HeadConfig,
    HeadsConfig,
    LadderConfig,
    LayerNormConfig,
    LoRAConfig,
    NetworkConfig,
    NoResidualConfig,
    PolicyConfig,
    ResidualConfig,
    RewardConfig,
    SFTConfig,
    SmallGPTConfig,
    TrainConfig,
    TranslateConfig,
    setting,
)
from model.errors import ParameterError
from model.limits import MAX_RANK

PRETRAIN, SFT, REWARD, POLICY, TRANSLATE, EMBED = "pretrain", "sft", "reward", "policy", "translate", "embed"
RECIPES: dict[str, type[TrainConfig]] = {  # by task
    PRETRAIN: TrainConfig,
    SFT: SFTConfig,
    REWARD: RewardConfig,
    POLICY: PolicyConfig,
    TRANSLATE: TranslateConfig,
    EMBED: EmbedConfig,
}
LADDER, ASSISTANT, MEANING = "The lecture's ladder", "Assistant", "Meaning"  # groups of presets
# Not settings: the vocabulary comes from the corpus or the parent, and the rest is what models from elsewhere have.
FIXED = {"vocab_size", "bias", "tied_head", "activation"}
NO_BLOCKS = frozenset({"optimizer", "embedding_learning_rate"})  # without effect where all parameters are treated alike


@dataclass(frozen=True)
class FromParent(Checked):
    """What a fine-tuning run may change in the network of its parent."""

    dropout: float = setting(0.1, "dropout: share of channels set to zero during training", 0.0, 0.9)
    rank: int = setting(LoRAConfig.rank, "rank of the adapters; a parent with adapters keeps its own", 1, MAX_RANK)

    def network(self, parent: GPTConfig) -> GPTConfig:
        """The parent's shape with this dropout."""
        return replace(parent, dropout=self.dropout)

    def shape(self) -> LoRAConfig:
        """The shape of new adapters."""
        return LoRAConfig(self.rank)


@dataclass(frozen=True)
class Preset:
    """A network and how to train it.

    Attributes:
        network: its shape, or what changes in the parent's.
        group: what the presets beside it have in common; "" for those that stand alone.
        without: settings that have no effect here, or must not be changed.
    """

    about: str
    network: NetworkConfig | FromParent
    recipe: TrainConfig
    task: str = PRETRAIN
    group: str = ""
    without: frozenset[str] = frozenset()

    def network_settings(self) -> list[Field[Any]]:
        """The settings of the network."""
        return [f for f in fields(self.network) if f.name not in FIXED | self.without]

    def recipe_settings(self) -> list[Field[Any]]:
        """The settings of the recipe."""
        return [f for f in fields(self.recipe) if f.name not in self.without]

    def changed(self, settings: Mapping[str, Any]) -> Preset:
        """This preset with other settings.

        Raises:
            ParameterError: there is no such setting here, or a value is outside its range.
        """
        network, recipe = ({f.name for f in group} for group in (self.network_settings(), self.recipe_settings()))
        for name in settings:
            if name not in network | recipe:
                raise ParameterError(f"This preset has no setting {str(name)[:40]!r}. It has {', '.join(sorted(network | recipe))}.")
        return replace(
            self,
            network=replace(self.network, **{name: value for name, value in settings.items() if name in network}),
            recipe=replace(self.recipe, **{name: value for name, value in settings.items() if name in recipe}),
        )


def _rung(about: str, network: LadderConfig, steps: int = 5_000, batch_size: int = 32, learning_rate: float = 1e-3) -> Preset:
    """A network of the lecture's ladder, trained as in the lecture: AdamW as PyTorch has it, for all parameters alike, at a constant
    learning rate and without clipping."""
    recipe = TrainConfig(
        steps=steps,
        batch_size=batch_size,
        micro_batch_size=batch_size,
        optimizer="adamw",
        learning_rate=learning_rate,
        embedding_learning_rate=learning_rate,
        weight_decay=0.01,
        beta2=0.999,
        grad_clip=1e9,
        warmup_steps=0,
        decay_share=0.0,
        average=0.0,
        eval_interval=steps // 10,
    )
    return Preset(about, network, recipe, group=LADDER, without=NO_BLOCKS)


def _policy(about: str, **settings: Any) -> Preset:
    """Reinforcement learning. Without dropout: the answers must have the probabilities that they were written with."""
    recipe = PolicyConfig(
        steps=100,
        micro_batch_size=16,
        optimizer="adamw",
        weight_decay=0.0,
        warmup_steps=5,
        average=0.0,
        eval_interval=10,
        snapshots=0,
        **settings,
    )
    without = NO_BLOCKS | {"dropout", "average", "input_noise", "train_chars", "snapshots"}
    return Preset(about, FromParent(dropout=0.0), recipe, task=POLICY, group=ASSISTANT, without=without)


def _translation(about: str, network: EncoderDecoderConfig | GPTConfig, rule: str, longest: int, steps: int, eval_interval: int) -> Preset:
    """Translation by rule. The schedule falls with the root of the step, so the running average stands for a fall to the end."""
    recipe = TranslateConfig(
        steps=steps,
        batch_size=64,
        micro_batch_size=32,
        optimizer="adamw",
        learning_rate=2e-3,
        embedding_learning_rate=2e-3,
        weight_decay=0.0,
        beta2=0.98,
        warmup_steps=200,
        average=0.99,
        eval_interval=eval_interval,
        snapshots=0,
        rule=rule,
        longest=longest,
    )
    without = NO_BLOCKS | {"decay_share", "input_noise", "train_chars", "snapshots", "rule"}
    return Preset(about, network, recipe, task=TRANSLATE, group=MEANING, without=without)


def _norm(about: str, network: GPTConfig) -> Preset:
    """A network that shows what the place of the norm does to its training. The rate is high and the warm-up long: without it, post-norm
    does not learn."""
    recipe = TrainConfig(
        steps=1_200,
        batch_size=16,
        optimizer="adamw",
        learning_rate=3e-3,
        embedding_learning_rate=3e-3,
        warmup_steps=400,
        average=0.0,
        snapshots=0,
    )
    return Preset(about, network, recipe, group=MEANING)


PRESETS = {
    "quick": Preset(
        "a small network for a first look: 0.8 M parameters; it learns to write words and lines that make no sense",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, dropout=0.0),
        TrainConfig(steps=1_500, batch_size=16, eval_interval=150),
    ),
    "overfit": Preset(
        "overfitting: without dropout, a network learns 30,000 characters by heart; the training loss keeps falling while the validation "
        "loss rises again",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, dropout=0.0),
        TrainConfig(steps=1_500, batch_size=16, average=0.0, train_chars=30_000),
    ),
    "overfit-dropout": Preset(
        "overfitting with dropout, all else as in overfit: the validation loss rises later and less",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, dropout=0.2),
        TrainConfig(steps=1_500, batch_size=16, average=0.0, train_chars=30_000),
    ),
    "lesson": Preset(
        "the network that ships, trained within one lesson: 10.7 M parameters, with less dropout than a long training needs",
        GPTConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, dropout=0.2),
        TrainConfig(steps=1_700, batch_size=16, warmup_steps=50, average=0.99, eval_interval=170),
    ),
    "shakespeare": Preset(
        "the model that ships: 10.7 M parameters, trained for hours",
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
        "very small: trains in seconds, and writes accordingly",
        GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=32, dropout=0.1),
        TrainConfig(steps=60, batch_size=8, micro_batch_size=4, warmup_steps=5, eval_interval=20, input_noise=0.02),
    ),
    "sft": Preset(
        "supervised fine-tuning: the model learns to answer requests, from pairs of request and answer, and forgets little of the plays",
        FromParent(dropout=0.0),
        SFTConfig(
            steps=600,
            batch_size=64,
            micro_batch_size=16,
            optimizer="adamw",
            learning_rate=2e-3,
            weight_decay=0.0,
            warmup_steps=10,
            decay_share=1.0,
            average=0.0,
            eval_interval=100,
            plays_share=0.15,
        ),
        task=SFT,
        group=ASSISTANT,
        without=NO_BLOCKS | {"input_noise", "train_chars"},
    ),
    "reward": Preset(
        "a reward model: which of two answers is better, learned from comparisons that the rules of the skills make",
        FromParent(dropout=0.0),
        RewardConfig(
            steps=300,
            batch_size=32,
            micro_batch_size=16,
            optimizer="adamw",
            learning_rate=3e-4,
            warmup_steps=5,
            decay_share=1.0,
            average=0.0,
            eval_interval=50,
            snapshots=0,
            made=5_000,
        ),
        task=REWARD,
        group=ASSISTANT,
        without=NO_BLOCKS | {"input_noise", "train_chars"},
    ),
    "policy": _policy(
        "reinforcement learning: a supervised model answers requests and learns from the reward of its answers, and a penalty keeps it "
        "near its parent; about 6 minutes on two cores",
        batch_size=128,
        learning_rate=3e-4,
        decay_share=0.7,
        kl_weight=0.02,
    ),
    "policy-free": _policy(
        "reinforcement learning without that penalty: the model finds out what the reward overlooks; about 4 minutes on two cores",
        batch_size=64,
        learning_rate=4e-4,
        decay_share=0.0,
        kl_weight=0.0,
    ),
    "pre-norm": _norm(
        "GPT-2's block, which normalises what each branch reads: 1.2 M parameters, trained in about two minutes",
        GPTConfig(n_layer=6, n_head=4, n_embd=128, block_size=64, activation="gelu_tanh"),
    ),
    "post-norm": _norm(
        "GPT-1's block, which normalises the sum after each branch; all else as in pre-norm. With less warm-up it does not learn",
        GPT1Config(n_layer=6, n_head=4, n_embd=128, block_size=64),
    ),
    "embedding": Preset(
        "sentence embeddings: which texts of the plays belong together, so that a sentence finds the lines that are most like it",
        FromParent(dropout=0.1),
        EmbedConfig(
            steps=160,
            batch_size=64,
            micro_batch_size=64,
            optimizer="adamw",
            learning_rate=6e-4,
            embedding_learning_rate=1e-3,
            weight_decay=0.0,
            warmup_steps=10,
            decay_share=1.0,
            average=0.0,
            eval_interval=40,
            snapshots=0,
        ),
        task=EMBED,
        group=MEANING,
        without=NO_BLOCKS | {"input_noise", "train_chars"},
    ),
    "bigram": _rung(
        "the lecture's first network, a table of which character follows which: 4,225 parameters, trained in seconds",
        BigramConfig(),
        steps=3_000,
        learning_rate=1e-2,
    ),
    "ladder-one-head": _rung("characters with positions and one head of self-attention: 7,553 parameters", HeadConfig()),
    "ladder-four-heads": _rung("four heads, each a quarter as wide: 7,553 parameters", HeadsConfig()),
    "ladder-feed-forward": _rung("four heads and a feed-forward network: 8,609 parameters", FeedForwardConfig()),
    "ladder-no-residual": _rung("three blocks one after the other, without residual connections", NoResidualConfig()),
    "ladder-residual": _rung("three blocks with residual connections", ResidualConfig()),
    "ladder-layer-norm": _rung("three blocks with residual connections and layer norm: 42,369 parameters", LayerNormConfig()),
    "ladder-small-gpt": _rung("the network at the end of the lecture's notebook: 0.2 M parameters", SmallGPTConfig(), batch_size=16),
    "reversal": _translation(
        "an encoder and decoder as in the 2017 paper: it learns to write any string from its last character to its first",
        EncoderDecoderConfig(block_size=66),
        REVERSAL,
        longest=32,
        steps=2_000,
        eval_interval=200,
    ),
    "reversal-gpt": _translation(
        "the same reversals, learned in the same way by a decoder-only GPT",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=132),
        REVERSAL,
        longest=32,
        steps=2_000,
        eval_interval=200,
    ),
    "early-modern": _translation(
        "an encoder and decoder as in the 2017 paper: it learns to turn modern English into early modern English",
        EncoderDecoderConfig(block_size=98),
        EARLY_MODERN,
        longest=48,
        steps=3_000,
        eval_interval=300,
    ),
    "early-modern-gpt": _translation(
        "the same translations, learned in the same way by a decoder-only GPT",
        GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=196),
        EARLY_MODERN,
        longest=48,
        steps=3_000,
        eval_interval=300,
    ),
}
DEFAULT_PRESET = "lesson"  # on the page
DEFAULT_PRESETS = {  # on the command line, by task
    PRETRAIN: "shakespeare",
    SFT: "sft",
    REWARD: "reward",
    POLICY: "policy",
    TRANSLATE: "reversal",
    EMBED: "embedding",
}


def pretraining_presets() -> dict[str, Preset]:
    """The presets that train from random weights on a text, by name."""
    return {name: preset for name, preset in PRESETS.items() if preset.task == PRETRAIN}


def recipe_of(task: str, settings: Mapping[str, Any]) -> TrainConfig:
    """The recipe of a run from its settings.

    Raises:
        ParameterError, TypeError: these are not its settings.
    """
    if task not in RECIPES:
        raise ParameterError(f"its task is {task[:40]!r}; this version knows {', '.join(RECIPES)}")
    return RECIPES[task](**settings)
