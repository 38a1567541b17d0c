"""The Data view's routes over real HTTP: texts and their numbers, the corpus, and the lecture's random chunks."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from model.catalogue import Catalogue
from model.config import BigramConfig, ChunkConfig
from model.data import TINY_SHAKESPEARE_ALPHABET, random_chunks
from model.errors import CorpusError
from model.limits import MAX_CHUNK_CHARS, MAX_ENCODED_CHARS
from model.network.ladder import Bigram
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import load_weights, save_weights
from tests.support.client import host_and_port
from tests.support.routes import serving_routes
from tests.support.viewing import PATIENCE_S
from ui.web.corpus import REMEDY

DIGITS = "\n 0123456789"
# Printed by the lecture's own notebook (A. Karpathy, "Let's build GPT", inputs and targets after torch.manual_seed(1337)).
LECTURE_X = [
    [24, 43, 58, 5, 57, 1, 46, 43],
    [44, 53, 56, 1, 58, 46, 39, 58],
    [52, 58, 1, 58, 46, 39, 58, 1],
    [25, 17, 27, 10, 0, 21, 1, 54],
]
LECTURE_Y = [[43, 58, 5, 57, 1, 46, 43, 39], [53, 56, 1, 58, 46, 39, 58, 1], [58, 1, 58, 46, 39, 58, 1, 46], [17, 27, 10, 0, 21, 1, 54, 39]]


@dataclass(frozen=True)
class App:
    """An app with two models; `digits` is the key of the one that is not the default."""

    url: str
    digits: str

    def ask(self, path: str, **body: Any) -> tuple[int, Any]:
        """Status and content of a POST, or of a GET without a body."""
        connection = http.client.HTTPConnection(*host_and_port(self.url), timeout=PATIENCE_S)
        try:
            method, sent = ("POST", json.dumps(body)) if path != "corpus" else ("GET", None)
            connection.request(method, f"/learning/{path}", sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path: str, **body: Any) -> Any:
        """The content of an answer that is no refusal."""
        status, content = self.ask(path, **body)
        assert status == 200, content
        return content


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[App]:
    """The routes with two small models."""
    keys = []
    for name, alphabet in (("shakespeare", TINY_SHAKESPEARE_ALPHABET), ("digits", DIGITS)):
        save_weights(folder / name, Bigram(BigramConfig(vocab_size=len(alphabet))), CharTokenizer(alphabet), {})
        keys.append(load_weights(folder / name).key)
    catalogue = Catalogue(folder)
    with serving_routes(Engine(load_weights(folder / "shakespeare"), catalogue), catalogue) as url:
        yield App(url, keys[1])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app with the corpus that this machine has, if any."""
    with serving(tmp_path_factory.mktemp("weights")) as app:
        yield app


@pytest.fixture(scope="module")
def without_corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app that is pointed to a corpus that is not there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch, serving(folder / "weights") as app:
        patch.setenv("SOLILOQUY_CORPUS", str(folder / "gone.txt"))
        yield app


# Texts and numbers


def test_a_text_becomes_its_numbers_and_they_become_the_text(app: App) -> None:
    encoded = app.get("encode", text="hii there")
    assert encoded["ids"] == [46, 47, 47, 1, 58, 46, 43, 56, 43]  # as the lecture prints them
    assert (encoded["text"], encoded["train_chars"], encoded["notice"]) == ("hii there", 8, "")
    decoded = app.get("decode", numbers="[46, 47, 47, 1; 58\n46 43\t56,43]")
    assert decoded == encoded


def test_what_is_replaced_or_left_out_is_named(app: App) -> None:
    encoded = app.get("encode", text="“no” — 7 €…\u200b\t\r\n")
    assert encoded["text"] == "'no' --  ...    \n"
    assert encoded["notice"] == (
        "Replaced: “ → ' · ” → ' · — → -- · … → ... · zero width space → nothing · tab → 4 spaces\n"
        "Left out, because the model does not know them: ‘7’, ‘€’."
    )
    many = app.get("encode", text="αβγδεζηθικ")
    assert many["ids"] == []
    assert many["notice"].endswith("‘θ’ and 2 more.")


def test_wrong_numbers_are_named_with_their_places_and_the_rest_is_decoded(app: App) -> None:
    decoded = app.get("decode", numbers=f"46 65 47 -1 x 4.5 {'9' * 5000} ４６ 064")
    assert (decoded["text"], decoded["ids"]) == ("hiz", [46, 47, 64])
    assert decoded["notice"] == (
        f"Left out: 65 (at position 2), -1 (at position 4), x (at position 5), 4.5 (at position 6), {'9' * 20} (at position 7), "
        "４６ (at position 8). "
        "The vocabulary has the numbers 0 to 64."
    )
    assert app.get("decode", numbers="\ud800")["notice"].startswith("Left out: ? (at position 1)")


def test_another_model_has_other_numbers(app: App) -> None:
    encoded = app.get("encode", text="7 a", model=app.digits)
    assert (encoded["model"], encoded["ids"]) == (app.digits, [9, 1])
    assert "‘a’" in encoded["notice"]
    assert app.get("decode", numbers="9 12", model=app.digits)["notice"].endswith("0 to 11.")
    assert app.ask("encode", text="a", model="00000000")[0] == 404


@pytest.mark.parametrize(("text", "length"), [("", 0), ("a", 1), ("ab" * (MAX_ENCODED_CHARS // 2), MAX_ENCODED_CHARS)])
def test_texts_up_to_the_limit_come_back(app: App, text: str, length: int) -> None:
    ids = app.get("encode", text=text)["ids"]
    assert len(ids) == length
    assert app.get("decode", numbers=" ".join(map(str, ids)))["text"] == text


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("encode", {"text": "a" * (MAX_ENCODED_CHARS + 1)}, "The text has 100,001 characters; the maximum is 100,000."),
        ("encode", {"text": "…" * MAX_ENCODED_CHARS}, "The text has 300,000 characters"),
        ("encode", {"text": 7}, "The text must be a string."),
        ("decode", {"numbers": "1 " * (MAX_ENCODED_CHARS + 1)}, "There are 100,001 numbers; the maximum is 100,000."),
        ("decode", {"numbers": [46, 47]}, "The numbers must be a text"),
        ("decode", {"text": "46"}, "There is no setting 'text'."),
    ],
)
def test_what_cannot_be_converted_is_refused_in_words(app: App, path: str, body: dict[str, Any], words: str) -> None:
    status, content = app.ask(path, **body)
    assert (status, content["error"][: len(words)]) == (400, words)


# The corpus


def test_the_corpus_is_described_with_its_two_parts(app: App, corpus_path: Path) -> None:
    text = corpus_path.read_text(encoding="utf-8")
    corpus = app.get("corpus")
    training, validation = corpus["parts"]
    assert (corpus["characters"], training["characters"], validation["characters"]) == (1_115_394, 1_003_854, 111_540)
    assert "".join(corpus["vocabulary"]) == TINY_SHAKESPEARE_ALPHABET
    assert corpus["counts"] == [text.count(char) for char in corpus["vocabulary"]]
    assert text.startswith(training["begins"])
    assert text[:1_003_854].endswith(training["ends"])
    assert text[1_003_854:].startswith(validation["begins"])
    assert text.endswith(validation["ends"])
    assert len(json.dumps(corpus)) < 4_000  # of the text itself no more than is shown


def test_without_a_corpus_it_is_said_where_to_put_it(without_corpus: App) -> None:
    corpus = without_corpus.get("corpus")
    assert corpus == {"trouble": f"The corpus gone.txt cannot be read: No such file or directory. {REMEDY}"}
    status, content = without_corpus.ask("chunks")
    assert (status, content["error"]) == (400, corpus["trouble"])


def test_a_corpus_that_is_put_in_its_place_later_is_found(tmp_path: Path, corpus_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.web.corpus.RETRY_S", 0.0)
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "corpus.txt"))
    with serving(tmp_path / "weights") as app:
        assert "trouble" in app.get("corpus")
        (tmp_path / "corpus.txt").write_bytes(corpus_path.read_bytes())
        assert app.get("corpus")["characters"] == 1_115_394


# Random chunks


@pytest.mark.usefixtures("corpus_path")
def test_the_lectures_seed_draws_the_lectures_batch(app: App) -> None:
    batch = app.get("chunks", batch_size=4, block_size=8, seed=1337)
    assert (batch["x"], batch["y"]) == (LECTURE_X, LECTURE_Y)
    assert batch["texts"] == ["Let's hea", "for that ", "nt that h", "MEO:\nI pa"]
    assert batch["characters"] == 1_003_854
    assert app.get("chunks") == batch  # the lecture's settings are the first ones
    assert app.get("chunks", seed=1338)["x"] != LECTURE_X


def test_chunks_of_a_typed_text_need_no_corpus(without_corpus: App) -> None:
    text = "".join(TINY_SHAKESPEARE_ALPHABET[i % 65] for i in range(100))
    batch = without_corpus.get("chunks", text=text, batch_size=64, block_size=30)
    assert batch["characters"] == 90
    assert len(batch["x"]) == len(batch["y"]) == 64
    for start, x, y, written in zip(batch["starts"], batch["x"], batch["y"], batch["texts"], strict=True):
        assert 0 <= start < 60
        assert x == [i % 65 for i in range(start, start + 30)]
        assert y == [i % 65 for i in range(start + 1, start + 31)]
        assert written == text[start : start + 31]
    assert len({*batch["starts"]}) > 20


def test_chunks_in_another_models_vocabulary(app: App) -> None:
    assert app.get("chunks", text="0123456789", model=app.digits, batch_size=1)["x"] == [[2, 3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "0123456789", "block_size": 9}, "The training text has 0 characters"),
        ({"text": "a" * 10, "block_size": 9}, "The training text has 9 characters; a block size of 9 needs at least 10."),
        ({"text": "", "block_size": 1}, "The training text has 0 characters; a block size of 1 needs at least 2."),
        ({"batch_size": 0}, "batch_size must be between 1 and 64, not 0."),
        ({"block_size": MAX_CHUNK_CHARS + 1}, "block_size must be between 1 and 256, not 257."),
        ({"seed": -1}, "seed must be between 0 and 9,007,199,254,740,991, not -1."),
        ({"batch_size": True}, "batch_size must be a whole number, not True."),
        ({"batch": 4}, "There is no setting 'batch'."),
        ({"model": 7}, "The model must be a key"),
        ({"model": "e63aab5d"}, "A model is for a text"),
    ],
)
def test_chunks_that_cannot_be_drawn_are_refused_in_words(app: App, body: dict[str, Any], words: str) -> None:
    status, content = app.ask("chunks", **body)
    assert (status, content["error"][: len(words)]) == (400, words)


def test_the_last_place_is_that_of_the_last_target() -> None:
    ids = torch.arange(9)
    starts, x, y = random_chunks(ids, ChunkConfig(batch_size=3, block_size=8))
    assert starts.tolist() == [0, 0, 0]
    assert torch.equal(x, ids[:8].expand(3, 8))
    assert torch.equal(y, ids[1:].expand(3, 8))
    with pytest.raises(CorpusError, match="has 8 characters; a block size of 8 needs at least 9"):
        random_chunks(ids[:8], ChunkConfig(block_size=8))
