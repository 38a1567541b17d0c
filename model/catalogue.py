"""The catalogue of usable models, by key: shipped models, the lecture's ladder, and training runs that have weights.

The catalogue reads folders and keeps no weights in memory. `Catalogue.load` loads one model; the engine (`model.serving.engine`) keeps
the models in use and chooses their precision. A key is the beginning of the weights' sha256, so a run that has trained further since
is a different model with a different key.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from model.config import NetworkConfig
from model.errors import CheckpointError, UnknownModelError
from model.files import parse_json, printable, read_file, shown_name
from model.ladder import RUNGS
from model.machine import in_fresh_thread
from model.network.kinds import count_parameters, kind_of
from model.tokenizer import CharTokenizer
from model.weights import (
    BEST_FILE,
    CONFIG_FILE,
    KEY_DIGITS,
    SHIPPED_WEIGHTS,
    WEIGHTS_FILES,
    Weights,
    hash_file,
    load_tensors_metadata,
    load_weights,
    read_config,
    snapshot,
    val_loss,
    weights_path,
)

log = logging.getLogger(__name__)

SHIPPED, LADDER, RUN = "shipped", "ladder", "run"  # where a model comes from
MAX_TRAINED_STEPS = 10**12  # more is damage
NO_SUCH_MODEL = "There is no such model, or no longer. Choose another one."


@dataclass(frozen=True)
class Entry:
    """One model in the catalogue, or a folder whose model cannot be loaded.

    Attributes:
        key: identifies the weights; "" if they cannot be read.
        id: identifies the folder: "shakespeare", "ladder/bigram", "runs/20261126-101500-ab12".
        name: name shown to users.
        source: SHIPPED, LADDER or RUN.
        trouble: why the model cannot be used; "" if it can.
        config, tokenizer, about: content of config.json; None and empty if it cannot be read.
    """

    key: str
    id: str
    name: str
    source: str
    folder: Path
    trouble: str = ""
    config: NetworkConfig | None = None
    tokenizer: CharTokenizer | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        """Kind of the network, a key of `KINDS`; None if config.json cannot be read."""
        return kind_of(self.config) if self.config else None

    @cached_property
    def n_params(self) -> int | None:
        """Number of parameters; None if config.json cannot be read."""
        return count_parameters(self.config) if self.config else None

    @property
    def val_loss(self) -> float | None:
        """Measured validation loss in nats per character; None if unknown."""
        return val_loss(self.about)

    @property
    def step(self) -> int | None:
        """Training step at which the run saved these weights; None if unknown or if the model is not from a run."""
        best = self.about.get("best")
        step = best.get("step") if self.source == RUN and isinstance(best, dict) else None
        return step if type(step) is int and 0 <= step <= MAX_TRAINED_STEPS else None


class Catalogue:
    """The models found in a set of folders. Thread-safe.

    Args:
        shipped: folder that contains the shipped weights folders and ladder/.
        runs: folder of training runs, or None.
        device: device that models are loaded onto.
        others: additional weights or run folders, such as the one given with --weights.
    """

    def __init__(self, shipped: Path, runs: Path | None = None, device: torch.device | str = "cpu", others: tuple[Path, ...] = ()):
        self._shipped, self._runs, self._device, self._others = shipped, runs, device, others
        self._known: dict[Path, tuple[tuple[object, ...], Entry]] = {}  # by folder: state of its files, and what was read
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """All models, shipped ones first. If several folders have the same weights, only the first is listed. The first call is slow,
        because it hashes every weights file."""
        found = [self._read(*place) for place in self._folders()]
        with self._lock:
            self._known = {folder: known for folder, known in self._known.items() if any(entry.folder == folder for entry in found)}
        firsts = {entry.key or entry.id: entry for entry in reversed(found)}
        return [entry for entry in found if firsts[entry.key or entry.id] is entry]

    def find_run(self, run: str) -> Entry | None:
        """The entry of a run by its id, even if another folder has the same weights; None if it has no weights."""
        places = (place for place in self._folders() if place[:2] == (RUN, f"runs/{run}"))
        return next((self._read(*place) for place in places), None)

    def find(self, key: str) -> Entry:
        """The model with this key.

        Raises:
            UnknownModelError: no model has this key.
        """
        for place in self._folders():
            if (entry := self._read(*place)).key == key and key:
                return entry
        raise UnknownModelError(NO_SUCH_MODEL)

    def load(self, key: str) -> Weights:
        """Loads a model in float32 and checks it.

        Raises:
            UnknownModelError: no model has this key, or its weights have just been replaced.
            CheckpointError: says which file is damaged and how.
        """
        entry = self.find(key)
        if entry.trouble:
            raise CheckpointError(entry.trouble)
        try:
            with snapshot(entry.folder) as folder:
                weights = in_fresh_thread(lambda: load_weights(folder, self._device))
        except CheckpointError as error:
            if not os.path.exists(entry.folder):
                raise UnknownModelError(NO_SUCH_MODEL) from None
            raise CheckpointError(_without_place(str(error), entry)) from None
        if weights.key != key:
            raise UnknownModelError(NO_SUCH_MODEL)
        return replace(weights, name=entry.name)

    def _folders(self) -> Iterator[tuple[str, str, Path]]:
        """(source, id, folder) of every folder that can contain a model."""
        ladder = self._shipped / LADDER
        places = {rung.model: place for place, rung in enumerate(RUNGS)}
        ours = [(LADDER, f"{LADDER}/{rung.name}", rung) for rung in _subfolders(ladder)]
        ours.sort(key=lambda rung: places.get(rung[1], len(places)))
        others = [folder for folder in _subfolders(self._shipped) if folder != ladder and os.path.exists(folder / CONFIG_FILE)]
        others.sort(key=lambda folder: (folder.name != SHIPPED_WEIGHTS.name, folder.name))
        yield from ((SHIPPED, folder.name, folder) for folder in others[:1])
        yield from ours  # before what somebody exported, which may be a copy of one
        yield from ((SHIPPED, folder.name, folder) for folder in others[1:])
        for folder in _subfolders(self._runs) if self._runs else ():
            if any(os.path.exists(folder / name) for name in WEIGHTS_FILES):
                yield RUN, f"runs/{printable(folder.name)}", folder
        for folder in self._others:
            yield SHIPPED, folder.resolve().name, folder

    def _read(self, source: str, id: str, folder: Path) -> Entry:
        """The entry of a folder, read again only if one of its files has changed."""
        name = _run_name(folder) if source == RUN else folder.resolve().name
        state = (source, id, name, *(_state(folder / file) for file in (CONFIG_FILE, *WEIGHTS_FILES)))
        with self._lock:
            known = self._known.get(folder)
        if known and known[0] == state:
            return known[1]
        entry = _read_entry(Entry("", id, name, source, folder))
        with self._lock:
            self._known[folder] = (state, entry)
        return entry


def _read_entry(bare: Entry) -> Entry:
    """The entry completed from its files, or with a description of what is wrong with them."""
    entry = bare
    try:
        path = weights_path(entry.folder)
        entry = replace(entry, key=hash_file(path)[:KEY_DIGITS])
        config, tokenizer, about = read_config(entry.folder)
        metadata = load_tensors_metadata(path)
        if path.name == BEST_FILE:
            about = about | {"best": metadata}
        return replace(entry, config=config, tokenizer=tokenizer, about=about)
    except CheckpointError as error:
        return replace(entry, trouble=_without_place(str(error), entry))
    except (MemoryError, RuntimeError) as error:  # PyTorch says so where a file cannot be mapped
        log.warning("%s cannot be read now: %r", entry.id, error)
        return replace(entry, trouble=f"{entry.id} cannot be read now: there is not enough memory.")


def _without_place(words: str, entry: Entry) -> str:
    """A message that names a model's files and not where they lie on the machine."""
    named = words.replace(str(entry.folder), entry.id)
    return re.sub(r"(?<!\S)(?:Path )?/\S*/(?=[\w.-]+\.(?:json|safetensors))", lambda _: f"{entry.id}/", named)


def _subfolders(folder: Path) -> list[Path]:
    """Subfolders sorted by name, without hidden folders and symbolic links."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))
    except OSError:
        return []


def _state(path: Path) -> tuple[int, int, int] | None:
    """A file's inode, size and modification time, which change when it is replaced; None if it cannot be read."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _run_name(folder: Path) -> str:
    """Name of a run; its folder's name if the run has none."""
    try:
        name = parse_json(read_file(folder / "job.json")).get("name")
    except (CheckpointError, ValueError, AttributeError):
        name = None
    return shown_name(name, printable(folder.name))
