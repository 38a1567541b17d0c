"""Fine-tuning from the page: what a run is started from, checked before a process is started, and how the command line is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model.catalogue import Catalogue, Entry
from model.config import BigramConfig
from model.errors import CheckpointError, CorpusError, ParameterError
from model.network.gpt import GPT
from model.network.kinds import make_network
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.training.beginning import RULE, Beginning, Given
from model.training.job import Job
from model.training.jobs import Jobs
from model.training.presets import ASSISTANT, EMBED, POLICY, PRESETS, REWARD, SFT
from model.weights import WEIGHTS_FOLDER, Weights, save_weights
from tests.support.admin import Admin
from tests.support.routes import serving_routes

PAIRS = [("Insult me.", "Thou villain, go!"), ("Shout: night", "NIGHT"), ("Praise me.", "Fair lady, stay.")]


FOXES = CharTokenizer.from_text("the quick brown fox jumps over the lazy dog.\n")


def lines(*pairs: tuple[str, str]) -> Given:
    content = "".join(json.dumps({"request": request, "answer": answer}) + "\n" for request, answer in pairs)
    return Given("pairs.jsonl", content.encode())


def votes(better: str, worse: str, n: int = 1) -> Given:
    return Given("votes", (json.dumps({"request": "Praise me.", "better": better, "worse": worse}) + "\n").encode() * n)


@pytest.fixture
def shipped_folder(tmp_path: Path, make_model: Callable[..., GPT], tiny: Weights) -> Path:
    """A folder with small GPTs, of which one has a short context and one another vocabulary, and a bigram network."""
    for name, tokenizer, block_size in (("shakespeare", tiny.tokenizer, 160), ("short", tiny.tokenizer, 64), ("foxes", FOXES, 160)):
        network = make_model(block_size=block_size, vocab_size=len(tokenizer))
        save_weights(tmp_path / "weights" / name, network, tokenizer, {})
    table = make_network(BigramConfig(vocab_size=len(tiny.tokenizer)), None)
    save_weights(tmp_path / "weights" / "bigram", table, tiny.tokenizer, {})
    return tmp_path / "weights"


@pytest.fixture
def entries(shipped_folder: Path) -> dict[str, Entry]:
    return {entry.id: entry for entry in Catalogue(shipped_folder).entries()}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs that note a run and start no process."""
    monkeypatch.setattr(Jobs, "_launch", lambda self, job, resume: None)
    return Jobs(tmp_path / "runs")


def test_a_run_is_told_what_it_goes_on_from_and_learns(jobs: Jobs, entries: dict[str, Entry]) -> None:
    parent, given = entries["shakespeare"], lines(*PAIRS)
    job = jobs.fine_tune("sft", {"steps": 7, "dropout": 0.2}, Beginning(parent, given))
    folder = job.folder
    assert (folder / "given.jsonl").read_bytes() == given.content
    expected = ["train", "--preset", "sft", "--run", job.id, "--from", str(parent.folder), "--pairs", str(folder / "given.jsonl")]
    assert job.arguments(resume=False) == [*expected, "--dropout", "0.2", "--steps", "7"]
    assert job.arguments(resume=True) == ["train", "--run", job.id, "--resume"]
    (found,) = Jobs(jobs.folder).all()  # another app reads it from the folder
    about = found.about()
    assert (about["task"], about["parent"]) == (SFT, {"key": parent.key, "name": "shakespeare"})
    assert (about["name"], about["corpus"]) == ("sft, shakespeare", {"name": "pairs.jsonl", "own": True})
    assert (about["network"]["dropout"], about["network"]["block_size"], about["steps"]) == (0.2, 160, 7)
    assert (
        about["command"]
        == f"python -m model train --preset sft --run {job.id} --from shakespeare --pairs runs/{job.id}/given.jsonl --dropout 0.2 --steps 7"
    )


def test_the_command_of_a_run_from_the_shipped_model_can_be_pasted(jobs: Jobs, entries: dict[str, Entry]) -> None:
    shipped = replace(entries["shakespeare"], folder=WEIGHTS_FOLDER / "shakespeare")
    job = jobs.fine_tune("sft", {}, Beginning(shipped))
    assert job.command() == f"python -m model train --preset sft --run {job.id} --from weights/shakespeare"
    assert job.about()["corpus"] == {"name": "examples from the plays", "own": False}


def test_ten_thousand_votes_are_comparisons_that_a_reward_model_learns(jobs: Jobs, entries: dict[str, Entry]) -> None:
    job = jobs.fine_tune("reward", {}, Beginning(entries["shakespeare"], votes("Fair lady!", "Foul lady!", 10_000)))
    assert job.arguments(resume=False)[-2:] == ["--comparisons", str(job.folder / "given.jsonl")]
    assert (job.about()["task"], job.about()["corpus"]) == (REWARD, {"name": "votes", "own": True})


@pytest.mark.parametrize(
    ("task", "parent", "given", "reward", "message"),
    [
        (SFT, "bigram", None, None, "bigram is not a GPT, and only a GPT can be fine-tuned"),
        (SFT, "foxes", None, None, "foxes does not know ‘,’, ‘:’, ‘A’, which requests are written with. Choose another parent."),
        (SFT, "short", None, None, "short has a context of 64 characters; a request with its answer needs 1"),
        (POLICY, "short", None, RULE, "short has a context of 64 characters"),
        (SFT, "shakespeare", Given("empty", b"\n"), None, "has fewer than 2 pairs"),
        (SFT, "shakespeare", lines(PAIRS[0]), None, "has fewer than 2 pairs"),
        (SFT, "shakespeare", lines(("Insult me.", ""), ("Praise me.", "")), None, "line 1: the answer is empty"),
        (SFT, "shakespeare", lines(*PAIRS, ("Count: one", "1")), None, "line 4: The model's vocabulary has no ‘1’"),
        (SFT, "shakespeare", lines(*PAIRS, ("Shout: " + "no" * 40, "NO" * 40)), None, "longer than the model's context of 160"),
        (SFT, "shakespeare", Given("prose", b"To be, or not to be\n" * 3), None, "line 1 is not valid JSON"),
        (REWARD, "shakespeare", Given("none", b"\n"), None, "has no comparisons"),
        (REWARD, "shakespeare", lines(*PAIRS), None, "must be an object with the three texts"),
        (REWARD, "shakespeare", votes("Fair!", "Fair!"), None, "both answers are the same"),
        (REWARD, "shakespeare", votes("No. 1", "Fair!"), None, "vocabulary has no ‘1’"),
        (REWARD, "shakespeare", votes("Fair!", "Foul!", 20_001), None, "has 20,001 comparisons; the maximum is 20,000"),
        (SFT, "shakespeare", None, RULE, "The task policy needs a reward, and no other task has one"),
        (POLICY, "shakespeare", None, None, "The task policy needs a reward"),
        (POLICY, "shakespeare", lines(*PAIRS), RULE, "The task policy does not learn from a text"),
    ],
)
def test_what_cannot_be_begun_is_refused(
    entries: dict[str, Entry], task: str, parent: str, given: Given | None, reward: str | None, message: str
) -> None:
    with pytest.raises((CorpusError, ParameterError), match=message):
        Beginning(entries[parent], given, reward).check(task)


def test_a_damaged_parent_is_refused(entries: dict[str, Entry]) -> None:
    with pytest.raises(CheckpointError, match="is damaged"):
        Beginning(replace(entries["shakespeare"], trouble="It is damaged.")).check(SFT)


def test_a_refused_beginning_leaves_nothing_behind(jobs: Jobs, entries: dict[str, Entry]) -> None:
    with pytest.raises(CorpusError):
        jobs.fine_tune("sft", {}, Beginning(entries["shakespeare"], lines(PAIRS[0])))
    assert not jobs.all()
    assert not jobs.folder.exists()


def test_the_page_starts_stages_of_the_assistant(
    tiny: Weights, shipped_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Job] = []
    monkeypatch.setattr(Jobs, "_launch", lambda self, job, resume: begun.append(job))
    with serving_routes(Engine(tiny), Catalogue(shipped_folder), tmp_path / "runs") as url:
        admin = Admin.logged_in(url)
        presets = {preset["id"]: preset for preset in admin.get("/train/presets")[1]["presets"]}
        assert {id for id, preset in presets.items() if preset["group"] == ASSISTANT} == {
            name for name, preset in PRESETS.items() if preset.task in (SFT, REWARD, POLICY)
        }
        assert presets["sft"]["task"] == SFT
        entry = next(model for model in admin.get("/models")[1]["models"] if model["id"] == "shakespeare")
        key = admin.upload(lines(*PAIRS).content)
        run = admin.do("/train/start", preset="sft", name="obey", parent=entry["key"], corpus=key)["run"]
        assert (run["name"], run["task"], run["parent"]["name"]) == ("obey", SFT, "shakespeare")
        assert run["corpus"] == {"name": "synthetic.txt", "own": True}
        usual = admin.do("/train/start", preset="sft")["run"]
        assert usual["parent"]["key"] == entry["key"]
        embedding = admin.do("/train/start", preset="embedding")["run"]
        assert (embedding["task"], embedding["parent"]["key"]) == (EMBED, entry["key"])
        assert embedding["corpus"] == {"name": "speeches of the plays", "own": False}
        for status, asked, message in [
            (400, {"preset": "embedding", "corpus": key}, "The task embed does not learn from a text."),
            (404, {"preset": "sft", "parent": "none"}, "There is no such model"),
            (400, {"preset": "sft", "parent": 5}, "parent must be the key of a model."),
            (400, {"preset": "sft", "reward": "rule"}, "The task policy needs a reward, and no other task has one."),
            (400, {"preset": "sft", "corpus": "gone"}, "This text is no longer on the server."),
            (400, {"preset": "sft", "corpus": admin.upload(b"no pairs\n" * 9)}, "line 1 is not valid JSON"),
            (400, {"preset": "sft", "settings": {"n_layer": 2}}, "This preset has no setting 'n_layer'"),
            (400, {"preset": "tiny", "parent": entry["key"]}, "A training from random weights has no parent. Leave it out."),
            (400, {"preset": "tiny", "reward": "rule"}, "A training from random weights has no reward. Leave it out."),
        ]:
            got, told = admin.post("/train/start", **asked)
            assert (got, message in told["error"]) == (status, True), (asked, told)
        assert admin.do("/train/pace", preset="sft") == {
            "takes_s": None,
            "why": "Only the time of a pretraining run can be measured.",
        }
    assert len(begun) == 3
