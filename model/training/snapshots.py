"""The snapshots of a run: its weights at a few steps, so that one can watch it learn.

The steps are close together at the beginning, where most happens. Step 0 and the last step are among them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from model.config import TrainConfig
from model.errors import CheckpointError
from model.files import read_file, write_atomically
from model.limits import MAX_SNAPSHOT_BYTES
from model.training.run import METRICS_FILE, SAMPLES_FILE, Run
from model.weights import BEST_FILE, CONFIG_FILE, load_tensors, load_weights, snapshot_path, snapshot_paths

EARLY_SHARE = 0.01  # of the steps; below it, snapshots are spaced evenly, above it by a constant factor
BYTES_PER_PARAMETER = 2


def snapshot_steps(recipe: TrainConfig, n_params: int) -> list[int]:
    """The steps at which a run keeps a snapshot, in order: at most as many as the recipe asks for, fewer in a run of few evaluations or of
    a large network, whose snapshots would take more than MAX_SNAPSHOT_BYTES. The first and the last step are kept whatever they take.

    Steps beyond the first evaluation are rounded to steps with an evaluation, so that the validation loss is known there.
    """
    early = EARLY_SHARE * recipe.steps
    span = math.log1p(recipe.steps / early)
    number = min(recipe.snapshots, max(2, MAX_SNAPSHOT_BYTES // (BYTES_PER_PARAMETER * n_params)))
    shares = [1 - i / max(1, number - 1) for i in range(number)]  # from the end, so that one snapshot is the last
    return sorted({_with_evaluation(early * math.expm1(span * share), recipe) for share in shares})


def _with_evaluation(step: float, recipe: TrainConfig) -> int:
    if step <= recipe.eval_interval:
        return min(round(step), recipe.steps)
    evaluated = recipe.eval_interval * round(step / recipe.eval_interval)
    return recipe.steps if step >= recipe.steps - 0.5 else min(evaluated, recipe.steps)


def export_run(source: Path, target: Path) -> list[int]:
    """Writes what can be watched of a run to a folder of its own: its curve, its samples and its snapshots, with its best weights among
    them. Returns the steps of the snapshots.

    Raises:
        CheckpointError: both are the same folder, the run has no snapshots, a file is damaged, or one cannot be read or written. What was
            exported there before may then be a mixture, but no snapshot of it is lost.
    """
    if source.resolve() == target.resolve():
        raise CheckpointError(f"{target} is the folder of the run itself. Choose another one to export to.")
    run, kept = Run(source), snapshot_paths(source)
    run.plan()
    if not kept:
        raise CheckpointError(f"{source} has no snapshots. Train a run with --snapshots above 0.")
    for path in kept.values():
        load_weights(source, snapshot=path)  # checks it
    tensors, best = load_tensors(source / BEST_FILE)
    before = snapshot_paths(target)
    for step, path in kept.items():
        write_atomically(snapshot_path(target, step), _content(path))
    steps = {*kept}
    if type(best.get("step")) is int and best["step"] not in kept:
        steps.add(best["step"])
        Run(target).save_snapshot(best["step"], tensors)
    for name, lines in ((METRICS_FILE, run.metrics()), (SAMPLES_FILE, run.samples())):
        write_atomically(target / name, "".join(json.dumps(line) + "\n" for line in lines).encode())
    write_atomically(target / CONFIG_FILE, read_file(source / CONFIG_FILE))
    for path in (path for step, path in before.items() if step not in steps):
        _delete(path)
    return [*snapshot_paths(target)]


def _content(path: Path) -> bytes:
    """
    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def _delete(path: Path) -> None:
    """
    Raises:
        CheckpointError: the file cannot be deleted.
    """
    try:
        path.unlink()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be deleted: {error.strerror}.") from error
