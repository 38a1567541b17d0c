"""The table of heads beside measurements made one by one, and the commands that make it and check it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.__main__ import main
from model.data import Corpus
from model.evaluation import mean_loss
from model.head_measures import MEASURES, describe, measure
from model.heads import heads_of, measure_heads, measure_text, n_steps
from model.network.gpt import Capture
from model.parts import Part, part_name
from model.tokenizer import CharTokenizer
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights, save_weights

pytestmark = pytest.mark.usefixtures("one_thread")

HEADS = [(0, 0), (0, 1), (1, 0), (1, 1)]
OTHERS: list[Part] = [("mlp", 0), ("mlp", 1), ("positions",)]
TEXT = "ROMEO:\nBut, soft! what light\nbreaks?\n\nJULIET:\nAy me!\n\n" * 30


@pytest.fixture
def folder(tiny: Weights, tmp_path: Path) -> Path:
    """A folder of weights, and a corpus beside it."""
    save_weights(tmp_path / "mine", tiny.model, tiny.tokenizer, {})
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path / "mine"


@pytest.fixture
def ids(tiny: Weights) -> Tensor:
    """A validation text of six windows and a bit."""
    return torch.tensor(tiny.tokenizer.encode(TEXT[:101]))


def test_what_heads_do_with_a_text_is_what_they_do_with_its_windows(tiny: Weights, ids: Tensor) -> None:
    total = None
    for start in range(0, 96, 16):
        capture = Capture()
        with torch.no_grad():
            tiny.model(ids[None, start : start + 16], capture=capture)
        measured = measure(torch.cat(capture.attention), TEXT[start : start + 16])
        total = measured if total is None else total + measured
    assert total is not None
    together = measure_text(tiny, ids)
    assert describe(together) == [pytest.approx(alone, abs=2e-5) for alone in describe(total)]
    assert together.rows[0] == 6 * 15


def test_a_text_shorter_than_a_window_is_read_as_it_is(tiny: Weights, ids: Tensor) -> None:
    assert measure_text(tiny, ids[:9]).rows[0] == 8


def test_the_table_has_what_is_measured_head_by_head(tiny: Weights, folder: Path, ids: Tensor) -> None:
    weights, steps = load_weights(folder), []
    table = measure_heads(folder, weights, ids, {"corpus": "scenes", "precision": "float32"}, lambda: steps.append(1))
    assert len(steps) == n_steps(weights) == 8
    assert table == json.loads((folder / "heads.json").read_text()) == load_weights(folder).heads
    assert (table["sha256"], table["corpus"], table["precision"], table["characters"]) == (weights.sha256, "scenes", "float32", 100)
    assert [(row["layer"], row["head"]) for row in table["heads"]] == heads_of(weights) == HEADS
    full = mean_loss(weights.model, ids)
    assert table["loss"] == pytest.approx(full, abs=1e-6)
    described = describe(measure_text(weights, ids))
    for row, head, does in zip(table["heads"], HEADS, described, strict=True):
        loss = mean_loss(weights.model, ids, [head])
        assert row["loss"] == pytest.approx(loss, abs=1e-6)
        assert row["worth"] == pytest.approx(loss - full, abs=2e-6)
        assert row.items() >= does.items()
    for row, part in zip(table["others"], OTHERS, strict=True):
        assert row["part"] == part_name(part)
        assert row["loss"] == pytest.approx(mean_loss(weights.model, ids, [part]), abs=1e-6)
        assert row["worth"] == pytest.approx(row["loss"] - full, abs=2e-6)
    assert [*folder.glob("*.part")] == []


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_measurement_goes_on(folder: Path, ids: Tensor, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    weights, about = load_weights(folder), {"precision": "float32"}
    measured: list[tuple] = []

    def counted(model: Any, ids: Tensor, off: tuple) -> float:
        measured.append(off)
        return mean_loss(model, ids, off)

    def interrupt() -> None:
        if len(measured) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr("model.heads.mean_loss", counted)
    with pytest.raises(KeyboardInterrupt):
        measure_heads(folder, weights, ids, about, interrupt)
    assert not (folder / "heads.json").exists()
    steps: list[int] = []
    table = measure_heads(folder, weights, ids, about, lambda: steps.append(1))
    assert measured == [(), *((part,) for part in (*HEADS, *OTHERS))]  # each once
    assert len(steps) == 8
    assert table == measure_heads(folder, weights, ids, about, lambda: None)


@pytest.mark.parametrize("left", ["another", "damaged", "empty"])
def test_what_is_left_of_another_measurement_is_not_used(folder: Path, ids: Tensor, left: str) -> None:
    weights = load_weights(folder)
    about = {"sha256": weights.sha256, "precision": "bfloat16", "characters": 100}
    content = {"another": json.dumps({"about": about, "losses": {"all": 0.0, "0.0": 0.0}}), "damaged": "[" * 100_000, "empty": "null"}[left]
    (folder / "heads.json.part").write_text(content)
    table = measure_heads(folder, weights, ids, {"precision": "float32"}, lambda: None)
    assert table["loss"] > 1


# The shipped table.


def test_the_shipped_table_is_of_the_shipped_weights(shipped: Weights) -> None:
    assert shipped.heads is not None
    assert (shipped.heads["precision"], shipped.heads["characters"]) == ("float32", 111_540)
    assert shipped.heads["loss"] == pytest.approx(shipped.val_loss, abs=1e-4)
    for row in shipped.heads["heads"]:
        assert row.keys() == {"layer", "head", "loss", "worth", "label", "excess", *MEASURES}
        assert row["worth"] == pytest.approx(row["loss"] - shipped.heads["loss"], abs=2e-6)
    assert [row["part"] for row in shipped.heads["others"]] == [*(f"mlp.{layer}" for layer in range(6)), "positions"]
    for row in shipped.heads["others"]:
        assert row["worth"] == pytest.approx(row["loss"] - shipped.heads["loss"], abs=2e-6)


def test_the_shipped_readme_has_the_numbers_of_the_table(shipped: Weights) -> None:
    assert shipped.heads is not None
    readme = (SHIPPED_WEIGHTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d)\.(\d) \| ([\d.]+) \| ([+-][\d.]+) \| (\w+) \|", readme, re.M)
    assert len(rows) == 36
    for (layer, head, loss, worth, label), row in zip(rows, shipped.heads["heads"], strict=True):
        assert (int(layer), int(head), label) == (row["layer"], row["head"], row["label"])
        assert (loss, worth) == (f"{row['loss']:.4f}", f"{row['worth']:+.4f}")
    others = re.findall(r"^\| (mlp\.\d|positions) \| ([\d.]+) \| ([+-][\d.]+) \|", readme, re.M)
    assert others == [(row["part"], f"{row['loss']:.4f}", f"{row['worth']:+.4f}") for row in shipped.heads["others"]]


@pytest.mark.parametrize("head", [(0, 2), (3, 5), (5, 5)], ids=str)
def test_the_shipped_measures_are_about_those_of_a_part_of_the_text(shipped: Weights, corpus_path: Path, head: tuple[int, int]) -> None:
    text = corpus_path.read_text(encoding="utf-8")
    part = torch.tensor(shipped.tokenizer.encode(text[-111_541:][: 256 * 24]))
    assert shipped.heads is not None
    told = shipped.heads["heads"][6 * head[0] + head[1]]
    here = measure_text(shipped, part).means()[6 * head[0] + head[1]]
    for name in MEASURES[2:]:
        assert here[name] == pytest.approx(told[name], abs=0.06)


# The commands.


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says, its corpus and weights given."""
    assert main([*arguments, "--weights", "mine", "--corpus", "corpus.txt", "--device", "cpu"]) == 0
    return capsys.readouterr().out


def test_the_commands_measure_heads_and_agree_with_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    assert len(printed(capsys, "heads").splitlines()) == 8
    table = json.loads((folder / "heads.json").read_text())
    assert table["corpus"] == "corpus"
    assert loss_of(printed(capsys, "eval")) == pytest.approx(table["loss"], abs=6e-5)
    without = printed(capsys, "eval", "--ablate", "1.0")
    assert without.startswith("mine without 1.0: validation loss ")
    assert loss_of(without) == pytest.approx(table["heads"][2]["loss"], abs=6e-5)
    several = printed(capsys, "eval", *(f"--ablate={part}" for part in ("positions", "1.1", "mlp.1", "0.0", "1.1")))
    assert several.startswith("mine without 0.0, 1.1, mlp.1, positions: validation loss ")
    weights, off = load_weights(folder), [(0, 0), (1, 1), ("mlp", 1), ("positions",)]
    validation = torch.tensor(weights.tokenizer.encode(TEXT))[int(0.9 * len(TEXT)) - 1 :]
    assert loss_of(several) == pytest.approx(mean_loss(weights.model, validation, off), abs=6e-5)


TEXTS = {"corpus.txt": TEXT, "other.txt": TEXT.replace("light", "night")}


@pytest.fixture
def trained(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Makes the folder `mine` of a model that was trained on one of TEXTS, on another, or does not say on which."""
    monkeypatch.chdir(tmp_path)
    for name, text in TEXTS.items():
        Path(name).write_text(text, encoding="utf-8")

    def make(text: str | None) -> None:
        about = {} if text is None else {"corpus": {"name": "Verona", "characters": len(text), "sha256": Corpus("", text).sha256}}
        save_weights(Path("mine"), tiny.model, tiny.tokenizer, about)

    return make


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit status of both commands, and what they say."""
    statuses = {main([command, "--weights", "mine", "--device", "cpu", *arguments]) for command in ("eval", "heads")}
    assert len(statuses) == 1
    captured = capsys.readouterr()
    return statuses.pop(), "\n".join(line for line in (captured.out + captured.err).splitlines() if "loss without it" not in line)


def test_a_model_is_measured_on_the_text_that_it_was_trained_on(
    trained: Callable[[str | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained(TEXT)
    status, said = measured(capsys, "--corpus", "corpus.txt")
    assert (status, said.count("characters of corpus (float32"), "not of" in said) == (0, 2, False)
    status, said = measured(capsys)
    assert (status, said.count("mine was trained on another text than Tiny Shakespeare: Verona. Name its file with --corpus.")) == (2, 2)
    shutil.copy("corpus.txt", "mine/corpus.txt")  # as in the folder of a run
    status, said = measured(capsys)
    assert (status, said.count("characters of Verona (float32")) == (0, 2)
    assert json.loads(Path("mine/heads.json").read_text(encoding="utf-8"))["corpus"] == "Verona"
    shutil.copy("other.txt", "mine/corpus.txt")
    assert measured(capsys)[0] == 2


def test_a_model_that_is_measured_on_another_text_says_so(
    trained: Callable[[str | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained(TEXT)
    status, said = measured(capsys, "--corpus", "other.txt")
    assert (status, said.count("characters of other, not of the text that it was trained on (Verona) (float32")) == (0, 2)


def test_a_model_that_does_not_name_its_text_is_asked_about(
    trained: Callable[[str | None], None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained(None)
    status, said = measured(capsys)
    assert (status, said.count("config.json does not name the text that the model was trained on. Name one with --corpus.")) == (2, 2)
    status, said = measured(capsys, "--corpus", "corpus.txt")
    assert (status, said.count("characters of corpus, which may not be the text that it was trained on (float32")) == (0, 2)


def test_a_model_of_a_text_that_was_not_in_the_normal_form_is_measured_on_it(
    make_model: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "cafe\u0301\rand\r" * 50
    tokenizer = CharTokenizer.from_text(text)
    about = {"corpus": {"name": "old", "characters": len(text), "sha256": Corpus("", text).sha256}}
    save_weights(Path("mine"), make_model(vocab_size=len(tokenizer)), tokenizer, about)
    Path("mine/corpus.txt").write_bytes(text.encode())
    status, said = measured(capsys)
    assert (status, said.count("characters of old (float32")) == (0, 2)


def loss_of(printed: str) -> float:
    return float(printed.split("validation loss ")[1].split()[0])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("eval", "--ablate", "2.0"), "There is no layer 2. Valid layers: 0 to 1."),
        (("eval", "--ablate", "0.0", "--ablate", "1.2"), "There is no head 2 in layer 1. Valid heads: 0 to 1."),
        (("eval", "--ablate", "mlp.2"), "There is no layer 2. Valid layers: 0 to 1."),
        (("eval", "--ablate", "0"), "LAYER.HEAD, mlp.LAYER or positions, counted from 0, such as 0.2 or mlp.3, not '0'."),
        (("eval", "--ablate", "mlp"), "LAYER.HEAD"),
        (("eval", "--ablate", "positions.0"), "LAYER.HEAD"),
        (("eval", "--ablate", "0.-1"), "LAYER.HEAD"),
        (("eval", "--ablate", "nan"), "LAYER.HEAD"),
        (("eval", "--ablate", "1.1.1"), "LAYER.HEAD"),
        (("eval", "--ablate", "\u0661.1"), "LAYER.HEAD"),
        (("eval", "--ablate", "9" * 3000 + ".1"), "LAYER.HEAD"),
        (("heads", "--corpus", "missing.txt"), "cannot be read"),
    ],
)
def test_bad_input_ends_with_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(folder.parent)
    corpus = () if "--corpus" in command else ("--corpus", "corpus.txt")
    assert main([*command, "--weights", "mine", *corpus, "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert len(told) < 400
