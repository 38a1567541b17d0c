"""The server around the page: health, headers, and the settings that Gradio wants to be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import gradio as gr
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from model.serving.engine import Engine
from ui.page import create_page
from ui.theme import make_theme, read

MAX_EVENTS = 400  # events at once; Gradio's 40 would make a class wait for each other
MAX_UPLOAD_BYTES = 1024  # nothing on the page takes a file, but Gradio's upload address is always there

# The page asks nothing of other hosts; this makes the browser hold it to that. Gradio's scripts need inline code and eval.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
)


def create_server(engine: Engine) -> FastAPI:
    """The whole application, ready for uvicorn."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @server.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @server.get("/healthz")
    async def health() -> JSONResponse:
        health = engine.health()
        return JSONResponse(health, 200 if health["healthy"] else 503)

    page = create_page(engine)
    page.max_threads = MAX_EVENTS
    page._queue.max_thread_count = MAX_EVENTS  # mounting, unlike launching, does not pass it on
    return gr.mount_gradio_app(
        server,
        page,
        path="/",
        theme=make_theme(),
        css=read("page.css") + read("sample_tab.css"),
        head=f"<script>{read('state.js')}</script>",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        max_file_size=MAX_UPLOAD_BYTES,
    )
