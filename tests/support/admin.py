"""A client of the training routes over real HTTP, logged in or not, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.training.jobs import Jobs
from tests.support.server import running_app
from tests.support.viewing import PATIENCE_S, answer

PASSWORD = "correct horse battery"


@contextlib.contextmanager
def app_with_password(runs: Path) -> Iterator[str]:
    """The address of a real app with a folder of runs, which PASSWORD unlocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_PASSWORD", PASSWORD)
        with running_app("--device", "cpu", "--runs", str(runs)) as url:
            yield url


class Admin:
    """A client with or without a session token."""

    def __init__(self, url: str, token: str = ""):
        self.url, self.token = url, token
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    @classmethod
    def logged_in(cls, url: str, password: str = PASSWORD) -> Admin:
        """Logs in with the password."""
        status, told = cls(url).post("/admin/login", password=password)
        assert status == 200, told
        return cls(url, told["token"])

    def post(self, path: str, **asked: Any) -> tuple[int, Any]:
        """Returns the status and the answer."""
        return answer(self.url, "POST", path, json.dumps(asked).encode(), Content_Type="application/json", **self.headers)

    def send(self, path: str, body: bytes) -> tuple[int, Any]:
        """Sends a plain text; returns the status and the answer."""
        return answer(self.url, "POST", path, body, Content_Type="text/plain", **self.headers)

    def get(self, path: str) -> tuple[int, Any]:
        """Returns the status and the answer."""
        return answer(self.url, "GET", path, **self.headers)

    def do(self, path: str, **asked: Any) -> Any:
        """Posts a request that must succeed, and returns the answer."""
        status, told = self.post(path, **asked)
        assert status == 200, told
        return told

    def run(self, run: str) -> Any:
        """A run as the list of runs describes it."""
        return next(told for told in self.get("/train/runs")[1]["runs"] if told["id"] == run)

    def curve(self, run: str) -> Any:
        """All measurements of a run, with its description."""
        return self.get(f"/train/runs/{run}/metrics")[1]

    def until(self, run: str, *states: str, patience_s: float = PATIENCE_S) -> Any:
        """Waits until the run is in one of the states, and returns it."""
        wait_for(lambda: self.run(run)["state"] in states, patience_s)
        return self.run(run)

    def upload(self, text: bytes) -> str:
        """Uploads a corpus and returns its key."""
        return self.send("/train/corpus?name=synthetic.txt", text)[1]["corpus"]


def wait_for(what: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Waits until a condition holds; fails after a very long time."""
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def runs_ended(runs: Path) -> Iterator[Path]:
    """A folder of runs; kills the trainers that are left at the end."""
    try:
        yield runs
    finally:
        for job in Jobs(runs).all():
            if process := job.process():
                process.signal(signal.SIGKILL)
