"""The reinforced models that ship: what was promised of them, and the hack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.training.presets import PRESETS, recipe_of
from model.training.run import Run
from model.weights import WEIGHTS_FOLDER, hash_file, load_weights, weights_path

ASSISTANT = WEIGHTS_FOLDER / "assistant"
REINFORCED, BOUND, UNBOUND = (ASSISTANT / name for name in ("reinforced", "bound", "unbound"))


def about_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["about"]


def evaluations_of(folder: Path) -> dict[int, dict[str, float]]:
    return {int(line["step"]): line for line in Run(folder).metrics() if "val_loss" in line}


def obeys_of(folder: Path) -> dict[str, Any]:
    obeys = json.loads((folder / "obeys.json").read_text(encoding="utf-8"))
    assert obeys["sha256"] == load_weights(folder).sha256
    assert obeys["temperature"] == 0.8
    assert obeys["n"] >= 300
    return obeys["mean"]


@pytest.mark.parametrize("folder", [REINFORCED, BOUND, UNBOUND], ids=lambda folder: folder.name)
def test_they_were_made_from_the_shipped_models(folder: Path) -> None:
    about = about_of(folder)
    assert about["task"] == "policy"
    assert about["parent"]["sha256"] == hash_file(weights_path(ASSISTANT / "supervised"))
    if about["reward"]["kind"] == "learned":
        assert about["reward"]["sha256"] == hash_file(weights_path(ASSISTANT / "reward"))
    evaluations = evaluations_of(folder)
    assert evaluations[about["best"]["step"]] == about["best"]
    assert all(line["kl"] >= 0 for line in Run(folder).metrics())
    assert [sample["step"] for sample in Run(folder).samples()] == [*evaluations]
    assert (folder / "about.txt").read_text(encoding="utf-8").strip()


def test_the_reinforced_model_obeys_in_many_words() -> None:
    mean = obeys_of(REINFORCED)
    assert mean["obeys"] >= 0.9
    assert mean["distinct"] >= 0.8
    assert obeys_of(ASSISTANT / "supervised")["obeys"] < mean["low"]


def test_without_the_penalty_the_learned_reward_rises_and_the_rule_falls() -> None:
    evaluations = evaluations_of(UNBOUND)
    first, last = evaluations[0], evaluations[max(evaluations)]
    assert recipe_of("policy", about_of(UNBOUND)["recipe"]) == PRESETS["policy-free"].recipe
    assert last["reward"] > first["reward"] + 2
    assert last["rule"] < first["rule"] - 0.25
    assert obeys_of(UNBOUND)["high"] < obeys_of(ASSISTANT / "supervised")["low"]


def test_the_penalty_keeps_the_model_near_its_parent() -> None:
    free, held = (evaluations_of(folder) for folder in (UNBOUND, BOUND))
    last = max(held)
    assert held[0]["reward"] == free[0]["reward"]  # the same start and the same dice
    assert held[last]["kl"] < free[last]["kl"] / 4
    assert held[last]["rule"] > free[last]["rule"] + 0.2
