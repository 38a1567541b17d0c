"""The JSON files of a run, read whatever is in them: each is checked here, and read again only after it has changed.

A full disk, a crash, a copy that was cut off or somebody's editor may have damaged any file of a run. What is read here has the types that
it must have; everything else is a CheckpointError that names the file and what is wrong, or a line that is left out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from model.config import shown, type_in_words
from model.errors import CheckpointError
from model.files import check_is_file, parse_json, read_file

Content = TypeVar("Content")
Line = dict[str, Any]
Types = Mapping[str, Any]  # the type of each field: str, int, float, bool, dict, or Types again

JOB: Types = {
    "name": str,
    "preset": str,
    "settings": dict,
    "task": str,
    "parent": {"key": str, "name": str},
    "inputs": dict,
    "kind": str,
    "network": dict,
    "recipe": dict,
    "corpus": {"name": str, "characters": int, "own": bool},
    "threads": int,
    "created": float,
    "asked_to_stop": {"pid": int, "began": str, "at": float},
}
ABOUT: Types = {
    "recipe": dict,
    "precision": str,
    "task": str,
    "corpus": {"name": str, "characters": int, "sha256": str},
    "pairs": {"name": str, "pairs": int, "sha256": str},
    "comparisons": {"name": str, "comparisons": int, "sha256": str},
    "held_out": {"name": str, "comparisons": int, "sha256": str},
    "parent": {"key": str, "sha256": str, "name": str},
    "reward": {"kind": str, "key": str, "sha256": str, "name": str},
}
PROCESS: Types = {"pid": int, "began": str, "ended": float, "error": str, "notice": str}
METRICS: Types = {"step": int, "loss": float, "val_loss": float, "learning_rate": float, "grad_norm": float, "elapsed_s": float}
SAMPLES: Types = {"step": int, "text": str}
NEEDED = {"step", "text"}  # a line without these, of its kind, is damaged

MAX_INTEGER = 2**53  # a larger whole number is damage
MAX_LINE_BYTES = 2**16  # many times the longest that is written here
MAX_DAMAGED_LINES = 1_000  # in a file; what follows is not read


class Cached(Generic[Content]):
    """What a file holds, read again only after the file has changed. What could not be read is tried again each time."""

    def __init__(self, path: Path, read: Callable[[], Content]):
        self.path, self._read = path, read
        self._known: tuple[object, Content] | None = None  # one tuple, since several threads read

    def get(self) -> Content:
        """The content, not to be changed.

        Raises:
            CheckpointError: as `read`.
        """
        try:
            stat = self.path.stat()
            version = stat.st_ino, stat.st_mtime_ns, stat.st_size
        except OSError:
            version = 0, 0, 0
        known = self._known
        if known is None or known[0] != version:
            self._known = known = (version, self._read())
        return known[1]


def read_record(path: Path, types: Types) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is no file.

    Raises:
        CheckpointError: the file cannot be read, or has something else; says what.
    """
    if not os.path.lexists(path):
        return {}
    content = read_file(path)
    try:
        return check_types(parse_json(content), types)
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from None


def check_types(content: Any, types: Types, name: str = "the content") -> dict[str, Any]:
    """Checks the fields of a JSON object that have a type here, and returns the object. Any field may be missing.

    Raises:
        ValueError: says what is not of its type.
    """
    if type(content) is not dict:
        raise ValueError(f"{name} must be {type_in_words(dict)}, not {shown(content)}")
    for field, wanted in types.items():
        if field not in content:
            continue
        value = content[field]
        if isinstance(wanted, Mapping):
            check_types(value, wanted, field)
        elif not _is(value, wanted):
            raise ValueError(f"{field} must be {type_in_words(wanted)}, not {shown(value)}")
    return content


def _is(value: Any, wanted: type) -> bool:
    if wanted is int:
        return type(value) is int and abs(value) <= MAX_INTEGER
    if wanted is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max  # false for NaN as well
    return type(value) is wanted


def parse_line(line: bytes, types: Types) -> Line | None:
    """The JSON object of a line; None for a damaged line."""
    try:
        content = check_types(json.loads(line.decode()), types)
    except (ValueError, RecursionError):
        return None
    return content if NEEDED & types.keys() <= content.keys() and content["step"] >= 0 else None


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file from its position on. A line that is too long comes in several pieces."""
    return iter(lambda: file.readline(MAX_LINE_BYTES), b"")


def read_lines(path: Path, types: Types) -> tuple[list[Line], int]:
    """The JSON objects of a file's lines, and how many lines are damaged; none if there is no file.

    Raises:
        CheckpointError: the file cannot be read.
    """
    lines, damaged = [], 0
    check_is_file(path)
    try:
        with path.open("rb") as file:
            for piece in pieces(file):
                line = parse_line(piece, types)
                if line is not None:
                    lines.append(line)
                elif (damaged := damaged + 1) == MAX_DAMAGED_LINES:
                    break
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    return lines, damaged
