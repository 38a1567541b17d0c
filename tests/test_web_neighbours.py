"""Lines by meaning over real HTTP: the map, the nearest lines, two sentences, and what is said where something is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from model.catalogue import Catalogue
from model.config import EmbeddingGPTConfig, GPTConfig
from model.data import load_corpus
from model.limits import MAX_SENTENCE_CHARS
from model.meaning import index
from model.meaning.embedder import EMBEDDING, Embedder, MeanStates
from model.meaning.index import INDEX_FILE, Index, one_line
from model.meaning.recall import RECALL_FILE
from model.network.embedding import EmbeddingGPT
from model.network.gpt import GPT
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights, save_weights
from tests.conftest import TINY, VOCABULARY
from tests.support.admin import Admin
from tests.support.routes import serving_routes
from ui.web.corpus import REMEDY
from ui.web.meaning_neighbours import NEAREST

LINES = 40
SENTENCE = "My lord the king is dead"
MEASURED: dict[str, Any] = {
    "n": 353,
    "methods": {
        "embedding": {"recall": {"1": 0.1, "5": 0.3, "10": 0.5}, "mrr": 0.2},
        "tfidf": {"recall": {"1": 0.05, "5": 0.1, "10": 0.2}, "mrr": 0.1},
        "mean": {"recall": {"1": 0.02, "5": 0.06, "10": 0.1}, "mrr": 0.05},
        "length": {"recall": {"1": 0.0, "5": 0.06, "10": 0.1}, "mrr": 0.04},
        "chance": {"recall": {"1": 0.01, "5": 0.02, "10": 0.03}, "mrr": 0.02},
    },
    "long": None,
    "random": {method: {"median": 0.1, "high": 0.4} for method in ("embedding", "tfidf", "mean")},
}


@pytest.fixture(scope="module")
def text(corpus_path: Path) -> str:
    """The plays."""
    return load_corpus(corpus_path).text


@pytest.fixture(scope="module")
def weights(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights: a small random GPT, an embedding network of the same shape, and an index of a few lines."""
    folder, shape = tmp_path_factory.mktemp("weights"), TINY | {"block_size": 256}
    tokenizer, dice = CharTokenizer(VOCABULARY), torch.Generator().manual_seed(1)
    save_weights(folder / SHIPPED_WEIGHTS.name, GPT(GPTConfig(**shape), dice).eval(), tokenizer, {})
    own = folder / "meaning" / EMBEDDING
    save_weights(own, EmbeddingGPT(EmbeddingGPTConfig(**shape, width=16), dice).eval(), tokenizer, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "LINES", LINES)
        Index.build(Embedder.load(own), text).save(own)
    (own / RECALL_FILE).write_text(json.dumps(MEASURED | {"sha256": Embedder.load(own).sha256}))
    return folder


@pytest.fixture(scope="module")
def url(weights: Path, corpus_path: Path) -> Iterator[str]:
    """An app with these weights and the plays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
        with serving_routes(Engine(load_weights(weights / SHIPPED_WEIGHTS.name)), Catalogue(weights)) as url:
            yield url


@pytest.fixture
def without_corpus(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An app that is pointed to a corpus that is not there."""
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "nothing.txt"))
    with serving_routes(Engine(load_weights(weights / SHIPPED_WEIGHTS.name)), Catalogue(weights)) as url:
        yield url


def cosine(vectors: torch.Tensor) -> float:
    return torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0).item()


def test_all_lines_come_with_their_places_and_what_was_measured(url: str, weights: Path, text: str) -> None:
    status, told = Admin(url).get("/meaning/neighbours")
    known = Index.load(weights / "meaning" / EMBEDDING, text)
    assert (status, told["n"], told["missing"], told["trouble"]) == (200, LINES, "", "")
    assert {name: told["recall"][name] for name in MEASURED} == MEASURED
    assert told["sentence_chars"] == MAX_SENTENCE_CHARS
    lines = told["lines"]
    for i in range(LINES):
        line = known.line(i)
        assert lines["text"][i] == one_line(text[lines["position"][i] :][: line.length])
        assert (told["plays"][lines["play"][i]], told["speakers"][lines["speaker"][i]]) == (line.play, line.speaker)
    of_pairs = {
        "embedding": known.vectors @ known.vectors.T,
        "tfidf": known.tfidf.similarities([known.line(i).text or "" for i in range(LINES)]),
    }
    for method, cosines in of_pairs.items():
        others = sorted(float(cosines[i, j]) for i in range(LINES) for j in range(LINES) if i != j)
        high = others[round(0.95 * len(others)) - 1]
        assert told["random"][method]["median"] == pytest.approx(others[len(others) // 2], abs=0.01)
        assert told["random"][method]["high"] == pytest.approx(high, abs=0.01)
    assert torch.tensor([lines["x"], lines["y"]]).T.numpy() == pytest.approx(known.map.numpy(), abs=1e-4)


def test_the_nearest_lines_are_found_by_both_methods(url: str, weights: Path, text: str) -> None:
    told = Admin(url).do("/meaning/nearest", text=f"  {SENTENCE}☃ ")
    assert (told["text"], told["missing"]) == (SENTENCE, "")
    assert "☃" in told["notice"]
    folder = weights / "meaning" / EMBEDDING
    known, (vector,) = Index.load(folder, text), Embedder.load(folder).embed([SENTENCE])
    for method, expected in (("embedding", known.nearest(vector, NEAREST)), ("tfidf", known.tfidf.nearest(SENTENCE, NEAREST))):
        found = told[method]
        assert [near["line"] for near in found] == [i for i, _ in expected]
        assert [near["score"] for near in found] == pytest.approx([score for _, score in expected], abs=1e-3)
        for near in found:
            line = known.line(near["line"])
            assert (near["text"], near["play"], near["speaker"]) == (one_line(line.text or ""), line.play, line.speaker)
            assert near["position"] == line.position
    assert (told["x"], told["y"]) == pytest.approx(known.place(vector), abs=1e-3)


def test_a_line_of_the_plays_finds_itself(url: str) -> None:
    for i, line in [*enumerate(Admin(url).get("/meaning/neighbours")[1]["lines"]["text"])][::15]:
        told = Admin(url).do("/meaning/nearest", text=line)
        for method in ("embedding", "tfidf"):
            assert told[method][0]["line"] == i
            assert told[method][0]["score"] == pytest.approx(1, abs=2e-3)


def test_two_sentences_are_compared_by_three_measures(url: str, weights: Path, text: str) -> None:
    a, b = SENTENCE, "The king my lord has died"
    told = Admin(url).do("/meaning/similarity", a=a, b=b)
    folder = weights / "meaning" / EMBEDDING
    assert (told["a"], told["b"], told["notice"], told["missing"]) == (a, b, "", "")
    assert told["embedding"] == pytest.approx(cosine(Embedder.load(folder).embed([a, b])), abs=1e-3)
    assert told["mean"] == pytest.approx(cosine(MeanStates.of(load_weights(weights / SHIPPED_WEIGHTS.name)).embed([a, b])), abs=2e-2)
    assert told["tfidf"] == pytest.approx(Index.load(folder, text).tfidf.similarity(a, b), abs=1e-3)
    assert 0 < told["tfidf"] < 1
    same = Admin(url).do("/meaning/similarity", a=a, b=f" {a}\n")
    assert [same[name] for name in ("embedding", "tfidf", "mean")] == pytest.approx([1, 1, 1], abs=2e-3)


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("nearest", {}, "A sentence must be a text."),
    ("nearest", {"text": 5}, "A sentence must be a text."),
    ("nearest", {"text": " \n "}, "Type a sentence."),
    ("nearest", {"text": "☃"}, "Type a sentence. Left out, because the model does not know them"),
    ("nearest", {"text": "a" * 10_000}, f"The sentence has 10,000 characters; the maximum is {MAX_SENTENCE_CHARS}."),
    ("nearest", {"text": "…" * MAX_SENTENCE_CHARS}, f"The sentence has {3 * MAX_SENTENCE_CHARS} characters"),
    ("nearest", {"text": "a", "model": "x"}, "There is no setting 'model'"),
    ("similarity", {"a": "a"}, "A sentence must be a text."),
    ("similarity", {"a": "a", "b": ""}, "Type a sentence."),
    ("similarity", {"a": "a" * 201, "b": "b"}, "The sentence has 201 characters"),
)


def test_what_cannot_be_compared_is_refused(url: str) -> None:
    for path, asked, message in REFUSED:
        status, told = Admin(url).post(f"/meaning/{path}", **asked)
        assert status == 400
        assert message in told["error"]


def test_without_the_corpus_places_and_similarities_are_left(without_corpus: str, weights: Path, tmp_path: Path) -> None:
    told = Admin(without_corpus).get("/meaning/neighbours")[1]
    assert (told["n"], told["trouble"], told["lines"]["text"]) == (LINES, "", None)
    assert len(told["lines"]["position"]) == LINES
    assert "SOLILOQUY_CORPUS" in told["missing"] or REMEDY in told["missing"]
    assert str(tmp_path) not in told["missing"]
    near = Admin(without_corpus).do("/meaning/nearest", text=SENTENCE)
    known = Index.load(weights / "meaning" / EMBEDDING)
    assert (near["tfidf"], near["missing"]) == (None, told["missing"])
    assert [each["text"] for each in near["embedding"]] == [None] * NEAREST
    assert [each["position"] for each in near["embedding"]] == [known.line(each["line"]).position for each in near["embedding"]]
    similar = Admin(without_corpus).do("/meaning/similarity", a=SENTENCE, b=SENTENCE)
    assert (similar["tfidf"], similar["missing"]) == (None, told["missing"])
    assert [similar["embedding"], similar["mean"]] == pytest.approx([1, 1], abs=2e-3)


def test_without_the_embedding_that_is_said(
    tiny: Weights, weights: Path, tmp_path: Path, corpus_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
    with serving_routes(Engine(tiny), Catalogue(tmp_path)) as url:
        told = Admin(url).get("/meaning/neighbours")[1]
        assert (told["n"], told["lines"], told["recall"]) == (0, None, None)
        assert told["trouble"].startswith("The embedding cannot be used.")
        assert str(tmp_path) not in told["trouble"]
        status, refused = Admin(url).post("/meaning/nearest", text=SENTENCE)
        assert (status, str(tmp_path) in refused["error"]) == (400, False)
        assert refused["error"].startswith("The embedding cannot be used.")
        folder = tmp_path / "meaning" / EMBEDDING
        save_weights(folder, Embedder.load(weights / "meaning" / EMBEDDING).network, CharTokenizer(VOCABULARY), {"of": "another time"})
        (folder / INDEX_FILE).write_bytes(b"not tensors")
        assert INDEX_FILE in Admin(url).get("/meaning/neighbours")[1]["trouble"]
