"""Trains on Hugging Face's machines, as a Job, and brings the run here.

python -m model train --job --preset lesson --run mine --hardware t4-small --timeout 1h
python -m model train --resume-job ID --run mine       goes on with a job that runs, or is over

Token, hardware and price are checked before anything is sent. The code, and the text of --corpus, go to a private dataset of the user's,
NAME/soliloquy-jobs, which the job sees as a folder. It sends its run there every two minutes and at its end (`model.hub.worker`), so that a
job that is stopped by its time limit or by Ctrl-C leaves a run that can be resumed. What is here in the end is an ordinary run.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, Volume

from model.errors import HubError, ParameterError
from model.files import clean_name
from model.hub.checkout import CHECKOUT
from model.hub.client import TOKENS, endpoint, hub, own_token, plain_words, status
from model.training.run import DEFAULT_RUNS, Run

Say = Callable[[str], None]

IMAGE = "python:3.12"
STORE = "soliloquy-jobs"
LABEL = "soliloquy-run"
SCRIPT = 'cp -r /code /work && cd /work && pip install --quiet -r requirements.txt && exec python -u -m model.hub.worker "$@"'
COMPLETED, TERMINAL = "COMPLETED", ("COMPLETED", "CANCELED", "ERROR", "DELETED")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LEAST_S, MOST_S = 60, 7 * 86_400
STOPPED = 130


@dataclass(frozen=True)
class Order:
    """A job to start.

    Attributes:
        run: the run's folder, here.
        arguments: of `python -m model train`, without the run and the corpus.
        timeout: as 30m: seconds, or a number and s, m, h or d.
    """

    run: Path
    arguments: tuple[str, ...]
    corpus: Path | None
    hardware: str
    timeout: str


def train_in_job(order: Order, say: Say = print) -> int:
    """Starts a job, follows it, and brings its run here. Returns the exit status.

    Raises:
        ParameterError: something here is not ready.
        HubError: the Hub refuses or cannot be reached, or the job did not finish; says how to go on.
    """
    seconds = read_timeout(order.timeout)
    _check_free(order.run)
    api, user = hub(), _check_token(hub())
    hourly = _price_of(api, order.hardware)
    most = hourly * seconds / 3600
    say(f"Hardware: {order.hardware}, ${hourly:.2f} an hour. The job ends after {order.timeout} and costs ${most:.2f} at most.")
    commit = _send(api, f"{user}/{STORE}", order, say)
    corpus = ("--corpus", "corpus.txt") if order.corpus else ()
    volume = Volume(type="dataset", source=f"{user}/{STORE}", revision=commit, path="code", mount_path="/code")
    try:
        with plain_words("starting the job"):
            job = api.run_job(
                image=IMAGE,
                command=["bash", "-c", SCRIPT, "job", f"{user}/{STORE}", order.run.name, *order.arguments, *corpus],
                secrets={"HF_TOKEN": own_token()},
                flavor=order.hardware,
                timeout=seconds,
                labels={LABEL: order.run.name},
                volumes=[volume],
                namespace=user,
            )
    except HubError as error:
        if status(error) == 402:
            raise HubError(f"{error} Jobs are paid from your credit: {endpoint()}/settings/billing") from error
        raise
    say(f"Job {job.id}: {job.url}")
    return _finish(api, user, job.id, order.run, say)


def resume_job(job_id: str, run: Path, say: Say = print) -> int:
    """Follows a job that was started before, and brings its run here. Arguments, result and errors as `train_in_job`."""
    _check_free(run)
    api, user = hub(), _check_token(hub())
    with plain_words(f"looking for the job {clean_name(job_id)}"):
        job = api.inspect_job(job_id=job_id, namespace=user)
    if not (name := (job.labels or {}).get(LABEL)):
        raise ParameterError(f"{job.url} is not a job of this app.")
    if name != run.name:
        raise ParameterError(f"The job trains the run {clean_name(name)}: add --run {clean_name(name)}")
    return _finish(api, user, job_id, run, say)


def read_timeout(typed: str) -> int:
    """The seconds of a time such as 30m.

    Raises:
        ParameterError: it is none, or too short or long.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([smhd]?)", typed)
    seconds = float(match[1]) * UNITS_S[match[2] or "s"] if match else 0
    if not LEAST_S <= seconds <= MOST_S:
        raise ParameterError(f"--timeout must be between 1m and 7d, such as 30m or 2h, not {clean_name(typed)!r}.")
    return int(seconds)


def _check_free(folder: Path) -> None:
    if Run(folder).exists():
        raise ParameterError(f"{folder} already holds a run. Choose another name (--run), or another folder for runs (--runs).")


def _check_token(api: HfApi) -> str:
    """The user whose token it is.

    Raises:
        HubError: there is none, or it may not start jobs and write repositories.
    """
    own_token()
    with plain_words("checking your token"):
        account = api.whoami()
    user, token = str(account["name"]), account.get("auth", {}).get("accessToken", {})
    scopes = token.get("fineGrained", {}).get("scoped", ())
    own = {right for scope in scopes if scope.get("entity", {}).get("name") == user for right in scope.get("permissions", ())}
    if token.get("role") == "read" or (token.get("role") == "fineGrained" and not {"repo.write", "job.write"} <= own):
        raise HubError(
            f"Your token may not start jobs and write repositories. Make one that may at {TOKENS}, then run: hf auth login (or set "
            "HF_TOKEN)."
        )
    return user


def _price_of(api: HfApi, hardware: str) -> float:
    """Dollars an hour.

    Raises:
        ParameterError: there is no such hardware.
    """
    with plain_words("reading what hardware there is"):
        offers = {offer.name: offer.unit_cost_usd * {"minute": 60}.get(offer.unit_label, 1) for offer in api.list_jobs_hardware()}
    if hardware not in offers:
        raise ParameterError(f"The Hub has no hardware {clean_name(hardware)!r} for jobs. It has {_listed(offers)}.")
    return offers[hardware]


def _listed(offers: dict[str, float]) -> str:
    return ", ".join(f"{name} (${price:.2f} an hour)" for name, price in offers.items())


def _send(api: HfApi, store: str, order: Order, say: Say) -> str:
    """Sends the code and the corpus, in one commit, which is returned."""
    files = {f"code/{path.relative_to(CHECKOUT).as_posix()}": path for path in sorted((CHECKOUT / "model").rglob("*.py"))}
    files["code/requirements.txt"] = CHECKOUT / "requirements.txt"
    if order.corpus:
        files["code/corpus.txt"] = order.corpus
    with plain_words(f"sending the code to {store}"):
        api.create_repo(store, repo_type="dataset", private=True, exist_ok=True)
        there = api.dataset_info(store)
        if not there.private:
            raise HubError(f"{store} is public. Make it private at {endpoint()}/datasets/{store}/settings, and try again.")
        before = {sibling.rfilename for sibling in there.siblings or ()}
        stale = [name for name in before if name.startswith((f"runs/{order.run.name}/", "code/")) and name not in files]
        operations: list[Any] = [CommitOperationDelete(name) for name in stale]
        operations += [CommitOperationAdd(name, path) for name, path in files.items()]
        commit = api.create_commit(store, operations, commit_message=f"Train {order.run.name}", repo_type="dataset")
    say(f"Sent {len(files)} files to {endpoint()}/datasets/{store} (private).")
    return str(commit.oid)


def _finish(api: HfApi, user: str, job_id: str, run: Path, say: Say) -> int:
    """Follows a job to its end, and brings its run here."""
    again = f"python -m model train --resume-job {job_id} --run {run.name}{'' if run.parent == DEFAULT_RUNS else f' --runs {run.parent}'}"
    was_stopped = False
    try:
        with plain_words("following the job"):
            for line in api.fetch_job_logs(job_id=job_id, follow=True, namespace=user):
                say(clean_name(line) if line else "")
            stage = api.inspect_job(job_id=job_id, namespace=user).status
    except HubError as error:
        raise HubError(f"{error} The job goes on meanwhile. Follow it with: {again}") from error
    except (KeyboardInterrupt, SystemExit):
        say("Asking the job to stop ...")
        was_stopped = True
        try:
            with plain_words("stopping the job"):
                api.cancel_job(job_id=job_id, namespace=user)
        except HubError as error:
            raise HubError(f"{error} It still runs, and costs: stop it at {endpoint()}/jobs/{user}/{job_id}") from error
    try:
        n_files = _bring(api, f"{user}/{STORE}", run)
    except HubError as error:
        raise HubError(f"{error} Bring the run here with: {again}") from error
    if was_stopped:
        say(f"Stopped. {_what_is_here(run, n_files)}")
        return STOPPED
    if stage.stage != COMPLETED:
        why = f": {clean_name(stage.message)}" if stage.message else ""
        raise HubError(f"The job did not finish ({str(stage.stage).lower()}{why}). {_what_is_here(run, n_files)}")
    say(_what_is_here(run, n_files))
    return 0


def _what_is_here(run: Path, n_files: int) -> str:
    if not n_files:
        return "It left no run."
    done = Run(run)
    steps = max((int(line["step"]) for line in done.metrics()), default=0)
    return f"The run is in {run}, after step {steps:,}. Go on with it here: python -m model train --run {run.name} --resume"


def _bring(api: HfApi, store: str, run: Path) -> int:
    """Brings a run here as a whole, and returns how many files it has."""
    with tempfile.TemporaryDirectory(prefix="soliloquy-") as name:
        with plain_words(f"fetching the run from {store}"):
            api.snapshot_download(store, repo_type="dataset", allow_patterns=f"runs/{run.name}/**", local_dir=name)
        found = Path(name) / "runs" / run.name
        if not found.is_dir():
            return 0
        run.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(found, run, dirs_exist_ok=True)
        return sum(path.is_file() for path in run.rglob("*"))
