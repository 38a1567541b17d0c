"""Training as a job, on a Hub on localhost that really runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from model.__main__ import main
from model.hub import job
from model.training.run import Run
from tests.support.fake_hub import FakeHub, Fault
from tests.support.killing import ROOT, synthetic_text

SETTINGS = ("--preset", "tiny", "--steps", "20", "--eval-interval", "10", "--precision", "float32")


@pytest.fixture
def jobs(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """The Hub; jobs run in a folder of the test, and this process in another."""
    hub.jobs.clear()
    hub.jobs_folder = tmp_path / "jobs"
    (tmp_path / "corpus.txt").write_text(synthetic_text(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOLILOQUY_SEND_S", "0.5")
    return hub


def train(*arguments: str, run: str = "mine") -> int:
    return main(["train", "--job", "--run", run, "--corpus", "corpus.txt", *SETTINGS, *arguments])


def wait_until_sent(jobs: FakeHub) -> None:
    """Waits until the Hub has had two checkpoints of the run: that of its beginning, and one of a later step."""
    deadline, path = time.monotonic() + 300, "runs/mine/last.safetensors"
    while not any(len({files[path] for _, files in [*repo.commits] if path in files}) > 1 for repo in [*jobs.repos.values()]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_job_trains_and_its_run_comes_here(jobs: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--hardware", "t4-small", "--timeout", "1.5h") == 0
    said = capsys.readouterr().out
    assert "Hardware: t4-small, $0.40 an hour. The job ends after 1.5h and costs $0.60 at most." in said
    assert "step 10: val_loss" in said
    assert "The run is in runs/mine, after step 20." in said
    run = Run(Path("runs/mine"))
    assert len(run.metrics()) == 23
    assert run.load()[1]["step"] == 20
    assert jobs.repos["dataset", "ada/soliloquy-jobs"].private
    (only,) = jobs.jobs.values()
    assert only.spec["timeoutSeconds"] == 5_400
    assert "hf_write" not in str(only.spec["command"]) + str(only.spec["environment"])
    assert main(["train", "--run", "mine", "--resume", "--corpus", "corpus.txt"]) == 0
    assert "already finished" in capsys.readouterr().out


@pytest.mark.slow
def test_a_job_that_is_over_time_leaves_a_run_that_goes_on(jobs: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    def end() -> None:
        wait_until_sent(jobs)
        next(iter(jobs.jobs.values())).end("ERROR", "Job timeout")

    threading.Thread(target=end, daemon=True).start()
    assert train("--steps", "1000000") == 2
    assert "The job did not finish (error: Job timeout). The run is in runs/mine, after step" in capsys.readouterr().err
    assert Run(Path("runs/mine")).load()[1]["step"] >= 10


@pytest.mark.slow
def test_a_network_that_breaks_says_how_to_go_on(jobs: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.faults.append(Fault("/logs", status=500, times=100))
    assert train() == 2
    assert "The job goes on meanwhile. Follow it with: python -m model train --resume-job 000000000000000000000000 --run mine" in (
        capsys.readouterr().err
    )
    jobs.faults.clear()
    assert main(["train", "--resume-job", "0" * 24]) == 2
    assert "The job trains the run mine: add --run mine" in capsys.readouterr().err
    assert main(["train", "--resume-job", "0" * 24, "--run", "mine"]) == 0
    assert Run(Path("runs/mine")).load()[1]["step"] == 20


@pytest.mark.slow
def test_ctrl_c_stops_the_job_and_brings_what_is_there(jobs: FakeHub) -> None:
    arguments = ("--job", "--run", "mine", "--corpus", "corpus.txt", *SETTINGS, "--steps", "1000000")
    command = [sys.executable, "-m", "model", "train", *arguments]
    here = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
    wait_until_sent(jobs)
    here.terminate()
    said, _ = here.communicate(timeout=300)
    assert here.returncode == 130, said
    assert "Stopped. The run is in runs/mine, after step" in said
    assert next(iter(jobs.jobs.values())).stage == "CANCELED"


def test_nothing_is_sent_before_all_is_checked(jobs: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, words in (
        (("--hardware", "h9000"), "The Hub has no hardware 'h9000' for jobs. It has cpu-basic ($0.01 an hour), cpu-upgrade"),
        (("--timeout", "forever"), "--timeout must be between 1m and 7d, such as 30m or 2h, not 'forever'."),
        (("--timeout", "10s"), "--timeout must be between"),
        (("--resume",), "A job begins a new run"),
    ):
        assert train(*arguments) == 2
        assert words in capsys.readouterr().err
    for role, words in (("read", "Your token may not start jobs"), ("fineGrained", "Your token may not start jobs")):
        jobs.add_account("ada", role=role)
        assert train() == 2
        assert words in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    assert train() == 2
    assert "it does not accept your token" in capsys.readouterr().err
    Path("runs/there").mkdir(parents=True)
    Path("runs/there/config.json").write_text("{}", encoding="utf-8")
    assert train(run="there") == 2
    assert "already holds a run" in capsys.readouterr().err
    assert not [asked for asked in jobs.asked if asked.startswith(("POST", "PUT"))]


def test_a_job_without_credit_says_where_to_get_some(jobs: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.add_account("ada", can_pay=False)
    assert train() == 2
    assert "Jobs are paid from your credit: " in capsys.readouterr().err
    assert not jobs.jobs
    jobs.faults.append(Fault("POST /api/jobs", status=403, message="Jobs are not for you"))
    assert train() == 2
    assert "your token may not do this (Jobs are not for you)" in capsys.readouterr().err


def test_times_are_read() -> None:
    assert [job.read_timeout(typed) for typed in ("90", "90s", "30m", "1.5h", "2d")] == [90, 90, 1_800, 5_400, 172_800]
