"""Files that are there whole or not at all, and the place of what can be had again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from model.errors import CheckpointError
from model.files import _temporary_cache, cache_dir, write_atomically
from tests.conftest import ROOT


def test_the_cache_is_the_users(cache_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir() == cache_home
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_dir() == tmp_path / ".cache" / "soliloquy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / ".cache" / "soliloquy"


def test_without_a_home_the_cache_is_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "home").write_text("a file where the folder should be", encoding="utf-8")
    _temporary_cache.cache_clear()
    ours = cache_dir()
    assert ours.parent == tmp_path / "tmp"
    write_atomically(ours / "x", b"kept")
    _temporary_cache.cache_clear()
    assert cache_dir() == ours  # also in the next process


def test_a_cache_of_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "home").write_text("a file where the folder should be", encoding="utf-8")
    _temporary_cache.cache_clear()
    theirs = cache_dir()
    assert theirs.stat().st_mode & 0o777 == 0o700  # nobody else can take the name any more
    os.chown(theirs, 12345, 12345)
    _temporary_cache.cache_clear()
    assert cache_dir() != theirs


def test_a_full_disk_leaves_the_old_file_whole(small_disk: Path) -> None:
    path = small_disk / "x"
    write_atomically(path, b"old" * 2**14)  # 48 KiB of 64
    with pytest.raises(CheckpointError, match=r"x could not be written\. The disk is full.*unchanged"):
        write_atomically(path, b"new" * 2**14)
    assert path.read_bytes() == b"old" * 2**14
    assert list(small_disk.iterdir()) == [path]


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_over_a_folder_is_refused_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(CheckpointError, match=r"x could not be written\. Is a directory"):
        write_atomically(tmp_path / "x", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_write_into_a_file_as_if_it_were_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(CheckpointError, match="x could not be written"):
        write_atomically(tmp_path / "file" / "x", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_write_cut_off_in_the_middle_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"old" * 1_000)
    script = """
import resource, sys
from pathlib import Path
from model.files import write_atomically
from model.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
try:
    write_atomically(Path(sys.argv[1]), b"new" * 10_000)
except CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{path} could not be written. File too large. The previous file is unchanged."
    assert path.read_bytes() == b"old" * 1_000
    assert list(tmp_path.iterdir()) == [path]
