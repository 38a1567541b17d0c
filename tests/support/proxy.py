"""A small reverse proxy in front of an app, as nginx and others are set up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.viewing import serving

METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
OWN_HEADERS = (b"connection", b"transfer-encoding", b"date", b"server")  # of the connection to the app, not to the client


@contextlib.contextmanager
def reverse_proxy(target: str, prefix: str = "", strips: bool = True, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yields the address at which the proxy serves an app. It has nothing besides.

    Args:
        target: the app's own address.
        prefix: the path below which the proxy serves it.
        strips: whether the app is asked without the prefix.
        headers: that the app is sent besides, or instead of, the client's.
    """
    client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None))

    async def pass_on(http: Request) -> Response:
        path = http.url.path
        if not path.startswith(f"{prefix}/"):
            return PlainTextResponse(f"There is nothing at {path}.", 404)
        asked = httpx.URL(f"{target}{path.removeprefix(prefix) if strips else path}", query=http.url.query.encode())
        sent = {**http.headers, **{name.lower(): value for name, value in (headers or {}).items()}}
        answer = await client.send(client.build_request(http.method, asked, headers=sent, content=await http.body()), stream=True)
        response = StreamingResponse(_read(answer), answer.status_code)
        response.raw_headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in OWN_HEADERS]
        return response

    with serving(Starlette(routes=[Route("/{path:path}", pass_on, methods=METHODS)])) as url:
        yield f"{url}{prefix}"


async def _read(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The content as the app sends it; hangs up where the client does."""
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()
