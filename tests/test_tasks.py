"""Tasks: pretraining gives the numbers it always gave; fine-tuning learns the answers alone, and resumes exactly."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.__main__ import main
from model.assistant.pairs import IGNORE, STOP, Pairs, load_pairs, make_rows, pad, read_pairs
from model.config import (
    BigramConfig,
    EncoderDecoderConfig,
    FeedForwardConfig,
    GPT1Config,
    GPTConfig,
    HeadConfig,
    HeadsConfig,
    LoRAConfig,
    SFTConfig,
    SmallGPTConfig,
    TrainConfig,
)
from model.data import Corpus, train_chars
from model.decode import generate
from model.errors import CheckpointError, CorpusError, ParameterError
from model.evaluation import mean_loss
from model.network.kinds import make_network
from model.sampling import SamplingParams
from model.tokenizer import CharTokenizer
from model.training.job import Job
from model.training.presets import PRESETS, FromParent
from model.training.run import Run
from model.training.samples import SAMPLE_TEMPERATURE
from model.training.tasks.fine_tuning import as_writer
from model.training.tasks.pretrain import Pretrain
from model.training.tasks.sft import PLAYS_CHARS, PLAYS_WINDOWS, FineTune
from model.training.trainer import EvaluationStoppedError, Trainer
from model.weights import WEIGHTS_FOLDER, Adapter, Weights, load_tensors, load_weights, save_weights
from tests.support.killing import kill_and_resume, metrics_of, stop_and_paste, synthetic_text

CPU = torch.device("cpu")
WORDS = ["the", "king", "and", "of", "my", "lord", "is", "not", "what", "thou", "art", "shall"]
RECIPE = {
    "steps": 30,
    "batch_size": 8,
    "micro_batch_size": 4,
    "warmup_steps": 2,
    "eval_interval": 10,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
}

# python -m model train --preset tiny --precision float32 --device cpu --corpus FILE, with `synthetic_text()` in FILE, on the trainer that
# had no tasks yet; OMP_NUM_THREADS=1, PyTorch 2.13, AMD EPYC without AMX.
GOLDEN_LOSSES = {1: 3.23084, 2: 3.237871, 20: 2.653933, 60: 2.075271}
GOLDEN_EVALUATIONS = {0: (3.23953,), 20: (2.611198, 2.656406), 40: (2.168302, 2.230209), 60: (2.011587, 2.036647)}
OTHER_CPU = 2e-3  # rounding differs between processors, and grows; another order of the batches would change a loss by more


def shouting(n: int = 60, seed: int = 0) -> bytes:
    """Pairs of a lower-case phrase and the same in capitals."""
    rng = random.Random(seed)
    phrases = [" ".join(rng.choices(WORDS, k=rng.randint(1, 3))) for _ in range(n)]
    return "".join(json.dumps({"request": phrase, "answer": phrase.upper()}) + "\n" for phrase in phrases).encode()


@pytest.fixture
def parent(tmp_path: Path, make_model: Callable[..., Any]) -> Weights:
    """A small random network, in evaluation mode, with a context that the pairs fit."""
    vocabulary = CharTokenizer.from_text(synthetic_text() + "".join(WORDS).upper() + "\n")
    save_weights(tmp_path / "parent", make_model(block_size=64, vocab_size=len(vocabulary)), vocabulary, {})
    return load_weights(tmp_path / "parent")


@pytest.fixture
def pairs() -> Pairs:
    return read_pairs("shout.jsonl", shouting(), "shout.jsonl")


def fine_tune(parent: Weights, pairs: Pairs, **settings: Any) -> FineTune:
    return FineTune.begin(parent, FromParent(0.1), SFTConfig(**RECIPE | settings), pairs, None)


# Pretraining


def test_pretraining_gives_the_numbers_that_it_gave_before_there_were_tasks(tmp_path: Path, one_thread: None) -> None:
    preset = PRESETS["tiny"]
    assert isinstance(preset.network, GPTConfig)
    task = Pretrain(Corpus("synthetic", synthetic_text()), preset.network, preset.recipe)
    list(Trainer.start(Run(tmp_path), task, CPU, torch.float32).steps())
    lines = metrics_of(tmp_path)
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert {step: losses[step] for step in GOLDEN_LOSSES} == pytest.approx(GOLDEN_LOSSES, abs=OTHER_CPU)
    evaluations = [[line[name] for name in line if name != "step"] for line in lines if "val_loss" in line]
    for found, expected in zip(evaluations, GOLDEN_EVALUATIONS.values(), strict=True):
        assert found == pytest.approx(expected, abs=OTHER_CPU)
    assert "task" not in json.loads((tmp_path / "config.json").read_text())["about"]


# Rows and loss


def test_the_loss_counts_the_answer_and_the_stop_sign_alone(parent: Weights, pairs: Pairs) -> None:
    task = fine_tune(parent, pairs)
    by_hand, n_chars = 0.0, 0
    chosen = pairs.pairs[:3]
    for pair in chosen:
        text = f"\n\n{pair.request}\n{pair.answer}\n\n"
        ids = parent.tokenizer.encode(text)
        for place in range(len(text) - len(pair.answer) - 2, len(text)):  # one character at a time, each from all before it
            logits = parent.model(torch.tensor([ids[:place]]))[0, -1]
            by_hand -= float(torch.log_softmax(logits.double(), 0)[ids[place]])
            n_chars += 1
    rows = pad(make_rows(chosen, parent.tokenizer, 64, "pairs"))
    assert task.weight(rows) == n_chars == sum(len(pair.answer) + 2 for pair in chosen)
    loss = task.loss(parent.model, rows, torch.Generator())
    assert float(loss) == pytest.approx(by_hand / n_chars, abs=1e-5)


def test_padding_cannot_change_the_loss(parent: Weights, pairs: Pairs) -> None:
    task = fine_tune(parent, pairs)
    (inputs, targets) = pad(make_rows(pairs.pairs[:4], parent.tokenizer, 64, "pairs"))
    lengths = [len(row.inputs) for row in make_rows(pairs.pairs[:4], parent.tokenizer, 64, "pairs")]
    assert min(lengths) < max(lengths)
    expected = float(task.loss(parent.model, (inputs, targets), torch.Generator()))
    filled = inputs.clone()
    for row, length in zip(filled, lengths, strict=True):
        row[length:] = 7
    assert float(task.loss(parent.model, (filled, targets), torch.Generator())) == expected
    wider = torch.nn.functional.pad(inputs, (0, 9)), torch.nn.functional.pad(targets, (0, 9), value=IGNORE)
    assert float(task.loss(parent.model, wider, torch.Generator())) == pytest.approx(expected, abs=1e-6)


def test_the_size_of_a_pass_does_not_change_the_step(tmp_path: Path, parent: Weights, pairs: Pairs) -> None:
    found = []
    for size in (2, 8):  # rows of different lengths: passes count as much as they have characters to learn
        task = FineTune.begin(parent, FromParent(0.0), SFTConfig(**RECIPE | {"micro_batch_size": size}), pairs, None)
        trainer = Trainer.start(Run(tmp_path / str(size)), task, CPU, torch.float32)
        found.append([trainer.optimize() for _ in range(3)])
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_batches_are_a_function_of_seed_and_step_and_shuffle_each_epoch(parent: Weights, pairs: Pairs) -> None:
    task, again = fine_tune(parent, pairs), fine_tune(parent, pairs)
    for step in (0, 7, 1_000):
        for one, other in zip(task.batch(step, parent.model), again.batch(step, parent.model), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(task.batch(0, parent.model)[0], fine_tune(parent, pairs, seed=1).batch(0, parent.model)[0])
    n = len(task.rows)
    large = fine_tune(parent, pairs, batch_size=n)  # a whole epoch a step
    counted = {tuple(row.tolist()) for row in large.batch(0, parent.model)[0]}
    assert len(counted) == len({tuple(row.tolist()) for row in pad(task.rows)[0]})
    assert not torch.equal(large.batch(0, parent.model)[0], large.batch(1, parent.model)[0])
    larger = fine_tune(parent, pairs, batch_size=3 * n)
    assert len(larger.batch(0, parent.model)[0]) == 3 * n


def test_the_last_tenth_of_the_pairs_is_held_out(parent: Weights, pairs: Pairs) -> None:
    train, held_out = pairs.split()
    assert (len(train), len(held_out)) == (54, 6)
    assert (*train, *held_out) == pairs.pairs
    task = fine_tune(parent, pairs)
    texts = [parent.tokenizer.decode(row.inputs.tolist()) for row in (*task.rows, *task.held_out_rows)]
    assert texts[:54] == [f"{pair.prompt}{pair.answer}\n" for pair in train]
    assert sorted(texts[54:]) == sorted(f"{pair.prompt}{pair.answer}\n" for pair in held_out)
    two = read_pairs("two", shouting(2), "two")
    assert [len(part) for part in two.split()] == [1, 1]


def test_exact_is_the_share_of_answers_that_are_written_without_a_mistake(tmp_path: Path, parent: Weights, one_thread: None) -> None:
    pairs = read_pairs("few", shouting(20), "few")
    trainer = Trainer.start(
        Run(tmp_path / "run"), fine_tune(parent, pairs, steps=60, eval_interval=30, learning_rate=2e-2), CPU, torch.float32
    )
    trainer.task.rows = trainer.task.held_out_rows  # type: ignore[attr-defined]  # so that some of them are learned
    evaluations = [line for line in trainer.steps() if "val_loss" in line]
    written = []
    for pair in pairs.split()[1]:
        params = SamplingParams(temperature=0, max_new_chars=len(pair.answer) + 2)
        ids = generate(trainer.model.eval(), parent.tokenizer.encode(pair.prompt), params)
        written.append(parent.tokenizer.decode(ids) == pair.answer + STOP)
    assert any(written)
    assert evaluations[-1]["exact"] == pytest.approx(sum(written) / len(written))
    assert evaluations[0]["exact"] == 0
    assert evaluations[0]["val_loss"] > evaluations[-1]["val_loss"]


def test_a_sample_answers_a_held_out_request_with_the_same_dice(tmp_path: Path, parent: Weights, pairs: Pairs, one_thread: None) -> None:
    trainer = Trainer.start(Run(tmp_path / "run"), fine_tune(parent, pairs, steps=40, eval_interval=20), CPU, torch.float32)
    list(trainer.steps())
    asked = pairs.split()[1][0]
    sample = Run(tmp_path / "run").samples()[-1]["text"]
    params = SamplingParams(temperature=SAMPLE_TEMPERATURE, max_new_chars=64 - len(asked.prompt), seed=trainer.recipe.seed)
    text = parent.tokenizer.decode(generate(as_writer(trainer.model), parent.tokenizer.encode(asked.prompt), params))
    assert sample == f"{asked.request}\n{text.partition(STOP)[0]}"
    assert Run(tmp_path / "run").samples()[0]["text"].startswith(f"{asked.request}\n")


def test_without_pairs_examples_are_made_and_pieces_of_the_plays_mixed_in(
    tmp_path: Path, corpus_path: Path, make_model: Callable[..., Any], one_thread: None
) -> None:
    plays = Corpus("tinyshakespeare", corpus_path.read_text(encoding="utf-8"))
    save_weights(tmp_path / "parent", make_model(block_size=160), CharTokenizer.from_text(plays.text), {})
    parent, recipe = load_weights(tmp_path / "parent"), SFTConfig(**RECIPE | {"steps": 1, "plays_share": 0.25, "average": 0.0})
    task = FineTune.begin(parent, FromParent(0.1, rank=2), recipe, None, plays)
    inputs, targets = task.batch(0, parent.model)
    counted = (targets != IGNORE).sum(1)
    pieces = [row for row, n in zip(inputs, counted.tolist(), strict=True) if n == PLAYS_CHARS]
    assert (len(inputs), len(pieces)) == (8, 2)
    for row in pieces:
        assert parent.tokenizer.decode(row[:PLAYS_CHARS].tolist()) in plays.text[: train_chars(len(plays.text))]
    lengths = [int((row != IGNORE).nonzero().max()) for row in targets]
    assert lengths == sorted(lengths)
    run = Run(tmp_path / "run")
    list(Trainer.start(run, task, CPU, torch.float32).steps())
    first, last = (line for line in run.metrics() if "val_loss" in line)
    assert first.keys() == last.keys() == {"step", "val_loss", "obeys", "answer_loss", "plays_loss"}
    best = min((first, last), key=lambda line: line["val_loss"])
    assert load_weights(run.folder).about["best"] == best
    last_tenth = torch.tensor(parent.tokenizer.encode(plays.text[train_chars(len(plays.text)) - 1 :]))
    part = last_tenth[: PLAYS_WINDOWS * 160 + 1]
    assert first["plays_loss"] == pytest.approx(mean_loss(parent.model, part), abs=1e-5)
    assert [text.partition("\n")[0] for text in run.samples()[0]["text"].split("\n\n") if text][:2] == task.asked[:2]
    resumed = FineTune.resume(run, plays)
    assert (resumed.is_made, resumed.asked, resumed.pairs.pairs) == (True, task.asked, task.pairs.pairs)
    torch.testing.assert_close(resumed.batch(5, parent.model), task.batch(5, parent.model), rtol=0, atol=0)
    with pytest.raises(CorpusError, match=r"run was started with another text \(tinyshakespeare\)"):
        FineTune.resume(run, Corpus("other", plays.text[:-1]))


# A run


def test_a_run_begins_with_its_parents_weights_learns_adapters_and_says_whose_they_are(
    tmp_path: Path, parent: Weights, pairs: Pairs
) -> None:
    trainer = Trainer.start(Run(tmp_path / "run"), fine_tune(parent, pairs), CPU, torch.float32)
    frozen = parent.model.state_dict()
    for key, tensor in frozen.items():
        torch.testing.assert_close(trainer.model.state_dict()[key], tensor, rtol=0, atol=0)
    list(trainer.steps())
    for key, tensor in frozen.items():
        torch.testing.assert_close(trainer.model.state_dict()[key], tensor, rtol=0, atol=0)
    assert load_tensors(tmp_path / "run" / "best.safetensors")[0].keys() == trainer.model.learned().keys()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["about"]["task"] == "sft"
    assert config["about"]["parent"] == {"key": parent.key, "sha256": parent.sha256, "name": "parent"}
    assert config["about"]["pairs"] == {"name": "shout.jsonl", "pairs": 60, "sha256": pairs.sha256, "made": False}
    assert config["about"]["adapter"] == {"rank": 32, "alpha": 128.0, "base": config["about"]["parent"]}
    assert config["network"]["dropout"] == 0.1
    assert (tmp_path / "run" / "pairs.jsonl").read_bytes() == pairs.content
    assert load_weights(tmp_path / "run").tokenizer.vocabulary == parent.tokenizer.vocabulary
    about = Job(tmp_path / "run").about()
    assert (about["task"], about["parent"]["name"], about["state"], about["kind"]) == ("sft", "parent", "finished", "gpt")
    assert (about["corpus"]["name"], about["chars_per_s"], about["best_step"]) == ("shout.jsonl", None, 30)
    assert Job(tmp_path / "run").about()["n_params"] == parent.model.n_params()


def test_the_curve_has_the_columns_of_the_task(tmp_path: Path, parent: Weights, pairs: Pairs) -> None:
    list(Trainer.start(Run(tmp_path / "run"), fine_tune(parent, pairs, average=0.9), CPU, torch.float32).steps())
    job = Job(tmp_path / "run")
    job.curve.read()
    evaluations = job.curve.since(0)["evaluations"]
    assert list(evaluations) == ["step", "val_loss", "exact", "val_loss_average", "exact_average"]
    assert evaluations["exact_average"][0] is None  # at step 0 the average is the weights themselves
    assert job.curve.best
    assert job.curve.best[0] == min(value for name in ("val_loss", "val_loss_average") for value in evaluations[name] if value is not None)


@pytest.mark.parametrize("stop", [10, *(pytest.param(stop, marks=pytest.mark.slow) for stop in (3, 30))])
def test_a_stopped_run_resumes_to_the_numbers_of_an_uninterrupted_one(tmp_path: Path, parent: Weights, pairs: Pairs, stop: int) -> None:
    list(Trainer.start(Run(tmp_path / "whole"), fine_tune(parent, pairs, average=0.9), CPU, torch.float32).steps())
    run = Run(tmp_path / "parts")
    first = Trainer.start(run, fine_tune(parent, pairs, average=0.9), CPU, torch.float32)
    for metrics in first.steps():
        if metrics["step"] == stop:
            break
    first.save()
    second = Trainer.resume(run, FineTune.resume(run, None), CPU)
    assert second.step == stop
    list(second.steps())
    assert metrics_of(run.folder) == metrics_of(tmp_path / "whole")
    assert run.samples() == Run(tmp_path / "whole").samples()


@pytest.mark.parametrize("interrupted_at", [0, 10])
def test_a_resumed_run_finds_its_parent_again(tmp_path: Path, parent: Weights, pairs: Pairs, interrupted_at: int) -> None:
    list(Trainer.start(Run(tmp_path / "whole"), fine_tune(parent, pairs), CPU, torch.float32).steps())
    run = Run(tmp_path / "parts")
    first = Trainer.start(run, fine_tune(parent, pairs), CPU, torch.float32)
    with contextlib.suppress(EvaluationStoppedError):
        for metrics in (first.interrupt(), *first.steps()) if not interrupted_at else first.steps():
            if metrics and metrics["step"] == interrupted_at:
                break
    (tmp_path / "parent").rename(tmp_path / "away")
    list(Trainer.resume(run, FineTune.resume(run, None), CPU).steps())
    assert metrics_of(run.folder) == metrics_of(tmp_path / "whole")


def test_a_run_whose_parent_is_gone_says_what_it_needs(tmp_path: Path, parent: Weights, pairs: Pairs) -> None:
    list(Trainer.start(Run(tmp_path / "run"), fine_tune(parent, pairs, steps=1), CPU, torch.float32).steps())
    shutil.rmtree(tmp_path / "parent")
    with pytest.raises(CheckpointError, match=rf"run needs the model that it is fine-tuned from, parent \(sha256 {parent.sha256[:12]}"):
        FineTune.resume(Run(tmp_path / "run"), None)


def test_a_model_with_adapters_is_trained_on_and_keeps_its_base(tmp_path: Path, parent: Weights, pairs: Pairs) -> None:
    list(Trainer.start(Run(tmp_path / "one"), fine_tune(parent, pairs), CPU, torch.float32).steps())
    middle = load_weights(tmp_path / "one", merge=False)
    assert middle.adapter == Adapter(LoRAConfig(32), parent.origin)
    trainer = Trainer.start(Run(tmp_path / "two"), fine_tune(middle, pairs), CPU, torch.float32)
    for name, tensor in middle.model.learned().items():
        torch.testing.assert_close(trainer.model.learned()[name], tensor, rtol=0, atol=0)
    first, *_ = trainer.steps()
    assert first["val_loss"] == pytest.approx(middle.about["best"]["val_loss"], abs=1e-6)
    end = load_weights(tmp_path / "two")
    assert end.adapter == middle.adapter
    assert end.about["parent"] == {"key": middle.key, "sha256": middle.sha256, "name": "one"}
    shutil.rmtree(tmp_path / "one")
    FineTune.resume(Run(tmp_path / "two"), None)  # from a checkpoint, the base is enough


def test_changed_or_missing_pairs_are_said_when_a_run_is_resumed(tmp_path: Path, parent: Weights, pairs: Pairs) -> None:
    list(Trainer.start(Run(tmp_path / "run"), fine_tune(parent, pairs), CPU, torch.float32).steps())
    path = tmp_path / "run" / "pairs.jsonl"
    path.write_bytes(shouting(seed=1))
    with pytest.raises(CorpusError, match="was changed since the run was started"):
        FineTune.resume(Run(tmp_path / "run"), None)
    path.unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        FineTune.resume(Run(tmp_path / "run"), None)


@pytest.mark.slow
def test_the_command_that_is_printed_to_resume_can_be_pasted(tmp_path: Path, parent: Weights) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(shouting())
    (tmp_path / "parent").rename(tmp_path / "my parent")
    arguments = (
        "--task",
        "sft",
        "--from",
        "my parent",
        "--pairs",
        "pairs.jsonl",
        "--precision",
        "float32",
        "--batch-size",
        "4",
        "--plays-share",
        "0",
    )
    first, second = stop_and_paste(tmp_path, Path("elsewhere") / "obey", *arguments)
    assert 0 < first < second


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(tmp_path: Path, parent: Weights) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(shouting())
    settings = (
        "--precision",
        "float32",
        "--plays-share",
        "0",
        "--steps",
        "120",
        "--eval-interval",
        "10",
        "--batch-size",
        "8",
        "--micro-batch-size",
        "4",
    )
    begin = ("--task", "sft", "--from", "parent", "--pairs", "pairs.jsonl", *settings)
    assert kill_and_resume(tmp_path, 3, random.Random(1), begin, ("--resume",)) == 3
    runs = tmp_path / "runs"
    assert metrics_of(runs / "killed") == metrics_of(runs / "whole")
    assert Run(runs / "killed").samples() == Run(runs / "whole").samples()


# Pairs that are none


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has fewer than 2 pairs"),
        (b"\n \n", "has fewer than 2 pairs"),
        (shouting(1), "has fewer than 2 pairs"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (shouting(1) + b"no JSON\n", "line 2 is not valid JSON"),
        (shouting(1) + b"\n" + b"[" * 100_000, "line 3 is not valid JSON"),
        (b'["request", "answer"]', "line 1 must be an object with the two texts"),
        (b'{"request": "a"}', "line 1 must be an object with the two texts"),
        (b'{"request": "a", "answer": "b", "kind": "c"}', "line 1 must be an object with the two texts"),
        (b'{"request": "a", "answer": 5}', "line 1 must be an object with the two texts"),
        (b'{"request": "", "answer": "b"}', "line 1: the request is empty"),
        (b'{"request": "a", "answer": " "}', "line 1: the answer is empty"),
        (
            rb'{"request": "a", "answer": "b\n\nc"}',
            "line 1: the answer begins or ends with a newline or has an empty line, which is the stop",
        ),
        (rb'{"request": "a", "answer": "b\n"}', "line 1: the answer begins or ends with a newline"),
        (rb'{"request": "\na", "answer": "b"}', "line 1: the request begins or ends with a newline"),
    ],
)
def test_files_that_are_not_pairs_are_refused_by_line(content: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_pairs("bad", content, "bad.jsonl")


def test_pairs_that_the_model_cannot_read_are_named(parent: Weights) -> None:
    def check(texts: list[str], message: str) -> None:
        lines = shouting(1) + "".join(json.dumps({"request": "the", "answer": text}) + "\n" for text in texts).encode()
        with pytest.raises(CorpusError, match=message):
            fine_tune(parent, read_pairs("bad.jsonl", lines, "bad.jsonl"))

    check(["KINGé"], r"bad\.jsonl, line 2: The model's vocabulary has no ‘é’")
    check(["é"] * 5, r"line 4: .* The same is true of 2 more lines")
    check(["K" * 60], r"bad\.jsonl, line 2 \(67 characters\): longer than the model's context of 64 characters")
    assert fine_tune(parent, read_pairs("fits", shouting(1) + b'{"request": "the", "answer": "' + b"K" * 57 + b'"}', "fits"))


def test_a_missing_file_of_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere\.jsonl cannot be read: No such file"):
        load_pairs(tmp_path / "nowhere.jsonl")


def test_a_parent_without_a_newline_is_refused(make_model: Callable[..., Any], pairs: Pairs) -> None:
    weights = Weights("plain", make_model(vocab_size=2), CharTokenizer("ab"), {}, "00" * 32)
    with pytest.raises(CorpusError, match="does not know the newline"):
        fine_tune(weights, pairs)


# The command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: Weights) -> Path:
    """A working directory with a parent, pairs and a corpus."""
    monkeypatch.chdir(tmp_path)
    Path("pairs.jsonl").write_bytes(shouting())
    Path("corpus.txt").write_text(synthetic_text(), encoding="utf-8")
    save_weights(Path("bigram"), make_network(BigramConfig(vocab_size=len(parent.tokenizer))), parent.tokenizer, {})
    return tmp_path


SFT = ("--task", "sft", "--from", "parent", "--pairs", "pairs.jsonl")
TINY_SFT = ("--steps", "4", "--eval-interval", "2", "--batch-size", "4", "--precision", "float32", "--plays-share", "0")


def test_the_command_line_fine_tunes_and_resumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SFT, "--run", "obey", *TINY_SFT]) == 0
    assert capsys.readouterr().out.endswith(" -m model export runs/obey weights/obey\n")
    assert main(["train", "--run", "obey", "--resume"]) == 0
    assert "The run has already finished." in capsys.readouterr().out
    assert main(["export", "runs/obey", "weights/obey"]) == 0
    weights = load_weights("weights/obey")
    assert (weights.about["task"], weights.val_loss) == ("sft", None)  # its loss on answers is no validation loss


def test_the_commands_work_with_a_folder_of_adapters(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SFT, "--run", "obey", *TINY_SFT]) == 0
    assert main(["export", "runs/obey", "weights/obey"]) == 0
    assert load_tensors(Path("weights/obey/model.safetensors"))[0].keys() == load_tensors(Path("runs/obey/best.safetensors"))[0].keys()
    with_adapters = ["--weights", "weights/obey"]
    assert main(["sample", *with_adapters, "--prompt", "the", "--seed", "1", "--length", "5"]) == 0
    capsys.readouterr()
    assert main(["eval", *with_adapters, "--corpus", "corpus.txt"]) == 0
    loss = capsys.readouterr().out.split("validation loss ")[1][:6]
    assert main(["heads", *with_adapters, "--corpus", "corpus.txt"]) == 0
    assert f"validation loss {loss}" in capsys.readouterr().out
    heads = load_weights("weights/obey").heads
    assert heads
    assert f"{heads['loss']:.4f}" == loss
    assert main(["export", "weights/obey", "weights/whole", "--format", "nanogpt"]) == 0
    assert main(["import", "weights/whole", "weights/back"]) == 0
    torch.testing.assert_close(load_weights("weights/back").model.state_dict(), load_weights("weights/obey").model.state_dict())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "sft"), "Fine-tuning needs a parent model. Name one with --from, such as weights/shakespeare."),
        ((*SFT, "--from", "nowhere"), "There is no folder nowhere"),
        ((*SFT, "--pairs", "none.jsonl"), "The pairs none.jsonl cannot be read"),
        ((*SFT, "--n-layer", "3"), "This preset has no setting 'n_layer'"),
        ((*SFT, "--input-noise", "0.1"), "This preset has no setting 'input_noise'"),
        ((*SFT, "--optimizer", "muon"), "This preset has no setting 'optimizer'"),
        ((*SFT, "--from", "bigram", "--plays-share", "0"), "bigram is not a GPT but a network of the kind bigram."),
        ((*SFT, "--runs", "far/away/from/runs"), "wrong needs the model that it is fine-tuned from, parent (sha256 "),
        (("--task", "sft", "--preset", "tiny"), "The preset tiny is for the task pretrain, not sft"),
        (("--preset", "tiny", "--from", "parent"), "--from is for the task sft, not pretrain"),
        (("--preset", "bigram", "--n-layer", "3"), "This preset has no setting 'n_layer'. It has average, batch_size, beta2, block_size"),
        (("--preset", "bigram", "--optimizer", "muon"), "This preset has no setting 'optimizer'"),
        (("--preset", "bigram", "--block-size", "7"), "block_size must be even"),
    ],
)
def test_options_of_another_task_or_network_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main(["train", "--run", "wrong", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not Path("runs/wrong").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SFT, "--pairs", "unknown.jsonl", "--plays-share", "0"), "unknown.jsonl, line 61: The model's vocabulary has no ‘é’."),
        ((*SFT, "--from", "no-newline", "--plays-share", "0"), "no-newline does not know the newline"),
        (("--preset", "tiny", "--corpus", "corpus.txt", "--block-size", "4096"), "needs at least"),
    ],
)
def test_a_run_that_is_refused_leaves_no_folder_behind(
    folder: Path, make_model: Callable[..., Any], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    Path("unknown.jsonl").write_bytes(shouting() + '{"request": "the", "answer": "é"}'.encode())
    Path("corpus.txt").write_text(synthetic_text(5_000), encoding="utf-8")
    save_weights(Path("no-newline"), make_model(vocab_size=2), CharTokenizer("ab"), {})
    assert main(["train", "--run", "wrong", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs/wrong").exists()
    earlier = Path("runs/earlier")  # made by the page, which keeps there what was asked for
    earlier.mkdir()
    assert main(["train", "--run", "earlier", *arguments]) == 2
    assert message in json.loads((earlier / "process.json").read_text())["error"]


def test_a_resumed_run_keeps_its_task_and_pairs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SFT, "--run", "obey", *TINY_SFT]) == 0
    for arguments, message in (
        (("--pairs", "pairs.jsonl"), "A resumed run keeps its settings: leave out --pairs."),
        (("--steps", "9"), "A resumed run keeps its settings: leave out --steps."),
        (("--task", "pretrain"), "has the task sft, not pretrain"),
        (("--from", "parent"), "A resumed run keeps its settings: leave out --from."),
    ):
        assert main(["train", "--run", "obey", "--resume", *arguments]) == 2
        assert message in capsys.readouterr().err
    path = Path("runs/obey/config.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"task": "sft"', '"task": "juggle"'), encoding="utf-8")
    assert main(["train", "--run", "obey", "--resume"]) == 2
    assert "its task is 'juggle'; this version knows pretrain, sft, reward" in capsys.readouterr().err


# Other networks


def test_a_bigram_network_trains_resumes_and_is_exported(folder: Path) -> None:
    arguments = ["--preset", "bigram", "--corpus", "corpus.txt", "--steps", "200", "--eval-interval", "100"]
    assert main(["train", "--run", "whole", *arguments]) == 0
    run = Run(Path("runs/whole"))
    assert [line["step"] for line in run.metrics() if "val_loss" in line] == [0, 100, 200]
    assert run.metrics()[-1]["val_loss"] < run.metrics()[0]["val_loss"] - 1
    assert all(len(sample["text"]) == 300 for sample in run.samples())
    assert main(["export", "runs/whole", "weights/bigram"]) == 0
    weights = load_weights("weights/bigram")
    assert (weights.kind, weights.val_loss) == ("bigram", run.metrics()[-1]["val_loss"])
    about = Job(run.folder).about()
    assert (about["kind"], about["n_params"], about["chars_per_s"] > 0) == ("bigram", len(weights.tokenizer) ** 2, True)


def test_a_preset_has_the_settings_of_its_network() -> None:
    blocks = {"block_size", "n_embd", "n_head", "n_layer"}
    expected = {
        FromParent: {"dropout", "rank"},
        GPTConfig: blocks | {"dropout"},
        GPT1Config: blocks | {"dropout"},
        EncoderDecoderConfig: blocks | {"dropout"},
        BigramConfig: {"block_size"},
        HeadConfig: {"block_size", "n_embd"},
        HeadsConfig: blocks - {"n_layer"},
        FeedForwardConfig: blocks - {"n_layer"},
        SmallGPTConfig: blocks | {"dropout"},
    }
    for preset in PRESETS.values():
        assert {f.name for f in preset.network_settings()} == expected.get(type(preset.network), blocks) - preset.without
    with pytest.raises(ParameterError, match="has no setting 'vocab_size'"):
        PRESETS["tiny"].changed({"vocab_size": 5})


def test_the_bigram_that_ships_is_the_one_described(corpus_path: Path) -> None:
    folder = WEIGHTS_FOLDER / "ladder" / "bigram"
    weights, described = load_weights(folder), (folder / "README.md").read_text(encoding="utf-8")
    preset = PRESETS["bigram"]
    assert TrainConfig(**weights.about["recipe"]) == preset.recipe
    assert weights.sha256 in described
    assert weights.val_loss is not None
    assert f"{weights.val_loss:.4f}" in described
    task = Pretrain(Corpus("tinyshakespeare", corpus_path.read_text(encoding="utf-8")), weights.model.config, preset.recipe)
    assert mean_loss(weights.model, task.validation_ids) == pytest.approx(weights.val_loss, abs=1e-4)
