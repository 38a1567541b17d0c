"""Pre- and post-norm over real HTTP: what ships, what was trained here, and what is left where files are missing or damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.catalogue import Catalogue
from model.lecture import LOSSES
from model.meaning.norms import RUNS
from model.network.kinds import kind_of
from model.serving.engine import Engine
from model.training.presets import PRESETS
from model.training.run import Run
from model.weights import MEANING_FOLDER, WEIGHTS_FOLDER, Weights, load_weights
from tests.conftest import ROOT
from tests.support.admin import Admin
from tests.support.routes import serving_routes
from ui.web.meaning_norm import NOTHING_YET

SHIPPED = WEIGHTS_FOLDER / MEANING_FOLDER


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder of weights with the networks and runs that ship, and a runs folder with a copy of one."""
    for name in RUNS:
        shutil.copytree(SHIPPED / name, tmp_path / "weights" / "meaning" / name)
    mine = tmp_path / "runs" / "mine"
    shutil.copytree(SHIPPED / "post-norm", mine, ignore=shutil.ignore_patterns("model.safetensors"))
    (mine / "job.json").write_text(json.dumps({"name": "Mine", "preset": "post-norm"}), encoding="utf-8")
    shutil.copytree(mine, tmp_path / "runs" / "another")
    (tmp_path / "runs" / "another" / "job.json").write_text(json.dumps({"name": "Another", "preset": "quick"}), encoding="utf-8")
    return tmp_path


@pytest.fixture
def url(house: Path, tiny: Weights) -> Iterator[str]:
    with serving_routes(Engine(tiny, catalogue := Catalogue(house / "weights", house / "runs")), catalogue, house / "runs") as url:
        yield url


def answer_of(url: str) -> dict[str, Any]:
    status, answer = Admin(url).get("/meaning/norm")
    assert status == 200
    return answer


def best_of(folder: Path) -> float:
    """The lowest validation loss of a run."""
    return min(line["val_loss"] for line in Run(folder).metrics() if "val_loss" in line)


def test_the_blocks_are_shown_by_the_lines_that_run(url: str) -> None:
    norms = {norm["id"]: norm for norm in answer_of(url)["norms"]}
    code = {name: [line["text"].strip() for line in norm["lines"]] for name, norm in norms.items()}
    assert code == {
        "pre-norm": ["x = self.attn(self.ln_1(x), x, shared)", "return self.mlp(self.ln_2(x), x, shared)"],
        "post-norm": ["x = self.ln_1(self.attn(x, x, shared))", "return self.ln_2(self.mlp(x, x, shared))"],
    }
    for norm in norms.values():
        source = (ROOT / norm["file"]).read_text(encoding="utf-8").splitlines()
        assert all(source[line["number"] - 1] == line["text"] for line in norm["lines"])


def test_what_ships_is_listed_with_its_curves_and_recipes(url: str) -> None:
    answer = answer_of(url)
    assert answer["bigram_loss"] == LOSSES["bigram"]
    shipped = {run["id"]: run for run in answer["runs"] if run["source"] == "shipped"}
    assert {name: run["norm"] for name, run in shipped.items()} == RUNS
    recipes = {name: (run["learning_rate"], run["warmup_steps"]) for name, run in shipped.items()}
    assert len({*recipes.values()}) == len(RUNS) / 2  # each recipe with both norms
    for name, run in shipped.items():
        assert (run["trouble"], run["state"], run["steps"]) == ("", "finished", 1_200)
        metrics = [json.loads(line) for line in (SHIPPED / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        evaluated = [(line["step"], line["val_loss"]) for line in metrics if "val_loss" in line]
        assert [*zip(run["val"]["step"], run["val"]["loss"], strict=True)] == evaluated
        assert 100 <= len(run["train"]["step"]) == len(run["train"]["loss"]) <= 300
        assert len(run["sample"]) == 300


def test_both_networks_ship_with_the_presets_weights(url: str) -> None:
    for norm in answer_of(url)["norms"]:
        weights, preset = load_weights(SHIPPED / norm["id"]), PRESETS[norm["id"]]
        assert (norm["key"], norm["trouble"], norm["n_params"]) == (weights.key, "", weights.model.n_params())
        assert weights.kind == kind_of(preset.network)
        assert weights.about["recipe"] == vars(preset.recipe)
        assert weights.val_loss == best_of(SHIPPED / norm["id"])


def test_a_run_of_this_server_comes_after_those_that_ship(url: str) -> None:
    own = [run for run in answer_of(url)["runs"] if run["source"] == "run"]
    assert [(run["id"], run["name"], run["norm"]) for run in own] == [("mine", "Mine", "post-norm")]
    assert own[0]["val"]["step"][-1] == 1_200


def test_what_is_missing_or_damaged_is_said_and_hides_nothing_else(url: str, house: Path) -> None:
    (house / "weights" / "meaning" / "post-norm" / "model.safetensors").unlink()
    shutil.rmtree(house / "weights" / "meaning" / "pre-norm")
    (house / "runs" / "mine" / "config.json").write_text("{", encoding="utf-8")
    (house / "weights" / "meaning" / [*RUNS][-1] / "metrics.jsonl").unlink()
    answer = answer_of(url)
    pre, post = answer["norms"]
    assert (pre["key"], post["key"]) == ("", "")
    assert pre["trouble"] == "The weights of this network are missing. Restore the folder weights/meaning/pre-norm."
    assert "model.safetensors" in post["trouble"]
    assert str(house) not in json.dumps(answer)
    runs = {run["id"]: run for run in answer["runs"]}
    assert runs.keys() == RUNS.keys() - {"pre-norm"} | {"mine"}
    assert "is not a valid config.json" in runs["mine"]["trouble"]
    assert runs[[*RUNS][-1]]["trouble"] == NOTHING_YET
    assert all(run["trouble"] == "" for name, run in runs.items() if name not in {"mine", [*RUNS][-1]})


def test_post_norm_needs_the_warm_up_and_pre_norm_does_not() -> None:
    """As the page and weights/meaning/README.md say."""
    best = {name: best_of(SHIPPED / name) for name in RUNS}
    assert all(best[name] < 2.1 for name, norm in RUNS.items() if norm == "pre-norm")
    assert best["post-norm"] < best["pre-norm"] < 1.9
    assert min(best["post-norm-short-warmup"], best["post-norm-no-warmup"]) > 3.3
    assert best["post-norm-low-rate"] < 2.0
