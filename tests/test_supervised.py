"""The supervised model that ships: what is said of it, and what was promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.assistant.answers import write_answers
from model.assistant.pairs import prompt_of
from model.assistant.skills import SKILLS
from model.training.presets import PRESETS, recipe_of
from model.training.run import Run
from model.weights import SHIPPED_WEIGHTS, WEIGHTS_FOLDER, Weights, load_weights

ASSISTANT = WEIGHTS_FOLDER / "assistant"
SUPERVISED = ASSISTANT / "supervised"
MAX_BYTES = 22e6  # of everything that ships for the assistant


@pytest.fixture(scope="module")
def supervised() -> Weights:
    return load_weights(SUPERVISED)


@pytest.fixture(scope="module")
def evaluations() -> dict[int, dict[str, float]]:
    return {int(line["step"]): line for line in Run(SUPERVISED).metrics() if "val_loss" in line}


def obeys_of(weights: Weights, folder: Any) -> dict[str, Any]:
    obeys = json.loads((folder / "obeys.json").read_text(encoding="utf-8"))
    assert obeys["sha256"] == weights.sha256
    assert (obeys["n"] >= 300, obeys["temperature"]) == (True, 0.8)
    return obeys


def test_it_is_made_of_adapters_for_the_shipped_model_by_the_recipe_of_the_preset(supervised: Weights) -> None:
    assert supervised.adapter
    assert supervised.adapter.base == load_weights(SHIPPED_WEIGHTS).origin
    assert supervised.about["parent"] == {"key": "e63aab5d", "sha256": supervised.adapter.base.sha256, "name": "shakespeare"}
    assert recipe_of("sft", supervised.about["recipe"]) == PRESETS["sft"].recipe
    assert sum(file.stat().st_size for file in ASSISTANT.rglob("*") if file.is_file()) <= MAX_BYTES


def test_it_obeys_where_its_base_does_not(supervised: Weights) -> None:
    obeys = obeys_of(supervised, SUPERVISED)
    assert obeys["mean"]["obeys"] >= 0.6
    assert obeys_of(load_weights(SHIPPED_WEIGHTS), SHIPPED_WEIGHTS)["mean"]["obeys"] <= 0.1
    exact = [obeys["skills"][skill.id] for skill in SKILLS if skill.one_answer]
    assert sum(round(found["obeys"] * found["n"]) for found in exact) >= 0.9 * sum(found["n"] for found in exact)


def test_it_forgets_little_of_the_plays(supervised: Weights, evaluations: dict[int, dict[str, float]]) -> None:
    best = supervised.about["best"]
    assert evaluations[best["step"]] == best
    assert 0 < best["plays_loss"] - evaluations[0]["plays_loss"] <= 0.1


def test_its_card_has_the_figures_of_its_files(supervised: Weights, evaluations: dict[int, dict[str, float]]) -> None:
    card = (ASSISTANT / "README.md").read_text(encoding="utf-8")
    obeys, best = obeys_of(supervised, SUPERVISED), supervised.about["best"]
    figures = [f"`{supervised.sha256}`", f"{evaluations[0]['plays_loss']:.4f}", f"{best['plays_loss']:.4f}", f"step {best['step']:,}"]
    figures += [f"| {skill.title} | {100 * obeys['skills'][skill.id]['obeys']:.0f} % |" for skill in SKILLS]
    assert [figure for figure in figures if figure not in card] == []


def test_it_answers_as_it_was_asked(supervised: Weights) -> None:
    requests = ["Shout: good night", "Echo: candle", "Twice: river"]
    answers = write_answers(supervised.model, supervised.tokenizer, [prompt_of(request) for request in requests], [0, 0, 0], 0.0)
    assert answers.texts(supervised.tokenizer) == ["GOOD NIGHT", "candle", "river river"]
