"""A run's best weights as a folder that `--weights` takes, zipped while they are sent."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator

from model.errors import CheckpointError
from model.files import without_folder
from model.training.job import Job
from model.weights import config_json, load_tensors, read_config

PIECE_BYTES = 2**20


class Pipe:
    """A file to write to, whose content is taken out piece by piece."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Keeps a piece until it is taken out."""
        self._written.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Does nothing: there is no buffer."""

    def take(self) -> bytes:
        """What was written since the last time."""
        written, self._written = b"".join(self._written), []
        return written


def zip_weights(job: Job) -> Iterator[bytes]:
    """Pieces of a zip archive with model.safetensors and config.json.

    Raises:
        CheckpointError: there are no best weights yet, or a file is damaged, which is named as in the folder of the run.
    """
    stack = contextlib.ExitStack()
    try:
        with stack:
            folder = stack.enter_context(job.copied())
            best_path = folder / "best.safetensors"
            if not best_path.exists():
                raise CheckpointError(f"{job.name} has no weights yet: they are saved with the first evaluation.")
            best, (config, tokenizer, about) = load_tensors(best_path)[1], read_config(folder)
            weights = stack.enter_context(best_path.open("rb"))
            opened = stack.pop_all()
    except CheckpointError as error:
        raise CheckpointError(without_folder(str(error), job.folder)) from None

    def pieces() -> Iterator[bytes]:
        pipe = Pipe()
        with opened, zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
            archive.writestr(f"{job.id}/config.json", config_json(config, tokenizer, about | {"best": best}))
            with archive.open(f"{job.id}/model.safetensors", "w", force_zip64=True) as target:
                while piece := weights.read(PIECE_BYTES):
                    target.write(piece)
                    yield pipe.take()
        yield pipe.take()

    return pieces()
