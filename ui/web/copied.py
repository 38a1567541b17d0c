"""What of a text is copied, word for word, from the text that a run learned from.

    POST /learning/copied
    {"text": "ROMEO:\\nBut, soft!", "source": "shipped", "run": "overfit"}
    {"text": "ROMEO:\\nBut, soft!", "chars": 0}

The second form compares with the training part of Tiny Shakespeare: with its first characters, or with all of it (0).

    {"text": "ROMEO:\\nBut, soft!", "notice": "", "corpus": "Tiny Shakespeare", "chars": 30000, "least": 20, "trouble": "",
     "stretches": [{"start": 3, "length": 143, "at": 20512, "line": 512, "before": "Why, ", "after": " it is."}, ...]}

Stretches are those of `model.copied`, from first to last, in characters. "at" is the place of a stretch in the corpus and "line" the number
of its line there; "before" and "after" are what stands beside it on its first and last line. "text" is the text as it was compared, in the
vocabulary of the corpus, and "notice" names the characters that were left out. "chars" is how much was learned from. Where the corpus is
missing, "trouble" says where to put it, and there are no stretches.

A text that came with a run is not shown to everyone: without "Authorization: Bearer ..." of the admin (ui/web/admin.py), "at", "line",
"before" and "after" are null then. "viewer" is optional, as in /write.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import check_score_text
from model.copied import LEAST_CHARS, Stretch, copied_stretches, line_numbers
from model.data import TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_SHA256, load_corpus, train_chars
from model.errors import CheckpointError, CorpusError, ParameterError
from model.files import printable, without_folder
from model.limits import MAX_CORPUS_BYTES
from model.serving.admission import Admission
from model.tokenizer import CharTokenizer
from model.training.job import Job
from model.training.record import Cached
from ui.web.admin import Lock
from ui.web.corpus import NAME, CorpusReader
from ui.web.fields import left_out_notice, read_viewer
from ui.web.http import NO_STORE, Body, takes_json
from ui.web.shared_work import SharedWork
from ui.web.stream import for_its_client

MAX_OWN_TEXTS = 2  # of runs, kept in memory
BESIDE_CHARS = 80  # of a line, before and after a stretch
MAX_KEPT_ANSWERS = 64  # the latest asked for

SHAKESPEARE = CharTokenizer(TINY_SHAKESPEARE_ALPHABET)
NO_TEXT = "The text that {run} learned from ({name}) is not in its folder. Save it there as corpus.txt to see what is copied from it."
OTHER_TEXT = "corpus.txt in the folder of {run} is not the text that it learned from ({name}). Replace it with that text."
NO_PLAN = "The files of {run} are damaged: they do not say which text it learned from."
ONLY_PAIRS = "{run} learned from pairs of texts, not from a corpus."


@dataclass(frozen=True)
class Learned:
    """What a network learned from.

    Attributes:
        name, sha256, text: of the corpus.
        chars: characters of its training text that were used, from its beginning; 0 for all.
        tokenizer: of the network.
        is_shown: whether the reader may see the corpus.
    """

    name: str
    sha256: str
    text: str
    chars: int
    tokenizer: CharTokenizer
    is_shown: bool = True


class Copied:
    """The handler, and the texts that it compares with. For the event loop's thread.

    Args:
        corpus: Tiny Shakespeare.
        find: a run by its source and id. Raises UnknownModelError.
        lock: knows the admin, who may see the texts of all runs.
    """

    def __init__(self, corpus: CorpusReader, find: Callable[[str, str], Job], lock: Lock):
        self._corpus, self._find, self._lock = corpus, find, lock
        self._admission = Admission(1, "compared")
        self._comparer = ThreadPoolExecutor(1, thread_name_prefix="copied")  # one at a time: it takes the time of the engine
        self._kept: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()  # the latest comes last
        self._own: OrderedDict[str, Cached[str]] = OrderedDict()  # by run; the latest asked for comes last
        self._reading: SharedWork[str, str] = SharedWork()
        self.answer = takes_json({"text", "source", "run", "chars"}, self._answer)

    @for_its_client
    async def _answer(self, body: Body, http: HTTPRequest) -> Response:
        text, source, run, chars = body.get("text", ""), body.get("source"), body.get("run"), body.get("chars", 0)
        check_score_text(text)
        if type(chars) is not int or not 0 <= chars <= MAX_CORPUS_BYTES:
            raise ParameterError(f"chars must be a whole number from 0 to {MAX_CORPUS_BYTES:,}.")
        job = None
        if source is not None or run is not None:
            if not isinstance(source, str) or not isinstance(run, str):
                raise ParameterError("Name a run by its source and its id, as texts.")
            job = await asyncio.to_thread(self._find, source, run)
        try:
            with self._admission.admit(read_viewer(body, http)) as ticket:
                async with ticket.turn():
                    learned = await (self._learned_by(job, self._lock.admits(http)) if job else self._beginning(chars))
                    return JSONResponse(await self._compare(text, learned), headers=NO_STORE)
        except CorpusError as error:
            content = {
                "text": printable(text),
                "notice": "",
                "corpus": "",
                "chars": 0,
                "least": LEAST_CHARS,
                "stretches": [],
                "trouble": printable(str(error)),
            }
            return JSONResponse(content, headers=NO_STORE)

    async def _compare(self, text: str, learned: Learned) -> dict[str, Any]:
        key = text, learned.name, learned.sha256, learned.chars, learned.is_shown, learned.tokenizer.vocabulary
        if key not in self._kept:
            self._kept[key] = await asyncio.get_running_loop().run_in_executor(self._comparer, _copied_json, text, learned)
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT_ANSWERS:
            self._kept.popitem(last=False)
        return self._kept[key]

    async def _beginning(self, chars: int) -> Learned:
        """The first characters of Tiny Shakespeare's training text; 0 for all of it.

        Raises:
            CorpusError: there is none.
        """
        return Learned(NAME, TINY_SHAKESPEARE_SHA256, (await self._corpus.read()).text, chars, SHAKESPEARE)

    async def _learned_by(self, job: Job, is_admin: bool) -> Learned:
        """What a run learned from. Only the admin sees a text that came with it.

        Raises:
            CorpusError: the text is not there, or the run is damaged.
        """
        try:
            plan = await asyncio.to_thread(job.run.plan)
        except CheckpointError:
            raise CorpusError(NO_PLAN.format(run=job.name)) from None
        if "corpus" not in plan.about:
            raise CorpusError(ONLY_PAIRS.format(run=job.name))
        name, sha256 = (plan.about["corpus"].get(fact, "") for fact in ("name", "sha256"))
        if is_public := sha256 == TINY_SHAKESPEARE_SHA256:
            name, text = NAME, (await self._corpus.read()).text
        else:
            text = await self._reading.result(job.id, lambda: asyncio.to_thread(self._own_text(job, name, sha256).get))
        return Learned(name, sha256, text, plan.recipe.train_chars, plan.tokenizer, is_public or is_admin)

    def _own_text(self, job: Job, name: str, sha256: str) -> Cached[str]:
        """The text that a run keeps in its folder."""
        self._own.setdefault(job.id, Cached(job.corpus_path, lambda: _read_own(job, name, sha256)))
        self._own.move_to_end(job.id)
        if len(self._own) > MAX_OWN_TEXTS:
            self._own.popitem(last=False)
        return self._own[job.id]


def _read_own(job: Job, name: str, sha256: str) -> str:
    """
    Raises:
        CorpusError: the text is not there, or is another one.
    """
    if not job.has_corpus:
        raise CorpusError(NO_TEXT.format(run=job.name, name=name))
    try:
        corpus = load_corpus(job.corpus_path, sha256)
    except CorpusError as error:
        raise CorpusError(without_folder(str(error), job.folder)) from None
    if corpus.sha256 != sha256:
        raise CorpusError(OTHER_TEXT.format(run=job.name, name=name))
    return corpus.text


def _copied_json(typed: str, learned: Learned) -> dict[str, Any]:
    text, left_out = learned.tokenizer.normalise(typed)
    check_score_text(text)  # some characters become several
    source = learned.text[: train_chars(len(learned.text))][: learned.chars or None]
    stretches = copied_stretches(text, source)
    lines = line_numbers(source, (stretch.at for stretch in stretches)) if learned.is_shown else {}
    return {
        "text": text,
        "notice": left_out_notice(left_out),
        "corpus": printable(learned.name),
        "chars": len(source),
        "least": LEAST_CHARS,
        "stretches": [_stretch_json(stretch, source, lines.get(stretch.at)) for stretch in stretches],
        "trouble": "",
    }


def _stretch_json(stretch: Stretch, source: str, line: int | None) -> dict[str, Any]:
    """
    Args:
        line: number of its line; None if the reader may not see the corpus.
    """
    found = {"start": stretch.start, "length": stretch.length}
    if line is None:
        return found | dict.fromkeys(("at", "line", "before", "after"))
    at, end = stretch.at, stretch.at + stretch.length
    return found | {
        "at": at,
        "line": line,
        "before": source[max(0, at - BESIDE_CHARS) : at].rpartition("\n")[2],
        "after": source[end : end + BESIDE_CHARS].partition("\n")[0],
    }
