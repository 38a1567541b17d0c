"""The engine's promises to those who ask, wait and leave; what is written is held against the plain forward in test_writer.py."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from torch import Tensor

from model.decode import generate
from model.errors import WENT_WRONG, BusyError, ParameterError
from model.evaluation import window_logits, windows
from model.limits import MAX_CLIENT_WAITING, MAX_PROMPT_CHARS, MAX_SAMPLES, MAX_VIEWER_WAITING, MAX_WAITING_REQUESTS, MAX_WAITING_WORK
from model.network.gpt import GPT
from model.serving import engine as engine_module
from model.serving import recent_requests as records
from model.serving.engine import FAILING_AFTER, WORK_SHARE, Engine
from model.serving.request import DONE, FAILED, RUNNING, STOPPED, WAITING, Character, Progress, Request
from model.serving.scheduler import SeatMap
from model.serving.viewer import Viewer
from model.serving.writer import Writer
from model.tokenizer import CharTokenizer
from model.weights import Weights
from tests.conftest import VOCABULARY
from tests.support.serving import PATIENCE_S, assert_as_the_plain_forward_writes, finished, params

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def engine(tiny: Weights) -> Iterator[Engine]:
    """An engine for the small random network."""
    engine = Engine(tiny)
    yield engine
    engine.close()


class Gate:
    """Holds a model's forward passes up until it is opened, and keeps what they read."""

    def __init__(self, model: GPT):
        self.opened, self.reached = threading.Event(), threading.Event()
        self.read: list[list[int]] = []
        model.register_forward_pre_hook(self._pass)

    def _pass(self, _: GPT, inputs: tuple[Tensor]) -> None:
        self.read.append(inputs[0][0].tolist())
        self.reached.set()
        assert self.opened.wait(PATIENCE_S)


@pytest.fixture
def gate(tiny: Weights) -> Iterator[Gate]:
    """A gate in the small random network, open at the latest when the test ends."""
    gate = Gate(tiny.model)
    yield gate
    gate.opened.set()


def wait_for(condition: Callable[[], object]) -> None:
    """Until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def is_idle(engine: Engine) -> bool:
    """Nobody is served or waits."""
    return engine.health() == {"healthy": True, "writing": 0, "waiting": 0}


def test_a_requests_texts_are_the_references(engine: Engine, tiny: Weights) -> None:
    progress = finished(engine.submit("To be, or", params(samples=3, max_new_chars=40)))
    assert progress.state == DONE
    assert progress.error == ""
    assert progress.elapsed_s > 0
    prompt = tiny.tokenizer.encode("To be, or")
    expected = [generate(tiny.model, prompt, params(max_new_chars=40, first_sample=k)) for k in range(3)]
    assert progress.texts == tuple(tiny.tokenizer.decode(text) for text in expected)


def test_requests_of_many_threads_get_each_their_own_texts(engine: Engine, tiny: Weights) -> None:
    requests: list[Request] = []

    def ask(viewer: int) -> None:
        for seed in range(4):
            settings = params(samples=1 + viewer, max_new_chars=10 * (seed + 1), seed=seed)
            requests.append(engine.submit("To be, or"[:viewer], settings, str(viewer)))

    threads = [threading.Thread(target=ask, args=[viewer]) for viewer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({request.number for request in requests}) == len({request.key for request in requests}) == 24
    for request in requests:
        assert finished(request).state == DONE
        assert_as_the_plain_forward_writes(request, tiny)


def test_the_prompt_is_normalised_and_what_is_left_out_is_named(engine: Engine) -> None:
    request = engine.submit("“Caf\u00e9”\t中—no 😀中", params())
    assert request.prompt == "'Cafe'    --no "
    assert request.left_out == ("中", "😀")
    assert finished(request).texts == finished(engine.submit("'Cafe'    --no ", params())).texts


@pytest.mark.parametrize("prompt", ["", "中文", "\ufeff"], ids=["empty", "nothing known", "nothing to see"])
def test_an_empty_prompt_starts_from_a_newline(engine: Engine, prompt: str) -> None:
    request = engine.submit(prompt, params())
    assert request.prompt == ""
    assert finished(request).texts == finished(engine.submit("\n", params())).texts
    assert finished(request).texts != finished(engine.submit("A", params())).texts


def test_a_prompt_of_the_greatest_length_is_read_to_its_end(engine: Engine) -> None:
    long = finished(engine.submit("A" * (MAX_PROMPT_CHARS - 9) + "Romeo and", params()))
    assert long.state == DONE
    assert long.texts == finished(engine.submit("A" * 7 + "Romeo and", params())).texts  # a window of 16 is what it sees
    assert long.texts != finished(engine.submit("A" * 16, params())).texts


def test_a_prompt_that_is_too_long_is_refused_with_its_length(engine: Engine) -> None:
    with pytest.raises(ParameterError, match="The prompt has 10,001 characters; the maximum is 10,000"):
        engine.submit("x" * (MAX_PROMPT_CHARS + 1), params())


@pytest.mark.parametrize("prompt", [None, 5, b"ROMEO", ["R"], {}, True], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(engine: Engine, prompt: Any) -> None:
    with pytest.raises(ParameterError, match="The prompt must be a string"):
        engine.submit(prompt, params())


def test_top_k_may_exceed_the_vocabulary(engine: Engine) -> None:
    request = engine.submit("A", params(top_k=4_000))
    assert request.params.top_k == 65
    assert finished(request).texts == finished(engine.submit("A", params(top_k=0))).texts


def test_a_request_goes_from_waiting_to_running_to_done(engine: Engine, gate: Gate) -> None:
    first = engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)
    second = engine.submit("B", params(samples=2))
    assert first.progress().state == RUNNING
    assert first.progress().elapsed_s > 0
    assert second.progress() == Progress(WAITING, ("", ""), 0.0, "", 0, ([], []))
    assert not second.progress().finished
    gate.opened.set()
    assert finished(first).state == finished(second).state == DONE
    assert second.progress() == second.progress()  # time stands still once it is done
    assert second.number > first.number


def test_health_counts_what_is_written_and_what_waits(engine: Engine, gate: Gate) -> None:
    assert is_idle(engine)
    requests = [engine.submit("A", params(samples=3))]
    assert gate.reached.wait(PATIENCE_S)
    requests += [engine.submit("A", params()) for _ in range(4)]
    assert engine.health() == {"healthy": True, "writing": 3, "waiting": 4}
    gate.opened.set()
    assert {finished(request).state for request in requests} == {DONE}
    engine.close()
    assert engine.health() == {"healthy": False, "writing": 0, "waiting": 0}


def test_an_engine_that_is_stuck_is_not_healthy_until_it_goes_on(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "STUCK_AFTER_S", 0.05)
    time.sleep(0.1)
    assert engine.health()["healthy"]  # to have nothing to do is no illness
    request = engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)
    wait_for(lambda: not engine.health()["healthy"])
    gate.opened.set()
    assert finished(request).state == DONE
    wait_for(lambda: engine.health()["healthy"])


def test_a_viewers_requests_are_begun_in_the_order_in_which_they_came(engine: Engine, gate: Gate, tiny: Weights) -> None:
    requests = [engine.submit(char, params(max_new_chars=1)) for char in "DACBE"]
    gate.opened.set()
    assert [finished(request).state for request in requests] == [DONE] * 5
    assert gate.read == [tiny.tokenizer.encode(char) for char in "DACBE"]


def test_two_short_texts_are_done_while_sixteen_long_ones_go_on(engine: Engine) -> None:
    hog = [engine.submit("A", params(max_new_chars=2_000), "hog") for _ in range(16)]
    wait_for(lambda: all(request.progress().texts[0] for request in hog))
    short = [engine.submit("A", params(max_new_chars=5), viewer) for viewer in "AB"]
    assert {finished(request).state for request in short} == {DONE}
    assert {request.progress().state for request in hog} == {RUNNING}
    for request in hog:
        request.cancel()
    assert {finished(request).state for request in hog} == {STOPPED}


def test_cancelling_stops_and_keeps_what_was_written(engine: Engine, tiny: Weights) -> None:
    whole = finished(engine.submit("A", params(samples=2))).texts
    steps: list[None] = []
    submitted = threading.Event()

    def cancel_in_the_fifth_step(*_: object) -> None:
        assert submitted.wait(PATIENCE_S)
        steps.append(None)
        if len(steps) == 5:
            request.cancel()
            request.cancel()  # may be called more than once

    tiny.model.register_forward_pre_hook(cancel_in_the_fifth_step)
    request = engine.submit("A", params(samples=2))
    submitted.set()
    progress = finished(request)
    assert progress.state == STOPPED
    assert progress.error == ""
    assert progress.texts == tuple(text[:6] for text in whole)  # the first is drawn without a step: the prompt is known
    request.cancel()
    assert request.progress() == progress


def test_a_request_cancelled_while_it_waits_is_never_read(engine: Engine, gate: Gate, tiny: Weights) -> None:
    first = engine.submit("A", params(max_new_chars=1))
    assert gate.reached.wait(PATIENCE_S)
    second, third = (engine.submit(char, params(max_new_chars=1)) for char in "BC")
    second.cancel()
    gate.opened.set()
    assert finished(third).state == finished(first).state == DONE
    assert finished(second).state == STOPPED
    assert second.progress() == Progress(STOPPED, ("",), 0.0, "", 0, ([],))
    assert gate.read == [tiny.tokenizer.encode(char) for char in "AC"]


def test_ten_thousand_cancels_leave_nothing_behind(engine: Engine, tiny: Weights) -> None:
    lasting = engine.submit("To be", params(max_new_chars=100), "lasting")
    cancelled: list[Request] = []
    refused: list[None] = []

    def come_and_go(viewer: int) -> None:
        for i in range(2_500):
            try:
                request = engine.submit("A", params(samples=1 + i % MAX_SAMPLES, max_new_chars=20), f"{viewer} {i}")
            except BusyError:
                refused.append(None)
                time.sleep(0.01)
                continue
            if i % 100 == 0:
                wait_for(lambda request=request: request.progress().texts[0])
            request.cancel()
            cancelled.append(request)

    threads = [threading.Thread(target=come_and_go, args=[viewer]) for viewer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cancelled) + len(refused) == 10_000
    assert len(cancelled) > 5_000
    assert {finished(request).state for request in cancelled} <= {DONE, STOPPED}
    assert any(request.progress().texts[0] for request in cancelled)  # some were cancelled while they were written
    assert finished(lasting).texts[0] == tiny.tokenizer.decode(
        generate(tiny.model, tiny.tokenizer.encode("To be"), params(max_new_chars=100))
    )
    assert is_idle(engine)
    full = [engine.submit("A", params(samples=MAX_SAMPLES, max_new_chars=2), str(viewer)) for viewer in range(32)]  # every seat
    assert {finished(request).state for request in full} == {DONE}
    assert len({request.progress().texts for request in full}) == 1


class Trouble:
    """Raises in the model, or takes the numbers from its logits, whenever a certain character is read."""

    def __init__(self, weights: Weights, char: str, kind: str):
        self._id, self._kind = weights.tokenizer.encode(char)[0], kind
        weights.model.register_forward_hook(self._after)

    def _after(self, _: GPT, inputs: tuple[Tensor], logits: Tensor) -> Tensor:
        rows = (inputs[0] == self._id).any(dim=1)
        if not rows.any():
            return logits
        if self._kind == "raises":
            raise RuntimeError("out of memory at 0xdeadbeef")
        return logits.masked_fill(rows[:, None, None], torch.nan)


@pytest.mark.parametrize("kind", ["raises", "no number"])
def test_a_failing_request_ends_as_failed_alone(engine: Engine, tiny: Weights, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    # A text fails that has a certain character to be read: some of these have it, some do not.
    whole = [finished(engine.submit("", params(seed=seed, max_new_chars=15))).texts[0] for seed in range(20)]
    bad = next(char for char in VOCABULARY[1:] if 3 < sum(char in text[:-1] for text in whole) < 10)
    failing = {text for text in whole if bad in text[:-1]}
    Trouble(tiny, bad, kind)
    with caplog.at_level(logging.ERROR):
        requests = [engine.submit("", params(seed=seed, max_new_chars=15), str(seed)) for seed in range(20)]
        ends = [finished(request) for request in requests]
    for end, text in zip(ends, whole, strict=True):
        if text in failing:
            assert end.state == FAILED
            assert end.texts == (text[: text.index(bad) + 1],)
            assert end.error == WENT_WRONG
        else:
            assert (end.state, end.texts, end.error) == (DONE, (text,), "")
    assert "Please try again" in WENT_WRONG
    assert "0xdeadbeef" not in WENT_WRONG  # for the log, not for the class
    assert ("0xdeadbeef" in caplog.text) is (kind == "raises")
    assert caplog.text.count(" failed") >= len(failing)
    assert is_idle(engine)
    assert finished(engine.submit(bad, params())).state == FAILED
    assert finished(engine.submit("", params(max_new_chars=1))).state == DONE


@pytest.mark.parametrize("step", ["_drop_cancelled", "_admit", "_read_windows", "_attempt", "_write", "_leave"])
def test_a_fault_of_ours_ends_what_is_under_way_and_the_loop_goes_on(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    under_way = engine.submit("A", params(samples=3))
    assert gate.reached.wait(PATIENCE_S)
    waiting = engine.submit("B", params(samples=16))
    fail_once(monkeypatch, Writer, step, KeyError("a fault of ours"))
    with caplog.at_level(logging.ERROR):
        gate.opened.set()
        ended = finished(under_way)
        rest = finished(waiting)
    assert (ended.state, ended.error) == (FAILED, WENT_WRONG)
    assert rest.state == (FAILED if step in ("_read_windows", "_leave") else DONE)  # seated beside the first by then, or not yet
    assert "a round failed" in caplog.text
    assert "a fault of ours" in caplog.text
    assert is_idle(engine)
    again = [engine.submit("A", params(samples=16, max_new_chars=2), str(viewer)) for viewer in range(32)]  # every seat
    assert {finished(request).state for request in again} == {DONE}


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, error: BaseException) -> None:
    """The next call of a method raises."""
    work, calls = getattr(owner, method), 0

    def fails(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error
        return work(*arguments)

    monkeypatch.setattr(owner, method, fails)


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (Request, "begin"),
        (CharTokenizer, "encode_prompt"),
        (SeatMap, "take"),
    ],
)
def test_a_fault_while_a_request_is_seated_ends_it_and_the_loop_goes_on(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    first = engine.submit("A", params(max_new_chars=3))
    assert gate.reached.wait(PATIENCE_S)
    others = [engine.submit(char, params(samples=2, max_new_chars=3), char) for char in "BCD"]
    fail_once(monkeypatch, owner, method, MemoryError())
    gate.opened.set()
    finished(first)
    deadline = time.monotonic() + 0.5
    while not all(request.finished for request in others) and time.monotonic() < deadline:
        time.sleep(0.01)
    ends, idle = [request.progress().state for request in others], is_idle(engine)
    engine.stop()
    assert ends == [FAILED, DONE, DONE]
    assert idle


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_ends_leaves_nobody_waiting(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)
    waiting = engine.submit("B", params())
    fail_once(monkeypatch, Writer, "_attempt", SystemExit())
    gate.opened.set()
    assert finished(under_way).state == finished(waiting).state == STOPPED
    wait_for(lambda: not engine.health()["healthy"])
    with pytest.raises(BusyError, match=r"The server is shutting down\."):
        engine.submit("C", params())


def test_an_engine_whose_every_request_fails_is_not_healthy_until_one_succeeds(engine: Engine, tiny: Weights) -> None:
    Trouble(tiny, "Q", "raises")
    assert FAILING_AFTER == 8
    for _ in range(FAILING_AFTER):
        assert engine.health()["healthy"]
        assert finished(engine.submit("Q", params())).state == FAILED
        wait_for(lambda: engine.health()["writing"] == 0)
    assert engine.health() == {"healthy": False, "writing": 0, "waiting": 0}
    assert finished(engine.submit("A", params(max_new_chars=1))).state == DONE
    assert engine.health()["healthy"]


def test_a_full_queue_is_refused_and_has_room_again_once_it_was_served(engine: Engine, gate: Gate) -> None:
    running = engine.submit("A", params(max_new_chars=1))
    assert gate.reached.wait(PATIENCE_S)
    waiting = [engine.submit("B", params(max_new_chars=1), str(i // MAX_VIEWER_WAITING)) for i in range(MAX_WAITING_REQUESTS)]
    assert [request.progress().ahead for request in waiting] == [*range(MAX_WAITING_REQUESTS)]
    with pytest.raises(BusyError, match=r"512 requests are already waiting\. Try again"):
        engine.submit("C", params())
    for request in waiting[1:]:
        request.cancel()
    gate.opened.set()
    assert finished(running).state == finished(waiting[0]).state == DONE
    assert {finished(request).state for request in waiting[1:]} == {STOPPED}
    assert finished(engine.submit("C", params())).state == DONE


def test_one_client_fills_half_of_the_queue_whatever_its_viewers_are_called(engine: Engine, gate: Gate) -> None:
    def submit(client: str, name: str) -> Request:
        return engine.submit("A", params(max_new_chars=1), Viewer(client, name))

    running = submit("203.0.113.5", "first")
    assert gate.reached.wait(PATIENCE_S)
    waiting = [submit("203.0.113.5", str(i // MAX_VIEWER_WAITING)) for i in range(MAX_CLIENT_WAITING)]
    with pytest.raises(BusyError, match=r"256 requests from your network are already waiting\. Try again in a minute\."):
        submit("203.0.113.5", "one more")
    others = [submit("203.0.113.6", str(i // MAX_VIEWER_WAITING)) for i in range(MAX_CLIENT_WAITING)]  # the names are the same
    for request in waiting[1:] + others[1:]:
        request.cancel()
    gate.opened.set()
    assert finished(running).state == finished(waiting[0]).state == finished(others[0]).state == DONE


def test_a_viewer_with_too_many_requests_is_refused_and_nobody_else(engine: Engine, gate: Gate) -> None:
    requests = [engine.submit("A", params(max_new_chars=1), "hog")]
    assert gate.reached.wait(PATIENCE_S)
    requests += [engine.submit("A", params(max_new_chars=1), "hog") for _ in range(MAX_VIEWER_WAITING)]
    with pytest.raises(BusyError, match=r"16 of your requests are already waiting\. Try again when they are done\."):
        engine.submit("A", params(), "hog")
    requests.append(engine.submit("A", params(max_new_chars=1), "other"))
    gate.opened.set()
    assert {finished(request).state for request in requests} == {DONE}
    assert finished(engine.submit("A", params(), "hog")).state == DONE


def test_stopping_keeps_what_is_written_and_begins_nothing_more(tiny: Weights, gate: Gate) -> None:
    engine = Engine(tiny)
    served = engine.submit("A", params(max_new_chars=2_000))
    assert gate.reached.wait(PATIENCE_S)
    waiting = engine.submit("B", params())
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    wait_for(lambda: engine._stopping)
    gate.opened.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert served.progress().state == waiting.progress().state == STOPPED
    assert 1 <= len(served.progress().texts[0]) <= 2  # of the round that was under way
    assert waiting.progress().texts == ("",)
    with pytest.raises(BusyError, match=r"The server is shutting down\."):
        engine.submit("C", params())


def test_closing_finishes_all_that_waits(tiny: Weights, gate: Gate) -> None:
    engine = Engine(tiny)
    served = engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)
    waiting = engine.submit("B", params())
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    with pytest.raises(BusyError, match=r"The server is shutting down\."):
        engine.submit("C", params())
    gate.opened.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert not engine.health()["healthy"]
    assert served.progress().state == DONE
    assert waiting.progress().state == DONE
    engine.close()  # once more does no harm


def test_another_model_is_used_from_now_on_and_what_was_begun_is_finished_with_the_old(
    engine: Engine, gate: Gate, tiny: Weights, make_model: Callable[..., GPT]
) -> None:
    seated = engine.submit("cab", params(samples=16, max_new_chars=40), "A")
    assert gate.reached.wait(PATIENCE_S)
    queued = engine.submit("abc", params(samples=2, max_new_chars=30), "A")
    other = Weights("other", make_model(seed=1, block_size=24, vocab_size=5), CharTokenizer("\nabcd"), {}, "")
    engine.use(other)
    assert engine.weights is other
    new = engine.submit("cAb", params(samples=2, max_new_chars=50, top_k=50), "A")
    assert (new.prompt, new.left_out, new.params.top_k) == ("cb", ("A",), 5)
    assert engine.health() == {"healthy": True, "writing": 16, "waiting": 2}
    gate.opened.set()
    for request, weights in ((seated, tiny), (queued, tiny), (new, other)):
        assert finished(request).state == DONE
        assert_as_the_plain_forward_writes(request, weights)
    assert {*"".join(new.progress().texts)} <= {*other.tokenizer.vocabulary}
    engine.use(tiny)
    engine.use(other)
    engine.use(tiny)
    last = engine.submit("cab", params(samples=16, max_new_chars=40), "A")
    assert finished(last).texts == seated.progress().texts


def test_an_engine_with_nothing_to_do_lets_go_of_the_old_model(tiny: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "FORGET_EVERY_S", 1_000.0)
    engine = Engine(tiny)
    for _ in range(3):
        engine.use(replace(tiny))
        wait_for(lambda: len(engine._writers) == 1)
    engine.close()


def test_a_model_that_comes_while_a_prompt_is_normalised_is_the_one_that_writes(
    engine: Engine, tiny: Weights, make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Weights("other", make_model(seed=1, vocab_size=5), CharTokenizer("\nabcd"), {}, "")
    normalise = CharTokenizer.normalise

    def slow(tokenizer: CharTokenizer, text: str) -> tuple[str, list[str]]:
        if engine.weights is tiny:
            engine.use(other)
        return normalise(tokenizer, text)

    monkeypatch.setattr(CharTokenizer, "normalise", slow)
    request = engine.submit("cAb", params(top_k=50))
    assert (request.prompt, request.left_out, request.params.top_k) == ("cb", ("A",), 5)
    assert finished(request).state == DONE
    assert_as_the_plain_forward_writes(request, other)


def test_closing_finishes_what_an_earlier_model_has_to_write(tiny: Weights, gate: Gate, make_model: Callable[..., GPT]) -> None:
    engine = Engine(tiny)
    old = engine.submit("A", params(max_new_chars=60))
    assert gate.reached.wait(PATIENCE_S)
    engine.use(replace(tiny, model=make_model(seed=1)))
    gate.opened.set()
    engine.close()
    assert old.progress().state == DONE
    assert_as_the_plain_forward_writes(old, tiny)


@pytest.mark.parametrize(("free_bytes", "seats"), [(-1, 32), (0, 32), (1_500_000, 40), (10_000_000, 264)])
def test_where_memory_is_scarce_there_are_fewer_seats_but_room_for_a_request(
    tiny: Weights, gate: Gate, monkeypatch: pytest.MonkeyPatch, free_bytes: int, seats: int
) -> None:
    # A quarter of it, for rows of 2 layers x 2 x 18 keys x 32 channels x 4 bytes.
    monkeypatch.setattr(engine_module, "free_bytes", lambda _: free_bytes)
    engine, settings = Engine(tiny), params(samples=2, max_new_chars=3)
    requests = [engine.submit("A", params(samples=16, max_new_chars=3))]
    assert gate.reached.wait(PATIENCE_S)
    requests += [engine.submit("A", settings, str(viewer)) for viewer in range(150)]
    writing: list[int | bool] = []
    tiny.model.register_forward_hook(lambda *_: writing.append(engine.health()["writing"]))
    gate.opened.set()
    assert {finished(request).state for request in requests} == {DONE}
    engine.close()
    assert max(writing) == seats
    assert {request.progress().texts for request in requests[1:]} == {requests[0].progress().texts[:2]}


def character(engine: Engine, key: str, sample: int, index: int) -> Character | None:
    request = engine.find(key)
    return request.character(sample, index) if request else None


def logits(engine: Engine, key: str, sample: int, since: int = 0) -> NDArray[np.float32] | None:
    request = engine.find(key)
    return request.logits(sample, since) if request else None


def test_a_character_is_found_by_the_requests_key_while_it_is_written_and_after(engine: Engine, gate: Gate) -> None:
    request = engine.submit("A", params(samples=2))
    assert gate.reached.wait(PATIENCE_S)
    assert character(engine, request.key, 0, 0) is None  # not yet written
    gate.opened.set()
    texts = finished(request).texts
    for sample in range(2):
        for index in range(20):
            one = character(engine, request.key, sample, index)
            assert one is not None
            assert one.char == texts[sample][index]
            assert one.low <= one.die < one.high
            assert one.logits.shape == (65,)
    assert character(engine, request.key, 0, 20) is None
    assert character(engine, "no such key", 0, 0) is None
    assert character(engine, str(request.number), 0, 0) is None  # the number, which can be guessed, opens nothing


def test_records_are_forgotten_while_the_engine_works_and_while_it_sleeps(
    engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "FORGET_EVERY_S", 0.01)
    requests = [engine.submit("A", params(samples=16), str(viewer)) for viewer in range(10)]
    gate.opened.set()
    assert {finished(request).state for request in requests} == {DONE}
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 200_000)
    wait_for(lambda: sum(request.record_bytes for request in requests) <= 200_000)
    assert [request.record_bytes for request in requests] == [0] * 8 + [90_880] * 2  # the oldest were forgotten
    assert [character(engine, request.key, 0, 0) is not None for request in requests] == [False] * 8 + [True] * 2
    monkeypatch.setattr(records, "RECENT_REQUEST_LIFETIME_S", 0.0)
    lasting = engine.submit("A", params(max_new_chars=2_000))
    wait_for(lambda: not any(character(engine, request.key, 0, 0) for request in requests))
    lasting.cancel()


def test_logits_are_found_by_the_requests_key(engine: Engine) -> None:
    request = engine.submit("A", params(samples=2))
    finished(request)
    for sample in range(2):
        known = logits(engine, request.key, sample, 5)
        assert known is not None
        characters = [character(engine, request.key, sample, index) for index in range(5, 20)]
        assert_array_equal(known, [one.logits for one in characters if one])
    assert logits(engine, request.key, 2) is None
    assert logits(engine, "no such key", 0) is None


def test_a_request_that_is_not_to_be_remembered_takes_no_place_among_those_that_are(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECENT_REQUESTS", 1)
    remembered = engine.submit("A", params())
    others = [engine.submit("A", params(), str(viewer), remember=False) for viewer in range(5)]
    texts = {finished(request).texts for request in (remembered, *others)}
    assert len(texts) == 1
    engine._requests.forget_old()
    assert character(engine, remembered.key, 0, 0) is not None
    for request in others:
        assert request.character(0, 0) is not None  # to those who hold it
        assert character(engine, request.key, 0, 0) is None


@pytest.mark.parametrize("told", [1, 7, 16, 17, 24, 39])
def test_a_text_goes_on_from_its_middle_as_it_did(engine: Engine, told: int) -> None:
    whole = finished(engine.submit("To be", params(samples=3, first_sample=4, max_new_chars=40))).texts
    for sample, text in enumerate(whole):
        rest = params(first_sample=4 + sample, first_step=told, max_new_chars=40 - told)
        assert finished(engine.submit("To be" + text[:told], rest)).texts == (text[told:],)


class Held:
    """Work that is under way until it is let go."""

    def __init__(self, engine: Engine):
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.future = engine.run(self._work)
        assert self.begun.wait(PATIENCE_S)

    def _work(self, _: Weights) -> str:
        self.begun.set()
        assert self.let_go.wait(PATIENCE_S)
        return "done"


def test_work_is_done_in_the_engines_thread_with_the_model_in_use(engine: Engine, tiny: Weights, make_model: Callable[..., GPT]) -> None:
    def work(weights: Weights) -> tuple[Weights, str]:
        return weights, threading.current_thread().name

    assert engine.run(work).result(PATIENCE_S) == (tiny, "engine")
    other = replace(tiny, model=make_model(seed=1))
    engine.use(other)
    assert engine.run(work).result(PATIENCE_S) == (other, "engine")


def test_work_and_writing_go_on_side_by_side_and_change_nothing_about_each_other(engine: Engine, tiny: Weights) -> None:
    ids = tiny.tokenizer.encode("To be, or not to be: that is the question.")
    expected = [window_logits(tiny.model, ids, window) for window in windows(tiny.model.config, len(ids))]
    done: list[int] = []

    def work() -> None:
        for number in range(200):
            window = windows(tiny.model.config, len(ids))[number % len(expected)]
            logits = engine.run(lambda weights, window=window: window_logits(weights.model, ids, window)).result(PATIENCE_S)
            assert_array_equal(logits, expected[number % len(expected)])
            done.append(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    requests = [engine.submit("To be", params(samples=4, max_new_chars=100, seed=seed), str(seed)) for seed in range(12)]
    for request in requests:
        assert finished(request).state == DONE
        assert_as_the_plain_forward_writes(request, tiny)
    for thread in threads:
        thread.join()
    assert len(done) == 800


def test_of_work_that_waits_one_piece_is_done_between_two_rounds(engine: Engine, gate: Gate) -> None:
    request = engine.submit("A", params(max_new_chars=60))
    assert gate.reached.wait(PATIENCE_S)
    futures = [engine.run(lambda _: len(gate.read)) for _ in range(40)]
    gate.opened.set()
    passes = [future.result(PATIENCE_S) for future in futures]
    while_writing = [done for done in passes if done < len(gate.read)]
    assert while_writing
    assert while_writing == sorted({*while_writing})
    assert passes == sorted(passes)
    assert finished(request).state == DONE


class Clock:
    """Stands still but for those who turn it on."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_work_leaves_writing_its_share_of_the_time(engine: Engine, tiny: Weights, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(engine_module, "time", clock)
    request = engine.submit("A", params(max_new_chars=100))
    assert gate.reached.wait(PATIENCE_S)

    def turn(*_: object) -> None:
        clock.now += 1

    def work(_: Weights) -> float:
        clock.now += 4
        return clock.now

    tiny.model.register_forward_pre_hook(turn)
    futures = [engine.run(work) for _ in range(10)]
    gate.opened.set()
    ends = [future.result(PATIENCE_S) for future in futures]
    assert finished(request).state == DONE
    shares = [4 / (after - before) for before, after in pairwise(ends)]
    assert max(shares) == pytest.approx(WORK_SHARE)


def test_work_that_fails_is_its_own_matter(engine: Engine, gate: Gate) -> None:
    request = engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)

    def fails(error: BaseException) -> Future[None]:
        def work(_: Weights) -> None:
            raise error

        return engine.run(work)

    futures = {error: fails(error) for error in (ValueError("a fault"), MemoryError(), SystemExit(), KeyboardInterrupt())}
    after = engine.run(lambda _: "done")
    gate.opened.set()
    for error, future in futures.items():
        assert future.exception(PATIENCE_S) is error
    assert after.result(PATIENCE_S) == "done"
    assert finished(request).state == DONE
    assert is_idle(engine)


def test_work_that_is_cancelled_before_its_turn_is_not_done(engine: Engine) -> None:
    held, done = Held(engine), []
    futures = [engine.run(lambda _, number=number: done.append(number)) for number in range(6)]
    for number in (0, 3, 5):
        assert futures[number].cancel()
    held.let_go.set()
    for number in (1, 2, 4):
        assert futures[number].result(PATIENCE_S) is None
    with pytest.raises(CancelledError):
        futures[5].result(PATIENCE_S)
    assert held.future.result() == "done"
    assert done == [1, 2, 4]
    assert engine.run(lambda _: "again").result(PATIENCE_S) == "again"


def test_too_much_work_is_refused_until_some_is_done(engine: Engine) -> None:
    held = Held(engine)
    futures = [engine.run(lambda _, number=number: number) for number in range(MAX_WAITING_WORK)]
    with pytest.raises(BusyError, match=r"64 other requests are already waiting\. Try again"):
        engine.run(lambda _: None)
    held.let_go.set()
    assert [future.result(PATIENCE_S) for future in futures] == [*range(MAX_WAITING_WORK)]
    assert engine.run(lambda _: "again").result(PATIENCE_S) == "again"


def test_stopping_leaves_nobody_waiting_for_work(tiny: Weights) -> None:
    engine = Engine(tiny)
    held = Held(engine)
    waiting = [engine.run(lambda _: None) for _ in range(5)]
    waiting[2].cancel()
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    wait_for(lambda: engine._closing)
    held.let_go.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert held.future.result(0) == "done"
    assert waiting[2].cancelled()
    for future in (*waiting[:2], *waiting[3:]):
        with pytest.raises(BusyError, match=r"The server is shutting down\."):
            future.result(0)
    with pytest.raises(BusyError, match=r"The server is shutting down\."):
        engine.run(lambda _: None)


def test_closing_does_the_work_that_waits(tiny: Weights) -> None:
    engine = Engine(tiny)
    held = Held(engine)
    waiting = [engine.run(lambda _, number=number: number) for number in range(5)]
    closing = threading.Thread(target=engine.close)
    closing.start()
    wait_for(lambda: engine._closing)
    with pytest.raises(BusyError, match=r"The server is shutting down\."):
        engine.run(lambda _: None)
    held.let_go.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert [future.result(0) for future in waiting] == [*range(5)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_ends_leaves_nobody_waiting_for_work(engine: Engine, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.submit("A", params())
    assert gate.reached.wait(PATIENCE_S)
    waiting = [engine.run(lambda _: None) for _ in range(3)]
    fail_once(monkeypatch, Writer, "_attempt", SystemExit())
    gate.opened.set()
    for future in waiting:
        with pytest.raises(BusyError, match=r"The server is shutting down\."):
            future.result(PATIENCE_S)
    wait_for(lambda: not engine.health()["healthy"])


def test_an_engine_that_slept_is_not_ill_when_work_comes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "STUCK_AFTER_S", 0.05)
    time.sleep(0.1)
    held = Held(engine)
    request = engine.submit("A", params())
    wait_for(lambda: not engine.health()["healthy"])  # who waits for a text is kept waiting
    held.let_go.set()
    assert finished(request).state == DONE
    wait_for(lambda: engine.health()["healthy"])
