"""What a job runs (see `model.hub.job`): a training, whose run is sent to the store every now and then, and at its end.

python -m model.hub.worker NAME/soliloquy-jobs RUN --preset lesson
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from model.errors import HubError
from model.hub.client import hub, plain_words

SEND_S = float(os.environ.get("SOLILOQUY_SEND_S", "120"))
LEFT_OUT = ["lock", "*.part", "fresh.safetensors"]


def main(store: str, run: str, *arguments: str) -> int:
    """Trains, and returns the exit status of the training."""
    command = [sys.executable, "-u", "-m", "model", "train", "--run", run, *arguments]
    training = subprocess.Popen(command, env=os.environ | {"TQDM_DISABLE": "1"})  # a log has lines, and no bar
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: training.send_signal(signal.SIGTERM))
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            training.wait(SEND_S)
        send(store, run)
        if training.returncode is not None:
            return training.returncode


def send(store: str, run: str) -> None:
    """Sends the run as it is. What fails is tried again the next time."""
    folder = Path("runs") / run
    if not folder.is_dir():
        return
    try:
        with plain_words(f"sending {folder}"):
            hub().upload_folder(
                repo_id=store,
                repo_type="dataset",
                folder_path=folder,
                path_in_repo=f"runs/{run}",
                ignore_patterns=LEFT_OUT,
                commit_message=f"Run {run}",
            )
    except HubError as error:
        print(error, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
