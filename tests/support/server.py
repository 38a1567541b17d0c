"""Starts the real app in a process of its own, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
START_LIMIT_S = 120  # far above what it takes, for a machine that is busy


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def health(url: str) -> dict[str, Any]:
    """What the app says of itself; raises OSError while it does not answer."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as response:
        return json.load(response)


@contextmanager
def running_app(*arguments: str) -> Iterator[str]:
    """The app's address, once it answers; it is killed in the end."""
    with running_process(*arguments) as (url, _):
        yield url


@contextmanager
def running_process(*arguments: str) -> Iterator[tuple[str, int]]:
    """The app's address and its process id, likewise."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "app.py", "--port", str(port), *arguments]
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # what goes wrong is told on stderr
    try:
        wait_until_healthy(url, app)
        yield url, app.pid
    finally:
        app.kill()
        app.wait()


def wait_until_healthy(url: str, app: subprocess.Popen) -> None:
    """Until the app answers; raises RuntimeError if it ends instead, or takes too long."""
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
    """A process and all that it has started."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        children += map(int, path.read_text().split())
    return [pid, *(grandchild for child in children for grandchild in processes(child))]


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    ticks = 0
    for process in processes(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int, most: bool = False) -> int:
    """Memory that a process and its children hold now, or the most that each has ever held."""
    field, kilobytes = "VmHWM:" if most else "VmRSS:", 0
    for process in processes(pid):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return kilobytes * 1024
