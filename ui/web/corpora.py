"""Training texts that the admin uploads before a run is started with one.

    POST /train/corpus?name=Goethe.txt      the text's bytes, in UTF-8
    {"corpus": "Zm9v...", "name": "Goethe.txt", "characters": 2000000, "alphabet": ["\\n", " ", ...]}

"corpus" is the key that POST /train/start takes. Of the name, characters that cannot be seen are left out, and so is what is too long. The
text is brought to the normal form in which prompts are read (`model.tokenizer`), which is what "characters" and "alphabet" describe. The
latest texts are kept in memory, and a run keeps a copy of its own. A text that cannot be trained on is answered by 400 and
{"error": "..."}; one over the limit by 413.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.data import Corpus, read_corpus
from model.errors import ParameterError
from model.files import clean_name
from model.limits import MAX_CORPUS_BYTES, MAX_NAME_CHARS
from ui.web.http import NO_STORE, refusal

MAX_CORPORA = 3
UNNAMED = "pasted text"
FORGOTTEN = "This text is no longer on the server. Send it again."


class Corpora:
    """The latest texts. For the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Corpus] = OrderedDict()

    def find(self, key: object) -> Corpus:
        """A text by its key.

        Raises:
            ParameterError: there is none.
        """
        if not isinstance(key, str) or key not in self._kept:
            raise ParameterError(FORGOTTEN)
        return self._kept[key]

    async def upload(self, http: HTTPRequest) -> Response:
        """Keeps the text that a request brings, and describes it.

        Raises:
            CorpusError: it cannot be trained on.
        """
        name = clean_name(http.query_params.get("name", ""))[:MAX_NAME_CHARS].rstrip() or UNNAMED
        try:
            raw = await http.body()
        except ClientDisconnect:  # also a body over the limit, which is cut off
            return refusal(f"The text has more than {MAX_CORPUS_BYTES // 2**20} MiB, or the connection closed too early.", 413)
        corpus = await asyncio.to_thread(read_corpus, name, raw, "The text")
        alphabet = await asyncio.to_thread(lambda: corpus.alphabet)
        content = {"corpus": self._keep(corpus), "name": corpus.name, "characters": len(corpus.text), "alphabet": alphabet}
        return JSONResponse(content, headers=NO_STORE)

    def _keep(self, corpus: Corpus) -> str:
        """Keeps a text under a new key."""
        self._kept[key := secrets.token_urlsafe(12)] = corpus
        while len(self._kept) > MAX_CORPORA:
            self._kept.popitem(last=False)
        return key
