"""The page's own scripts, compressed, under an address that changes when they do.

A page loads one bundle for its header, its first tab and all that tabs share, and one for each other tab that is opened. Each module also
has an address of its own. Gradio's scripts lie beside them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from ui.files import read
from ui.web.bundle import FIRST, bundles, is_module, needed_bundles

HERE = Path(__file__).parent.parent  # ui/
FIRST_FOLDERS = ["header", "sample", "shared"]  # of what is shown first, and what it shares with the tabs
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
MEDIA_TYPES = {".js": "text/javascript", ".map": "application/json"}

ROOT_RULES = re.compile(r"^:root[^{]*\{[^}]*\}", re.MULTILINE)  # those that name the page's colours and sizes

SOURCES = {path.relative_to(HERE).as_posix(): path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.js"))}
MODULES = {path: source for path, source in SOURCES.items() if is_module(source)}


def _read_scripts() -> tuple[dict[str, bytes], str]:
    """Every script of the page and every bundle by its path, and a version that changes when any of them does."""
    joined = bundles(MODULES, "../", FIRST_FOLDERS)
    scripts = {path: text.encode() for path, text in (SOURCES | {f"bundles/{name}": text for name, text in joined.items()}).items()}
    return scripts, hashlib.sha256(b"\0".join(scripts.values())).hexdigest()[:12]


SCRIPTS, VERSION = _read_scripts()
COMPRESSED = {path: gzip.compress(script, mtime=0) for path, script in SCRIPTS.items()}
FOLDER = f"assets/{VERSION}"


def bundle_address(name: str) -> str:
    """Where a bundle is, relative to the page."""
    return f"{FOLDER}/bundles/{name}.js"


def head() -> str:
    """What the page begins with, before Gradio's scripts are there: its colours, its theme, and what loads its scripts."""
    colours = "\n".join(ROOT_RULES.findall(read("page.css")))
    return f"<style>{colours}</style><script>{read('state.js')}</script><script>{read('load.js')}</script>"


FIRST_BUNDLE = bundle_address(FIRST)


async def script(http: HTTPRequest) -> Response:
    """Answers GET /assets/VERSION/{name}. Only scripts that existed when the server started have an address."""
    name = http.path_params["name"]
    if name not in SCRIPTS:
        return Response("There is no such script.", 404, media_type="text/plain")
    return kept_for_ever(http, SCRIPTS[name], COMPRESSED[name], MEDIA_TYPES[Path(name).suffix])


def kept_for_ever(http: HTTPRequest, plain: bytes, gzipped: bytes, media_type: str) -> Response:
    """The answer with a file that never changes under its address."""
    if "gzip" in http.headers.get("Accept-Encoding", ""):
        return Response(gzipped, media_type=media_type, headers=HEADERS | {"Content-Encoding": "gzip"})
    return Response(plain, media_type=media_type, headers=HEADERS)


def start_script(module: str) -> str:
    """JavaScript for `js_on_load` that runs `start(element, props)` of a module; addresses are the page's own, in frames too."""
    needed = [bundle_address(name) for name in needed_bundles(module, MODULES, FIRST_FOLDERS)]
    return f"soliloquy.start({json.dumps(module)}, {json.dumps(needed)}, element, props);"
