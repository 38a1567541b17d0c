"""Corpora: fetch, check, split, and batches that depend on nothing but a seed and a step.

Tiny Shakespeare (A. Karpathy, char-rnn) is fetched once into the user's cache and checked against its sha256; the environment
variable SOLILOQUY_CORPUS names a copy to use instead. The first nine tenths are for training, the last tenth for validation,
as in the lecture: 1,003,854 and 111,540 characters, 65 different ones.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import string
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.config import MAX_VOCAB_SIZE
from model.errors import CorpusError
from model.files import cache_dir, write_atomically

TINY_SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINY_SHAKESPEARE = "tinyshakespeare"
TINY_SHAKESPEARE_CHARS = 1_115_394
TINY_SHAKESPEARE_ALPHABET = "\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase
FETCH_TIMEOUT_S = 30
MAX_CORPUS_BYTES = 32 * 2**20  # a character takes up to 16 bytes more while it is numbered
TRAIN_SHARE = 0.9
PIECE_CHARS = 2**16  # looked through at a time, so that other threads have their turn


@dataclass(frozen=True)
class Corpus:
    """A text to learn from."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def alphabet(self) -> list[str]:
        """Its different characters, sorted."""
        return sorted(set().union(*(self.text[i : i + PIECE_CHARS] for i in range(0, len(self.text), PIECE_CHARS))))


def load_corpus(path: str | Path | None = None) -> Corpus:
    """A corpus from a UTF-8 text file, or Tiny Shakespeare.

    Raises:
        CorpusError: it is missing, empty, too large, no text, or not the Tiny Shakespeare it should be.
    """
    if path is not None:
        return read_corpus(Path(path).stem, _read(Path(path)), str(path))
    given = os.environ.get("SOLILOQUY_CORPUS")
    cached = Path(given) if given else cache_dir() / "tinyshakespeare.txt"
    if not given and not cached.exists():
        _fetch(cached)
    raw = _read(cached)
    remedy = "Point SOLILOQUY_CORPUS at the right file, or unset it." if given else "Delete the file; it will be fetched again."
    _check_sha256(raw, str(cached), remedy)
    return Corpus(TINY_SHAKESPEARE, _decode(raw, str(cached)))


def read_corpus(name: str, raw: bytes, source: str) -> Corpus:
    """A corpus from the bytes of a UTF-8 text.

    Args:
        source: what messages call it.

    Raises:
        CorpusError: it is empty, too large, no text, has one character alone, or more different ones than a network may know.
    """
    check_size(len(raw), source)
    corpus = Corpus(name, _decode(raw, source))
    alphabet = corpus.alphabet
    if "\0" in alphabet:
        raise CorpusError(f"{source} has NUL bytes: it is no text, or not in UTF-8. Save it as UTF-8 text and try again.")
    if len(alphabet) == 1:
        raise CorpusError(f"{source} is one character repeated: there is nothing to learn from it.")
    if len(alphabet) > MAX_VOCAB_SIZE:
        raise CorpusError(
            f"{source} has {len(alphabet):,} different characters; the most is {MAX_VOCAB_SIZE:,}. Take a text in an alphabet with fewer."
        )
    return corpus


def check_size(n_bytes: int, source: str) -> None:
    """
    Raises:
        CorpusError: a corpus is too large.
    """
    if n_bytes > MAX_CORPUS_BYTES:
        raise CorpusError(f"{source} is larger than {MAX_CORPUS_BYTES // 2**20} MiB, the most that a corpus may have.")


def _check_sha256(raw: bytes, source: str, remedy: str) -> None:
    found = hashlib.sha256(raw).hexdigest()
    if found != TINY_SHAKESPEARE_SHA256:
        wanted = TINY_SHAKESPEARE_SHA256
        raise CorpusError(f"{source} is not Tiny Shakespeare: its sha256 is {found[:12]}..., it should be {wanted[:12]}.... {remedy}")


def _fetch(target: Path) -> None:
    by_hand = (
        f"Download {TINY_SHAKESPEARE_URL} on a machine with a network and put it at {target}, or set SOLILOQUY_CORPUS to where it "
        "lies. Sampling needs no corpus."
    )
    try:
        with urllib.request.urlopen(TINY_SHAKESPEARE_URL, timeout=FETCH_TIMEOUT_S) as response:
            raw = response.read(MAX_CORPUS_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise CorpusError(f"Tiny Shakespeare could not be fetched ({error}). {by_hand}") from error
    _check_sha256(raw, "What came from the network", by_hand)
    write_atomically(target, raw)


def _read(path: Path) -> bytes:
    try:
        check_size(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"The corpus {path} cannot be read: {error.strerror}.") from error


def _decode(raw: bytes, source: str) -> str:
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is not UTF-8 text (byte {error.start:,}). Save it as UTF-8 and try again.") from None
    if not text:
        raise CorpusError(f"{source} is empty.")
    return text


def split(ids: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Training and validation ids. The last training character stands before the validation ids too, as context, so that
    every character of the last tenth is predicted once.

    Raises:
        CorpusError: too short for one window of training text and one character of validation.
    """
    check_length(len(ids), block_size)
    n_train = int(TRAIN_SHARE * len(ids))
    return ids[:n_train], ids[n_train - 1 :]


def check_length(n_chars: int, block_size: int) -> None:
    """
    Raises:
        CorpusError: as `split`.
    """
    n_train = int(TRAIN_SHARE * n_chars)
    if n_train < 2 * block_size + 1 or n_train == n_chars:
        need = int((2 * block_size + 1) / TRAIN_SHARE) + 2
        raise CorpusError(f"The corpus has {n_chars:,} characters; a context of {block_size} needs at least {need:,}.")


class Batches:
    """Windows of a text in an order that is a function of the seed alone, so that a resumed run goes on where it stood.

    Each epoch cuts the text into windows at a phase of its own and shuffles them: every character is seen once an epoch, but for
    less than a block at either end.

    Args:
        ids: the text, (n,).
        input_noise: share of input characters that are replaced by characters from elsewhere in the text. Targets stay.
    """

    def __init__(self, ids: Tensor, batch_size: int, block_size: int, seed: int, input_noise: float = 0.0):
        self.ids, self.batch_size, self.block_size, self.seed, self.input_noise = ids, batch_size, block_size, seed, input_noise
        self.windows = (len(ids) - 1 - block_size) // block_size  # one block is left for the phase

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, each (batch_size, block_size)."""
        at = self._starts(step)[:, None] + torch.arange(self.block_size)
        inputs, targets = self.ids[at], self.ids[at + 1]
        if self.input_noise:
            rng = np.random.default_rng([self.seed, 1, step])
            noisy = torch.from_numpy(rng.random(inputs.shape) < self.input_noise)
            elsewhere = torch.from_numpy(rng.integers(0, len(self.ids), inputs.shape))
            inputs = torch.where(noisy, self.ids[elsewhere], inputs)
        return inputs, targets

    def _starts(self, step: int) -> Tensor:
        first = step * self.batch_size
        numbers = np.arange(first, first + self.batch_size)
        starts = np.empty(self.batch_size, dtype=np.int64)
        for epoch in range(numbers[0] // self.windows, numbers[-1] // self.windows + 1):
            rng = np.random.default_rng([self.seed, 0, epoch])
            phase, order = rng.integers(self.block_size), rng.permutation(self.windows)
            here = numbers // self.windows == epoch
            starts[here] = phase + order[numbers[here] % self.windows] * self.block_size
        return torch.from_numpy(starts)
