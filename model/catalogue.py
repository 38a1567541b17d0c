"""The catalogue of usable models, by key: shipped models, the assistants fine-tuned from them, the lecture's ladder, the models of the tab
Meaning, training runs that have weights, models from the Hub, and the snapshots of runs.

The catalogue reads folders and keeps no weights in memory. `Catalogue.load` loads one model; the engine (`model.serving.engine`) keeps
the models in use and chooses their precision. A key is the beginning of the weights' sha256, so a run that has trained further since
is a different model with a different key.

Snapshots can be found and loaded like any model, but are not listed: there may be a hundred per run. Their files are hashed when somebody
asks for the run's snapshots or for a key that no other model has, once for all who ask, and again only after they have changed.
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
from model.errors import CheckpointError, ParameterError, UnknownModelError
from model.files import parse_json, printable, read_file, shown_name
from model.ladder import RUNGS
from model.limits import MAX_HUB_MODELS
from model.machine import in_fresh_thread
from model.network.kinds import KINDS, count_parameters, kind_of
from model.tokenizer import CharTokenizer
from model.weights import (
    ASSISTANT_FOLDER,
    BEST_FILE,
    CONFIG_FILE,
    KEY_DIGITS,
    MEANING_FOLDER,
    SHIPPED_RUNS_FOLDER,
    SHIPPED_WEIGHTS,
    WEIGHTS_FILES,
    Weights,
    copied,
    hash_file,
    load_tensors_metadata,
    load_weights,
    read_config,
    snapshot_paths,
    val_loss,
    weights_path,
)

log = logging.getLogger(__name__)

SHIPPED, ASSISTANT, LADDER, MEANING = "shipped", "assistant", "ladder", "meaning"  # where a model comes from
RUN, HUB, SNAPSHOT = "run", "hub", "snapshot"  # likewise
ASSISTANTS = ("supervised", "reinforced", "unbound")  # the folders in weights/assistant whose models write
MEANING_WRITERS = ("pre-norm", "post-norm", "reversal-gpt", "early-modern-gpt")  # likewise in weights/meaning
MAX_TRAINED_STEPS = 10**12  # more is damage
NO_SUCH_MODEL = "There is no such model, or no longer. Choose another one."
FULL = f"{MAX_HUB_MODELS} models from the Hub are listed, which is the maximum. Remove one first."


@dataclass(frozen=True)
class Entry:
    """One model in the catalogue, or a folder whose model cannot be loaded.

    Attributes:
        key: identifies the weights; "" if they cannot be read.
        id: identifies the folder: "shakespeare", "assistant/supervised", "ladder/bigram", "meaning/post-norm",
            "runs/20261126-101500-ab12", "hub:ada/tiny@1a2b3c4"; of a snapshot that of its run, "weights/runs/quick".
        name: name shown to users: "ada/tiny@1a2b3c4"; of a snapshot "quick, step 150".
        source: SHIPPED, ASSISTANT, LADDER, MEANING, RUN, HUB or SNAPSHOT.
        snapshot: the snapshot's file; None for other models.
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
    snapshot: Path | None = None

    @property
    def kind(self) -> str | None:
        """Kind of the network, a key of `KINDS`; None if config.json cannot be read."""
        return kind_of(self.config) if self.config else None

    @property
    def writes(self) -> bool:
        """Whether the network writes texts; a reward model or an embedding does not. True if config.json cannot be read."""
        return self.kind is None or KINDS[self.kind].network.writes

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
        """Training step at which the run saved its best weights; None if unknown or if the model is not such weights."""
        best = self.about.get("best")
        step = best.get("step") if self.source == RUN and isinstance(best, dict) else None
        return step if type(step) is int and 0 <= step <= MAX_TRAINED_STEPS else None


class Catalogue:
    """The models found in a set of folders. Thread-safe.

    Args:
        shipped: folder that contains the shipped weights folders, assistant/, ladder/ and meaning/.
        runs: folder of training runs, or None.
        device: device that models are loaded onto.
        others: additional weights or run folders, such as the one given with --weights.
    """

    def __init__(self, shipped: Path, runs: Path | None = None, device: torch.device | str = "cpu", others: tuple[Path, ...] = ()):
        self._shipped, self._runs, self._device, self._others = shipped, runs, device, others
        self._from_hub: dict[str, Entry] = {}  # by id: what is known of them without reading a file
        self._known: dict[Path, tuple[tuple[object, ...], Entry]] = {}  # by folder or snapshot: state of its files, and what was read
        self._reading: dict[Path, threading.Lock] = {}  # likewise: held while they are read, so that several threads hash no file twice
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """All models that write, but snapshots; shipped ones first. If several folders have the same weights, only the first is listed. The
        first call is slow, because it hashes every weights file."""
        found = [entry for entry in map(self._read, self._models()) if entry.writes]
        with self._lock:
            self._known = {path: known for path, known in self._known.items() if os.path.exists(path)}
            self._reading = {path: lock for path, lock in self._reading.items() if path in self._known}
        firsts = {entry.key or entry.id: entry for entry in reversed(found)}
        return [entry for entry in found if firsts[entry.key or entry.id] is entry]

    def find_run(self, run: str) -> Entry | None:
        """The entry of a run by its id, even if another folder has the same weights; None if it has no weights."""
        bare = (bare for bare in self._models() if (bare.source, bare.id) == (RUN, f"runs/{run}"))
        return next((entry for entry in map(self._read, bare) if entry.writes), None)

    def add_from_hub(self, name: str, folder: Path) -> Entry:
        """Lists a model that was fetched from the Hub, until the app ends or `remove_from_hub`.

        Args:
            name: of the repository and its commit, "ada/tiny@1a2b3c4".

        Raises:
            ParameterError: MAX_HUB_MODELS are listed already.
        """
        bare = Entry("", f"{HUB}:{name}", name, HUB, folder)
        with self._lock:
            if bare.id not in self._from_hub and len(self._from_hub) >= MAX_HUB_MODELS:
                raise ParameterError(FULL)
            self._from_hub[bare.id] = bare
        return self._read(bare)

    def remove_from_hub(self, id: str) -> None:
        """Lists a model from the Hub no longer. Its files stay in the cache."""
        with self._lock:
            self._from_hub.pop(id, None)

    def find_from_hub(self, id: str) -> Entry | None:
        """The entry of a model from the Hub by its id, even if another folder has the same weights; None if it is not listed."""
        bare = self._from_hub.get(id)
        return self._read(bare) if bare else None

    def find(self, key: str) -> Entry:
        """The model with this key; where several folders have the same weights, the first that is not damaged.

        Raises:
            UnknownModelError: no model has this key.
        """
        places = (bare for places in (self._models, self._all_snapshots) for bare in places())
        damaged = None
        for entry in map(self._read, places) if key else ():
            if entry.key == key and entry.writes:
                if not entry.trouble:
                    return entry
                damaged = damaged or entry
        if damaged is None:
            raise UnknownModelError(NO_SUCH_MODEL)
        return damaged

    def snapshots(self, source: str, run: str) -> dict[int, Entry]:
        """The snapshots of a run, by step, in order. The first call is slow, because it hashes them.

        Args:
            source: SHIPPED or RUN.
            run: name of its folder.
        """
        folders = self.shipped_runs() if source == SHIPPED else self._run_folders()
        folder = next((folder for folder in folders if printable(folder.name) == run), None)
        return {step: self._read(bare) for step, bare in _snapshots(source, folder).items()} if folder else {}

    def assistant_folders(self) -> list[Path]:
        """The folders in weights/assistant, sorted by name: of models that write, of others, and of runs that ship without weights."""
        return _subfolders(self._shipped / ASSISTANT_FOLDER)

    def shipped_runs(self) -> list[Path]:
        """Folders of the runs that ship with their snapshots."""
        return _subfolders(self._shipped / SHIPPED_RUNS_FOLDER)

    def assistant_folder(self, name: str) -> Path:
        """The folder of a shipped model of the assistant, whether it is there or not."""
        return self._shipped / ASSISTANT_FOLDER / name

    def meaning_folder(self, name: str = "") -> Path:
        """The folder of a shipped model of the tab Meaning, whether it is there or not; without a name, the one that contains them all."""
        return self._shipped / MEANING_FOLDER / name

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
            weights = in_fresh_thread(lambda: self._load(entry))
        except CheckpointError as error:
            if not os.path.exists(entry.snapshot or entry.folder):
                raise UnknownModelError(NO_SUCH_MODEL) from None
            raise CheckpointError(_without_place(str(error), entry)) from None
        if weights.key != key:
            raise UnknownModelError(NO_SUCH_MODEL)
        return replace(weights, name=entry.name)

    def _load(self, entry: Entry) -> Weights:
        if entry.snapshot:  # read in its place: it is written once, and if a resumed run has other bytes, the key says so
            return load_weights(entry.folder, self._device, entry.snapshot)
        with copied(entry.folder) as folder:
            return load_weights(folder, self._device, near=entry.folder)

    def _models(self) -> Iterator[Entry]:
        """What is known without reading any file of every folder that can contain a model."""
        ladder = self._shipped / LADDER
        others = [folder for folder in _subfolders(self._shipped) if os.path.exists(folder / CONFIG_FILE)]
        others.sort(key=lambda folder: (folder.name != SHIPPED_WEIGHTS.name, folder.name))
        yield from (_bare(SHIPPED, folder.name, folder) for folder in others[:1])
        for name in ASSISTANTS:
            if os.path.isdir(folder := self.assistant_folder(name)):
                yield _bare(ASSISTANT, f"{ASSISTANT}/{name}", folder)
        places = {rung.model: place for place, rung in enumerate(RUNGS)}
        for rung in sorted(_subfolders(ladder), key=lambda rung: places.get(f"{LADDER}/{rung.name}", len(places))):
            # Before what somebody exported, which may be a copy of one.
            yield _bare(LADDER, f"{LADDER}/{rung.name}", rung)
        for name in MEANING_WRITERS:
            if os.path.isdir(folder := self.meaning_folder(name)):
                yield _bare(MEANING, f"{MEANING}/{name}", folder)
        yield from (_bare(SHIPPED, folder.name, folder) for folder in others[1:])
        for folder in self._run_folders():
            if any(os.path.exists(folder / name) for name in WEIGHTS_FILES):
                yield _bare(RUN, f"runs/{printable(folder.name)}", folder)
        for folder in self._others:
            yield _bare(SHIPPED, folder.resolve().name, folder)
        with self._lock:
            from_hub = [*self._from_hub.values()]
        yield from from_hub

    def _all_snapshots(self) -> Iterator[Entry]:
        for source, folders in ((SHIPPED, self.shipped_runs()), (RUN, self._run_folders())):
            for folder in folders:
                yield from _snapshots(source, folder).values()

    def _run_folders(self) -> list[Path]:
        return _subfolders(self._runs) if self._runs else []

    def _read(self, bare: Entry) -> Entry:
        """The entry of a model, read again only if one of its files has changed."""
        path = bare.snapshot or bare.folder
        with self._lock:
            reading = self._reading.setdefault(path, threading.Lock())
        with reading:
            files = [bare.folder / CONFIG_FILE, *([bare.snapshot] if bare.snapshot else [bare.folder / name for name in WEIGHTS_FILES])]
            state = (bare, *map(_state, files))
            with self._lock:
                known = self._known.get(path)
            if known and known[0] == state:
                return known[1]
            entry = _read_entry(bare)
            with self._lock:
                self._known[path] = (state, entry)
            return entry


def _bare(source: str, id: str, folder: Path) -> Entry:
    return Entry("", id, _run_name(folder) if source == RUN else folder.resolve().name, source, folder)


def _snapshots(source: str, folder: Path) -> dict[int, Entry]:
    """What is known of a run's snapshots without reading them, by step."""
    if not (paths := snapshot_paths(folder)):
        return {}
    run = _bare(source, printable(f"runs/{folder.name}"), folder)
    place = "weights/" if source == SHIPPED else ""
    return {
        step: replace(run, id=f"{place}{run.id}", name=f"{run.name}, step {step:,}", source=SNAPSHOT, snapshot=path)
        for step, path in paths.items()
    }


def _read_entry(bare: Entry) -> Entry:
    """The entry completed from its files, or with a description of what is wrong with them."""
    entry = bare
    try:
        path = entry.snapshot or weights_path(entry.folder)
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
