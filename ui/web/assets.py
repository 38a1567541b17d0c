"""The page's own scripts: ES modules, served from memory under an address that changes when they do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

HERE = Path(__file__).parent.parent  # ui/
SCRIPTS = {str(path.relative_to(HERE).as_posix()): path.read_bytes() for path in sorted(HERE.rglob("*.js"))}
VERSION = hashlib.sha256(b"\0".join(SCRIPTS.values())).hexdigest()[:12]
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


async def script(http: HTTPRequest) -> Response:
    """Answers GET /assets/VERSION/{name}. Only scripts that existed when the server started have an address."""
    name = http.path_params["name"]
    if name not in SCRIPTS:
        return Response("There is no such script.", 404, media_type="text/plain")
    return Response(SCRIPTS[name], media_type="text/javascript", headers=FOR_EVER)


def start_script(name: str) -> str:
    """JavaScript for `js_on_load` that runs `start(element, props)` of a module; the address is the page's own, in frames too."""
    return f'import(new URL("assets/{VERSION}/{name}", document.baseURI)).then(({{ start }}) => start(element, props));'
