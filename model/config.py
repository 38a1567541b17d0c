"""Settings and public limits: frozen dataclasses that are valid from the moment they exist.

Each field is described once, in its metadata; command-line help and the page read the words from there (`describe`).
Field names follow nanoGPT.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

from model.errors import ParameterError

# What one viewer may ask for. The page, the command line and the API all meet these same limits.
MAX_PROMPT_CHARS = 10_000
MAX_NEW_CHARS = 2_000
MAX_SCORE_CHARS = MAX_PROMPT_CHARS + MAX_NEW_CHARS  # what was written can be read again
MAX_SAMPLES = 16
MAX_ABLATION_CHARS = 300  # of a text written with heads off: nobody shares its passes
MAX_TEMPERATURE = 2.0
MAX_SEED = 2**53 - 1  # the largest whole number that a browser's JavaScript holds exactly
MAX_WAITING_REQUESTS = 256
MAX_VIEWER_WAITING = 16  # of one viewer
MAX_WAITING_WORK = 64  # short pieces of work with the model, beside the writing

# What the engine does at once and remembers. A row is one text under way.
MAX_ROWS = 512  # fewer where memory is scarce
MAX_VIEWER_ROWS = 64  # of one viewer
MAX_STEP_ROWS = 128  # more at once would bring no more characters per second, only longer steps
MAX_REQUEST_RECORD_BYTES = 2**24  # how the characters of one request came to be
MAX_RECORD_BYTES = 2**28  # ... of all requests together; the oldest are forgotten first
MAX_RECORDS = 2_000
RECORD_LIFETIME_S = 1_800
MAX_CAPTURES = 256  # texts whose attention is remembered
MAX_CAPTURE_BYTES = 2**28  # ... of all together; those that nobody asked for the longest are forgotten first
MAX_CAPTURE_NUMBERS = 2**24  # ... of one; of a large model less than a block is shown
MAX_LOADED_MODELS = 8  # the least recently used idle one is dropped first
CACHE_MEMORY_SHARE = (
    0.25  # of the memory that is free at the start: for the default model's keys and values; as much for all others together
)

# What a network may be. Wide enough for anything one would train here, small enough to refuse a typing error.
MAX_BLOCK_SIZE = 4_096
MAX_VOCAB_SIZE = 4_096
MAX_LAYERS = 64
MAX_N_EMBD = 4_096


def setting(
    default: Any, help: str, low: float | None = None, high: float | None = None, choices: tuple = (), label: str | None = None
) -> Any:
    """A dataclass field with its one description and its allowed range (both ends included) or choices.

    Args:
        label: what users know it by, where that is not its name.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "label": label})


def describe(config_class: type) -> dict[str, str]:
    """Field name -> its description."""
    return {f.name: f.metadata["help"] for f in fields(config_class)}


def check_prompt(prompt: object) -> None:
    """Refuses what is no prompt.

    Raises:
        ParameterError: it is no text, or too long.
    """
    _check_text(prompt, "prompt", MAX_PROMPT_CHARS)


def check_score_text(text: object) -> None:
    """Refuses what is no text to score.

    Raises:
        ParameterError: it is no text, or too long.
    """
    _check_text(text, "text", MAX_SCORE_CHARS)


def check_ablation_length(params: SamplingParams) -> None:
    """Checks the length of a text that is written with heads off.

    Raises:
        ParameterError: it is too long to be written alone.
    """
    if params.max_new_chars > MAX_ABLATION_CHARS:
        came = params.max_new_chars
        raise ParameterError(f"length must be between 1 and {MAX_ABLATION_CHARS} where heads can be off, not {came:,}.")


def _check_text(text: object, name: str, most: int) -> None:
    if not isinstance(text, str):
        raise ParameterError(f"The {name} must be {_article(str)}.")
    if len(text) > most:
        raise ParameterError(f"The {name} has {len(text):,} characters; the most is {most:,}. Shorten it and try again.")


class Checked:
    """Checks type, finiteness and range of every field when a dataclass instance is made.

    Raises:
        ParameterError: names the field, what came and what is allowed.
    """

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value: Any = getattr(self, f.name)
            label = f.metadata["label"] or f.name
            wanted: type = type(f.default)
            if wanted is float and type(value) is int and abs(value) < 10**300:  # a float has no room for more
                value = float(value)
            if type(value) is float and wanted is int and value.is_integer():
                value = int(value)  # a number field of the page or of JSON gives 4.0 for 4
            if type(value) is not wanted:
                raise ParameterError(f"{label} must be {_article(wanted)}, not {_shown(value)}.")
            low, high, choices = f.metadata["low"], f.metadata["high"], f.metadata["choices"]
            if choices and value not in choices:
                raise ParameterError(f"{label} must be one of {', '.join(choices)}, not {_shown(value)}.")
            if low is not None and not low <= value <= high:  # NaN is in no range
                raise ParameterError(f"{label} must be between {_plain(low)} and {_plain(high)}, not {_shown(value)}.")
            object.__setattr__(self, f.name, value)


def _article(wanted: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[wanted]


def _plain(limit: float) -> str:
    return f"{limit:,}".removesuffix(".0")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not print whole numbers of thousands of digits
        text = "a number of thousands of digits"
    except RecursionError:
        text = "lists within lists"
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """What every network has: a context of so many characters, and a vocabulary."""

    block_size: int = setting(256, "characters of context", 2, MAX_BLOCK_SIZE)
    vocab_size: int = setting(65, "different characters", 1, MAX_VOCAB_SIZE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block_size % 2:
            raise ParameterError(f"block_size must be even, not {self.block_size}: the window moves by half of it.")

    def window_start(self, position: int) -> int:
        """Where the context of the character at absolute index `position` begins (the prompt counts).

        Positions are learned and absolute, so a full cache cannot slide by one. The window stays at 0 while the text fits and
        then moves on by half a block at a time, so that the cost per character is constant. Every part of the project
        that continues or scores a text uses this rule.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ParameterError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head}).")


@dataclass(frozen=True)
class BigramConfig(NetworkConfig):
    """The shape of the lecture's bigram network. It sees one character; block_size is the length of its training windows."""

    block_size: int = setting(8, "characters of context", 2, MAX_BLOCK_SIZE)


@dataclass(frozen=True)
class SamplingParams(Checked):
    """How characters are drawn from the distribution that the network gives."""

    temperature: float = setting(0.8, "0: the likeliest, 1: as learned", 0.0, MAX_TEMPERATURE)
    max_new_chars: int = setting(300, "characters to write", 1, MAX_NEW_CHARS, label="length")
    samples: int = setting(1, "texts written side by side from the same prompt", 1, MAX_SAMPLES)
    seed: int = setting(0, "same seed, same dice, same texts", 0, MAX_SEED)
    first_sample: int = setting(0, "number of the first sample: every sample of a seed has dice of its own", 0, 2**31 - 1)
    first_step: int = setting(0, "number of the first throw: a text that goes on from the middle of a sample keeps its dice", 0, 1_000_000)
    top_k: int = setting(0, "draw from the k likeliest characters only; 0 draws from all", 0, MAX_VOCAB_SIZE)
    top_p: float = setting(1.0, "draw from the likeliest characters that together reach this probability", 0.0, 1.0)


@dataclass(frozen=True)
class TrainConfig(Checked):
    """A training recipe: everything but the shape of the network."""

    steps: int = setting(1_000, "optimizer steps", 1, 10_000_000)
    batch_size: int = setting(64, "texts per step; in pretraining windows of the corpus", 1, 65_536)
    micro_batch_size: int = setting(16, "texts per pass; the gradients of the passes add up to the batch's", 1, 65_536)
    optimizer: str = setting(
        "muon", "muon: Muon for the matrices in the blocks and AdamW for the rest; adamw: AdamW for everything", choices=("muon", "adamw")
    )
    learning_rate: float = setting(
        0.02,
        "highest learning rate of the matrices in the blocks; one that is too high makes the run diverge",
        0.0,
        1e9,
    )
    embedding_learning_rate: float = setting(0.002, "highest learning rate of the embeddings and norms", 0.0, 1e9)
    weight_decay: float = setting(0.1, "weight decay of the matrices: per step they shrink by this times the learning rate", 0.0, 10.0)
    beta2: float = setting(0.99, "decay rate of AdamW's running average of squared gradients", 0.0, 0.99999)
    grad_clip: float = setting(1.0, "maximum gradient norm (clipping)", 0.0, 1e9)
    warmup_steps: int = setting(20, "steps of linear warm-up of the learning rate", 0, 10_000_000)
    decay_share: float = setting(0.6, "share of the steps, at the end, over which the learning rate falls to zero", 0.0, 1.0)
    average: float = setting(0.98, "decay rate of the running average of the weights; 0 keeps no average", 0.0, 0.99999)
    input_noise: float = setting(0.0, "share of input characters replaced by random characters from the corpus", 0.0, 0.9)
    eval_interval: int = setting(100, "steps between evaluations, each followed by a checkpoint", 1, 10_000_000)
    seed: int = setting(1337, "seed of the first weights, the batches and the dropout", 0, MAX_SEED)


Head = tuple[int, int]  # (layer, head), both from 0
NO_HEADS = "This model has no attention heads."


def check_heads(heads: object, config: NetworkConfig) -> tuple[Head, ...]:
    """The heads in order, each once.

    Args:
        heads: pairs of layer and head. Lists are accepted, since JSON has no tuples.

    Raises:
        ParameterError: names the value that is not a pair, or the layer or head that does not exist.
    """
    if not isinstance(heads, Collection) or isinstance(heads, (str, bytes, dict)):
        raise ParameterError(f"The heads to switch off must be a list of pairs [layer, head], not {_shown(heads)}.")
    if not heads:
        return ()
    if not isinstance(config, GPTConfig):
        raise ParameterError(NO_HEADS)
    return tuple(sorted({_check_head(head, config) for head in heads}))


def _check_head(head: object, config: GPTConfig) -> Head:
    if not (isinstance(head, (tuple, list)) and len(head) == 2 and all(type(number) is int for number in head)):
        raise ParameterError(f"A head to switch off must be a pair of whole numbers [layer, head], not {_shown(head)}.")
    layer, number = head
    if not 0 <= layer < config.n_layer:
        raise ParameterError(f"There is no layer {_shown(layer)}: the model's layers are {_numbered(config.n_layer)}.")
    if not 0 <= number < config.n_head:
        raise ParameterError(f"There is no head {_shown(number)} in layer {layer}: its heads are {_numbered(config.n_head)}.")
    return layer, number


def _numbered(n: int) -> str:
    return f"0 to {n - 1}" if n > 1 else "0 alone"
