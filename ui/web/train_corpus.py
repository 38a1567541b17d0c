"""Texts that the admin sends to train on, before a run is started with one.

    POST /train/corpus?name=Goethe.txt      the text's bytes, in UTF-8
    {"corpus": "Zm9v...", "name": "Goethe.txt", "characters": 2000000, "alphabet": ["\\n", " ", ...]}

"corpus" is what POST /train/start takes. The latest are kept in memory, and a run keeps a copy of its own. A text that cannot be learned
from is answered by 400 and {"error": "..."}; one over the limit by 413.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections import OrderedDict

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.data import MAX_CORPUS_BYTES, Corpus, read_corpus
from model.errors import ParameterError
from model.training.job import check_name
from ui.web.http import refusal

PATH = "/train/corpus"
MAX_CORPORA = 3
FORGOTTEN = "This text is no longer there. Send it again."


class Corpora:
    """The latest texts. For the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Corpus] = OrderedDict()

    def keep(self, corpus: Corpus) -> str:
        """Keeps a text, and gives the key to it."""
        self._kept[key := secrets.token_urlsafe(12)] = corpus
        while len(self._kept) > MAX_CORPORA:
            self._kept.popitem(last=False)
        return key

    def find(self, key: object) -> Corpus:
        """A text by its key.

        Raises:
            ParameterError: there is none.
        """
        if not isinstance(key, str) or key not in self._kept:
            raise ParameterError(FORGOTTEN)
        return self._kept[key]

    async def answer(self, http: HTTPRequest) -> Response:
        """Keeps what was sent, and tells what it is.

        Raises:
            CorpusError: it is nothing to learn from.
            ParameterError: its name is none.
        """
        if http.method != "POST":
            return refusal("Send a POST request with a text.", 405, Allow="POST")
        name = check_name(_shown(http.query_params.get("name", "pasted text")))
        try:
            raw = await http.body()
        except ClientDisconnect:  # or a body over the limit, which is cut off
            return refusal(f"The text has more than {MAX_CORPUS_BYTES // 2**20} MiB, or was not sent to its end.", 413)
        corpus = await asyncio.to_thread(read_corpus, name, raw, "The text")
        alphabet = await asyncio.to_thread(lambda: corpus.alphabet)
        return JSONResponse({"corpus": self.keep(corpus), **tell(corpus, alphabet)}, headers={"Cache-Control": "no-store"})


def _shown(name: str) -> str:
    """A file's name as it can be shown: whatever space it has is a plain one."""
    return "".join(" " if unicodedata.category(char) == "Zs" else char for char in name)


def tell(corpus: Corpus, alphabet: list[str]) -> dict[str, object]:
    """What is shown of a text."""
    return {"name": corpus.name, "characters": len(corpus.text), "alphabet": alphabet}
