"""The server around the page: health, headers, and the settings that Gradio wants to be told."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import Request as HTTPRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.data import MAX_CORPUS_BYTES
from model.serving.engine import Engine
from model.training.jobs import Jobs
from ui.files import read, styles
from ui.page import create_page
from ui.theme import make_theme
from ui.web import train_corpus
from ui.web.admin import Lock, add_lock
from ui.web.assets import add_assets
from ui.web.models import InUse, add_model
from ui.web.train import add_training
from ui.web.write import add_stream

MAX_EVENTS = 400  # API calls at once; Gradio's 40 would make programs wait for each other
MAX_BODY_BYTES = 2**20  # the longest prompt fits many times
MAX_UPLOAD_BYTES = 1024  # nothing on the page takes a file, but Gradio's upload address is always there

TOO_LARGE = "larger than it may be"

# The page asks nothing of other hosts; this makes the browser hold it to that. Gradio's scripts need inline code and eval.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
)


class Guard:
    """Holds browsers to the policy above, tells which model is in use, and refuses requests larger than anything the page sends: for most
    a prompt, for the admin a text to train on.

    Written against ASGI itself: event streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, lock: Lock, engine: Engine):
        self.app, self.lock, self.engine = app, lock, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received, most = 0, self._most_bytes(scope)

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                self.lock.log(HTTPRequest(scope), TOO_LARGE)
                return {"type": "http.disconnect"}
            return message

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Model"] = self.engine.weights.key  # a page shows what one model says (ui/shared/model.js)
            await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            self.lock.log(HTTPRequest(scope), TOO_LARGE)
            refusal = JSONResponse({"error": f"A request may have {most:,} bytes. Shorten it and try again."}, 413)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive_bounded, send_with_policy)

    def _most_bytes(self, scope: Scope) -> int:
        """How large the body of a request may be."""
        takes_a_corpus = scope["path"] == train_corpus.PATH and self.lock.admits(HTTPRequest(scope))
        return MAX_CORPUS_BYTES if takes_a_corpus else MAX_BODY_BYTES


def create_server(engine: Engine, jobs: Jobs, lock: Lock, class_address: str | None = None) -> FastAPI:
    """The whole application, ready for uvicorn."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @server.get("/healthz")
    async def health() -> JSONResponse:
        health = engine.health()
        return JSONResponse(health, 200 if health["healthy"] else 503)

    page = create_page(engine, class_address)
    add_assets(server)
    add_stream(server, engine)
    add_lock(server, lock)
    add_model(server, engine, in_use := InUse(engine))
    add_training(server, jobs, lock, in_use)
    page.max_threads = MAX_EVENTS
    page._queue.max_thread_count = MAX_EVENTS  # mounting, unlike launching, does not pass it on
    server.add_middleware(Guard, lock=lock, engine=engine)
    return gr.mount_gradio_app(
        server,
        page,
        path="/",
        theme=make_theme(),
        css=styles(),
        head=f"<script>{read('state.js')}</script>",
        favicon_path=str(Path(__file__).with_name("favicon.png")),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size=MAX_UPLOAD_BYTES,
    )
