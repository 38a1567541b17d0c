"""The queue of short pieces of work; that the engine does them is for test_engine.py."""

from __future__ import annotations

import pytest

from model.errors import BusyError
from model.limits import MAX_WAITING_WORK
from model.serving.work_queue import Work, WorkQueue
from model.weights import Weights


def test_work_is_taken_in_order_without_what_was_cancelled(tiny: Weights) -> None:
    queue, several = WorkQueue(), [Work(lambda weights: weights.name, tiny) for _ in range(5)]
    assert queue.take() is None
    for work in several:
        queue.add(work)
    for cancelled in (0, 1, 3):
        assert several[cancelled].future.cancel()
    assert queue.take() is several[2]
    assert several[2].future.running()
    assert not several[2].future.cancel()  # too late
    assert queue.take() is several[4]
    assert queue.take() is None
    assert not queue


def test_a_future_has_what_the_work_returns_or_raises(tiny: Weights) -> None:
    def fails(_: Weights) -> None:
        raise error

    named = Work(lambda weights: weights.name, tiny)
    named.run()
    assert named.future.result(0) == "tiny"
    for error in (ValueError("mine"), MemoryError(), SystemExit(), KeyboardInterrupt()):
        failing = Work(fails, tiny)
        failing.run()
        assert failing.future.exception(0) is error


def test_a_full_queue_refuses_until_work_is_cancelled(tiny: Weights) -> None:
    queue, several = WorkQueue(), [Work(lambda _: None, tiny) for _ in range(MAX_WAITING_WORK)]
    for work in several:
        queue.add(work)
    with pytest.raises(BusyError, match=r"64 other requests are already waiting\. Try again"):
        queue.add(Work(lambda _: None, tiny))
    assert several[40].future.cancel()
    last: Work[None] = Work(lambda _: None, tiny)
    queue.add(last)
    assert len(queue) == MAX_WAITING_WORK
    taken = [queue.take() for _ in range(MAX_WAITING_WORK)]
    assert taken == [*several[:40], *several[41:], last]
