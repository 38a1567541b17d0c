"""Trainings in processes of their own: one at a time, found again, stopped, resumed, and nothing of them lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.__main__ import main
from model.catalogue import Catalogue
from model.data import Corpus
from model.errors import CheckpointError, CorpusError, ParameterError, TrainingError
from model.machine import MAX_THREADS
from model.serving import engine
from model.training import jobs as jobs_module
from model.training import record as record_module
from model.training.curve import MAX_COLUMNS, Curve
from model.training.estimate import Pace, training_bytes
from model.training.job import DIED, FAILED, FINISHED, RUNNING, STOPPED, STOPPING, Job, ProcessorShare
from model.training.jobs import ROOT, Jobs, read_settings, trainers_environment
from model.training.presets import PRESETS
from model.training.process import GROUP_NICENESS, Process
from model.training.run import Run
from model.weights import SHIPPED_WEIGHTS
from tests.support.admin import runs_ended, wait_for
from tests.support.killing import SETTINGS, metrics_of, start_training, synthetic_text
from tests.support.viewing import PATIENCE_S

CORPUS = Corpus("synthetic", synthetic_text())
NOWHERE = Path("no-such-folder")
LONG = {"steps": 100_000, "eval_interval": 10}


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Jobs in an empty folder; what still runs in the end is killed."""
    jobs = Jobs(tmp_path / "runs")
    yield jobs
    for job in jobs.all():
        if process := job.process():
            process.signal(signal.SIGKILL)
            wait_for(lambda job=job: job.process() is None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Jobs, Job]:
    """A finished run, in a folder and for a terminal that name no such letters; whoever changes it does no harm to the others."""
    jobs = Jobs(tmp_path_factory.mktemp("finished") / "L\u00e4ufe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONIOENCODING", "ascii")
        job = start(jobs, steps=5, eval_interval=5)
    wait_for(lambda: job.state() == FINISHED)
    return jobs, job


def start(jobs: Jobs, **settings: Any) -> Job:
    return jobs.start("tiny", settings, CORPUS, own_text=True)


def lines(job: Job) -> int:
    job.curve.read()
    return job.curve.n_lines


def check_nothing_is_missing(job: Job) -> None:
    """Of a run of LONG that was stopped; an evaluation in which it was stopped comes when it goes on."""
    told = job.curve.since(0)
    last = told["steps"]["step"][-1]
    assert told["steps"]["step"] == list(range(1, last + 1))
    evaluated = list(range(0, last + 1, 10))
    assert told["evaluations"]["step"] == evaluated or (last % 10 == 0 and told["evaluations"]["step"] == evaluated[:-1])
    assert [sample["step"] for sample in told["samples"]] == told["evaluations"]["step"]


def test_a_run_trains_to_its_end_and_tells_all_about_it(jobs: Jobs) -> None:
    job = jobs.start("tiny", {"steps": 30, "eval_interval": 10}, CORPUS, own_text=True, name="the first")
    wait_for(lambda: job.state() == FINISHED)
    about = job.about()
    assert (about["name"], about["step"], about["steps"], about["best_step"]) == ("the first", 30, 30, 30)
    assert (about["preset"], about["as_preset"], about["corpus"]["own"]) == ("tiny", False, True)
    assert about["corpus"]["characters"] == len(CORPUS.text)
    assert about["network"]["vocab_size"] == len(CORPUS.alphabet)
    assert about["chars_per_s"] > 0
    assert about["left_s"] is None
    assert (
        about["command"]
        == f"python -m model train --preset tiny --run {job.id} --corpus runs/{job.id}/corpus.txt --steps 30 --eval-interval 10"
    )
    told = job.curve.since(0)
    assert told["steps"]["step"] == list(range(1, 31))
    assert told["evaluations"]["step"] == [0, 10, 20, 30]
    assert [sample["step"] for sample in told["samples"]] == [0, 10, 20, 30]
    assert job.curve.since(told["next"] - 1)["evaluations"]["step"] == [30]
    assert "Best validation loss" in job.last_lines()[-1]
    assert (about["task"], about["parent"], about["kind"]) == ("pretrain", None, "gpt")
    with pytest.raises(TrainingError, match="has already finished"):
        jobs.resume(job)


@pytest.mark.slow
def test_a_stopped_run_is_resumed_to_the_numbers_of_one_that_was_not(jobs: Jobs) -> None:
    halted = start(jobs, steps=60, eval_interval=20)
    wait_for(lambda: lines(halted) > 5)
    jobs.stop(halted)
    wait_for(lambda: halted.state() not in (RUNNING, STOPPING))
    if halted.state() == STOPPED:  # it may have been quicker
        jobs.resume(halted)
        wait_for(lambda: halted.state() == FINISHED)
    precision = halted.about()["precision"]  # measured for each run; on a busy machine either may win
    settings = ["--steps", "60", "--eval-interval", "20", "--corpus", str(halted.corpus_path), "--precision", precision]
    command = [sys.executable, "-m", "model", "train", "--preset", "tiny", *settings, "--run", "whole", "--runs", str(jobs.folder)]
    subprocess.run(command, cwd=ROOT, env=trainers_environment(1), check=True, capture_output=True)
    assert metrics_of(halted.folder) == metrics_of(jobs.folder / "whole")
    assert Run(halted.folder).samples() == Run(jobs.folder / "whole").samples()


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux shows the environment of a process")
def test_a_run_takes_no_more_threads_than_the_process_may_have(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    for asked in (1, 1_000):
        jobs.stop(job, firmly=True)
        wait_for(lambda: job.process() is None)
        job.note(threads=asked)
        jobs.resume(job)
        process = job.process()
        assert process
        environ = Path(f"/proc/{process.pid}/environ")
        wait_for(environ.read_bytes)  # empty for the moment in which the system starts the program
        assert f"OMP_NUM_THREADS={min(asked, MAX_THREADS)}" in environ.read_text(encoding="utf-8").split("\0")
        assert engine.NICENESS < os.getpriority(os.PRIO_PROCESS, process.pid) < 19  # lower than the app's writing, and not starved
        if (group := Path(f"/proc/{process.pid}/autogroup")).exists():
            assert group.read_text(encoding="utf-8").split()[-1] == str(GROUP_NICENESS)
        assert process.processor_s()


def test_a_run_that_waits_for_the_processor_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([(1.0, 0.0), (1.1, 1.0), (1.1, 1.9), (2.0, 2.0), (3.1, 2.9), (0.1, 5.0)])
    monkeypatch.setattr(Process, "processor_s", lambda process: next(spent, None))
    share, process, another = ProcessorShare(), Process(1, "now"), Process(2, "later")
    assert [share.of(process) for _ in range(5)] == [None, None, 0.05, 0.05, 0.67]  # over at least 2 s
    assert share.of(another) is None
    assert share.of(another) is None  # this system does not say


@pytest.mark.slow
def test_a_killed_trainer_is_told_as_died_and_resumes_with_nothing_missing(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 30)
    process = job.process()
    assert process
    process.signal(signal.SIGKILL)
    wait_for(lambda: job.state() == DIED)
    edition, reached = job.curve.edition, job.curve.step
    assert job.trouble()["last_lines"]
    assert not job.about()["is_loading"]
    jobs.resume(job)
    assert job.about()["is_loading"]
    wait_for(lambda: job.about()["step"] > reached)
    assert (job.state(), job.about()["is_loading"]) == (RUNNING, False)
    jobs.stop(job)
    wait_for(lambda: job.state() == STOPPED)
    job.curve.read()
    check_nothing_is_missing(job)
    assert job.curve.edition != edition


def test_a_trainer_that_cannot_be_noted_is_not_left_running(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 5)
    jobs.stop(job, firmly=True)
    wait_for(lambda: job.process() is None)
    (job.folder / f"process.json.{os.getpid()}-{threading.get_ident()}.part").mkdir()  # where the app would write it
    with pytest.raises(CheckpointError, match="could not be written"):
        jobs.resume(job)
    assert job.id not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_an_app_that_starts_later_finds_the_run_and_can_stop_it(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 10)
    later = Jobs(jobs.folder)
    found = later.running()
    assert found
    assert (found.id, found.state(), found.name) == (job.id, RUNNING, "tiny, synthetic")
    later.stop(found)
    wait_for(lambda: found.state() == STOPPED)
    assert "Stopped after step" in found.last_lines()[-1]
    assert Run(job.folder).load()[1]["step"] == found.curve.step


def test_two_starts_at_once_make_one_run_and_the_other_names_it(jobs: Jobs) -> None:
    others = Jobs(jobs.folder)

    def attempt(which: Jobs) -> Job | str:
        try:
            return which.start("tiny", LONG, CORPUS, own_text=True, name="the one")
        except TrainingError as error:
            return str(error)

    with ThreadPoolExecutor() as threads:
        outcomes = list(threads.map(attempt, [jobs, others, jobs, others]))
    assert sum(isinstance(outcome, Job) for outcome in outcomes) == 1
    assert all("the one is being trained" in outcome for outcome in outcomes if isinstance(outcome, str))
    assert len(jobs.all()) == 1


def test_what_runs_is_neither_deleted_nor_resumed(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    for act in (jobs.delete, jobs.resume):
        with pytest.raises(TrainingError, match="is being trained"):
            act(job)
    jobs.stop(job, firmly=True)
    wait_for(lambda: job.state() == STOPPED)
    with pytest.raises(TrainingError, match="is not being trained"):
        jobs.stop(job)
    jobs.delete(job)
    assert jobs.all() == []
    assert [path.name for path in jobs.folder.iterdir()] == [".lock"]


def frozen(jobs: Jobs) -> tuple[Job, Process]:
    """A run whose process listens to nothing."""
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 5)
    process = job.process()
    assert process
    os.kill(process.pid, signal.SIGSTOP)
    return job, process


@pytest.mark.slow
def test_a_run_that_does_not_listen_is_killed(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "STOP_PATIENCE_S", 0.3)
    job, _ = frozen(jobs)
    jobs.stop(job)
    wait_for(lambda: job.state() == STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize("set_the_clock_by_s", [-86_400.0, -3_600.0, 0.0])
def test_a_later_app_kills_a_run_that_does_not_listen_whatever_the_time(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, set_the_clock_by_s: float
) -> None:
    job, process = frozen(jobs)
    job.note_stop(process)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + set_the_clock_by_s)
    monkeypatch.setattr(jobs_module, "STOP_PATIENCE_S", 0.3)
    Jobs(jobs.folder)
    wait_for(lambda: job.state() == STOPPED)


@pytest.mark.slow
def test_no_later_app_waits_longer_than_the_patience(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job, process = frozen(jobs)
    job.note_stop(process)
    job.note(asked_to_stop=job.asked()["asked_to_stop"] | {"at": time.time() + 86_400})  # by a clock that is not ours
    monkeypatch.setattr(jobs_module, "STOP_PATIENCE_S", 0.3)
    Jobs(jobs.folder)
    wait_for(lambda: job.state() == STOPPED)


def test_the_log_is_utf8_whatever_the_terminal_is(finished: tuple[Jobs, Job]) -> None:
    _, job = finished
    assert "L\u00e4ufe" in job.log_path.read_text(encoding="utf-8")


def test_a_trainer_that_says_why_it_ended_has_failed(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    job.corpus_path.write_text("too short")  # long before the trainer can read it
    wait_for(lambda: job.state() != RUNNING)
    assert job.state() == FAILED
    assert "needs at least" in job.trouble()["error"]
    assert "error: " in job.last_lines()[-1]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 50)
    jobs.stop(job, firmly=True)
    wait_for(lambda: job.state() == STOPPED)
    path = job.folder / "last.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1  # of a tensor
    path.write_bytes(content)
    jobs.resume(job)
    wait_for(lambda: job.about()["notice"])
    assert "Continuing from the checkpoint before it" in job.about()["notice"]
    assert str(jobs.folder) not in job.about()["notice"]


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_measured_before_stays(disk_for_a_run: Path) -> None:
    filler = disk_for_a_run / "filler"
    with runs_ended(disk_for_a_run / "runs") as folder:
        jobs = Jobs(folder)
        job = start(jobs, **LONG)
        wait_for(lambda: lines(job) > 50)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**12))
        wait_for(lambda: job.state() not in (RUNNING, STOPPING))
        assert job.state() == FAILED
        assert "The disk is full" in job.trouble()["error"] or "No space left" in job.trouble()["error"]
        assert job.has_weights
        filler.unlink()
        jobs.resume(job)
        reached = job.curve.step
        wait_for(lambda: job.about()["step"] > reached + 20)
        jobs.stop(job)
        wait_for(lambda: job.state() == STOPPED)
        job.curve.read()
        check_nothing_is_missing(job)


@pytest.mark.slow
def test_how_long_a_run_takes_is_measured(jobs: Jobs) -> None:
    tiny, lesson = PRESETS["tiny"], PRESETS["lesson"]
    assert jobs.known_pace(tiny.network, tiny.recipe) is None
    pace = jobs.measure_pace("tiny", {"steps": 500}, 65)
    assert jobs.known_pace(tiny.network, tiny.recipe) == pace
    assert jobs.known_pace(lesson.network, lesson.recipe) is None
    assert min(pace.start_s, pace.step_s, pace.character_s, pace.checkpoint_s) > 0


def test_the_time_of_a_run_is_that_of_its_steps_and_evaluations() -> None:
    recipe = read_settings("tiny", {"steps": 500, "eval_interval": 100})[
        0
    ].recipe  # evaluated six times, with the average of the weights too
    assert Pace(3.0, 0.1, 1e-5, 2.0).takes_s(recipe, 1_000_000) == pytest.approx(3 + 500 * 0.1 + 6 * (2 * 100_000 * 1e-5 + 2.0))
    recipe = read_settings("tiny", {"steps": 501, "eval_interval": 100, "average": 0.0})[0].recipe
    assert Pace(3.0, 0.1, 1e-5, 2.0).takes_s(recipe, 1_000_000) == pytest.approx(3 + 501 * 0.1 + 7 * (100_000 * 1e-5 + 2.0))


def test_nothing_is_measured_beside_a_run_and_no_run_waits_for_it(jobs: Jobs) -> None:
    with ThreadPoolExecutor() as threads:
        measured = threads.submit(jobs.measure_pace, "lesson", {}, 65)
        wait_for(lambda: jobs._measurement)
        job = start(jobs, **LONG)
        with pytest.raises(TrainingError, match="could not be measured"):
            measured.result(timeout=PATIENCE_S)
    assert job.state() == RUNNING
    with pytest.raises(TrainingError, match="will be estimated when the current run ends"):
        jobs.measure_pace("lesson", {}, 65)


def test_a_run_of_the_terminal_is_watched_named_and_stopped(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(CORPUS.text)
    trainer = start_training(tmp_path, "by-hand", *SETTINGS, "--steps", "100000")
    try:
        wait_for(lambda: (found := jobs.find("by-hand")) and lines(found) > 5)
        job = jobs.find("by-hand")
        assert job
        assert (job.state(), job.command()) == (RUNNING, "")
        with pytest.raises(TrainingError, match="by-hand is being trained"):
            start(jobs)
        jobs.rename(job, "mine")
        assert (job.about()["name"], job.about()["corpus"]["name"]) == ("mine", "corpus")
        jobs.stop(job)
        trainer.communicate(timeout=PATIENCE_S)
        assert job.state() == STOPPED
        with pytest.raises(TrainingError, match="Resume it in a terminal, with --corpus"):
            jobs.resume(job)
    finally:
        trainer.kill()


def test_a_name_is_for_the_page_alone(finished: tuple[Jobs, Job]) -> None:
    jobs, job = finished
    folder = job.folder
    for name in ("../../elsewhere", "<b>bold</b>", "a/b"):
        jobs.rename(job, name)
        assert (job.name, job.folder) == (name, folder)
    for name, cleaned in (("two\nlines", "two lines"), ("\x1b[31mred", "[31mred"), (" a\u00adb\u200f ", "ab")):
        jobs.rename(job, name)
        assert job.name == cleaned
    for name in ("", "  ", "\u200f", "x" * 61, None, 5):
        with pytest.raises(ParameterError, match="A name is"):
            jobs.rename(job, name)
    assert [path.name for path in jobs.folder.parent.iterdir()] == [jobs.folder.name]


def test_ids_are_compared_and_never_made_a_path(jobs: Jobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    jobs.folder.mkdir()
    with contextlib.suppress(OSError):
        (jobs.folder / "link").symlink_to(outside)
    for run in ("../outside", "link", ".", "..", "", ".lock", str(outside), "..%2foutside", "a\0b"):
        assert jobs.find(run) is None


def test_a_folder_that_is_no_run_is_left_alone(jobs: Jobs) -> None:
    notes = jobs.folder / "notes"
    notes.mkdir(parents=True)
    assert jobs.all() == []
    assert jobs.find("notes") is None


@pytest.mark.slow
def test_who_was_asked_to_stop_is_one_process_not_the_run(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 5)
    jobs.stop(job)
    wait_for(lambda: job.state() == STOPPED)
    step = job.curve.step
    command = [sys.executable, "-m", "model", *job.arguments(resume=True), "--runs", str(jobs.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # resumed in a terminal
        wait_for(lambda: job.about()["step"] > step)
        job.note(asked_to_stop=job.asked()["asked_to_stop"] | {"at": 0.0})  # long ago
        later = Jobs(jobs.folder)
        (found,) = later.all()
        assert found.state() == RUNNING
        reached = found.about()["step"]
        wait_for(lambda: found.about()["step"] > reached + 20)
        later.stop(found)
        wait_for(lambda: found.state() == STOPPED)


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("none", {}, "There is no preset 'none'; there are quick, overfit"),
        (["tiny"], {}, "There is no preset"),
        ("tiny", [], "The settings must be"),
        ("tiny", {"vocab_size": 5}, "This preset has no setting 'vocab_size'. It has average, batch_size"),
        ("tiny", {"steps": 0}, "steps must be between 1"),
        ("tiny", {"learning_rate": -1}, "learning_rate must be between 0 and 1"),
        ("tiny", {"n_head": 5}, "must be a multiple of n_head"),
        ("tiny", {"steps": 1_000_000}, "up to 200,000 steps"),
        ("tiny", {"steps": 100_000, "eval_interval": 1}, "more than 10,000 evaluations"),
        (
            "tiny",
            {"n_layer": 64, "n_head": 64, "n_embd": 4096, "block_size": 256, "micro_batch_size": 65_536, "batch_size": 65_536},
            "GiB of memory",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_it_starts(jobs: Jobs, preset: Any, settings: Any, message: str) -> None:
    long_enough = Corpus("long", CORPUS.text)
    with pytest.raises((ParameterError, CorpusError), match=message):
        jobs.start(preset, settings, long_enough)
    assert jobs.all() == []


def test_a_text_too_short_for_the_context_is_refused(jobs: Jobs) -> None:
    with pytest.raises(CorpusError, match="needs at least"):
        jobs.start("tiny", {}, Corpus("short", "abc" * 10))


def test_only_settings_that_differ_from_the_preset_are_typed() -> None:
    preset, typed = read_settings("tiny", {"n_layer": 2, "steps": 70.0})
    assert (preset.network.n_layer, preset.recipe.steps, typed) == (2, 70, {"steps": 70})


def test_asking_again_reads_no_file_that_has_not_changed(finished: tuple[Jobs, Job], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, job = finished
    read: list[Path] = []
    read_file = record_module.read_file
    monkeypatch.setattr(record_module, "read_file", lambda path: read.append(path) or read_file(path))
    before = job.about()
    read.clear()
    assert job.about() == before
    assert read == []
    jobs.rename(job, "another")
    assert job.about() == before | {"name": "another"}
    assert read == [job.job_path]


def test_a_new_name_in_a_line_begins_a_column(tmp_path: Path) -> None:
    run = Run(tmp_path)
    curve = Curve(run)
    lines = [{"step": 0, "val_loss": 4.0}, {"step": 5, "val_loss": 3.0, "exact": 0.5, "note": "text"}, {"step": 6, "exact": 0.75}]
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve.read()
    assert curve.since(0)["evaluations"] == {"step": [0, 5, 6], "val_loss": [4.0, 3.0, None], "exact": [None, 0.5, 0.75]}
    assert curve.best == (3.0, 5)  # a share of exact answers is no loss
    with run.metrics_path.open("a") as file:
        file.write(json.dumps({"step": 7} | {f"name{i}": i for i in range(1_000)}) + "\n")
    curve.read()
    assert len(curve.since(0)["evaluations"]) == MAX_COLUMNS + 1


def test_a_thinned_curve_has_the_mean_of_the_steps_that_it_leaves_out(tmp_path: Path) -> None:
    run = Run(tmp_path)
    curve = Curve(run, every=2)
    steps = [{"step": step, "loss": 4.0 - step, "learning_rate": 0.1 * step, "grad_norm": 1.0 + step} for step in range(1, 6)]
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in [*steps[:3], {"step": 3, "val_loss": 1.5}, *steps[3:]]))
    curve.read()
    told = curve.since(0)
    assert told["steps"] | {"elapsed_s": None} == {
        "step": [2, 4],
        "loss": [2.5, 0.5],
        "grad_norm": [2.5, 4.5],
        "learning_rate": [0.2, 0.4],
        "elapsed_s": None,
    }
    assert (told["evaluations"]["step"], told["next"], curve.since(told["next"])["steps"]["step"]) == ([3], 3, [])


def test_a_finished_run_without_weights_says_why(jobs: Jobs) -> None:
    folder = jobs.folder / "bare"
    folder.mkdir(parents=True)
    shutil.copy(SHIPPED_WEIGHTS / "config.json", folder)
    shutil.copy(SHIPPED_WEIGHTS / "metrics.jsonl", folder)
    (job,) = jobs.all()
    assert (job.state(), job.about()["has_weights"]) == (FINISHED, False)
    assert job.about()["notice"] == "best.safetensors is missing, so this model cannot be used."


def test_a_cut_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    run = Run(tmp_path)
    curve = Curve(run)
    curve.read()
    assert curve.since(0)["next"] == 0
    whole = '{"step": 1, "loss": 2.5, "learning_rate": 0.1, "grad_norm": 1.0, "elapsed_s": 0.1}\n'
    run.metrics_path.write_text(whole + whole[:30])
    curve.read()
    assert curve.since(0)["steps"]["step"] == [1]
    run.metrics_path.write_text(whole * 2)
    curve.read()
    assert curve.since(1)["steps"] == {"step": [1], "loss": [2.5], "elapsed_s": [0.1], "learning_rate": [0.1], "grad_norm": [1.0]}


@pytest.mark.usefixtures("with_rights")
def test_a_run_that_belongs_to_somebody_else_is_listed_and_holds_up_no_other(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("closed", "open"):
        (runs / name).mkdir(parents=True)
        (runs / name / "job.json").write_text("{}")
    (runs / "open" / "job.json").chmod(0)
    (runs / "closed").chmod(0)
    jobs = Jobs(runs)
    why = {job.id: job.about()["why"] for job in jobs.all()}
    assert why == {
        "closed": "The folder closed cannot be read. Its owner can change its rights.",
        "open": "job.json cannot be read: Permission denied.",
    }
    assert jobs.running() is None
    assert Catalogue(NOWHERE, runs).entries() == []
    for job in jobs.all():
        with pytest.raises(CheckpointError):
            jobs.resume(job)


@pytest.mark.parametrize("runs", ["", "not/there/yet"])
@pytest.mark.usefixtures("with_rights")
def test_a_folder_of_runs_that_cannot_be_written_to_is_said_before_a_start(tmp_path: Path, runs: str) -> None:
    tmp_path.chmod(0o500)
    trouble = f"{tmp_path / runs} cannot be written to: Permission denied. Choose another folder for runs (--runs), or free this one."
    try:
        assert Jobs(tmp_path / runs).trouble() == trouble
    finally:
        tmp_path.chmod(0o700)
    assert Jobs(tmp_path / runs).trouble() == ""


@pytest.mark.parametrize("kind", ["file", "closed", "below a file"])
@pytest.mark.usefixtures("with_rights")
def test_a_folder_of_runs_that_is_none_is_said(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    if kind == "closed":
        runs.mkdir()
        runs.chmod(0)
    else:
        runs.write_text("not a folder")
    if kind == "below a file":
        runs = runs / "below"
    jobs = Jobs(runs)
    why = "Permission denied" if kind == "closed" else "Not a directory"
    trouble = f"The folder of training runs cannot be read ({why}). Start the app with another one (--runs)."
    assert (jobs.all(), jobs.find("x"), jobs.trouble()) == ([], None, trouble)
    with pytest.raises(TrainingError, match=re.escape(trouble)):
        start(jobs)
    text = tmp_path / "text.txt"
    text.write_text(CORPUS.text)
    assert main(["train", "--preset", "tiny", "--corpus", str(text), "--runs", str(runs), "--run", "x"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {runs / 'x'} cannot be written to: {why}")
    assert main(["train", "--resume", "--runs", str(runs), "--run", "x"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no run")


@pytest.mark.slow
def test_a_run_that_is_being_trained_is_not_deleted_even_if_its_record_is_damaged(jobs: Jobs) -> None:
    job = start(jobs, **LONG)
    wait_for(lambda: lines(job) > 5)
    process, record = job.process(), job.folder / "process.json"
    assert process
    record.write_text("{")
    assert job.process() is None
    with pytest.raises(TrainingError, match="is being trained"):
        jobs.delete(job)
    process.signal(signal.SIGKILL)
    wait_for(lambda: not process.alive)
    jobs.delete(job)
    assert jobs.all() == []


def test_the_estimate_of_memory_grows_with_what_is_asked_for() -> None:
    lesson, _ = read_settings("lesson", {})
    small = training_bytes(lesson.network, lesson.recipe, 10**6)
    assert 2**29 < small < 2**32
    larger, _ = read_settings("lesson", {"n_embd": 768})
    assert training_bytes(larger.network, larger.recipe, 10**6) > 1.5 * small
    table, _ = read_settings("bigram", {})
    assert training_bytes(table.network, table.recipe, 10**6) < small
