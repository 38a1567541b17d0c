"""Settings of networks and training: frozen dataclasses that check their values on creation.

Each field is described once, in its metadata; the command-line help and the page take the description from there (`describe`).
Field names follow nanoGPT.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field, fields
from typing import Any

from model.errors import ParameterError
from model.limits import (
    MAX_BLOCK_SIZE,
    MAX_CHUNK_CHARS,
    MAX_CHUNKS,
    MAX_COMPARISONS,
    MAX_ENCODED_CHARS,
    MAX_LAYERS,
    MAX_N_EMBD,
    MAX_PROMPT_CHARS,
    MAX_RANK,
    MAX_SCORE_CHARS,
    MAX_SEED,
    MAX_SNAPSHOT_BYTES,
    MAX_SNAPSHOTS,
    MAX_SOURCE_CHARS,
    MAX_VOCAB_SIZE,
)

REVERSAL, EARLY_MODERN = RULES = ("reversal", "early-modern")  # by which texts are translated (`model.meaning.rules`)


def setting(
    default: Any, help: str, low: float | None = None, high: float | None = None, choices: tuple = (), label: str | None = None
) -> Any:
    """A dataclass field with its description and its allowed range (both ends included) or choices.

    Args:
        label: name shown to users, if it differs from the field's name.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "label": label})


def _as_in(config_class: type, name: str, default: Any) -> Any:
    """A field with the description and range that another dataclass gives to it, and another default."""
    return field(default=default, metadata=next(f.metadata for f in fields(config_class) if f.name == name))


def describe(config_class: type) -> dict[str, str]:
    """Descriptions of the fields by name."""
    return {f.name: f.metadata["help"] for f in fields(config_class)}


def check_prompt(prompt: object) -> None:
    """Checks that a prompt is text and not too long.

    Raises:
        ParameterError: the prompt is not a string, or too long.
    """
    _check_text(prompt, "prompt", MAX_PROMPT_CHARS)


def check_score_text(text: object) -> None:
    """Checks that a value to score is text and not too long.

    Raises:
        ParameterError: the value is not a string, or too long.
    """
    _check_text(text, "text", MAX_SCORE_CHARS)


def check_encoded_text(text: object) -> None:
    """Checks that a value to show as numbers is text and not too long.

    Raises:
        ParameterError: the value is not a string, or too long.
    """
    _check_text(text, "text", MAX_ENCODED_CHARS)


def _check_text(text: object, name: str, most: int) -> None:
    if not isinstance(text, str):
        raise ParameterError(f"The {name} must be {type_in_words(str)}.")
    if len(text) > most:
        raise ParameterError(f"The {name} has {len(text):,} characters; the maximum is {most:,}. Shorten it and try again.")


class Checked:
    """Base of dataclasses that check the type, finiteness and range of every field on creation.

    Raises:
        ParameterError: names the field, the value received and the values allowed.
    """

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value: Any = getattr(self, f.name)
            label = f.metadata["label"] or f.name
            wanted: type = type(f.default)
            if wanted is float and type(value) is int and abs(value) < 10**300:  # larger integers do not fit in a float
                value = float(value)
            if type(value) is float and wanted is int and value.is_integer():
                value = int(value)  # JSON and the page's number fields can give 4.0 for 4
            if type(value) is not wanted:
                raise ParameterError(f"{label} must be {type_in_words(wanted)}, not {shown(value)}.", f.name)
            low, high, choices = f.metadata["low"], f.metadata["high"], f.metadata["choices"]
            if choices and value not in choices:
                raise ParameterError(f"{label} must be one of {', '.join(choices)}, not {shown(value)}.", f.name)
            if low is not None and not low <= value <= high:  # false for NaN as well
                raise ParameterError(f"{label} must be between {_plain(low)} and {_plain(high)}, not {shown(value)}.", f.name)
            object.__setattr__(self, f.name, value)


def type_in_words(wanted: type) -> str:
    """A type of a setting or a JSON value, for an error message."""
    return {int: "a whole number", float: "a number", str: "a string", bool: "true or false", dict: "an object"}[wanted]


def _plain(limit: float) -> str:
    return f"{limit:,}".removesuffix(".0")


_SHORT = reprlib.Repr()  # repr() itself may take any time: lists of lists that are one another
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


def shown(value: object) -> str:
    """A value that somebody gave, shortened for an error message."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        text = "a number with thousands of digits"
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """Settings that every network has: the length of its context and the size of its vocabulary."""

    block_size: int = setting(256, "characters of context", 2, MAX_BLOCK_SIZE)
    vocab_size: int = setting(65, "different characters in the vocabulary", 1, MAX_VOCAB_SIZE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block_size % 2:
            raise ParameterError(f"block_size must be even, not {self.block_size}: the window moves by half of it.")

    @property
    def context(self) -> int:
        """How many characters the next one can depend on."""
        return self.block_size

    def window_start(self, position: int) -> int:
        """Start of the context for the character at absolute index `position`, counted from the start of the prompt.

        Position embeddings are learned and absolute, so a full cache cannot slide by one. The window starts at 0 while the text fits
        and then advances by half a block at a time, so that the cost per character is constant. Every part of the project that
        continues or scores a text uses this rule.
        """
        if position <= self.block_size:
            return 0
        half = self.block_size // 2
        return half * -((self.block_size - position) // half)


@dataclass(frozen=True)
class GPTConfig(NetworkConfig):
    """The shape of a GPT."""

    n_layer: int = setting(6, "transformer blocks", 1, MAX_LAYERS)
    n_head: int = setting(6, "attention heads per block", 1, 64)
    n_embd: int = setting(384, "channels of the residual stream", 1, MAX_N_EMBD)
    dropout: float = setting(0.0, "dropout: share of channels set to zero during training", 0.0, 0.9)
    bias: bool = setting(False, "biases in the linear layers and norms")
    tied_head: bool = setting(True, "the output head is the token embedding")
    activation: str = setting("gelu", "activation of the MLPs", choices=("gelu", "gelu_tanh", "relu"))

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads(self.n_embd, self.n_head)


@dataclass(frozen=True)
class RewardGPTConfig(GPTConfig):
    """The shape of a reward network: that of the GPT that it is made of."""


@dataclass(frozen=True)
class GPT1Config(GPTConfig):
    """The shape of a network with GPT-1's blocks."""

    activation: str = _as_in(GPTConfig, "activation", "gelu_tanh")


@dataclass(frozen=True)
class EmbeddingGPTConfig(GPTConfig):
    """The shape of an embedding network: that of the GPT that it is made of, and that of its vectors."""

    width: int = setting(128, "numbers in the vector of a text", 1, MAX_N_EMBD)


def _check_heads(n_embd: int, n_head: int) -> None:
    if n_embd % n_head:
        raise ParameterError(f"n_embd ({n_embd}) must be a multiple of n_head ({n_head}).")


@dataclass(frozen=True)
class LoRAConfig(Checked):
    """The shape of a low-rank adapter (`model.network.lora`)."""

    rank: int = setting(32, "rank of the two matrices", 1, MAX_RANK)
    alpha: float = setting(128.0, "an adapter's product is scaled by alpha / rank", 1e-3, 1e4)


@dataclass(frozen=True)
class EncoderDecoderConfig(NetworkConfig):
    """The shape of an encoder and decoder (`model.network.encoder_decoder`). Source and target have a block each, signs included."""

    block_size: int = _as_in(NetworkConfig, "block_size", 64)
    n_layer: int = _as_in(GPTConfig, "n_layer", 2)
    n_head: int = _as_in(GPTConfig, "n_head", 4)
    n_embd: int = _as_in(GPTConfig, "n_embd", 128)
    dropout: float = _as_in(GPTConfig, "dropout", 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads(self.n_embd, self.n_head)


@dataclass(frozen=True)
class LadderConfig(NetworkConfig):
    """The shape of a rung of the lecture's ladder (`model.network.ladder`), with the lecture's defaults."""

    block_size: int = _as_in(NetworkConfig, "block_size", 8)


@dataclass(frozen=True)
class BigramConfig(LadderConfig):
    """The shape of the bigram network. It sees only one character; block_size is the length of its training windows."""

    @property
    def context(self) -> int:
        return 1


@dataclass(frozen=True)
class HeadConfig(LadderConfig):
    """The shape of the network with one head of self-attention, as wide as the embeddings."""

    n_embd: int = _as_in(GPTConfig, "n_embd", 32)


@dataclass(frozen=True)
class HeadsConfig(HeadConfig):
    """The shape of the network with several heads side by side."""

    n_head: int = _as_in(GPTConfig, "n_head", 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_heads(self.n_embd, self.n_head)


@dataclass(frozen=True)
class FeedForwardConfig(HeadsConfig):
    """The shape of the network with several heads and a feed-forward network."""


@dataclass(frozen=True)
class NoResidualConfig(FeedForwardConfig):
    """The shape of the network of several blocks without residual connections."""

    n_layer: int = _as_in(GPTConfig, "n_layer", 3)


@dataclass(frozen=True)
class ResidualConfig(NoResidualConfig):
    """The shape of the network of several blocks with residual connections."""


@dataclass(frozen=True)
class LayerNormConfig(ResidualConfig):
    """The shape of the network that also normalises each branch's input."""


@dataclass(frozen=True)
class SmallGPTConfig(LayerNormConfig):
    """The shape of the network at the end of the lecture's notebook."""

    block_size: int = _as_in(NetworkConfig, "block_size", 32)
    n_embd: int = _as_in(GPTConfig, "n_embd", 64)
    n_layer: int = _as_in(GPTConfig, "n_layer", 4)
    dropout: float = _as_in(GPTConfig, "dropout", 0.0)


@dataclass(frozen=True)
class TrainConfig(Checked):
    """A training recipe: all settings except the network's shape."""

    steps: int = setting(1_000, "optimizer steps", 1, 10_000_000)
    batch_size: int = setting(64, "texts per step; in pretraining, a text is a window of the corpus", 1, 65_536)
    micro_batch_size: int = setting(16, "texts per pass; a batch's gradient is accumulated over its passes", 1, 65_536)
    optimizer: str = setting(
        "muon", "muon: Muon for the matrices in the blocks and AdamW for the rest; adamw: AdamW for everything", choices=("muon", "adamw")
    )
    learning_rate: float = setting(
        0.02,
        "peak learning rate of the matrices in the blocks; too high a rate makes the run diverge",
        0.0,
        1e9,
    )
    embedding_learning_rate: float = setting(0.002, "peak learning rate of the embeddings and norms", 0.0, 1e9)
    weight_decay: float = setting(0.1, "weight decay of the matrices: each step shrinks them by this times the learning rate", 0.0, 10.0)
    beta2: float = setting(0.99, "decay rate of AdamW's running average of squared gradients", 0.0, 0.99999)
    grad_clip: float = setting(1.0, "maximum gradient norm (clipping)", 0.0, 1e9)
    warmup_steps: int = setting(20, "steps of linear learning-rate warm-up", 0, 10_000_000)
    decay_share: float = setting(0.6, "share of the steps, at the end, over which the learning rate falls to zero", 0.0, 1.0)
    average: float = setting(0.98, "decay rate of the running average of the weights; 0 turns averaging off", 0.0, 0.99999)
    train_chars: int = setting(0, "characters of the training text that are used, from its beginning; 0 uses all", 0, 100_000_000)
    input_noise: float = setting(0.0, "share of input characters replaced by random characters from the corpus", 0.0, 0.9)
    eval_interval: int = setting(100, "steps between evaluations, each followed by a checkpoint", 1, 10_000_000)
    snapshots: int = setting(
        16,
        "steps at which the weights are kept, to look back at the training; each takes 2 bytes per parameter, "
        f"and of large networks fewer are kept: at most {MAX_SNAPSHOT_BYTES // 2**20} MiB per run",
        0,
        MAX_SNAPSHOTS,
    )
    seed: int = setting(1337, "seed of the initial weights, the batches and the dropout", 0, MAX_SEED)


@dataclass(frozen=True)
class SFTConfig(TrainConfig):
    """The recipe of supervised fine-tuning."""

    plays_share: float = setting(
        0.0, "share of a batch's rows that are pieces of the training text instead of pairs, so that the model does not forget it", 0.0, 0.9
    )


@dataclass(frozen=True)
class RewardConfig(TrainConfig):
    """The recipe of a reward model. A batch is made of comparisons, each of two texts."""

    made: int = setting(1_000, "comparisons made by the rules of the skills; those of a file come on top", 0, MAX_COMPARISONS)


@dataclass(frozen=True)
class PolicyConfig(TrainConfig):
    """The recipe of reinforcement learning. A batch is made of groups of answers, each to one request."""

    group_size: int = setting(8, "answers to each request; each is compared with the mean of its group", 2, 1_024)
    kl_weight: float = setting(
        0.05, "penalty on each character's divergence (KL) from the parent; 0 lets the model go wherever the reward leads", 0.0, 1e3
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.group_size:
            raise ParameterError(f"batch_size ({self.batch_size}) must be a multiple of group_size ({self.group_size}).", "group_size")


@dataclass(frozen=True)
class TranslateConfig(TrainConfig):
    """The recipe of a network that translates by rule. The learning rate follows the schedule of the 2017 paper, so that `learning_rate`
    is its peak."""

    rule: str = setting("reversal", "what is translated: strings and their reversals, or modern into early modern English", choices=RULES)
    longest: int = setting(32, "characters of the longest source that is learned", 2, MAX_SOURCE_CHARS)
    label_smoothing: float = setting(0.1, "probability that the targets give to all characters alike instead of the right one", 0.0, 0.9)


@dataclass(frozen=True)
class EmbedConfig(TrainConfig):
    """The recipe of embeddings. A batch is made of pairs of texts. Those of one pass are compared with each other, so that a pass is best
    as large as the batch."""

    windows_share: float = setting(
        0.2, "share of the pairs that are neighbouring pieces of the plays; the others are the halves of one speech", 0.0, 1.0
    )


@dataclass(frozen=True)
class ChunkConfig(Checked):
    """Random chunks of a text. The lecture begins with these numbers."""

    batch_size: int = setting(4, "chunks in a batch", 1, MAX_CHUNKS)
    block_size: int = setting(8, "characters in a chunk, each with its target", 1, MAX_CHUNK_CHARS)
    seed: int = setting(1337, "seed of the chunks' places", 0, MAX_SEED)
