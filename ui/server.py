"""The app as a web server: the table of all routes, what every answer carries, and Gradio's page at the root."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.requests import Request as HTTPRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.catalogue import Catalogue
from model.limits import MAX_CORPUS_BYTES
from model.serving.engine import Engine
from model.training.jobs import Jobs
from ui.files import read, styles
from ui.page import create_page
from ui.theme import make_theme
from ui.web import corpora
from ui.web.admin import Admin, Lock
from ui.web.assets import VERSION, FirstLoad, script
from ui.web.attention import Attention
from ui.web.character import character
from ui.web.clients import Forwarded
from ui.web.health import health
from ui.web.hosts import Hosts
from ui.web.http import Route, add_routes, get, post, route_path
from ui.web.limits import limits
from ui.web.logits import logits
from ui.web.models import Models
from ui.web.next import next_character
from ui.web.origins import Origins
from ui.web.score import score
from ui.web.site import Site
from ui.web.train import Training
from ui.web.write import write
from ui.web.write_without import write_without

MAX_EVENTS = 400  # API calls at once; with Gradio's 40, programs would wait for each other
MAX_BODY_BYTES = 2**20  # many times the longest prompt
MAX_UPLOAD_BYTES = 1024  # nothing on the page takes a file, but Gradio's upload address is always there

TOO_LARGE = "larger than allowed"

# The page sends no requests to other hosts; this makes browsers enforce it. Gradio's scripts need inline code and eval.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
)


def create_routes(engine: Engine, catalogue: Catalogue, jobs: Jobs, lock: Lock) -> list[Route]:
    """Every route of the app besides Gradio's own: method, path, handler, and who may use it (everyone, unless the lock stands there)."""
    models, attention, admin = Models(engine, catalogue), Attention(engine), Admin(lock)
    train = Training(jobs, models)
    return [
        get("/healthz", health(engine), head=True),
        get(f"/assets/{VERSION}/{{name:path}}", script),
        get("/limits", limits()),
        get("/models", models.get_all),
        get("/models/{key}", models.get_one),
        post("/write", write(engine)),
        post("/next", next_character(engine)),
        post("/score", score(engine)),
        get("/logits/{key}/{sample}", logits(engine)),
        get("/character/{key}/{sample}/{index}", character(engine)),
        post("/attention", attention.read),
        get("/attention/{key}/weights", attention.weights),
        get("/attention/{key}/head/{layer}/{head}", attention.head),
        get("/attention/{key}/average/{layer}", attention.average),
        get("/attention/{key}/lens", attention.lens),
        get("/attention/{key}/cell/{layer}/{head}/{row}/{column}", attention.cell),
        post("/write_without", write_without(engine)),
        post("/admin/login", admin.login),
        post("/admin/logout", admin.logout),
        get("/admin/session", admin.session),
        get("/train/presets", train.presets),
        get("/train/runs", train.runs),
        get("/train/runs/{run}/metrics", train.metrics),
        post(corpora.PATH, train.upload, lock),
        post("/train/start", train.start, lock),
        post("/train/pace", train.pace, lock),
        post("/train/runs/{run}/stop", train.stop, lock),
        post("/train/runs/{run}/resume", train.resume, lock),
        post("/train/runs/{run}/rename", train.rename, lock),
        post("/train/runs/{run}/delete", train.delete, lock),
        post("/train/runs/{run}/use", train.use, lock),
        post("/train/shipped/use", train.use_shipped, lock),
        get("/train/runs/{run}/log", train.log, lock),
        get("/train/runs/{run}/weights", train.weights, lock),
    ]


class Guard:
    """Middleware around every answer: adds the policy above and the name of the default model to every answer, and refuses bodies that are
    larger than anything the page sends.

    Written directly against ASGI: streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, lock: Lock, engine: Engine):
        self.app, self.lock, self.engine = app, lock, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received, most = 0, self._max_bytes(scope)

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                self.lock.log(HTTPRequest(scope), TOO_LARGE)
                return {"type": "http.disconnect"}
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Default-Model"] = self.engine.default_key
            await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            self.lock.log(HTTPRequest(scope), TOO_LARGE)
            refusal = JSONResponse({"error": f"A request may have at most {most:,} bytes. Shorten it and try again."}, 413)
            await refusal(scope, receive, send_with_headers)
            return
        await self.app(scope, receive_bounded, send_with_headers)

    def _max_bytes(self, scope: Scope) -> int:
        """How large the body of a request may be."""
        is_upload = route_path(scope) == corpora.PATH and self.lock.admits(HTTPRequest(scope))
        return MAX_CORPUS_BYTES if is_upload else MAX_BODY_BYTES


def add_guards(server: FastAPI, engine: Engine, lock: Lock, site: Site) -> None:
    """Puts the checks of every request around a server. The last one comes first."""
    server.add_middleware(Origins)
    server.add_middleware(Hosts, names=site.names, origin=site.origin)
    server.add_middleware(Guard, lock=lock, engine=engine)
    server.add_middleware(Forwarded, proxies=site.proxies, prefix=site.prefix)


def create_server(
    engine: Engine, catalogue: Catalogue, jobs: Jobs, lock: Lock, site: Site | None = None, class_address: str | None = None
) -> FastAPI:
    """The whole application, ready for uvicorn."""
    site = site or Site()
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(server, create_routes(engine, catalogue, jobs, lock))
    page = create_page(engine, class_address)
    page.max_threads = MAX_EVENTS
    page._queue.max_thread_count = MAX_EVENTS  # which mounting, unlike launching, does not set
    server.add_middleware(FirstLoad)
    add_guards(server, engine, lock, site)
    return gr.mount_gradio_app(
        server,
        page,
        path="/",
        root_path="",  # each request has its own
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
