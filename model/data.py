"""Corpora: download, checks, the split, and batches that depend only on a seed and a step.

Tiny Shakespeare (A. Karpathy, char-rnn) is downloaded once into the user's cache and checked against its sha256; the environment
variable SOLILOQUY_CORPUS can name a copy to use instead. As in the lecture, the first nine tenths are the training text and the last
tenth is the validation text: 1,003,854 and 111,540 characters, 65 different ones. Any other text is brought to the normal form in which
prompts are read (`model.tokenizer`).
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import string
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.config import ChunkConfig
from model.errors import CheckpointError, CorpusError
from model.files import cache_dir, write_atomically
from model.limits import MAX_CORPUS_BYTES, MAX_VOCAB_SIZE
from model.tokenizer import normal_form

log = logging.getLogger(__name__)

TINY_SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINY_SHAKESPEARE = "tinyshakespeare"
TINY_SHAKESPEARE_CHARS = 1_115_394
TINY_SHAKESPEARE_ALPHABET = "\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase
FETCH_TIMEOUT_S = 30
TRAIN_SHARE = 0.9
PIECE_CHARS = 2**16  # scanned at a time, so that other threads can run in between


@dataclass(frozen=True)
class Corpus:
    """A text to train on."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return _sha256(self.text.encode())

    @property
    def alphabet(self) -> list[str]:
        """The different characters of the text, sorted."""
        return sorted(set().union(*(self.text[i : i + PIECE_CHARS] for i in range(0, len(self.text), PIECE_CHARS))))


def load_corpus(path: str | Path | None = None, sha256: str | None = None) -> Corpus:
    """Reads a corpus from a UTF-8 text file; without a path, Tiny Shakespeare.

    Args:
        sha256: of the text that a model was trained on. That may have been before texts were brought to the normal form: a file whose
            text has this hash is taken as it is.

    Raises:
        CorpusError: the file is missing, empty, too large, not text, or not the expected Tiny Shakespeare.
    """
    if path is not None:
        return read_corpus(Path(path).stem, read_raw(Path(path), "corpus"), str(path), sha256)
    given = os.environ.get("SOLILOQUY_CORPUS")
    cached = Path(given) if given else cache_dir() / "tinyshakespeare.txt"
    raw = read_raw(cached, "corpus") if given or os.path.exists(cached) else _fetch(cached)
    remedy = "Point SOLILOQUY_CORPUS at the right file, or unset it." if given else "Delete the file; it will be downloaded again."
    _check_sha256(raw, str(cached), remedy)
    return Corpus(TINY_SHAKESPEARE, _decode(raw, str(cached)))


def read_corpus(name: str, raw: bytes, source: str, sha256: str | None = None) -> Corpus:
    """Decodes a corpus from the bytes of a UTF-8 text, brings it to the normal form and checks it.

    Args:
        source: name of the text in error messages.
        sha256: as in `load_corpus`.

    Raises:
        CorpusError: the text is empty, too large, not text, a single character repeated, or has more different characters than a
            vocabulary can have.
    """
    check_size(len(raw), source)
    text = _decode(raw, source)
    corpus = Corpus(name, text if sha256 == _sha256(text.encode()) else normal_form(text))
    if not corpus.text:
        raise CorpusError(f"{source} is empty.")
    check_size(len(corpus.text.encode()), source)  # a few characters become several
    alphabet = corpus.alphabet
    if "\0" in alphabet:
        raise CorpusError(f"{source} has NUL bytes, so it is not UTF-8 text. Save it as UTF-8 text and try again.")
    if len(alphabet) == 1:
        raise CorpusError(f"{source} is one character repeated: there is nothing to learn from it.")
    if len(alphabet) > MAX_VOCAB_SIZE:
        raise CorpusError(
            f"{source} has {len(alphabet):,} different characters; the maximum is {MAX_VOCAB_SIZE:,}. Use a text with a smaller alphabet."
        )
    return corpus


def check_size(n_bytes: int, source: str) -> None:
    """Checks the size of a corpus.

    Raises:
        CorpusError: the corpus is too large.
    """
    if n_bytes > MAX_CORPUS_BYTES:
        raise CorpusError(f"{source} is larger than {MAX_CORPUS_BYTES // 2**20} MiB, the maximum size of a corpus.")


def _check_sha256(raw: bytes, source: str, remedy: str) -> None:
    found = _sha256(raw)
    if found != TINY_SHAKESPEARE_SHA256:
        wanted = TINY_SHAKESPEARE_SHA256
        raise CorpusError(f"{source} is not Tiny Shakespeare: its sha256 is {found[:12]}... instead of {wanted[:12]}.... {remedy}")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _fetch(target: Path) -> bytes:
    """Downloads Tiny Shakespeare, and keeps it in the cache if that can be written to."""
    by_hand = (
        f"Download {TINY_SHAKESPEARE_URL} on a machine with network access and save it as {target}, or set SOLILOQUY_CORPUS to "
        "its path. Sampling needs no corpus."
    )
    try:
        with urllib.request.urlopen(TINY_SHAKESPEARE_URL, timeout=FETCH_TIMEOUT_S) as response:
            raw = response.read(MAX_CORPUS_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise CorpusError(f"Tiny Shakespeare could not be downloaded ({error}). {by_hand}") from error
    _check_sha256(raw, "The downloaded file", by_hand)
    try:
        write_atomically(target, raw)
    except CheckpointError as error:
        log.warning("%s Tiny Shakespeare will be downloaded again next time.", error)
    return raw


def read_raw(path: Path, what: str) -> bytes:
    """The bytes of a file to learn from.

    Args:
        what: what the file is, in error messages.

    Raises:
        CorpusError: the file cannot be read, or is too large.
    """
    try:
        check_size(path.stat().st_size, str(path))
        with path.open("rb") as file:
            raw = file.read(MAX_CORPUS_BYTES + 1)  # the size of a pipe or a device is not known
    except OSError as error:
        raise CorpusError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    check_size(len(raw), str(path))
    return raw


def _decode(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is not UTF-8 text (byte {error.start:,}). Save it as UTF-8 and try again.") from None


def split(ids: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Splits ids into training and validation ids. The validation ids also begin with the last training character, as context, so
    that every character of the last tenth is predicted once.

    Raises:
        CorpusError: the corpus is too short for one training window and one validation character.
    """
    check_length(len(ids), block_size)
    n_train = train_chars(len(ids))
    return ids[:n_train], ids[n_train - 1 :]


def train_chars(n_chars: int) -> int:
    """The length of the training text, the first nine tenths of a corpus."""
    return int(TRAIN_SHARE * n_chars)


def check_length(n_chars: int, block_size: int) -> None:
    """Checks that a corpus is long enough to split.

    Raises:
        CorpusError: as `split`.
    """
    n_train = train_chars(n_chars)
    if n_train < 2 * block_size + 1 or n_train == n_chars:
        need = int((2 * block_size + 1) / TRAIN_SHARE) + 2
        raise CorpusError(f"The corpus has {n_chars:,} characters; a context of {block_size} needs at least {need:,}.")


def check_part(train_chars: int, block_size: int) -> None:
    """Checks how much of a training text a run uses; 0 is all of it.

    Raises:
        CorpusError: it is too little for the context.
    """
    least = 2 * block_size + 1
    if 0 < train_chars < least:
        raise CorpusError(f"train_chars is {train_chars:,}; a context of {block_size} needs at least {least:,}, or 0 for the whole text.")


def random_chunks(ids: Tensor, config: ChunkConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Random chunks of a text, drawn as in the lecture: with its seed they are its own.

    Args:
        ids: the training text, (n,).

    Returns:
        Where the chunks begin, (batch_size,), inputs and targets, each (batch_size, block_size).

    Raises:
        CorpusError: the text is too short for a chunk and its last target.
    """
    if len(ids) <= config.block_size:
        raise CorpusError(
            f"The training text has {len(ids):,} characters; a block size of {config.block_size} needs at least {config.block_size + 1}. "
            "Use a longer text or a smaller block size."
        )
    generator = torch.Generator().manual_seed(config.seed)
    starts = torch.randint(len(ids) - config.block_size, (config.batch_size,), generator=generator)
    x = torch.stack([ids[i : i + config.block_size] for i in starts])
    y = torch.stack([ids[i + 1 : i + config.block_size + 1] for i in starts])
    return starts, x, y


class Batches:
    """Batches of text windows in an order that depends only on the seed, so that a resumed run continues with the same batches.

    Each epoch cuts the text into windows at its own offset (phase) and shuffles them. Every character is seen once per epoch, except for
    less than a block at either end.

    Args:
        ids: the text, (n,).
        input_noise: share of input characters replaced by random characters of the text. Targets are unchanged.
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
