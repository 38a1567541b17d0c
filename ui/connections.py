"""Connections: how long a client may leave one waiting, and how many there may be.

uvicorn closes a connection that sends nothing between two requests, and no other. Here each wait for the client has a limit: for the head
of a request, for its body, and for the client to take the answer. While the app works on a request there is no limit, and a stream lasts
as long as it is read.

The number of connections is bounded by the files that the process may open (`Places`), and half of it is for one client at most. When no
place is left, the connection whose client has been awaited longest makes room; if the app works for all of them, the new one is closed. So
connections that are only held open keep nobody out, and the system never refuses to open a file, which would make asyncio's listener spin.
"""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ui.web.clients import Proxies, client_at

HEAD_S = 20  # from the connection, or the last answer, to the end of a request's head
BODY_S = 20.0  # for a body, and a second more for each
BODY_BYTES_PER_S = 1_000
UNREAD_S = 30.0  # without taking a byte of an answer

OPEN_FILES = 16_384  # at most; systems begin with 256 or 1,024
OWN_FILES = 200  # models, runs, pipes
ACCEPTED_AT_ONCE = 64  # before the first of them can be closed; asyncio accepts as many as Config's backlog says
PHONE = 6  # connections that a browser opens to one host
CLASS = 600  # phones behind one address


class Group:
    """Connections that share a bound.

    Attributes:
        awaited: those whose client has to send something, beginning with the one that has been awaited longest.
    """

    def __init__(self) -> None:
        self.members: set[Connection] = set()
        self.awaited: dict[Connection, None] = {}


class Places:
    """Who is connected: bounded in all, and per client unless it is a trusted proxy, which connects for many.

    Args:
        open_files: how many files the process may open. Each connection may be sent one.
    """

    def __init__(self, open_files: int, proxies: Proxies):
        self.most = max(2, (min(open_files, OPEN_FILES) - OWN_FILES - ACCEPTED_AT_ONCE) // 2)
        self.most_per_client = self.most // 2
        self.proxies = proxies
        self._all, self._of_client = Group(), defaultdict[str, Group](Group)

    @property
    def taken(self) -> int:
        """How many connections there are."""
        return len(self._all.members)

    def take(self, connection: Connection) -> bool:
        """Gives a connection a place; False if there is none."""
        everybody, client = self._groups(connection)
        within_bound = connection.is_proxy or self._make_room(client, self.most_per_client)
        if not (within_bound and self._make_room(everybody, self.most)):
            return False
        for group in self._groups(connection):  # made anew, if the one that made room was the client's last
            group.members.add(connection)
        return True

    def _make_room(self, group: Group, most: int) -> bool:
        """Whether one more fits, if need be instead of the one that has been awaited longest."""
        if len(group.members) >= most and group.awaited:
            oldest = next(iter(group.awaited))
            self.leave(oldest)
            oldest.transport.abort()
        return len(group.members) < most

    def leave(self, connection: Connection) -> None:
        """Takes a connection's place back."""
        for group in self._groups(connection):
            group.members.discard(connection)
            group.awaited.pop(connection, None)
        if not self._of_client[connection.peer].members:
            del self._of_client[connection.peer]

    def mark(self, connection: Connection, awaited: bool) -> None:
        """Notes whether a connection's client has to send something. It goes to the end of those who have."""
        for group in self._groups(connection):
            group.awaited.pop(connection, None)
            if awaited and connection in group.members:
                group.awaited[connection] = None

    def _groups(self, connection: Connection) -> tuple[Group, Group]:
        return self._all, self._of_client[connection.peer]

    def shortage(self) -> str:
        """What a lecturer should know if a class behind one address does not fit; "" if it does."""
        if self.most_per_client >= CLASS * PHONE:
            return ""
        needed = 4 * CLASS * PHONE + OWN_FILES + ACCEPTED_AT_ONCE
        return (
            f"This system allows {self.most:,} connections at once and {self.most_per_client:,} from one address: about "
            f"{self.most_per_client // PHONE:,} phones behind a router. For more, raise the limit of open files to {needed:,} (ulimit -n)."
        )


class Connection(H11Protocol):
    """A connection, which is closed when its client leaves it waiting for too long.

    Attributes:
        peer: the client that it comes from, as `client_at` names it.
        is_proxy: whether that is a trusted proxy.
    """

    def __init__(self, places: Places, **settings: object):
        super().__init__(**settings)  # type: ignore[arg-type]
        self.peer, self.is_proxy = "", False
        self._places = places
        self._awaited = ""  # what the client has to send: "head", "body" or nothing
        self._until = 0.0  # when it has to be there
        self._due: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self.peer, self.is_proxy = client_at(host), self._places.proxies.trust(host)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` says whenever something is left unread
        if self._places.take(self):
            self._look()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection."""
        self._places.leave(self)
        for timer in (self._due, self._unread):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        super().data_received(data)
        self._until += len(data) / BODY_BYTES_PER_S if self._awaited == "body" else 0
        self._look()

    def on_response_complete(self) -> None:
        """An answer has been written."""
        self._awaited = ""
        super().on_response_complete()
        self._look()

    def send_400_response(self, msg: str) -> None:
        """Says that the client does not speak HTTP, unless it does so after or within an answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Something is left to be read."""
        super().pause_writing()
        self._wait_for_reading()

    def resume_writing(self) -> None:
        """Everything has been read, or is on the way."""
        super().resume_writing()
        if self._unread:
            self._unread.cancel()

    def _look(self) -> None:
        """Starts the clock when the client has to send something else than before."""
        awaited = self._what_is_awaited()
        if awaited == self._awaited:
            return
        self._awaited = awaited
        self._places.mark(self, bool(awaited))
        if self._due:
            self._due.cancel()
        if awaited:
            self._until = self.loop.time() + (HEAD_S if awaited == "head" else BODY_S)
            self._due = self.loop.call_at(self._until, self._overdue)

    def _what_is_awaited(self) -> str:
        if self.cycle is None or self.cycle.response_complete:
            return "head"
        return "body" if self.conn.their_state is h11.SEND_BODY else ""

    def _overdue(self) -> None:
        """Closes the connection, unless more of a body has come, or the app was slow to take it."""
        if self.flow.read_paused:
            self._until = self.loop.time() + BODY_S
        if self.loop.time() < self._until:
            self._due = self.loop.call_at(self._until, self._overdue)
        else:
            self.transport.close()

    def _wait_for_reading(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(UNREAD_S, self._check_reading, left)

    def _check_reading(self, left_before: int) -> None:
        if self.transport.get_write_buffer_size() < left_before:
            self._wait_for_reading()
        else:
            self.transport.abort()


def make_config(application: Callable[..., object], places: Places) -> uvicorn.Config:
    """How uvicorn serves the application: over these connections, on asyncio, whatever else is installed.

    Without its proxy headers, which ui/web/clients.py reads; without web sockets, which nothing here uses; and without its warnings, which
    anybody could write into the log.
    """
    return uvicorn.Config(
        application,
        http=functools.partial(Connection, places),  # type: ignore[arg-type]
        loop="asyncio",
        ws="none",
        log_level="error",
        proxy_headers=False,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=HEAD_S,
        timeout_graceful_shutdown=1,
    )
