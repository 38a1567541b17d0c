"""Snapshots of runs: at which steps they are kept, what is in them, that resuming repeats them, and that they are models like any other."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from model.__main__ import main
from model.catalogue import RUN, SHIPPED, SNAPSHOT, Catalogue
from model.config import GPTConfig, TrainConfig
from model.data import Corpus
from model.errors import CheckpointError, UnknownModelError
from model.evaluation import mean_loss
from model.limits import MAX_SNAPSHOT_BYTES, MAX_SNAPSHOTS
from model.training.job import Job
from model.training.run import Run
from model.training.snapshots import snapshot_steps
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import EvaluationStoppedError, Trainer
from model.weights import load_tensors, load_weights, save_tensors, snapshot_path, snapshot_paths
from tests.support.killing import metrics_of, synthetic_text, train_killing_at_random

pytestmark = pytest.mark.usefixtures("short_samples")

CPU = torch.device("cpu")
STEPS = [0, 1, 3, 5, 10, 20]  # of the run below


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("synthetic", synthetic_text(4_000))


def make_trainer(folder: Path, corpus: Corpus, **settings: Any) -> Trainer:
    recipe = {"steps": 20, "batch_size": 4, "micro_batch_size": 4, "warmup_steps": 2, "eval_interval": 5, "snapshots": 8} | settings
    network = GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=16, dropout=0.1)
    return Trainer.start(Run(folder), Pretrain(corpus, network, TrainConfig(**recipe)), CPU, torch.float32)


def resume(folder: Path, corpus: Corpus) -> Trainer:
    return Trainer.resume(Run(folder), Pretrain.resume(Run(folder), corpus), CPU)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in the folder of a run's snapshots."""
    return {path.name: path.read_bytes() for path in (folder / "snapshots").iterdir()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus, short_samples: None) -> Path:
    """weights/ and runs/one, a run that was trained to its end. Tests change only copies of it."""
    folder = tmp_path_factory.mktemp("trained")
    list(make_trainer(folder / "runs" / "one", corpus).steps())
    return folder


@pytest.fixture
def house(trained: Path, tmp_path: Path) -> Path:
    """A copy of the same."""
    shutil.copytree(trained, tmp_path / "house")
    return tmp_path / "house"


def catalogue(house: Path) -> Catalogue:
    return Catalogue(house / "weights", house / "runs")


@pytest.mark.parametrize(
    ("steps", "eval_interval", "snapshots"),
    [(2_000, 100, 16), (8_000, 200, 16), (600, 50, 2), (60, 20, 16), (1, 1, 16), (7, 100, 10), (1_000, 999, 5), (200_000, 1, 100)],
)
def test_snapshots_are_close_together_at_first_and_have_a_loss_later(steps: int, eval_interval: int, snapshots: int) -> None:
    found = snapshot_steps(TrainConfig(steps=steps, eval_interval=eval_interval, snapshots=snapshots), 1_000)
    assert found == sorted({*found})
    assert (found[0], found[-1]) == (0, steps)
    assert len(found) <= snapshots
    assert all(step % eval_interval == 0 for step in found if eval_interval < step < steps)
    assert len(found) < 10 or sum(step <= steps / 5 for step in found) >= len(found) / 2


def test_how_many_snapshots_is_a_setting() -> None:
    assert snapshot_steps(TrainConfig(steps=1_000, snapshots=0), 1_000) == []
    assert snapshot_steps(TrainConfig(steps=1_000, snapshots=1), 1_000) == [1_000]
    assert snapshot_steps(TrainConfig(steps=2_000, eval_interval=100), 1_000) == [
        *(0, 7, 17, 30, 48, 73, 100, 200, 300, 400, 600, 800, 1_100, 1_500, 2_000)
    ]


def test_large_networks_keep_fewer_snapshots() -> None:
    steps = {millions: snapshot_steps(TrainConfig(steps=2_000, snapshots=100), millions * 10**6) for millions in (1, 10, 1_000)}
    assert [len(steps[millions]) for millions in (10, 1_000)] == [6, 2]
    assert all(2 * millions * 10**6 * len(found) <= MAX_SNAPSHOT_BYTES for millions, found in steps.items() if millions < 1_000)
    assert {(found[0], found[-1]) for found in steps.values()} == {(0, 2_000)}


def test_a_snapshot_has_the_weights_that_were_evaluated(trained: Path, corpus: Corpus) -> None:
    folder = trained / "runs" / "one"
    assert [*snapshot_paths(folder)] == STEPS
    logged = {line["step"]: line.get("val_loss_average", line["val_loss"]) for line in Run(folder).metrics() if "val_loss" in line}
    ids = Pretrain.resume(Run(folder), corpus).validation_ids
    for step in logged.keys() & {*STEPS}:
        weights = load_weights(folder, snapshot=snapshot_path(folder, step))
        assert mean_loss(weights.model, ids) == pytest.approx(logged[step], abs=1e-3)  # 16 bits
    assert len(logged.keys() & {*STEPS}) == 4


def test_snapshots_change_no_number_of_a_run(trained: Path, tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path / "without", corpus, snapshots=0).steps())
    assert not (tmp_path / "without" / "snapshots").exists()
    assert metrics_of(tmp_path / "without") == metrics_of(trained / "runs" / "one")
    assert Run(tmp_path / "without").samples() == Run(trained / "runs" / "one").samples()


@pytest.mark.parametrize(
    ("stop", "saved"),
    [(3, True), *(pytest.param(*each, marks=pytest.mark.slow) for each in [(0, False), (3, False), (7, False), (10, True)])],
)
def test_a_resumed_run_has_the_same_snapshots(trained: Path, tmp_path: Path, corpus: Corpus, stop: int, saved: bool) -> None:
    first = make_trainer(tmp_path, corpus)
    for metrics in first.steps():
        if metrics["step"] == stop:
            break
    if saved:
        first.save()
    (tmp_path / "snapshots" / "10.safetensors.123-456.part").write_bytes(b"half written")
    second = resume(tmp_path, corpus)
    assert all(step <= second.step for step in snapshot_paths(tmp_path))
    list(second.steps())
    assert contents(tmp_path) == contents(trained / "runs" / "one")
    assert metrics_of(tmp_path) == metrics_of(trained / "runs" / "one")


def test_a_run_stopped_in_an_evaluation_has_its_snapshot(trained: Path, tmp_path: Path, corpus: Corpus) -> None:
    first = make_trainer(tmp_path, corpus)
    with pytest.raises(EvaluationStoppedError):  # noqa: PT012
        for metrics in first.steps():
            if metrics["step"] == 9:
                first.interrupt()
    first.save()
    list(resume(tmp_path, corpus).steps())
    assert contents(tmp_path) == contents(trained / "runs" / "one")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_has_the_same_snapshots(tmp_path: Path) -> None:
    assert train_killing_at_random(tmp_path, kills=2, rng=random.Random(2)) == 2
    assert contents(tmp_path / "runs" / "killed") == contents(tmp_path / "runs" / "whole")


def test_what_stands_in_the_place_of_snapshots_is_renamed(tmp_path: Path, corpus: Corpus) -> None:
    list(make_trainer(tmp_path, corpus, steps=5, snapshots=0).steps())
    (tmp_path / "snapshots").write_text("mine")
    run = Run(tmp_path)
    with run.claimed():
        assert run.notices == ["snapshots could not be read. It was renamed to damaged-snapshots."]


def test_a_training_goes_on_without_a_snapshot_that_cannot_be_written(trained: Path, tmp_path: Path, corpus: Corpus) -> None:
    trainer = make_trainer(tmp_path, corpus)
    (tmp_path / "snapshots").write_text("in the way")
    list(trainer.steps())
    assert metrics_of(tmp_path) == metrics_of(trained / "runs" / "one")
    (notice,) = trainer.run.notices
    assert notice.startswith("A snapshot is missing, and the training goes on without it: snapshots/0.safetensors could not be written.")
    assert Job(tmp_path).about()["notice"] == notice


def test_a_full_disk_is_named(small_disk: Path, corpus: Corpus) -> None:
    (small_disk / "large").write_bytes(bytes(60 * 1024 - 8 * 1024))
    trainer = make_trainer(small_disk / "run", corpus)
    with pytest.raises(CheckpointError, match=r"safetensors could not be written\. The disk is full"):  # what it cannot do without
        list(trainer.steps())
    assert "snapshots/0.safetensors could not be written. The disk is full." in trainer.run.notices[0]


def test_snapshots_are_found_by_key_and_not_listed(house: Path) -> None:
    assert [entry.id for entry in catalogue(house).entries()] == ["runs/one"]
    snapshots = catalogue(house).snapshots(RUN, "one")
    assert [*snapshots] == STEPS
    for step, entry in snapshots.items():
        again = catalogue(house)  # as after a restart
        assert again.find(entry.key).snapshot == entry.snapshot == snapshot_path(house / "runs" / "one", step)
        assert (entry.id, entry.name, entry.source, entry.trouble) == ("runs/one", f"one, step {step}", SNAPSHOT, "")
        weights = again.load(entry.key)
        assert (weights.key, weights.name) == (entry.key, f"one, step {step}")
        stored = load_weights(house / "runs" / "one", snapshot=snapshot_path(house / "runs" / "one", step))
        for name, tensor in stored.model.state_dict().items():
            assert torch.equal(weights.model.state_dict()[name], tensor)
    assert len({entry.key for entry in snapshots.values()}) == len(STEPS)


def test_a_shipped_runs_snapshots_are_found_without_a_folder_of_runs(house: Path) -> None:
    shutil.move(house / "runs" / "one", house / "weights" / "runs" / "play")
    shipped = Catalogue(house / "weights")
    assert shipped.entries() == []
    assert [*shipped.snapshots(SHIPPED, "play")] == STEPS
    assert shipped.snapshots(RUN, "play") == shipped.snapshots(SHIPPED, "../runs/play") == {}
    entry = shipped.snapshots(SHIPPED, "play")[10]
    assert (shipped.load(entry.key).name, entry.id) == ("play, step 10", "weights/runs/play")


def test_snapshots_are_hashed_when_asked_for_and_once(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, hashed = catalogue(house), []
    hash_file = load_weights.__globals__["hash_file"]
    monkeypatch.setattr("model.catalogue.hash_file", lambda path: (hashed.append(path.name), hash_file(path))[1])
    models.find(models.entries()[0].key)
    assert hashed == ["best.safetensors"]
    for _ in range(2):
        models.snapshots(RUN, "one")
        models.entries()
        with pytest.raises(UnknownModelError):
            models.find("deadbeef")
    assert sorted(hashed) == sorted(["best.safetensors", *(f"{step}.safetensors" for step in STEPS)])


def test_two_who_ask_at_once_hash_no_snapshot_twice(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models, hashed, both = catalogue(house), [], threading.Barrier(2, timeout=0.3)
    hash_file = load_weights.__globals__["hash_file"]

    def slow(path: Path) -> str:
        hashed.append(path.name)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()  # for another thread that reads the same file; only the first one waits in vain
        return hash_file(path)

    monkeypatch.setattr("model.catalogue.hash_file", slow)
    askers = [threading.Thread(target=models.snapshots, args=(RUN, "one")) for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sorted(hashed) == sorted(f"{step}.safetensors" for step in STEPS)


def test_a_damaged_snapshot_is_named_and_the_others_work(house: Path) -> None:
    folder = house / "runs" / "one"
    snapshot_path(folder, 1).write_bytes(b"damaged")
    snapshot_path(folder, 3).unlink()
    snapshot_path(folder, 3).mkdir()
    (folder / "snapshots" / "03.safetensors").write_bytes(b"no snapshot")
    whole = snapshot_path(folder, 10).read_bytes()
    snapshot_path(folder, 10).write_bytes(whole[:-4] + b"\xff\x7f\xff\x7f")  # not numbers
    models = catalogue(house)
    snapshots = models.snapshots(RUN, "one")
    assert [*snapshots] == STEPS
    troubles = {step: entry.trouble for step, entry in snapshots.items() if entry.trouble}
    assert troubles == {
        1: "runs/one/snapshots/1.safetensors is damaged or not a safetensors file: Error while deserializing header: header too small.",
        3: "runs/one/snapshots/3.safetensors is not a file.",
    }
    with pytest.raises(CheckpointError, match=r"^runs/one/snapshots/10\.safetensors: .* has values that are not finite\.$"):
        models.load(snapshots[10].key)
    assert models.load(snapshots[20].key).name == "one, step 20"


def test_a_deleted_runs_snapshots_are_unknown(house: Path) -> None:
    models = catalogue(house)
    key = models.snapshots(RUN, "one")[5].key
    shutil.rmtree(house / "runs" / "one")
    assert models.snapshots(RUN, "one") == {}
    with pytest.raises(UnknownModelError):
        models.load(key)


def test_a_run_is_exported_to_be_watched(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = trained / "runs" / "one", tmp_path / "weights" / "runs" / "one"
    for _ in range(2):
        assert main(["export", "--snapshots", str(source), str(target)]) == 0
        assert capsys.readouterr().out == (
            f"Wrote {target}: the curve, the samples, and the weights at {', '.join(map(str, STEPS))} steps.\n"
        )
    assert contents(target) == contents(source)
    assert (Run(target).metrics(), Run(target).samples()) == (Run(source).metrics(), Run(source).samples())
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "metrics.jsonl", "samples.jsonl", "snapshots"]


def test_an_export_has_the_best_weights(house: Path) -> None:
    folder, target = house / "runs" / "one", house / "weights" / "runs" / "one"
    before = contents(folder)
    save_tensors(folder / "best.safetensors", load_tensors(snapshot_path(folder, 10))[0], {"step": 10, "val_loss": 2.0})
    snapshot_path(folder, 10).unlink()
    snapshot_path(target, 7).parent.mkdir(parents=True)
    snapshot_path(target, 7).write_bytes(b"of an earlier export")
    assert main(["export", "--snapshots", str(folder), str(target)]) == 0
    assert contents(target) == before


def test_a_run_is_not_exported_onto_itself(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, before = house / "runs" / "one", contents(house / "runs" / "one")
    (house / "link").symlink_to(folder)
    for target in (folder, house / "runs" / ".." / "runs" / "one", house / "link"):
        assert main(["export", "--snapshots", str(folder), str(target)]) == 2
        assert "is the folder of the run itself. Choose another one to export to." in capsys.readouterr().err
    assert contents(folder) == before


def test_an_export_that_fails_deletes_nothing(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, target = house / "runs" / "one", tmp_path / "out"
    snapshot_path(target, 7).parent.mkdir(parents=True)
    snapshot_path(target, 7).write_bytes(b"of an earlier export")
    snapshot_path(target, 3).mkdir()
    assert main(["export", "--snapshots", str(folder), str(target)]) == 2
    assert "3.safetensors could not be written" in capsys.readouterr().err
    assert snapshot_path(target, 7).read_bytes() == b"of an earlier export"


def test_the_last_of_most_snapshots_and_the_best_is_found(tmp_path: Path) -> None:
    for step in range(MAX_SNAPSHOTS + 1):
        save_tensors(snapshot_path(tmp_path, step), {})
    assert [*snapshot_paths(tmp_path)] == [*range(MAX_SNAPSHOTS + 1)]


def test_a_run_without_snapshots_is_not_exported(tmp_path: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    list(make_trainer(tmp_path / "run", corpus, steps=5, snapshots=0).steps())
    assert main(["export", "--snapshots", str(tmp_path / "run"), str(tmp_path / "out")]) == 2
    assert "has no snapshots. Train a run with --snapshots above 0." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_copy_of_a_run_whose_config_is_damaged_hides_no_snapshot(house: Path) -> None:
    shutil.copytree(house / "runs" / "one", house / "runs" / "a copy")
    (house / "runs" / "a copy" / "config.json").write_text("{")
    models = catalogue(house)
    key = models.snapshots(RUN, "one")[10].key
    assert models.load(key).name == "one, step 10"
    shutil.rmtree(house / "runs" / "one")
    with pytest.raises(CheckpointError, match=r"^runs/a copy/config\.json is not a valid config\.json"):
        models.load(key)
