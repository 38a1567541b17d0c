"""The training loop: batches in, metrics and checkpoints out.

Everything random is a function of (seed, step), so a run that was killed at any moment and resumed gives, on the same CPU, the
very numbers of a run that was not. (On a GPU some of PyTorch's sums have no fixed order; there the numbers are close.)

    python -m model train --preset shakespeare --run shakespeare
    python -m model train --run shakespeare --resume
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import GPTConfig, TrainConfig
from model.data import Batches, Corpus, split
from model.errors import CheckpointError, CorpusError, TrainingError
from model.evaluation import mean_loss
from model.files import write_atomically
from model.network.gpt import GPT
from model.precision import DTYPES, training_dtype
from model.tokenizer import CharTokenizer
from model.training.optim import flatten_state, make_optimizers, restore_state, schedule, set_learning_rate, update_average
from model.training.run import Metrics, Run
from model.training.samples import write_sample
from model.weights import check_tensors, config_json, read_config, save_tensors

DIVERGED = 3  # times the loss of a network that finds all characters as likely


class EvaluationStoppedError(Exception):
    """An evaluation was not finished."""


class Trainer:
    """One run, from its first step or from where it stood.

    Attributes:
        step: optimizer steps done.
        best: the lowest validation loss so far, in nats per character.
        notice: a word for the user on how the run was resumed, or "".
    """

    def __init__(self, run: Run, network: GPTConfig, recipe: TrainConfig, corpus: Corpus, device: torch.device, dtype: torch.dtype):
        self.run, self.recipe, self.device = run, recipe, device
        self.tokenizer = CharTokenizer.from_text(corpus.text)
        self.network = replace(network, vocab_size=len(self.tokenizer))
        ids = torch.tensor(self.tokenizer.encode(corpus.text))
        train_ids, self.validation_ids = split(ids, network.block_size)
        self.batches = Batches(train_ids, recipe.batch_size, network.block_size, recipe.seed, recipe.input_noise)
        self.model = GPT(self.network, torch.Generator().manual_seed(recipe.seed)).to(device)
        self.model.compute_dtype = dtype
        self.optimizers = make_optimizers(self.model, recipe)
        self.average = {key: tensor.clone() for key, tensor in self.model.state_dict().items()} if recipe.average else {}
        self.dropout_dice = torch.Generator(device)
        self.step, self.best, self.elapsed_s, self.notice = 0, math.inf, 0.0, ""
        self._is_interrupted = False
        self.about = {
            "recipe": asdict(recipe),
            "corpus": {"name": corpus.name, "characters": len(corpus.text), "sha256": corpus.sha256},
            "precision": str(dtype).removeprefix("torch."),
        }

    @classmethod
    def start(
        cls, run: Run, network: GPTConfig, recipe: TrainConfig, corpus: Corpus, device: torch.device, dtype: torch.dtype | None = None
    ) -> Trainer:
        """A new run.

        Args:
            dtype: what matrices are multiplied in; None takes the faster one, measured now and kept for the whole run.

        Raises:
            TrainingError: the folder holds a run already.
        """
        if run.exists():
            raise TrainingError(f"{run.folder} holds a run already. Go on with it (--resume) or give another name (--run).")
        trainer = cls(run, network, recipe, corpus, device, dtype or training_dtype(network.n_embd, device))
        write_atomically(run.folder / "config.json", config_json(trainer.network, trainer.tokenizer, trainer.about))
        return trainer

    @classmethod
    def resume(cls, run: Run, corpus: Corpus, device: torch.device) -> Trainer:
        """A run from its newest readable checkpoint, or from its beginning if it was stopped before the first.

        Raises:
            CheckpointError: nothing to resume, or nothing of it can be read.
            CorpusError: the corpus is not the one that the run began with.
        """
        network, _, about = read_config(run.folder)
        assert isinstance(network, GPTConfig)
        try:
            recipe, dtype, known = TrainConfig(**about["recipe"]), DTYPES[about["precision"]], about["corpus"]
            name, sha256 = known["name"], known["sha256"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{run.folder / 'config.json'} is not that of a run that can be resumed ({error}).") from None
        if sha256 != corpus.sha256:
            raise CorpusError(f"{run.folder} was trained on another text ({name}). Resume it with that one (--corpus).")
        trainer = cls(run, network, recipe, corpus, device, dtype)
        if run.has_checkpoint():
            trainer._restore()
            run.forget_after(trainer.step)
        else:
            run.forget_after(-1)  # the evaluation of step 0 comes again
        return trainer

    def steps(self) -> Iterator[Metrics]:
        """Trains to the end, and yields the metrics of each step and of each evaluation, already on disk. The first evaluation is that of
        step 0: what the network knows, and writes, before it has learned anything.

        Raises:
            TrainingError: the run has diverged.
            CheckpointError: a checkpoint cannot be written.
            EvaluationStoppedError: by `interrupt`, in an evaluation.
        """
        began = time.monotonic() - self.elapsed_s
        if self._lacks_evaluation():
            yield self._check(began)
        while self.step < self.recipe.steps:
            metrics = self.optimize()
            self.elapsed_s = time.monotonic() - began
            metrics["elapsed_s"] = round(self.elapsed_s, 2)
            self.run.log(metrics)
            news = [metrics]
            if self._is_evaluated_now():
                news.append(self._check(began))
            yield from news  # only now: whoever stops here leaves no evaluation out

    def _is_evaluated_now(self) -> bool:
        return self.step % self.recipe.eval_interval == 0 or self.step == self.recipe.steps

    def _lacks_evaluation(self) -> bool:
        """Whether this step's evaluation is still to come: that of step 0, or one in which the run was stopped."""
        return self._is_evaluated_now() and not any("val_loss" in line and line["step"] == self.step for line in self.run.metrics())

    def _check(self, began: float) -> Metrics:
        """An evaluation, followed by a checkpoint."""
        metrics = self._evaluate()
        self.run.log(metrics)
        self.elapsed_s = time.monotonic() - began
        self.save()
        return metrics

    def save(self) -> None:
        """Writes a checkpoint of this very moment."""
        tensors = {f"model.{key}": tensor for key, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{key}": tensor for key, tensor in self.average.items()}
        tensors |= flatten_state(self.optimizers)
        self.run.save(tensors, {"step": self.step, "best": self.best, "elapsed_s": self.elapsed_s})

    def _restore(self) -> None:
        expected = {f"model.{key}": tensor for key, tensor in self.model.state_dict().items()}
        expected |= {f"average.{key}": tensor for key, tensor in self.average.items()}

        def check(path: Path, tensors: dict[str, Tensor]) -> None:
            check_tensors(path, {key: tensor for key, tensor in tensors.items() if not key.startswith("optimizer.")}, expected)

        tensors, metadata, self.notice = self.run.load(check)
        try:
            self.step, self.best, self.elapsed_s = metadata["step"], metadata["best"], metadata["elapsed_s"]
        except KeyError as error:
            raise CheckpointError(f"The checkpoint in {self.run.folder} lacks {error}.") from None
        for name, tensor in expected.items():  # each is the live tensor itself
            tensor.copy_(tensors[name])
        if self.step:  # before the first step they remember nothing
            restore_state(self.optimizers, tensors)

    def optimize(self) -> Metrics:
        """One optimizer step."""
        self.model.train()
        self.dropout_dice.manual_seed((self.recipe.seed * 1_000_003 + self.step) % 2**63)
        share = schedule(self.step, self.recipe)
        set_learning_rate(self.optimizers, share)
        inputs, targets = self.batches(self.step)
        loss = 0.0
        for x, y in zip(inputs.split(self.recipe.micro_batch_size), targets.split(self.recipe.micro_batch_size), strict=True):
            loss += self._backward(x.to(self.device), y.to(self.device)) * len(x) / len(inputs)
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip).item()
        self._check_divergence(loss if math.isfinite(grad_norm) else grad_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.average:
            update_average(self.average, self.model, self.recipe.average, self.step)
        self.step += 1
        learning_rate = self.recipe.learning_rate * share
        return {"step": self.step, "loss": round(loss, 6), "learning_rate": round(learning_rate, 8), "grad_norm": round(grad_norm, 6)}

    def _check_divergence(self, loss: float) -> None:
        """
        Raises:
            TrainingError: the run has diverged. A healthy one never gets far above the loss with which it began.
        """
        of_knowing_nothing = math.log(max(2, self.network.vocab_size))
        if loss <= DIVERGED * of_knowing_nothing:  # what is no number is not below anything
            return
        found = f"{loss:.4g}" if math.isfinite(loss) else "no number any more"
        raise TrainingError(
            f"The run has diverged: after step {self.step} the loss is {found}, and {of_knowing_nothing:.2f} is that of knowing nothing. "
            f"Start again with a lower learning rate than {self.recipe.learning_rate:g}; the last good checkpoint is kept."
        )

    def _backward(self, x: Tensor, y: Tensor) -> float:
        """Adds a pass's gradient, weighted by its share of the batch, and returns the pass's mean loss."""
        logits = self.model(x, generator=self.dropout_dice)
        loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
        (loss * len(x) / self.recipe.batch_size).backward()
        return loss.item()

    def _evaluate(self) -> Metrics:
        """Losses of the weights and of their average on the validation text; the better writes a sample, and is kept if it is the
        best so far."""
        metrics: Metrics = {"step": self.step, "val_loss": self._validation_loss()}
        candidates = [(metrics["val_loss"], self.model.state_dict())]
        if self.average and self.step:  # at first they are the same
            with self._averaged():
                metrics["val_loss_average"] = self._validation_loss()
            candidates.append((metrics["val_loss_average"], self.average))
        loss, tensors = min(candidates, key=lambda candidate: candidate[0])
        with self._averaged() if tensors is self.average else nullcontext():
            self.run.log_sample(self.step, write_sample(self.model, self.tokenizer, self.recipe.seed))
        if loss < self.best:
            self.best = loss
            save_tensors(self.run.folder / "best.safetensors", tensors, {"step": self.step, "val_loss": self.best})
        return metrics

    def _validation_loss(self) -> float:
        """
        Raises:
            TrainingError: it is that of a run that has diverged; such weights are not kept.
            EvaluationStoppedError: by `interrupt`.
        """
        loss = mean_loss(self.model, self.validation_ids, each=self._heed)
        self._check_divergence(loss)
        return round(loss, 6)

    def interrupt(self) -> None:
        """Ends an evaluation under way as soon as it can be; it is made up for when the run is resumed. May be called by a signal."""
        self._is_interrupted = True

    def _heed(self) -> None:
        if self._is_interrupted:
            raise EvaluationStoppedError

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The network with the average of its weights."""
        latest = {key: tensor.clone() for key, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(latest)
