"""The lines of the corpus that can be found: where each stands in the text, who says it in which play, its vector, and its place on a map.

The index has no text. With the corpus at hand it gives the lines themselves; without it, positions, speakers and the map.

    index = Index.load("weights/meaning/embedding", corpus.text)
    index.nearest(embedder.embed(["Farewell"])[0], 5)      # (line, cosine), best first
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.errors import CheckpointError, CorpusError
from model.meaning.embedder import Embedder
from model.meaning.map import make_map
from model.meaning.nearest import nearest
from model.meaning.speeches import speeches_of
from model.meaning.tfidf import TfIdf
from model.statistics import median_and_high
from model.weights import hash_file, load_tensors, save_tensors, weights_path

INDEX_FILE = "index.safetensors"
LINES = 3_000  # of all sentences of the corpus, chosen at random
LINE_CHARS = range(20, 111)
DRAWN = 50  # lines that are compared with all others: what two random lines are like
PLACED_BY = 3  # lines on the map between which a new sentence is placed
NUMBERS = {"vectors": torch.int8, "map": torch.float16} | dict.fromkeys(("position", "length", "play", "speaker"), torch.int32)
NO_CORPUS = "The lines cannot be shown without the corpus: the index holds their positions alone."
BUILD = "Build it again with: python -m model index"


class Line(NamedTuple):
    """A sentence of the corpus.

    Attributes:
        text: as it stands in the corpus; None without the corpus.
        position: where it begins in the corpus, in characters.
    """

    text: str | None
    play: str
    speaker: str
    position: int
    length: int


@dataclass(frozen=True)
class Index:
    """The lines of a corpus with their vectors.

    Attributes:
        vectors: (n, width), of length 1.
        map: (n, 2), in [-1, 1].
        position, length: of each line in the corpus, in characters, (n,).
        play, speaker: of each line, a place in `plays` and `speakers`, (n,).
        corpus_sha256: of the text that the positions belong to.
        embedder_sha256: of the weights that the vectors are from.
        text: of the corpus; None if it is not at hand.
    """

    vectors: Tensor
    map: Tensor
    position: Tensor
    length: Tensor
    play: Tensor
    speaker: Tensor
    plays: tuple[str, ...]
    speakers: tuple[str, ...]
    corpus_sha256: str
    embedder_sha256: str
    text: str | None = None

    @classmethod
    def build(cls, embedder: Embedder, text: str, each: Callable[[], object] = lambda: None) -> Index:
        """The index of a corpus.

        Args:
            each: called after each step of the map.

        Raises:
            CorpusError: the corpus has too few lines.
            UnknownCharacterError: it has characters that the network does not know.
        """
        lines = sorted(random.Random(0).sample(found := [*_lines(text)], min(LINES, len(found))), key=lambda line: line.position)
        if len(lines) <= PLACED_BY:
            raise CorpusError(f"The corpus has {len(lines)} sentences that speakers say; an index needs more than {PLACED_BY}.")
        vectors = _packed(embedder.embed([one_line(text[line.position : line.position + line.length]) for line in lines]))
        plays, speakers = ([*dict.fromkeys(getattr(line, name) for line in lines)] for name in ("play", "speaker"))
        return cls(
            _unpacked(vectors),
            make_map(_unpacked(vectors), each=each).half().float(),
            torch.tensor([line.position for line in lines]),
            torch.tensor([line.length for line in lines]),
            torch.tensor([plays.index(line.play) for line in lines]),
            torch.tensor([speakers.index(line.speaker) for line in lines]),
            tuple(plays),
            tuple(speakers),
            _sha256(text),
            embedder.sha256,
            text,
        )

    @classmethod
    def load(cls, folder: str | Path, text: str | None = None) -> Index:
        """The index beside an embedding's weights.

        Args:
            text: of the corpus, if it is at hand.

        Raises:
            CheckpointError: it is missing or damaged, or was built with other weights.
            CorpusError: the corpus is another than the index's.
        """
        path = Path(folder) / INDEX_FILE
        tensors, about = load_tensors(path)
        try:
            index = _checked(tensors, about)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a valid index ({error}). {BUILD}") from None
        if index.embedder_sha256 != hash_file(weights_path(Path(folder))):
            raise CheckpointError(f"{path} was built with other weights. {BUILD}")
        return index.with_text(text) if text is not None else index

    def with_text(self, text: str) -> Index:
        """This index with its corpus.

        Raises:
            CorpusError: this is another text.
        """
        if _sha256(text) != self.corpus_sha256:
            raise CorpusError(f"The index belongs to another text than this corpus. {BUILD}")
        return replace(self, text=text)

    def save(self, folder: str | Path) -> None:
        """Writes it beside the embedding's weights: vectors in 8 bits, the map in 16.

        Raises:
            CheckpointError: it cannot be written.
        """
        tensors = {name: getattr(self, name) for name in NUMBERS} | {"vectors": _packed(self.vectors)}
        about = {name: getattr(self, name) for name in ("plays", "speakers", "corpus_sha256", "embedder_sha256")}
        save_tensors(Path(folder) / INDEX_FILE, {name: tensor.to(NUMBERS[name]) for name, tensor in tensors.items()}, about)

    def __len__(self) -> int:
        return len(self.vectors)

    def line(self, i: int) -> Line:
        """The line at a place of the index."""
        position, length = int(self.position[i]), int(self.length[i])
        text = None if self.text is None else self.text[position : position + length]
        return Line(text, self.plays[self.play[i]], self.speakers[self.speaker[i]], position, length)

    def nearest(self, vector: Tensor, k: int) -> list[tuple[int, float]]:
        """The k lines whose vectors are most like a vector, (width,), with their cosine, best first."""
        return nearest(self.vectors @ vector, k)

    @cached_property
    def tfidf(self) -> TfIdf:
        """The lines as a collection that is searched by TF-IDF.

        Raises:
            CorpusError: the corpus is not at hand.
        """
        if self.text is None:
            raise CorpusError(NO_CORPUS)
        return TfIdf([self.line(i).text or "" for i in range(len(self))])

    @cached_property
    def random(self) -> dict[str, dict[str, float]]:
        """The "median" and the "high" (95 %) cosine of two random lines, against which that of a neighbour can be read: by "embedding", and
        by "tfidf" where the corpus is at hand."""
        drawn = torch.arange(0, len(self), -(-len(self) // DRAWN))
        cosines = {"embedding": self.vectors[drawn] @ self.vectors.T}
        if self.text is not None:
            cosines["tfidf"] = self.tfidf.similarities([self.line(i).text or "" for i in drawn.tolist()])
        others = torch.arange(len(self)) != drawn[:, None]
        return {method: median_and_high(each[others]) for method, each in cosines.items()}

    def place(self, vector: Tensor) -> tuple[float, float]:
        """Where a new sentence stands on the map: between the lines that are most like it, nearer to the more alike."""
        found = self.nearest(vector, PLACED_BY)
        weights = torch.softmax(torch.tensor([cosine for _, cosine in found]) / 0.05, 0)
        x, y = (weights @ self.map[[i for i, _ in found]]).tolist()
        return x, y


def one_line(text: str) -> str:
    """A sentence as people type it: without the ends of verses."""
    return " ".join(text.split())


def _lines(text: str) -> Iterator[Line]:
    """The sentences that speakers say, each text once."""
    known: set[str] = set()
    for speech in speeches_of(text):
        for found in re.finditer(r"(?s)\S.*?[.!?](?=\s|$)", speech.words):
            words = one_line(found[0]).lower()
            if len(found[0]) in LINE_CHARS and words not in known:
                known.add(words)
                yield Line(None, speech.play, speech.speaker, speech.position + found.start(), len(found[0]))


def _packed(vectors: Tensor) -> Tensor:
    """Vectors in 8 bits, each with its largest number at 127."""
    return (vectors / vectors.abs().amax(1, keepdim=True) * 127).round().to(torch.int8)


def _unpacked(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=-1)


def _checked(tensors: dict[str, Tensor], about: dict[str, Any]) -> Index:
    """An index from the content of its file.

    Raises:
        KeyError, TypeError, ValueError: it is not valid.
    """
    if (n := len(tensors["position"])) <= PLACED_BY:
        raise ValueError(f"it has {n} lines; it must have more than {PLACED_BY}")
    for name, dtype in NUMBERS.items():
        wide = {"vectors": 2, "map": 2}.get(name, 1)
        if tensors[name].dtype != dtype or tensors[name].dim() != wide or len(tensors[name]) != n:
            raise ValueError(f"{name} has another type or shape than it must have")
    names = {name: _names(about[name]) for name in ("plays", "speakers")}
    for name, end in (("play", len(names["plays"])), ("speaker", len(names["speakers"])), ("length", LINE_CHARS.stop)):
        if not 0 <= tensors[name].min() <= tensors[name].max() < end:
            raise ValueError(f"{name} has numbers out of range")
    if not torch.isfinite(tensors["map"]).all():
        raise ValueError("map has values that are not finite")
    position, length, play, speaker = (tensors[name].long() for name in ("position", "length", "play", "speaker"))
    return Index(
        _unpacked(tensors["vectors"]),
        tensors["map"].float(),
        position,
        length,
        play,
        speaker,
        names["plays"],
        names["speakers"],
        str(about["corpus_sha256"]),
        str(about["embedder_sha256"]),
    )


def _names(value: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("plays and speakers must be lists of names")
    return tuple(map(str, value))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
