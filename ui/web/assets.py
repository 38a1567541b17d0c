"""The page's own scripts, compressed, and its fonts, under an address that changes when any of them does.

A page loads one bundle for its header and for what its first tab shows at first, and others for the views and tabs that are opened, with
their style sheets. Each module also has an address of its own. Gradio's scripts lie beside them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from ui.files import COMMENT, read, sheets
from ui.web.bundle import FIRST, Plan, is_module

HERE = Path(__file__).parent.parent  # ui/
FIRST_MODULES = ["header/main.js", "sample/main.js"]  # what the page begins with
NEXT_MODULES = ["following/start.js"]  # what every page fetches then
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
MEDIA_TYPES = {".js": "text/javascript", ".map": "application/json"}


SOURCES = {path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.js"))}
MODULES = {path: source for path, source in SOURCES.items() if is_module(source)}
SHEETS = sheets()
PLAN = Plan(MODULES, FIRST_MODULES, NEXT_MODULES)


def _read_scripts() -> dict[str, bytes]:
    """Every script of the page and every bundle by its path."""
    joined = {f"bundles/{name}": text for name, text in PLAN.join("../", SHEETS).items()}
    return {path: text.encode() for path, text in (SOURCES | joined).items()}


SCRIPTS = _read_scripts()
FONTS = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in sorted(HERE.rglob("*.woff2"))}
VERSION = hashlib.sha256(b"\0".join([*SCRIPTS.values(), *FONTS.values()])).hexdigest()[:12]
COMPRESSED = {path: gzip.compress(script, mtime=0) for path, script in SCRIPTS.items()}
FOLDER = f"assets/{VERSION}"


def head() -> str:
    """What the page begins with, before Gradio's scripts are there: its fonts and colours, its theme, and what loads its scripts."""
    styles = COMMENT.sub("", read("first.css")).replace("url(fonts/", f"url({FOLDER}/fonts/")
    scripts = [read("state.js"), read("load.js"), f'soliloquy.bundles = "{FOLDER}/bundles/";']
    return f"<style>{styles}</style>" + "".join(f"<script>{script}</script>" for script in scripts)


def first_styles() -> str:
    """The style sheets of what the page begins with, besides those in its head."""
    return "".join(sheet for path, sheet in SHEETS.items() if PLAN.place_of_sheet(path) == FIRST)


FIRST_BUNDLE = f"{FOLDER}/bundles/{FIRST}.js"  # relative to the page


async def script(http: HTTPRequest) -> Response:
    """Answers GET /assets/VERSION/{name}. Only scripts and fonts that existed when the server started have an address."""
    name = http.path_params["name"]
    if name in FONTS:  # compressed already
        return Response(FONTS[name], media_type="font/woff2", headers=HEADERS)
    if name not in SCRIPTS:
        return Response("There is no such script.", 404, media_type="text/plain")
    return kept_for_ever(http, SCRIPTS[name], COMPRESSED[name], MEDIA_TYPES[Path(name).suffix])


def kept_for_ever(http: HTTPRequest, plain: bytes, gzipped: bytes, media_type: str) -> Response:
    """The answer with a file that never changes under its address."""
    if "gzip" in http.headers.get("Accept-Encoding", ""):
        return Response(gzipped, media_type=media_type, headers=HEADERS | {"Content-Encoding": "gzip"})
    return Response(plain, media_type=media_type, headers=HEADERS)


def start_script(module: str) -> str:
    """JavaScript for `js_on_load` that runs `start(element, props)` of a module."""
    return f"soliloquy.start({json.dumps(module)}, {json.dumps(PLAN.needed(module))}, element, props);"
