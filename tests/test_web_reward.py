"""The reward model over real HTTP: scores, verdicts, the comparisons kept back, and what is said where the model is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest
import torch

from model.assistant.comparisons import HELD_OUT_FILE, Comparison, Comparisons
from model.assistant.pairs import row_text
from model.assistant.reward import CURVE_FILE, RewardModel, Scores
from model.catalogue import Catalogue
from model.config import LoRAConfig
from model.limits import MAX_VIEWER_WAITING
from model.serving.engine import Engine
from model.weights import Adapter, Weights, hash_file, load_weights, save_weights
from tests.support.admin import Admin
from tests.support.reward import reward_network
from tests.support.routes import serving_routes
from ui.web.reward import comparisons_json

KEPT_BACK = Comparisons(
    "kept back", tuple(Comparison(f"Insult me, {n}.", f"Thou villain {n}!", f"I thank thee {n}.") for n in "abcdefghijklmnop")
)
MEASURED: dict[str, Any] = {
    "accuracy": {"n": 16, "accuracy": 0.75, "low": 0.5, "high": 0.9},
    "range": [-1.5, 2.5],
    "curve": [{"kind": "rule", "comparisons": 50, "n": 16, "accuracy": 0.7, "low": 0.4, "high": 0.8}],
}


@pytest.fixture
def house(tmp_path: Path, make_model: Any, tiny: Weights) -> Path:
    """A folder of weights: a small random base, and a reward model made from it that was measured."""
    base, folder = tmp_path / "weights" / "base", tmp_path / "weights" / "assistant" / "reward"
    save_weights(base, make_model(block_size=64), tiny.tokenizer, {})
    shape, root = LoRAConfig(rank=2), load_weights(base)
    save_weights(folder, reward_network(root.model, shape), tiny.tokenizer, {"task": "reward", **Adapter(shape, root.origin).about()})
    (folder / HELD_OUT_FILE).write_bytes(KEPT_BACK.content)
    (folder / CURVE_FILE).write_text(json.dumps(MEASURED | {"sha256": hash_file(folder / "model.safetensors")}))
    return tmp_path / "weights"


@pytest.fixture
def url(tiny: Weights, house: Path) -> Iterator[str]:
    with serving_routes(Engine(tiny), Catalogue(house)) as url:
        yield url


def test_an_answer_is_scored_after_each_character_and_after_the_stop_sign(url: str, house: Path) -> None:
    told = Admin(url).do("/assistant/reward", request="Insult me.", answer="Thou art a villain…")
    assert told["chars"] == "Thou art a villain..."
    assert told["notice"] == ""
    judge = RewardModel.load(house / "assistant" / "reward")
    text = row_text("Insult me.", told["chars"])
    ids = judge.tokenizer.encode(text)
    begin = text.index("Thou")
    expected = [float(judge.scores(torch.tensor([ids[: n + 1]]), torch.tensor([n + 1]))) for n in range(begin, len(ids))]
    assert told["scores"] == pytest.approx(expected[: len(told["chars"])], abs=1e-3)
    assert told["score"] == pytest.approx(expected[-1], abs=1e-3)
    assert len({*told["scores"]}) > 1
    assert (told["rule"]["skill"], told["rule"]["obeys"]) == ("insult", True)
    assert "villain" in told["rule"]["why"]


def test_a_request_for_no_skill_has_no_verdict_and_unknown_characters_are_named(url: str) -> None:
    told = Admin(url).do("/assistant/reward", request="What is love?", answer="A ☃ in summer.")
    assert told["rule"] is None
    assert told["chars"] == "A  in summer."
    assert "☃" in told["notice"]


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"request": "Insult me."}, "The answer must be a text."),
    ({"request": 5, "answer": "No."}, "The request must be a text."),
    ({"request": "", "answer": "No."}, "The request is empty."),
    ({"request": "Insult me.", "answer": " "}, "The answer is empty."),
    ({"request": "Insult me.", "answer": "☃"}, "The model does not know the characters of the answer: ‘☃’."),
    ({"request": "Insult me.", "answer": "No.\n\nYes."}, "The answer begins or ends with a newline or has an empty line"),
    ({"request": "Insult me.", "answer": "No" * 40}, "have 90 characters together; this model reads at most 59"),
    ({"request": "Insult me.", "answer": "N" * 20_000}, "has 20,000 characters; the maximum is"),
    ({"request": "Insult me.", "answer": "No.", "model": "x"}, "There is no setting 'model'"),
)


def test_what_cannot_be_scored_is_refused(url: str) -> None:
    for asked, message in REFUSED:
        status, told = Admin(url).post("/assistant/reward", **asked)
        assert status == 400
        assert message in told["error"]


def test_a_viewer_has_so_many_texts_scored_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go: Future[Scores] = Future()
    monkeypatch.setattr(Engine, "run", lambda engine, work: let_go)
    n = MAX_VIEWER_WAITING + 1
    with ThreadPoolExecutor(n) as pool:
        asked = [pool.submit(Admin(url).post, "/assistant/reward", request="Insult me.", answer="No.", viewer="ada") for _ in range(n)]
        status, refused = next(as_completed(asked)).result()
        let_go.set_result(Scores([0.0] * len("No."), 1.0))
        assert sorted(each.result()[0] for each in asked) == [200] * MAX_VIEWER_WAITING + [503]
    assert (status, refused["error"].partition(".")[0]) == (503, f"{MAX_VIEWER_WAITING} of your texts are already being scored")


def test_the_comparisons_kept_back_come_with_what_was_measured_on_them(url: str) -> None:
    status, told = Admin(url).get("/assistant/comparisons")
    assert (status, told["trouble"]) == (200, "")
    assert {name: told[name] for name in MEASURED} == MEASURED
    for one, expected in zip(told["comparisons"], KEPT_BACK.comparisons, strict=True):
        assert (one["request"], one[one["better"]]) == (expected.request, expected.better)
        assert {one["a"], one["b"]} == {expected.better, expected.worse}
    assert {one["better"] for one in told["comparisons"]} == {"a", "b"}
    assert Admin(url).get("/assistant/comparisons")[1] == told  # the sides stay


def test_where_there_is_no_usable_model_that_is_said(tiny: Weights, house: Path, tmp_path: Path) -> None:
    with serving_routes(Engine(tiny), Catalogue(tmp_path / "empty")) as url:
        told = Admin(url).get("/assistant/comparisons")[1]
        assert (told["comparisons"], told["accuracy"]) == ([], None)
        assert "cannot be used" in told["trouble"]
        status, refused = Admin(url).post("/assistant/reward", request="Insult me.", answer="Villain!")
        assert (status, str(tmp_path) in refused["error"]) == (400, False)
        assert "There is no folder reward" in refused["error"]
    folder = house / "assistant" / "reward"
    (folder / CURVE_FILE).write_text(json.dumps(MEASURED | {"sha256": "00"}))
    assert "curve.json cannot be used: it was measured on other weights" in comparisons_json(folder)["trouble"]
    (folder / CURVE_FILE).write_text("{")
    assert "curve.json cannot be used" in comparisons_json(folder)["trouble"]
