"""A process that can be found again, by an app that was restarted or from a second terminal.

The system reuses the ids of processes that have ended. Together with the time at which a process began its id is unique.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from model.errors import TrainingError

NICENESS = 13  # below the threads that write for a class (10), which get two thirds beside it
GROUP_NICENESS = 5  # of its session: a quarter of a processor that another program keeps busy; at 19 a run got 1.5 % and seemed to hang


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        began: when it began, in the system's own format; only for comparison.
    """

    pid: int
    began: str

    @classmethod
    def find(cls, pid: int) -> Process:
        """The process that has this id now."""
        return cls(pid, _began(pid))

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return bool(self.began) and _began(self.pid) == self.began

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless the process has ended.

        Raises:
            TrainingError: the process belongs to another user.
        """
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass
            except PermissionError:
                raise TrainingError("The training belongs to another user of this machine, who has to stop it.") from None

    def lower_priority(self) -> None:
        """Gives the process a lower priority than other programs and the app's writing, which get most of the time. To be called before
        it has threads.

        Linux on a desktop divides time among sessions first, and by priority only within each: the process's own session needs a lower
        priority as a whole. Elsewhere, as in containers, priorities of processes are compared with each other.
        """
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, self.pid)))
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.pid}/autogroup").write_text(str(GROUP_NICENESS), encoding="ascii")

    def processor_s(self) -> tuple[float, float] | None:
        """For how many seconds its main thread has run so far, and for how many it was ready and waited for a processor; None where the
        system does not say."""
        try:
            ran, waited = Path(f"/proc/{self.pid}/schedstat").read_text(encoding="ascii").split()[:2]
            return int(ran) / 1e9, int(waited) / 1e9
        except (OSError, ValueError):
            return None


def _began(pid: int) -> str:
    """When a living process began; "" if there is none. A zombie, which has ended but was not waited for, does not count."""
    if sys.platform == "linux":
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if state in "ZX" else fields[18]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    plain = os.environ | {"LC_ALL": "C", "TZ": "UTC"}  # so that every app is told the time in the same words
    try:
        output = subprocess.run(command, capture_output=True, encoding="utf-8", env=plain, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state, _, began = output.partition(" ")
    return "" if state.startswith("Z") else began.strip()
