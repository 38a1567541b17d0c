"""Translation by rule, from random weights: reversal of strings, or modern into early modern English.

The network is an encoder-decoder as in the 2017 paper (Vaswani et al., "Attention Is All You Need"), or a decoder-only GPT that does the
same task with source and target in one text; only the target's characters count. Both are trained alike: the paper's label smoothing and
its schedule, a linear warm-up and then a fall with the inverse square root of the step.

    python -m model train --preset reversal --run reversal
    python -m model train --preset early-modern-gpt --run early-modern-gpt
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import NetworkConfig, TranslateConfig
from model.data import Corpus
from model.errors import CheckpointError, CorpusError
from model.evaluation import EVAL_ROWS
from model.meaning.rows import IGNORE, make_rows, target_logits
from model.meaning.rules import LEAST_LINE_CHARS, RULES, VOCABULARY, kept_back, training_sources
from model.meaning.translator import Translator, check_room
from model.network import Network
from model.tokenizer import CharTokenizer
from model.training.presets import TRANSLATE
from model.training.run import Metrics, Run
from model.training.tasks.task import Rows, Task, evaluating
from model.weights import CONFIG_FILE

EVAL_PAIRS = 256  # kept back, in an evaluation
SHOWN = 4  # of them, translated after each evaluation


class Translate(Task):
    """Learns a rule from its sources.

    Args:
        corpus: the text whose lines are sources, for a rule that reads lines.

    Raises:
        CorpusError: as `training_sources`; or no line can be kept back.
        ParameterError: the network has no room for the longest source.
    """

    name: ClassVar[str] = TRANSLATE
    is_shared = True
    recipe: TranslateConfig

    def __init__(self, network: NetworkConfig, recipe: TranslateConfig, corpus: Corpus | None):
        tokenizer = CharTokenizer(VOCABULARY)
        super().__init__(replace(network, vocab_size=len(tokenizer)), tokenizer, recipe)
        check_room(self.config, recipe.longest)
        self.rule = RULES[recipe.rule]
        self.corpus = corpus if self.rule.reads_lines else None
        self.sources = training_sources(self.rule, recipe.longest, self.corpus)
        lengths = range(LEAST_LINE_CHARS if self.rule.reads_lines else 1, recipe.longest + 1)
        self.held_out = sorted(kept_back(self.rule, lengths, EVAL_PAIRS, recipe.seed, self.corpus), key=len)
        if not self.held_out:
            raise CorpusError("The last tenth of the text has no line to evaluate on. Choose a longer English text.")

    @classmethod
    def resume(cls, run: Run, corpus: Corpus | None) -> Translate:
        """The task of a run that was started before.

        Raises:
            CheckpointError: config.json is not that of such a run.
            CorpusError: the corpus is not the run's.
        """
        plan = run.plan()
        known = plan.about.get("corpus", {})
        if corpus and corpus.sha256 != known.get("sha256"):
            raise CorpusError(f"{run.folder} was started with another text ({known.get('name')}). Resume it with that one (--corpus).")
        if not isinstance(plan.recipe, TranslateConfig) or (RULES[plan.recipe.rule].reads_lines and not corpus):
            raise CheckpointError(f"{run.folder / CONFIG_FILE} is not that of a run that translates.")
        return cls(plan.network, plan.recipe, corpus)

    def about(self) -> dict[str, Any]:
        about: dict[str, Any] = {"task": self.name, "pairs": {"name": self.rule.learned}}
        if text := self.corpus:
            about["corpus"] = {"name": text.name, "characters": len(text.text), "sha256": text.sha256}
        return about

    def rate(self, step: int) -> float:
        """The paper's schedule, as a share of its peak."""
        warmup = max(1, self.recipe.warmup_steps)
        return min((step + 1) / warmup, (warmup / (step + 1)) ** 0.5)

    def batch(self, step: int, network: Network) -> Rows:
        """As `make_rows`, shorter sources first."""
        sources = self.sources.draw(self.recipe.batch_size, random.Random(f"{self.recipe.seed} {step}"))
        return self._rows(network, sorted(sources, key=len))

    def _rows(self, network: Network, sources: list[str]) -> Rows:
        return make_rows(network, self.tokenizer, [(source, self.rule.answer(source)) for source in sources])

    def weight(self, rows: Rows) -> int:
        """Characters of the targets, end signs included."""
        return int((rows[-1] != IGNORE).sum())

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        return self._loss(*target_logits(network, rows, generator))

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the characters that count."""
        smoothing = self.recipe.label_smoothing
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, label_smoothing=smoothing)

    @torch.no_grad()
    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """On sources kept back: "val_loss", the mean loss of the targets' characters, with the same smoothing as in training, and "exact",
        the share of targets that the network writes without a mistake at temperature 0.

        It writes a target exactly if its likeliest character is the right one at each place, given the right characters before: so one
        pass tells, and nothing has to be written.
        """
        total, n_chars, exact = 0.0, 0, 0
        with evaluating(network):
            for first in range(0, len(self.held_out), EVAL_ROWS):
                each()
                rows = self._rows(network, self.held_out[first : first + EVAL_ROWS])
                logits, targets = target_logits(network, rows)
                total += self._loss(logits, targets).item() * self.weight(rows)
                n_chars += self.weight(rows)
                exact += int(((logits.argmax(-1) == targets) | (targets == IGNORE)).all(1).sum())
        return {"val_loss": round(total / n_chars, 6), "exact": round(exact / len(self.held_out), 6)}

    def sample(self, network: Network) -> dict[str, Any]:
        """Some sources kept back, each with its translation."""
        shown = self.held_out[len(self.held_out) // 2 :][:SHOWN]
        with evaluating(network):
            translator = Translator(network, self.tokenizer, self.rule, self.recipe.longest)
            return {"text": "\n\n".join(f"{source}\n{translator.translate(source).text}" for source in shown)}
