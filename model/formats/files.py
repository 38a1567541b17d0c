"""Reading other programs' files without running what is in them.

A file of torch.save is read by PyTorch's own unpickler for weights (`weights_only=True`), which makes tensors and plain values alone. The
vocabulary in nanoGPT's meta.pkl is read by an unpickler that knows no class and no function at all.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import CheckpointError
from model.files import check_is_file
from model.limits import MAX_VOCAB_SIZE
from model.tokenizer import CharTokenizer
from model.weights import load_tensors

MAX_BYTES = 2**33  # of a file of weights
MAX_META_BYTES = 2**20  # of meta.pkl; 4,096 characters take a tenth of that
VOCABULARY = {"vocab_size", "itos", "stoi"}  # what nanoGPT puts there


def load_content(path: Path) -> dict[str, Any]:
    """What a file of weights holds: tensors by name, and whatever else its program saved with them.

    Raises:
        CheckpointError: it is missing or damaged, too large, or has more than tensors and plain values.
    """
    check_is_file(path)
    if path.suffix == ".safetensors":
        return dict(load_tensors(path)[0])
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_BYTES / 2**30:.0f} GiB.")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing.") from None
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged or hostile file makes of the reader
        first = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(f"{path} is not a file of weights that can be read without running code from it: {first}") from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise CheckpointError(f"{path} holds no tensors by name. Save the model's state_dict().")
    return content


def tensors_of(content: dict[str, Any], path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, which other programs keep under "model", "state_dict" or at the top.

    Raises:
        CheckpointError: there are none.
    """
    inner = next((content[name] for name in ("model", "state_dict") if isinstance(content.get(name), dict)), content)
    tensors = {name: value for name, value in inner.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors.")
    return tensors


@dataclass(frozen=True)
class Meta:
    """What a meta.pkl holds.

    Attributes:
        more: what else it says, by name, as it was found.
    """

    tokenizer: CharTokenizer
    more: dict[str, Any] = field(default_factory=dict)


class _PlainUnpickler(pickle.Unpickler):
    """Makes numbers, texts, lists and dicts; refuses every name of a class or function, so that nothing can be called."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")


def read_meta(path: Path) -> Meta:
    """Reads a meta.pkl of nanoGPT's prepare.py: {"vocab_size": 65, "itos": {0: "\\n", ...}, "stoi": ...}.

    Raises:
        CheckpointError: it is something else.
    """
    check_is_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_META_BYTES + 1)
        if len(content) > MAX_META_BYTES:
            raise ValueError("it is too large")
        meta = _PlainUnpickler(io.BytesIO(content)).load()
        itos = meta["itos"]
        if not isinstance(itos, dict) or len(itos) > MAX_VOCAB_SIZE:
            raise ValueError("its itos is not a table of characters")
        return Meta(CharTokenizer(itos[i] for i in range(len(itos))), {name: meta[name] for name in meta.keys() - VOCABULARY})
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # whatever a damaged or hostile file makes of the reader
        raise CheckpointError(f"{path} is not the vocabulary of a character-level nanoGPT ({error}).") from None


def write_torch(path: Path, content: dict[str, Any]) -> None:
    """Writes a file as other programs expect it from torch.save.

    Raises:
        CheckpointError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be written ({error}).") from None


def write_meta(path: Path, meta: Meta) -> None:
    """Writes a vocabulary as nanoGPT's sample.py reads it, which ignores what else there is.

    Raises:
        CheckpointError: it cannot be written.
    """
    itos = dict(enumerate(meta.tokenizer.vocabulary))
    stoi = {char: i for i, char in itos.items()}
    try:
        path.write_bytes(pickle.dumps({"vocab_size": len(itos), "itos": itos, "stoi": stoi, **meta.more}, protocol=4))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from None
