"""JSON answers that many clients ask for at once: each is made at most once a second and given to all of them."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from ui.web.http import NO_STORE
from ui.web.shared_work import SharedWork

FRESH_S = 1.0  # how long an answer is given to everyone who asks for the same
MAX_ANSWERS_BYTES = 64 * 2**20  # kept that long
MAKERS = 2  # threads that make answers
GZIP_FROM_BYTES = 1_024
GZIP_LEVEL = 5

Key = tuple[str | int, ...]
Kept = tuple[float, bytes, bytes]  # when it was made, the answer, and the answer gzipped
Make = Callable[[], dict[str, Any]]


class SharedAnswers:
    """The answers of the last second. Use it only in the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()  # the newest comes last
        self._making: SharedWork[Key, Kept] = SharedWork()
        self._makers = ThreadPoolExecutor(MAKERS, thread_name_prefix="answers")
        self._age = 0  # grows each time that everything is forgotten

    async def give(self, http: HTTPRequest, key: Key, make: Make) -> Response:
        """An answer: a fresh one if there is any, or else one that is made in another thread for everyone who is asking for it. An answer
        that nobody waits for any more is not made."""
        key = (self._age, *key)
        self._drop_old()
        if (kept := self._kept.get(key)) is None:
            kept = await self._making.result(key, lambda: self._make(key, make))
        _, plain, gzipped = kept
        headers = NO_STORE | {"Vary": "Accept-Encoding"}
        if gzipped and "gzip" in http.headers.get("accept-encoding", ""):
            return Response(gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(plain, headers=headers, media_type="application/json")

    def forget(self) -> None:
        """Forgets all answers. Call this when something has changed."""
        self._kept.clear()
        self._age += 1

    async def _make(self, key: Key, make: Make) -> Kept:
        plain, gzipped = await asyncio.get_running_loop().run_in_executor(self._makers, _encode, make)
        kept = time.monotonic(), plain, gzipped
        if key[0] == self._age:
            self._kept[key] = kept
        return kept

    def _drop_old(self) -> None:
        oldest = time.monotonic() - FRESH_S
        while self._kept:
            key, (made, _, _) = next(iter(self._kept.items()))
            if made > oldest and sum(len(plain) + len(gzipped) for _, plain, gzipped in self._kept.values()) <= MAX_ANSWERS_BYTES:
                return
            del self._kept[key]


def _encode(make: Make) -> tuple[bytes, bytes]:
    plain = json.dumps(make(), allow_nan=False).encode()
    return plain, gzip.compress(plain, GZIP_LEVEL) if len(plain) >= GZIP_FROM_BYTES else b""
