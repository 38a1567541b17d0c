"""Atomic file writes, and the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import secrets
import tempfile
import threading
from pathlib import Path

from model.errors import CheckpointError

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The user's cache folder, for files that can be downloaded or measured again. It may be read-only."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "soliloquy"
    try:
        folder = Path.home() / ".cache" / "soliloquy"
        folder.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError) as error:  # the user has no home folder, or one of somebody else's
        return _temporary_cache(str(error))
    return folder


@functools.cache  # so that this is said once
def _temporary_cache(reason: str) -> Path:
    """A cache in the temporary folder: the same one each time, unless another user has taken its name."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"soliloquy-{user}"
    if os.path.lexists(folder) and folder.lstat().st_uid != user:
        folder = folder.with_name(f"soliloquy-{secrets.token_hex(8)}")
    log.warning("The home folder cannot hold a cache (%s). It is in %s; XDG_CACHE_HOME names another place.", reason.rstrip("."), folder)
    return folder


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
