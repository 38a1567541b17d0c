"""Reading other programs' files without running what is in them.

A file of torch.save is read by PyTorch's own unpickler for weights (`weights_only=True`), which makes tensors and plain values alone. Of
the pickle in nanoGPT's meta.pkl, every instruction is looked at before any is followed: only those that make texts, numbers and tables are.
"""

from __future__ import annotations

import pickle
import pickletools
import zipfile
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
USES = 2  # of the same numbers: a tied head shares those of the embedding
MAX_META_BYTES = 2**20  # of meta.pkl; 4,096 characters take a tenth of that
VOCABULARY = {"vocab_size", "itos", "stoi"}  # what nanoGPT puts there
# The instructions of a pickle that make texts, whole numbers and tables of them, and that remember them and use them again.
MEMO = {"BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
VALUES = {"EMPTY_DICT", "MARK", "SETITEM", "SETITEMS", "BININT", "BININT1", "BININT2", "BINUNICODE", "SHORT_BINUNICODE"}
PLAIN = {"PROTO", "FRAME", "STOP"} | MEMO | VALUES


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
        if zipfile.is_zipfile(path) and _unpacked_bytes(path) > path.stat().st_size:
            raise CheckpointError(f"{path} is compressed, and might be of any size. Use the file that torch.save wrote.")
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


def _unpacked_bytes(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(file.file_size for file in archive.infolist())


def tensors_of(content: dict[str, Any], path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, which other programs keep under "model", "state_dict" or at the top.

    Raises:
        CheckpointError: there are none, or they are not plain numbers that the file has: a few bytes can claim to be a tensor of any size.
    """
    inner = next((content[name] for name in ("model", "state_dict") if isinstance(content.get(name), dict)), content)
    tensors = {name: value for name, value in inner.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors.")
    for name, tensor in tensors.items():
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise CheckpointError(f"{path}: {name} is sparse, quantized or without numbers. Only plain tensors can be read.")
    if sum(tensor.nbytes for tensor in tensors.values()) > USES * path.stat().st_size:
        raise CheckpointError(f"{path} has larger tensors than a file of its size can hold.")
    return tensors


@dataclass(frozen=True)
class Meta:
    """What a meta.pkl holds.

    Attributes:
        more: what else it says, by name, as it was found.
    """

    tokenizer: CharTokenizer
    more: dict[str, Any] = field(default_factory=dict)


def _load_plain(content: bytes) -> Any:
    """Unpickles texts, whole numbers and tables of them.

    Raises:
        ValueError: there is more in it, which might call something, or take any time or memory.
    """
    for instruction, argument, _ in pickletools.genops(content):
        if instruction.name not in PLAIN:
            raise ValueError(f"it has more than texts, numbers and tables: {instruction.name}")
        if instruction.name == "LONG_BINPUT" and (argument or 0) > len(content):  # the place in a list that is made as long
            raise ValueError("it is damaged")
    return pickle.loads(content)


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
        meta = _load_plain(content)
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
