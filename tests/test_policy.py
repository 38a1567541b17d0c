"""Reinforcement learning: a tiny parent that has learned to stop learns to be rewarded, and a stopped run resumes exactly."""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import pytest
import torch

from model.__main__ import main
from model.assistant import rollouts
from model.assistant.answers import write_answers
from model.assistant.pairs import IGNORE, STOP, prompt_of
from model.assistant.reward import RewardModel
from model.assistant.rewards import LearnedReward, Reward, RuleReward
from model.assistant.rollouts import Rollouts, roll_out
from model.config import GPTConfig, LoRAConfig
from model.data import TINY_SHAKESPEARE_ALPHABET
from model.errors import TrainingError
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.training.run import Run
from model.training.tasks import policy
from model.training.trainer import Trainer
from model.weights import Adapter, Weights, load_weights, save_weights
from tests.support.answering import REQUESTS, Given, answering, learner
from tests.support.killing import kill_and_resume, metrics_of
from tests.support.reward import reward_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parent() -> Weights:
    return answering()


@pytest.fixture(autouse=True)
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations ask once for each skill."""
    monkeypatch.setattr(policy, "EVALUATED_PER_SKILL", 1)


# Rollouts


def test_rows_are_request_answer_and_stop_sign_and_only_the_answer_is_learned(parent: Weights) -> None:
    tokenizer, n = CharTokenizer(TINY_SHAKESPEARE_ALPHABET), 12
    found = roll_out(parent.model, tokenizer, REQUESTS * (n // 4), range(n), most=6)
    written = write_answers(parent.model, tokenizer, [prompt_of(request) for request in found.requests], range(n), 1.0, most=6)
    assert found.answers == written.texts(tokenizer)
    assert {True, False} == {*found.has_stopped}
    for row in range(n):
        length, prompt = int(written.lengths[row]), prompt_of(found.requests[row])
        whole = tokenizer.encode(prompt) + written.ids[row, :length].tolist()
        assert tokenizer.decode(whole) == prompt + found.answers[row] + STOP * found.has_stopped[row]
        learned = found.targets[row] != IGNORE
        assert found.inputs[row, : len(whole) - 1].tolist() == whole[:-1]
        assert found.targets[row][learned].tolist() == whole[len(tokenizer.encode(prompt)) :]
        assert learned.nonzero().flatten().tolist() == [*range(len(prompt) - 1, len(whole) - 1)]


def test_measures_are_those_of_the_answers() -> None:
    answers = ["Villain, thou art base.", "Villain, thou art base.", "I am so sorry.", "GOOD NIGHT", "GOOD NIGHT"]
    requests = ["Insult me.", "Insult me.", "Insult me.", "Shout: good night", "Shout: good night"]
    targets = torch.tensor([[1, 1, 1, IGNORE]] * 4 + [[1, IGNORE, IGNORE, IGNORE]])
    found = Rollouts(requests, answers, [True, False, True, True, True], [True, False, False, True, True], targets, targets)
    assert found.measures() == {"rule": 0.6, "distinct": pytest.approx(2 / 3), "stopped": 0.8, "length": 13 / 5}
    assert RuleReward()(found, torch.float32).tolist() == [1, 0, 0, 1, 1]


def test_an_answer_that_does_not_stop_does_not_obey(parent: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "judge", lambda request, answer: type("Yes", (), {"obeys": True}))
    found = roll_out(parent.model, parent.tokenizer, REQUESTS * 3, range(12), most=5)
    assert found.obeys == found.has_stopped
    assert {True, False} == {*found.obeys}


# The task


def test_a_batch_has_groups_with_advantages_around_zero(parent: Weights) -> None:
    task = learner(parent)
    network = task.make_network().eval()
    inputs, targets, advantage, reference = task.batch(3, network)
    assert len(inputs) == 16
    assert advantage.sum().item() == pytest.approx(0, abs=1e-5)
    assert advantage.abs().max() > 0
    ends = [int((row != IGNORE).nonzero().max()) for row in targets]
    assert ends == sorted(ends, reverse=True)
    again = task.batch(3, network)
    for one, other in zip((inputs, targets, advantage, reference), again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(task.batch(4, network)[1][:, :20], targets[:, :20])
    found = torch.log_softmax(network(inputs), -1).gather(2, targets.clamp(min=0)[..., None]).squeeze(-1)
    torch.testing.assert_close(reference, torch.where(targets == IGNORE, 0.0, found), rtol=1e-4, atol=1e-5)


def test_the_policy_learns_what_is_rewarded_and_a_penalty_keeps_it_near(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    steps, evaluations = {}, {}
    for weight in (0.0, 0.3):
        run = Run(tmp_path / str(weight))
        list(Trainer.start(run, learner(parent, kl_weight=weight, eval_interval=12), CPU, torch.float32).steps())
        steps[weight] = [line for line in run.metrics() if "loss" in line]
        evaluations[weight] = [line for line in run.metrics() if "val_loss" in line]

    def mean(name: str, lines: list[dict[str, float]]) -> float:
        return fmean(line[name] for line in lines)

    free, held = steps[0.0][-4:], steps[0.3][-4:]
    first = steps[0.0][0]
    assert steps[0.3][0]["reward"] == first["reward"]
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert first["reward"] < mean("reward", free) - 0.4
    assert mean("reward", held) < mean("reward", free) - 0.2
    assert 0.02 < mean("kl", held) < mean("kl", free) / 3
    assert mean("entropy", free) < 0.7 * first["entropy"]
    names = {"reward", "rule", "kl", "entropy", "distinct", "stopped", "length"}
    for line in (*steps[0.0], *steps[0.3], *evaluations[0.0], *evaluations[0.3]):
        assert names <= line.keys()
        assert line["kl"] >= 0
    assert evaluations[0.0][0] == evaluations[0.3][0]  # the same dice
    assert all(line["val_loss"] == -line["reward"] for line in evaluations[0.0])
    texts = Run(tmp_path / "0.0").samples()[-1]["texts"]
    assert [{*text} for text in texts] == [{"request", "answer", "score", "obeys"}] * 11
    assert sum(text["score"] for text in texts) / 11 == pytest.approx(evaluations[0.0][-1]["reward"], abs=1e-3)


def test_scores_far_from_zero_are_no_divergence(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    task = learner(parent, Given(lambda answer: len(answer) - 500.0), steps=1)
    *_, last = Trainer.start(Run(tmp_path / "low"), task, CPU, torch.float32).steps()
    assert last["reward"] < -400


@pytest.mark.parametrize("stop", [2, 4])
def test_a_stopped_run_resumes_to_the_numbers_of_an_uninterrupted_one(tmp_path: Path, parent: Weights, one_thread: None, stop: int) -> None:
    list(Trainer.start(Run(tmp_path / "whole"), learner(parent, steps=6), CPU, torch.float32).steps())
    run = Run(tmp_path / "parts")
    first = Trainer.start(run, learner(parent, steps=6), CPU, torch.float32)
    next(line for line in first.steps() if line["step"] == stop and "loss" in line)
    first.save()
    list(Trainer.resume(run, learner(parent, steps=6), CPU).steps())
    assert metrics_of(run.folder) == metrics_of(tmp_path / "whole")
    assert run.samples() == Run(tmp_path / "whole").samples()


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (Given(lambda answer: 0.5), "All of the first 16 answers get the same reward, 0.5"),
        (Given(lambda answer: math.nan), "The reward of an answer is not a number"),
        (RuleReward(), "All of the first 16 answers get the same reward, 0, so there is nothing to learn"),
    ],
)
def test_a_reward_that_teaches_nothing_is_said(parent: Weights, reward: Reward, message: str) -> None:
    task = learner(parent, reward)
    with pytest.raises(TrainingError, match=message):
        task.batch(0, task.make_network().eval())


def test_a_parent_that_never_stops_is_said() -> None:
    config = GPTConfig(block_size=160, vocab_size=len(TINY_SHAKESPEARE_ALPHABET), n_layer=1, n_head=1, n_embd=8)
    wordy = Weights("wordy", GPT(config, torch.Generator().manual_seed(0)).eval(), CharTokenizer(TINY_SHAKESPEARE_ALPHABET), {}, "cd" * 32)
    task = learner(wordy)
    with pytest.raises(TrainingError, match="None of the first 16 answers ended with the stop sign"):
        task.batch(0, task.make_network().eval())


def test_a_network_that_broke_is_said(parent: Weights) -> None:
    task = learner(parent)
    network = task.make_network().eval()
    with torch.no_grad():
        network.learned()["transformer.h.0.mlp.c_proj.lora_B"].fill_(torch.inf)
    with pytest.raises(TrainingError, match="The run has diverged: the network's output is not finite"):
        task.batch(1, network)


# With a reward model, from the command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: Weights) -> Path:
    """A working directory with a parent and a reward model that was made from it."""
    monkeypatch.chdir(tmp_path)
    save_weights(Path("parent"), parent.model, parent.tokenizer, {})
    base, shape = load_weights("parent"), LoRAConfig(rank=2)
    save_weights(Path("judge"), reward_network(base.model, shape), parent.tokenizer, Adapter(shape, base.origin).about())
    return tmp_path


POLICY = ("--task", "policy", "--from", "parent", "--reward", "judge", "--batch-size", "8", "--group-size", "4")
SHORT = ("--steps", "4", "--eval-interval", "2", "--precision", "float32")


def test_a_learned_reward_is_the_score_of_the_whole_row(folder: Path, parent: Weights) -> None:
    found = roll_out(parent.model, parent.tokenizer, REQUESTS * 6, range(24), most=6)
    model = RewardModel.load("judge")
    scores = LearnedReward.load(Path("judge"))(found, torch.float32)
    for request, answer, score in zip(found.requests, found.answers, scores.tolist(), strict=True):
        assert score == pytest.approx(model.score(request, answer).score, abs=1e-4)
    assert len({*scores.tolist()}) > 4


@pytest.mark.usefixtures("corpus_path")
def test_the_command_line_learns_from_a_reward_model_and_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *POLICY, *SHORT, "--run", "whole"]) == 0
    about = json.loads(Path("runs/whole/config.json").read_text(encoding="utf-8"))["about"]
    assert (about["task"], about["parent"]["name"], about["adapter"]["base"]["name"]) == ("policy", "parent", "parent")
    assert about["reward"] == {"kind": "learned", **asdict(load_weights("judge", writes=False).origin)}
    assert about["corpus"]["name"] == "tinyshakespeare"
    run = Run(Path("runs/parts"))
    shutil.copytree("runs/whole", run.folder)
    (run.folder / "last.safetensors").unlink()  # so that it goes on from step 2
    assert main(["train", "--run", "parts", "--resume"]) == 0
    assert metrics_of(run.folder) == metrics_of(Path("runs/whole"))
    assert main(["export", "runs/whole", "obey"]) == 0
    assert load_weights("obey").adapter == load_weights("runs/whole").adapter
    Path("runs/parts/requests.txt").write_text("Insult me.", encoding="utf-8")
    assert main(["train", "--run", "parts", "--resume"]) == 2
    assert "requests.txt was changed since the run was started" in capsys.readouterr().err
    shutil.rmtree("judge")
    assert main(["train", "--run", "whole", "--resume"]) == 2
    assert "whole needs the reward model that it learns from, judge (sha256" in capsys.readouterr().err


@pytest.mark.usefixtures("corpus_path")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reward", "parent"), "parent has no reward model"),
        (("--reward", "nowhere"), "There is no folder nowhere"),
        (("--reward", "rule"), "All of the first 8 answers get the same reward, 0, so there is nothing to learn from."),
        (("--batch-size", "9"), "batch_size (9) must be a multiple of group_size (4)"),
        (("--dropout", "0.1"), "This preset has no setting 'dropout'"),
        (("--pairs", "pairs.jsonl"), "--pairs is for the task sft, not policy"),
    ],
)
def test_what_a_policy_cannot_be_learned_with_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main(["train", *POLICY, *SHORT, "--run", "wrong", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("corpus_path")
def test_a_reward_model_that_cannot_read_the_answers_is_refused(folder: Path, parent: Weights, capsys: pytest.CaptureFixture[str]) -> None:
    save_weights(Path("stranger"), parent.model, CharTokenizer(TINY_SHAKESPEARE_ALPHABET.replace("$", "+")), {})
    longer = GPT(GPTConfig(**vars(parent.model.config) | {"block_size": 512}))
    save_weights(Path("longer"), longer, CharTokenizer(TINY_SHAKESPEARE_ALPHABET), {})
    for name, message in (
        ("stranger", "judge has another vocabulary than stranger. Choose"),
        ("longer", f"judge has a context of {parent.model.config.block_size} characters, longer one of 512. Choose"),
    ):
        assert main(["train", *POLICY, *SHORT, "--run", "wrong", "--from", name]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("corpus_path")
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(folder: Path) -> None:
    settings = ("--precision", "float32", "--steps", "30", "--eval-interval", "5")
    assert kill_and_resume(folder, 3, random.Random(1), (*POLICY, *settings), ("--resume",)) == 3
    runs = folder / "runs"
    assert metrics_of(runs / "killed") == metrics_of(runs / "whole")
    assert Run(runs / "killed").samples() == Run(runs / "whole").samples()
