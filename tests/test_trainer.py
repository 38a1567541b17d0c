"""Training: it learns, it resumes exactly, and what goes wrong is said."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.__main__ import main
from model.config import GPTConfig, TrainConfig
from model.data import Corpus
from model.decode import generate
from model.errors import CheckpointError, CorpusError, TrainingError
from model.evaluation import mean_loss
from model.sampling import SamplingParams
from model.training.optim import flatten_state, make_optimizers, schedule, state_like
from model.training.presets import PRESETS
from model.training.process import Process
from model.training.run import Run
from model.training.samples import SAMPLE_CHARS, SAMPLE_TEMPERATURE, write_sample
from model.training.tasks import pretrain
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import EvaluationStoppedError, Trainer
from model.weights import load_tensors, load_weights, save_tensors
from tests.support.killing import SETTINGS, metrics_of, start_training, stop_and_paste, synthetic_text, train_killing_at_random
from tests.support.rights import another_user

pytestmark = pytest.mark.usefixtures("short_samples")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("synthetic", synthetic_text())


def make_trainer(folder: Path, corpus: Corpus, **settings: Any) -> Trainer:
    recipe = {"steps": 40, "batch_size": 8, "micro_batch_size": 4, "warmup_steps": 4, "eval_interval": 10} | settings
    network = GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=32, dropout=0.1)
    return Trainer.start(Run(folder), Pretrain(corpus, network, TrainConfig(**recipe)), CPU, torch.float32)


def resume(folder: Path, corpus: Corpus) -> Trainer:
    return Trainer.resume(Run(folder), Pretrain.resume(Run(folder), corpus), CPU)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw", "learning_rate": 3e-3, "embedding_learning_rate": 3e-3}])
def test_training_lowers_the_validation_loss(tmp_path: Path, corpus: Corpus, settings: dict[str, Any]) -> None:
    trainer = make_trainer(tmp_path, corpus, **settings)
    losses = [line["val_loss"] for line in trainer.steps() if "val_loss" in line]
    assert len(losses) == 5
    assert losses[0] == pytest.approx(math.log(len(corpus.alphabet)), abs=0.1)  # before it has learned anything all are as likely
    assert losses[-1] < losses[0] - 0.1
    assert trainer.best <= min(losses)


def test_best_weights_on_disk_have_the_loss_that_was_logged(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus)
    list(trainer.steps())
    best = load_weights(tmp_path)
    best.model.compute_dtype = trainer.model.compute_dtype
    assert mean_loss(best.model, trainer.task.validation_ids) == pytest.approx(trainer.best, abs=2e-6)
    logged = [v for line in Run(tmp_path).metrics() for k, v in line.items() if k.startswith("val_loss")]
    assert trainer.best == min(logged)


# Between two checkpoints, at one, at the end.
@pytest.mark.parametrize("stop", [17, *(pytest.param(stop, marks=pytest.mark.slow) for stop in (20, 40))])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path, corpus: Corpus, stop: int) -> None:
    whole = make_trainer(tmp_path / "whole", corpus, input_noise=0.05)
    list(whole.steps())
    first = make_trainer(tmp_path / "parts", corpus, input_noise=0.05)
    for metrics in first.steps():
        if metrics["step"] == stop:
            break
    first.save()
    second = resume(tmp_path / "parts", corpus)
    assert second.step == stop
    list(second.steps())
    assert metrics_of(tmp_path / "parts") == metrics_of(tmp_path / "whole")
    for key, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[key], tensor, rtol=0, atol=0)


def test_stopped_in_an_evaluation_and_resumed_equals_uninterrupted(tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path / "whole", corpus).steps())
    first = make_trainer(tmp_path / "parts", corpus)

    def train_until_stopped_before_step_10() -> None:
        for metrics in first.steps():
            if metrics["step"] == 9:
                first.interrupt()

    with pytest.raises(EvaluationStoppedError):
        train_until_stopped_before_step_10()
    first.save()
    assert [line["step"] for line in Run(tmp_path / "parts").metrics() if "val_loss" in line] == [0]
    second = resume(tmp_path / "parts", corpus)
    assert second.step == 10
    list(second.steps())
    assert metrics_of(tmp_path / "parts") == metrics_of(tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    kills = train_killing_at_random(tmp_path, kills=2, rng=random.Random(1))
    assert kills == 2
    assert metrics_of(tmp_path / "runs" / "killed") == metrics_of(tmp_path / "runs" / "whole")
    assert Run(tmp_path / "runs" / "killed").samples() == Run(tmp_path / "runs" / "whole").samples()


def test_each_evaluation_writes_a_sample_with_the_same_dice(
    tmp_path: Path, corpus: Corpus, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "write_sample", write_sample)  # of the usual length
    trainer = make_trainer(tmp_path, corpus, average=0.0)
    list(trainer.steps())
    samples = Run(tmp_path).samples()
    assert [sample["step"] for sample in samples] == [0, 10, 20, 30, 40]
    assert all(len(sample["text"]) == SAMPLE_CHARS for sample in samples)  # far longer than the context
    dice = SamplingParams(temperature=SAMPLE_TEMPERATURE, max_new_chars=SAMPLE_CHARS, seed=trainer.recipe.seed)
    ids = generate(trainer.model.eval(), trainer.task.tokenizer.encode_prompt(""), dice)
    assert samples[-1]["text"] == trainer.task.tokenizer.decode(ids)


def test_a_run_says_which_process_trains_and_how_it_ended(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.claimed():
        noted = run.process()
        assert noted["pid"] == os.getpid()
        assert Process(**noted).alive
        run.note(notice="a word")
    assert run.process().keys() == {"pid", "began", "notice", "ended"}
    with pytest.raises(TrainingError), run.claimed():
        raise TrainingError("it has diverged")
    assert run.process()["error"] == "it has diverged"


def test_another_process_under_the_same_number_is_not_taken_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.find(child.pid)
    assert process.alive
    assert not Process(child.pid, process.began + "1").alive
    child.kill()
    while process.alive:  # although nobody has waited for it yet
        time.sleep(0.01)
    child.communicate()
    assert not Process.find(child.pid).alive


def test_a_process_of_another_user_is_not_stopped() -> None:
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root can be two users")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = Process.find(child.pid)
    try:
        with another_user():
            try:
                os.kill(child.pid, 0)
            except PermissionError:
                pass
            else:
                pytest.skip("here every user may signal root's processes")
            with pytest.raises(TrainingError, match="belongs to another user of this machine"):
                process.signal(signal.SIGKILL)
        assert process.alive
    finally:
        child.communicate()


def test_a_gentle_stop_writes_a_checkpoint_of_that_moment(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    process = start_training(tmp_path, "stopped", *SETTINGS, "--steps", "100000")
    path = tmp_path / "runs" / "stopped" / "metrics.jsonl"
    while not (path.exists() and len(path.read_text().splitlines()) > 30):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    last = Run(tmp_path / "runs" / "stopped").metrics()[-1]["step"]
    assert f"Stopped after step {last:,}. Resume with: " in output
    assert output.endswith(" -m model train --run stopped --resume --corpus corpus.txt\n")
    _, metadata = Run(tmp_path / "runs" / "stopped").load()
    assert metadata["step"] == last


@pytest.mark.slow
def test_the_command_that_is_printed_to_resume_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "my text's.txt").write_text(synthetic_text())
    arguments = ("--corpus", "my text's.txt", "--preset", "tiny", "--precision", "float32", "--device", "cpu")
    first, second = stop_and_paste(tmp_path, Path("my runs") / "first", *arguments)
    assert 0 < first < second


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path: Path, corpus: Corpus) -> None:
    whole = make_trainer(tmp_path / "whole", corpus)
    list(whole.steps())
    trainer = make_trainer(tmp_path / "damaged", corpus)
    for metrics in trainer.steps():
        if metrics["step"] == 31:
            break
    last = tmp_path / "damaged" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-1000])
    resumed = resume(tmp_path / "damaged", corpus)
    assert resumed.step == 20
    (notice,) = resumed.run.notices
    assert notice.startswith("last.safetensors is damaged")
    assert "Continuing from the checkpoint before it (step 20)" in notice
    list(resumed.steps())
    assert metrics_of(tmp_path / "damaged") == metrics_of(tmp_path / "whole")


def test_both_checkpoints_damaged_is_an_error_that_names_both(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus, steps=20)
    list(trainer.steps())
    for name in ("last", "previous"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"last\.safetensors.*previous\.safetensors"):
        resume(tmp_path, corpus)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_learning_rate_far_too_high_ends_the_run_with_a_word_on_it(tmp_path: Path, corpus: Corpus, optimizer: str) -> None:
    trainer = make_trainer(tmp_path, corpus, learning_rate=1e9, optimizer=optimizer)
    with pytest.raises(TrainingError, match=r"diverged: after step \d+ the loss is .* lower learning rate than 1e\+09"):
        list(trainer.steps())
    assert trainer.step < 10
    assert Run(tmp_path).load()[1]["step"] == 0
    assert load_tensors(tmp_path / "best.safetensors")[1]["val_loss"] == pytest.approx(math.log(len(corpus.alphabet)), abs=0.1)


def test_a_loss_that_is_no_number_is_noticed_and_the_last_good_checkpoint_stays(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus, steps=30, eval_interval=5, learning_rate=3e-3, optimizer="adamw")

    def train_and_blow_up_at_step_12() -> None:
        for metrics in trainer.steps():
            if metrics["step"] == 12:
                with torch.no_grad():
                    trainer.model.transformer.wte.weight.fill_(torch.inf)

    with pytest.raises(TrainingError, match=r"diverged.*lower learning rate"):
        train_and_blow_up_at_step_12()
    _, metadata = Run(tmp_path).load()
    assert metadata["step"] == 10


def test_a_second_run_of_the_same_name_is_refused(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus, steps=10)
    list(trainer.steps())
    with pytest.raises(TrainingError, match="already holds a run"):
        make_trainer(tmp_path, corpus)


def test_a_run_that_is_under_way_is_refused_to_others(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    with Run(tmp_path / "runs" / "busy").claimed():
        result = run_cli("train", "--preset", "tiny", "--run", "busy", "--corpus", "corpus.txt", folder=tmp_path)
    assert result.returncode == 2
    assert "is being trained by another process" in result.stderr


def replace_with_another(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "lock").touch()


@pytest.mark.parametrize(
    "take_away",
    [shutil.rmtree, lambda folder: folder.rename(folder.parent / "elsewhere"), replace_with_another],
    ids=["rm", "mv", "replace"],
)
@pytest.mark.parametrize("when", [7, 10, 20])  # between two lines, after a checkpoint, at the end
def test_a_run_whose_folder_is_taken_away_ends_and_does_not_make_it_again(
    tmp_path: Path, corpus: Corpus, take_away: Callable[[Path], object], when: int
) -> None:
    folder = tmp_path / "run"

    def train() -> None:
        run = Run(folder)
        with run.claimed():
            trainer = make_trainer(folder, corpus, steps=20, eval_interval=10)
            trainer.run = run
            for metrics in trainer.steps():
                if metrics["step"] == when and "loss" in metrics:
                    take_away(folder)

    with pytest.raises(TrainingError, match="was deleted, moved or replaced during the training"):
        train()
    assert not folder.exists() or [path.name for path in folder.iterdir()] == ["lock"]
    with Run(folder).claimed():  # the lock is not held any more
        pass


def test_a_trainer_whose_folder_is_deleted_says_so_and_ends(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    process = start_training(tmp_path, "gone", *SETTINGS, "--steps", "100000")
    folder = tmp_path / "runs" / "gone"
    while not ((folder / "metrics.jsonl").exists() and len((folder / "metrics.jsonl").read_text().splitlines()) > 30):
        assert process.poll() is None
        time.sleep(0.05)
    folder.rename(tmp_path / "gone")  # at once, as no deletion file by file is
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error: runs/gone, or the file lock in it, was deleted, moved or replaced during the training." in output
    assert not folder.exists()


def test_a_config_that_is_not_a_runs_is_named(tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path, corpus, steps=10).steps())
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"warmup_steps"', '"warm_up"'))
    with pytest.raises(CheckpointError, match=r"config\.json is not that of a run"):
        resume(tmp_path, corpus)


@pytest.mark.parametrize("damage", ["missing", "surplus", "shape", "type", "not finite"])
@pytest.mark.parametrize("name", ["optimizer.0.1.momentum_buffer", "optimizer.1.0.step", "optimizer.1.0.exp_avg"])
def test_a_checkpoint_with_a_damaged_optimizer_falls_back_to_the_one_before(tmp_path: Path, corpus: Corpus, name: str, damage: str) -> None:
    list(make_trainer(tmp_path, corpus, steps=20).steps())
    whole = metrics_of(tmp_path)
    tensors, metadata = load_tensors(tmp_path / "last.safetensors")
    del metadata["crc32"]  # as checkpoints of earlier versions
    tensor = tensors.pop(name)
    match damage:
        case "surplus":
            tensors |= {name: tensor, f"{name}.x": tensor.clone()}
        case "shape":
            tensors[name] = torch.zeros(3)
        case "type":
            tensors[name] = tensor.to(torch.int32)
        case "not finite":
            tensors[name] = torch.full_like(tensor, torch.nan)
    save_tensors(tmp_path / "last.safetensors", tensors, metadata)
    resumed = resume(tmp_path, corpus)
    assert resumed.step == 10
    (notice,) = resumed.run.notices
    assert name in notice
    list(resumed.steps())
    assert metrics_of(tmp_path) == whole


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_what_is_expected_of_an_optimizer_is_what_it_has(tmp_path: Path, corpus: Corpus, optimizer: str) -> None:
    trainer = make_trainer(tmp_path, corpus, optimizer=optimizer)
    trainer.optimize()
    state, expected = flatten_state(trainer.optimizers), state_like(trainer.optimizers)
    assert {name: tensor.shape for name, tensor in state.items()} == {name: tensor.shape for name, tensor in expected.items()}


def test_a_kill_between_two_names_of_a_checkpoint_loses_nothing(tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path, corpus, steps=20).steps())
    last, fresh = (tmp_path / f"{name}.safetensors" for name in ("last", "fresh"))
    last.rename(fresh)  # the checkpoint before it is `previous` already
    resumed = resume(tmp_path, corpus)
    assert (resumed.step, resumed.run.notices) == (20, [])
    assert last.exists()
    assert not fresh.exists()


def test_resuming_on_another_text_is_refused(tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path, corpus, steps=10).steps())
    with pytest.raises(CorpusError, match="another text"):
        resume(tmp_path, Corpus("other", corpus.text + "!"))


def test_a_text_too_short_for_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="needs at least"):
        make_trainer(tmp_path, Corpus("short", "abc" * 10))


def test_training_never_reads_the_validation_text(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus)
    n_train = int(0.9 * len(corpus.text))
    assert len(trainer.task.batches.ids) == n_train
    assert len(trainer.task.validation_ids) == len(corpus.text) - n_train + 1


def test_a_part_of_the_training_text_leaves_the_validation_text_whole(corpus: Corpus) -> None:
    network = PRESETS["tiny"].network
    whole, part = (Pretrain(corpus, network, replace(PRESETS["tiny"].recipe, train_chars=chars)) for chars in (0, 500))
    assert torch.equal(part.batches.ids, whole.batches.ids[:500])
    assert torch.equal(part.validation_ids, whole.validation_ids)
    with pytest.raises(CorpusError, match="train_chars is 64; a context of 32 needs at least 65"):
        Pretrain(corpus, network, replace(PRESETS["tiny"].recipe, train_chars=64))


def test_schedule_rises_stays_and_falls_to_zero() -> None:
    config = TrainConfig(steps=100, warmup_steps=10, decay_share=0.5)
    shares = [schedule(step, config) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9:51] == [1.0] * 42
    assert shares[75] == pytest.approx(0.5)
    assert shares[100] == 0.0


def test_muon_gets_the_matrices_of_the_blocks_and_nothing_else(tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus)
    muon, adamw = make_optimizers(trainer.model, trainer.recipe)
    shapes = sorted(tuple(p.shape) for p in muon.param_groups[0]["params"])
    assert shapes == sorted([(96, 32), (32, 32), (128, 32), (32, 128)] * 2)
    counted = sum(p.numel() for o in (muon, adamw) for g in o.param_groups for p in g["params"])
    assert counted == trainer.model.n_params()


def test_presets_are_what_they_say() -> None:
    shipped = PRESETS["shakespeare"].network
    assert (shipped.n_layer, shipped.n_head, shipped.n_embd, shipped.block_size) == (6, 6, 384, 256)
    nanogpt = PRESETS["nanogpt-cpu"]
    assert (nanogpt.network.n_layer, nanogpt.network.n_embd, nanogpt.network.block_size) == (4, 128, 64)
    assert (nanogpt.recipe.batch_size, nanogpt.recipe.steps, nanogpt.recipe.optimizer) == (12, 2000, "adamw")
    overfit = PRESETS["overfit"]
    assert (overfit.network, overfit.recipe.train_chars) == (PRESETS["quick"].network, 30_000)
    assert "overfitting" in overfit.about


def run_cli(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`python -m model ...` in a folder of its own."""
    root = str(Path(__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-m", "model", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The same in this process: exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        return main([*arguments]), *capsys.readouterr()

    return run


def test_the_command_line_trains_exports_evaluates_and_samples(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    trained = run_cli("train", "--preset", "tiny", "--run", "mine", "--corpus", "corpus.txt", "--steps", "20", folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "loss=" in trained.stderr
    assert "chars/s=" in trained.stderr
    exports = [command("export", "runs/mine", "weights/mine") for _ in range(2)]
    assert [(status, out.split()[:2]) for status, out, _ in exports] == [
        (0, ["Wrote", "weights/mine:"]),
        (0, ["Replaced", "weights/mine:"]),
    ]
    assert json.loads((tmp_path / "weights/mine/config.json").read_text())["about"]["recipe"]["steps"] == 20
    best = min(v for line in Run(tmp_path / "runs/mine").metrics() for k, v in line.items() if k.startswith("val"))
    _, evaluated, _ = command("eval", "--weights", "weights/mine", "--corpus", "corpus.txt")
    assert float(evaluated.split("validation loss ")[1].split()[0]) == pytest.approx(best, abs=0.002)
    unseeded = [command("sample", "--weights", "weights/mine", "--length", "30") for _ in range(2)]
    assert unseeded[0][1] != unseeded[1][1]
    assert unseeded[0][2].startswith("seed ")
    sampling = ("sample", "--weights", "weights/mine", "--prompt", "the “", "--length", "30", "--seed", "4")
    _, text, said = command(*sampling)
    assert text.startswith("the ")
    assert "Left out" in said
    assert text == run_cli(*sampling, folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--run", "../elsewhere"), "A run's name"),
        (("train", "--run=-x"), "not beginning with '.' or '-': not '-x'"),
        (("train", "--resume", "--run", "nowhere", "--corpus", "corpus.txt"), "There is no run"),
        (("train", "--corpus", "missing.txt"), "cannot be read"),
        (("train", "--corpus", "empty.txt"), "is empty"),
        (("train", "--corpus", "latin1.txt"), "is not UTF-8"),
        (("train", "--corpus", "short.txt"), "needs at least"),
        (("train", "--corpus", "corpus.txt", "--n-head", "5"), "must be a multiple of n_head"),
        (("train", "--corpus", "corpus.txt", "--learning-rate", "-1"), "learning_rate must be between 0 and 1"),
        (("eval", "--weights", "nowhere"), "There is no folder"),
        (("sample", "--temperature", "nan"), "temperature must be between 0 and 2"),
        (("sample", "--length", "0"), "length must be between 1 and 2,000"),
        (("sample", "--device", "cuda"), "no CUDA device"),
    ],
)
def test_bad_input_ends_with_one_clear_line(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], message: str
) -> None:
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device, so asking for one is no error")
    (tmp_path / "corpus.txt").write_text(synthetic_text())
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("To be")
    (tmp_path / "latin1.txt").write_bytes("café".encode("latin-1"))
    status, _, said = command(*arguments)
    assert status == 2
    assert said.startswith("error: ")
    assert message in said
    assert "Traceback" not in said


def test_a_process_with_bad_input_ends_with_its_line_and_a_status(tmp_path: Path) -> None:
    result = run_cli("eval", "--weights", "nowhere", folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no folder")
    assert result.stderr.count("\n") == 1
