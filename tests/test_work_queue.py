"""The queue of short pieces of work; that the engine does them is for test_engine.py."""

from __future__ import annotations

import pytest

from model.config import MAX_WAITING_WORK
from model.errors import BusyError
from model.serving.work_queue import Errand, Errands
from model.weights import Weights


def test_errands_are_taken_in_the_order_in_which_they_came_but_those_that_were_cancelled() -> None:
    errands, several = Errands(), [Errand(lambda weights: weights.name) for _ in range(5)]
    assert errands.take() is None
    for errand in several:
        errands.add(errand)
    for cancelled in (0, 1, 3):
        assert several[cancelled].future.cancel()
    assert errands.take() is several[2]
    assert several[2].future.running()
    assert not several[2].future.cancel()  # too late
    assert errands.take() is several[4]
    assert errands.take() is None
    assert not errands


def test_an_errand_brings_what_the_work_returns_or_raises(tiny: Weights) -> None:
    def fails(_: Weights) -> None:
        raise error

    named = Errand(lambda weights: weights.name)
    named.run(tiny)
    assert named.future.result(0) == "tiny"
    for error in (ValueError("mine"), MemoryError(), SystemExit(), KeyboardInterrupt()):
        failing = Errand(fails)
        failing.run(tiny)
        assert failing.future.exception(0) is error


def test_a_full_queue_refuses_and_has_room_for_those_who_come_after_others_have_gone() -> None:
    errands, several = Errands(), [Errand(lambda _: None) for _ in range(MAX_WAITING_WORK)]
    for errand in several:
        errands.add(errand)
    with pytest.raises(BusyError, match=r"64 pieces of work wait already\. Try again"):
        errands.add(Errand(lambda _: None))
    assert several[40].future.cancel()
    last: Errand[None] = Errand(lambda _: None)
    errands.add(last)
    assert len(errands) == MAX_WAITING_WORK
    taken = [errands.take() for _ in range(MAX_WAITING_WORK)]
    assert taken == [*several[:40], *several[41:], last]
