"""The page's own scripts, compressed, under an address that changes when they do.

A page loads one bundle for its header, one for each tab that is opened, and one of what they share. The answer to the page itself already
names those of the header and the first tab, so that the browser fetches them beside Gradio's scripts. Each module also has an address of
its own.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.web.bundle import bundles, folder_of, imported_bundles, is_module
from ui.web.http import route_path

HERE = Path(__file__).parent.parent  # ui/
FIRST_SHOWN = ["header", "sample"]  # the header and the first tab
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
MEDIA_TYPES = {".js": "text/javascript", ".map": "application/json"}


def _read_scripts() -> tuple[dict[str, bytes], str]:
    """Every script of the page and every bundle by its path, and a version that changes when any of them does."""
    sources = {path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.js"))}
    joined = bundles({path: source for path, source in sources.items() if is_module(source)}, sources="../")
    scripts = {path: text.encode() for path, text in (sources | {f"bundles/{name}": text for name, text in joined.items()}).items()}
    return scripts, hashlib.sha256(b"\0".join(scripts.values())).hexdigest()[:12]


SCRIPTS, VERSION = _read_scripts()
COMPRESSED = {path: gzip.compress(script, mtime=0) for path, script in SCRIPTS.items()}
FOLDER = f"assets/{VERSION}"


def bundle_address(folder: str) -> str:
    """Where a folder's bundle is, relative to the page."""
    return f"{FOLDER}/bundles/{folder}.js"


IMPORTED = [other for folder in FIRST_SHOWN for other in imported_bundles(SCRIPTS[f"bundles/{folder}.js"].decode())]
FIRST_BUNDLES = sorted({*FIRST_SHOWN, *IMPORTED})
PRELOAD = ", ".join(f"<{bundle_address(folder)}>; rel=modulepreload" for folder in FIRST_BUNDLES)


# Gradio's page links a manifest at the root of the host, and leaves browsers to look for an icon there; but the root may be another app's.
# Both links have one length, so that the answer's stays right.
MANIFEST = b'<link rel="manifest" href="/manifest.json" />'
ICON = b'<link rel="icon" href="favicon.ico" />'.ljust(len(MANIFEST))


class FirstLoad:
    """Compresses the page itself, names its icon, and names the first bundles in its headers. No other answer is touched."""

    def __init__(self, app: ASGIApp):
        self.app, self.compressing = app, GZipMiddleware(self._with_icon)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or route_path(scope) not in ("", "/"):
            await self.app(scope, receive, send)
            return

        async def send_with_link(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Link", PRELOAD)
            await send(message)

        await self.compressing(scope, receive, send_with_link)

    async def _with_icon(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_icon(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = message["body"].replace(MANIFEST, ICON)
            await send(message)

        await self.app(scope, receive, send_with_icon)


async def script(http: HTTPRequest) -> Response:
    """Answers GET /assets/VERSION/{name}. Only scripts that existed when the server started have an address."""
    name = http.path_params["name"]
    if name not in SCRIPTS:
        return Response("There is no such script.", 404, media_type="text/plain")
    media_type = MEDIA_TYPES[Path(name).suffix]
    if "gzip" in http.headers.get("Accept-Encoding", ""):
        return Response(COMPRESSED[name], media_type=media_type, headers=HEADERS | {"Content-Encoding": "gzip"})
    return Response(SCRIPTS[name], media_type=media_type, headers=HEADERS)


def start_script(name: str) -> str:
    """JavaScript for `js_on_load` that runs `start(element, props)` of a module; the address is the page's own, in frames too."""
    address = bundle_address(folder_of(name))
    return f'import(new URL("{address}", document.baseURI)).then(({{ load }}) => load("{name}").start(element, props));'
