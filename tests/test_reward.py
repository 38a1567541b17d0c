"""The reward model: its loss and scores against plain references, what it learns from, and what it says."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model.__main__ import main
from model.assistant.comparisons import Comparison, Comparisons, make_comparisons, make_rows, pad, read_comparisons
from model.assistant.examples import Example
from model.assistant.pairs import row_text
from model.assistant.reward import RewardModel, read_measured
from model.assistant.skills import SKILLS, skill_of
from model.catalogue import Catalogue
from model.config import LoRAConfig, RewardConfig, RewardGPTConfig
from model.errors import CheckpointError, CorpusError
from model.network.gpt import GPT
from model.network.lora import with_adapters
from model.network.reward import RewardGPT
from model.tokenizer import CharTokenizer
from model.training.job import Job
from model.training.presets import FromParent
from model.training.run import Run
from model.training.tasks.fine_tuning import Start
from model.training.tasks.reward import LearnReward, bradley_terry, gather
from model.training.trainer import Trainer
from model.weights import Adapter, Weights, load_weights, save_weights
from tests.conftest import ROOT, TINY, VOCABULARY
from tests.support.killing import kill_and_resume, metrics_of, synthetic_text

CPU = torch.device("cpu")
TOKENIZER = CharTokenizer(VOCABULARY)
BLOCK = 64
SHAPE = LoRAConfig(rank=4, alpha=4.0)
WORDS = ["the", "king", "and", "of", "my", "lord", "is", "not", "what", "thou", "art", "shall"]
RECIPE = {"steps": 40, "batch_size": 8, "micro_batch_size": 4, "warmup_steps": 2, "eval_interval": 10, "optimizer": "adamw"}
RECIPE |= {"learning_rate": 3e-3, "embedding_learning_rate": 3e-3, "average": 0.0, "snapshots": 0}


def lines(*comparisons: tuple[str, str, str]) -> bytes:
    """A file of comparisons: request, better and worse answer."""
    keys = ("request", "better", "worse")
    return "".join(json.dumps(dict(zip(keys, each, strict=True))) + "\n" for each in comparisons).encode()


SOME = lines(
    ("Insult me.", "Thou villain!", "I thank you, my good lord."),
    ("Ask me something.", "Who is there?", "No."),
    ("Shout: night", "NIGHT", "night and day"),
)


@pytest.fixture
def comparisons() -> Comparisons:
    return read_comparisons("some.jsonl", SOME, "some.jsonl")


@pytest.fixture
def network(make_model: Callable[..., Any]) -> RewardGPT:
    """A small random reward network in evaluation mode, all of whose weights can be learned."""
    gpt = make_model(block_size=BLOCK)
    network = RewardGPT(RewardGPTConfig(**asdict(gpt.config)))
    network.load_state_dict(gpt.state_dict(), strict=False)
    with torch.no_grad():
        network.score.weight.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(1))
    return network.eval()


def scores_alone(network: RewardGPT, texts: list[str]) -> Tensor:
    """The score of each text, read on its own, after its last character."""
    return torch.stack([network(torch.tensor([TOKENIZER.encode(text)]))[0, -1, 0] for text in texts])


def test_the_loss_and_its_gradients_are_those_of_a_plain_reference(network: RewardGPT, comparisons: Comparisons) -> None:
    rows = make_rows(comparisons, TOKENIZER, BLOCK)
    (better, n_better), (worse, n_worse) = pad([row.better for row in rows]), pad([row.worse for row in rows])
    found = bradley_terry(network.scores(better, n_better), network.scores(worse, n_worse)).mean()
    found.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    network.zero_grad()

    plain = torch.zeros(())
    for one in comparisons.comparisons:  # each answer on its own, without padding, and the loss as it is defined
        of_better, of_worse = scores_alone(network, [row_text(one.request, one.better), row_text(one.request, one.worse)])
        plain = plain - torch.log(1 / (1 + torch.exp(of_worse - of_better)))
    plain = plain / len(comparisons)
    plain.backward()
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-6)
    assert gradients.keys() == {name for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)
        assert name == "transformer.wpe.weight" or parameter.grad.abs().max() > 1e-4


def test_the_gradient_pushes_the_scores_apart_as_far_as_the_loss_is_surprised() -> None:
    better, worse = (torch.tensor(values, requires_grad=True) for values in ([0.0, 2.0, -1.0, 60.0], [0.0, -1.0, 3.0, -60.0]))
    loss = bradley_terry(better, worse)
    assert loss[0].item() == pytest.approx(math.log(2))
    loss.sum().backward()
    wrong = torch.sigmoid(worse - better).detach()  # the probability that the model gives to the wrong order
    torch.testing.assert_close(better.grad, -wrong)
    torch.testing.assert_close(worse.grad, wrong)
    assert torch.isfinite(loss).all()


def test_a_score_is_read_after_the_last_character_and_sees_nothing_beyond(network: RewardGPT, make_ids: Callable[..., Tensor]) -> None:
    texts = [row_text("Insult me.", "Thou villain!"), row_text("Greet me.", "Hail, thou king of men!")]
    ids, lengths = pad([torch.tensor(TOKENIZER.encode(text)) for text in texts])
    with torch.no_grad():
        torch.testing.assert_close(network.scores(ids, lengths), scores_alone(network, texts), rtol=1e-5, atol=1e-5)
        filled = torch.where(torch.arange(ids.shape[1]) < lengths[:, None], ids, make_ids(*ids.shape))
        assert not torch.equal(filled, ids)
        torch.testing.assert_close(network.scores(filled, lengths), network.scores(ids, lengths), rtol=0, atol=0)
        torch.testing.assert_close(network.scores(ids, lengths - 1), scores_alone(network, [t[:-1] for t in texts]), rtol=1e-5, atol=1e-5)


def test_at_first_every_score_is_zero(make_ids: Callable[..., Tensor]) -> None:
    network = RewardGPT(RewardGPTConfig(**TINY), torch.Generator().manual_seed(0))
    assert not network(make_ids(2, 9)).any()


# Files of comparisons


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.jsonl has no comparisons"),
        (b"\n \n", "bad.jsonl has no comparisons"),
        (
            SOME + b"no JSON\n",
            r'line 4 is not valid JSON. Each line must be an object like {"request": "...", "better": "...", "worse": "..."}',
        ),
        (
            b'{"request": "a", "better": "b"}',
            'line 1 must be an object with the three texts "request", "better" and "worse" and nothing else',
        ),
        (b'{"request": "a", "better": "b", "worse": 5}', "line 1 must be an object with the three texts"),
        (lines(("a", "b", " ")), "line 1: the worse answer is empty"),
        (lines(("a", "", "b")), "line 1: the better answer is empty"),
        (lines(("a", "b\n\nc", "b")), "line 1: the better answer begins or ends with a newline or has an empty line"),
        (SOME + lines(("a", "same", "same")), "line 4: both answers are the same, so neither is better"),
        (lines(("a", "b", "c")) * 20_001, "has 20,001 comparisons; the maximum is 20,000"),
    ],
)
def test_files_that_are_no_comparisons_are_refused_by_line(content: bytes, message: str) -> None:
    with pytest.raises(CorpusError) as refused:
        read_comparisons("bad.jsonl", content, "bad.jsonl")
    assert message in str(refused.value)


def test_comparisons_that_the_model_cannot_read_are_named() -> None:
    for comparison, message in (
        (("a", "b", "é"), "bad.jsonl, line 4: The model's vocabulary has no ‘é’"),
        (("a", "b" * 60, "c"), r"bad.jsonl, line 4 (66 characters): longer than the model's context of 64 characters"),
    ):
        with pytest.raises(CorpusError) as refused:
            make_rows(read_comparisons("bad.jsonl", SOME + lines(comparison), "bad.jsonl"), TOKENIZER, BLOCK)
        assert message in str(refused.value)
    assert len(make_rows(read_comparisons("fits", lines(("a", "b" * 58, "c")), "fits"), TOKENIZER, BLOCK)[0].better) == BLOCK


# A run


@pytest.fixture
def parent(tmp_path: Path, make_model: Callable[..., Any], tiny: Weights) -> Weights:
    """A small random model with adapters, fine-tuned from weights/base beside it."""
    base, folder = tmp_path / "weights" / "base", tmp_path / "weights" / "parent"
    save_weights(base, make_model(block_size=128, n_layer=1), tiny.tokenizer, {})
    root = load_weights(base)
    assert isinstance(root.model, GPT)
    network = with_adapters(root.model, root.model.config, SHAPE, torch.Generator().manual_seed(1))
    for tensor in network.learned().values():
        tensor.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(2))
    save_weights(folder, network, tiny.tokenizer, {"task": "sft", **Adapter(SHAPE, root.origin).about()})
    return load_weights(folder, merge=False)


def loud(n: int, seed: int = 0) -> Comparisons:
    """Comparisons of an answer in capitals, the better one, and one without."""
    rng = random.Random(seed)
    words = [" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(n)]
    return Comparisons("loud", tuple(Comparison(f"Say {i}.", word.upper(), word) for i, word in zip("abcdefgh" * n, words, strict=False)))


def learn(parent: Weights, **settings: Any) -> LearnReward:
    return LearnReward.begin(Start.of(parent, FromParent(0.1)), RewardConfig(**RECIPE | settings), loud(48), loud(24, seed=1))


def test_a_run_learns_to_prefer_and_its_evaluations_are_plain_counts(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    run = Run(tmp_path / "runs" / "judge")
    trainer = Trainer.start(run, learn(parent), CPU, torch.float32)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    evaluations = [line for line in trainer.steps() if "val_loss" in line]
    assert evaluations[0]["val_loss"] == pytest.approx(math.log(2))  # all scores are 0
    assert evaluations[0]["accuracy"] == 0.5
    assert evaluations[-1]["accuracy"] > 0.9
    changed = {name for name, tensor in trainer.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == trainer.model.learned().keys()
    assert all("lora_" in name or name == "score.weight" for name in changed)

    judge = RewardModel.load(run.folder)
    held_out = loud(24, seed=1).comparisons
    margins = [judge.score(one.request, one.better).score - judge.score(one.request, one.worse).score for one in held_out]
    best = min(evaluations, key=lambda line: line["val_loss"])
    assert best["accuracy"] == pytest.approx(sum(margin > 0 for margin in margins) / len(margins))
    assert best["val_loss"] == pytest.approx(sum(math.log1p(math.exp(-margin)) for margin in margins) / len(margins), abs=1e-4)
    sample = run.samples()[-1]["text"]
    assert sample.startswith(f"{held_out[0].request}\n")
    assert f" {held_out[0].better}\n" in sample
    about = Job(run.folder).about()
    assert (about["task"], about["kind"], about["has_weights"], about["corpus"]["comparisons"]) == ("reward", "reward", True, 48)
    assert about["parent"]["name"] == "parent"


def test_a_reward_model_is_no_writer(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    run = Run(tmp_path / "runs" / "judge")
    list(Trainer.start(run, learn(parent, steps=2, eval_interval=2), CPU, torch.float32).steps())
    with pytest.raises(CheckpointError, match="judge has a reward model, which scores texts and writes none"):
        load_weights(run.folder)
    with pytest.raises(CheckpointError, match="parent has no reward model"):
        RewardModel.load(tmp_path / "weights" / "parent")
    catalogue = Catalogue(tmp_path / "weights", tmp_path / "runs")
    assert [entry.id for entry in catalogue.entries()] == ["base", "parent"]
    assert catalogue.find_run("judge") is None


def test_votes_learned_by_heart_that_mislead_are_no_divergence(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    votes = loud(4)
    others = Comparisons("others", tuple(Comparison(one.request, one.worse, one.better) for one in votes.comparisons))
    recipe = RewardConfig(**RECIPE | {"learning_rate": 0.1, "embedding_learning_rate": 0.1, "steps": 12, "eval_interval": 12})
    task = LearnReward.begin(Start.of(parent, FromParent(0.0)), recipe, votes, others)
    *_, last = Trainer.start(Run(tmp_path / "runs" / "judge"), task, CPU, torch.float32).steps()
    assert (last["step"], last["accuracy"]) == (12, 0.0)
    assert last["val_loss"] > 5 * math.log(2)


@pytest.mark.parametrize("stop", [3, 10])
def test_a_stopped_run_resumes_to_the_numbers_of_an_uninterrupted_one(tmp_path: Path, parent: Weights, stop: int, one_thread: None) -> None:
    settings = {"steps": 20, "average": 0.9}
    whole, run = Run(tmp_path / "runs" / "whole"), Run(tmp_path / "runs" / "parts")
    list(Trainer.start(whole, learn(parent, **settings), CPU, torch.float32).steps())
    first = Trainer.start(run, learn(parent, **settings), CPU, torch.float32)
    for metrics in first.steps():
        if metrics["step"] == stop:
            break
    first.save()
    shutil.rmtree(tmp_path / "weights" / "parent")  # a checkpoint has what was learned; the base is still needed
    list(Trainer.resume(run, LearnReward.resume(run), CPU).steps())
    assert metrics_of(run.folder) == metrics_of(whole.folder)
    assert run.samples() == whole.samples()
    (run.folder / "held_out.jsonl").write_bytes(loud(3).content)
    with pytest.raises(CorpusError, match=r"held_out\.jsonl was changed since the run was started"):
        LearnReward.resume(run)
    shutil.rmtree(tmp_path / "weights" / "base")
    with pytest.raises(CheckpointError, match="base"):
        LearnReward.resume(whole)


# Comparisons made by rule


def test_a_model_whose_answers_all_disobey_has_nothing_to_compare(
    tmp_path: Path, parent: Weights, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setattr("model.assistant.comparisons.PATIENCE", 8)
    with pytest.raises(CorpusError, match=r"The rules accept 0 of [\d,]+ answers of parent, so there is nothing to compare"):
        make_comparisons([load_weights(tmp_path / "weights" / "parent")], itertools.cycle(["Echo: my lord"]), 5, seed=0)


def test_answers_are_paired_by_what_the_rule_says_of_them(monkeypatch: pytest.MonkeyPatch, tiny: Weights) -> None:
    """The models are played: one answers well and badly in turn, another always badly."""
    own = {"Insult me.": ["Thou art a villain.", "I thank thee."], "Greet me.": ["Good morrow to thee.", "No."]}

    def play(writer: Weights, asked: Sequence[str], times: int, rng: random.Random) -> list[list[str]]:
        return [own[request] if writer is tiny else ["ROMEO: Ay me."] for request in asked]

    monkeypatch.setattr("model.assistant.comparisons._write", play)
    made = make_comparisons([tiny, replace(tiny, name="base")], itertools.cycle(own), 2, seed=0)
    assert {*made.comparisons} == {Comparison(request, *answers) for request, answers in own.items()}


def test_comparisons_are_made_or_given_or_both(tmp_path: Path, parent: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(writers: Sequence[Weights], requests: Iterator[str], n: int, seed: int, each: object = None) -> Comparisons:
        assert [writer.name for writer in writers] == ["parent", "base"]
        return Comparisons("made", tuple(Comparison(request, "yes", "no") for request in itertools.islice(requests, n)))

    monkeypatch.setattr("model.training.tasks.reward.make_comparisons", play)
    monkeypatch.setattr("model.training.tasks.reward.make_examples", lambda text, seed: [Example("shout", "Shout: night", "NIGHT")])
    folder, votes = tmp_path / "weights" / "parent", loud(20)
    train, held_out = gather(folder, votes, "", RewardConfig(made=30), torch.float32)
    assert train.comparisons[30:] == votes.comparisons
    assert {one.request for one in train.comparisons[:30]} == {"Shout: night"}
    asked = {one.request for one in held_out.comparisons}
    assert {skill.id for skill in map(skill_of, asked) if skill} == {skill.id for skill in SKILLS}
    assert not asked & {phrasing for skill in SKILLS for phrasing in skill.phrasings}
    assert [len(part) for part in gather(folder, None, "", RewardConfig(made=30), torch.float32)] == [30, 400]
    assert [len(part) for part in gather(folder, votes, "", RewardConfig(made=0), torch.float32)] == [18, 2]
    for given, message in (
        (None, "There are no comparisons; at least 2 are needed"),
        (loud(1), "loud has 1 comparison; at least 2 are needed"),
    ):
        with pytest.raises(CorpusError, match=message):
            gather(folder, given, "", RewardConfig(made=0), torch.float32)


# The command line


def test_the_command_line_learns_from_votes_and_resumes(
    tmp_path: Path, parent: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("votes.jsonl").write_bytes(loud(20).content)
    Path("one.jsonl").write_bytes(loud(1).content)
    Path("corpus.txt").write_text(synthetic_text(), encoding="utf-8")
    task = ("train", "--task", "reward", "--from", "weights/parent")
    tiny = ("--made", "0", "--steps", "4", "--eval-interval", "2", "--batch-size", "4", "--precision", "float32")
    for arguments, message in (
        (("train", "--task", "reward"), "Fine-tuning needs a parent model. Name one with --from"),
        ((*task, "--made", "0"), "There are no comparisons; at least 2 are needed"),
        ((*task, "--comparisons", "one.jsonl", *tiny), "one.jsonl has 1 comparison; at least 2 are needed"),
        ((*task, "--comparisons", "none.jsonl", *tiny), "The comparisons none.jsonl cannot be read"),
        ((*task, "--corpus", "corpus.txt"), "The text has too few answers for"),
        ((*task, "--pairs", "one.jsonl"), "--pairs is for the task sft, not reward"),
        ((*task, "--made", "20001"), "made must be between 0 and 20,000"),
    ):
        assert main([*arguments, "--run", "wrong"]) == 2
        assert message in capsys.readouterr().err
        assert not Path("runs/wrong").exists()
    assert main([*task, "--comparisons", "votes.jsonl", *tiny, "--run", "judge"]) == 0
    assert main(["train", "--run", "judge", "--resume"]) == 0
    assert "The run has already finished." in capsys.readouterr().out
    assert main(["train", "--run", "judge", "--resume", "--comparisons", "votes.jsonl"]) == 2
    assert "leave out --comparisons" in capsys.readouterr().err
    assert main(["export", "runs/judge", "weights/judge"]) == 0
    assert Path("weights/judge/held_out.jsonl").read_bytes() == Path("runs/judge/held_out.jsonl").read_bytes()
    scores = [RewardModel.load(folder).score("Say a.", "MY LORD").score for folder in ("weights/judge", "runs/judge")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-2)
    assert main(["export", "runs/judge", "weights/other", "--format", "nanogpt"]) == 2
    assert main(["eval", "--weights", "runs/judge"]) == 2
    assert "runs/judge has a reward model, which scores texts" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(tmp_path: Path, parent: Weights) -> None:
    (tmp_path / "votes.jsonl").write_bytes(loud(60).content)
    settings = ("--made", "0", "--precision", "float32", "--steps", "120", "--eval-interval", "10", "--batch-size", "8")
    begin = ("--task", "reward", "--from", "weights/parent", "--comparisons", "votes.jsonl", *settings)
    assert kill_and_resume(tmp_path, 3, random.Random(1), begin, ("--resume",)) == 3
    runs = tmp_path / "runs"
    assert metrics_of(runs / "killed") == metrics_of(runs / "whole")
    assert Run(runs / "killed").samples() == Run(runs / "whole").samples()


@pytest.mark.slow
def test_the_curve_is_measured_with_fewer_comparisons_and_with_votes(
    tmp_path: Path, parent: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("votes.jsonl").write_bytes(loud(60).content)
    task = ("--task", "reward", "--from", "weights/parent", "--comparisons", "votes.jsonl", "--made", "0", "--precision", "float32")
    assert main(["train", *task, "--run", "judge", "--steps", "4", "--eval-interval", "2", "--batch-size", "4"]) == 0
    assert main(["export", "runs/judge", "weights/judge"]) == 0
    sizes = ("--sizes", "20", "90", "--sizes-with-votes", "40", "--steps", "2")
    command = [sys.executable, "-m", "benchmarks.reward_curve", "runs/judge", "weights/judge", *sizes]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    measured = read_measured(Path("weights/judge"))
    assert [(point["kind"], point["comparisons"]) for point in measured["curve"]] == [("rule", 20), ("rule", 54), ("votes", 40)]
    assert measured["curve"][1].items() >= measured["accuracy"].items()
    assert measured["accuracy"]["n"] == 6
    assert measured["accuracy"]["low"] <= measured["accuracy"]["accuracy"] <= measured["accuracy"]["high"]
    assert measured["range"][0] < measured["range"][1]
