"""Files that are there whole or not at all, and where a user's machine keeps what can be had again."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path

from model.errors import CheckpointError


def cache_dir() -> Path:
    """Where this user's machine keeps what the project may fetch or measure again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soliloquy"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file beside its place and renames it into it.

    Raises:
        CheckpointError: it could not be written; what was there before is untouched.
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
        remedy = "The disk is full: free some space and try again" if error.errno == errno.ENOSPC else str(error.strerror)
        raise CheckpointError(f"{path} could not be written. {remedy}. The file that was there before is untouched.") from error
