"""Damaged run folders, made from a good one by a generator with a seed.

Each folder has one file that is damaged in one way, as full disks, crashes, careless copies and curious hands do it.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from model.config import GPTConfig, TrainConfig
from model.data import Corpus
from model.network.kinds import kind_of
from model.training.job import Job
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import Trainer
from tests.support.killing import synthetic_text

FILES = (
    "config.json",
    "job.json",
    "process.json",
    "metrics.jsonl",
    "samples.jsonl",
    "last.safetensors",
    "previous.safetensors",
    "best.safetensors",
    "corpus.txt",
    "log.txt",
    "lock",
)
NEEDED = ("config.json", "corpus.txt")  # to resume
STEPS, STOPPED_AT = 12, 10

Way = Callable[[Path, random.Random], None]

_VALUE = re.compile(rb'(?<=[:\[ ])(?:-?\d[\d.e+-]*|"[^"]*"|true|false|null)')
_NUMBER = re.compile(rb"(?<=[:\[ ])-?\d[\d.e+-]*")
_KEY = re.compile(rb'"\w+"(?=:)')
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 12345\n"


def _replaced(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _cut(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size or 1))


def _flipped(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    _replaced(path, bytes(content))


def _not_utf8(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    at = rng.randrange(len(content) + 1)
    _replaced(path, content[:at] + b"\xff\xfe" + content[at:])


def _exchanged(pattern: re.Pattern[bytes], choices: tuple[bytes, ...]) -> Way:
    """Writes something else in the place of one match; in a file without any, in the place of everything."""

    def damage(path: Path, rng: random.Random) -> None:
        content, other = path.read_bytes(), rng.choice(choices)
        found = rng.choice([*pattern.finditer(content)] or [None])
        _replaced(path, content[: found.start()] + other + content[found.end() :] if found else other)

    return damage


def _other_json(path: Path, rng: random.Random) -> None:
    _replaced(path, rng.choice((b"null\n", b"[]\n", b"5\n", b'"text"\n', b"true\n", b"[1, 2]\n5\nnull\n")))


def _huge(path: Path, rng: random.Random) -> None:
    os.truncate(path, 2**33)  # a hole: takes no space


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def _link(target: str) -> Way:
    def damage(path: Path, rng: random.Random) -> None:
        path.unlink()
        path.symlink_to(target)

    return damage


def _pipe(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


WAYS: dict[str, Way] = {
    "cut": _cut,
    "emptied": lambda path, rng: os.truncate(path, 0),
    "deleted": lambda path, rng: path.unlink(),
    "flipped": _flipped,
    "not-utf8": _not_utf8,
    "other-json": _other_json,
    "other-value": _exchanged(_VALUE, (b"null", b"[]", b"{}", b'"later"', b"-7", b"true", b"[[1]]", b"0.5")),
    "no-number": _exchanged(_NUMBER, (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5_000, b"9" * 400)),
    "other-key": _exchanged(_KEY, (b'"gone"',)),
    "nested": lambda path, rng: _replaced(path, b'{"step": ' + b"[" * 100_000),
    "huge": _huge,
    "pointer": lambda path, rng: _replaced(path, POINTER),
    "web-page": lambda path, rng: _replaced(path, b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"),
    "folder": _folder,
    "dangling-link": _link("nowhere"),
    "link-in-a-circle": _link("lock"),
    "device": _link("/dev/zero"),
    "pipe": _pipe,
    "no-rights": lambda path, rng: path.chmod(0),
}


def damaged_runs(good: Path, runs: Path, seed: int, n: int | None = None, always: tuple[str, ...] = ()) -> list[str]:
    """Makes damaged copies of a run, and returns their names: the file and the way, as in "config.json-cut".

    Args:
        n: how many; None for each file in each way.
        always: those that are among them.
    """
    rng = random.Random(seed)
    names = [f"{file}-{way}" for file in FILES for way in WAYS]
    chosen = names if n is None else [*always, *rng.sample([name for name in names if name not in always], n - len(always))]
    for name in chosen:
        file, _, way = name.partition("-")
        shutil.copytree(good, runs / name)
        WAYS[way](runs / name / file, rng)
    return chosen


def make_run(folder: Path) -> None:
    """A real run as one from the page leaves it that was stopped between two checkpoints: at step 10 of 12, evaluated every 4."""
    corpus = Corpus("synthetic", synthetic_text(2_000))
    recipe = TrainConfig(steps=STEPS, batch_size=4, micro_batch_size=4, warmup_steps=2, eval_interval=4)
    task = Pretrain(corpus, GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=16, dropout=0.1), recipe)
    job = Job(folder)
    with job.run.claimed():
        trainer = Trainer.start(job.run, task, torch.device("cpu"), torch.float32)
        next(metrics for metrics in trainer.steps() if metrics["step"] == STOPPED_AT)
        trainer.save()
    job.note(
        name="good",
        preset="tiny",
        settings={"steps": STEPS, "n_layer": 1},
        kind=kind_of(task.config),
        network=asdict(task.config),
        recipe=asdict(recipe),
        corpus={"name": corpus.name, "characters": len(corpus.text), "own": True},
        threads=1,
        created=1_764_000_000.5,
    )
    job.corpus_path.write_text(corpus.text, encoding="utf-8")
    job.log_path.write_text("Stopped after step 10.\n", encoding="utf-8")
