"""Follows a generation while it is written, and describes it as JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from model.sampling import SamplingParams
from model.serving.request import FINISHED, NO_GUESS, Progress, Request
from ui.web.fields import SAMPLING, left_out_notice
from ui.web.stream import Bell

View = dict[str, Any]


async def follow(request: Request, precision: str) -> AsyncIterator[View]:
    """Views of a generation: one at once, one with its first characters, then a few per second, and always a last one."""
    with Bell(request) as bell:
        while True:
            view = view_json(request, precision)
            yield view
            if view["state"] in FINISHED:
                return
            await bell.pause(begun=any(view["texts"]))


def generation_json(request: Request, precision: str) -> View:
    """What does not change in a generation, including everything that determines its texts."""
    return {
        "generation": request.number,
        "key": request.key,
        "model": request.model,
        "precision": precision,
        "prompt": request.prompt,
        **sampling_json(request.params),
        "notice": left_out_notice(request.left_out),
    }


def sampling_json(params: SamplingParams) -> View:
    """Sampling settings under the names that requests use."""
    return {name: getattr(params, field) for name, field in SAMPLING.items()}


def view_json(request: Request, precision: str) -> View:
    """A generation at this moment."""
    progress = request.progress()
    written = sum(map(len, progress.texts))
    return generation_json(request, precision) | {
        "state": progress.state,
        "ahead": progress.ahead,
        "texts": progress.texts,
        "elapsed_s": progress.elapsed_s,
        "chars_per_s": written / progress.elapsed_s if progress.elapsed_s else 0,
        "error": progress.error,
        **guesses_json(progress),
    }


def guesses_json(progress: Progress) -> View:
    """What was guessed for each character; nothing where nothing was."""
    return {"guesses": progress.guesses} if any(guess != NO_GUESS for guesses in progress.guesses for guess in guesses) else {}
