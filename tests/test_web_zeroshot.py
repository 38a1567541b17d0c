"""Zero-shot over real HTTP: kinds and results, pairs with log-probabilities, choices, speakers, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.catalogue import Catalogue
from model.evaluation import Window, window_logits
from model.limits import MAX_ENDING_CHARS, MAX_ENDINGS, MAX_PROMPT_CHARS
from model.meaning.minimal_pairs import KINDS, make_pairs
from model.meaning.speakers import NAMES
from model.meaning.zeroshot import ZEROSHOT_FILE, about, chance, save
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import Weights
from tests.support.admin import Admin
from tests.support.routes import serving_routes
from ui.web.meaning_zeroshot import MAX_SPEECH_CHARS, PAIRS_AT_ONCE

FOLDER = "meaning"


@pytest.fixture
def reader(make_model: Any) -> Weights:
    """A small random network with the characters of the plays."""
    tokenizer = CharTokenizer("\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    return Weights("reader", make_model(block_size=32, vocab_size=len(tokenizer)), tokenizer, {}, "ab" * 32)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder of weights with results."""
    pairs = make_pairs(None, per_kind=3)
    save(tmp_path / FOLDER, {"pairs": "", "corpus": "", "precision": "", "models": [about("chance") | chance(pairs)], "speakers": {}})
    return tmp_path


@pytest.fixture
def url(reader: Weights, house: Path) -> Iterator[str]:
    with serving_routes(Engine(reader), Catalogue(house)) as url:
        yield url


def log_prob_of(weights: Weights, before: str, char: str) -> float:
    """By the network's own logits, from the window that a character is drawn from."""
    ids = weights.tokenizer.encode(before)
    start = weights.model.config.window_start(len(ids))
    logits = window_logits(weights.model, ids, Window(start, len(ids) - 1, len(ids)))[0].astype(np.float64)
    return float(logits[weights.tokenizer.encode(char)[0]] - np.log(np.exp(logits).sum()))


def test_kinds_and_results_are_told_and_damage_is_said(url: str, house: Path) -> None:
    _, told = Admin(url).get("/meaning/zeroshot")
    assert [kind["id"] for kind in told["kinds"]] == [kind.id for kind in KINDS]
    assert {kind["source"] for kind in told["kinds"]} == {"rule", "plays"}
    assert told["trouble"] == ""
    assert told["models"][0]["mean"]["right"] == 0.5
    assert told["speakers"]["names"] == [*NAMES]
    assert told["max_speech_chars"] == MAX_SPEECH_CHARS


def test_missing_results_leave_the_kinds(reader: Weights, tmp_path: Path) -> None:
    with serving_routes(Engine(reader), Catalogue(tmp_path)) as url:
        _, told = Admin(url).get("/meaning/zeroshot")
    assert (told["models"], told["speakers"], len(told["kinds"])) == ([], None, len(KINDS))
    assert told["trouble"].startswith("There are no results.")
    assert f"{FOLDER}/{ZEROSHOT_FILE}" in told["trouble"]
    assert str(tmp_path) not in told["trouble"]


def test_pairs_come_with_the_models_own_log_probabilities(url: str, reader: Weights) -> None:
    told = Admin(url).do("/meaning/pairs", kind="thou", **{"from": 2})
    assert (told["kind"], told["from"], len(told["pairs"])) == ("thou", 2, PAIRS_AT_ONCE)
    assert told["n"] >= 100
    pair = told["pairs"][0]
    right, wrong, first = pair["right"], pair["wrong"], pair["from"]
    assert right["text"][:first] == wrong["text"][:first]
    assert right["text"][first] != wrong["text"][first]
    for text in (right, wrong):
        assert len(text["log_probs"]) == len(text["text"])
        assert text["sum"] == pytest.approx(sum(text["log_probs"]), abs=0.01)
        for i in (0, first, len(text["text"]) - 1):
            before = pair["context"] + text["text"][:i]
            assert text["log_probs"][i] == pytest.approx(log_prob_of(reader, before, text["text"][i]), abs=2e-3)


def test_choices_are_ordered_three_ways(url: str, reader: Weights) -> None:
    endings = ["dead.", "a cabbage, sir.", "in love"]
    told = Admin(url).do("/meaning/choices", beginning="The king is…", endings=endings)
    assert told["beginning"] == "The king is..."
    assert [ending["text"] for ending in told["endings"]] == endings
    for ending in told["endings"]:
        assert ending["per_character"] == pytest.approx(ending["sum"] / len(ending["text"]), abs=1e-3)
        assert ending["corrected"] == pytest.approx(ending["sum"] - ending["alone"], abs=1e-3)
        alone = sum(log_prob_of(reader, "\n" + ending["text"][:i], char) for i, char in enumerate(ending["text"]))
        assert ending["alone"] == pytest.approx(alone, abs=0.01)
    for order, places in told["orders"].items():
        assert places == sorted(range(3), key=lambda i: -told["endings"][i][order])


def test_an_empty_beginning_is_a_newline_and_unknown_characters_are_named(url: str) -> None:
    told = Admin(url).do("/meaning/choices", beginning="", endings=["Ay ☃", "No"])
    assert [ending["text"] for ending in told["endings"]] == ["Ay ", "No"]
    assert "☃" in told["notice"]
    assert told["endings"][1]["corrected"] == pytest.approx(0, abs=1e-3)


REFUSED = (
    ("pairs", {"kind": "thou", "from": -1}, "from must be a whole number"),
    ("pairs", {"kind": "thou", "from": 10_000}, "from must be a whole number"),
    ("pairs", {"kind": "spelling"}, "The kind must be one of letters,"),
    ("pairs", {"kind": ["thou"]}, "The kind must be one of letters,"),
    ("pairs", {"kind": {}}, "The kind must be one of letters,"),
    ("choices", {"endings": ["one"]}, f"Give 2 to {MAX_ENDINGS} endings to choose from, not 1."),
    ("choices", {"endings": [*"abcdefghi"]}, f"Give 2 to {MAX_ENDINGS} endings to choose from, not 9."),
    ("choices", {"endings": "ab"}, "The endings must be a list of texts."),
    ("choices", {"endings": ["a", 5]}, "The endings must be a list of texts."),
    ("choices", {"endings": ["a", "b", "a"]}, "Endings 1 and 3 are the same."),
    ("choices", {"endings": ["don't", "don’t"]}, "Endings 1 and 2 are the same."),
    ("choices", {"endings": ["a", " "]}, "Ending 2 is empty."),
    ("choices", {"endings": ["a", "☃"]}, "The model does not know the characters of ending 2: ‘☃’."),
    ("speakers", {"text": "你 好"}, "The model does not know the characters of the speech: ‘你’, ‘好’."),
    ("choices", {"endings": ["a", "b" * 10_000]}, f"Ending 2 has 10,000 characters; the maximum is {MAX_ENDING_CHARS}."),
    ("choices", {"endings": ["a", "b"], "beginning": "a" * (MAX_PROMPT_CHARS + 1)}, "The prompt has 10,001 characters"),
    ("speakers", {"text": " "}, "The speech is empty."),
    ("speakers", {"text": 7}, "text"),
    ("speakers", {"text": "a" * 10_000}, f"The speech has 10,000 characters; the maximum is {MAX_SPEECH_CHARS}."),
)


def test_bad_input_is_refused_in_words(url: str) -> None:
    for path, body, words in REFUSED:
        status, told = Admin(url).post(f"/meaning/{path}", **body)
        assert (status, words in told["error"]) == (400, True), told


def test_speakers_are_told_from_the_likeliest(url: str, reader: Weights) -> None:
    told = Admin(url).do("/meaning/speakers", text="I am a king.")
    sums = [speaker["sum"] for speaker in told["speakers"]]
    assert sums == sorted(sums, reverse=True)
    assert {speaker["name"] for speaker in told["speakers"]} == {*NAMES}
    first = told["speakers"][0]
    expected = log_prob_of(reader, f"\n\n{first['name']}:\nI am a", " ")
    assert first["log_probs"][len("I am a")] == pytest.approx(expected, abs=2e-3)


def test_without_a_corpus_pairs_by_rule_remain(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "nothing.txt"))
    told = Admin(url).do("/meaning/pairs", kind="than")
    assert told["pairs"][0]["ngram"] is None
    status, refused = Admin(url).post("/meaning/pairs", kind="letters")
    assert status == 400
    assert "SOLILOQUY_CORPUS" in refused["error"]


def test_with_a_corpus_pairs_come_from_the_plays_beside_the_n_gram_model(url: str, corpus_path: Path) -> None:
    told = Admin(url).do("/meaning/pairs", kind="letters")
    assert len(told["pairs"]) == PAIRS_AT_ONCE
    for pair in told["pairs"]:
        assert pair["ngram"]["right"] != pair["ngram"]["wrong"]
        assert pair["ngram"]["right"] < 0
