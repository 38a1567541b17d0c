"""The page's document: what Gradio answers at the root, completed so that a new phone shows something at once and is soon ready.

It has the page's colours, and an opening that is seen until Gradio has drawn the page. It names everything that the page will need, so that
the browser fetches it side by side: Gradio's scripts and the first bundle. It brings the answers that the page would ask for first.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.files import read
from ui.gradio_files import GradioFiles
from ui.web.assets import FIRST_BUNDLE, head
from ui.web.http import NO_STORE, Route, addresses, route_path

# Gradio's page links a manifest at the root of the host, and leaves browsers to look for an icon there; but the root may be another app's.
MANIFEST, ICON = '<link rel="manifest" href="/manifest.json" />', '<link rel="icon" href="favicon.ico" />'
RESIZER, RESIZER_IN_FRAMES = "document.head.appendChild(script);", "if (parent !== window) document.head.appendChild(script);"
END_OF_HEAD, APP = "</head>", "<gradio-app"
THEME = re.compile(r'"theme_hash":\s*"([^"]+)"')


class Document:
    """Answers with the document. An ASGI app.

    Args:
        gradio: answers with Gradio's own.
        files: what it needs of Gradio's.
        own: the app's routes, which answer what the page asks for first.
    """

    def __init__(self, gradio: ASGIApp, files: GradioFiles, own: Iterable[Route]):
        self._gradio, self._files, self._own = gradio, files, Router(addresses(own), default=Response(status_code=404))
        self._head, self._opening = head(), read("opening.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        status, body = await _ask(self._gradio, scope, "")
        completed = await asyncio.to_thread(self._complete, body.decode(), await self._first_answers(scope))
        headers = NO_STORE | {"Vary": "Accept-Encoding"}  # its answers are of this moment
        if "gzip" in HTTPRequest(scope).headers.get("accept-encoding", ""):
            completed, headers["Content-Encoding"] = await asyncio.to_thread(_gzipped, completed), "gzip"
        await Response(completed, status, headers, "text/html")(scope, receive, send)

    def _complete(self, document: str, answers: dict[str, Any]) -> bytes:
        scripts = [*(f"./assets/{name}" for name in self._files.scripts), FIRST_BUNDLE]
        hints = [f'<link rel="modulepreload" crossorigin href="{address}">' for address in scripts]
        hints += [f'<link rel="preload" as="style" href="./theme.css?v={theme}">' for theme in THEME.findall(document)[:1]]
        # Gradio adds a style sheet only where the page has none of that address, and a browser does not fetch one that is disabled.
        styles = [f'<link rel="stylesheet" href="./assets/{self._files.all_styles}">']
        styles += [f'<link rel="stylesheet" disabled href="./assets/{name}">' for name in self._files.styles]
        given = json.dumps(answers).replace("<", "\\u003c")
        inserted = [self._head, f"<script>soliloquy.answers = {given};</script>", *hints, END_OF_HEAD]
        replaced = {MANIFEST: ICON, RESIZER: RESIZER_IN_FRAMES, END_OF_HEAD: "\n".join(inserted), APP: self._opening + APP}
        if linked := re.search(r'<link rel="stylesheet" crossorigin href="\./assets/[^"]+">', document):
            replaced[linked[0]] = "\n".join(styles)
        for found, better in replaced.items():
            document = document.replace(found, better, 1)
        return document.encode()

    async def _first_answers(self, scope: Scope) -> dict[str, Any]:
        """What the page would ask for first, by address; what is refused now is left out, and the page asks for it."""
        answers: dict[str, Any] = {}
        for path in ("/models", "/limits"):
            status, body = await _ask(self._own, scope, path)
            if status == 200:
                answers[f".{path}"] = json.loads(body)
        if key := answers.get("./models", {}).get("default"):
            status, body = await _ask(self._own, scope, path := f"/models/{key}")
            if status == 200:
                answers[f".{path}"] = json.loads(body)
        return answers


async def _ask(app: ASGIApp, scope: Scope, path: str) -> tuple[int, bytes]:
    """The status and the body with which an app answers a GET request like this one, for a path below the page's."""
    status, body = 500, b""

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status, body
        status, body = message.get("status", status), body + message.get("body", b"")

    asked = scope["path"] if not path else scope["path"].removesuffix(route_path(scope)) + path
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"accept-encoding", b"if-none-match")]
    await app({**scope, "path": asked, "raw_path": asked.encode(), "headers": headers}, receive, send)
    return status, body


@functools.lru_cache(maxsize=4)
def _gzipped(document: bytes) -> bytes:
    return gzip.compress(document, 6, mtime=0)
