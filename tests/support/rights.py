"""Tests of missing rights, also where root runs the tests, whom rights do not bind."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65534  # user id of a user without rights


@contextlib.contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Gives a folder to a user whom rights bind, and goes on as that user. In the end all folders in it can be entered again."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root:
        importlib.import_module("torch._dynamo")  # which PyTorch imports late, from files that may be closed to that user
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
