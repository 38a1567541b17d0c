"""Loads the model that a request names, and starts work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from model.errors import UnknownModelError
from model.serving.engine import Engine
from model.weights import Weights
from ui.web.stream import result_of

Result = TypeVar("Result")

TRIES = 3  # an idle model may be dropped, where memory is short, between loading and use


async def load(engine: Engine, key: str | None) -> Weights:
    """A model, ready to use; the default one if the key is None. Loading happens beside the event loop.

    Raises:
        UnknownModelError: there is no model of that key.
        CheckpointError: its files are damaged.
        BusyError: there is no memory for it now.
    """
    weights = engine.loaded(key)
    if weights is None:
        loading = await asyncio.to_thread(engine.load_later, str(key))
        try:
            weights = await result_of(asyncio.wrap_future(loading))
        finally:
            engine.leave(loading)
    return weights


async def start(engine: Engine, key: str | None, begin: Callable[[Weights], Result]) -> Result:
    """Starts something that needs a loaded model, such as a generation.

    Raises:
        UnknownModelError, CheckpointError, BusyError: as `load`, and whatever `begin` raises.
    """
    for _ in range(TRIES - 1):
        weights = await load(engine, key)
        try:
            return begin(weights)
        except UnknownModelError:  # dropped since it was loaded
            continue
    return begin(await load(engine, key))


async def run(engine: Engine, weights: Weights, work: Callable[[Weights], Result]) -> Result:
    """Does a short piece of work with a loaded model in the engine's thread, between two rounds of writing.

    Raises:
        BusyError: too much work waits already.
    """
    return await asyncio.wrap_future(engine.run(work, weights))


def precision_of(weights: Weights) -> str:
    """The precision that a loaded model multiplies matrices in: "float32"."""
    return str(weights.model.dtype).removeprefix("torch.")
