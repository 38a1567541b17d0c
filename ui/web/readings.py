"""Texts whose attention was read. Each is read once, however many clients ask for it, and the latest are kept."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.attention import Reading, read
from model.limits import MAX_CAPTURE_BYTES, MAX_CAPTURES, MAX_WAITING_WORK
from model.parts import Part
from model.serving.admission import Admission, Ticket
from model.serving.engine import Engine
from model.serving.viewer import Viewer
from model.weights import Weights
from ui.web.loading import precision_of, run
from ui.web.numbers import float_bytes
from ui.web.shared_work import SharedWork

READINGS_AT_ONCE = MAX_WAITING_WORK // 4  # the rest of the engine's work queue is for other work
DRAWN_STEP = 5  # of a byte: on screen 52 steps look like 256, and take half the room
GZIP_LEVEL = 1  # halves the weights of 256 characters in 18 ms; level 6 takes 60 ms for 4 % more, level 9 380 ms
FORMAT = 3  # of the answers: browsers keep them, and another format makes other keys


@dataclass(frozen=True)
class Question:
    """A text to read, and how.

    Attributes:
        text: the part that is shown.
        start: index of its first character in the whole text, of `total` characters.
        weights: the model that reads it, even if the default model changes meanwhile.
    """

    text: str
    start: int
    total: int
    notice: str
    off: tuple[Part, ...]
    weights: Weights

    @property
    def key(self) -> str:
        """Identifies the question. It is the same whenever the same model is asked for the same text with the same parts off."""
        asked = [FORMAT, self.weights.sha256, precision_of(self.weights), self.text, self.off]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Kept:
    """What is kept of a text.

    Attributes:
        model: key of the model that read it.
        drawn: all weights as bytes, gzipped.
    """

    model: str
    reading: Reading
    drawn: bytes

    @cached_property
    def lens(self) -> bytes:
        """The logit lens as float32, gzipped when it is first asked for."""
        return zipped(float_bytes(self.reading.lens))

    @cached_property
    def logits(self) -> bytes:
        """The model's logits, the last of the lens, likewise."""
        return zipped(float_bytes(self.reading.lens[-1]))

    @property
    def n_bytes(self) -> int:
        """All of it, with as much for the lens and the logits as they could take."""
        return self.reading.n_bytes + len(self.drawn) + 2 * self.reading.lens.nbytes


class Readings:
    """Reads texts between two rounds of the engine's writing, and keeps the latest. Use it only in the event loop's thread."""

    def __init__(self, engine: Engine):
        self._engine, self._admission = engine, Admission(READINGS_AT_ONCE, "read")
        self._kept: OrderedDict[str, Kept] = OrderedDict()  # the one that was asked for last comes last
        self._reading: SharedWork[str, Kept] = SharedWork()

    def find(self, key: str) -> Kept | None:
        """What is kept under a key."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    async def read(self, question: Question, viewer: Viewer) -> Kept:
        """Reads a text, unless it is kept or is being read already. A text that nobody waits for any more is not read.

        Raises:
            BusyError: too many texts are being read already.
        """
        return self.find(question.key) or await self._reading.result(question.key, lambda: self._begin(question, viewer))

    def _begin(self, question: Question, viewer: Viewer) -> asyncio.Task[Kept]:
        """Starts to read a text. The reading counts as this viewer's until it ends, even if only others are still waiting for it."""
        ticket = self._admission.admit(viewer)
        reading = asyncio.create_task(self._read(question, ticket))
        reading.add_done_callback(lambda _: ticket.leave())
        return reading

    async def _read(self, question: Question, ticket: Ticket) -> Kept:
        ids = question.weights.tokenizer.encode(question.text)
        async with ticket.turn():
            reading = await run(self._engine, question.weights, lambda weights: read(weights.model, ids, question.text, question.off))
        kept = Kept(question.weights.key, reading, await asyncio.to_thread(draw, reading.weights))
        self._keep(question.key, kept)
        return kept

    def _keep(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept
        while len(self._kept) > MAX_CAPTURES or sum(other.n_bytes for other in self._kept.values()) > MAX_CAPTURE_BYTES:
            self._kept.popitem(last=False)


def draw(weights: NDArray[np.float32]) -> bytes:
    """Weights as bytes, gzipped. The square root makes small weights visible and distinct."""
    steps = np.rint(255 / DRAWN_STEP * np.sqrt(weights)).astype(np.uint8)
    return zipped((DRAWN_STEP * steps).tobytes())


def zipped(content: bytes) -> bytes:
    """The content, gzipped, and always in the same way."""
    return gzip.compress(content, GZIP_LEVEL, mtime=0)
