"""Whose turn it is: seats, the queue, and fairness among viewers, held by random comings and goings."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model.errors import BusyError
from model.serving.scheduler import Scheduler, SeatMap

SEATS, VIEWER_SEATS, WAITING, VIEWER_WAITING = 12, 6, 7, 3
VIEWERS = "ABCD"


@dataclass(eq=False)
class Request:
    """All that the scheduler wants to know of one."""

    viewer: str
    n_rows: int


@dataclass(eq=False)
class Row:
    """All that the scheduler wants to know of one, and what it was given."""

    viewer: str
    written: int = 0


def order_of_admission(waiting: list[Request], seated: dict[str, int]) -> list[tuple[int, int]]:
    """Of each viewer's first request: how many rows the viewer has, and its place among the arrivals; those who come next first.

    A viewer whose first request does not fit beside his rows is no candidate.
    """
    firsts = {request.viewer: i for i, request in reversed([*enumerate(waiting)])}
    return sorted((seated[v], i) for v, i in firsts.items() if seated[v] + waiting[i].n_rows <= VIEWER_SEATS)


def admit_all(scheduler: Scheduler[Request]) -> list[Request]:
    """Those who take their seats now, one after the other."""
    return [*iter(scheduler.admit, None)]


class Comings(RuleBasedStateMachine):
    """Requests come, are admitted, are dropped; rows leave. Beside the scheduler two plain lists say what must be."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler: Scheduler[Request] = Scheduler(SEATS, VIEWER_SEATS, WAITING, VIEWER_WAITING)
        self.waiting: list[Request] = []  # as they came
        self.rows: list[Row] = []

    def seated(self) -> dict[str, int]:
        """Rows of each viewer."""
        return {viewer: sum(row.viewer == viewer for row in self.rows) for viewer in VIEWERS}

    @rule(viewer=st.sampled_from(VIEWERS), n_rows=st.integers(1, VIEWER_SEATS))
    def comes(self, viewer: str, n_rows: int) -> None:
        request = Request(viewer, n_rows)
        if len(self.waiting) == WAITING:
            with pytest.raises(BusyError, match=r"^7 requests are already waiting\. Try again in a minute\.$"):
                self.scheduler.add(request)
        elif sum(other.viewer == viewer for other in self.waiting) == VIEWER_WAITING:
            with pytest.raises(BusyError, match=r"^3 of your requests are already waiting\. Try again when they are done\.$"):
                self.scheduler.add(request)
        else:
            self.scheduler.add(request)
            self.waiting.append(request)

    @rule()
    def are_admitted(self) -> None:
        line = self.scheduler.line()
        admitted = admit_all(self.scheduler)
        assert [request for request in line if request in admitted] == admitted
        for request in admitted:  # each was next when its turn came
            (rows, i), *_ = order_of_admission(self.waiting, self.seated())
            assert self.waiting.pop(i) is request
            assert self.seated()[request.viewer] == rows
            self.rows += [Row(request.viewer) for _ in range(request.n_rows)]
        for _, i in order_of_admission(self.waiting, self.seated())[:1]:  # and who is next now must wait for seats
            assert len(self.rows) + self.waiting[i].n_rows > SEATS

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def a_row_leaves(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.rows))
        self.rows.remove(row)
        self.scheduler.leave(row)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), stranger=st.booleans())
    def are_dropped(self, data: st.DataObject, stranger: bool) -> None:
        gone = data.draw(st.lists(st.sampled_from(self.waiting), unique_by=id, max_size=3))
        self.waiting = [request for request in self.waiting if request not in gone]
        self.scheduler.drop([*gone, Request("A", 1)] if stranger else gone)

    @invariant()
    def seats_and_places_are_counted_and_bounded(self) -> None:
        assert self.scheduler.n_seated == len(self.rows) <= SEATS
        assert self.scheduler.n_waiting == len(self.waiting) <= WAITING
        assert max(self.seated().values()) <= VIEWER_SEATS

    @invariant()
    def all_who_wait_are_in_line_once_and_a_viewers_in_the_order_of_their_coming(self) -> None:
        line = self.scheduler.line()
        assert len(line) == len(self.waiting)
        for viewer in VIEWERS:
            assert [r for r in line if r.viewer == viewer] == [r for r in self.waiting if r.viewer == viewer]

    @invariant()
    def rows_go_in_turn_once_each(self) -> None:
        assert sorted(map(id, self.scheduler.in_turn(self.rows))) == sorted(map(id, self.rows))


TestComings = Comings.TestCase
TestComings.settings = settings(max_examples=100, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow])

requests = st.builds(Request, st.sampled_from(VIEWERS), st.integers(1, 16))


@given(st.lists(requests, max_size=12), st.lists(requests, max_size=12), st.integers(0, 2**32))
def test_the_line_is_the_order_of_admission_when_nobody_comes_or_leaves(before: list[Request], after: list[Request], seed: int) -> None:
    scheduler: Scheduler[Request] = Scheduler(1_000, 1_000, 1_000, 1_000)
    for request in before:
        scheduler.add(request)
    rows = [Row(request.viewer) for request in admit_all(scheduler) for _ in range(request.n_rows)]
    for row in Random(seed).sample(rows, len(rows) // 2):
        scheduler.leave(row)
    for request in after:
        scheduler.add(request)
    line = scheduler.line()
    assert sorted(map(id, line)) == sorted(map(id, after))
    assert admit_all(scheduler) == line
    assert scheduler.line() == []


def test_nobody_overtakes_a_request_that_waits_for_more_seats_than_are_free() -> None:
    scheduler: Scheduler[Request] = Scheduler(16, 16, 10, 10)
    small, large, late = Request("A", 1), Request("B", 16), [Request(viewer, 1) for viewer in "CDEF"]
    for request in (small, large, *late):
        scheduler.add(request)
    assert admit_all(scheduler) == [small]  # 15 seats stay empty
    assert admit_all(scheduler) == []
    scheduler.leave(Row("A"))
    assert admit_all(scheduler) == [large]
    for _ in range(16):
        scheduler.leave(Row("B"))
    assert admit_all(scheduler) == late


def test_a_viewer_at_the_bound_holds_up_nobody_else() -> None:
    scheduler: Scheduler[Request] = Scheduler(100, 16, 10, 10)
    hog, other = [Request("A", n_rows) for n_rows in (8, 8, 1, 2)], Request("B", 8)
    for request in (*hog, other):
        scheduler.add(request)
    assert admit_all(scheduler) == [hog[0], other, hog[1]]
    scheduler.leave(Row("A"))
    assert admit_all(scheduler) == [hog[2]]
    scheduler.leave(Row("A"))
    assert admit_all(scheduler) == []  # 15 + 2
    scheduler.leave(Row("A"))
    assert admit_all(scheduler) == [hog[3]]


def test_a_viewer_whose_requests_wait_is_refused_and_nobody_else() -> None:
    scheduler: Scheduler[Request] = Scheduler(1, 1, 10, 2)
    waiting = [Request(viewer, 1) for viewer in "AABB"]
    for request in waiting:
        scheduler.add(request)
    with pytest.raises(BusyError, match=r"^2 of your requests are already waiting\. Try again when they are done\.$"):
        scheduler.add(Request("A", 1))
    assert scheduler.n_waiting == 4
    assert scheduler.line() == [waiting[0], waiting[2], waiting[1], waiting[3]]
    late = Request("C", 1)
    scheduler.add(late)
    assert scheduler.admit() is waiting[0]
    scheduler.add(Request("A", 1))
    with pytest.raises(BusyError):
        scheduler.add(Request("A", 1))


def test_a_full_queue_is_refused_and_dropped_requests_free_their_places() -> None:
    scheduler: Scheduler[Request] = Scheduler(1, 1, 3, 2)
    waiting = [Request(viewer, 1) for viewer in "ABC"]
    for request in waiting:
        scheduler.add(request)
    with pytest.raises(BusyError, match=r"^3 requests are already waiting\. Try again in a minute\.$"):
        scheduler.add(Request("D", 1))
    assert scheduler.line() == waiting
    scheduler.drop(waiting[:2])
    late = [Request("D", 1), Request("A", 1)]
    for request in late:
        scheduler.add(request)
    with pytest.raises(BusyError):
        scheduler.add(Request("E", 1))
    assert scheduler.line() == [waiting[2], *late]


@dataclass
class Crowd:
    """Viewers with rows, as the writer serves them: in every turn the first `step_rows` of those that are ready."""

    step_rows: int
    scheduler: Scheduler[Request] = field(default_factory=lambda: Scheduler(10_000, 10_000, 10_000, 10_000))
    rows: list[Row] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)  # characters since the viewer came ...
    contested: dict[str, int] = field(default_factory=dict)  # ... and those of them for which others had to stand back

    def comes(self, viewer: str, n_rows: int) -> None:
        """A viewer with rows."""
        self.scheduler.add(Request(viewer, n_rows))
        assert self.scheduler.admit()
        self.rows += [Row(viewer) for _ in range(n_rows)]
        self.given[viewer] = self.contested[viewer] = 0

    def leaves(self, viewer: str) -> None:
        """A viewer with all his rows."""
        for row in [row for row in self.rows if row.viewer == viewer]:
            self.rows.remove(row)
            self.scheduler.leave(row)
        del self.given[viewer]

    def turn(self, away: frozenset[str] = frozenset()) -> tuple[list[Row], list[Row]]:
        """One step: the rows that went and those that were left; the rows of some viewers are not ready."""
        order = self.scheduler.in_turn([row for row in self.rows if row.viewer not in away])
        went, left = order[: self.step_rows], order[self.step_rows :]
        for row in went:
            if left:  # what is given when there is room for all is nobody's debt
                self.scheduler.serve(row, 1)
                self.contested[row.viewer] += 1
            row.written += 1
            self.given[row.viewer] += 1
        return went, left


def fair_share(sizes: list[int], step_rows: int, turns: int) -> list[float]:
    """What viewers with so many rows each are due after some turns if characters could be divided: all the same, except for those
    who have too few rows to take that much."""
    due, left = [0.0] * len(sizes), float(step_rows * turns)
    by_size = sorted(range(len(sizes)), key=lambda i: sizes[i])
    for place, i in enumerate(by_size):
        due[i] = min(sizes[i] * turns, left / (len(sizes) - place))
        left -= due[i]
    return due


@given(st.integers(1, 40), st.lists(st.integers(1, 20), min_size=2, max_size=7))
def test_everybody_is_given_a_fair_share_to_within_the_rows_of_a_turn(step_rows: int, sizes: list[int]) -> None:
    crowd = Crowd(step_rows)
    for number, n_rows in enumerate(sizes):
        crowd.comes(str(number), n_rows)
    for turn in range(1, 61):
        crowd.turn()
        for had, due in zip(crowd.given.values(), fair_share(sizes, step_rows, turn), strict=True):
            assert abs(had - due) <= min(step_rows, max(sizes))


@given(st.integers(1, 20), st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 2**32))
def test_nobody_goes_before_one_who_has_been_served_less(step_rows: int, sizes: list[int], seed: int) -> None:
    crowd, random = Crowd(step_rows), Random(seed)
    for number, n_rows in enumerate(sizes):  # all at once, so that this is what they are ranked by
        crowd.comes(str(number), n_rows)
    for _ in range(60):
        before = dict(crowd.contested)
        went, left = crowd.turn(frozenset(random.sample(sorted(crowd.given), random.randrange(len(sizes)))))
        assert not left or len(went) == step_rows
        for first in {row.viewer for row in went}:
            assert all(before[first] <= before[row.viewer] for row in left)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 30))
def test_one_viewers_rows_stay_within_a_character_of_each_other(step_rows: int, n_rows: int, turns: int) -> None:
    crowd = Crowd(step_rows)
    crowd.comes("A", n_rows)
    for _ in range(turns):
        crowd.turn()
        written = [row.written for row in crowd.rows]
        assert max(written) - min(written) <= 1


@given(st.lists(st.integers(8, 16), min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 50))
def test_a_newcomer_with_few_rows_is_not_held_up(hogs: list[int], n_rows: int, turns_before: int) -> None:
    crowd = Crowd(step_rows=8)
    for number, hog_rows in enumerate(hogs):
        crowd.comes(f"hog {number}", hog_rows)
    for _ in range(turns_before):
        crowd.turn()
    begin = max(crowd.given.values())  # at the latest: where those who were last served stood
    crowd.comes("new", n_rows)
    for turn in range(1, 61):
        is_behind = begin + crowd.given["new"] < least(crowd)
        went, _ = crowd.turn()
        if is_behind:
            assert sum(row.viewer == "new" for row in went) == n_rows
        assert crowd.given["new"] >= min(n_rows * turn, least(crowd) - begin) - 8  # all that there was to have, or as much as a hog
        assert crowd.given["new"] >= n_rows or turn <= len(hogs)  # each hog can go before it once


def least(crowd: Crowd) -> int:
    """What the hog has who was given least."""
    return min(had for viewer, had in crowd.given.items() if viewer != "new")


def test_a_newcomer_has_no_claim_to_what_others_had_before() -> None:
    crowd = Crowd(step_rows=4)
    crowd.comes("A", 4)
    for _ in range(1_000):
        crowd.turn()
    crowd.comes("B", 4)
    for _ in range(20):
        crowd.turn()
    assert abs(crowd.given["A"] - 4_000 - crowd.given["B"]) <= 4


def test_one_who_left_and_comes_again_pays_for_nothing() -> None:
    crowd = Crowd(step_rows=4)
    crowd.comes("A", 4)
    crowd.comes("B", 4)
    for _ in range(100):
        crowd.turn(frozenset("B"))
    crowd.leaves("A")
    crowd.comes("A", 4)
    for _ in range(20):
        crowd.turn()
    assert abs(crowd.given["A"] - crowd.given["B"]) <= 4


def test_one_who_gave_up_waiting_and_comes_again_has_no_claim() -> None:
    crowd = Crowd(step_rows=4, scheduler=Scheduler(8, 8, 10, 10))
    crowd.comes("A", 4)
    early = Request("B", 8)
    crowd.scheduler.add(early)
    for _ in range(100):
        crowd.turn()
    crowd.scheduler.drop([early])
    crowd.comes("B", 4)
    for _ in range(20):
        crowd.turn()
    assert abs(crowd.given["A"] - 400 - crowd.given["B"]) <= 4


def test_what_is_given_when_there_is_room_for_all_is_nobodys_debt() -> None:
    crowd = Crowd(step_rows=16)
    crowd.comes("one row", 1)
    crowd.comes("many rows", 15)
    for _ in range(100):
        crowd.turn()  # 100 characters for the one, 1,500 for the other
    before = crowd.given["many rows"]
    crowd.comes("new", 15)
    for _ in range(20):
        crowd.turn()
    assert abs(crowd.given["many rows"] - before - crowd.given["new"]) <= 16


def test_a_viewer_of_few_rows_lends_newcomers_no_claim() -> None:
    crowd = Crowd(step_rows=16)
    for viewer, n_rows in (("one row", 1), ("A", 15), ("B", 15)):
        crowd.comes(viewer, n_rows)
    for _ in range(100):
        crowd.turn()  # 100 characters for the one, 750 for each of the others
    before = dict(crowd.given)
    crowd.comes("new", 15)
    for _ in range(20):
        crowd.turn()
    for viewer in "AB":  # both had rows to spare all along, and so had the newcomer
        assert abs(crowd.given[viewer] - before[viewer] - crowd.given["new"]) <= 16


def test_reading_a_long_window_counts_as_being_served() -> None:
    crowd = Crowd(step_rows=1)
    crowd.comes("A", 1)
    crowd.comes("B", 1)
    crowd.scheduler.serve(crowd.rows[0], 50)
    for _ in range(50):
        assert [row.viewer for row in crowd.turn()[0]] == ["B"]
    assert {crowd.turn()[0][0].viewer, crowd.turn()[0][0].viewer} == {"A", "B"}


class Seating(RuleBasedStateMachine):
    """Rows of any length come and go; their texts grow."""

    def __init__(self) -> None:
        super().__init__()
        self.map = SeatMap(24, block=32)
        self.taken: list[int] = []
        self.lengths = [0] * 24

    @precondition(lambda self: len(self.taken) < 24)
    @rule(length=st.integers(1, 256))
    def takes(self, length: int) -> None:
        seat = self.map.take(length, self.lengths)
        assert seat in range(24)
        assert seat not in self.taken
        self.taken.append(seat)
        self.lengths[seat] = length

    @precondition(lambda self: len(self.taken) == 24)
    @rule(length=st.integers(1, 256))
    def finds_none(self, length: int) -> None:
        with pytest.raises(IndexError, match="no seat is free"):
            self.map.take(length, self.lengths)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def gives_back(self, data: st.DataObject) -> None:
        seat = data.draw(st.sampled_from(self.taken))
        self.taken.remove(seat)
        self.map.give_back(seat)

    @precondition(lambda self: len(self.taken) == 23)
    @rule()
    def gets_the_only_one_that_is_free(self) -> None:
        (free,) = {*range(24)} - {*self.taken}
        assert self.map.take(9, self.lengths) == free
        self.map.give_back(free)

    @rule(chars=st.integers(1, 50))
    def texts_grow(self, chars: int) -> None:
        self.lengths = [length + chars for length in self.lengths]


TestSeating = Seating.TestCase
TestSeating.settings = settings(max_examples=40, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow])


def test_all_seats_are_given_and_come_again() -> None:
    seats, lengths = SeatMap(24, block=32), [0] * 24
    for _ in range(3):
        taken = [seats.take(9, lengths) for _ in range(24)]
        assert sorted(taken) == [*range(24)]
        with pytest.raises(IndexError, match="no seat is free"):
            seats.take(9, lengths)
        for seat in reversed(taken):
            seats.give_back(seat)


@given(st.lists(st.sampled_from([10, 100, 200]), min_size=1, max_size=24), st.integers(0, 15))
def test_rows_of_like_length_share_a_bench(kinds: list[int], spread: int) -> None:
    seats, lengths = SeatMap(48, block=32), [0] * 48
    benches: dict[int, set[int]] = {}
    for i, kind in enumerate(kinds):
        seat = seats.take(kind + i * spread // len(kinds), lengths)
        lengths[seat] = kind + i * spread // len(kinds)
        benches.setdefault(seat // SeatMap.BENCH, set()).add(kind)
    assert all(len(on_bench) == 1 for on_bench in benches.values())
    assert len(benches) == sum(-(-kinds.count(kind) // SeatMap.BENCH) for kind in {*kinds})  # no bench is opened before it is needed


def test_a_row_sits_beside_others_of_another_length_where_no_bench_is_empty() -> None:
    seats, lengths = SeatMap(16, block=32), [0] * 16
    for length in (10, 200):
        lengths[seats.take(length, lengths)] = length
    assert seats.take(120, lengths) // SeatMap.BENCH == 1  # beside 200, which is nearer than 10
    assert seats.take(90, lengths) // SeatMap.BENCH == 0


def test_an_empty_bench_remembers_nobody() -> None:
    seats, lengths = SeatMap(16, block=32), [10] * 16
    seats.give_back(seats.take(10, lengths))
    assert seats.take(200, lengths) == 0


def test_rows_on_a_bench_sit_side_by_side() -> None:
    seats, lengths = SeatMap(16, block=32), [0] * 16
    assert [seats.take(9, lengths) for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    for seat in (1, 3, 0):
        seats.give_back(seat)
    assert [seats.take(9, lengths) for _ in range(4)] == [0, 1, 3, 6]
