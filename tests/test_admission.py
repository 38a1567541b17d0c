"""Who is admitted to work beside the writing, and in which order viewers have their turns."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from model.errors import BusyError
from model.limits import MAX_CLIENT_WAITING, MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS
from model.serving.admission import Admission, Ticket
from model.serving.viewer import Viewer

PATIENCE_S = 10.0


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine to its end, which must come soon."""
    asyncio.run(asyncio.wait_for(work, PATIENCE_S))


async def settle() -> None:
    """Lets every other task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class Work:
    """Texts whose turns a test ends one by one.

    Attributes:
        order: names of the texts, in the order in which their turns began.
    """

    def __init__(self, admission: Admission):
        self.admission, self.order, self.tasks = admission, list[str](), dict[str, asyncio.Task[None]]()
        self._ends: dict[str, asyncio.Event] = {}

    async def add(self, viewer: str, name: str) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._take_turn(self.admission.admit(viewer), name))
        await settle()

    async def _take_turn(self, ticket: Ticket, name: str) -> None:
        with ticket:
            async with ticket.turn():
                self.order.append(name)
                await self._ends[name].wait()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settle()


@pytest.mark.parametrize("viewers", [["one"] * MAX_VIEWER_WAITING, [f"viewer {n}" for n in range(MAX_WAITING_REQUESTS)]], ids=len)
def test_too_many_texts_are_refused_in_words_and_admitted_once_others_leave(viewers: list[str]) -> None:
    admission = Admission(4, "read")
    tickets = [admission.admit(viewer) for viewer in viewers]
    with pytest.raises(BusyError, match=r"^16 of your texts are already being read\.|^512 texts are already being read\."):
        admission.admit(viewers[0])
    tickets[0].leave()
    admission.admit(viewers[0])
    with pytest.raises(BusyError):
        admission.admit(viewers[0])


def test_one_client_has_half_of_the_places_whatever_its_viewers_are_called() -> None:
    admission = Admission(4, "read")
    tickets = [admission.admit(Viewer("203.0.113.5", f"{n // MAX_VIEWER_WAITING}")) for n in range(MAX_CLIENT_WAITING)]
    with pytest.raises(BusyError, match=r"^256 texts from your network are already being read\. Try again in a minute\.$"):
        admission.admit(Viewer("203.0.113.5", "one more"))
    others = [admission.admit(Viewer("203.0.113.6", f"{n // MAX_VIEWER_WAITING}")) for n in range(MAX_CLIENT_WAITING)]
    tickets[0].leave()
    with admission.admit(Viewer("203.0.113.5", "one more")):
        assert len(others) == MAX_WAITING_REQUESTS - MAX_CLIENT_WAITING


def test_a_name_belongs_to_its_client() -> None:
    admission = Admission(4, "read", per_viewer=1)
    admission.admit(Viewer("203.0.113.5", "alice"))
    admission.admit(Viewer("203.0.113.6", "alice"))
    with pytest.raises(BusyError, match="1 of your texts"):
        admission.admit(Viewer("203.0.113.5", "alice"))


def test_one_viewers_texts_do_not_count_for_another() -> None:
    admission = Admission(1, "written", per_viewer=2)
    tickets = [admission.admit("one"), admission.admit("one"), admission.admit("other")]
    with pytest.raises(BusyError, match="2 of your texts are already being written"):
        admission.admit("one")
    for ticket in tickets:
        ticket.leave()


def test_leaving_twice_counts_once() -> None:
    admission = Admission(1, "read", per_viewer=2)
    first, _ = admission.admit("one"), admission.admit("one")
    with first:
        pass
    first.leave()
    admission.admit("one")
    with pytest.raises(BusyError):
        admission.admit("one")


def test_viewers_take_turns_however_many_texts_each_has() -> None:
    async def crowd() -> None:
        work = Work(Admission(1, "read"))
        for viewer, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")):
            await work.add(viewer, name)
        for ended in range(6):
            assert len(work.order) == ended + 1
            await work.end(work.order[-1])
        assert work.order == ["a1", "b1", "c1", "a2", "b2", "a3"]

    run(crowd())


def test_a_viewer_has_one_place_at_a_time() -> None:
    async def crowd() -> None:
        work = Work(Admission(2, "read"))
        for viewer, name in (("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")):
            await work.add(viewer, name)
        assert work.order == ["a1", "b1"]
        await work.end("b1")
        assert work.order == ["a1", "b1", "c1"]
        await work.end("a1")
        assert work.order == ["a1", "b1", "c1", "a2"]

    run(crowd())


@pytest.mark.parametrize("cancelled", ["a1", "b1"])
def test_whoever_hangs_up_while_waiting_or_in_turn_gives_the_place_back(cancelled: str) -> None:
    async def crowd() -> None:
        admission = Admission(1, "read", per_viewer=1)
        work = Work(admission)
        for viewer, name in (("a", "a1"), ("b", "b1"), ("c", "c1")):
            await work.add(viewer, name)
        work.tasks[cancelled].cancel()
        await settle()
        admission.admit(cancelled[0]).leave()
        for name in ("a1", "b1", "c1"):
            await work.end(name)
        assert work.order == [name for name in ("a1", "b1", "c1") if name != cancelled or name == "a1"]
        assert not admission._admitted
        assert not admission._queues

    run(crowd())
