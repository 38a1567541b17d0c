"""The app's health, for monitoring.

    GET /healthz        {"healthy": true, "writing": 12, "waiting": 0}      rows being written, requests that wait; 503 if not healthy

Monitoring may send HEAD.
"""

from __future__ import annotations

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.serving.engine import Engine
from ui.web.http import Respond


def health(engine: Engine) -> Respond:
    """The handler."""

    async def answer(http: HTTPRequest) -> Response:
        content = engine.health()
        return JSONResponse(content, 200 if content["healthy"] else 503)

    return answer
