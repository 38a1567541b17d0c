"""Supervised fine-tuning: the answers to requests, from a trained parent model (Ouyang et al., "Training language models to follow
instructions with human feedback", 2022, step 1).

The loss counts the characters of the answer and the stop sign after it; the request is only read. Pieces of the training text among the
rows, on which every character counts, keep the model from forgetting the plays (as in Ouyang et al., there during reinforcement learning).

    python -m model train --task sft --from weights/shakespeare --run supervised
    python -m model train --task sft --from weights/shakespeare --pairs pairs.jsonl --run obey

Without a file of pairs, examples of the assistant's skills are made from the training text (`model.assistant.examples`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from model.assistant.answers import write_answers
from model.assistant.examples import kept_back, make_examples, to_json_lines
from model.assistant.obeys import ObeysConfig, answer_kept_back, summary
from model.assistant.pairs import IGNORE, Pairs, Row, make_rows, pad, prompt_of, read_pairs
from model.config import SFTConfig
from model.data import Batches, Corpus, read_raw, split
from model.errors import CheckpointError, CorpusError, UnknownCharacterError
from model.evaluation import EVAL_ROWS, mean_loss
from model.files import check_is_file
from model.network import Network
from model.training.presets import SFT, FromParent
from model.training.run import Metrics, Run
from model.training.samples import SAMPLE_CHARS, SAMPLE_TEMPERATURE
from model.training.tasks.fine_tuning import FineTuning, Start, as_writer
from model.training.tasks.task import Rows, evaluating, shuffled
from model.weights import Weights

PAIRS_FILE = "pairs.jsonl"  # the run's own copy
PLAYS_CHARS = 96  # of a piece of the training text among the rows: about as long as the longer pairs
PLAYS_WINDOWS = 32  # of the validation text, on which forgetting is measured
EVAL_PAIRS = 320  # held-out pairs of an evaluation
EVAL_REQUESTS = 8  # of each skill, in an evaluation


class FineTune(FineTuning):
    """Learns nine tenths of the pairs; the last tenth is for evaluation.

    Args:
        is_made: whether the pairs are examples of the assistant's skills, made from the corpus.
        corpus: the text whose pieces are mixed in, and on which forgetting is measured; None without either.

    Raises:
        CorpusError: pairs or corpus have characters that the model does not know, or pairs do not fit its context.
    """

    name: ClassVar[str] = SFT
    is_shared = True
    recipe: SFTConfig

    def __init__(self, start: Start, recipe: SFTConfig, pairs: Pairs, is_made: bool, corpus: Corpus | None):
        super().__init__(start, recipe)
        if "\n" not in self.tokenizer.vocabulary:
            raise CorpusError(f"{start.parent.name} does not know the newline, which separates request and answer. Choose another parent.")
        self.pairs, self.is_made, self.corpus = pairs, is_made, corpus
        train, held_out = pairs.split()
        rows = make_rows(pairs.pairs, self.tokenizer, self.config.block_size, pairs.name)
        self.rows, self.held_out_rows = rows[: len(train)], sorted(rows[len(train) :][:EVAL_PAIRS], key=length)
        self.asked = [one.request for one in kept_back(1, recipe.seed)] if is_made else [held_out[0].request]
        n_plays = min(round(recipe.plays_share * recipe.batch_size), recipe.batch_size - 1) if corpus else 0
        self.n_pairs = recipe.batch_size - n_plays
        if corpus:
            train_ids, validation_ids = split(self._encode(corpus), self.config.block_size)
            self.plays = Batches(train_ids, n_plays, min(PLAYS_CHARS, self.config.block_size), recipe.seed)
            self.validation_ids = validation_ids[: PLAYS_WINDOWS * self.config.block_size + 1]

    def _encode(self, corpus: Corpus) -> Tensor:
        try:
            return torch.tensor(self.tokenizer.encode(corpus.text))
        except UnknownCharacterError as error:
            raise CorpusError(
                f"{corpus.name} cannot be mixed in: {error} Name the text that the parent was trained on (--corpus)."
            ) from None

    @classmethod
    def begin(cls, parent: Weights, changes: FromParent, recipe: SFTConfig, pairs: Pairs | None, corpus: Corpus | None) -> FineTune:
        """The task of a new run.

        Args:
            parent: as in `Start.of`.
            pairs: None makes them from the corpus.
        """
        start = Start.of(parent, changes)
        if pairs:
            return cls(start, recipe, pairs, False, corpus)
        assert corpus
        name = f"examples from {corpus.name}"
        return cls(start, recipe, read_pairs(name, to_json_lines(make_examples(corpus.text, recipe.seed)), name), True, corpus)

    @classmethod
    def resume(cls, run: Run, corpus: Corpus | None) -> FineTune:
        """The task of a run that was started before.

        Raises:
            CheckpointError: as `Start.resume`.
            CorpusError: the corpus is not the run's, or its copy of the pairs is missing, damaged or was changed.
        """
        plan = run.plan()
        try:
            name, sha256 = plan.about["pairs"]["name"], plan.about["pairs"]["sha256"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / 'config.json'} is not that of a fine-tuning run ({error}).") from None
        known = plan.about.get("corpus", {})
        if corpus and corpus.sha256 != known.get("sha256"):
            raise CorpusError(f"{run.folder} was started with another text ({known.get('name')}). Resume it with that one (--corpus).")
        path = run.folder / PAIRS_FILE
        check_is_file(path)
        pairs = read_pairs(name, read_raw(path, "pairs"), str(path))
        if pairs.sha256 != sha256:
            raise CorpusError(f"{path} was changed since the run was started. Restore it, or start a new run.")
        assert isinstance(plan.recipe, SFTConfig)
        return cls(Start.resume(run), plan.recipe, pairs, plan.about["pairs"].get("made") is True, corpus)

    def about(self) -> dict[str, Any]:
        pairs = {"name": self.pairs.name, "pairs": len(self.pairs.pairs), "sha256": self.pairs.sha256, "made": self.is_made}
        text = self.corpus
        corpus = {"corpus": {"name": text.name, "characters": len(text.text), "sha256": text.sha256}} if text else {}
        return super().about() | {"pairs": pairs} | corpus

    def files(self) -> dict[str, bytes]:
        return {PAIRS_FILE: self.pairs.content}

    def batch(self, step: int, network: Network) -> Rows:
        """Inputs and targets, each (batch_size, longest row), shorter rows first. Each epoch shuffles the pairs."""
        rows = [self.rows[i] for i in shuffled(len(self.rows), self.n_pairs, step, self.recipe.seed)]
        if self.n_pairs < self.recipe.batch_size:
            rows += map(Row, *self.plays(step))
        return pad(sorted(rows, key=length))

    def weight(self, rows: Rows) -> int:
        """Characters that count: of the answers, stop signs included, and of the plays."""
        return int((rows[1] != IGNORE).sum())

    def loss(self, network: Network, rows: Rows, generator: torch.Generator) -> Tensor:
        inputs, targets = rows
        longest = int((targets != IGNORE).any(0).nonzero().max()) + 1  # the padding of a pass of short rows costs nothing
        logits = network(inputs[:, :longest], generator=generator)
        return F.cross_entropy(logits.flatten(0, 1), targets[:, :longest].flatten(), ignore_index=IGNORE)

    def evaluate(self, network: Network, each: Callable[[], None]) -> Metrics:
        """What the best weights of a run are chosen by, and what else shows how far it is.

        With examples of the assistant's skills, "val_loss" is the share of requests kept back that are not obeyed, "obeys" that of those
        that are, and "answer_loss" the mean loss of the held-out answers' characters. The loss is no measure of the best here: it rises
        while the model obeys more and more, because it learns sentences by heart. (Ouyang et al. saw the same, and chose by what people
        preferred.) With other pairs, "val_loss" is the loss, and "exact" the share of answers that the network writes without a mistake
        at temperature 0.

        With a corpus, "plays_loss" is the mean loss on a part of its last tenth, which rises as the plays are forgotten.
        """
        loss, exact = self._held_out(network, each)
        metrics: Metrics = {"val_loss": round(loss, 6), "exact": round(exact, 6)}
        if self.is_made:
            config = ObeysConfig(EVAL_REQUESTS, seed=self.recipe.seed)
            answered = answer_kept_back(as_writer(network), self.tokenizer, config, lambda n: each())
            obeys = summary(answered)["mean"]["obeys"]
            metrics = {"val_loss": round(1 - obeys, 6), "obeys": obeys, "answer_loss": round(loss, 6)}
        if self.corpus:
            metrics["plays_loss"] = round(mean_loss(network, self.validation_ids, each=each), 6)
        return metrics

    def _held_out(self, network: Network, each: Callable[[], None]) -> tuple[float, float]:
        """Mean loss, and the share of answers that are written exactly at temperature 0.

        At temperature 0 the network writes an answer exactly if its likeliest character is the right one at each place of the answer,
        given the right characters before: so one pass tells, and nothing has to be written.
        """
        total, n_chars, exact = 0.0, 0, 0
        with evaluating(network), torch.no_grad():
            for first in range(0, len(self.held_out_rows), EVAL_ROWS):
                each()
                inputs, targets = (t.to(network.device) for t in pad(self.held_out_rows[first : first + EVAL_ROWS]))
                logits = network(inputs)
                total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum").item()
                n_chars += self.weight((inputs, targets))
                exact += int(((logits.argmax(-1) == targets) | (targets == IGNORE)).all(1).sum())
        return total / n_chars, exact / len(self.held_out_rows)

    def sample(self, network: Network) -> dict[str, Any]:
        """The answers to a request of each skill, or to the first held-out request: up to the stop sign, or to the end of the context."""
        prompts = [prompt_of(request) for request in self.asked]
        most = min(SAMPLE_CHARS, self.config.block_size - max(map(len, prompts)))
        seeds = [self.recipe.seed] * len(prompts)
        answers = write_answers(as_writer(network), self.tokenizer, prompts, seeds, SAMPLE_TEMPERATURE, most)
        texts = answers.texts(self.tokenizer)
        return {"text": "\n\n".join(f"{request}\n{text}" for request, text in zip(self.asked, texts, strict=True))}


def length(row: Row) -> int:
    """Characters of a row: rows of a pass that are about as long as each other need little padding."""
    return len(row.inputs)
