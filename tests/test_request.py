"""A request at every stage: what it shows, what it remembers, and whom it tells."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from model.limits import MAX_NEW_CHARS, MAX_REQUEST_RECORD_BYTES, MAX_SAMPLES, MAX_VOCAB_SIZE
from model.sampling import dice
from model.serving import request as request_module
from model.serving.request import DONE, FAILED, RUNNING, STOPPED, WAITING, Character, Progress, Request
from tests.support.serving import params

VOCABULARY = "\nabc"


def new_request(**settings: Any) -> Request:
    """Of two samples."""
    return Request("ab", ("x",), params(**{"samples": 2, "max_new_chars": 5} | settings), VOCABULARY, "somebody")


def logits(number: float) -> np.ndarray:
    """Of the vocabulary."""
    return np.arange(4, dtype=np.float32) + np.float32(number)


def begun(**settings: Any) -> Request:
    """A request under way."""
    request = new_request(**settings)
    request.begin()
    return request


def test_a_request_is_waiting_running_and_over() -> None:
    request = new_request()
    assert request.progress() == Progress(WAITING, ("", ""), 0.0, "", 0, ([], []))
    request.ahead = 3
    assert request.progress().ahead == 3
    assert not request.finished
    request.begin()
    assert request.progress().state == RUNNING
    assert not request.progress().finished
    request.append(0, 1, logits(0), 0.0, 1.0)
    first = request.progress().elapsed_s
    time.sleep(0.01)
    assert request.progress().elapsed_s > first
    request.end(FAILED, "broken")
    over = request.progress()
    assert (over.state, over.texts, over.error) == (FAILED, ("a", ""), "broken")
    assert over.finished
    assert request.finished
    time.sleep(0.01)
    assert request.progress() == over


@pytest.mark.parametrize("state", [DONE, STOPPED, FAILED])
def test_what_ends_is_finished(state: str) -> None:
    request = new_request()
    request.end(state)
    assert request.finished
    assert request.progress() == Progress(state, ("", ""), 0.0, "", 0, ([], []))  # it was never begun


def test_progress_leaves_out_what_is_known() -> None:
    request = begun()
    for char in (1, 2, 3):
        request.append(0, char, logits(0), 0.0, 1.0)
    assert request.append(1, 3, logits(0), 0.0, 1.0) == 1
    assert request.progress().texts == ("abc", "c")
    assert request.progress([2, 0]).texts == ("c", "c")
    assert request.progress([3, 1]).texts == ("", "")


def test_each_request_has_a_number_that_grows_and_a_key_that_does_not_tell() -> None:
    requests = [new_request() for _ in range(100)]
    numbers = [request.number for request in requests]
    assert numbers == sorted({*numbers})
    assert numbers[0] > time.time_ns() // 1_000_000 - 10**9  # they grow on when the server starts again
    keys = {request.key for request in requests}
    assert len(keys) == 100
    assert min(map(len, keys)) >= 16  # 12 random bytes


def test_the_throws_are_the_dice_of_the_samples() -> None:
    request = new_request(samples=3, first_sample=2, seed=9)
    request.begin()
    assert_array_equal(request.throws, [dice(9, number, 5) for number in (2, 3, 4)])
    assert request.n_rows == 3
    later = new_request(samples=3, first_sample=2, first_step=2, seed=9)
    later.begin()
    assert_array_equal(later.throws[:, :3], request.throws[:, 2:])


def test_cancelling_is_asked_for_and_says_nothing_of_the_state() -> None:
    request = new_request()
    assert not request.cancelled
    request.cancel()
    request.cancel()
    assert request.cancelled
    assert request.progress().state == WAITING


def test_a_character_is_remembered_as_it_was_drawn() -> None:
    request = begun()
    request.append(1, 2, logits(7), 0.25, 0.5)
    request.append(1, 3, logits(8), 0.5, 0.75)
    request.append(0, 1, logits(9), 0.0, 0.125)
    request.end(DONE)
    for sample, index, expected in [
        (1, 0, Character("b", logits(7), request.throws[1, 0], 0.25, 0.5)),
        (1, 1, Character("c", logits(8), request.throws[1, 1], 0.5, 0.75)),
        (0, 0, Character("a", logits(9), request.throws[0, 0], 0.0, 0.125)),
    ]:
        character = request.character(sample, index)
        assert character is not None
        assert_array_equal(character.logits, expected.logits)
        assert (character.char, character.die, character.low, character.high) == (
            expected.char,
            expected.die,
            expected.low,
            expected.high,
        )
        character.logits[:] = 0  # a copy
        again = request.character(sample, index)
        assert again is not None
        assert_array_equal(again.logits, expected.logits)


@pytest.mark.parametrize(("sample", "index"), [(0, 1), (1, 0), (2, 0), (-1, 0), (0, -1), (-2, -1), (10**30, 0), (0, 10**30)])
def test_a_character_that_is_not_written_is_none(sample: int, index: int) -> None:
    request = begun()
    assert request.character(0, 0) is None
    request.append(0, 1, logits(0), 0.0, 1.0)
    assert request.character(0, 0) is not None
    assert request.character(sample, index) is None


def test_logits_are_those_that_a_samples_characters_were_drawn_from() -> None:
    request = new_request()
    for sample in range(2):
        waiting = request.logits(sample)
        assert waiting is not None
        assert (waiting.shape, waiting.dtype) == ((0, 4), np.float32)
    request.begin()
    for number in range(3):
        request.append(1, 1, logits(number), 0.0, 1.0)
    for _ in range(2):
        for since, numbers in ((0, [0, 1, 2]), (1, [1, 2]), (2, [2]), (3, []), (4, []), (10**30, [])):
            assert_array_equal(request.logits(1, since), np.reshape([logits(number) for number in numbers], (-1, 4)))
        none = request.logits(0)
        assert none is not None
        assert none.shape == (0, 4)
        for sample in (-1, 2, 10**30):
            assert request.logits(sample) is None
        known = request.logits(1)
        assert known is not None
        known[:] = 0  # a copy
        if not request.finished:
            request.end(DONE)
    request.forget()
    assert request.logits(1) is None


def test_logits_that_will_not_be_remembered_are_none_from_the_first() -> None:
    request = new_request()
    request.forget()
    assert request.logits(0) is None
    request.begin()
    assert request.logits(0) is None


def test_before_it_begins_a_request_remembers_nothing_and_counts_what_it_will_take() -> None:
    request = new_request()
    assert request.record_bytes == 2 * 5 * (4 * 4 + 16 + 8)
    assert request.character(0, 0) is None
    request.end(STOPPED)
    assert request.record_bytes == 0
    assert request.character(0, 0) is None


def test_what_was_not_needed_of_a_record_is_given_back_at_the_end() -> None:
    request = begun()
    for char in (1, 2, 3):
        request.append(1, char, logits(char), 0.0, 1.0)
    request.append(0, 1, logits(9), 0.25, 0.5)
    assert request.record_bytes == 2 * 5 * (4 * 4 + 16 + 8)
    request.end(STOPPED)
    assert request.record_bytes == 2 * 3 * (4 * 4 + 16 + 8)
    for index in range(3):
        character = request.character(1, index)
        assert character is not None
        assert_array_equal(character.logits, logits(index + 1))
    first = request.character(0, 0)
    assert first is not None
    assert (first.low, first.high) == (0.25, 0.5)
    assert request.character(0, 1) is None
    whole, empty = begun(max_new_chars=1), begun()
    for sample in range(2):
        whole.append(sample, 1, logits(0), 0.0, 1.0)
    for ended in (whole, empty):
        ended.end(DONE)
    assert whole.record_bytes == 2 * (4 * 4 + 16 + 8)
    assert empty.record_bytes == 0


def test_a_request_there_is_no_memory_to_remember_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(request_module._Record, "__init__", fails)
    request = begun()
    request.append(0, 1, logits(0), 0.0, 1.0)
    assert request.progress().state == RUNNING
    assert request.progress().texts == ("a", "")
    assert request.character(0, 0) is None
    assert request.record_bytes == 0


def test_what_is_forgotten_leaves_the_text_and_may_be_written_on() -> None:
    request = begun()
    request.append(0, 1, logits(0), 0.0, 1.0)
    assert request.record_bytes == 2 * 5 * (4 * 4 + 16 + 8)
    request.forget()
    assert request.record_bytes == 0
    assert request.character(0, 0) is None
    request.append(0, 2, logits(0), 0.0, 1.0)
    assert request.character(0, 1) is None
    assert request.progress().texts == ("ab", "")


def test_what_is_forgotten_before_it_begins_stays_forgotten() -> None:
    request = new_request()
    request.forget()
    assert request.record_bytes == 0
    request.begin()
    request.append(0, 1, logits(0), 0.0, 1.0)
    assert request.record_bytes == 0
    assert request.character(0, 0) is None


def test_record_bytes_are_those_of_the_arrays() -> None:
    request = begun()
    record = request._record
    assert record is not None
    assert request.record_bytes == record.logits.nbytes + record.edges.nbytes + request.throws.nbytes


def test_the_throws_are_kept_no_longer_than_the_record() -> None:
    assert new_request().throws.nbytes == 0
    whole, forgotten, small = begun(), begun(), begun()
    for request in (whole, forgotten, small):
        request.append(0, 1, logits(0), 0.0, 1.0)
    small.forget()
    assert small.throws.shape == (2, 5)  # still needed
    for request in (whole, forgotten, small):
        request.end(DONE)
    assert whole.throws.shape == (2, 1)
    assert whole.throws.base is None  # a copy, so that the rest is freed
    assert small.throws.nbytes == 0
    forgotten.forget()
    assert forgotten.throws.nbytes == 0


def test_a_request_too_large_to_remember_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2 * 5 * (4 * 4 + 16 + 8)
    for limit, remembered in ((size, True), (size - 1, False)):
        monkeypatch.setattr(request_module, "MAX_REQUEST_RECORD_BYTES", limit)
        request = begun()
        assert request.append(0, 1, logits(0), 0.0, 1.0) == 1
        assert request.progress().texts == ("a", "")
        assert (request.character(0, 0) is not None) is remembered
        assert (request.record_bytes > 0) is remembered


def test_the_largest_request_of_the_shipped_vocabulary_is_remembered_and_of_the_largest_not() -> None:
    assert request_module._Record.size(MAX_SAMPLES, MAX_NEW_CHARS, 65) <= MAX_REQUEST_RECORD_BYTES
    assert request_module._Record.size(MAX_SAMPLES, MAX_NEW_CHARS, MAX_VOCAB_SIZE) > MAX_REQUEST_RECORD_BYTES


class Bell:
    """Counts how often it is rung, and what there was to see then."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


def test_listeners_are_called_when_every_sample_has_its_first_character_and_at_the_end() -> None:
    request, bell = new_request(samples=3), Bell()
    request.listen(bell)
    request.begin()
    for sample in range(2):
        request.append(sample, 1, logits(0), 0.0, 1.0)
    assert bell.rung == 0
    request.append(2, 1, logits(0), 0.0, 1.0)
    assert bell.rung == 1
    for sample in range(3):
        request.append(sample, 1, logits(0), 0.0, 1.0)
    assert bell.rung == 1
    before = bell.rung
    request.end(DONE)
    assert bell.rung == before + 1


def test_one_who_listens_after_the_first_characters_is_called_at_once_and_at_the_end() -> None:
    request, bell = begun(samples=2), Bell()
    request.append(0, 1, logits(0), 0.0, 1.0)
    early = Bell()
    request.listen(early)
    assert early.rung == 0  # one sample has none yet
    request.append(1, 1, logits(0), 0.0, 1.0)
    assert early.rung == 1
    request.listen(bell)
    assert bell.rung == 1
    request.end(DONE)
    assert bell.rung == 2


@pytest.mark.parametrize("state", [DONE, STOPPED, FAILED])
def test_one_who_listens_after_the_end_is_called_at_once(state: str) -> None:
    request, bell = new_request(), Bell()
    request.end(state)
    request.listen(bell)
    assert bell.rung == 1


def test_one_who_has_left_is_not_called_and_not_kept() -> None:
    request, bell, other = new_request(), Bell(), Bell()
    for each in (bell, other):
        request.listen(each)
    for _ in range(2):
        request.unlisten(bell)
    request.end(DONE)
    assert (bell.rung, other.rung) == (0, 1)
    request.unlisten(other)


def test_a_listener_whose_event_loop_has_ended_keeps_nobody_from_hearing() -> None:
    request, bell = new_request(), Bell()

    def gone() -> None:
        raise RuntimeError("Event loop is closed")

    request.listen(gone)
    request.listen(bell)
    request.end(DONE)
    assert bell.rung == 1
    assert request.progress().state == DONE
