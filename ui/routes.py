"""The server around the page: health, headers, and the settings that Gradio wants to be told."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.serving.engine import Engine
from ui.assets import add_assets
from ui.files import read, styles
from ui.model_in_use import add_model, short_hash
from ui.page import create_page
from ui.stream import add_stream
from ui.theme import make_theme

MAX_EVENTS = 400  # API calls at once; Gradio's 40 would make programs wait for each other
MAX_BODY_BYTES = 2**20  # the longest prompt fits many times
MAX_UPLOAD_BYTES = 1024  # nothing on the page takes a file, but Gradio's upload address is always there

# The page asks nothing of other hosts; this makes the browser hold it to that. Gradio's scripts need inline code and eval.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
)


class Guard:
    """Holds browsers to the policy above, and refuses requests larger than anything the page sends.

    Written against ASGI itself: event streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, engine: Engine):
        self.app, self.engine = app, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                return {"type": "http.disconnect"}
            return message

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Soliloquy-Model"] = short_hash(self.engine.weights)
            await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            refusal = JSONResponse({"error": f"A request may have {MAX_BODY_BYTES:,} bytes. Shorten it and try again."}, 413)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive_bounded, send_with_policy)


def create_server(engine: Engine, class_address: str | None = None) -> FastAPI:
    """The whole application, ready for uvicorn."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @server.get("/healthz")
    async def health() -> JSONResponse:
        health = engine.health()
        return JSONResponse(health, 200 if health["healthy"] else 503)

    page = create_page(engine, class_address)
    add_assets(server)
    add_model(server, engine)
    add_stream(server, engine)
    page.max_threads = MAX_EVENTS
    page._queue.max_thread_count = MAX_EVENTS  # mounting, unlike launching, does not pass it on
    server.add_middleware(Guard, engine=engine)
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
