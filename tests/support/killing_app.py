"""Trains over HTTP while the trainer and the app are killed with -9 at random moments and started again. At the end the run is compared
with an uninterrupted one.

python -m tests.support.killing_app --kills 20
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from model.training.job import DIED, FINISHED, RUNNING, Job
from model.training.run import Run
from tests.support.admin import PASSWORD, Admin, runs_ended, wait_for
from tests.support.killing import metrics_of, synthetic_text
from tests.support.server import running_process

STEPS_A_KILL = 200  # an app takes some seconds to start, in which the run goes on
EVAL_INTERVAL = 40
LONGEST_WAIT_S = 1.0
TRAINER, APP, BOTH = "trainer", "app", "both"


class Victims:
    """An app and its run, with the means to kill them."""

    def __init__(self, runs: Path, rng: random.Random):
        self.runs, self.rng = runs, rng
        self._app = contextlib.ExitStack()
        self._open()

    def _open(self) -> None:
        self.url, self.pid = self._app.enter_context(running_process("--device", "cpu", "--runs", str(self.runs)))
        self.admin = Admin.logged_in(self.url)

    def close(self) -> None:
        """Stops the app."""
        self._app.close()

    def start(self, steps: int) -> str:
        """Starts a run."""
        corpus = self.admin.upload(synthetic_text().encode())
        settings = {"steps": steps, "eval_interval": EVAL_INTERVAL}
        return self.admin.do("/train/start", preset="tiny", corpus=corpus, settings=settings)["run"]["id"]

    def kill(self, run: str, whom: str) -> bool:
        """Kills at a random moment, restarts what was killed, and returns whether the run was still under way."""
        time.sleep(self.rng.uniform(0, LONGEST_WAIT_S))
        process = Job(self.runs / run).process()
        if process is None:
            return False
        if whom in (APP, BOTH):
            os.kill(self.pid, signal.SIGKILL)
        if whom in (TRAINER, BOTH):
            process.signal(signal.SIGKILL)
            wait_for(lambda: not process.alive)
        if whom in (APP, BOTH):
            before = self.admin
            self._app.close()
            self._open()
            assert Admin(self.url, before.token).post("/train/start")[0] == 401  # the right of another session
        if whom == APP:
            self.admin.until(run, RUNNING, FINISHED)
        else:
            self.admin.until(run, DIED)
            self.admin.do(f"/train/runs/{run}/resume")
        return True


@contextlib.contextmanager
def victims(folder: Path, rng: random.Random) -> Iterator[Victims]:
    """An app and a run for killing; both are gone at the end."""
    os.environ["ADMIN_PASSWORD"] = PASSWORD
    with runs_ended(folder) as runs, contextlib.closing(Victims(runs, rng)) as found:
        yield found


def train_and_kill(folder: Path, kills: list[str], rng: random.Random) -> tuple[int, list[str]]:
    """Returns how many kills hit a run under way, and in what the run differs from an uninterrupted one."""
    with victims(folder, rng) as ours:
        steps = STEPS_A_KILL * len(kills)
        run = ours.start(steps)
        hits = sum(ours.kill(run, whom) for whom in kills)
        ours.admin.until(run, FINISHED, patience_s=600)
        precision, whole = ours.admin.run(run)["precision"], ""
        while not whole or ours.admin.run(whole)["precision"] != precision:  # measured for each run; where it is close, either may win
            whole = ours.start(steps)
            ours.admin.until(whole, FINISHED, patience_s=600)
        seen, wanted = ours.admin.curve(run), ours.admin.curve(whole)
    differing = [] if metrics_of(folder / run) == metrics_of(folder / whole) else ["metrics"]
    if Run(folder / run).samples() != Run(folder / whole).samples():
        differing.append("samples")
    for told in (seen, wanted):
        del told["steps"]["elapsed_s"]
    differing += [f"{name} on the page" for name in ("steps", "evaluations", "samples") if seen[name] != wanted[name]]
    return hits, differing


def main() -> int:
    """Runs the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and of who is killed")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kills = rng.choices([TRAINER, APP, BOTH], k=options.kills)
    with tempfile.TemporaryDirectory() as name:
        hits, differing = train_and_kill(Path(name), kills, rng)
    counts = ", ".join(f"{whom} {kills.count(whom)}" for whom in (TRAINER, APP, BOTH))
    print(f"killed {len(kills)} times ({counts}), {hits} while the run was under way; {' and '.join(differing) or 'nothing'} differs")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
