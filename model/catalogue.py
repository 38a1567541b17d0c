"""Every model that can be used, by key: those that ship, the lecture's ladder, and the training runs that have weights.

The catalogue reads folders; it keeps no weights. `Catalogue.load` reads one model into memory, and the engine (`model.serving.engine`)
keeps those in use and chooses their precision. A key is the beginning of the weights' sha256, so a run that has learned on since is
another model, under another key.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from model.config import NetworkConfig
from model.errors import CheckpointError, UnknownModelError
from model.machine import in_fresh_thread
from model.network.kinds import count_parameters, kind_of
from model.tokenizer import CharTokenizer
from model.weights import (
    BEST_FILE,
    CONFIG_FILE,
    KEY_DIGITS,
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

SHIPPED, LADDER, RUN = "shipped", "ladder", "run"  # where a model comes from
NO_SUCH_MODEL = "This model no longer exists. Choose another one."


@dataclass(frozen=True)
class Entry:
    """One model that can be loaded, or a folder that cannot and why.

    Attributes:
        key: identifies its weights; "" where they cannot be read.
        id: names its folder: "shakespeare", "ladder/bigram", "runs/20261126-101500-ab12".
        name: what users call it.
        source: SHIPPED, LADDER or RUN.
        trouble: why it cannot be used; "" if it can.
        config, tokenizer, about: from its config.json; None and empty where that cannot be read.
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
        """The kind of its network."""
        return kind_of(self.config) if self.config else None

    @cached_property
    def n_params(self) -> int | None:
        """Number of parameters."""
        return count_parameters(self.config) if self.config else None

    @property
    def val_loss(self) -> float | None:
        """Its measured validation loss in nats per character, if it is known."""
        return val_loss(self.about)

    @property
    def step(self) -> int | None:
        """The step of its run that the weights are from."""
        best = self.about.get("best")
        step = best.get("step") if self.source == RUN and isinstance(best, dict) else None
        return step if isinstance(step, int) else None


class Catalogue:
    """The models in some folders. For any thread.

    Args:
        shipped: the folder of weights folders, with ladder/ among them.
        runs: the folder of training runs, or None.
        device: where models are loaded.
        others: further folders of weights, or of runs, such as the one given with --weights.
    """

    def __init__(self, shipped: Path, runs: Path | None = None, device: torch.device | str = "cpu", others: tuple[Path, ...] = ()):
        self._shipped, self._runs, self._device, self._others = shipped, runs, device, others
        self._known: dict[Path, tuple[tuple[object, ...], Entry]] = {}  # what was read of a folder, while its files do not change
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """All models, those that ship first; of folders with the same weights, the first. Takes a while the first time: every file of
        weights is hashed once."""
        found = [self._read(*place) for place in self._folders()]
        with self._lock:
            self._known = {folder: known for folder, known in self._known.items() if any(entry.folder == folder for entry in found)}
        firsts = {entry.key or entry.id: entry for entry in reversed(found)}
        return [entry for entry in found if firsts[entry.key or entry.id] is entry]

    def find(self, key: str) -> Entry:
        """The model with this key.

        Raises:
            UnknownModelError: there is none.
        """
        for place in self._folders():
            if (entry := self._read(*place)).key == key and key:
                return entry
        raise UnknownModelError(NO_SUCH_MODEL)

    def load(self, key: str) -> Weights:
        """A model in float32, checked.

        Raises:
            UnknownModelError: there is none with this key, or its weights were replaced just now.
            CheckpointError: its files are damaged, and how.
        """
        entry = self.find(key)
        if entry.trouble:
            raise CheckpointError(entry.trouble)
        with snapshot(entry.folder) as folder:
            try:
                weights = in_fresh_thread(lambda: load_weights(folder, self._device))
            except CheckpointError as error:
                raise CheckpointError(str(error).replace(str(folder), entry.id)) from None
        if weights.key != key:
            raise UnknownModelError(NO_SUCH_MODEL)
        return replace(weights, name=entry.name)

    def _folders(self) -> Iterator[tuple[str, str, Path]]:
        """(source, id, folder) of all folders that may hold a model."""
        for folder in _subfolders(self._shipped):
            if folder.name == LADDER:
                for rung in _subfolders(folder):
                    yield LADDER, f"{LADDER}/{rung.name}", rung
            elif (folder / CONFIG_FILE).exists():
                yield SHIPPED, folder.name, folder
        for folder in self._others:
            yield SHIPPED, folder.resolve().name, folder
        for folder in _subfolders(self._runs) if self._runs else ():
            if any((folder / name).exists() for name in WEIGHTS_FILES):
                yield RUN, f"runs/{folder.name}", folder

    def _read(self, source: str, id: str, folder: Path) -> Entry:
        """What is known of a folder; read again only when one of its files has changed."""
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
    """The entry with what its files say, or with what is wrong with them."""
    entry = bare
    try:
        path = weights_path(entry.folder)
        entry = replace(entry, key=hash_file(path)[:KEY_DIGITS])
        config, tokenizer, about = read_config(entry.folder)
        if path.name == BEST_FILE:
            about = about | {"best": load_tensors_metadata(path)}
        return replace(entry, config=config, tokenizer=tokenizer, about=about)
    except CheckpointError as error:
        return replace(entry, trouble=str(error).replace(str(entry.folder), entry.id))


def _subfolders(folder: Path) -> list[Path]:
    """Folders in a folder, by name; no hidden ones, and no links elsewhere."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))
    except OSError:
        return []


def _state(path: Path) -> tuple[int, int, int] | None:
    """Another one if a file was replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _run_name(folder: Path) -> str:
    """What a run is called; its folder's name, unless it was given one."""
    try:
        name = json.loads((folder / "job.json").read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, AttributeError, RecursionError):
        name = None
    return name if isinstance(name, str) and name else folder.name
