"""Weights on disk: safetensors for numbers, JSON for the rest, never pickle.

A folder of weights holds `model.safetensors` and `config.json` (kind of network, its shape, vocabulary, and what is known about the
training), and `heads.json` if its heads were measured (`model.heads`). The folder of a training run holds the same with
`best.safetensors`, so both load alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from model.config import GPTConfig, NetworkConfig
from model.errors import CheckpointError, ParameterError
from model.files import write_atomically
from model.network import Network
from model.network.kinds import GPT_KIND, KINDS, kind_of, make_network
from model.tokenizer import CharTokenizer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WEIGHTS_FOLDER = Path(__file__).parent.parent / "weights"
SHIPPED_WEIGHTS = WEIGHTS_FOLDER / "shakespeare"
BEST_FILE = "best.safetensors"
WEIGHTS_FILES = ("model.safetensors", BEST_FILE)
CONFIG_FILE = "config.json"
HEADS_FILE = "heads.json"
KEY_DIGITS = 8


@dataclass(frozen=True)
class Weights:
    """A loaded model: a network with its vocabulary and where it comes from.

    Attributes:
        about: recipe, corpus and measured losses, as JSON values.
        sha256: of the safetensors file.
        heads: the content of `heads.json`: what each head does with held-out text, and its importance; None if unknown.
    """

    name: str
    model: Network
    tokenizer: CharTokenizer
    about: dict[str, Any]
    sha256: str
    heads: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """Identifies the model: the first 8 digits of sha256."""
        return self.sha256[:KEY_DIGITS]

    @property
    def kind(self) -> str:
        """The kind of its network, a key of `KINDS`."""
        return kind_of(self.model.config)

    @property
    def val_loss(self) -> float | None:
        """Its measured validation loss in nats per character, if it is known."""
        return val_loss(self.about)


def val_loss(about: dict[str, Any]) -> float | None:
    """The measured validation loss in a config.json's "about", in nats per character; None if there is none. That of a fine-tuned model
    was measured on answers, not on a text, and does not count."""
    if "task" in about:
        return None
    best = about.get("best")
    loss = best.get("val_loss") if isinstance(best, dict) else None
    return float(loss) if isinstance(loss, (int, float)) and math.isfinite(loss) else None


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any] | None = None) -> None:
    """Writes tensors with JSON metadata as one safetensors file."""
    texts = {key: json.dumps(value) for key, value in (metadata or {}).items()}
    write_atomically(path, safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, texts))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        CheckpointError: the file is missing, truncated, or not safetensors.
    """
    return _open_tensors(path, lambda file: ({key: file.get_tensor(key) for key in file.keys()}, _metadata(file)))  # noqa: SIM118


def load_tensors_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file, without its tensors.

    Raises:
        CheckpointError: as `load_tensors`.
    """
    return _open_tensors(path, _metadata)


def _open_tensors(path: Path, read: Callable[[Any], Result]) -> Result:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return read(file)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing.") from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file ({error}).") from error


def _metadata(file: Any) -> dict[str, Any]:
    return {key: json.loads(text) for key, text in (file.metadata() or {}).items() if key != "format"}


def check_tensors(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Compares names, shapes and finiteness with what a network expects.

    Raises:
        CheckpointError: says which tensor of which file is wrong, and how.
    """
    missing, surplus = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or surplus:
        wrong = f"lacks {missing[0]}" if missing else f"has {surplus[0]}, which the network does not know"
        raise CheckpointError(f"{path} {wrong} ({len(missing)} tensors missing, {len(surplus)} unknown).")
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise CheckpointError(f"{path}: {key} has shape {tuple(tensor.shape)}, config.json asks for {tuple(expected[key].shape)}.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {key} has values that are not finite.")


def config_json(config: NetworkConfig, tokenizer: CharTokenizer, about: dict[str, Any]) -> bytes:
    """The content of a `config.json`. A GPT's has no "kind", as those written before there were others."""
    kind = kind_of(config)
    content = ({} if kind == GPT_KIND else {"kind": kind}) | {
        "network": asdict(config),
        "vocabulary": "".join(tokenizer.vocabulary),
        "about": about,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def read_config(folder: Path) -> tuple[NetworkConfig, CharTokenizer, dict[str, Any]]:
    """Network, vocabulary and "about" from a folder's `config.json`.

    Raises:
        CheckpointError: it is missing or not valid.
    """
    path = folder / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = content.get("kind", GPT_KIND)
        if kind not in KINDS:
            raise ValueError(f"its network is of the kind {str(kind)[:40]!r}; this version knows {', '.join(KINDS)}")
        config, tokenizer = KINDS[kind].config(**content["network"]), CharTokenizer(content["vocabulary"])
        about = dict(content["about"])
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, ParameterError) as error:
        raise CheckpointError(f"{path} is not a valid config.json ({error}).") from error
    if config.vocab_size != len(tokenizer):
        raise CheckpointError(f"{path}: vocab_size is {config.vocab_size}, but the vocabulary has {len(tokenizer)} characters.")
    return config, tokenizer, about


def save_weights(folder: Path, model: Network, tokenizer: CharTokenizer, about: dict[str, Any], dtype: torch.dtype = torch.float16) -> None:
    """Writes a folder of weights, by default in 16 bits.

    Raises:
        CheckpointError: it cannot be written, or a value does not fit the type.
    """
    path = folder / "model.safetensors"
    tensors = {key: t.to(dtype) for key, t in model.state_dict().items()}
    check_tensors(path, tensors, model.state_dict())
    save_tensors(path, tensors)
    write_atomically(folder / "config.json", config_json(model.config, tokenizer, about))


def load_weights(folder: str | Path, device: torch.device | str = "cpu") -> Weights:
    """A network in float32, ready to write, from a folder of weights or of a training run.

    Raises:
        CheckpointError: says which file is wrong, how, and what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"There is no folder {folder}. Give one with model.safetensors and config.json, such as weights/shakespeare.")
    config, tokenizer, about = read_config(folder)
    path = weights_path(folder)
    tensors, metadata = load_tensors(path)
    sha256 = hash_file(path)
    if path.name == BEST_FILE:
        about = about | {"best": metadata}
    with torch.device("meta"):
        model = make_network(config)
    check_tensors(path, tensors, model.state_dict())
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    model = model.to(device).eval().requires_grad_(False)
    return Weights(folder.resolve().name, model, tokenizer, about, sha256, read_heads(folder, sha256, config))


def weights_path(folder: Path) -> Path:
    """The file with a folder's numbers.

    Raises:
        CheckpointError: there is none.
    """
    path = next((folder / name for name in WEIGHTS_FILES if (folder / name).exists()), None)
    if path is None:
        raise CheckpointError(f"{folder} has no {' or '.join(WEIGHTS_FILES)}. Restore it, or train and export again.")
    return path


def hash_file(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def snapshot(folder: Path) -> Iterator[Path]:
    """A copy of a folder's weights and config.json as they are now, whatever a trainer writes meanwhile.

    Raises:
        CheckpointError: it cannot be made.
    """
    with tempfile.TemporaryDirectory() as name:
        for file in (CONFIG_FILE, HEADS_FILE, *WEIGHTS_FILES):
            try:
                if (folder / file).exists():
                    shutil.copyfile(folder / file, Path(name) / file)
            except OSError as error:
                raise CheckpointError(f"{folder / file} could not be read ({error.strerror}).") from error
        yield Path(name)


def read_heads(folder: Path, sha256: str, config: NetworkConfig) -> dict[str, Any] | None:
    """The table of a folder's heads. One that is damaged, or was measured on other weights, is left out with a warning: everything
    else works without it.

    Args:
        sha256: of the weights that it has to belong to.
    """
    path = folder / HEADS_FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        _check_heads_table(table, sha256, config)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s is left out: %s. Measure again with: python -m model heads --weights %s", path, _reason(error), folder)
        return None
    return table


def _check_heads_table(table: Any, sha256: str, config: NetworkConfig) -> None:
    """
    Raises:
        ValueError, KeyError, TypeError: it is no table of these heads.
    """
    if table["sha256"] != sha256:
        raise ValueError("it was measured on other weights")
    if not isinstance(config, GPTConfig):
        raise ValueError("the network has no heads")
    wanted = [(layer, head) for layer in range(config.n_layer) for head in range(config.n_head)]
    if [(row["layer"], row["head"]) for row in table["heads"]] != wanted:
        raise ValueError("it does not list each head of the network once, in order")
    for value in (table["loss"], *(row[name] for row in table["heads"] for name in ("loss", "worth"))):
        if type(value) is not float or not math.isfinite(value):
            raise ValueError("it has a loss that is no number")
    if not all(isinstance(row["label"], str) for row in table["heads"]):
        raise ValueError("it has a label that is no text")


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
