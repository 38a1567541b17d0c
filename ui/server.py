"""The app as a web server: the table of all routes, what every answer carries, and Gradio's page at the root."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from gradio.routes import App
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from model.catalogue import Catalogue
from model.classroom.classroom import Classroom
from model.classroom.saved import Saved
from model.classroom.scenes import Lecture
from model.errors import WENT_WRONG
from model.limits import MAX_CORPUS_BYTES
from model.serving.engine import Engine
from model.training.jobs import Jobs
from ui.gradio_events import MAX_EVENTS, Events
from ui.gradio_routes import open_routes
from ui.page import create_page
from ui.theme import make_theme
from ui.web.admin import Admin, Lock
from ui.web.assets import FOLDER, first_styles, script
from ui.web.assistant import MAX_ANSWERS_BYTES, Assistant
from ui.web.attention import Attention
from ui.web.character import character
from ui.web.chunks import chunks
from ui.web.classroom import ClassRoutes
from ui.web.client_log import log_fault
from ui.web.clients import Forwarded
from ui.web.copied import Copied
from ui.web.corpus import CorpusReader
from ui.web.encode import MAX_ENCODED_BYTES, decode, encode
from ui.web.health import health
from ui.web.hosts import Hosts
from ui.web.http import MAX_TEXT_BYTES, HeadAsGet, Route, addresses, get, post, refusal
from ui.web.hub import FromHub
from ui.web.ladder import ladder
from ui.web.lecture import FILES_AT_ONCE, MAX_FILE_BYTES, LectureFiles, notes
from ui.web.limits import limits
from ui.web.logits import logits
from ui.web.meaning_neighbours import Neighbours
from ui.web.meaning_norm import norms
from ui.web.meaning_translate import Translate
from ui.web.meaning_zeroshot import ZeroShot
from ui.web.models import Models
from ui.web.next import next_character
from ui.web.origins import Origins
from ui.web.reinforcement import reinforcement
from ui.web.reward import Reward
from ui.web.score import score
from ui.web.site import Site
from ui.web.snapshots import Snapshots
from ui.web.train import Training
from ui.web.write import follow, write
from ui.web.write_without import write_without

UPLOADS_AT_ONCE = 2  # each is in memory as a whole
DOWNLOADS_AT_ONCE = 4
FETCHES_AT_ONCE = 2  # of models from the Hub

NOTHING_HERE = "There is nothing at this address."

# The page sends no requests to other hosts; this makes browsers enforce it. Gradio's scripts need inline code and eval.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'"
)


def create_classroom(engine: Engine, jobs: Jobs, lock: Lock) -> ClassRoutes:
    """The class, as it was when the app was stopped."""
    return ClassRoutes(engine, Classroom(Saved(class_folder(jobs))), lock)


def create_routes(
    engine: Engine, catalogue: Catalogue, jobs: Jobs, lock: Lock, lecture: Lecture | None = None, classroom: ClassRoutes | None = None
) -> list[Route]:
    """The app's own routes: method, path, handler, who may use it (everyone, unless the lock stands there), and its bounds.

    Args:
        classroom: the class; None where nothing begins or ends with the app.
    """
    models, attention, admin = Models(engine, catalogue), Attention(engine), Admin(lock)
    hub = FromHub(catalogue, models)
    train, corpus, snapshots = Training(jobs, models, lock), CorpusReader(), Snapshots(engine, catalogue, jobs)
    assistant = Assistant(catalogue, corpus)
    reward = Reward(engine, catalogue.assistant_folder("reward"))
    neighbours, translate = Neighbours(engine, catalogue, corpus), Translate(engine, catalogue)
    classroom = classroom or create_classroom(engine, jobs, lock)
    lecture_files = LectureFiles(lecture)
    zero_shot = ZeroShot(engine, corpus, catalogue.meaning_folder())
    return [
        get("/healthz", health(engine)),
        get(f"/{FOLDER}/{{name:path}}", script),
        get("/limits", limits()),
        get("/models", models.get_all),
        get("/models/{key}", models.get_one),
        post("/write", write(engine), max_bytes=MAX_TEXT_BYTES),
        post("/follow", follow(engine)),
        post("/next", next_character(engine), max_bytes=MAX_TEXT_BYTES),
        post("/score", score(engine), max_bytes=MAX_TEXT_BYTES),
        get("/logits/{key}/{sample}", logits(engine)),
        get("/character/{key}/{sample}/{index}", character(engine)),
        post("/attention", attention.read, max_bytes=MAX_TEXT_BYTES),
        get("/attention/{key}/weights", attention.weights),
        get("/attention/{key}/head/{layer}/{head}", attention.head),
        get("/attention/{key}/average/{layer}", attention.average),
        get("/attention/{key}/logits", attention.logits),
        get("/attention/{key}/lens", attention.lens),
        get("/attention/{key}/cell/{layer}/{head}/{row}/{column}", attention.cell),
        post("/write_without", write_without(engine), max_bytes=MAX_TEXT_BYTES),
        get("/learning/corpus", corpus.answer),
        post("/learning/encode", encode(engine), max_bytes=MAX_ENCODED_BYTES),
        post("/learning/decode", decode(engine), max_bytes=MAX_ENCODED_BYTES),
        post("/learning/copied", Copied(corpus, snapshots.find, lock).answer, max_bytes=MAX_TEXT_BYTES),
        post("/learning/chunks", chunks(engine, corpus), max_bytes=MAX_ENCODED_BYTES),
        get("/learning/ladder", ladder(catalogue)),
        get("/learning/runs", snapshots.runs),
        get("/learning/runs/{source}/{run}/curve", snapshots.curve),
        post("/learning/heads", snapshots.heads, max_bytes=MAX_TEXT_BYTES),
        get("/assistant", assistant.about),
        get("/assistant/examples", assistant.examples),
        post("/assistant/judge", assistant.judge, max_bytes=MAX_ANSWERS_BYTES),
        get("/assistant/comparisons", reward.comparisons),
        post("/assistant/reward", reward.score, max_bytes=MAX_TEXT_BYTES),
        get("/assistant/runs", reinforcement(catalogue, jobs)),
        get("/meaning/zeroshot", zero_shot.about),
        post("/meaning/pairs", zero_shot.pairs),
        post("/meaning/choices", zero_shot.choices, max_bytes=MAX_TEXT_BYTES),
        post("/meaning/speakers", zero_shot.speakers, max_bytes=MAX_TEXT_BYTES),
        get("/meaning/translators", translate.translators),
        post("/meaning/translate", translate.translate, max_bytes=MAX_TEXT_BYTES),
        get("/meaning/norm", norms(catalogue, jobs)),
        get("/meaning/neighbours", neighbours.about),
        post("/meaning/nearest", neighbours.nearest),
        post("/meaning/similarity", neighbours.similarity),
        get("/class/stream", classroom.stream),
        get("/class/rounds/{round}", classroom.round),
        post("/class/join", classroom.join),
        post("/class/throw", classroom.throw),
        post("/class/vote", classroom.vote),
        post("/class/open", classroom.open, lock, max_bytes=MAX_TEXT_BYTES),
        post("/class/close", classroom.close, lock),
        post("/class/votes/open", classroom.open_votes, lock, max_bytes=MAX_TEXT_BYTES),
        post("/class/votes/close", classroom.close_votes, lock),
        post("/class/names", classroom.names, lock),
        post("/class/shut", classroom.shut, lock),
        post("/class/lead", classroom.lead, lock, max_bytes=MAX_TEXT_BYTES),
        post("/class/forget", classroom.forget, lock),
        get("/class/comparisons", classroom.comparisons, lock),
        get("/lecture", lecture_files.answer),
        post("/lecture/file", lecture_files.file, max_bytes=MAX_FILE_BYTES, at_once=FILES_AT_ONCE),
        post("/lecture/download", lecture_files.download, max_bytes=MAX_FILE_BYTES, at_once=FILES_AT_ONCE),
        get("/lecture/notes", notes),
        post("/admin/login", admin.login),
        post("/admin/logout", admin.logout),
        get("/admin/session", admin.session),
        get("/train/presets", train.presets),
        get("/train/runs", train.runs),
        get("/train/runs/{run}/metrics", train.metrics),
        post("/train/corpus", train.upload, lock, max_bytes=MAX_CORPUS_BYTES, at_once=UPLOADS_AT_ONCE),
        post("/train/start", train.start, lock),
        post("/train/pace", train.pace, lock),
        post("/train/runs/{run}/stop", train.stop, lock),
        post("/train/runs/{run}/resume", train.resume, lock),
        post("/train/runs/{run}/rename", train.rename, lock),
        post("/train/runs/{run}/delete", train.delete, lock),
        post("/train/runs/{run}/use", train.use, lock),
        post("/train/shipped/use", train.use_shipped, lock),
        get("/train/runs/{run}/log", train.log, lock),
        get("/train/runs/{run}/weights", train.weights, lock, at_once=DOWNLOADS_AT_ONCE),
        post("/hub/fetch", hub.fetch, lock, at_once=FETCHES_AT_ONCE),
        post("/hub/use", hub.use, lock),
        post("/hub/remove", hub.remove, lock),
    ]


def class_folder(jobs: Jobs) -> Path:
    """Where the class is kept: beside the folder of runs."""
    return jobs.folder.with_name(f"{jobs.folder.name}-class")


NO_DOCUMENTS = ("text/javascript", "text/css", "font/")  # a page has dozens of them; the policy is for what a browser shows


class Guard:
    """Middleware around every answer: adds the policy above and the name of the default model to it, and turns a bug that a request meets
    into an answer and a line in the log.

    Written directly against ASGI: streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, engine: Engine):
        self.app, self.engine = app, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal answered
            answered = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if not headers.get("content-type", "").startswith(NO_DOCUMENTS):
                    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Default-Model"] = self.engine.default_key
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:  # in the middle of a stream
            pass
        except Exception as error:
            log_fault(HTTPRequest(scope), error)
            if not answered:  # otherwise the connection is closed
                await refusal(WENT_WRONG, 500)(scope, receive, send_with_headers)


async def _nothing_here(http: HTTPRequest, error: Exception) -> Response:
    return refusal(NOTHING_HERE, 404)


def make_app(routes: Iterable[Route], engine: Engine, site: Site | None = None, lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """An app of a table of routes alone; anything else is answered by 404. A request passes the middleware in this order."""
    site = site or Site()
    middleware = [
        Middleware(Forwarded, proxies=site.proxies, prefix=site.prefix),
        Middleware(Guard, engine=engine),
        Middleware(Origins, own=site.origin),
        Middleware(Hosts, names=site.names, origin=site.origin),
        Middleware(HeadAsGet),
    ]
    return Starlette(routes=addresses(routes), middleware=middleware, exception_handlers={404: _nothing_here}, lifespan=lifespan)


def mount_page(page: gr.Blocks) -> tuple[App, Lifespan[Starlette]]:
    """Gradio's server of a page, and what starts and stops it."""
    page.max_threads = MAX_EVENTS
    page._queue.max_thread_count = MAX_EVENTS  # which mounting, unlike launching, does not set
    mounted = gr.mount_gradio_app(
        FastAPI(),
        page,
        path="/",
        root_path="",  # each request has its own
        theme=make_theme(),
        css=first_styles(),
        favicon_path=str(Path(__file__).with_name("favicon.png")),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
    )
    (gradio,) = [route.app for route in mounted.routes if isinstance(route, Mount) and isinstance(route.app, App)]
    return gradio, mounted.router.lifespan_context


def create_server(
    engine: Engine,
    catalogue: Catalogue,
    jobs: Jobs,
    lock: Lock,
    site: Site | None = None,
    class_address: str | None = None,
    lecture: Lecture | None = None,
) -> Starlette:
    """The whole application, ready for uvicorn. Gradio is reached through the table of routes alone. Its `state.end_streams` ends streams
    that have no end of their own, before it is stopped."""
    page = create_page(engine, class_address)
    gradio, lifespan = mount_page(page)
    classroom = create_classroom(engine, jobs, lock)
    own = create_routes(engine, catalogue, jobs, lock, lecture, classroom)
    app = make_app([*own, *open_routes(page, gradio, Events(page, gradio), own)], engine, site, _both(lifespan, classroom.lifespan))
    app.state.end_streams = classroom.end_streams
    return app


def _both(outer: Lifespan[Starlette], inner: Lifespan[Starlette]) -> Lifespan[Starlette]:
    """Starts one thing and then the other, and stops them the other way round."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with outer(app), inner(app):
            yield

    return lifespan
