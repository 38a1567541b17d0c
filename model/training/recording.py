"""The training of shipped weights, as it can be watched: over, and without checkpoints, so that nothing can be done with it but to look.

Beside the weights are the metrics of each step and, where they were kept, the texts of the evaluations (`model.training.run`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.training.curve import Curve
from model.training.job import Job

RECORDED = "recorded"  # the state of a recording
RECORDING_ID = ".shipped"  # no folder of runs/ has such an id
RECORDING_NAME = "The shipped model's training"
KEPT_EVERY = 20  # steps: as many points as a chart has room for, and a small answer


class Recording:
    """A folder of shipped weights with the metrics of their training.

    Attributes:
        curve: the metrics, thinned.
    """

    id = RECORDING_ID

    def __init__(self, folder: Path):
        self._job = Job(folder)
        self.curve = self._job.curve = Curve(self._job.run, KEPT_EVERY)

    def about(self) -> dict[str, Any]:
        """As `Job.about`."""
        about = self._job.about()
        return about | {"id": self.id, "name": RECORDING_NAME, "state": RECORDED, "has_weights": False, "why": "", "notice": ""}

    @property
    def is_there(self) -> bool:
        """Whether there is anything to watch."""
        self.curve.read()
        return len(self.curve.evaluations) > 0
