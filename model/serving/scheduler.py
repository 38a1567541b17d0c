"""Whose turn it is. No torch, no threads, no clock: rows and requests in, decisions out.

A request asks for rows, one for each sample. It waits until there are seats for all of them, takes them, and its rows leave one by one.
Viewers are served by what they have had: in every step the rows go first whose viewers have been given the fewest characters
since they came, so that sixteen long texts of one viewer do not hold up two short ones of another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from model.errors import BusyError


class Asking(Protocol):
    """What the scheduler must know of a request."""

    viewer: str

    @property
    def n_rows(self) -> int:
        """Seats that it needs at once."""
        ...


class Owned(Protocol):
    """What takes a seat has an owner."""

    @property
    def viewer(self) -> str:
        """Whose it is."""
        ...


class Seated(Owned, Protocol):
    """What the scheduler must know of a row."""

    @property
    def written(self) -> int:
        """Characters written so far."""
        ...


R = TypeVar("R", bound=Asking)
S = TypeVar("S", bound=Seated)


@dataclass
class _Viewer(Generic[R]):
    served: int  # characters, on a scale on which all viewers compare
    seated: int = 0  # rows
    waiting: deque[tuple[int, R]] = field(default_factory=deque)  # with the number of their arrival


class Scheduler(Generic[R]):
    """Who waits, who sits, and who goes next.

    Args:
        seats: rows at once.
        viewer_seats: rows at once for one viewer.
        waiting: requests that may wait.
        viewer_waiting: requests of one viewer that may wait.
    """

    def __init__(self, seats: int, viewer_seats: int, waiting: int, viewer_waiting: int):
        self._seats, self._viewer_seats, self._max_waiting, self._viewer_waiting = seats, viewer_seats, waiting, viewer_waiting
        self._viewers: dict[Hashable, _Viewer[R]] = {}
        self._arrivals = self._level = 0
        self.n_waiting = self.n_seated = 0

    def add(self, request: R) -> None:
        """A request waits for its turn.

        Raises:
            BusyError: too many wait already.
        """
        if self.n_waiting >= self._max_waiting:
            raise BusyError(f"{self.n_waiting} requests wait already. Try again in a minute.")
        if (known := self._viewers.get(request.viewer)) and len(known.waiting) >= self._viewer_waiting:
            raise BusyError(f"{len(known.waiting)} of your requests wait already. Try again when they are done.")
        self._viewer(request.viewer).waiting.append((self._arrivals, request))
        self._arrivals += 1
        self.n_waiting += 1

    def admit(self) -> R | None:
        """The request that takes its seats now, or None if none can.

        Whoever has the fewest rows is next, the earlier request first. Nobody overtakes a request that waits for more seats than
        are free, so that large requests come to their turn too.
        """
        viewer = self._next_viewer() if self.n_waiting else None
        if viewer is None or self.n_seated + (n_rows := viewer.waiting[0][1].n_rows) > self._seats:
            return None
        viewer.seated += n_rows
        self.n_seated += n_rows
        self.n_waiting -= 1
        return viewer.waiting.popleft()[1]

    def line(self) -> list[R]:
        """Those who wait, in the order in which they would be admitted if nobody came or left."""
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
        """Requests that wait no longer."""
        gone = set(map(id, requests))
        for name, viewer in list(self._viewers.items()):
            stay = deque(entry for entry in viewer.waiting if id(entry[1]) not in gone)
            self.n_waiting -= len(viewer.waiting) - len(stay)
            viewer.waiting = stay
            self._forget_if_gone(name)

    def leave(self, row: Owned, seats: int = 1) -> None:
        """A row frees its seat, or a request seats that it was given and could not take."""
        self._viewers[row.viewer].seated -= seats
        self.n_seated -= seats
        self._forget_if_gone(row.viewer)

    def in_turn(self, rows: Iterable[S]) -> list[S]:
        """The rows in the order in which they go: those of the viewers who were served least, their shortest texts first."""
        return sorted(rows, key=lambda row: (self._viewers[row.viewer].served, row.written))

    def serve(self, row: Seated, cost: int) -> None:
        """A row was given this much, counted in characters written, while others had to stand back. What is given when there is
        room for all is nobody's debt."""
        viewer = self._viewers[row.viewer]
        self._level = max(self._level, viewer.served)
        viewer.served += cost

    def _viewer(self, name: str) -> _Viewer[R]:
        """A newcomer begins where those who were last served stood, with no claim to what others had before. (Start-time fair
        queueing: Goyal, Vin and Cheng, 1996.)"""
        if name not in self._viewers:
            self._viewers[name] = _Viewer(self._level)
        return self._viewers[name]

    def _next_viewer(self) -> _Viewer[R] | None:
        able = [v for v in self._viewers.values() if v.waiting and v.seated + v.waiting[0][1].n_rows <= self._viewer_seats]
        return min(able, key=lambda v: (v.seated, v.waiting[0][0]), default=None)

    def _forget_if_gone(self, name: Hashable) -> None:
        if not (self._viewers[name].seated or self._viewers[name].waiting):
            del self._viewers[name]


class SeatMap:
    """Which seats are free, and which of them suits a row.

    Rows of about the same length are seated side by side, so that they can share a call of attention without reading
    much more than their own keys. Seats come in short benches; a row takes one where its like sit, or an empty one.

    Args:
        seats: a multiple of BENCH.
        block: characters of difference that make an empty bench the better choice.
    """

    BENCH = 8

    def __init__(self, seats: int, block: int):
        self._block = block
        self._free = [list(range(first + self.BENCH, first, -1)) for first in range(-1, seats - 1, self.BENCH)]
        self._who: list[list[int]] = [[] for _ in self._free]  # seats taken on each bench

    def take(self, length: int, lengths: list[int]) -> int:
        """A seat for a row of some length.

        Args:
            lengths: of the rows in all seats.
        """
        best, best_distance = -1, float("inf")
        for bench, free in enumerate(self._free):
            if not free:
                continue
            taken = self._who[bench]
            distance = abs(lengths[taken[0]] - length) if taken else self._block
            if distance < best_distance:
                best, best_distance = bench, distance
        if best < 0:
            raise IndexError("no seat is free")
        seat = self._free[best].pop()
        self._who[best].append(seat)
        return seat

    def give_back(self, seat: int) -> None:
        """A seat is free again; the lowest of a bench is taken first, so that rows sit side by side."""
        bench = seat // self.BENCH
        self._who[bench].remove(seat)
        self._free[bench].append(seat)
        self._free[bench].sort(reverse=True)
