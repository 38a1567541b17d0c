"""Weights on disk: safetensors for tensors, JSON for everything else, never pickle.

A weights folder contains `model.safetensors`, `config.json` (the network's kind and shape, the vocabulary, and facts about the training),
if its heads have been measured (`model.heads`) `heads.json`, and perhaps `draft.safetensors` (`save_draft`). The folder of a training run
has the same layout with `best.safetensors`, so both are loaded the same way.

A fine-tuned model's file holds its adapters alone (`model.network.lora`), and its config.json names their base, the model that they change:

    "about": {"adapter": {"rank": 32, "alpha": 128.0, "base": {"key": "53cb7a27", "sha256": "...", "name": "shakespeare"}}, ...}

The base is found by its sha256 among the shipped weights and near the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from model.config import GPTConfig, LoRAConfig, NetworkConfig
from model.continuations import LEAST_CONTEXT, LEAST_COUNT, MAX_KEPT_VOCABULARY, Continuations
from model.errors import CheckpointError, ParameterError
from model.files import SNIFFED_BYTES, check_is_file, parse_json, read_file, what_instead, write_atomically
from model.limits import MAX_SNAPSHOTS
from model.network import Network, without_values
from model.network.gpt import GPT
from model.network.kinds import GPT_KIND, KINDS, kind_of, make_network
from model.network.lora import add_adapters, merged
from model.network.reward import RewardGPT
from model.tokenizer import CharTokenizer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"
SHIPPED_WEIGHTS = WEIGHTS_FOLDER / "shakespeare"
BEST_FILE = "best.safetensors"
WEIGHTS_FILES = ("model.safetensors", BEST_FILE)
CONFIG_FILE = "config.json"
HEADS_FILE = "heads.json"
DRAFT_FILE = "draft.safetensors"
MAX_DRAFT_BYTES = 2**20
SNAPSHOTS_FOLDER = "snapshots"  # in a run's folder
SHIPPED_RUNS_FOLDER, ASSISTANT_FOLDER, MEANING_FOLDER = "runs", "assistant", "meaning"  # beside the shipped weights
KEY_DIGITS = 8
SNAPSHOT_NAME = re.compile(r"(0|[1-9][0-9]{0,8})\.safetensors")
MAX_HEADER_BYTES = 2**22  # of a safetensors file, which lists its tensors; hundreds of thousands take a minute to read
PIECE_BYTES = 2**20
WRAPPERS = {"_orig_mod", "module"}  # parts of names, where torch.compile or DistributedDataParallel was around a network that was saved
DTYPES_ON_DISK = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Origin:
    """Which weights something was made from."""

    key: str
    sha256: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} (sha256 {self.sha256[:12]}...)"


@dataclass(frozen=True)
class Adapter:
    """What config.json says of a fine-tuned model's adapters: their shape, and the model that they change."""

    shape: LoRAConfig
    base: Origin

    def about(self) -> dict[str, Any]:
        """As in "about" in config.json."""
        return {"adapter": asdict(self.shape) | {"base": asdict(self.base)}}


@dataclass(frozen=True)
class Weights:
    """A loaded model: a network with its vocabulary and its origin.

    Attributes:
        about: recipe, corpus and measured losses, as JSON values. A fine-tuned model has the corpus of its base.
        sha256: hash of the safetensors file.
        heads: content of `heads.json`, the measures and importance of each head on held-out text; None if they are unknown.
        adapter: of a fine-tuned model; None for whole weights.
        draft: what follows the last characters in its training text, from which its next characters are guessed; None if that is unknown.
    """

    name: str
    model: Network
    tokenizer: CharTokenizer
    about: dict[str, Any]
    sha256: str
    heads: dict[str, Any] | None = None
    adapter: Adapter | None = None
    draft: Continuations | None = None

    @property
    def key(self) -> str:
        """The model's key: the first 8 digits of sha256."""
        return self.sha256[:KEY_DIGITS]

    @property
    def kind(self) -> str:
        """Kind of the network, a key of `KINDS`."""
        return kind_of(self.model.config)

    @property
    def origin(self) -> Origin:
        """These weights, as what is made from them names them."""
        return Origin(self.key, self.sha256, self.name)

    @property
    def val_loss(self) -> float | None:
        """Measured validation loss in nats per character; None if unknown."""
        return val_loss(self.about)


def val_loss(about: dict[str, Any]) -> float | None:
    """Validation loss from the "about" of a config.json, in nats per character; None if unknown. The loss of a fine-tuned model does not
    count, because it was measured on answers rather than on a text."""
    if "task" in about:
        return None
    best = about.get("best")
    loss = best.get("val_loss") if isinstance(best, dict) else None
    return loss if isinstance(loss, float) and math.isfinite(loss) else None


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any] | None = None) -> None:
    """Writes tensors and JSON metadata to one safetensors file."""
    texts = {key: json.dumps(value) for key, value in (metadata or {}).items()}
    write_atomically(path, safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, texts))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors and metadata of a safetensors file. Metadata are JSON values, as `save_tensors` writes them; what is not JSON is
    the text itself, as other programs write it.

    Raises:
        CheckpointError: the file is missing, truncated, or not safetensors; says what it is instead, if that can be seen.
    """
    return _open_tensors(path, lambda file: ({key: file.get_tensor(key) for key in file.keys()}, _metadata(file)))  # noqa: SIM118


def load_tensors_metadata(path: Path) -> dict[str, Any]:
    """Reads the metadata of a safetensors file without its tensors.

    Raises:
        CheckpointError: as `load_tensors`.
    """
    return _open_tensors(path, _metadata)


def _open_tensors(path: Path, read: Callable[[Any], Result]) -> Result:
    check_is_file(path)
    try:
        size = _beginning(path)[:8]
        if len(size) == 8 and int.from_bytes(size, "little") > MAX_HEADER_BYTES:
            raise ValueError(f"header too large, of more than {MAX_HEADER_BYTES // 2**20} MiB")
        with safetensors.safe_open(path, framework="pt") as file:
            return read(file)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing.") from None
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        words = what_instead(_beginning(path)) or str(error)
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {words}.") from error


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; those of an unknown one, if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(SNIFFED_BYTES)
    except OSError:
        return b"?"


def _metadata(file: Any) -> dict[str, Any]:
    return {key: _metadata_value(text) for key, text in (file.metadata() or {}).items() if key != "format"}


def _metadata_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that a network gives them, also where another module was around it when it was saved."""
    named = {".".join(part for part in name.split(".") if part not in WRAPPERS): tensor for name, tensor in tensors.items()}
    return named if len(named) == len(tensors) else tensors  # both with and without a wrapper: which are meant?


def check_tensors(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Checks that tensors are finite and have the names and shapes that a network expects.

    Raises:
        CheckpointError: says which tensor of which file is wrong and how.
    """
    missing, surplus = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or surplus:
        wrong = f"lacks {missing[0]}" if missing else f"has {surplus[0]}, which the network does not have"
        raise CheckpointError(f"{path} {wrong} ({len(missing)} tensors missing, {len(surplus)} unexpected).")
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise CheckpointError(f"{path}: {key} has shape {tuple(tensor.shape)}, but config.json requires {tuple(expected[key].shape)}.")
        if tensor.dtype not in DTYPES_ON_DISK:
            raise CheckpointError(f"{path}: {key} has the type {str(tensor.dtype).removeprefix('torch.')}, which weights cannot have here.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {key} has values that are not finite.")


def config_json(config: NetworkConfig, tokenizer: CharTokenizer, about: dict[str, Any]) -> bytes:
    """The content of a `config.json`. A GPT's file has no "kind", like the files written before other kinds existed."""
    kind = kind_of(config)
    content = ({} if kind == GPT_KIND else {"kind": kind}) | {
        "network": asdict(config),
        "vocabulary": "".join(tokenizer.vocabulary),
        "about": about,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def read_config(folder: Path) -> tuple[NetworkConfig, CharTokenizer, dict[str, Any]]:
    """Reads the network's shape, the vocabulary and "about" from a folder's `config.json`.

    Raises:
        CheckpointError: the file is missing or not valid.
    """
    path = folder / CONFIG_FILE
    try:
        content = parse_json(read_file(path))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        kind = content.get("kind", GPT_KIND)
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"unknown kind of network {str(kind)[:40]!r}; this version supports {', '.join(KINDS)}")
        for name in ("network", "about"):
            if not isinstance(content[name], dict):
                raise ValueError(f"its {name} is not a JSON object")
        config, tokenizer = KINDS[kind].config(**content["network"]), CharTokenizer(content["vocabulary"])
        "".join(tokenizer.vocabulary).encode()  # half a surrogate pair is no character, and cannot be sent to a page
        about = content["about"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a valid config.json ({_reason(error)}).") from error
    if config.vocab_size != len(tokenizer):
        raise CheckpointError(f"{path}: vocab_size is {config.vocab_size}, but the vocabulary has {len(tokenizer)} characters.")
    return config, tokenizer, about


def save_weights(folder: Path, model: Network, tokenizer: CharTokenizer, about: dict[str, Any], dtype: torch.dtype = torch.float16) -> None:
    """Writes a weights folder, in float16 by default; of a network with adapters, these alone.

    Raises:
        CheckpointError: the folder cannot be written, or a value is out of the type's range.
    """
    path = folder / "model.safetensors"
    expected = model.learned() or model.state_dict()
    tensors = {key: t.to(dtype) for key, t in expected.items()}
    check_tensors(path, tensors, expected)
    save_tensors(path, tensors)
    write_atomically(folder / "config.json", config_json(model.config, tokenizer, about))


def load_weights(
    folder: str | Path,
    device: torch.device | str = "cpu",
    snapshot: Path | None = None,
    merge: bool = True,
    near: Path | None = None,
    writes: bool | None = True,
) -> Weights:
    """Loads a network in float32 and eval mode from a weights folder or a training run's folder.

    Args:
        snapshot: the run's snapshot to load; None loads the folder's weights.
        merge: whether a fine-tuned model becomes a plain network, as writing needs it. Otherwise it keeps its adapters, which alone
            (`Network.learned`) have gradients.
        near: the folder near which a fine-tuned model's base is looked for, if not `folder`.
        writes: whether the network has to write texts; False: it has to score them; None: either.

    Raises:
        CheckpointError: says which file is wrong, how, and what to do.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise CheckpointError(f"There is no folder {folder}. Use one with model.safetensors and config.json, such as weights/shakespeare.")
    config, tokenizer, about = read_config(folder)
    path = snapshot or weights_path(folder)
    adapter = read_adapter(folder, about)
    with without_values():
        model = make_network(config)
    if writes and not model.writes:
        raise CheckpointError(f"{folder} has {model.instead}.")
    if writes is False and not isinstance(model, RewardGPT):
        raise CheckpointError(f"{folder} has no reward model.")
    if adapter:
        base = _load_base(adapter.base, near or folder)
        _adapt(model, base, adapter.shape, tokenizer, folder / CONFIG_FILE)
        about = {"corpus": base.about["corpus"]} | about if "corpus" in base.about else about
    tensors, metadata = load_tensors(path)
    tensors = without_wrappers(tensors)
    sha256 = hash_file(path)
    if path.name == BEST_FILE:
        about = about | {"best": metadata}
    check_tensors(path, tensors, model.learned())
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, strict=False, assign=True)
    if adapter and merge:
        assert isinstance(model, GPT)
        model = merged(model)
    model = model.to(device).eval()
    if not adapter:
        model.requires_grad_(False)
    heads = None if snapshot else read_heads(folder, sha256, config)
    return Weights(folder.resolve().name, model, tokenizer, about, sha256, heads, adapter, read_draft(folder, len(tokenizer)))


def _load_base(base: Origin, near: Path) -> Weights:
    """The model that adapters change.

    Raises:
        CheckpointError: it is missing or damaged, or has adapters of its own: those of two folders could name each other.
    """
    folder = find_folder(base, near)
    if read_adapter(folder, read_config(folder)[2]):
        raise CheckpointError(f"{near.name} names {folder.name} as its base, which has adapters itself. A base must have whole weights.")
    return load_weights(folder)


def _adapt(model: Network, base: Weights, shape: LoRAConfig, tokenizer: CharTokenizer, path: Path) -> None:
    """Gives a fine-tuned model's network the weights of its base, and adapters.

    Args:
        path: its config.json.

    Raises:
        CheckpointError: the base has another shape or vocabulary than config.json says.
    """
    if not (isinstance(model, GPT) and type(base.model) is GPT and _shape(model.config) == _shape(base.model.config)):
        raise CheckpointError(f"{path} describes another network than that of its base, {base.name}.")
    if base.tokenizer.vocabulary != tokenizer.vocabulary:
        raise CheckpointError(f"{path} has another vocabulary than its base, {base.name}.")
    model.load_state_dict(base.model.state_dict(), strict=False, assign=True)
    add_adapters(model, shape)


def _shape(config: GPTConfig) -> dict[str, Any]:
    """What a fine-tuned model has in common with its base: all settings of a GPT but the dropout."""
    return {f.name: getattr(config, f.name) for f in fields(GPTConfig) if f.name != "dropout"}


def read_adapter(folder: Path, about: dict[str, Any]) -> Adapter | None:
    """What a config.json says of adapters; None for whole weights.

    Raises:
        CheckpointError: it is not valid.
    """
    if "adapter" not in about:
        return None
    try:
        shape = {name: about["adapter"][name] for name in ("rank", "alpha")}
        base = {name: about["adapter"]["base"][name] for name in ("key", "sha256", "name")}
        if not all(isinstance(value, str) for value in base.values()):
            raise ValueError("its base is not named by strings")
        return Adapter(LoRAConfig(**shape), Origin(**base))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} has no valid adapter ({_reason(error)}).") from error


def find_folder(origin: Origin, near: Path, role: str = "the model that it is fine-tuned from") -> Path:
    """The folder of the weights with a known sha256: among the shipped ones, beside `near`, or one level above. Those that runs/mine was
    made from may be in runs/theirs, in theirs, or in weights/theirs.

    Args:
        role: what they are to `near`, in an error message.

    Raises:
        CheckpointError: there is no such folder.
    """
    near = near.resolve()
    shipped = (WEIGHTS_FOLDER, *(WEIGHTS_FOLDER / name for name in (ASSISTANT_FOLDER, MEANING_FOLDER)))
    places = (*shipped, near.parent, near.parent.parent, near.parent.parent / WEIGHTS_FOLDER.name)
    folders = [folder for place in places for folder in weights_folders(place) if folder != near]
    folders.sort(key=lambda folder: folder.name != origin.name)  # the likeliest first: each is hashed
    for folder in folders:
        with contextlib.suppress(CheckpointError):
            if hash_file(weights_path(folder)) == origin.sha256:
                return folder
    where = f"neither in {WEIGHTS_FOLDER.name}/ nor beside {near.name}"
    raise CheckpointError(f"{near.name} needs {role}, {origin}: it is {where}. Put its folder there.")


def weights_folders(place: Path) -> list[Path]:
    """The folders in a folder that look like weights or a run, sorted by name."""
    try:
        return sorted(path for path in place.iterdir() if os.path.exists(path / CONFIG_FILE))
    except OSError:
        return []


def weights_path(folder: Path) -> Path:
    """The safetensors file of a weights folder.

    Raises:
        CheckpointError: the folder has none.
    """
    path = next((folder / name for name in WEIGHTS_FILES if os.path.exists(folder / name)), None)
    if path and not os.path.isfile(path):
        raise CheckpointError(f"{path} is not a file. Restore it, or train and export again.")
    if path is None:
        raise CheckpointError(f"{folder} has no {' or '.join(WEIGHTS_FILES)}. Restore it, or train and export again.")
    return path


def hash_file(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        CheckpointError: the file cannot be read.
    """
    check_is_file(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def snapshot_path(folder: Path, step: int) -> Path:
    """The file of a run's weights at a step."""
    return folder / SNAPSHOTS_FOLDER / f"{step}.safetensors"


def snapshot_paths(folder: Path) -> dict[int, Path]:
    """The snapshots in a run's folder, by step, in order. Whether they can be used shows when they are read."""
    try:
        names = os.listdir(folder / SNAPSHOTS_FOLDER)
    except OSError:
        return {}
    steps = sorted(int(name[: -len(".safetensors")]) for name in names if SNAPSHOT_NAME.fullmatch(name))
    return {step: snapshot_path(folder, step) for step in steps[: MAX_SNAPSHOTS + 1]}  # an exported run has its best weights besides


@contextlib.contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A temporary copy of a weights folder, unaffected by a training run that writes to the folder meanwhile. An error that
    names a file of the copy names that of the folder instead.

    Raises:
        CheckpointError: a file cannot be read.
    """
    with tempfile.TemporaryDirectory() as name:
        for file in (CONFIG_FILE, HEADS_FILE, *WEIGHTS_FILES):
            try:
                if os.path.isfile(folder / file):
                    shutil.copyfile(folder / file, Path(name) / file)
            except OSError as error:
                raise CheckpointError(f"{folder / file} could not be read ({error.strerror}).") from error
        try:
            yield Path(name)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(name, str(folder))) from None


def save_draft(folder: Path, ids: Sequence[int], vocab_size: int) -> Path:
    """Writes the counts from which a model's next characters are guessed.

    Args:
        ids: of the model's training text. What is rare in it is left out.

    Raises:
        ParameterError: the vocabulary is too large.
        CheckpointError: the folder cannot be written.
    """
    if vocab_size > MAX_KEPT_VOCABULARY:
        raise ParameterError(f"A draft is kept for at most {MAX_KEPT_VOCABULARY} characters, and the model has {vocab_size}.")
    save_tensors(folder / DRAFT_FILE, Continuations.count(np.array(ids), vocab_size, LEAST_CONTEXT, LEAST_COUNT).tensors())
    return folder / DRAFT_FILE


def read_draft(folder: Path, vocab_size: int) -> Continuations | None:
    """Reads what `save_draft` wrote; None if there is none. A damaged file is ignored with a warning: without it, texts are written more
    slowly."""
    path = folder / DRAFT_FILE
    if not os.path.isfile(path):
        return None
    try:
        if (size := path.stat().st_size) > MAX_DRAFT_BYTES:
            raise CheckpointError(f"it has {size:,} bytes, more than {MAX_DRAFT_BYTES:,}.")
        return Continuations.of(load_tensors(path)[0], vocab_size)
    except (CheckpointError, OSError) as error:
        log.warning("%s is ignored: %s", path, error)
        return None


def read_heads(folder: Path, sha256: str, config: NetworkConfig) -> dict[str, Any] | None:
    """Reads `heads.json` from a weights folder; None if it does not exist. A table that is damaged, or was measured on other weights, is
    ignored with a warning, because everything else works without it.

    Args:
        sha256: hash of the weights on which the table must have been measured.
    """
    path = folder / HEADS_FILE
    if not os.path.isfile(path):
        return None
    try:
        table = parse_json(read_file(path))
        _check_heads_table(table, sha256, config)
    except (CheckpointError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is ignored: %s. Measure again with: python -m model heads --weights %s", path, _reason(error), folder)
        return None
    return table


def _check_heads_table(table: Any, sha256: str, config: NetworkConfig) -> None:
    """Checks that a table lists the heads of these weights.

    Raises:
        ValueError, KeyError, TypeError: it does not.
    """
    if table["sha256"] != sha256:
        raise ValueError("it was measured on other weights")
    if not isinstance(config, GPTConfig):
        raise ValueError("the network has no heads")
    wanted = [(layer, head) for layer in range(config.n_layer) for head in range(config.n_head)]
    if [(row["layer"], row["head"]) for row in table["heads"]] != wanted:
        raise ValueError("it does not list each head of the network once, in order")
    others = table.get("others", [])  # tables written by an earlier version have none
    for value in (table["loss"], *(row[name] for row in (*table["heads"], *others) for name in ("loss", "worth"))):
        if type(value) is not float or not math.isfinite(value):
            raise ValueError("it contains a loss that is not a finite number")
    if not all(isinstance(name, str) for name in (*(row["label"] for row in table["heads"]), *(row["part"] for row in others))):
        raise ValueError("it contains a label that is not a string")


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
