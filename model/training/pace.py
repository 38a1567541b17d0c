"""How long a training takes, from how long its parts take on this machine (see `model.training.measure`)."""

from __future__ import annotations

from dataclasses import dataclass

from model.config import GPTConfig, TrainConfig
from model.data import TRAIN_SHARE

NETWORK = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
RECIPE = ("batch_size", "micro_batch_size", "optimizer")


@dataclass(frozen=True)
class Pace:
    """How long the parts of a training take.

    Attributes:
        start_s: seconds until the first step.
        step_s: seconds of an optimizer step.
        character_s: of evaluating one character of the validation text.
        checkpoint_s: of the sample and the checkpoint that follow each evaluation.
    """

    start_s: float
    step_s: float
    character_s: float
    checkpoint_s: float

    def takes_s(self, recipe: TrainConfig, corpus_chars: int) -> float:
        """Seconds of a whole run on a corpus of so many characters."""
        evaluations = 1 + -(-recipe.steps // recipe.eval_interval)
        losses = 2 if recipe.average else 1
        validation_s = losses * (1 - TRAIN_SHARE) * corpus_chars * self.character_s
        return self.start_s + recipe.steps * self.step_s + evaluations * (validation_s + self.checkpoint_s)


def depends_on(network: GPTConfig, recipe: TrainConfig) -> tuple[object, ...]:
    """Trainings that agree in this have one pace."""
    return *(getattr(network, name) for name in NETWORK), *(getattr(recipe, name) for name in RECIPE)
