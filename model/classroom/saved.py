"""The files that keep a class through a restart of the app: one for each round, one for each round of votes, and one for the rest."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import CheckpointError
from model.files import parse_json, read_file, set_aside, write_atomically

log = logging.getLogger(__name__)

NAME = re.compile(r"(class|[rv][0-9]{1,9})\.json")


class Saved:
    """The folder of the files. It is made when something is written."""

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self) -> dict[str, dict[str, Any]]:
        """All documents by name, such as "r3". What cannot be read is logged and renamed."""
        found: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError):  # there is no such folder yet, or it cannot be read
            for path in sorted(self.folder.iterdir()):
                if NAME.fullmatch(path.name):
                    with contextlib.suppress(CheckpointError):
                        found[path.stem] = self._read_one(path)
        return found

    def _read_one(self, path: Path) -> dict[str, Any]:
        """
        Raises:
            CheckpointError: the file is damaged; it has been set aside.
        """
        try:
            content = parse_json(read_file(path))
            if not isinstance(content, dict):
                raise ValueError("it is not a JSON object")
            return content
        except (CheckpointError, ValueError) as error:
            self.refuse(path.stem, error)
            raise CheckpointError(f"{path} is damaged: {error}.") from error

    def refuse(self, name: str, why: Exception) -> None:
        """Sets a document aside that is not what it should be."""
        path = self.folder / f"{name}.json"
        log.warning("%s is damaged (%s). The class goes on without it.", path, why)
        try:
            set_aside(path)
        except CheckpointError as error:
            log.warning("%s", error)

    def write(self, documents: Mapping[str, dict[str, Any] | None]) -> None:
        """Writes some documents; None deletes one.

        Raises:
            CheckpointError: one could not be written; the rest have been.
        """
        failed: CheckpointError | None = None
        for name, content in documents.items():
            path = self.folder / f"{name}.json"
            try:
                if content is None:
                    with contextlib.suppress(OSError):
                        path.unlink(missing_ok=True)
                else:
                    write_atomically(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
            except CheckpointError as error:
                failed = error
        if failed:
            raise failed
