"""Models from the Hub: found, bounded, fetched, checked, and kept in the user's cache.

    ~/.cache/soliloquy/hub/ada/tiny@1a2b3c4d5e6f.../  config.json, model.safetensors and perhaps heads.json, as of that commit
    ~/.cache/soliloquy/hub/ada/tiny.json              {"main": "1a2b3c4d5e6f..."}: the commit of each revision, when it was last asked for

Of a repository only these files are fetched, and of a GPT-2 of Transformers its tokenizer.json. The network is read from config.json first,
so that the weights can have no other size than it needs. What has come is checked as a folder with --weights is before it gets its place,
so what is in the cache is whole. A commit that is kept needs no network; if the Hub cannot be reached, a branch means the commit that it
was last known to be.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import filelock
from huggingface_hub.hf_api import ModelInfo
from tqdm import tqdm

from model.config import NetworkConfig
from model.errors import CheckpointError, HubError, ParameterError
from model.files import cache_dir, clean_name, parse_json, read_file, write_atomically
from model.formats import transformers
from model.formats.read import dtype_without_loss, read_foreign
from model.hub.address import COMMIT, SHORT_COMMIT, HubAddress, read_address
from model.hub.client import TIMEOUT_S, hub, plain_words, status
from model.limits import MAX_HUB_JSON_BYTES, MAX_HUB_WEIGHTS_BYTES
from model.network.kinds import count_parameters
from model.tokenizer import CharTokenizer, name
from model.weights import CONFIG_FILE, HEADS_FILE, load_weights, read_config, save_weights

WEIGHTS_FILE = "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
LARGEST_NUMBER_BYTES = 8  # of a weight, in float64
ROOM_FOR_OTHERS_BYTES = 2**26  # masks that other projects keep beside the weights, and the header
DIRECTION_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
LINK = re.compile(rb"[\w.-]*(?:/[\w.-]+)+|[\w-]+\.(?:json|safetensors)")  # what Git keeps in the place of a symbolic link
MAX_LINK_BYTES = 4_096

Progress = Callable[[int, int], None]  # bytes of the weights so far, and of all


@dataclass(frozen=True)
class HubModel:
    """A model that was fetched.

    Attributes:
        commit: 40 digits.
        folder: like any folder of weights.
        notice: why an older copy is used; "" otherwise.
    """

    repo: str
    commit: str
    folder: Path
    notice: str = ""

    @property
    def name(self) -> str:
        """As it is shown: ada/tiny@1a2b3c4."""
        return f"{self.repo}@{self.commit[:SHORT_COMMIT]}"


def fetch(address: HubAddress, progress: Progress = lambda done, total: None) -> HubModel:
    """The folder of a model on the Hub, fetched unless it is kept already.

    Args:
        progress: called in this thread; what it raises ends the download.

    Raises:
        HubError: the Hub cannot be reached, or refuses.
        CheckpointError: the repository cannot be used; says why.
    """
    if kept := _kept(address.repo, address.revision):
        return kept
    try:
        with plain_words(f"looking for {address}"):
            info = hub().model_info(address.repo, revision=address.revision, files_metadata=True, timeout=TIMEOUT_S)
    except HubError as error:
        commit = _known_revisions(address.repo).get(address.revision, "") if not 0 < status(error) < 500 else ""
        if last := _kept(address.repo, commit):
            return HubModel(last.repo, last.commit, last.folder, f"{error} This is the copy of commit {commit[:SHORT_COMMIT]}.")
        raise
    commit = str(info.sha)
    if not COMMIT.fullmatch(commit):
        raise HubError(f"The Hub does not say which commit {address} is.")
    model = _kept(address.repo, commit) or _download(HubModel(address.repo, commit, _folder(address.repo, commit)), info, progress)
    revisions = _known_revisions(address.repo) | {address.revision: commit}
    write_atomically(_revisions_path(address.repo), (json.dumps(revisions) + "\n").encode())
    return model


def fetch_with_bar(given: object) -> HubModel:
    """As `fetch`, for the command line: shows how far it is, and says which commit it is.

    Args:
        given: a name such as hub:ada/tiny.

    Raises:
        ParameterError: it is no such name.
        HubError, CheckpointError: as `fetch`.
    """
    address = read_address(given.as_posix() if isinstance(given, Path) else given)
    with tqdm(unit="B", unit_scale=True, dynamic_ncols=True, delay=1, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        model = fetch(address, show)
    print(model.notice or f"{address} is commit {model.commit}.", file=sys.stderr)
    return model


def _folder(repo: str, commit: str) -> Path:
    return cache_dir() / "hub" / f"{repo}@{commit}"  # whole: anybody can make two commits that begin alike


def _revisions_path(repo: str) -> Path:
    return cache_dir() / "hub" / f"{repo}.json"


def _kept(repo: str, commit: str) -> HubModel | None:
    """A commit that is in the cache."""
    folder = _folder(repo, commit)
    return HubModel(repo, commit, folder) if COMMIT.fullmatch(commit) and (folder / CONFIG_FILE).is_file() else None


def _known_revisions(repo: str) -> dict[str, str]:
    """The commits that revisions were, when they were last asked for."""
    try:
        found = parse_json(read_file(_revisions_path(repo)))
    except (CheckpointError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _download(model: HubModel, info: ModelInfo, progress: Progress) -> HubModel:
    """Fetches a commit into its place.

    Raises:
        HubError, CheckpointError: as `fetch`.
    """
    part = model.folder.with_name(f"{model.folder.name}.part")
    try:
        sizes = _sizes(info)
        part.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_revisions_path(model.repo).with_suffix(".lock"), timeout=0), _emptied(part):
            _fetch_all(_Fetched(model, part, sizes), progress)
            whole = _ours(part, model)
            shutil.rmtree(part / ".cache")  # what the Hub's client notes about the files
            if model.folder.exists():  # damaged
                shutil.rmtree(model.folder)
            whole.rename(model.folder)
    except filelock.Timeout:
        raise HubError(f"{model.name} is being fetched by another program. Try again when it is done.") from None
    except (CheckpointError, ParameterError) as error:
        reason = str(error).replace(f"{part}/", "").replace(str(part), "it")
        raise CheckpointError(f"{model.name} cannot be used: {reason}") from error
    except OSError as error:
        raise CheckpointError(f"{model.name} cannot be kept in {model.folder.parent}: {error.strerror or error}.") from error
    return model


@contextlib.contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """A folder that is empty at the beginning, whatever was left there, and gone at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sizes(info: ModelInfo) -> dict[str, int]:
    """The files of a repository with their sizes.

    Raises:
        CheckpointError: a name leads out of the repository's folder, or there are no weights that can be read.
    """
    sizes = {str(file.rfilename): file.size or 0 for file in info.siblings or ()}
    for file in sizes:
        parts = PurePosixPath(file.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in file or clean_name(file) != file:
            raise CheckpointError(f"the repository has a file whose name leads out of its folder: {clean_name(file)[:80]!r}.")
    if CONFIG_FILE not in sizes:
        raise CheckpointError("the repository has no config.json, which says what its network is.")
    if WEIGHTS_FILE not in sizes:
        pickles = [file for file in sizes if file.endswith(PICKLES)]
        instead = (
            f" {clean_name(pickles[0])[:80]} is a pickle, which is never loaded because it can run any code. If you trust it, download it "
            "and use: python -m model import"
            if pickles
            else ""
        )
        raise CheckpointError(f"the repository has no {WEIGHTS_FILE}.{instead}")
    return sizes


class _Fetched:
    """Fetches single files of a commit into a folder."""

    def __init__(self, model: HubModel, folder: Path, sizes: dict[str, int]):
        self.model, self.folder, self.sizes = model, folder, sizes

    def get(self, file: str, most: int, progress: Progress = lambda done, total: None) -> None:
        """Fetches a file.

        Args:
            most: bytes that it may have.

        Raises:
            CheckpointError: it is larger, or no file.
            HubError: it cannot be fetched.
        """
        size = self.sizes[file]
        if size > most:
            raise CheckpointError(f"{file} has {size:,} bytes; at most {most:,} are taken.")
        if size > (free := shutil.disk_usage(self.folder).free):
            raise CheckpointError(f"{file} has {size:,} bytes, and the disk has only {free:,} left. Free some space and try again.")
        with plain_words(f"fetching {file} of {self.model.name}"):
            hub().hf_hub_download(
                self.model.repo, file, revision=self.model.commit, local_dir=self.folder, tqdm_class=_bar(size, most, progress)
            )
        path = self.folder / file
        if path.is_symlink() or _is_link(path):
            raise CheckpointError(f"{file} is a symbolic link. Only files themselves are read.")
        if path.stat().st_size > most:
            raise CheckpointError(f"{file} is larger than the {size:,} bytes that the Hub said.")


def _bar(total: int, most: int, progress: Progress) -> type[tqdm]:
    """What the Hub's client tells how far it is. It makes several of one file, one for what came and one for what is written."""
    furthest = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **{**kwargs, "disable": True})
            self._done = 0
            self.update(kwargs.get("initial"))

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            self._done += int(n or 0)
            if self._done > most:
                raise CheckpointError(f"a file is larger than the {total:,} bytes that the Hub said.")
            furthest = max(furthest, min(self._done, total))
            progress(furthest, total)

    return Bar


def _is_link(path: Path) -> bool:
    """Whether a file is what Git keeps in the place of a symbolic link: the path that it leads to."""
    return path.stat().st_size <= MAX_LINK_BYTES and bool(LINK.fullmatch(path.read_bytes()))


def _fetch_all(fetched: _Fetched, progress: Progress) -> None:
    """Fetches the files of a model, the small ones first, and checks what they say before the weights."""
    config: NetworkConfig
    fetched.get(CONFIG_FILE, MAX_HUB_JSON_BYTES)
    if transformers.is_it(fetched.folder):
        if transformers.TOKENIZER_FILE not in fetched.sizes:
            raise CheckpointError("the repository has no tokenizer.json, so nothing says which characters its ids stand for.")
        fetched.get(transformers.TOKENIZER_FILE, MAX_HUB_JSON_BYTES)
        config, tokenizer = transformers.read_shape(fetched.folder)
    else:
        config, tokenizer, _ = read_config(fetched.folder)
        if 0 < fetched.sizes.get(HEADS_FILE, 0) <= MAX_HUB_JSON_BYTES:  # everything else works without it
            fetched.get(HEADS_FILE, MAX_HUB_JSON_BYTES)
    if tokenizer:
        _check_vocabulary(tokenizer)
    needed = count_parameters(config) * LARGEST_NUMBER_BYTES + ROOM_FOR_OTHERS_BYTES
    fetched.get(WEIGHTS_FILE, min(needed, MAX_HUB_WEIGHTS_BYTES), progress)


def _check_vocabulary(tokenizer: CharTokenizer) -> None:
    """
    Raises:
        CheckpointError: it has characters that change how a page or a terminal shows what stands around them.
    """
    controls = [char for char in tokenizer.vocabulary if unicodedata.category(char) == "Cc" and char not in "\n\r\t"]
    controls += [char for char in tokenizer.vocabulary if char in DIRECTION_OVERRIDES]
    if controls:
        raise CheckpointError(f"its vocabulary has {len(controls)} control characters, such as {name(controls[0])}.")


def _ours(folder: Path, model: HubModel) -> Path:
    """A folder as `load_weights` reads it, and has read it once: the fetched one, or what was made of it.

    Raises:
        CheckpointError, ParameterError: a file is damaged.
    """
    if not transformers.is_it(folder):
        load_weights(folder, near=model.folder)  # where the base of adapters may be
        return folder
    weights = read_foreign(folder)
    made = folder / "made"
    save_weights(made, weights.model, weights.tokenizer, {"imported_from": f"hub:{model.repo}@{model.commit}"}, dtype_without_loss(weights))
    return made
