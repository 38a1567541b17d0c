"""What the page and API clients are told of a request while it is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from model.serving.request import FINISHED, Request
from model.tokenizer import name

FIRST_LOOK_S = 0.02  # how often to look for the first character ...
LOOK_S = 0.2  # ... and for more, once there is one
HEARTBEAT_S = 1.0
NAMED_AT_MOST = 8  # characters named in a notice

View = dict[str, Any]


async def follow(request: Request) -> AsyncIterator[View]:
    """Views of a request: at once, with its first characters, then a few times a second, and the last whatever happened.

    While it waits for its turn a view now and then keeps the connection honest: a page that was closed is noticed at a yield.
    """
    told_state, told_at = "", 0.0
    while True:
        view = make_view(request)
        begun = any(view["texts"])
        if begun or view["state"] != told_state or time.monotonic() - told_at > HEARTBEAT_S:
            told_state, told_at = view["state"], time.monotonic()
            yield view
        if view["state"] in FINISHED:
            return
        await asyncio.sleep(LOOK_S if begun else FIRST_LOOK_S)


def make_view(request: Request) -> View:
    """A request at this moment, as JSON values."""
    progress = request.progress()
    written = sum(map(len, progress.texts))
    return {
        "run": request.number,
        "prompt": request.prompt,
        "seed": request.params.seed,
        "temperature": request.params.temperature,
        "first_sample": request.params.first_sample,
        "state": progress.state,
        "texts": progress.texts,
        "elapsed_s": progress.elapsed_s,
        "chars_per_s": written / progress.elapsed_s if progress.elapsed_s else 0,
        "notice": _left_out(request.left_out),
        "error": progress.error,
    }


def _left_out(chars: tuple[str, ...]) -> str:
    if not chars:
        return ""
    more = f" and {len(chars) - NAMED_AT_MOST} more" if len(chars) > NAMED_AT_MOST else ""
    return f"Left out, because the model does not know them: {', '.join(map(name, chars[:NAMED_AT_MOST]))}{more}."
