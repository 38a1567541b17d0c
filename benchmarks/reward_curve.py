"""How many comparisons a reward model needs: its accuracy on comparisons kept back, after learning from more and more of them.

    python -m benchmarks.reward_curve runs/judge weights/assistant/reward
    python -m benchmarks.reward_curve runs/judge weights/judge --sizes 50 --sizes-with-votes 300 --steps 2      to see that it runs

The first folder is a run that has finished; each model here learns from the first so many of its comparisons, made by rule, with its parent
and its recipe. "votes": the last 300 of them are votes, of which a tenth was cast the wrong way round. A model reads its comparisons twice,
and takes at least 60 steps. The second folder has the weights that were exported from the run: their own accuracy is the end of the curve.
What is found is written there, to curve.json, which the page shows.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.assistant.comparisons import Comparison, Comparisons
from model.assistant.reward import CURVE_FILE, RewardModel
from model.config import TrainConfig
from model.files import write_atomically
from model.program import run_program
from model.statistics import wilson
from model.training.presets import FromParent
from model.training.run import Run
from model.training.tasks.fine_tuning import Start
from model.training.tasks.reward import LearnReward
from model.training.trainer import Trainer
from model.weights import find_folder, load_weights

SIZES = (50, 100, 200, 500, 1_000, 2_000)
VOTES, WRONG_SHARE = 300, 0.1
SIZES_WITH_VOTES = (300, 500, 1_000, 2_000)
EPOCHS, LEAST_STEPS = 2, 60
TAILS = (0.05, 0.95)  # of the scores, cut off from the range of the page's colours


def recipe_for(n: int, recipe: TrainConfig, steps: int | None) -> TrainConfig:
    """The recipe with steps for n comparisons, and an evaluation at the end."""
    steps = steps or max(LEAST_STEPS, math.ceil(EPOCHS * n / recipe.batch_size))
    return replace(recipe, steps=steps, eval_interval=steps)


def with_votes(comparisons: Comparisons, n_votes: int) -> Comparisons:
    """Comparisons of which the last are votes, a tenth of them wrong."""
    first = len(comparisons) - n_votes
    wrong = {*random.Random(0).sample(range(first, len(comparisons)), round(WRONG_SHARE * n_votes))}
    turned = (Comparison(one.request, one.worse, one.better) if i in wrong else one for i, one in enumerate(comparisons.comparisons))
    return replace(comparisons, comparisons=(*turned,))


def share_json(right: float, n: int) -> dict[str, Any]:
    """An accuracy with its interval."""
    low, high = wilson(right, n)
    return {"n": n, "accuracy": round(right, 4), "low": round(low, 4), "high": round(high, 4)}


def judged(judge: RewardModel, comparisons: Comparisons) -> dict[str, Any]:
    """The accuracy of a reward model, and the range of its scores."""
    scores = np.array([[judge.score(one.request, answer).score for answer in one[1:]] for one in comparisons.comparisons])  # (n, 2)
    right = float(((np.sign(scores[:, 0] - scores[:, 1]) + 1) / 2).mean())
    return {"accuracy": share_json(right, len(scores)), "range": np.quantile(scores, TAILS).round(2).tolist()}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run of the task reward")
    parser.add_argument("weights", type=Path, help="folder of the weights exported from it; gets curve.json")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of comparisons")
    parser.add_argument(
        "--sizes-with-votes", type=int, nargs="*", default=SIZES_WITH_VOTES, help=f"likewise, with {VOTES} votes among them"
    )
    parser.add_argument("--steps", type=int, help="optimizer steps of each model (default: by its number of comparisons)")
    options = parser.parse_args()

    run, judge = Run(options.run), RewardModel.load(options.weights)
    task, plan = LearnReward.resume(run), run.plan()
    parent = load_weights(find_folder(task.start.parent, options.run), merge=False)
    start = Start.of(parent, FromParent(dropout=task.config.dropout))
    held_out, n = task.held_out, len(task.train)

    def accuracy(comparisons: Comparisons) -> float:
        recipe = recipe_for(len(comparisons), plan.recipe, options.steps)
        learning = LearnReward.begin(start, recipe, comparisons, held_out)
        with tempfile.TemporaryDirectory() as folder:
            *_, last = Trainer.start(Run(Path(folder) / "run"), learning, torch.device("cpu"), plan.dtype).steps()
        return float(last["accuracy"])

    curve: list[dict[str, Any]] = []
    sizes = [("rule", size) for size in options.sizes if size < n] + [("votes", size) for size in options.sizes_with_votes if size <= n]
    for kind, size in sizes:
        some = replace(task.train, comparisons=task.train.comparisons[:size])
        found = accuracy(with_votes(some, min(VOTES, size)) if kind == "votes" else some)
        curve.append({"kind": kind, "comparisons": size, **share_json(found, len(held_out))})
        print(json.dumps(curve[-1]), flush=True)
    of_weights = judged(judge, held_out)
    curve.append({"kind": "rule", "comparisons": n, **of_weights["accuracy"]})
    print(json.dumps(of_weights))
    curve.sort(key=lambda point: (point["kind"], point["comparisons"]))
    content = {"sha256": judge.sha256, **of_weights, "curve": curve}
    write_atomically(options.weights / CURVE_FILE, (json.dumps(content, indent=1) + "\n").encode())


if __name__ == "__main__":
    run_program(main)
