"""The reward model: which of two answers is the better one (Ouyang et al., "Training language models to follow instructions with human
feedback", 2022, step 2), from a fine-tuned parent.

The loss is that of Bradley and Terry: -ln sigmoid(score of the better answer - score of the worse one), with each score read after the stop
sign. Comparisons come from a file, such as a class's votes, or are made by the rules of the skills (`model.assistant.comparisons`).

    python -m model train --task reward --from weights/assistant/supervised --made 2000 --run judge
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from model.assistant.comparisons import (
    COMPARISONS_FILE,
    HELD_OUT_FILE,
    Comparisons,
    Row,
    make_comparisons,
    make_rows,
    pad,
    read_comparisons,
)
from model.assistant.examples import kept_back, make_examples
from model.assistant.skills import SKILLS
from model.config import RewardConfig, RewardGPTConfig, TrainConfig
from model.data import read_raw
from model.errors import CheckpointError, CorpusError
from model.evaluation import EVAL_ROWS
from model.files import check_is_file
from model.network import Network
from model.network.reward import RewardGPT
from model.training.presets import REWARD
from model.training.run import Metrics, Run
from model.training.tasks.fine_tuning import FineTuning, Start, as_writer
from model.training.tasks.task import Rows, shuffled
from model.weights import CONFIG_FILE, Weights, find_folder, load_weights

HELD_OUT = 400  # comparisons made to evaluate on
SHOWN = 3  # held-out comparisons in the text of each evaluation


def bradley_terry(better: Tensor, worse: Tensor) -> Tensor:
    """The loss of each comparison from the scores of its two answers, all (B,)."""
    return -F.logsigmoid(better - worse)


class LearnReward(FineTuning):
    """Learns which of two answers is better.

    Args:
        train, held_out: comparisons to learn, and to evaluate.

    Raises:
        CorpusError: comparisons have characters that the model does not know, or do not fit its context.
    """

    name: ClassVar[str] = REWARD
    diverged = 100  # a model that has learned some votes by heart is sure of itself, and may be surprised by every other
    config: RewardGPTConfig

    def __init__(self, start: Start, recipe: TrainConfig, train: Comparisons, held_out: Comparisons):
        super().__init__(start, recipe)
        self.train, self.held_out = train, held_out
        self.rows, self.held_out_rows = (make_rows(some, self.tokenizer, self.config.block_size) for some in (train, held_out))

    @classmethod
    def begin(cls, start: Start, recipe: TrainConfig, train: Comparisons, held_out: Comparisons) -> LearnReward:
        """The task of a new run."""
        return cls(replace(start, config=RewardGPTConfig(**vars(start.config))), recipe, train, held_out)

    @classmethod
    def resume(cls, run: Run) -> LearnReward:
        """The task of a run that was started before.

        Raises:
            CheckpointError: as `Start.resume`.
            CorpusError: the run's copy of the comparisons is missing, damaged or was changed.
        """
        plan = run.plan()
        try:
            known = {COMPARISONS_FILE: plan.about["comparisons"], HELD_OUT_FILE: plan.about["held_out"]}
            train, held_out = (_read_own(run, name, about) for name, about in known.items())
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / CONFIG_FILE} is not that of a run that learns a reward ({error}).") from None
        return cls(Start.resume(run), plan.recipe, train, held_out)

    @property
    def chance_loss(self) -> float:
        return math.log(2)

    def about(self) -> dict[str, Any]:
        parts = {"comparisons": self.train, "held_out": self.held_out}
        known = {name: {"name": part.name, "comparisons": len(part), "sha256": part.sha256} for name, part in parts.items()}
        return super().about() | known

    def files(self) -> dict[str, bytes]:
        return {COMPARISONS_FILE: self.train.content, HELD_OUT_FILE: self.held_out.content}

    def batch(self, step: int, network: Network) -> Rows:
        """Better and worse answers, each with its lengths: (batch_size, longest), (batch_size,) and the same again; shorter ones first.
        Each epoch shuffles the comparisons."""
        rows = [self.rows[i] for i in shuffled(len(self.rows), self.recipe.batch_size, step, self.recipe.seed)]
        return _side_by_side(sorted(rows, key=_length))

    def weight(self, rows: Rows) -> int:
        """Comparisons."""
        return len(rows[0])

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        return bradley_terry(*_scores(network, rows, generator)).mean()

    @torch.no_grad()
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """On the held-out comparisons: mean loss, and "accuracy", the share of them in which the better answer has the higher score; equal
        scores count half."""
        loss, right, judge, n = 0.0, 0.0, as_writer(network), len(self.held_out_rows)
        rows = sorted(self.held_out_rows, key=_length)
        for first in range(0, n, EVAL_ROWS):
            each()
            better, worse = _scores(judge, _side_by_side(rows[first : first + EVAL_ROWS]))
            loss += bradley_terry(better, worse).sum().item()
            right += (torch.sign(better - worse).sum().item() + len(better)) / 2
        return {"val_loss": round(loss / n, 6), "accuracy": round(right / n, 6)}

    @torch.no_grad()
    def sample(self, network: Network) -> dict[str, Any]:
        """The first held-out comparisons with the score of each answer, the better one first."""
        better, worse = _scores(as_writer(network), _side_by_side(self.held_out_rows[:SHOWN]))
        shown = zip(self.held_out.comparisons, better.tolist(), worse.tolist(), strict=False)
        return {"text": "\n\n".join(f"{one.request}\n{b:+.2f} {one.better}\n{w:+.2f} {one.worse}" for one, b, w in shown)}


def gather(
    parent: Path,
    given: Comparisons | None,
    text: str,
    recipe: RewardConfig,
    dtype: torch.dtype,
    each: Callable[[int], None] = lambda _: None,
) -> tuple[Comparisons, Comparisons]:
    """The comparisons that a run learns from: so many that the rules make, in the requests of the examples made from a text, and those
    given. And those that it is evaluated on: made likewise, in requests kept back; or, where none are to be made, the last tenth of those
    given.

    Args:
        parent: folder of the model whose answers are compared.
        dtype: the precision in which they are written.
        each: called with the number made so far.

    Raises:
        CheckpointError: the parent, or the model that it was fine-tuned from, is missing or damaged.
        CorpusError: there are too few comparisons, the text has too few examples, or the rules accept all answers or none.
    """
    if not recipe.made:
        if given is None or len(given) < 2:
            n = f"{given.name} has 1 comparison" if given else "There are no comparisons"
            raise CorpusError(
                f"{n}; at least 2 are needed, one to learn and one to evaluate. Add some, or let the rules make some (--made)."
            )
        return given.split()
    writers = _writers(parent, dtype)
    examples = [example.request for example in make_examples(text, recipe.seed)]
    asked = [one.request for one in kept_back(HELD_OUT // len(SKILLS), recipe.seed)]
    random.Random(recipe.seed).shuffle(asked)
    made = make_comparisons(writers, itertools.cycle(examples), recipe.made, recipe.seed, each)
    held_out = make_comparisons(writers, itertools.cycle(asked), HELD_OUT, recipe.seed + 1)
    return (made + given if given else made), held_out


def _writers(parent: Path, dtype: torch.dtype) -> list[Weights]:
    """The model in a folder and the one that it was fine-tuned from, if it was, ready to write."""
    weights = load_weights(parent)
    found = [weights, *([load_weights(find_folder(weights.adapter.base, parent))] if weights.adapter else [])]
    for each in found:
        each.model.compute_dtype = dtype
    return [replace(each, model=as_writer(each.model)) for each in found]


def _read_own(run: Run, name: str, about: dict[str, Any]) -> Comparisons:
    """The run's own copy of some comparisons.

    Raises:
        CorpusError: it is missing, damaged or was changed.
        KeyError: `about` does not say which they were.
    """
    path = run.folder / name
    check_is_file(path)
    found = read_comparisons(about["name"], read_raw(path, "comparisons"), str(path))
    if found.sha256 != about["sha256"]:
        raise CorpusError(f"{path} was changed since the run was started. Restore it, or start a new run.")
    return found


def _length(row: Row) -> int:
    return max(len(row.better), len(row.worse))


def _side_by_side(rows: list[Row]) -> Rows:
    return (*pad([row.better for row in rows]), *pad([row.worse for row in rows]))


def _scores(network: Network, rows: Rows, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """The scores of the better and of the worse answers, (B,) each, from one pass."""
    assert isinstance(network, RewardGPT)
    better, better_lengths, worse, worse_lengths = rows
    longest = max(better.shape[1], worse.shape[1])
    ids = torch.cat([F.pad(side, (0, longest - side.shape[1])) for side in (better, worse)])
    lengths = torch.cat([better_lengths, worse_lengths])
    scores = network.scores(ids.to(network.device), lengths.to(network.device), generator)
    return scores[: len(better)], scores[len(better) :]
