"""Serving: the cached decoder beside the plain forward, and the engine's promises to those who wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model.checkpoint import Weights
from model.config import MAX_PROMPT_CHARS, MAX_WAITING_REQUESTS, SamplingParams
from model.errors import BusyError, ParameterError
from model.generate import generate
from model.gpt import GPT
from model.sampling import dice, distribution, draw
from model.serving.decoder import Decoder, throws_of
from model.serving.engine import Engine
from model.serving.request import DONE, FAILED, RUNNING, STOPPED, WAITING, Progress, Request

pytestmark = pytest.mark.usefixtures("one_thread")

PATIENCE_S = 60.0  # how long a test waits for what should take no time, before it says that it never comes


@pytest.fixture
def engine(tiny: Weights) -> Iterator[Engine]:
    """An engine for the small random network."""
    engine = Engine(tiny)
    yield engine
    engine.close()


def params(**settings: Any) -> SamplingParams:
    """Settings for a short text."""
    return SamplingParams(**{"temperature": 1.0, "max_new_chars": 20, "seed": 7} | settings)


def finished(request: Request) -> Progress:
    """A request at its end."""
    deadline = time.monotonic() + PATIENCE_S
    while not (progress := request.progress()).finished:
        assert time.monotonic() < deadline, f"still {progress.state}"
        time.sleep(0.002)
    return progress


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


class RecordingDecoder(Decoder):
    """A decoder that keeps the logits of its steps."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.recorded: list[Tensor] = []

    def logits(self) -> Tensor:
        self.recorded.append(super().logits())
        return self.recorded[-1]


def decoded(model: GPT, prompt: list[int], settings: SamplingParams) -> tuple[Tensor, Tensor]:
    """Texts with their prompt, (samples, T), and the logits of every new character, (samples, max_new_chars, V)."""
    decoder = RecordingDecoder(model, prompt, throws_of(settings), settings)
    ids = []
    while not decoder.done:
        ids.append(torch.from_numpy(decoder.step().ids))
    assert len(ids) == settings.max_new_chars
    texts = torch.cat([torch.tensor(prompt).expand(settings.samples, -1), torch.stack(ids, dim=1)], dim=1)
    return texts, torch.stack(decoder.recorded, dim=1).clone()


@pytest.mark.parametrize("prompt_chars", [1, 15, 16, 17, 48])
def test_cached_logits_match_full_forward(tiny: Weights, make_ids: Callable[..., Tensor], prompt_chars: int) -> None:
    model, prompt = tiny.model, make_ids(1, prompt_chars)[0].tolist()
    texts, logits = decoded(model, prompt, params(samples=3, max_new_chars=50))
    assert len(texts.unique(dim=0)) == 3
    for i in range(50):
        position = prompt_chars + i
        with torch.no_grad():
            plain = model(texts[:, model.config.window_start(position) : position])[:, -1]
        assert_close(logits[:, i], plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("prompt_chars", "new_chars"), [(1, 12), (250, 16), (256, 4), (257, 4), (380, 8), (768, 4)])
def test_cached_logits_match_full_forward_on_the_shipped_model(
    shipped: Weights, make_ids: Callable[..., Tensor], prompt_chars: int, new_chars: int
) -> None:
    model, prompt = shipped.model, make_ids(1, prompt_chars, seed=prompt_chars)[0].tolist()
    texts, logits = decoded(model, prompt, params(samples=2, max_new_chars=new_chars))
    positions = range(prompt_chars, prompt_chars + new_chars)
    starts = {position: model.config.window_start(position) for position in positions}
    for start in set(starts.values()):  # one pass reads a window to its end: earlier logits do not depend on what follows
        inside = [position for position in positions if starts[position] == start]
        with torch.no_grad():
            plain = model(texts[:, start : inside[-1]])
        for position in inside:
            assert_close(logits[:, position - prompt_chars], plain[:, position - start - 1], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{}, {"seed": 8, "first_sample": 3}, {"temperature": 0.0}, {"temperature": 0.5, "top_k": 5}, {"top_p": 0.6}],
    ids=str,
)
@pytest.mark.parametrize("prompt_chars", [1, 16, 30])
def test_the_decoder_writes_what_the_plain_reference_writes(
    tiny: Weights, make_ids: Callable[..., Tensor], prompt_chars: int, settings: dict[str, Any]
) -> None:
    prompt = make_ids(1, prompt_chars)[0].tolist()
    settings = {"max_new_chars": 60} | settings
    texts, _ = decoded(tiny.model, prompt, params(samples=2, **settings))
    for sample, text in enumerate(texts.tolist()):
        first_sample = settings.get("first_sample", 0) + sample
        assert text[prompt_chars:] == list(generate(tiny.model, prompt, params(**settings | {"first_sample": first_sample})))


def test_the_decoder_writes_what_the_plain_reference_writes_on_the_shipped_model(shipped: Weights) -> None:
    prompt = shipped.tokenizer.encode("ROMEO:\n" + "But soft, what light through yonder window breaks? " * 5)[-252:]
    texts, _ = decoded(shipped.model, prompt, params(samples=2, max_new_chars=10))
    for sample, text in enumerate(texts.tolist()):
        assert text[252:] == list(generate(shipped.model, prompt, params(max_new_chars=10, first_sample=sample)))


def test_a_step_tells_where_the_die_fell(tiny: Weights) -> None:
    settings = params(samples=3, temperature=0.7, top_k=10)
    decoder = RecordingDecoder(tiny.model, [5], throws_of(settings), settings)
    for step in range(settings.max_new_chars):
        drawn = decoder.step()
        throws = np.array([dice(7, sample, 20)[step] for sample in range(3)])
        assert (drawn.low <= throws).all()
        assert (throws < drawn.high).all()
        expected = draw(distribution(decoder.recorded[-1].numpy(), 0.7, 10), throws)
        np.testing.assert_array_equal(drawn.ids, expected.ids)
        np.testing.assert_array_equal(drawn.high, expected.high)


def test_each_sample_has_the_dice_of_its_number() -> None:
    throws = throws_of(params(samples=3, first_sample=2, seed=9))
    np.testing.assert_array_equal(throws, [dice(9, number, 20) for number in (2, 3, 4)])


def test_sample_k_of_a_request_is_a_request_that_begins_with_k(tiny: Weights, make_ids: Callable[..., Tensor]) -> None:
    prompt = make_ids(1, 10)[0].tolist()
    together, _ = decoded(tiny.model, prompt, params(samples=5, max_new_chars=40))
    for k in range(5):
        alone, _ = decoded(tiny.model, prompt, params(samples=1, first_sample=k, max_new_chars=40))
        assert_close(alone[0], together[k], rtol=0, atol=0)


def test_the_number_of_samples_does_not_change_a_samples_text(tiny: Weights, make_ids: Callable[..., Tensor]) -> None:
    prompt = make_ids(1, 10)[0].tolist()
    most, _ = decoded(tiny.model, prompt, params(samples=16, max_new_chars=40))
    for samples in (1, 2, 3, 7):
        texts, _ = decoded(tiny.model, prompt, params(samples=samples, max_new_chars=40))
        assert_close(texts, most[:samples], rtol=0, atol=0)


def test_a_requests_texts_are_the_references(engine: Engine, tiny: Weights) -> None:
    progress = finished(engine.submit("To be, or", params(samples=3, max_new_chars=40)))
    assert progress.state == DONE
    assert progress.error == ""
    assert progress.elapsed_s > 0
    prompt = tiny.tokenizer.encode("To be, or")
    expected = [generate(tiny.model, prompt, params(max_new_chars=40, first_sample=k)) for k in range(3)]
    assert progress.texts == tuple(tiny.tokenizer.decode(text) for text in expected)


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
    with pytest.raises(ParameterError, match="The prompt has 10,001 characters; the most is 10,000"):
        engine.submit("x" * (MAX_PROMPT_CHARS + 1), params())


@pytest.mark.parametrize("prompt", [None, 5, b"ROMEO", ["R"], {}, True], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(engine: Engine, prompt: Any) -> None:
    with pytest.raises(ParameterError, match="The prompt must be a text"):
        engine.submit(prompt, params())


def test_top_k_may_exceed_the_vocabulary(engine: Engine) -> None:
    request = engine.submit("A", params(top_k=4_000))
    assert request.params.top_k == 65
    assert finished(request).texts == finished(engine.submit("A", params(top_k=0))).texts


def test_a_request_goes_from_waiting_to_running_to_done(engine: Engine, gate: Gate) -> None:
    first, second = engine.submit("A", params()), engine.submit("B", params(samples=2))
    assert gate.reached.wait(PATIENCE_S)
    assert first.progress().state == RUNNING
    assert second.progress() == Progress(WAITING, ("", ""), 0.0, "")
    assert not second.progress().finished
    gate.opened.set()
    assert finished(first).state == finished(second).state == DONE
    assert second.progress() == second.progress()  # time stands still once it is done
    assert second.number > first.number


def test_health_counts_what_is_written_and_what_waits(engine: Engine, gate: Gate) -> None:
    assert engine.health() == {"healthy": True, "writing": 0, "waiting": 0}
    requests = [engine.submit("A", params()) for _ in range(4)]
    assert gate.reached.wait(PATIENCE_S)
    assert engine.health() == {"healthy": True, "writing": 1, "waiting": 3}
    gate.opened.set()
    assert {finished(request).state for request in requests} == {DONE}
    engine.close()
    assert engine.health() == {"healthy": False, "writing": 0, "waiting": 0}


def test_requests_are_served_in_the_order_in_which_they_came(engine: Engine, gate: Gate, tiny: Weights) -> None:
    requests = [engine.submit(char, params(max_new_chars=1)) for char in "DACBE"]
    gate.opened.set()
    assert [finished(request).state for request in requests] == [DONE] * 5
    assert gate.read == [tiny.tokenizer.encode(char) for char in "DACBE"]


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
    assert progress.texts == tuple(text[:5] for text in whole)
    request.cancel()
    assert request.progress() == progress


def test_a_request_cancelled_while_it_waits_is_never_read(engine: Engine, gate: Gate, tiny: Weights) -> None:
    first, second, third = (engine.submit(char, params(max_new_chars=1)) for char in "ABC")
    assert gate.reached.wait(PATIENCE_S)
    second.cancel()
    gate.opened.set()
    assert finished(third).state == finished(first).state == DONE
    assert finished(second).state == STOPPED
    assert second.progress() == Progress(STOPPED, ("",), 0.0, "")
    assert gate.read == [tiny.tokenizer.encode(char) for char in "AC"]


@pytest.mark.parametrize("steps", [0, 4])
def test_a_failing_request_ends_as_failed_and_the_next_one_is_served(
    engine: Engine, tiny: Weights, caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    expected = finished(engine.submit("A", params())).texts
    passes: list[None] = []

    def fail_once(*_: object) -> None:
        passes.append(None)
        if len(passes) == steps + 1:
            raise RuntimeError("out of memory at 0xdeadbeef")

    tiny.model.register_forward_pre_hook(fail_once)
    with caplog.at_level(logging.ERROR):
        failed, served = (finished(request) for request in [engine.submit("A", params()), engine.submit("A", params())])
    assert failed.state == FAILED
    assert failed.texts == (expected[0][:steps],)
    assert "please try again" in failed.error
    assert "0xdeadbeef" not in failed.error  # for the log, not for the class
    assert "0xdeadbeef" in caplog.text
    assert served.state == DONE
    assert served.texts == expected
    assert engine.health()["healthy"]


def test_a_full_queue_is_refused_and_has_room_again_once_it_was_served(engine: Engine, gate: Gate) -> None:
    running = engine.submit("A", params(max_new_chars=1))
    assert gate.reached.wait(PATIENCE_S)
    waiting = [engine.submit("B", params(max_new_chars=1)) for _ in range(MAX_WAITING_REQUESTS)]
    with pytest.raises(BusyError, match=r"256 requests wait already\. Try again"):
        engine.submit("C", params())
    for request in waiting[1:]:
        request.cancel()
    gate.opened.set()
    assert finished(running).state == finished(waiting[0]).state == DONE
    assert {finished(request).state for request in waiting[1:]} == {STOPPED}
    assert finished(engine.submit("C", params())).state == DONE


def test_stopping_keeps_what_is_written_and_begins_nothing_more(tiny: Weights) -> None:
    engine = Engine(tiny)
    served, waiting = engine.submit("A", params(max_new_chars=2_000)), engine.submit("B", params())
    while not served.progress().texts[0]:
        time.sleep(0.001)
    engine.stop()
    assert served.progress().state == STOPPED
    assert served.progress().texts[0]
    assert waiting.progress().state == STOPPED
    assert waiting.progress().texts == ("",)


def test_closing_finishes_all_that_waits(tiny: Weights, gate: Gate) -> None:
    engine = Engine(tiny)
    served, waiting = engine.submit("A", params()), engine.submit("B", params())
    assert gate.reached.wait(PATIENCE_S)
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join(0.5)
    assert closing.is_alive()
    gate.opened.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert not engine.health()["healthy"]
    assert served.progress().state == DONE
    assert waiting.progress().state == DONE
