"""The routes of the Assistant tab over real HTTP: its models and skills, the examples, and the rule's verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import torch

from model.assistant.skills import SKILLS, skill_of
from model.catalogue import Catalogue
from model.config import BigramConfig
from model.data import TINY_SHAKESPEARE_ALPHABET
from model.limits import MAX_NEW_CHARS, MAX_REQUEST_CHARS, MAX_SAMPLES
from model.network.ladder import Bigram
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import load_weights, save_weights
from tests.support.admin import Admin
from tests.support.routes import serving_routes

OBEYS: dict[str, Any] = {"n": 330, "temperature": 0.8, "skills": {}, "mean": {"n": 330, "obeys": 0.9, "low": 0.86, "high": 0.93}}


@dataclass(frozen=True)
class App:
    """An app with a base model, a supervised one, and damaged files in the place of the reinforced one."""

    url: str
    folder: Path

    def get(self, path: str = "", **query: Any) -> tuple[int, Any]:
        return Admin(self.url).get(f"/assistant{path}{'?' if query else ''}{urlencode(query)}")

    def judge(self, **body: Any) -> tuple[int, Any]:
        return Admin(self.url).post("/assistant/judge", **body)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("weights")
    tokenizer, config = CharTokenizer(TINY_SHAKESPEARE_ALPHABET), BigramConfig(vocab_size=len(TINY_SHAKESPEARE_ALPHABET))
    for seed, name in enumerate(("shakespeare", "assistant/supervised")):
        about = {"best": {"step": 100, "val_loss": 1.0, "plays_loss": 1.5}}
        save_weights(folder / name, Bigram(config, torch.Generator().manual_seed(seed)), tokenizer, about)
    evaluations = [{"step": 0, "plays_loss": 1.4}, {"step": 50, "loss": 0.9}, {"step": 100, "plays_loss": 1.5}]
    (folder / "assistant/supervised/metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in evaluations) + '{"step": 1')
    obeys = json.dumps(OBEYS | {"sha256": load_weights(folder / "assistant/supervised").sha256})
    (folder / "assistant/supervised/obeys.json").write_text(obeys)
    (folder / "shakespeare/obeys.json").write_text(obeys)  # not of these weights
    (folder / "assistant/reinforced").mkdir()
    (folder / "assistant/reinforced/config.json").write_text("{")
    catalogue = Catalogue(folder)
    with serving_routes(Engine(load_weights(folder / "shakespeare"), catalogue), catalogue) as url:
        yield App(url, folder)


def test_each_stage_has_its_model_or_says_what_is_missing(app: App) -> None:
    status, told = app.get()
    assert status == 200
    models = {model["id"]: model for model in told["models"]}
    assert [*models] == ["base", "supervised", "reinforced", "unbound"]
    keys = {model["id"]: model["key"] for model in Admin(app.url).get("/models")[1]["models"]}
    assert (models["base"]["key"], models["supervised"]["key"]) == (keys["shakespeare"], keys["assistant/supervised"])
    assert "assistant/reinforced" in models["reinforced"]["trouble"]
    assert str(app.folder) not in models["reinforced"]["trouble"]
    assert models["unbound"]["trouble"] == "The weights of this model are missing. Restore the folder weights/assistant/unbound."
    assert [models[id]["key"] for id in ("reinforced", "unbound")] == ["", ""]
    obeys = told["obeys"].pop("supervised")
    assert obeys | OBEYS == obeys
    assert told["obeys"] == {"base": None, "reinforced": None, "unbound": None}
    assert told["forgetting"] == {"base": 1.4, "supervised": 1.5, "reinforced": None, "unbound": None}


def test_the_requests_of_a_skill_are_kept_back_from_the_examples(app: App) -> None:
    told = app.get()[1]
    assert [skill["id"] for skill in told["skills"]] == [skill.id for skill in SKILLS]
    for skill, known in zip(told["skills"], SKILLS, strict=True):
        assert len(skill["requests"]) > 3
        assert not {*skill["requests"]} & {*known.phrasings}
        for request in skill["requests"]:
            assert skill_of(request) is known
            assert len(request) <= told["request_chars"] == MAX_REQUEST_CHARS


def test_examples_come_in_pages_and_name_what_the_loss_counts(app: App, corpus_path: Path) -> None:
    first = app.get("/examples")[1]
    assert first["n"] == sum(first["counts"].values())
    assert first["counts"].keys() == {skill.id for skill in SKILLS}
    size = len(first["examples"])
    assert app.get("/examples", **{"from": size})[1]["examples"][0] not in first["examples"]
    assert app.get("/examples", **{"from": first["n"]})[1]["examples"] == []
    *_, last = app.get("/examples", **{"from": first["n"] - 1})[1]["examples"]
    assert (first["examples"][0]["is_held_out"], last["is_held_out"]) == (False, True)
    shouts = app.get("/examples", skill="shout")[1]
    assert shouts["n"] == first["counts"]["shout"]
    for example in first["examples"] + shouts["examples"]:
        read, learned = example["row"][: example["is_read"]], example["row"][example["is_read"] :]
        assert (read, learned) == (f"\n\n{example['request']}\n", f"{example['answer']}\n\n")
    assert all(example["answer"] == example["request"].removeprefix("Shout: ").upper() for example in shouts["examples"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"skill": "sing"}, "There is no skill 'sing'. Choose one of those in GET /assistant, or none for all."),
        ({"skill": "shout\n" * 99}, "There is no skill"),
        ({"from": "-1"}, "from must be a whole number from 0."),
        ({"from": "1.5"}, "from must be a whole number from 0."),
        ({"from": "9" * 200}, "from must be a whole number from 0."),
    ],
)
def test_examples_that_cannot_be_meant_are_refused(app: App, query: dict[str, str], words: str) -> None:
    status, told = app.get("/examples", **query)
    assert status == 400
    assert told["error"].startswith(words)


def test_without_a_corpus_it_is_said_where_to_put_it(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "gone.txt"))
    catalogue = Catalogue(app.folder)
    with serving_routes(Engine(load_weights(app.folder / "shakespeare"), catalogue), catalogue) as url:
        status, told = Admin(url).get("/assistant/examples")
    assert (status, told["examples"], told["n"]) == (200, [], 0)
    assert "gone.txt" in told["trouble"]
    assert str(tmp_path) not in told["trouble"]
    assert "SOLILOQUY_CORPUS" in told["trouble"]


def test_the_rule_judges_answers_and_says_why(app: App) -> None:
    status, told = app.judge(request="Shout: good night", answers=["GOOD NIGHT", "Good night."])
    assert status == 200
    assert told["skill"] == "shout"
    assert [verdict["obeys"] for verdict in told["verdicts"]] == [True, False]
    assert "GOOD NIGHT" in told["verdicts"][1]["why"]
    assert app.judge(request="Insult me.", answers=[])[1] == {"skill": "insult", "verdicts": []}
    assert app.judge(request="What is the time?", answers=["Noon.", ""])[1] == {"skill": None, "verdicts": []}
    half = app.judge(request="Shout: \ud800", answers=["\ud800"])
    assert half == (200, {"skill": "shout", "verdicts": [{"obeys": False, "why": "the right answer is “?”"}]})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"answers": []}, "The request must be a text of at most 150 characters."),
        ({"request": ["Insult me."], "answers": []}, "The request must be a text"),
        ({"request": "x" * (MAX_REQUEST_CHARS + 1), "answers": []}, "The request must be a text"),
        ({"request": "Insult me."}, f"The answers must be a list of at most {MAX_SAMPLES} texts."),
        ({"request": "Insult me.", "answers": "Villain."}, "The answers must be a list"),
        ({"request": "Insult me.", "answers": ["x"] * (MAX_SAMPLES + 1)}, "The answers must be a list"),
        ({"request": "Insult me.", "answers": ["Villain.", None]}, "Each answer must be a text of at most 2,000 characters."),
        ({"request": "Insult me.", "answers": ["x" * (MAX_NEW_CHARS + 1)]}, "Each answer must be a text"),
        ({"request": "Insult me.", "answers": [], "skill": "shout"}, "There is no setting 'skill'."),
    ],
)
def test_what_cannot_be_judged_is_refused(app: App, body: dict[str, Any], words: str) -> None:
    status, told = app.judge(**body)
    assert status == 400
    assert told["error"].startswith(words)
