"""A network that translates, with everything that can be seen of it at work.

    translator = Translator.load("weights/meaning/reversal")
    translator.translate("abc", beams=4).text

Two kinds of network translate: an encoder-decoder (`model.network.encoder_decoder`), and a decoder-only GPT that writes the target after
the source. Both are searched alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import EncoderDecoderConfig, GPTConfig, NetworkConfig, TranslateConfig, type_in_words
from model.errors import CheckpointError, ParameterError
from model.limits import MAX_BEAMS, MAX_SOURCE_CHARS
from model.meaning import search
from model.meaning.rules import RULES, SIGN, Rule
from model.meaning.search import LENGTH_PENALTY, Ids, beam_search
from model.network import Capture, Network
from model.network.encoder_decoder import EncoderDecoder, Seen
from model.network.kinds import kind_of
from model.tokenizer import CharTokenizer
from model.weights import CONFIG_FILE, load_weights

TOP = 5  # characters of a step that are told with their probabilities

Floats = NDArray[np.float32]
Do = Callable[[Callable[[], Any]], Any]  # calls what it is given, and returns the result


@dataclass(frozen=True)
class Attention:
    """The weights of all heads while one text was written: row t belongs to the step that wrote the target's character t.

    Attributes:
        encoder: (L, H, S, S); None of a GPT.
        decoder: (L, H, T, T), over the start sign and the target; of a GPT (L, H, N, N) over the source, its end sign and the target
            without its last character, N = S + T - 1.
        cross: (L, H, T, S); None of a GPT.
    """

    encoder: Floats | None
    decoder: Floats
    cross: Floats | None


@dataclass(frozen=True)
class Beam:
    """A text that the search had in hand after a step.

    Attributes:
        text: without end sign.
        log_probability: of all its characters, end sign included, in nats.
        parent: its place among the beams of the step before; -1 at the first step.
    """

    text: str
    log_probability: float
    ended: bool
    parent: int


@dataclass(frozen=True)
class Step:
    """One step of the search.

    Attributes:
        top: the likeliest characters, with their probabilities, after the result's characters before this step; SIGN is the end.
        beams: what the search had in hand afterwards, best first.
    """

    top: tuple[tuple[str, float], ...]
    beams: tuple[Beam, ...]


@dataclass(frozen=True)
class Translation:
    """A source and its translation.

    Attributes:
        source: as it was read, with its end sign: S characters.
        target: as it was written, with its end sign if it ended: T characters.
        score: log-probability over length penalty, by which the search chose it.
        steps: of the search, one for each character of the target. Those after the result ended are left out.
    """

    source: str
    target: str
    ended: bool
    score: float
    steps: tuple[Step, ...]
    attention: Attention

    @property
    def text(self) -> str:
        """The target without its end sign."""
        return self.target.removesuffix(SIGN)


@dataclass(frozen=True)
class Translator:
    """A network, in eval mode, with the rule that it learned.

    Attributes:
        longest: characters of the longest source that it learned.
    """

    network: Network
    tokenizer: CharTokenizer
    rule: Rule
    longest: int
    sha256: str = ""

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> Translator:
        """The translator in a folder of weights or of a run.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        weights = load_weights(folder, device, writes=None)
        try:
            recipe = TranslateConfig(**weights.about["recipe"])
            if "rule" not in weights.about["recipe"]:  # which has a default, and other trainings have a recipe too
                raise ParameterError("its recipe has no rule")
            check_room(weights.model.config, recipe.longest)
        except (KeyError, TypeError, ParameterError) as error:
            raise CheckpointError(f"{Path(folder) / CONFIG_FILE} is not that of a network that translates ({error}).") from None
        return cls(weights.model, weights.tokenizer, RULES[recipe.rule], recipe.longest, weights.sha256)

    @property
    def most(self) -> int:
        """The most characters of a source that it reads: twice those that it learned, to see it fail."""
        return min(most_source_chars(self.network.config), MAX_SOURCE_CHARS)

    @property
    def kind(self) -> str:
        """The kind of its network, a key of `KINDS`."""
        return kind_of(self.network.config)

    @property
    def is_pair(self) -> bool:
        """Whether it is an encoder-decoder."""
        return isinstance(self.network, EncoderDecoder)

    def translate(self, text: str, beams: int = 1, do: Do = lambda work: work()) -> Translation:
        """Translates a text.

        Args:
            beams: of the search; 1 takes the likeliest character each time.
            do: calls what reads with the network, once for each character and some more, and returns its result; a server does that
                elsewhere, so that a long search does not keep others waiting.

        Raises:
            ParameterError: the text is empty, too long or of several lines, or there cannot be so many beams.
            UnknownCharacterError: the vocabulary lacks characters of the text.
            FloatingPointError: the network's output is not finite.
        """
        self._check(text, beams)
        source = self.tokenizer.encode(text + SIGN)
        after = do(lambda: self._continuations(source))
        best, steps = beam_search(lambda texts: do(lambda: after(texts)), source[-1], beams, self._room(source))
        logits, attention = do(lambda: self._look(source, best.ids))
        chances = torch.softmax(logits.double(), -1).cpu()  # (T, V)
        return Translation(
            text + SIGN,
            self.tokenizer.decode(best.ids),
            best.ended,
            best.score(LENGTH_PENALTY),
            tuple(self._step(row, found) for row, found in zip(chances, steps, strict=False)),
            attention,
        )

    def look(self, text: str, target: str) -> tuple[Tensor, Attention]:
        """What it would see while it wrote a given target and its end sign: the logits of each character, (T, V), and the attention.

        Raises:
            UnknownCharacterError: the vocabulary lacks characters.
            ValueError: they do not fit in the block.
        """
        return self._look(self.tokenizer.encode(text + SIGN), tuple(self.tokenizer.encode(target + SIGN)))

    def _check(self, text: str, beams: int) -> None:
        if not text:
            raise ParameterError("There is no text to translate. Type one and try again.", "text")
        if SIGN in text:
            raise ParameterError("A newline is the end sign here. Translate one line at a time.", "text")
        if len(text) > self.most:
            raise ParameterError(
                f"The text has {len(text):,} characters; this network learned texts of up to {self.longest}, and its positions end at "
                f"{self.most}. Shorten it and try again.",
                "text",
            )
        if type(beams) is not int or not 1 <= beams <= MAX_BEAMS:
            raise ParameterError(f"beams must be {type_in_words(int)} from 1 to {MAX_BEAMS}.", "beams")

    def _room(self, source: Sequence[int]) -> int:
        """The most characters that a target may have, end sign included."""
        block = self.network.config.block_size
        return block if self.is_pair else block - len(source) + 1

    @torch.inference_mode()
    def _continuations(self, source: list[int]) -> Callable[[Sequence[Ids]], Tensor]:
        """The log-probabilities of the next character after some beginnings of a target, (rows, V)."""
        network, device = self.network, self.network.device
        if isinstance(network, EncoderDecoder):
            memory = network.encode(torch.tensor([source], device=device))

            def read(texts: Sequence[Ids]) -> Tensor:
                return network.decode(torch.tensor([[source[-1], *ids] for ids in texts], device=device), memory.repeated(len(texts)))
        else:

            def read(texts: Sequence[Ids]) -> Tensor:
                return network(torch.tensor([[*source, *ids] for ids in texts], device=device), last_only=True)

        @torch.inference_mode()
        def after(texts: Sequence[Ids]) -> Tensor:
            return read(texts)[:, -1].log_softmax(-1)

        return after

    @torch.inference_mode()
    def _look(self, source: list[int], target: Ids) -> tuple[Tensor, Attention]:
        """The logits of each character of a target, (T, V), and the attention with which it was written."""
        device = self.network.device
        if isinstance(self.network, EncoderDecoder):
            seen = Seen()
            memory = self.network.encode(torch.tensor([source], device=device), seen=seen)
            logits = self.network.decode(torch.tensor([[source[-1], *target[:-1]]], device=device), memory, seen=seen)
            return logits[0], Attention(_stacked(seen.encoder), _stacked(seen.decoder), _stacked(seen.cross))
        capture = Capture()
        logits = self.network(torch.tensor([[*source, *target[:-1]]], device=device), capture=capture)
        return logits[0, len(source) - 1 :], Attention(None, _stacked(capture.attention), None)

    def _step(self, chances: Tensor, found: Sequence[search.Beam]) -> Step:
        top = torch.topk(chances, min(TOP, len(chances)))
        chars = self.tokenizer.decode(top.indices.tolist())
        beams = tuple(
            Beam(self.tokenizer.decode(beam.ids).removesuffix(SIGN), beam.log_probability, beam.ended, beam.parent) for beam in found
        )
        return Step(tuple(zip(chars, top.values.tolist(), strict=True)), beams)


def _stacked(weights: list[Tensor]) -> Floats:
    """The attention of one text, (L, H, rows, columns), from one (1, H, rows, columns) per layer."""
    return torch.cat(weights).float().cpu().numpy()


def most_source_chars(config: NetworkConfig) -> int:
    """The longest source that leaves as much room for its target, signs included."""
    return config.block_size - 2 if isinstance(config, EncoderDecoderConfig) else config.block_size // 2 - 2


def check_room(config: NetworkConfig, longest: int) -> None:
    """Checks that a network can translate sources of some length.

    Raises:
        ParameterError: it is of another kind, or its block is too short.
    """
    if not isinstance(config, (EncoderDecoderConfig, GPTConfig)):
        raise ParameterError("Only an encoder-decoder or a GPT can translate.")
    if (most := most_source_chars(config)) < longest:
        raise ParameterError(
            f"With a block_size of {config.block_size:,} a source has {max(0, most):,} characters at most; longest is {longest:,}. "
            "Raise block_size or lower longest.",
            "longest",
        )
