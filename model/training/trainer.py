"""The training loop: batches of a task in, metrics and checkpoints out.

Everything random is a function of (seed, step), so on the same CPU a run that was killed at any moment and resumed gives exactly the
numbers of an uninterrupted one. (On a GPU some of PyTorch's sums have no fixed order; the numbers are close.)

    python -m model train --preset shakespeare --run shakespeare
    python -m model train --run shakespeare --resume
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from model.config import EncoderDecoderConfig, GPTConfig, NetworkConfig
from model.errors import CheckpointError, TrainingError
from model.files import write_atomically
from model.network import Network
from model.network.dropout import SharedRows
from model.precision import name_of, training_dtype
from model.training.optim import flatten_state, make_optimizers, restore_state, set_learning_rate, state_like, update_average
from model.training.processes import ALONE, Processes
from model.training.run import Metrics, Run
from model.training.snapshots import snapshot_steps
from model.training.tasks.task import Rows, Task
from model.weights import BEST_FILE, check_tensors, config_json, load_tensors, save_tensors


class EvaluationStoppedError(Exception):
    """An evaluation was interrupted."""


class RowsLoss(nn.Module):
    """The loss of some rows, as a module, for `Processes.parallel`."""

    def __init__(self, task: Task, network: Network):
        super().__init__()
        self.task, self.network = task, network

    def forward(self, rows: Rows, generator: torch.Generator) -> Tensor:
        return self.task.loss(self.network, rows, generator)


class Trainer:
    """One run, from its first step or from its last checkpoint.

    Attributes:
        learned: the parameters that the training changes, by name; the network's own tensors.
        step: optimizer steps done.
        best: the lowest validation loss so far, in nats per character.
    """

    def __init__(self, run: Run, task: Task, device: torch.device, dtype: torch.dtype, processes: Processes = ALONE):
        if processes.count > 1 and not task.is_shared:
            raise TrainingError(f"Several processes cannot share the task {task.name}: train it without torchrun.")
        self.run, self.task, self.recipe, self.device, self.processes = run, task, task.recipe, device, processes
        self.model = task.make_network().to(device)
        self.model.compute_dtype = dtype
        self.loss: nn.Module = RowsLoss(task, self.model)
        self.optimizers = make_optimizers(self.model, self.recipe)
        self.learned = self.model.learned()
        self.average = {key: tensor.clone() for key, tensor in self.learned.items()} if self.recipe.average else {}
        self.dropout_dice = SharedRows(device)
        self.snapshot_steps = frozenset(snapshot_steps(self.recipe, sum(map(torch.numel, self.learned.values()))))
        self.step, self.best, self.elapsed_s = 0, math.inf, 0.0
        self._is_interrupted = self._lacks_snapshot = False
        self.about = {"recipe": asdict(self.recipe), **task.about(), "precision": name_of(dtype)}

    @classmethod
    def start(cls, run: Run, task: Task, device: torch.device, dtype: torch.dtype | None = None, processes: Processes = ALONE) -> Trainer:
        """A new run.

        Args:
            dtype: the precision of matrix products; None measures which is faster, and keeps it for the whole run.

        Raises:
            TrainingError: the folder already holds a run, or several processes cannot share the task.
        """
        if run.exists():
            raise TrainingError(f"{run.folder} already holds a run. Resume it (--resume) or choose another name (--run).")
        trainer = cls(run, task, device, dtype or _faster_dtype(task.config, device), processes)
        run.check_is_there()
        for name, content in task.files().items():
            write_atomically(run.folder / name, content)
        write_atomically(run.folder / "config.json", config_json(task.config, task.tokenizer, trainer.about))
        return trainer

    @classmethod
    def resume(cls, run: Run, task: Task, device: torch.device, processes: Processes = ALONE) -> Trainer:
        """A run from its newest usable checkpoint, or from its beginning if it was stopped before the first.

        Args:
            task: the one that the run was started with.

        Raises:
            CheckpointError: there is nothing to resume, or no checkpoint is usable.
        """
        trainer = cls(run, task, device, run.plan().dtype, processes)
        if run.has_checkpoint():
            trainer._restore()
            run.forget_after(trainer.step, with_evaluation=trainer._has_best())
        elif reached := max((line["step"] for line in run.metrics()), default=0):
            raise CheckpointError(
                f"{run.folder} has no checkpoint, although it reached step {reached:,}. Restore last.safetensors, or start a new run."
            )
        else:
            run.forget_after(-1)  # the evaluation of step 0 is repeated
        return trainer

    def meet(self) -> None:
        """Brings all processes to where the first one is. To be called before the first step in each."""
        self.step, has_state = self.processes.same((self.step, self.step > 0))
        if self.processes.count > 1 and has_state:
            state = flatten_state(self.optimizers) or {name: torch.empty_like(like) for name, like in state_like(self.optimizers).items()}
            self.processes.spread(state)
            restore_state(self.optimizers, state)
        self.processes.spread(self.average)
        self.loss = self.processes.parallel(self.loss)

    def follow(self) -> None:
        """Takes part in each step of the first process, until that ends."""
        while self.processes.same(None):
            self.optimize()

    def steps(self) -> Iterator[Metrics]:
        """Trains to the end, and yields the metrics of each step and each evaluation once they are on disk. The first evaluation is at
        step 0, before the network has learned anything.

        Raises:
            TrainingError: the run has diverged, or its folder was taken away.
            LostProcessError: another process has ended; this one is at the step that was done last.
            CheckpointError: a checkpoint cannot be written.
            EvaluationStoppedError: `interrupt` was called during an evaluation.
        """
        began = time.monotonic() - self.elapsed_s
        if self.step == 0:
            self._keep_snapshot()
        if self._lacks_evaluation():
            yield self._check(began)
        while self.step < self.recipe.steps:
            self.processes.same(True)  # to those that follow
            metrics = self.optimize()
            self.elapsed_s = time.monotonic() - began
            metrics["elapsed_s"] = round(self.elapsed_s, 2)
            self.run.log(metrics)
            self._keep_snapshot()  # before the checkpoint of this step, so that no resumed run lacks it
            news = [metrics]
            if self._is_evaluated_now():
                news.append(self._check(began))
            yield from news  # only now, so that a caller who stops here does not skip the evaluation

    def _is_evaluated_now(self) -> bool:
        return self.step % self.recipe.eval_interval == 0 or self.step == self.recipe.steps

    def _lacks_evaluation(self) -> bool:
        """Whether this step still needs its evaluation: step 0, or an evaluation that was interrupted."""
        return self._is_evaluated_now() and not any("val_loss" in line and line["step"] == self.step for line in self.run.metrics())

    def _check(self, began: float) -> Metrics:
        """An evaluation, followed by a checkpoint."""
        metrics = self._evaluate()
        self.run.log(metrics)
        self.elapsed_s = time.monotonic() - began
        self.save()
        return metrics

    def save(self) -> None:
        """Writes a checkpoint of the current state."""
        tensors = {f"model.{key}": tensor for key, tensor in self.learned.items()}
        tensors |= {f"average.{key}": tensor for key, tensor in self.average.items()}
        tensors |= flatten_state(self.optimizers)
        self.run.save(tensors, {"step": self.step, "best": self.best, "elapsed_s": self.elapsed_s})

    def _keep_snapshot(self) -> None:
        """Keeps the weights of this step, or their running average, if it is a step of a snapshot. A run can do without: if they cannot be
        written, that is said once, and the training goes on."""
        if self.step not in self.snapshot_steps:
            return
        try:
            self.run.save_snapshot(self.step, self.average or self.learned)
        except CheckpointError as error:
            if not self._lacks_snapshot:
                self._lacks_snapshot = True
                self.run.add_notice(f"A snapshot is missing, and the training goes on without it: {error}")

    def _restore(self) -> None:
        expected = {f"model.{key}": tensor for key, tensor in self.learned.items()}
        expected |= {f"average.{key}": tensor for key, tensor in self.average.items()}

        def check(path: Path, tensors: dict[str, Tensor], step: int) -> None:
            check_tensors(path, tensors, expected | (state_like(self.optimizers) if step else {}))

        tensors, metadata = self.run.load(check)
        self.step, self.best, self.elapsed_s = metadata["step"], metadata["best"], metadata["elapsed_s"]
        for name, tensor in expected.items():  # these are the live tensors themselves
            tensor.copy_(tensors[name])
        if self.step:  # before the first step the optimizers have no state
            restore_state(self.optimizers, tensors)

    def _has_best(self) -> bool:
        """Whether the best weights so far are there. If they are lost, the next evaluation's take their place."""
        if math.isinf(self.best):  # there are none yet
            return True
        path = self.run.folder / BEST_FILE
        try:
            check_tensors(path, load_tensors(path)[0], self.learned)
        except CheckpointError:
            self.best = math.inf
            self.run.notices.append(f"{BEST_FILE} was missing or damaged. The weights of the next evaluation take its place.")
            return False
        return True

    def optimize(self) -> Metrics:
        """One optimizer step."""
        self.model.train()
        self.dropout_dice.manual_seed((self.recipe.seed * 1_000_003 + self.step) % 2**63)
        share = self.task.rate(self.step)
        set_learning_rate(self.optimizers, share)
        batch = self.task.batch(self.step, self.model)
        total, loss = self.task.weight(batch), 0.0
        passes = list(zip(*(tensor.split(self.recipe.micro_batch_size) for tensor in batch), strict=True))
        for number, rows in enumerate(passes):
            mine, counts = self.processes.part(rows, self.dropout_dice)
            weight = self.task.weight(mine) if counts else 0
            with self.processes.averaging(self.loss, now=number == len(passes) - 1):
                loss += self._backward(tuple(tensor.to(self.device) for tensor in mine), weight, total) * weight / total
        loss = self.processes.total(loss, self.device)
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip).item()
        if self.processes.leads:
            self._check_divergence(loss if math.isfinite(grad_norm) else grad_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self.average:
            update_average(self.average, self.model, self.recipe.average, self.step)
        self.step += 1
        learning_rate = self.recipe.learning_rate * share
        metrics = {"step": self.step, "loss": round(loss, 6), "learning_rate": round(learning_rate, 8), "grad_norm": round(grad_norm, 6)}
        return metrics | self.task.measured()

    def _check_divergence(self, loss: float) -> None:
        """
        Raises:
            TrainingError: the run has diverged. The loss of a healthy run never gets far above that of uniform guessing.
        """
        uniform = self.task.chance_loss
        if loss <= self.task.diverged * uniform:  # false for NaN
            return
        found = f"{loss:.4g}" if math.isfinite(loss) else "not a number any more"
        raise TrainingError(
            f"The run has diverged: after step {self.step} the loss is {found}; uniform guessing has {uniform:.2f}. "
            f"Start again with a lower learning rate than {self.recipe.learning_rate:g}. The last good checkpoint is kept."
        )

    def _backward(self, rows: Rows, weight: int, total: int) -> float:
        """Adds the gradient of some rows, weighted by their share of the batch, and returns their mean loss."""
        loss = self.loss(rows, self.dropout_dice)
        (loss * weight / total * self.processes.count).backward()  # of which the mean over the processes is taken
        return loss.item()

    def _evaluate(self) -> Metrics:
        """Metrics of the weights and of their average. The better of the two writes a sample, and is kept if it is the best so far."""
        found = self._evaluate_weights()
        metrics: Metrics = {"step": self.step, **found}
        candidates = [(found, self.learned)]
        if self.average and self.step:  # at first they are the same
            with self._averaged():
                found = self._evaluate_weights()
            metrics |= {f"{name}_average": value for name, value in found.items()}
            candidates.append((found, self.average))
        found, tensors = min(candidates, key=lambda candidate: candidate[0]["val_loss"])
        with self._averaged() if tensors is self.average else nullcontext():
            self.run.log_sample(self.step, self.task.sample(self.model))
        if found["val_loss"] < self.best:
            self.best = found["val_loss"]
            save_tensors(self.run.folder / BEST_FILE, tensors, {"step": self.step, **found})
        return metrics

    def _evaluate_weights(self) -> Metrics:
        """
        Raises:
            TrainingError: the run has diverged; such weights are not kept.
            EvaluationStoppedError: `interrupt` was called.
        """
        metrics = self.task.evaluate(self.model, self._stop_if_interrupted)
        self._check_divergence(metrics["val_loss"])
        return metrics

    def interrupt(self) -> None:
        """Ends a running evaluation after its current pass; a resumed run repeats it. May be called by a signal handler."""
        self._is_interrupted = True

    def _stop_if_interrupted(self) -> None:
        if self._is_interrupted:
            raise EvaluationStoppedError

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The network with the running average of its weights."""
        latest = {key: tensor.clone() for key, tensor in self.learned.items()}
        self._set_weights(self.average)
        try:
            yield
        finally:
            self._set_weights(latest)

    def _set_weights(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in self.learned.items():
            tensor.copy_(tensors[name])


def _faster_dtype(network: NetworkConfig, device: torch.device) -> torch.dtype:
    """The precision in which the network trains faster; float32 where it multiplies no matrices."""
    return training_dtype(network.n_embd, device) if isinstance(network, (GPTConfig, EncoderDecoderConfig)) else torch.float32
