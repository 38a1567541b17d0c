"""Connections: how long each may wait for its client, and how many there may be.

uvicorn closes idle connections between two requests, and no others. Here every wait for a client has a timeout: for the head of a request,
for its body, and for the client to read the answer. Bodies must arrive, and answers must be read, at a minimum rate. There is no timeout
while the app works on a request, and a stream may last as long as the client reads it.

The number of connections is limited by the files that the process may open (`ConnectionLimits`), and one client may have half of them. At
the limit, a new connection replaces the one that has been waiting for its client the longest. If the app is working for all of them, the
new connection is closed. So connections that are merely held open keep nobody out. The process never runs out of file descriptors, which
would make asyncio's listener spin.
"""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from model.limits import CLASS_SIZE
from ui.web.clients import Proxies, client_at

HEAD_S = 20  # from the start of the connection, or the end of the last answer, to the end of a request's head
BODY_S = 20.0  # without any of a body
UNREAD_S = 30.0  # without reading any of an answer
MIN_BYTES_PER_S = 1_000  # of a body or an answer, over these times

OPEN_FILES = 16_384  # at most; the usual defaults are 256 and 1,024
OWN_FILES = 200  # models, runs, pipes
ACCEPTED_AT_ONCE = 64  # asyncio accepts as many as the backlog in uvicorn's settings, before any of them can be closed
CONNECTIONS_PER_BROWSER = 6  # to one host


class Pool:
    """Connections that share a limit.

    Attributes:
        waiting: those that wait for their clients, the longest wait first.
    """

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.waiting: dict[Connection, None] = {}


class ConnectionLimits:
    """Limits the number of connections, in total and per client. A trusted proxy connects for many clients and has only the total limit.

    Args:
        open_files: how many files the process may open. Each connection may need one for its answer.
    """

    def __init__(self, open_files: int, proxies: Proxies):
        self.maximum = max(2, (min(open_files, OPEN_FILES) - OWN_FILES - ACCEPTED_AT_ONCE) // 2)
        self.maximum_per_client = self.maximum // 2
        self.proxies = proxies
        self._all, self._by_client = Pool(), defaultdict[str, Pool](Pool)

    @property
    def n_connections(self) -> int:
        """Number of open connections."""
        return len(self._all.connections)

    def add(self, connection: Connection) -> bool:
        """Counts a new connection; False if it exceeds a limit."""
        everyone, client = self._pools_of(connection)
        within_limit = connection.is_proxy or self._make_room(client, self.maximum_per_client)
        if not (within_limit and self._make_room(everyone, self.maximum)):
            return False
        for pool in self._pools_of(connection):  # the client's is new if its last connection was closed to make room
            pool.connections.add(connection)
        return True

    def _make_room(self, pool: Pool, maximum: int) -> bool:
        """Whether the pool has room for one more, after closing the connection with the longest wait if necessary."""
        if len(pool.connections) >= maximum and pool.waiting:
            oldest = next(iter(pool.waiting))
            self.remove(oldest)
            oldest.transport.abort()
        return len(pool.connections) < maximum

    def remove(self, connection: Connection) -> None:
        """Stops counting a connection."""
        for pool in self._pools_of(connection):
            pool.connections.discard(connection)
            pool.waiting.pop(connection, None)
        if not self._by_client[connection.peer].connections:
            del self._by_client[connection.peer]

    def set_waiting(self, connection: Connection, waiting: bool) -> None:
        """Sets whether a connection waits for its client. Its wait starts now."""
        if connection not in self._all.connections:
            return
        for pool in self._pools_of(connection):
            pool.waiting.pop(connection, None)
            if waiting:
                pool.waiting[connection] = None

    def _pools_of(self, connection: Connection) -> tuple[Pool, Pool]:
        return self._all, self._by_client[connection.peer]

    def shortage(self) -> str:
        """A message for the lecturer if a class behind one address exceeds the limit; otherwise ""."""
        if self.maximum_per_client >= CLASS_SIZE * CONNECTIONS_PER_BROWSER:
            return ""
        needed = 4 * CLASS_SIZE * CONNECTIONS_PER_BROWSER + OWN_FILES + ACCEPTED_AT_ONCE
        return (
            f"This system allows {self.maximum:,} connections at once and {self.maximum_per_client:,} from one address: about "
            f"{self.maximum_per_client // CONNECTIONS_PER_BROWSER:,} phones behind a router. For more, raise the limit of open files to "
            f"{needed:,} (ulimit -n)."
        )


class Connection(H11Protocol):
    """A connection that is closed when it has waited too long for its client.

    Attributes:
        peer: the client at the other end, as `client_at` names it.
        is_proxy: whether that is a trusted proxy.
    """

    def __init__(self, limits: ConnectionLimits, **settings: object):
        super().__init__(**settings)  # type: ignore[arg-type]
        self.peer, self.is_proxy = "", False
        self._limits = limits
        self._waits_for = ""  # "head", "body", "reading", or "" while the app is working
        self._deadline = 0.0
        self._n_unread = 0  # bytes, when the deadline was set
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the first timeout, or closes a connection that exceeds the limits."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self.peer, self.is_proxy = client_at(host), self._limits.proxies.trust(host)
        transport.set_write_buffer_limits(high=0)  # so that `pause_writing` is called whenever something is left unread
        if self._limits.add(self):
            self._update_timer()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer and the counting."""
        self._limits.remove(self)
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handles data. Data of a body postpones the deadline, so that the minimum rate cannot be met in advance."""
        super().data_received(data)
        if self._waits_for == "body":
            self._deadline = min(self._deadline + len(data) / MIN_BYTES_PER_S, self.loop.time() + BODY_S)
        self._update_timer()

    def on_response_complete(self) -> None:
        """Starts a new timeout for the next request."""
        super().on_response_complete()
        self._waits_for = ""
        self._update_timer()

    def send_400_response(self, msg: str) -> None:
        """Reports invalid HTTP to the client, unless an answer has been sent or begun."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Starts the timeout for reading: the system's buffers are full."""
        super().pause_writing()
        self._update_timer()

    def resume_writing(self) -> None:
        """Ends the timeout for reading: everything has been sent."""
        super().resume_writing()
        self._update_timer()

    def _update_timer(self) -> None:
        """Restarts the timer if the connection now waits for something else."""
        waits_for = self._what_it_waits_for()
        if waits_for == self._waits_for:
            return
        self._waits_for = waits_for
        self._limits.set_waiting(self, bool(waits_for))
        if self._timer:
            self._timer.cancel()
        if waits_for:
            self._restart({"head": HEAD_S, "body": BODY_S, "reading": UNREAD_S}[waits_for])

    def _what_it_waits_for(self) -> str:
        if self.flow.write_paused:
            return "reading"
        if self.cycle is None or self.cycle.response_complete:
            return "head"
        return "body" if self.conn.their_state is h11.SEND_BODY else ""

    def _restart(self, seconds: float) -> None:
        self._n_unread = self.transport.get_write_buffer_size()
        self._deadline = self.loop.time() + seconds
        self._timer = self.loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        """Closes the connection if the client is too slow. The app's own delay in reading a body does not count."""
        if self._waits_for == "reading":
            if self._n_unread - self.transport.get_write_buffer_size() < UNREAD_S * MIN_BYTES_PER_S:
                self.transport.abort()
            else:
                self._restart(UNREAD_S)
        elif self.flow.read_paused:
            self._restart(BODY_S)
        elif self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)
        else:
            self.transport.close()


def make_config(application: Callable[..., object], limits: ConnectionLimits) -> uvicorn.Config:
    """The settings with which uvicorn serves the application over these connections, on asyncio whatever else is installed.

    Proxy headers are off because ui/web/clients.py reads them, web sockets because nothing here uses them, and warnings because clients
    could fill the log with them.
    """
    return uvicorn.Config(
        application,
        http=functools.partial(Connection, limits),  # type: ignore[arg-type]
        loop="asyncio",
        ws="none",
        log_level="error",
        proxy_headers=False,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=HEAD_S,
        timeout_graceful_shutdown=1,
    )
