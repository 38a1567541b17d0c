"""Requests of programs to the named endpoint, through Gradio's queue: a limited number per client, and only while somebody listens.

Gradio accepts every event, runs it to its end whether or not anybody reads the output, and keeps all of the output. Here each client has a
limited number of events. An event that nobody has listened to for a while is given up: the endpoint stops writing, which frees its rows in
the engine, and what Gradio kept for the event is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import PredictBodyInternal
from gradio.routes import App
from gradio.server_messages import ProcessCompletedMessage
from starlette.requests import Request as HTTPRequest

from model.errors import BusyError
from model.limits import MAX_VIEWER_ROWS, MAX_VIEWER_WAITING
from ui.web.clients import client_of

MAX_EVENTS = 400  # of all clients together
MAX_CLIENT_EVENTS = MAX_VIEWER_ROWS + MAX_VIEWER_WAITING  # the engine takes no more requests of a viewer, even of one row each
UNHEARD_S = 15.0  # within this time the stream of an event has to be opened, even by somebody who types the request
LOOK_S = 1.0  # how often events that nobody listens to are looked for


@dataclass
class Event:
    """An event that Gradio holds: it waits, runs, or has not been read to its end.

    Attributes:
        session: names the stream in which it is read.
        unheard_since: when it was accepted or last listened to, in seconds of the monotonic clock.
    """

    client: str
    session: str
    unheard_since: float


class Events:
    """The events that Gradio holds, by id. Use it only in the event loop's thread."""

    def __init__(self, page: gr.Blocks, gradio: App):
        self._page, self._gradio, self._queue = page, gradio, page._queue
        self._queue.set_server_app(gradio)
        self._events: dict[str, Event] = {}
        self._listeners = Counter[str]()  # per session: the one who listens and those who wait
        self._turns: dict[str, asyncio.Lock] = {}
        self._joining = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def join(self, http: HTTPRequest, fn_index: int, values: list[Any], session: str | None, whole: bool) -> str:
        """Queues an event and returns its id.

        Args:
            session: names the stream in which the event is read; None for a stream of its own.
            whole: whether each message of the stream repeats everything, as /call has it, or says what has changed.

        Raises:
            BusyError: the client, or all clients together, have too many events here.
        """
        async with self._joining:
            self._check_room(client := client_of(http))
            body = PredictBodyInternal(fn_index=fn_index, data=values, session_hash=session, simple_format=whole, request=http)
            accepted, key, _ = await self._queue.push(body, http, None)
            if not accepted:
                raise BusyError(str(key))
            self._events[str(key)] = Event(client, str(body.session_hash), time.monotonic())
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._give_up_unheard())
        return str(key)

    def session_of(self, key: str) -> str | None:
        """The session of an event; None if there is no such event, or it was read to its end."""
        self._forget_read()
        return self._events[key].session if key in self._events else None

    def has_session(self, session: str, client: str) -> bool:
        """Whether there is an event of this client to listen to in a session."""
        self._forget_read()
        return any(event.session == session and event.client == client for event in self._events.values())

    @contextlib.asynccontextmanager
    async def listening(self, session: str) -> AsyncIterator[None]:
        """Marks a session as listened to while the context lasts. Listeners of the same session take turns."""
        self._listeners[session] += 1
        turn = self._turns.setdefault(session, asyncio.Lock())
        try:
            async with turn:
                yield
        finally:
            self._listeners[session] -= 1
            self._unread(session).difference_update([key for key in self._unread(session) if self._is_dead(key, session)])
            self._forget_read()
            for event in self._events.values():
                if event.session == session:
                    event.unheard_since = time.monotonic()
            self._end_if_over(session)

    async def cancel(self, key: str) -> None:
        """Stops an event and tells its listener that it is over."""
        if session := self.session_of(key):
            await self._stop(key)
            if messages := self._queue.pending_messages_per_session.get(session):
                messages.put_nowait(ProcessCompletedMessage(output={}, success=True, event_id=key))

    def _check_room(self, client: str) -> None:
        """
        Raises:
            BusyError: there is no room for another event of the client.
        """
        self._forget_read()
        if (own := sum(event.client == client for event in self._events.values())) >= MAX_CLIENT_EVENTS:
            raise BusyError(f"{own} of your requests are in progress or unread already. Read their answers to the end, then try again.")
        if len(self._events) >= MAX_EVENTS:
            raise BusyError(f"{len(self._events)} requests are in progress already. Try again in a minute.")

    async def _give_up_unheard(self) -> None:
        """Gives up events that nobody listens to. Ends when there are no events any more."""
        while self._events:
            await asyncio.sleep(LOOK_S)
            self._forget_read()
            for key, event in [*self._events.items()]:
                if not self._listeners[event.session] and time.monotonic() - event.unheard_since > UNHEARD_S:
                    await self._stop(key)
                    self._unread(event.session).discard(key)
                    self._forget_read()

    async def _stop(self, key: str) -> None:
        """Takes an event out of Gradio's queue, or lets it end with the next thing it writes."""
        await self._queue.clean_events(event_id=key)

    def _is_dead(self, key: str, session: str) -> bool:
        """Whether Gradio no longer reports an event to anybody, because a listener has hung up."""
        running = self._queue.event_ids_to_events.get(key)
        return session not in self._queue.pending_messages_per_session or (running is not None and not running.alive)

    def _unread(self, session: str) -> set[str]:
        """The events of a session that Gradio keeps until they are read."""
        return self._queue.pending_event_ids_session.get(session, set())

    def _forget_read(self) -> None:
        for key, event in [*self._events.items()]:
            if key not in self._unread(event.session):
                del self._events[key]
                self._end_if_over(event.session)

    def _end_if_over(self, session: str) -> None:
        """Drops what Gradio keeps for a session that has no events any more and that nobody listens to."""
        if self._listeners[session] or any(event.session == session for event in self._events.values()):
            return
        del self._listeners[session]
        self._turns.pop(session, None)
        states = self._gradio.state_holder
        for kept in (
            self._queue.pending_messages_per_session,
            self._queue.pending_event_ids_session,
            self._page.pending_streams,
            self._page.pending_diff_streams,
            states.session_data,
            states.time_last_used,
        ):
            kept.pop(session, None)
