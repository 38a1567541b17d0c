"""Starts the real app in its own process, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent.parent
START_LIMIT_S = 300  # far more than a start takes, even on a busy machine
STOP_LIMIT_S = 20
FIRST_PORT, PORTS = 20_000, 1_000  # for each test worker; below the ports that the system hands out itself
_ports = itertools.count()


def free_port() -> int:
    """A port that nobody listens on, and that no other test worker is given."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(PORTS):
        port = FIRST_PORT + worker * PORTS + (os.getpid() + next(_ports)) % PORTS
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def health(url: str) -> dict[str, Any]:
    """The app's own report; raises OSError while it does not answer."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as response:
        return json.load(response)


@contextlib.contextmanager
def running_app(*arguments: str) -> Iterator[str]:
    """Yields the app's address once it answers; stops the app at the end."""
    with running_process(*arguments) as (url, _):
        yield url


@contextlib.contextmanager
def running_process(*arguments: str, stdout: IO[str] | int = subprocess.DEVNULL, **settings: Any) -> Iterator[tuple[str, int]]:
    """Yields the app's address and process id once it answers; stops the app at the end, and kills it where it does not stop. Settings are
    those of Popen."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "app.py", "--port", str(port), *arguments]
    app = subprocess.Popen(command, cwd=ROOT, stdout=stdout, **settings)  # errors go to stderr
    try:
        wait_until_healthy(url, app)
        yield url, app.pid
    finally:
        app.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            app.wait(STOP_LIMIT_S)
        app.kill()
        app.wait()


def wait_until_healthy(url: str, app: subprocess.Popen) -> None:
    """Waits until the app answers; raises RuntimeError if it exits or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            health(url)
            return
        except OSError:
            if app.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the app did not start (exit status {app.poll()})") from None
            time.sleep(0.05)


def processes(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        children += map(int, path.read_text().split())
    return [pid, *(grandchild for child in children for grandchild in processes(child))]


def cpu_seconds(pid: int) -> float:
    """Processor seconds that a process and its descendants have used so far."""
    ticks = 0
    for process in processes(pid):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int, most: bool = False) -> int:
    """Memory that a process and its descendants hold now, or the sum of the most that each has ever held."""
    field, kilobytes = "VmHWM:" if most else "VmRSS:", 0
    for process in processes(pid):
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return kilobytes * 1024
