"""The models that can be used, and which of them is the default.

    GET /models
    {"default": "e63aab5d", "models": [{"key": "e63aab5d", "id": "shakespeare", "name": "shakespeare", "source": "shipped", "kind": "gpt",
     "n_params": 10745088, "block_size": 256, "vocabulary": ["\\n", " ", ...], "start": "\\n", "val_loss": 1.41,
     "shows": ["attention", "lens", "heads"], "device": "CPU", "precision": "float32", "loaded": true, "trouble": "", "step": null,
     "run": null}, ...]}

The default comes first. "source" is shipped, assistant, ladder, meaning, run or hub; "run" is the id of a run in ui/web/train.py, and
"step" the step that its weights are from. "start" is what a text without a prompt starts from. "precision" is null until the model is
loaded. "trouble" says why a model cannot be used; what its files do not say is then null.

    GET /models/e63aab5d

Loads a model and answers with the same, and with "heads" (the content of heads.json, or null), "first_screen" (the texts of the
default model's first screen as far as they are written, or null; see ui/web/first_screen.py) and "facts" (for the header: ["shakespeare",
"10.7 M parameters", "CPU", "float32"]). An unknown key is answered by 404, damaged files by 400, and 503 if there is no memory for it now.

Every answer of the server names the default model in the header X-Default-Model, so that pages notice when it changes. An answer that a
model has made names that model in the header X-Model.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.catalogue import HUB, NO_SUCH_MODEL, RUN, SHIPPED, Catalogue, Entry
from model.errors import CheckpointError, ParameterError, UnknownModelError
from model.network import ATTENTION, HEADS, LENS
from model.network.kinds import KINDS
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import Weights
from ui.web.first_screen import FirstScreen
from ui.web.http import NO_STORE, model_header
from ui.web.loading import load, precision_of
from ui.web.shared_answers import SharedAnswers
from ui.web.stream import for_its_client

CAPABILITIES = (ATTENTION, LENS, HEADS)  # in the order in which they are listed
NO_WEIGHTS = "This run has no weights yet: they are saved with the first evaluation."
TRIES = 3  # a run that is being trained may replace its weights between finding and loading them


class Models:
    """Lists and describes the models, and changes the default one. For the event loop's thread.

    Attributes:
        default: what is known of the default model.
    """

    def __init__(self, engine: Engine, catalogue: Catalogue):
        self._engine, self._catalogue, self._first = engine, catalogue, engine.weights
        self._answers, self._first_screen = SharedAnswers(), FirstScreen(engine)
        self._one_at_a_time = asyncio.Lock()
        self.default = self._entry_of_first()

    @property
    def default_key(self) -> str:
        """The key of the default model."""
        return self._engine.default_key

    @for_its_client
    async def get_all(self, http: HTTPRequest) -> Response:
        """Answers GET /models."""
        return await self._answers.give(http, ("models", self.default_key), self._list_json)

    @for_its_client
    async def get_one(self, http: HTTPRequest) -> Response:
        """Answers GET /models/{key}.

        Raises:
            UnknownModelError, CheckpointError, BusyError: it cannot be loaded.
        """
        weights = await load(self._engine, http.path_params["key"])
        content = await asyncio.to_thread(self._loaded_json, weights)
        return JSONResponse(content, headers=NO_STORE | model_header(weights.key))

    async def use_run(self, run: str) -> None:
        """Makes a run's best weights the default model. Texts in progress are finished with the model that they were begun with.

        Raises:
            CheckpointError: there are none, or they are damaged.
            BusyError: there is no memory for it now.
        """
        await self._use(lambda: self._catalogue.find_run(run), NO_WEIGHTS)

    async def use_from_hub(self, id: str) -> None:
        """Makes a model from the Hub the default one, as `use_run` does with a run's.

        Raises:
            CheckpointError, BusyError: as `use_run`.
        """
        await self._use(lambda: self._catalogue.find_from_hub(id), NO_SUCH_MODEL)

    def list_anew(self) -> None:
        """Lets the next GET /models see a model that has come or gone just now."""
        self._answers.forget()

    async def _use(self, find: Callable[[], Entry | None], missing: str) -> None:
        async with self._one_at_a_time:
            for _ in range(TRIES):
                entry = await asyncio.to_thread(_usable, find, missing)
                try:
                    await asyncio.to_thread(self._engine.use, entry.key)
                except UnknownModelError:
                    continue
                self.default = entry
                self._answers.forget()
                return
            raise CheckpointError("The run replaced its weights while they were being loaded. Try again.")

    async def use_first(self) -> None:
        """Makes the model that the app was started with the default again."""
        async with self._one_at_a_time:
            if self.default_key != self._first.key:
                await asyncio.to_thread(self._engine.use, self._first)
            self.default = self._entry_of_first()
            self._answers.forget()

    def _entry_of_first(self) -> Entry:
        """What is known of the model that the app was started with."""
        return self._catalogue.find_from_hub(f"{HUB}:{self._first.name}") or _entry_of(self._first)

    def find_parent(self, key: object, usual: str) -> Entry:
        """The model that a fine-tuning run goes on from. For any thread.

        Args:
            usual: the id of the one that is taken if `key` is None.

        Raises:
            ParameterError: the key is not text.
            UnknownModelError: there is no such model.
        """
        if key is not None:
            if not isinstance(key, str):
                raise ParameterError("parent must be the key of a model.", "parent")
            return self._catalogue.find(key)
        found = next((entry for entry in self._catalogue.entries() if entry.id == usual), None)
        if found is None:
            raise UnknownModelError(f"There is no model {usual}. Choose another parent.")
        return found

    def _find(self, weights: Weights) -> Entry:
        """What is known of a loaded model, whose files may have gone."""
        with contextlib.suppress(UnknownModelError):
            entry = self.default if self.default.key == weights.key else self._catalogue.find(weights.key)
            if not entry.trouble:
                return entry
        return _entry_of(weights)

    def _list_json(self) -> dict[str, Any]:
        default = self._find(self._engine.weights)
        others = [self._usable(entry) for entry in self._catalogue.entries() if entry.key != default.key]
        return {"default": default.key, "models": [self._model_json(entry) for entry in (default, *others)]}

    def _usable(self, entry: Entry) -> Entry:
        """The entry; of a model that is in memory while its files are damaged, what the memory has."""
        weights = self._engine.loaded(entry.key) if entry.trouble and entry.key else None
        return _entry_of(weights) if weights else entry

    def _loaded_json(self, weights: Weights) -> dict[str, Any]:
        entry = self._find(weights)
        more = {"heads": weights.heads, "first_screen": self._first_screen.view(weights), "facts": facts(weights, entry.step)}
        return self._model_json(entry) | more

    def _model_json(self, entry: Entry) -> dict[str, Any]:
        weights = self._engine.loaded(entry.key) if entry.key else None
        shows = KINDS[entry.kind].network.shows if entry.kind else ()
        return {
            "key": entry.key,
            "id": entry.id,
            "name": entry.name,
            "source": entry.source,
            "kind": entry.kind,
            "n_params": entry.n_params,
            "block_size": entry.config.block_size if entry.config else None,
            "vocabulary": [*entry.tokenizer.vocabulary] if entry.tokenizer else [],
            "start": start_of(entry.tokenizer) if entry.tokenizer else "",
            "val_loss": entry.val_loss,
            "shows": [capability for capability in CAPABILITIES if capability in shows],
            "device": _device_name(weights or self._engine.weights),
            "precision": precision_of(weights) if weights else None,
            "loaded": weights is not None,
            "trouble": entry.trouble,
            "step": entry.step,
            "run": run_of(entry),
        }


def _usable(find: Callable[[], Entry | None], missing: str) -> Entry:
    """
    Raises:
        CheckpointError: there is no such entry, which `missing` says, or its files are damaged.
    """
    entry = find()
    if entry is None or entry.trouble:
        raise CheckpointError(entry.trouble if entry else missing)
    return entry


def _entry_of(weights: Weights) -> Entry:
    """The entry of a model that is not in the catalogue."""
    return Entry(weights.key, weights.name, weights.name, SHIPPED, Path(), "", weights.model.config, weights.tokenizer, weights.about)


def run_of(entry: Entry) -> str | None:
    """The id of the run that a model comes from."""
    return entry.id.removeprefix("runs/") if entry.source == RUN else None


def start_of(tokenizer: CharTokenizer) -> str:
    """What a text without a prompt starts from."""
    return tokenizer.decode(tokenizer.encode_prompt(""))


def facts(weights: Weights, step: int | None) -> list[str]:
    """What the header says of a model.

    Args:
        step: of the run that it comes from.
    """
    name = weights.name if step is None else f"{weights.name}, step {step:,}"
    return [name, _size(weights.model.n_params()), _device_name(weights), precision_of(weights)]


def _size(n_params: int) -> str:
    return f"{n_params / 1e6:.1f} M parameters" if n_params >= 100_000 else f"{n_params:,} parameters"


def _device_name(weights: Weights) -> str:
    return "GPU" if weights.model.device.type == "cuda" else "CPU"
