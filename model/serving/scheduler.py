"""Fair scheduling of requests and rows. Uses no torch, no threads and no clock: requests and rows in, decisions out.

A request needs one row per sample. It waits until there are seats for all of its rows and takes them; its rows leave one by one.
Scheduling is fair among viewers: in every step, the rows of the viewers who have received the fewest characters since they arrived go
first, so that sixteen long texts of one viewer do not delay two short texts of another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from model.errors import BusyError
from model.serving.viewer import Viewer, client_of


class Asking(Protocol):
    """What the scheduler needs to know about a request."""

    viewer: Viewer | str

    @property
    def n_rows(self) -> int:
        """Number of seats that it needs at once."""
        ...


class Owned(Protocol):
    """Something that belongs to a viewer."""

    @property
    def viewer(self) -> Viewer | str:
        """The viewer that it belongs to."""
        ...


class Seated(Owned, Protocol):
    """What the scheduler needs to know about a row."""

    @property
    def written(self) -> int:
        """Characters written so far."""
        ...


R = TypeVar("R", bound=Asking)
S = TypeVar("S", bound=Seated)


@dataclass
class _Viewer(Generic[R]):
    served: int  # characters received, on a scale shared by all viewers
    seated: int = 0  # rows
    waiting: deque[tuple[int, R]] = field(default_factory=deque)  # with their arrival numbers


class Scheduler(Generic[R]):
    """Queues requests, admits them to seats, and decides which rows go next.

    Args:
        seats: maximum number of seated rows.
        viewer_seats: maximum number of seated rows per viewer.
        waiting: maximum number of waiting requests.
        viewer_waiting: maximum number of waiting requests per viewer.
    """

    def __init__(self, seats: int, viewer_seats: int, waiting: int, viewer_waiting: int):
        self._seats, self._viewer_seats, self._max_waiting, self._viewer_waiting = seats, viewer_seats, waiting, viewer_waiting
        self._viewers: dict[Viewer | str, _Viewer[R]] = {}
        self._arrivals = self._level = 0
        self.n_waiting = self.n_seated = 0

    def add(self, request: R) -> None:
        """Queues a request.

        Raises:
            BusyError: too many requests are already waiting.
        """
        if self.n_waiting >= self._max_waiting:
            raise BusyError(f"{self.n_waiting} requests are already waiting. Try again in a minute.")
        if (known := self._viewers.get(request.viewer)) and len(known.waiting) >= self._viewer_waiting:
            raise BusyError(f"{len(known.waiting)} of your requests are already waiting. Try again when they are done.")
        self._viewer(request.viewer).waiting.append((self._arrivals, request))
        self._arrivals += 1
        self.n_waiting += 1

    def n_waiting_of(self, viewer: Viewer | str) -> int:
        """Requests of one viewer that are waiting."""
        known = self._viewers.get(viewer)
        return len(known.waiting) if known else 0

    def n_waiting_of_client(self, client: str) -> int:
        """Requests of all viewers of one client that are waiting."""
        return sum(len(known.waiting) for viewer, known in self._viewers.items() if client_of(viewer) == client)

    def admit(self) -> R | None:
        """Seats the next request and returns it; None if there is no request that can be seated.

        The viewer with the fewest seated rows is next; among equals, the earlier request. No request overtakes one that needs more seats
        than are free, so that large requests get their turn too.
        """
        viewer = self._next_viewer() if self.n_waiting else None
        if viewer is None or self.n_seated + (n_rows := viewer.waiting[0][1].n_rows) > self._seats:
            return None
        viewer.seated += n_rows
        self.n_seated += n_rows
        self.n_waiting -= 1
        return viewer.waiting.popleft()[1]

    def line(self) -> list[R]:
        """The waiting requests in the order in which they would be admitted if no request arrived or ended."""
        if not self.n_waiting:
            return []
        places = []
        for viewer in self._viewers.values():
            rows = viewer.seated
            for arrival, request in viewer.waiting:
                places.append((rows, arrival, request))
                rows += request.n_rows
        return [request for _, _, request in sorted(places, key=lambda place: place[:2])]

    def drop(self, requests: Iterable[R]) -> None:
        """Removes requests from the queue."""
        gone = set(map(id, requests))
        for name, viewer in list(self._viewers.items()):
            stay = deque(entry for entry in viewer.waiting if id(entry[1]) not in gone)
            self.n_waiting -= len(viewer.waiting) - len(stay)
            viewer.waiting = stay
            self._forget_if_gone(name)

    def leave(self, row: Owned, seats: int = 1) -> None:
        """Frees a row's seat, or the seats that a request was given and could not take."""
        self._viewers[row.viewer].seated -= seats
        self.n_seated -= seats
        self._forget_if_gone(row.viewer)

    def in_turn(self, rows: Iterable[S]) -> list[S]:
        """Sorts rows by priority: rows of the viewers who were served least come first, and among these the shortest texts."""
        return sorted(rows, key=lambda row: (self._viewers[row.viewer].served, row.written))

    def serve(self, row: Seated, cost: int) -> None:
        """Charges a row's viewer for service, counted in characters written. Service is charged only while other rows had to wait, not
        while there is room for all."""
        viewer = self._viewers[row.viewer]
        self._level = max(self._level, viewer.served)
        viewer.served += cost

    def _viewer(self, name: Viewer | str) -> _Viewer[R]:
        """The state of a viewer. A new viewer starts at the service level of the viewers last served, without credit for the time
        before. (Start-time fair queueing: Goyal, Vin and Cheng, 1996.)"""
        if name not in self._viewers:
            self._viewers[name] = _Viewer(self._level)
        return self._viewers[name]

    def _next_viewer(self) -> _Viewer[R] | None:
        able = [v for v in self._viewers.values() if v.waiting and v.seated + v.waiting[0][1].n_rows <= self._viewer_seats]
        return min(able, key=lambda v: (v.seated, v.waiting[0][0]), default=None)

    def _forget_if_gone(self, name: Viewer | str) -> None:
        if not (self._viewers[name].seated or self._viewers[name].waiting):
            del self._viewers[name]


class SeatMap:
    """Assigns seats to rows.

    Rows of similar length are seated next to each other, so that they can share a call of PyTorch's attention without reading much more
    than their own keys. Seats are grouped into short benches; a row is seated on a bench with rows of similar length, or on an empty one.

    Args:
        seats: number of seats, a multiple of BENCH.
        block: difference in length, in characters, from which an empty bench is preferred.
    """

    BENCH = 8

    def __init__(self, seats: int, block: int):
        self._block = block
        self._free = [list(range(first + self.BENCH, first, -1)) for first in range(-1, seats - 1, self.BENCH)]
        self._taken: list[list[int]] = [[] for _ in self._free]  # seats taken on each bench

    def take(self, length: int, lengths: list[int]) -> int:
        """Takes a seat for a row of this length.

        Args:
            lengths: lengths of the rows in all seats.
        """
        best, best_distance = -1, float("inf")
        for bench, free in enumerate(self._free):
            if not free:
                continue
            taken = self._taken[bench]
            distance = abs(lengths[taken[0]] - length) if taken else self._block
            if distance < best_distance:
                best, best_distance = bench, distance
        if best < 0:
            raise IndexError("no seat is free")
        seat = self._free[best].pop()
        self._taken[best].append(seat)
        return seat

    def give_back(self, seat: int) -> None:
        """Frees a seat. The lowest free seat of a bench is taken first, so that rows are adjacent."""
        bench = seat // self.BENCH
        self._taken[bench].remove(seat)
        self._free[bench].append(seat)
        self._free[bench].sort(reverse=True)
