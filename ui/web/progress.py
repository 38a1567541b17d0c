"""What the page and API clients are told of a request while it is written, and of what they typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from model.config import check_score_text
from model.errors import ParameterError
from model.serving.request import FINISHED, Request
from model.tokenizer import name
from model.weights import Weights

LOOK_S = 0.25  # how often readers are told what is new
HEARTBEAT_S = 1.0  # ... and that there is nothing new: a page that was closed is noticed when something is sent to it
NAMED_AT_MOST = 8  # characters named in a notice

View = dict[str, Any]


class Bell:
    """Wakes a reader in the server's event loop when its request has its first characters and when it is over."""

    def __init__(self, request: Request):
        self._loop, self._rung = asyncio.get_running_loop(), asyncio.Event()
        request.listen(lambda: self._loop.call_soon_threadsafe(self._rung.set))

    async def pause(self, begun: bool) -> None:
        """Until it is time to look again."""
        alarm = self._loop.call_later(LOOK_S if begun else HEARTBEAT_S, self._rung.set)
        await self._rung.wait()
        alarm.cancel()
        self._rung.clear()


async def follow(request: Request) -> AsyncIterator[View]:
    """Views of a request: at once, with its first characters, then a few times a second, and the last whatever happened."""
    bell = Bell(request)
    while True:
        view = make_view(request)
        yield view
        if view["state"] in FINISHED:
            return
        await bell.pause(begun=any(view["texts"]))


def introduce(request: Request) -> View:
    """What does not change of a request, all that makes its texts among it."""
    params = request.params
    return {
        "run": request.number,
        "key": request.key,
        "model": request.model,
        "prompt": request.prompt,
        "seed": params.seed,
        "temperature": params.temperature,
        "length": params.max_new_chars,
        "samples": params.samples,
        "first_sample": params.first_sample,
        "first_step": params.first_step,
        "top_k": params.top_k,
        "top_p": params.top_p,
        "notice": name_left_out(request.left_out),
    }


def make_view(request: Request) -> View:
    """A request at this moment, as JSON values."""
    progress = request.progress()
    written = sum(map(len, progress.texts))
    return introduce(request) | {
        "state": progress.state,
        "ahead": progress.ahead,
        "texts": progress.texts,
        "elapsed_s": progress.elapsed_s,
        "chars_per_s": written / progress.elapsed_s if progress.elapsed_s else 0,
        "error": progress.error,
    }


def name_left_out(chars: Sequence[str]) -> str:
    """The notice of characters that the vocabulary lacks; empty if there are none."""
    if not chars:
        return ""
    more = f" and {len(chars) - NAMED_AT_MOST} more" if len(chars) > NAMED_AT_MOST else ""
    return f"Left out, because the model does not know them: {', '.join(map(name, chars[:NAMED_AT_MOST]))}{more}."


def read_text(typed: object, weights: Weights) -> tuple[str, str]:
    """A text in the model's vocabulary, and the notice of what was left out.

    Raises:
        ParameterError: it is no text, is too long, or nothing is left of it.
    """
    check_score_text(typed)
    text, left_out = weights.tokenizer.normalise(str(typed))
    check_score_text(text)  # some characters become several
    notice = name_left_out(left_out)
    if not text:
        raise ParameterError(f"There is no text to read. {notice}".rstrip())
    return text, notice
