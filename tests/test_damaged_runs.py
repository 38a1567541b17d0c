"""Runs whose files are damaged in any way: the app starts and lists them, and what can be resumed is resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.__main__ import main
from model.training.job import DAMAGED, DIED, FAILED, FINISHED, STOPPED, Job
from model.training.jobs import Jobs
from model.training.run import Run
from tests.support.admin import PASSWORD, Admin, runs_ended
from tests.support.damage import NEEDED, STEPS, STOPPED_AT, WAYS, damaged_runs, make_run
from tests.support.killing import metrics_of
from tests.support.viewing import app_with_log

pytestmark = pytest.mark.usefixtures("short_samples")

UNREADABLE, CUT_OFF = "config.json-nested", "metrics.jsonl-not-utf8"
STATES = {DAMAGED, DIED, FAILED, FINISHED, STOPPED}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, short_samples: None) -> Path:
    """A run that was stopped, with nothing damaged."""
    folder = tmp_path_factory.mktemp("good") / "run"
    make_run(folder)
    return folder


@pytest.fixture(scope="module")
def whole(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, resumed to its end."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(good, folder)
    assert resume(folder) == 0
    return folder


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Run:
    """A copy of the good run, to be damaged."""
    shutil.copytree(good, tmp_path / "runs" / "mine")
    return Run(tmp_path / "runs" / "mine")


def resume(folder: Path) -> int:
    """Resumes a run on the command line; returns the exit status."""
    options = ["--run", folder.name, "--runs", str(folder.parent), "--corpus", str(folder / "corpus.txt"), "--device", "cpu"]
    return main(["train", "--resume", *options])


# Every file in every way


def check_resumed(good: Path, whole: Path, runs: Path, n: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Resumes damaged runs. All but those that lack what is needed reach the end, with the numbers of one that was not damaged."""
    end = metrics_of(whole)[-1]
    for name in damaged_runs(good, runs, seed=1, n=n):
        if name == "corpus.txt-pipe":
            continue  # a text may come through a pipe, which is waited for
        status, is_needed = resume(runs / name), name.startswith(NEEDED)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert status == 0 or (is_needed and "error: " in said.err), (name, said.err)
        if status == 0:
            assert metrics_of(runs / name)[-1] == end, name
            assert Job(runs / name).state() == FINISHED, name


def test_damaged_runs_are_resumed(good: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_resumed(good, whole, tmp_path, 20, capsys)


@pytest.mark.slow
def test_runs_with_every_file_damaged_in_every_way_are_resumed(
    good: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_resumed(good, whole, tmp_path, None, capsys)


@pytest.fixture(scope="module")
def runs(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of damaged runs, and one that is not damaged."""
    with runs_ended(tmp_path_factory.mktemp("damaged") / "runs") as runs:
        damaged_runs(good, runs, seed=2, n=60, always=(UNREADABLE, CUT_OFF))
        shutil.copytree(good, runs / "good")
        yield runs


@pytest.mark.slow
def test_the_app_starts_and_lists_damaged_runs_and_no_route_breaks(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    with app_with_log(tmp_path / "stderr", "--runs", str(runs)) as url:
        anybody, admin = Admin(url), Admin.logged_in(url)
        status, told = anybody.get("/train/runs")
        assert (status, told["trouble"]) == (200, "")
        listed = {run["id"]: run for run in told["runs"]}
        assert listed.keys() == {folder.name for folder in runs.iterdir()}
        assert {run["state"] for run in listed.values()} <= STATES
        damaged = [run for run in listed.values() if run["state"] == DAMAGED]
        assert all(run["id"].startswith("config.json-") for run in damaged)  # only that file is needed to know what a run is
        assert all(run["why"].startswith("config.json ") for run in damaged)
        assert str(runs) not in json.dumps(told)
        assert anybody.get("/models")[0] == 200
        for run in listed:
            assert anybody.get(f"/train/runs/{run}/metrics")[0] == 200, run
            assert admin.get(f"/train/runs/{run}/log")[0] == 200, run
            assert admin.post(f"/train/runs/{run}/rename", name="renamed")[0] in (200, 400), run
            assert admin.post(f"/train/runs/{run}/stop")[0] == 400, run
        admin.do(f"/train/runs/{CUT_OFF}/resume")
        assert "metrics.jsonl was damaged. 1 line could not be read" in admin.until(CUT_OFF, FINISHED)["notice"]
        assert admin.post(f"/train/runs/{UNREADABLE}/resume")[0] == 400
        assert admin.post(f"/train/runs/{UNREADABLE}/use")[0] == 400
        for run in listed:
            assert admin.post(f"/train/runs/{run}/delete", id=run)[0] == 200, run
        assert anybody.get("/train/runs")[1]["runs"] == []
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    assert [path.name for path in runs.iterdir()] == [".lock"]


# One kind each, with what is said


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def drop_lines(path: Path, first: int, last: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:first] + lines[last:]))


@pytest.mark.parametrize(
    ("damage", "notice"),
    [
        (lambda run: None, ""),
        (lambda run: append(run.metrics_path, b'{"step": 2, "train_l\xff\xfe\n'), "metrics.jsonl was damaged. 1 line could not be read"),
        (lambda run: append(run.metrics_path, b'[1, 2]\n7\n{"loss": 1.0}\n{"step": "x"}'), "metrics.jsonl was damaged. 4 lines could not"),
        (lambda run: append(run.samples_path, b"5\n"), "samples.jsonl was damaged. 1 line could not be read and was dropped."),
        (lambda run: drop_lines(run.metrics_path, 6, 9), "3 steps of 10 were lost from the curve."),
        (lambda run: run.metrics_path.unlink(), "10 steps of 10 were lost from the curve."),
        (lambda run: drop_lines(run.samples_path, 0, 1), "1 sample was lost."),
        (lambda run: WAYS["folder"](run.metrics_path, None), "metrics.jsonl could not be read. It was renamed to damaged-metrics.jsonl."),
        (
            lambda run: WAYS["emptied"](run.folder / "last.safetensors", None),
            "last.safetensors is damaged or not a safetensors file: it is empty. Continuing from the checkpoint before it (step 8).",
        ),
        (
            lambda run: (run.folder / "best.safetensors").unlink(),
            "best.safetensors was missing or damaged. The weights of the next evaluation take its place.",
        ),
        (
            lambda run: (run.folder / "job.json").write_text('{"name": 7}'),
            "job.json is damaged: name must be a string, not 7. The run can be used without that file.",
        ),
    ],
)
def test_what_was_cut_off_is_said(run: Run, damage: Callable[[Run], object], notice: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage(run)
    assert resume(run.folder) == 0
    about = Job(run.folder).about()
    assert about["state"] == FINISHED
    assert notice in about["notice"] if notice else not about["notice"]
    said = capsys.readouterr().out
    assert notice in said or "job.json" in notice  # which the trainer does not read
    assert (run.folder / "best.safetensors").is_file()


@pytest.mark.usefixtures("with_rights")
def test_files_that_may_not_be_read_are_renamed_and_said(run: Run) -> None:
    names = ("metrics.jsonl", "last.safetensors", "process.json")
    for name in names:
        (run.folder / name).chmod(0)
    assert Job(run.folder).state() == STOPPED
    assert resume(run.folder) == 0
    about = Job(run.folder).about()
    assert about["state"] == FINISHED
    for name in names:
        assert f"{name} could not be read. It was renamed to damaged-{name}." in about["notice"]
    assert "last.safetensors is missing. Continuing from the checkpoint before it (step 8)." in about["notice"]


@pytest.mark.usefixtures("with_rights")
def test_a_run_whose_folder_or_lock_may_not_be_written_to_is_refused_in_words(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (run.folder / "lock").chmod(0)
    assert resume(run.folder) == 2
    assert f"error: {run.folder} cannot be written to: Permission denied." in capsys.readouterr().err
    (run.folder / "lock").unlink()
    run.folder.chmod(0o500)
    assert resume(run.folder) == 2
    assert f"error: {run.folder} cannot be written to: Permission denied." in capsys.readouterr().err


def test_the_best_weights_of_a_finished_run_are_made_again(run: Run, whole: Path) -> None:
    assert resume(run.folder) == 0
    (run.folder / "best.safetensors").write_bytes(b"")
    assert resume(run.folder) == 0
    assert metrics_of(run.folder) == metrics_of(whole)
    assert run.samples() == Run(whole).samples()
    assert (run.folder / "best.safetensors").read_bytes()


def test_a_run_without_any_checkpoint_is_not_begun_again_in_silence(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("last", "previous"):
        (run.folder / f"{name}.safetensors").unlink()
    assert resume(run.folder) == 2
    assert "has no checkpoint, although it reached step 10. Restore last.safetensors, or start a new run." in capsys.readouterr().err
    assert len(run.metrics()) == STOPPED_AT + 3


def test_a_checkpoint_with_another_step_or_name_is_noticed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.folder / "last.safetensors"
    content = path.read_bytes()
    for old, new in ((b'"step":"10"', b'"step":"11"'), (b"momentum_buffer", b"momentum_baffle")):
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        assert run.load()[1]["step"] == 8
        assert "its checksum does not match" in run.notices[-1]


def test_a_run_is_listed_from_whichever_file_says_what_it_is(run: Run) -> None:
    job = Job(run.folder)
    (run.folder / "job.json").unlink()
    assert (job.about()["state"], job.about()["name"], job.about()["corpus"]["name"]) == (STOPPED, "mine", "synthetic")
    (run.folder / "job.json").write_text('{"created": "y", "name": 7, "asked_to_stop": "later"}')
    assert (job.about()["state"], job.about()["name"]) == (STOPPED, "mine")
    (run.folder / "config.json").write_text('{"network": "text", "about": null}')
    about = job.about()
    assert (about["state"], about["network"], about["step"]) == (DAMAGED, None, STOPPED_AT)
    assert about["why"].startswith("config.json is not a valid config.json (")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"created": "y", "name": 7, "asked_to_stop": "later"}', "job.json is damaged: name must be a string, not 7."),
        ("[1]", "job.json is damaged: the content must be an object, not [1]."),
        ("", "job.json is damaged: it is empty."),
        ('{"created": 1e999}', "job.json is damaged: it has a number that is not finite."),
        ("[" * 100_000, "job.json is damaged: it is nested too deeply."),
        ('{"name": "x"}', "job.json does not say what the run learns ('preset')."),
    ],
)
def test_a_run_that_was_never_begun_and_cannot_be_read_is_damaged(tmp_path: Path, content: str, why: str) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(content)
    (job,) = Jobs(tmp_path / "runs").all()
    assert (job.about()["state"], job.about()["why"]) == (DAMAGED, why)


def test_a_damaged_record_is_not_written_over(run: Run) -> None:
    path = run.folder / "job.json"
    path.write_text('{"name": 7, "preset": "tiny"}')
    with pytest.raises(Exception, match=r"job\.json is damaged: name must be a string"):
        Jobs(run.folder.parent).rename(Job(run.folder), "new")
    assert json.loads(path.read_text())["preset"] == "tiny"


def test_steps_that_say_no_time_give_no_pace(run: Run) -> None:
    lines = [{"step": 5, "loss": 1.0}, {"step": 5, "loss": 1.0, "elapsed_s": 2.0}, {"step": 4, "loss": 1.0}, {"step": 6, "loss": 1.0}]
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    about = Job(run.folder).about()
    assert (about["chars_per_s"], about["left_s"], about["step"]) == (None, None, 6)


def test_a_file_without_an_end_of_lines_is_not_read_for_ever(run: Run) -> None:
    WAYS["huge"](run.metrics_path, None)
    job = Job(run.folder)
    job.curve.read()
    before = job.curve.n_lines, job.curve.damaged
    job.curve.read()
    assert (job.curve.n_lines, job.curve.damaged) == before == (STOPPED_AT + 3, 1_000)
    assert "metrics.jsonl is damaged: 1,000 of its lines are left out of the curve." in job.about()["notice"]
    assert job.about()["steps"] == STEPS
