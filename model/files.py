"""Files: atomic writes, JSON from files that may be damaged, and the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import json
import logging
import math
import os
import secrets
import tempfile
import threading
from pathlib import Path
from typing import Any

from model.errors import CheckpointError
from model.limits import MAX_NAME_CHARS

log = logging.getLogger(__name__)

MAX_JSON_BYTES = 2**23  # of a file with one JSON value; the longest that is written here, heads.json, has a tenth of that
SNIFFED_BYTES = 512

# What a file begins with, in lower case, that lies in another's place, and what to do about it.
_IMPOSTORS = (
    ((b"version https://git-lfs.github.com/spec/",), "it is a Git LFS pointer, not the file itself; fetch that with: git lfs pull"),
    ((b"<!doctype html", b"<html"), "it is a web page; download the file itself"),
    (
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"pk\x03\x04"),
        "it is a pickle, as torch.save writes it, which is never loaded because it can run any code; "
        "save the model's state_dict() with safetensors.torch.save_file",
    ),
)


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
    with contextlib.suppress(OSError):  # taken now, so that nobody else can take it after it was looked at
        folder.mkdir(mode=0o700)
    if os.path.lexists(folder) and folder.lstat().st_uid != user:
        folder = folder.with_name(f"soliloquy-{secrets.token_hex(8)}")
    log.warning("The home folder cannot hold a cache (%s). It is in %s; XDG_CACHE_HOME names another place.", reason.rstrip("."), folder)
    return folder


def what_instead(beginning: bytes) -> str:
    """What a file is that cannot be read as what it should be, in words that follow a colon; "" if that is unknown.

    Args:
        beginning: its first SNIFFED_BYTES.
    """
    if not beginning:
        return "it is empty"
    text = beginning.lstrip().lower()
    return next((words for signs, words in _IMPOSTORS if text.startswith(signs)), "")


def check_is_file(path: Path) -> None:
    """Checks that a path is not something else than a file. A pipe would be waited for, and a device may have no end.

    Raises:
        CheckpointError: it is something else.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"{path} is not a file.")


def is_readable(path: Path) -> bool:
    """Whether a file can be read, or a folder looked into. Asked by trying: rights are not all that decides."""
    try:
        if os.path.isdir(path):
            os.stat(f"{path}{os.sep}.")
            with os.scandir(path):
                return True
        with path.open("rb"):
            return True
    except OSError:
        return False


def read_file(path: Path, most: int = MAX_JSON_BYTES) -> bytes:
    """The content of a file.

    Raises:
        CheckpointError: the file is missing, is not a file, is larger than `most` bytes, or cannot be read.
    """
    check_is_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise CheckpointError(f"{path} is larger than {most // 2**20} MiB, so it is not what it should be.")
    return content


def parse_json(content: bytes) -> Any:
    """A JSON value, all of whose numbers are finite.

    Raises:
        ValueError: it is not such a value; says what it is instead.
    """
    if words := what_instead(content[:SNIFFED_BYTES]):
        raise ValueError(words)
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=_finite, parse_constant=_finite)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start:,})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("it has a number that is not finite")
    return value


def set_aside(path: Path) -> Path:
    """Renames what cannot be used, so that its place is free, and returns its new path.

    Raises:
        CheckpointError: it cannot be renamed.
    """
    names = (f"damaged{number or ''}-{path.name}" for number in itertools.count())
    aside = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    try:
        path.rename(aside)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be used and cannot be renamed: {error.strerror}. Delete it.") from error
    return aside


def clear_place(path: Path) -> None:
    """Renames what is in the place of a file and is not one.

    Raises:
        CheckpointError: it cannot be renamed.
    """
    if os.path.lexists(path) and not os.path.isfile(path):
        set_aside(path)


def without_folder(words: str, folder: Path) -> str:
    """A message that names the files of a folder and not where the folder is."""
    return words.replace(f"{folder}{os.sep}", "")


def printable(name: str) -> str:
    """A name as every page can show it: a file system or a file may give what is no character."""
    return name.encode("utf-8", "replace").decode()


def clean_name(name: str) -> str:
    """A name as it is shown, on one line: without characters that cannot be seen, and with single spaces for spaces and line ends of any
    kind."""
    seen = "".join(char if char.isprintable() else " " * char.isspace() for char in name)
    return " ".join(seen.split())


def is_whole(text: str) -> bool:
    """Whether a text can be sent and written: half a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown_name(name: object, folder: str) -> str:
    """The name of a run as it is shown, whatever its file says; that of its folder if it has none."""
    cleaned = clean_name(name) if isinstance(name, str) else ""
    return (cleaned or clean_name(folder) or folder)[:MAX_NAME_CHARS]


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
