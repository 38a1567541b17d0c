"""Models from the Hub, which the admin adds to the list of models while the app runs.

The admin alone, with "Authorization: Bearer ..." (ui/web/admin.py):

    POST /hub/fetch     {"model": "ada/tiny@v2"}            a name as model/hub/address.py reads it
    {"state": "fetching", "done": 0, "total": 0}            one JSON object per line: bytes of the weights so far, and of all
    {"state": "fetching", "done": 10485760, "total": 21494120}
    {"state": "done", "key": "e63aab5d", "id": "hub:ada/tiny@1a2b3c4", "name": "ada/tiny@1a2b3c4", "commit": "1a2b3c4...",
     "notice": "", "same_as": null}

    POST /hub/use       {"id": "hub:ada/tiny@1a2b3c4"}      {}      makes it the default model
    POST /hub/remove    {"id": "hub:ada/tiny@1a2b3c4"}      {}      takes it off the list

The last line of a fetch is done, or failed (with "error"). Closing the connection stops it. From then on GET /models lists the model, with
the source "hub"; "same_as" names a model with the same weights that was listed before, and is listed instead. "notice" says why an older
copy is used, if the Hub cannot be reached. A name that is none is answered by 400.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.catalogue import NO_SUCH_MODEL, Catalogue
from model.errors import CheckpointError, ParameterError, SoliloquyError, UnknownModelError
from model.hub.address import HubAddress, read_address
from model.hub.download import HubModel, fetch
from ui.web.http import Body, takes_json
from ui.web.models import Models
from ui.web.stream import LOOK_S, Line, LineStream

IN_USE = "This model is the default one. Use another one first."


class GoneError(Exception):
    """Nobody waits for the model any more."""


class Fetching:
    """How far the weights of a model are."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self._is_over = False

    def tell(self, done: int, total: int) -> None:
        """Called by the download, in its thread.

        Raises:
            GoneError: nobody waits for it any more.
        """
        if self._is_over:
            raise GoneError
        self.done, self.total = done, total

    def end(self) -> None:
        """Stops the download."""
        self._is_over = True


class FromHub:
    """The handlers."""

    def __init__(self, catalogue: Catalogue, models: Models):
        self._catalogue, self._models = catalogue, models
        self.fetch = takes_json({"model"}, self._fetch)
        self.use = takes_json({"id"}, self._use)
        self.remove = takes_json({"id"}, self._remove)

    async def _fetch(self, body: Body, http: HTTPRequest) -> Response:
        address, fetching = read_address(body.get("model")), Fetching()
        return LineStream(self._lines(address, fetching), fetching.end)

    async def _lines(self, address: HubAddress, fetching: Fetching) -> AsyncGenerator[Line]:
        work = asyncio.ensure_future(asyncio.to_thread(fetch, address, fetching.tell))
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # after the client has gone, nobody reads it
        while not work.done():
            yield {"state": "fetching", "done": fetching.done, "total": fetching.total}
            await asyncio.wait([work], timeout=LOOK_S)
        try:
            yield await asyncio.to_thread(self._add, work.result())
        except SoliloquyError as error:
            yield {"state": "failed", "error": str(error)}

    def _add(self, model: HubModel) -> dict[str, Any]:
        """Lists a fetched model, and describes it.

        Raises:
            ParameterError: too many are listed.
            CheckpointError: its files have been damaged since.
        """
        entry = self._catalogue.add_from_hub(model.name, model.folder)
        if entry.trouble:
            self._catalogue.remove_from_hub(entry.id)
            raise CheckpointError(entry.trouble)
        first = self._catalogue.find(entry.key)
        if first.id != entry.id:
            self._catalogue.remove_from_hub(entry.id)
        self._models.list_anew()
        return {
            "state": "done",
            "key": entry.key,
            "id": entry.id,
            "name": entry.name,
            "commit": model.commit,
            "notice": model.notice,
            "same_as": first.name if first.id != entry.id else None,
        }

    async def _use(self, body: Body, http: HTTPRequest) -> Response:
        await self._models.use_from_hub(_read_id(body))
        return JSONResponse({})

    async def _remove(self, body: Body, http: HTTPRequest) -> Response:
        entry = await asyncio.to_thread(self._catalogue.find_from_hub, _read_id(body))
        if entry is None:
            raise UnknownModelError(NO_SUCH_MODEL)
        if entry.key == self._models.default_key:
            raise ParameterError(IN_USE)
        self._catalogue.remove_from_hub(entry.id)
        self._models.list_anew()
        return JSONResponse({})


def _read_id(body: Body) -> str:
    """
    Raises:
        ParameterError: it is not a text.
    """
    if not isinstance(id := body.get("id"), str):
        raise ParameterError("The id must be that of a model from the Hub, as a text.")
    return id
