"""A process that others can find again: an app that was restarted, or a second terminal.

The system gives the id of a process that is gone to another one. Together with the time at which it began it is never the same.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LOWEST_PRIORITY = 19


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        began: when, as the system tells it; only good to be compared.
    """

    pid: int
    began: str

    @classmethod
    def find(cls, pid: int) -> Process:
        """The process that has an id now."""
        return cls(pid, _began(pid))

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is no other one."""
        return bool(self.began) and _began(self.pid) == self.began

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def step_back(self) -> None:
        """Lets all others go first. To be called before it has threads.

        Linux on a desktop first divides the time among sessions, and only within each by priority: a session of its own has to step
        back as a whole.
        """
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, LOWEST_PRIORITY)
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.pid}/autogroup").write_text(str(LOWEST_PRIORITY), encoding="ascii")


def _began(pid: int) -> str:
    """When a living process began; "" if there is none. One that has ended and was not yet waited for lives no more."""
    if sys.platform == "linux":
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if state in "ZX" else fields[18]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state, _, began = told.partition(" ")
    return "" if state.startswith("Z") else began.strip()
