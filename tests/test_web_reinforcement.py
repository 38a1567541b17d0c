"""Runs of reinforcement learning over real HTTP: what ships, what was trained here, and what is left of them where files are damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from model.catalogue import Catalogue
from model.serving.engine import Engine
from model.training.run import Run
from model.training.trainer import Trainer
from model.weights import Weights
from tests.support.admin import Admin
from tests.support.answering import answering, learner
from tests.support.routes import serving_routes
from ui.web import reinforcement
from ui.web.reinforcement import MEASURES, NOTHING_YET

WORDS = "It says E, whatever it is asked."


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps."""
    folder = tmp_path_factory.mktemp("policy") / "free"
    task = learner(answering(), steps=6, eval_interval=2, kl_weight=0.0)
    list(Trainer.start(Run(folder), task, torch.device("cpu"), torch.float32).steps())
    return folder


@pytest.fixture
def house(tmp_path: Path, trained: Path) -> Path:
    """A folder with weights that ship and with runs."""
    shutil.copytree(trained, tmp_path / "weights" / "assistant" / "unbound")
    (tmp_path / "weights" / "assistant" / "unbound" / "about.txt").write_text(f"{WORDS}\n", encoding="utf-8")
    shutil.copytree(trained, tmp_path / "runs" / "mine")
    return tmp_path


@pytest.fixture
def url(house: Path, tiny: Weights) -> Iterator[str]:
    with serving_routes(Engine(tiny, catalogue := Catalogue(house / "weights", house / "runs")), catalogue, house / "runs") as url:
        yield url


def runs_of(url: str) -> list[dict[str, Any]]:
    status, answer = Admin(url).get("/assistant/runs")
    assert status == 200
    return answer["runs"]


def test_the_runs_are_those_of_reinforcement_learning_shipped_ones_first(url: str, trained: Path) -> None:
    shipped, mine = runs_of(url)
    assert (shipped["id"], shipped["source"], shipped["about"]) == ("unbound", "shipped", WORDS)
    assert (mine["id"], mine["source"], mine["about"]) == ("mine", "run", "")
    lines = Run(trained).metrics()
    steps, evaluations = ([line for line in lines if ("loss" in line) is is_step] for is_step in (True, False))
    for run in (shipped, mine):
        assert (run["state"], run["trouble"], run["kl_weight"], run["reward"]) == ("finished", "", 0.0, "rule")
        for found, expected in ((run["steps"], steps), (run["evaluations"], evaluations)):
            assert found == {name: [line[name] for line in expected] for name in ("step", *MEASURES)}
        assert run["samples"] == [{"step": line["step"], "texts": line["texts"]} for line in Run(trained).samples()]
        assert [len(sample["texts"]) for sample in run["samples"]] == [22] * 4


def test_long_runs_are_thinned(url: str, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reinforcement, "CURVE_POINTS", 4)
    monkeypatch.setattr(reinforcement, "EVALUATIONS", 3)
    run = runs_of(url)[0]
    rewards = [line["reward"] for line in Run(trained).metrics() if "loss" in line]
    assert run["steps"]["step"] == [2, 4, 6]
    assert run["steps"]["reward"] == pytest.approx([sum(rewards[i : i + 2]) / 2 for i in (0, 2, 4)], abs=1e-6)
    assert run["evaluations"]["step"] == [sample["step"] for sample in run["samples"]] == [0, 4, 6]


def test_damaged_files_cost_only_what_they_held(url: str, house: Path) -> None:
    folder = house / "runs" / "mine"
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    samples[0]["texts"][0]["score"] = "high"
    samples[1]["texts"] = 5
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    (house / "weights" / "assistant" / "unbound" / "config.json").write_text("{")
    (run,) = runs_of(url)
    assert [(sample["step"], len(sample["texts"])) for sample in run["samples"]] == [(0, 21), (4, 22), (6, 22)]


def test_a_run_that_measured_nothing_yet_says_so(url: str, house: Path) -> None:
    (house / "runs" / "mine" / "metrics.jsonl").unlink()
    run = runs_of(url)[1]
    assert run["trouble"] == NOTHING_YET
    assert run["steps"] == run["evaluations"] == {name: [] for name in ("step", *MEASURES)}


def test_a_run_that_begins_is_listed_and_hides_no_other(url: str, house: Path, trained: Path) -> None:
    """Until the trainer has read its parent, a run is a job.json."""
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    asked = {"preset": "policy-free", "task": "policy", "network": config["network"], "recipe": config["about"]["recipe"]}
    folder = house / "runs" / "begun"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(asked | {"name": "Begun", "corpus": {"name": "reward: rule"}}), encoding="utf-8")
    found = {run["name"]: run for run in runs_of(url)}
    assert found.keys() == {"unbound", "mine", "Begun"}
    begun = found["Begun"]
    assert (begun["trouble"], begun["reward"], begun["kl_weight"], begun["samples"]) == (NOTHING_YET, None, 0.0, [])
