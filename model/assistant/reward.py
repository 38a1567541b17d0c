"""A trained reward model: the scores of answers, from a folder of weights or of a run.

    judge = RewardModel.load("weights/assistant/reward")
    judge.score("Insult me.", "Thou art a traitor.")

Scores are relative: the difference of two scores, for answers to the same request, is the logit of the probability that the first is the
better one (`model.network.reward`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.assistant.pairs import STOP, row_text
from model.errors import CheckpointError, ParameterError
from model.files import parse_json, read_file
from model.network.reward import RewardGPT
from model.tokenizer import CharTokenizer
from model.weights import hash_file, load_weights, weights_path

CURVE_FILE = "curve.json"
MEASURED = ("accuracy", "range", "curve")


class Scores(NamedTuple):
    """What a reward model makes of one answer.

    Attributes:
        after_each: the score read after each character of the answer, where the model was not trained: a hint at what moves it.
        score: the score of the whole, after the stop sign. This is the one that the model was trained on.
    """

    after_each: list[float]
    score: float


@dataclass(frozen=True)
class RewardModel:
    """A reward network with its vocabulary."""

    network: RewardGPT
    tokenizer: CharTokenizer
    sha256: str

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> RewardModel:
        """The reward model in a folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        weights = load_weights(folder, device, writes=False)
        assert isinstance(weights.model, RewardGPT)
        return cls(weights.model, weights.tokenizer, weights.sha256)

    @torch.inference_mode()
    def scores(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The score of each row after its last character, (B,) in float32.

        Args:
            ids: rows of request, answer and stop sign (`model.assistant.pairs`), (B, T). What comes after a row's end is not seen.
            lengths: characters of each row, (B,).

        Raises:
            CheckpointError: a score is not finite.
        """
        return _finite(self.network.scores(ids, lengths))

    @torch.inference_mode()
    def score(self, request: str, answer: str) -> Scores:
        """The scores of one answer, both texts in the model's vocabulary.

        Raises:
            ParameterError: they are longer than the model's context.
            CheckpointError: a score is not finite.
        """
        text, most = row_text(request, answer), self.network.config.block_size
        if len(text) > most:
            raise ParameterError(
                f"Request and answer have {len(request) + len(answer):,} characters together; this model reads at most "
                f"{most - (len(text) - len(request) - len(answer)):,}. Shorten them and try again."
            )
        ids = torch.tensor([self.tokenizer.encode(text)], device=self.network.device)
        scores = _finite(self.network(ids)[0, :, 0]).tolist()
        return Scores(scores[len(text) - len(STOP) - len(answer) : len(text) - len(STOP)], scores[-1])


def _finite(scores: Tensor) -> Tensor:
    if not torch.isfinite(scores).all():
        raise CheckpointError("The reward model gives scores that are not finite. Train it again with a lower learning rate.")
    return scores


def read_measured(folder: Path) -> dict[str, Any]:
    """What `benchmarks.reward_curve` measured of the reward model in a folder: "accuracy" on the comparisons kept back, the "range" of
    their scores, and the "curve" of accuracy by number of comparisons.

    Raises:
        CheckpointError: it was not measured, or on other weights.
    """
    path = folder / CURVE_FILE
    try:
        measured = parse_json(read_file(path))
        if measured["sha256"] != hash_file(weights_path(folder)):
            raise ValueError("it was measured on other weights")
        return {name: measured[name] for name in MEASURED}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be used: {error}. Measure again with: python -m benchmarks.reward_curve") from error
