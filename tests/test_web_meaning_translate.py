"""The encoder-decoder and the GPT beside it over real HTTP: answers, steps and weights as the networks give them, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.catalogue import Catalogue
from model.config import EncoderDecoderConfig, GPTConfig, TranslateConfig
from model.limits import MAX_BEAMS
from model.meaning.rules import RULES, VOCABULARY
from model.meaning.translator import Translator
from model.network.kinds import make_network
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import Weights, save_weights
from tests.support.admin import Admin
from tests.support.routes import serving_routes

LONGEST = 6
SHAPES: dict[str, EncoderDecoderConfig | GPTConfig] = {
    "reversal": EncoderDecoderConfig(vocab_size=len(VOCABULARY), block_size=2 * LONGEST + 2, n_layer=2, n_head=2, n_embd=16),
    "reversal-gpt": GPTConfig(vocab_size=len(VOCABULARY), block_size=4 * LONGEST + 4, n_layer=1, n_head=2, n_embd=16),
}
FOLDERS = {"encoder-decoder": "reversal", "gpt": "reversal-gpt"}
WEIGHT_STEP = 1 / 65_535


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights with two small random networks for the reversal, and none for the other task."""
    weights = tmp_path_factory.mktemp("weights")
    about = {"recipe": asdict(TranslateConfig(rule="reversal", longest=LONGEST))}
    for seed, (name, shape) in enumerate(SHAPES.items()):
        network = make_network(shape, torch.Generator().manual_seed(seed))
        save_weights(weights / "meaning" / name, network, CharTokenizer(VOCABULARY), about)
    return weights


@pytest.fixture
def url(tiny: Weights, house: Path) -> Iterator[str]:
    with serving_routes(Engine(tiny), Catalogue(house)) as url:
        yield url


def translate(url: str, text: str, beams: int = 1, task: str = "reversal") -> dict[str, Any]:
    told: dict[str, Any] = Admin(url).do("/meaning/translate", task=task, text=text, beams=beams)
    return told


def numbers(told: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Weights of attention, from the wire."""
    return np.frombuffer(base64.b64decode(told["weights"]), "<u2").reshape(told["shape"]) * WEIGHT_STEP


@pytest.mark.parametrize("beams", [1, 3])
def test_both_networks_answer_with_all_steps_and_weights(url: str, house: Path, beams: int) -> None:
    told = translate(url, "honest", beams)
    assert (told["source"], told["right"], told["notice"]) == ("honest", "tsenoh", "")
    for kind, name in FOLDERS.items():
        made, answer = Translator.load(house / "meaning" / name).translate("honest", beams), told["networks"][kind]
        assert (answer["text"], answer["target"], answer["ended"]) == (made.text, made.target, made.ended)
        assert (answer["is_right"], answer["trouble"]) == (made.ended and made.text == "tsenoh", "")
        assert len(answer["steps"]) == len(made.target)
        for step, expected in zip(answer["steps"], made.steps, strict=True):
            assert [char for char, _ in step["top"]] == [char for char, _ in expected.top]
            assert [p for _, p in step["top"]] == pytest.approx([p for _, p in expected.top], abs=1e-5)
            assert [(text, parent) for text, _, parent in step["beams"]] == [(beam.text, beam.parent) for beam in expected.beams]
            assert 1 <= len(step["beams"]) <= beams
        kinds = {"encoder", "decoder", "cross"} if kind == "encoder-decoder" else {"decoder"}
        assert answer["attention"].keys() == kinds
        for each in kinds:
            weights = numbers(answer["attention"][each])
            np.testing.assert_allclose(weights, getattr(made.attention, each), atol=WEIGHT_STEP)
            np.testing.assert_allclose(weights.sum(-1), 1, atol=weights.shape[-1] * WEIGHT_STEP)
    cross = told["networks"]["encoder-decoder"]["attention"]["cross"]["shape"]
    assert cross == [2, 2, len(told["networks"]["encoder-decoder"]["target"]), len("honest\n")]


def test_a_text_is_read_in_the_networks_vocabulary(url: str) -> None:
    told = translate(url, "a☃b\u2019c")
    assert (told["source"], told["right"]) == ("ab'c", "c'ba")
    assert "☃" in told["notice"]
    assert translate(url, "ab'c")["notice"] == ""  # the notice belongs to what was typed


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"task": "reversal"}, "The text must be a text."),
    ({"text": "abc"}, "The task must be one of these: reversal, early-modern."),
    ({"task": ["reversal"], "text": "abc"}, "The task must be one of these"),
    ({"task": "reversal", "text": ""}, "There is no text"),
    ({"task": "reversal", "text": "  "}, "There is no text"),
    ({"task": "reversal", "text": "☃☃"}, "Left out, because the model does not know them: ‘☃’"),
    ({"task": "reversal", "text": "a\nb"}, "one line"),
    ({"task": "reversal", "text": "a" * (2 * LONGEST + 1)}, f"learned texts of up to {LONGEST}"),
    ({"task": "reversal", "text": "a" * 20_000}, "has 20,000 characters; the maximum is"),
    ({"task": "reversal", "text": "abc", "beams": 0}, f"from 1 to {MAX_BEAMS}"),
    ({"task": "reversal", "text": "abc", "beams": MAX_BEAMS + 1}, f"from 1 to {MAX_BEAMS}"),
    ({"task": "reversal", "text": "abc", "beams": True}, f"from 1 to {MAX_BEAMS}"),
    ({"task": "reversal", "text": "abc", "beams": "1"}, f"from 1 to {MAX_BEAMS}"),
    ({"task": "reversal", "text": "abc", "model": "x"}, "There is no setting 'model'"),
    ({"task": "early-modern", "text": "You are."}, "This network cannot be used. There is no folder early-modern"),
)


def test_what_cannot_be_translated_is_refused(url: str, house: Path) -> None:
    for asked, message in REFUSED:
        status, told = Admin(url).post("/meaning/translate", **asked)
        assert (status, message in told["error"], str(house) in told["error"]) == (400, True, False), (asked, told)


def test_the_tasks_are_told_with_their_networks(url: str) -> None:
    tasks = Admin(url).get("/meaning/translators")[1]["tasks"]
    assert [(task["id"], task["title"], tuple(task["examples"])) for task in tasks] == [
        (rule.id, rule.title, rule.examples) for rule in RULES.values()
    ]
    reversal, other = (task["networks"] for task in tasks)
    for kind, name in FOLDERS.items():
        about = reversal[kind]
        assert (about["trouble"], about["longest"], about["n_layer"]) == ("", LONGEST, SHAPES[name].n_layer)
        assert about["most"] >= LONGEST
        assert about["figures"] is None  # nothing was measured of these
        assert "There is no folder early-modern" in other[kind]["trouble"]


def test_one_network_answers_where_the_other_is_missing(tiny: Weights, house: Path, tmp_path: Path) -> None:
    (tmp_path / "meaning").mkdir()
    (tmp_path / "meaning" / "reversal").symlink_to(house / "meaning" / "reversal")
    with serving_routes(Engine(tiny), Catalogue(tmp_path)) as url:
        networks = translate(url, "abc")["networks"]
    assert networks["encoder-decoder"]["target"]
    assert networks["gpt"].keys() == {"trouble"}
    assert "There is no folder reversal-gpt" in networks["gpt"]["trouble"]


def test_others_have_their_turn_between_the_passes_of_a_search(tiny: Weights, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, works = Engine(tiny), 0
    run = engine.run

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal works
        works += 1
        return run(*args, **kwargs)

    monkeypatch.setattr(engine, "run", counted)
    with serving_routes(engine, Catalogue(house)) as url:
        told = translate(url, "honest", 3)
    assert works >= sum(len(answer["steps"]) + 2 for answer in told["networks"].values())
