"""POST /learning/copied over real HTTP: what of a text is copied from what a run learned from."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from model.config import GPTConfig, TrainConfig
from model.copied import LEAST_CHARS, Stretch
from model.data import load_corpus
from model.limits import MAX_SCORE_CHARS
from model.serving.engine import Engine
from model.training.run import Run
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import Trainer
from model.weights import WEIGHTS_FOLDER, load_weights
from tests.support.admin import Admin
from tests.support.damage import make_run
from tests.support.killing import synthetic_text
from tests.support.routes import serving_routes
from tests.support.viewing import answer
from ui.web import copied as copied_module

TRAIN_CHARS = 30_000
SMALLEST = WEIGHTS_FOLDER / "ladder" / "bigram"


@dataclass
class Served:
    """The app with runs: "shakespeare" learned from the beginning of Tiny Shakespeare, the others from a text in their folder."""

    url: str
    runs: Path
    text: str

    def ask(self, **asked: Any) -> tuple[int, Any]:
        """Status and answer."""
        return answer(self.url, "POST", "/learning/copied", json.dumps(asked).encode(), Content_Type="application/json")

    def copied(self, text: str, **asked: Any) -> dict[str, Any]:
        """The answer to a text that can be read."""
        status, content = self.ask(text=text, **asked)
        assert status == 200, content
        return content


@pytest.fixture(scope="module")
def served(corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs, corpus = tmp_path_factory.mktemp("runs"), load_corpus(corpus_path)
    make_run(runs / "own")
    for name in ("missing", "other", "damaged"):
        shutil.copytree(runs / "own", runs / name)
    (runs / "missing" / "corpus.txt").unlink()
    (runs / "other" / "corpus.txt").write_text(synthetic_text(1_999), encoding="utf-8")
    (runs / "damaged" / "config.json").write_text("{}", encoding="utf-8")
    shape = GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8)
    task = Pretrain(corpus, shape, TrainConfig(steps=1, batch_size=2, train_chars=TRAIN_CHARS))
    Trainer.start(Run(runs / "shakespeare"), task, torch.device("cpu"), torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
        with serving_routes(Engine(load_weights(SMALLEST)), runs=runs) as url:
            yield Served(url, runs, corpus.text)


def test_a_stretch_is_told_with_its_line(served: Served) -> None:
    at = served.text.index("\n", 9_000) + 10  # in the middle of a line
    copy = served.text[at : at + 100]
    told = served.copied(f"QQQ{copy}QQQ", source="run", run="shakespeare")
    assert (told["corpus"], told["chars"], told["least"], told["trouble"]) == ("Tiny Shakespeare", TRAIN_CHARS, LEAST_CHARS, "")
    (stretch,) = told["stretches"]
    assert (stretch["start"], stretch["length"], stretch["at"]) == (3, 100, at)
    lines = served.text.split("\n")
    assert lines[stretch["line"] - 1].startswith(stretch["before"] + copy.split("\n")[0])
    assert f"{stretch['before']}{copy}{stretch['after']}".split("\n") == lines[stretch["line"] - 1 :][: copy.count("\n") + 1]


def test_only_what_the_run_learned_from_counts(served: Served) -> None:
    before, later = served.text[TRAIN_CHARS - 60 : TRAIN_CHARS - 10], served.text[500_000:500_100]
    assert [each["length"] for each in served.copied(before, source="run", run="shakespeare")["stretches"]] == [50]
    assert served.copied(later, source="run", run="shakespeare")["stretches"] == []
    assert [each["at"] for each in served.copied(later, chars=0)["stretches"]] == [500_000]
    assert served.copied(later, chars=500_050)["stretches"][0]["length"] == 50
    unseen = served.text[-400:]
    told = served.copied(unseen, chars=0)
    assert told["chars"] == 1_003_854
    assert sum(each["length"] for each in told["stretches"]) < 100  # the validation text was never learned


def test_a_run_is_compared_with_its_own_text(served: Served) -> None:
    text = synthetic_text(2_000)
    status, told = Admin.logged_in(served.url).post("/learning/copied", text=text[100:200], source="run", run="own")
    assert (status, told["corpus"], told["chars"]) == (200, "synthetic", 1_800)
    assert [(each["start"], each["length"]) for each in told["stretches"]] == [(0, 100)]
    (stretch,) = told["stretches"]
    assert text[stretch["at"] :].startswith(text[100:200])
    assert text[: stretch["at"]].endswith(stretch["before"])
    assert text.count("\n", 0, stretch["at"]) + 1 == stretch["line"]


@pytest.mark.parametrize("token", ["", "made up"])
def test_a_runs_own_text_is_shown_to_the_admin_alone(served: Served, token: str) -> None:
    status, told = Admin(served.url, token).post("/learning/copied", text=synthetic_text(2_000)[100:200], source="run", run="own")
    nothing = dict.fromkeys(("at", "line", "before", "after"))
    assert (status, told["stretches"]) == (200, [{"start": 0, "length": 100, **nothing}])


def test_a_text_is_compared_once_and_one_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, both, compare = [], threading.Barrier(2, timeout=0.3), copied_module.copied_stretches

    def slow(text: str, source: str) -> list[Stretch]:
        compared.append(text)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return compare(text, source)

    monkeypatch.setattr(copied_module, "copied_stretches", slow)
    texts = ["Once more unto the breach, dear friends", "Now is the winter of our discontent"]
    with ThreadPoolExecutor(2) as askers:
        list(askers.map(served.copied, texts))
    assert both.broken  # nobody came while the first was compared
    monkeypatch.setattr("ui.web.shared_answers.FRESH_S", 0)
    for text in texts:
        served.copied(text)
    assert sorted(compared) == sorted(texts)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("missing", "The text that good learned from (synthetic) is not in its folder. Save it there as corpus.txt"),
        ("other", "corpus.txt in the folder of good is not the text that it learned from (synthetic)."),
        ("damaged", "The files of good are damaged"),
    ],
)
def test_a_text_that_is_not_there_is_told(served: Served, run: str, words: str) -> None:
    told = served.copied("To be, or not to be", source="run", run=run)
    assert told["trouble"].startswith(words)
    assert str(served.runs) not in told["trouble"]
    assert (told["text"], told["stretches"]) == ("To be, or not to be", [])


def test_without_the_corpus_it_says_where_to_put_it(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "nowhere.txt"))
    with serving_routes(Engine(load_weights(SMALLEST)), runs=served.runs) as url:
        without = Served(url, served.runs, "")
        for asked in ({"chars": 0}, {"source": "run", "run": "shakespeare"}):
            told = without.copied("To be, or not to be", **asked)
            assert "SOLILOQUY_CORPUS" in told["trouble"]
            assert str(tmp_path) not in told["trouble"]
        assert without.copied(synthetic_text(100), source="run", run="own")["stretches"]


def test_a_text_is_read_in_the_vocabulary_of_the_corpus(served: Served) -> None:
    at = served.text.index("Let us kill him, and we'll have corn")
    copy = served.text[at : at + 60]
    told = served.copied(f"中{copy.replace(chr(39), '’')}", chars=0)
    assert told["text"] == copy
    assert told["notice"] == "Left out, because the model does not know them: ‘中’."
    assert [each["length"] for each in told["stretches"]] == [60]


def test_half_a_character_is_no_error_where_the_text_is_not_there(served: Served) -> None:
    status, told = served.ask(text="\ud800 hi", source="run", run="missing")
    assert (status, told["text"]) == (200, "? hi")
    assert told["trouble"]


def test_a_text_that_grows_beyond_the_limit_is_refused(served: Served) -> None:
    status, told = served.ask(text="\t" * MAX_SCORE_CHARS)
    assert status == 400
    assert f"The text has {4 * MAX_SCORE_CHARS:,} characters" in told["error"]


@pytest.mark.parametrize("text", ["", "A", "\ud800", "中", "A" * MAX_SCORE_CHARS])
def test_a_text_with_nothing_to_copy_is_no_error(served: Served, text: str) -> None:
    assert served.copied(text, chars=0)["stretches"] == []


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"text": "A" * 100_000}, 400, "The text has 100,000 characters; the maximum is 12,000."),
        ({"text": 5}, 400, "The text must be a string."),
        ({"text": "A", "source": "run", "run": "nowhere"}, 404, "There is no such run"),
        ({"text": "A", "source": "shipped", "run": "own"}, 404, "There is no such run"),
        ({"text": "A", "source": "run", "run": "../own"}, 404, "There is no such run"),
        ({"text": "A", "source": "run"}, 400, "Name a run by its source and its id"),
        ({"text": "A", "run": ["own"], "source": "run"}, 400, "Name a run by its source and its id"),
        ({"text": "A", "chars": -1}, 400, "chars must be a whole number"),
        ({"text": "A", "chars": True}, 400, "chars must be a whole number"),
        ({"text": "A", "chars": "9" * 5_000}, 400, "chars must be a whole number"),
        ({"text": "A", "words": 5}, 400, "There is no setting 'words'."),
    ],
)
def test_bad_input_is_refused_in_words(served: Served, asked: dict[str, Any], status: int, words: str) -> None:
    told = served.ask(**asked)
    assert told[0] == status
    assert told[1]["error"].startswith(words)
