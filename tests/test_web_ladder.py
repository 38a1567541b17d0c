"""The lecture's ladder over real HTTP: what ships, and what is left of it where weights are missing or damaged."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.catalogue import Catalogue
from model.ladder import RUNGS
from model.serving.engine import Engine
from model.weights import SHIPPED_WEIGHTS, WEIGHTS_FOLDER, Weights
from tests.support.admin import Admin
from tests.support.routes import serving_routes
from tests.support.viewing import Viewer, texts_of

LADDER = "/learning/ladder"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder of weights with the rungs that ship, of which some can be damaged, and no GPT."""
    shutil.copytree(WEIGHTS_FOLDER / "ladder", tmp_path / "weights" / "ladder")
    return tmp_path / "weights"


@pytest.fixture
def shipped_url(tiny: Weights) -> Iterator[str]:
    with serving_routes(Engine(tiny, catalogue := Catalogue(WEIGHTS_FOLDER)), catalogue) as url:
        yield url


def rungs_of(url: str) -> list[dict[str, Any]]:
    """The rungs, as a page is told of them."""
    status, told = Admin(url).get(LADDER)
    assert status == 200
    return told["rungs"]


def test_the_ladder_leads_from_the_bigram_to_the_shipped_gpt(shipped_url: str) -> None:
    rungs = rungs_of(shipped_url)
    assert [rung["id"] for rung in rungs] == [rung.id for rung in RUNGS]
    assert len(rungs) == 9
    assert [rung["trouble"] for rung in rungs] == [""] * 9
    by_id = {rung["id"]: rung for rung in rungs}
    assert (by_id["bigram"]["key"], by_id["gpt"]["key"]) == ("96e5e20c", "e63aab5d")
    assert by_id["layer-norm"]["n_params"] == 42_369
    assert [by_id[name]["context"] for name in ("bigram", "layer-norm", "small-gpt", "gpt")] == [1, 8, 32, 256]
    assert [rung["vocab_size"] for rung in rungs] == [65] * 9
    assert (by_id["gpt"]["n_params"], by_id["gpt"]["val_loss"], by_id["gpt"]["file"]) == (10_745_088, 1.413139, "model/network/gpt.py")
    assert (by_id["bigram"]["lecture_loss"], by_id["no-residual"]["lecture_loss"]) == (2.5, None)
    assert [rung["id"] for rung in rungs if rung["note"]] == ["no-residual", "residual", "small-gpt", "gpt"]
    shipped = json.loads((SHIPPED_WEIGHTS / "config.json").read_text(encoding="utf-8"))
    for words in (f"{shipped['about']['recipe']['steps']:,} steps", shipped["about"]["recipe"]["optimizer"], shipped["network"]["dropout"]):
        assert str(words) in by_id["gpt"]["note"]
    for rung in rungs:
        assert "{" not in rung["note"]
        assert rung["id"] in ("no-residual", "gpt") or abs(rung["val_loss"] - rung["lecture_loss"]) < 0.03  # the gpt is trained otherwise
        assert all(line.keys() == {"number", "text", "is_new"} for line in rung["lines"])
        assert rung["about"].endswith(".")
    presets = {preset["id"] for preset in Admin(shipped_url).get("/train/presets")[1]["presets"]}
    assert {rung["preset"] for rung in rungs} <= presets


def test_the_models_stand_in_the_ladders_order(shipped_url: str) -> None:
    models = Admin(shipped_url).get("/models")[1]["models"]
    assert [model["key"] for model in models if model["source"] == "ladder"] == [rung["key"] for rung in rungs_of(shipped_url)[:-1]]


def test_every_rung_writes_under_its_key(shipped_url: str) -> None:
    for rung in rungs_of(shipped_url)[:-1]:
        status, model = Admin(shipped_url).get(f"/models/{rung['key']}")
        assert (status, model["kind"] == "gpt", model["shows"]) == (200, False, [])
        with Viewer(shipped_url) as viewer:
            first = viewer.ask(prompt="ROMEO:", length=20, samples=1, seed=1337, model=rung["key"])
            (text,) = texts_of(viewer.rest())
        assert (first["model"], len(text)) == (rung["key"], 20)


def test_damaged_and_missing_weights_are_named_and_the_rest_works(tiny: Weights, house: Path) -> None:
    os.truncate(house / "ladder" / "one-head" / "model.safetensors", 1_000)
    (house / "ladder" / "residual" / "config.json").write_text("{")
    shutil.rmtree(house / "ladder" / "layer-norm")
    with serving_routes(Engine(tiny, catalogue := Catalogue(house)), catalogue) as url:
        rungs = {rung["id"]: rung for rung in rungs_of(url)}
    lost = {
        "one-head": "ladder/one-head/model.safetensors is damaged",
        "residual": "ladder/residual/config.json is not a valid config.json",
    }
    lost |= {"layer-norm": "train the preset ladder-layer-norm", "gpt": "Restore the folder weights/shakespeare"}
    for name, rung in rungs.items():
        assert lost.get(name, "") in rung["trouble"]
        assert bool(rung["trouble"]) == (name in lost)
        assert (rung["key"] == "", rung["val_loss"] is None) == (name in lost, name in lost)
        assert rung["n_params"] > 0
        assert rung["lines"]
        assert str(house) not in rung["trouble"]
    assert rungs["layer-norm"]["n_params"] == 42_369
