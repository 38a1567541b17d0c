"""Atomic file writes, and the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

from model.errors import CheckpointError


def cache_dir() -> Path:
    """The user's cache folder, for files that can be downloaded or measured again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soliloquy"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a temporary file next to the target and renames it, so that the target is never incomplete.

    Raises:
        CheckpointError: the file could not be written; the previous file is unchanged.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        remedy = "The disk is full. Free some space and try again" if error.errno == errno.ENOSPC else str(error.strerror)
        raise CheckpointError(f"{path} could not be written. {remedy}. The previous file is unchanged.") from error
