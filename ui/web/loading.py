"""Loads the model that a request names, and starts work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from model.errors import UnknownModelError
from model.precision import name_of
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import Weights
from ui.web.shared_work import SharedWork

Result = TypeVar("Result")

LOADS: SharedWork[tuple[Engine, str], Weights] = SharedWork()  # those that somebody waits for
TRIES = 3  # an idle model may be dropped, where memory is short, between loading and use


async def load(engine: Engine, key: str | None) -> Weights:
    """A model, ready to use; the default one if the key is None. It is loaded beside the event loop, once for all who
    wait for it, and not at all if they hang up before that begins.

    Raises:
        UnknownModelError: there is no model of that key.
        CheckpointError: its files are damaged.
        BusyError: there is no memory for it now.
    """
    return engine.loaded(key) or await LOADS.result((engine, str(key)), lambda: _load(engine, str(key)))


async def _load(engine: Engine, key: str) -> Weights:
    entry = await asyncio.to_thread(engine.find_model, key)
    return await asyncio.wrap_future(engine.load_later(entry))


async def find_tokenizer(engine: Engine, key: str | None) -> tuple[str, CharTokenizer]:
    """The key and the tokenizer of a model, without loading its weights; those of the default one if the key is None.

    Raises:
        UnknownModelError, CheckpointError: as `load`.
    """
    if weights := engine.loaded(key):
        return weights.key, weights.tokenizer
    entry = await asyncio.to_thread(engine.find_model, str(key))
    assert entry.tokenizer is not None  # one without is damaged
    return entry.key, entry.tokenizer


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
    return name_of(weights.model.dtype)
