"""Rows that come, grow, outgrow their window and leave: each gets the text that the plain forward gives it alone."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from torch import Tensor

from model.decode import generate
from model.errors import WENT_WRONG
from model.limits import MAX_ROWS, MAX_SAMPLES, MAX_STEP_ROWS, MAX_VIEWER_ROWS
from model.network import kv_cache
from model.network.gpt import GPT
from model.network.kv_cache import Ahead, Rows
from model.network.reading import PASS_CHARS, padded
from model.network.step_attention import compiler
from model.network.step_graph import StepGraph
from model.precision import set_up_writing, windows_agree
from model.sampling import SamplingParams, dice
from model.serving import writer as writer_module
from model.serving.decoder import KEPT_PROMPTS
from model.serving.request import DONE, FAILED, RUNNING, STOPPED, WAITING, Request
from model.serving.scheduler import SeatMap
from model.serving.writer import Row, Writer
from model.weights import Weights
from tests.conftest import VOCABULARY
from tests.support.serving import (
    MANY_ROUNDS,
    ask,
    assert_as_the_plain_forward_writes,
    held_by_float16,
    logits_of,
    make_writer,
    params,
    skip_where_rows_disagree,
    skip_without_bfloat16,
    write_all,
)

pytestmark = pytest.mark.usefixtures("one_thread")

PACKINGS = ["plain", "packed", "in blocks"]
# Fixtures are not changed by these tests, a busy machine is no failure, and to look for a smaller failing example takes minutes.
examples = settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(autouse=True)
def restore_onednn() -> Iterator[None]:
    """A choice of precision is also one for oneDNN, for the whole process."""
    enabled = torch.backends.mkldnn.enabled
    yield
    torch.backends.mkldnn.enabled = enabled


@pytest.fixture
def exact(tiny: Weights, make_model: Callable[..., GPT]) -> Callable[[int], Weights]:
    """Makes a small random network of some block size, which packing does not round."""
    return lambda block_size: replace(tiny, model=held_by_float16(make_model(block_size=block_size)))


def ready(weights: Weights, packing: str, dtype: torch.dtype = torch.float32) -> Weights:
    """A copy that writes in some way."""
    set_up_writing(dtype)
    model = copy.deepcopy(weights.model).to(dtype)
    return replace(weights, model=model if packing == "plain" else model.pack(in_blocks=packing == "in blocks"))


def skip_where_windows_disagree(model: GPT) -> None:
    """Skips where windows are read in one pass that do not agree to the last bit with the same ones alone."""
    if model.windows_agree and not windows_agree(model):
        pytest.skip("on this machine, the last bits of a window depend on what is read with it")


in_one_pass_or_several = pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])


def reading(weights: Weights, together: bool) -> Weights:
    """A copy that reads windows in one pass, or one by one; skips where no attention is compiled."""
    if together and not compiler():
        pytest.skip("windows are read in one pass only with the compiled attention")
    model = copy.deepcopy(weights.model)
    model.windows_agree = together
    return replace(weights, model=model)


@dataclass(frozen=True)
class Visit:
    """A request that comes in some round, and is cancelled some rounds later if it is not done before."""

    comes: int
    stays: int
    prompt: str
    settings: SamplingParams
    viewer: str


texts = st.text(VOCABULARY, max_size=50)
smooth = st.builds(params, temperature=st.floats(0.5, 2.0), max_new_chars=st.integers(1, 60), samples=st.integers(1, 5))
rough = st.builds(
    params,
    temperature=st.sampled_from([0.0, 0.3, 1.0]),
    max_new_chars=st.integers(1, 60),
    samples=st.integers(1, 16),
    seed=st.integers(0, 99),
    first_sample=st.integers(0, 99),
    top_k=st.sampled_from([0, 1, 5]),
    top_p=st.sampled_from([0.0, 0.6, 1.0]),
)
visits = st.builds(
    Visit,
    comes=st.integers(0, 60),
    stays=st.one_of(st.just(MANY_ROUNDS), st.integers(0, 40)),
    prompt=texts,
    settings=st.one_of(smooth, smooth, rough),
    viewer=st.sampled_from("ABC"),
)


def write_visits(writer: Writer, visits: list[Visit], seats: int) -> list[Request]:
    """Requests come and go while the writer writes; in every round seats are counted, in every step they are in order."""
    steps: list[list[int]] = []

    def note_seats(_: GPT, __: tuple[Tensor], options: dict[str, Any]) -> None:
        if isinstance(rows := options["cache"], Rows):
            steps.append(rows.seats.tolist())

    hook = writer.weights.model.register_forward_pre_hook(note_seats, with_kwargs=True)
    requests = write_counted_visits(writer, visits, seats)
    hook.remove()
    assert steps == [sorted({*step}) for step in steps]
    return requests


def write_counted_visits(writer: Writer, visits: list[Visit], seats: int) -> list[Request]:
    """Requests come and go while the writer writes; in every round seats are counted."""
    requests: dict[int, Request] = {}
    for now in range(MANY_ROUNDS):
        for i, visit in enumerate(visits):
            if now == visit.comes:
                requests[i] = ask(writer, visit.prompt, visit.settings, visit.viewer)
            if now == visit.comes + visit.stays:
                requests[i].cancel()
        if len(requests) == len(visits) and writer.idle:
            return [requests[i] for i in range(len(visits))]
        writer.round()
        running = [request for request in requests.values() if request.progress().state == RUNNING]
        assert writer.n_rows <= seats
        assert writer.n_rows <= sum(request.n_rows for request in running)
    raise AssertionError("the writer does not come to an end")


def assert_all_seats_are_free(writer: Writer, seats: int) -> None:
    """As many new rows sit down as there are seats, and write what one writes alone."""
    assert writer.idle
    assert writer.n_rows == writer.n_waiting == 0
    settings = params(max_new_chars=3, samples=8)
    requests = [ask(writer, "A", settings, viewer=str(number)) for number in range(seats // 8)]
    writer.round()
    assert writer.n_rows == seats
    write_all(writer)
    assert len({request.progress().texts for request in requests}) == 1
    assert requests[0].progress().state == DONE


def assert_ends_as_it_should(request: Request, visit: Visit) -> None:
    """Whole, or cancelled on the way."""
    progress = request.progress()
    lengths = {len(text) for text in progress.texts}
    assert progress.error == ""
    if visit.stays == MANY_ROUNDS:
        assert progress.state == DONE
    assert progress.state in (DONE, STOPPED)
    assert max(lengths) <= visit.settings.max_new_chars
    if progress.state == DONE:
        assert lengths == {visit.settings.max_new_chars}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("block_size", [16, 40])
@given(st.lists(visits, min_size=1, max_size=7), st.sampled_from([3, 8, 128]), st.sampled_from([0, 20, 10**9]))
@examples
def test_whatever_else_is_written_each_row_is_as_the_plain_forward_writes_it(
    exact: Callable[[int], Weights], block_size: int, packing: str, visits: list[Visit], step_rows: int, call_cost: int
) -> None:
    weights = exact(block_size)
    writer = make_writer(ready(weights, packing), 16)
    with patch.object(writer_module, "MAX_STEP_ROWS", step_rows), patch.object(kv_cache, "CALL_COST", call_cost):
        requests = write_visits(writer, visits, 16)
        for request, visit in zip(requests, visits, strict=True):
            assert_ends_as_it_should(request, visit)
            assert_as_the_plain_forward_writes(request, weights)
        assert_all_seats_are_free(writer, 16)


@given(st.lists(visits, min_size=1, max_size=7))
@examples
def test_the_same_holds_where_every_seat_is_computed_in_every_step(exact: Callable[[int], Weights], visits: list[Visit]) -> None:
    weights = exact(40)
    writer = make_writer(ready(weights, "packed"), 16)
    writer._decoder._graph = StepGraph(writer.weights.model, writer._decoder._cache)  # as on CUDA
    requests = write_visits(writer, visits, 16)
    for request, visit in zip(requests, visits, strict=True):
        assert_ends_as_it_should(request, visit)
        assert_as_the_plain_forward_writes(request, weights)
    assert_all_seats_are_free(writer, 16)


@pytest.mark.parametrize(
    "settings",
    [{}, {"seed": 8, "first_sample": 3}, {"temperature": 0.0}, {"temperature": 0.5, "top_k": 5}, {"top_p": 0.6}],
    ids=str,
)
@pytest.mark.parametrize("prompt_chars", [0, 1, 16, 30])
def test_the_plain_reference_writes_the_same(
    tiny: Weights, make_ids: Callable[..., Tensor], prompt_chars: int, settings: dict[str, Any]
) -> None:
    writer, settings = make_writer(tiny), {"max_new_chars": 60} | settings
    prompt = tiny.tokenizer.decode(make_ids(1, prompt_chars)[0].tolist())
    others = [ask(writer, "Once more unto the breach"[:n], params(samples=n, max_new_chars=50), "others") for n in (1, 5)]
    request = ask(writer, prompt, params(samples=2, **settings))
    write_all(writer)
    assert {other.progress().state for other in others} == {DONE}
    for sample, text in enumerate(request.progress().texts):
        first_sample = settings.get("first_sample", 0) + sample
        reference = generate(tiny.model, tiny.tokenizer.encode_prompt(prompt), params(**settings | {"first_sample": first_sample}))
        assert text == tiny.tokenizer.decode(reference)


@pytest.mark.parametrize("packing", ["plain", "packed"])
def test_on_the_shipped_model_too(shipped: Weights, packing: str) -> None:
    writer = make_writer(ready(shipped, packing), 16)
    play = "ROMEO:\n" + "But soft, what light through yonder window breaks? " * 15
    asked = [("", 12, 1), (play[:250], 14, 2), (play[:256], 4, 2), (play[:257], 5, 1), (play[:768], 6, 3)]
    requests = [ask(writer, prompt, params(max_new_chars=chars, samples=samples)) for prompt, chars, samples in asked]
    write_all(writer)
    for request, (_, chars, samples) in zip(requests, asked, strict=True):
        assert [len(text) for text in request.progress().texts] == [chars] * samples
        assert_as_the_plain_forward_writes(request, shipped)


def test_each_sample_has_the_dice_of_its_number(tiny: Weights) -> None:
    writer = make_writer(tiny)
    request = ask(writer, "A", params(samples=3, first_sample=2, seed=9))
    write_all(writer)
    for sample in range(3):
        characters = [request.character(sample, i) for i in range(20)]
        assert_array_equal([character.die for character in characters if character], dice(9, 2 + sample, 20))


def random_visits(count: int, random: Random) -> list[Visit]:
    """Requests of all shapes, of which a third is cancelled."""
    return [
        Visit(
            comes=random.randrange(60),
            stays=random.choice([random.randrange(40), MANY_ROUNDS, MANY_ROUNDS]),
            prompt="".join(random.choices(VOCABULARY, k=random.randrange(60))),
            settings=params(
                samples=random.choice([1, 1, 2, 5, 16]),
                max_new_chars=random.randrange(1, 60),
                seed=random.randrange(100),
                temperature=random.choice([0.0, 0.8, 1.5]),
                top_p=random.choice([0.7, 1.0, 1.0]),
            ),
            viewer=random.choice("ABCDE"),
        )
        for _ in range(count)
    ]


WAYS = [("packed", torch.float32), ("in blocks", torch.float32), ("packed", torch.bfloat16), ("in blocks", torch.bfloat16)]


@in_one_pass_or_several
@pytest.mark.parametrize(("packing", "dtype"), WAYS, ids=str)
def test_a_seed_gives_the_same_text_alone_and_in_a_crowd(
    exact: Callable[[int], Weights], packing: str, dtype: torch.dtype, together: bool
) -> None:
    if dtype == torch.bfloat16:
        skip_without_bfloat16()
    weights = ready(reading(exact(40), together), packing, dtype)
    skip_where_rows_disagree(weights.model)
    skip_where_windows_disagree(weights.model)
    visits = random_visits(41, Random(40))
    with patch.object(writer_module, "MAX_STEP_ROWS", 24), patch.object(kv_cache, "CALL_COST", 40):
        crowd = write_visits(make_writer(weights, 64), visits, 64)
    assert {request.progress().state for request in crowd} == {DONE, STOPPED}
    for theirs, visit in [*zip(crowd, visits, strict=True)][::2]:
        writer = make_writer(weights, 16)
        alone = ask(writer, visit.prompt, visit.settings)
        write_all(writer)
        for sample, text in enumerate(theirs.progress().texts):
            assert alone.progress().texts[sample][: len(text)] == text
            if text:
                assert_array_equal(logits_of(theirs, sample), logits_of(alone, sample)[: len(text)])


@in_one_pass_or_several
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_seed_gives_the_same_text_alone_and_in_a_crowd_on_the_shipped_model(shipped: Weights, dtype: torch.dtype, together: bool) -> None:
    if dtype == torch.bfloat16:
        skip_without_bfloat16()
    weights = ready(reading(shipped, together), "packed", dtype)
    skip_where_rows_disagree(weights.model)
    skip_where_windows_disagree(weights.model)
    alone, crowded = make_writer(weights, 16), make_writer(weights, 64)
    settings, prompt = params(max_new_chars=9, samples=2), "O Romeo, Romeo! " * 16
    request, (*others, late) = ask(alone, prompt[:250], settings), (params(max_new_chars=n, samples=n, seed=n) for n in (3, 7, 16, 9))
    for i, other in enumerate(others):
        ask(crowded, prompt[: 40 * i], other, viewer=str(i))
    for _ in range(2):
        crowded.round()
    theirs = ask(crowded, prompt[:250], settings)
    for _ in range(2):
        crowded.round()
    ask(crowded, prompt[:9], late, viewer="late")
    write_all(alone)
    write_all(crowded)
    assert theirs.progress().texts == request.progress().texts
    for sample in range(2):
        assert_array_equal(logits_of(theirs, sample), logits_of(request, sample))


def test_sample_k_of_a_request_is_a_request_that_begins_with_k(exact: Callable[[int], Weights]) -> None:
    weights = ready(exact(16), "packed")
    skip_where_rows_disagree(weights.model)
    writer = make_writer(weights, 32)
    together = ask(writer, "To be, or", params(samples=5, max_new_chars=40))
    alone = [ask(writer, "To be, or", params(first_sample=k, max_new_chars=40)) for k in range(5)]
    write_all(writer)
    assert together.progress().texts == tuple(request.progress().texts[0] for request in alone)
    assert len({*together.progress().texts}) == 5


def test_the_number_of_samples_does_not_change_a_samples_text(exact: Callable[[int], Weights]) -> None:
    weights = ready(exact(16), "packed")
    skip_where_rows_disagree(weights.model)
    writer = make_writer(weights, 32)
    most, *fewer = (ask(writer, "To be, or", params(samples=samples, max_new_chars=40)) for samples in (16, 1, 2, 3, 7))
    write_all(writer)
    for request in fewer:
        assert request.progress().texts == most.progress().texts[: request.n_rows]


def test_a_prompt_is_read_once_for_all_its_samples(tiny: Weights) -> None:
    shapes: list[tuple[int, ...]] = []
    tiny.model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    writer = make_writer(tiny)
    ask(writer, "To be, or", params(samples=16, max_new_chars=3))
    write_all(writer)
    assert shapes == [(1, 9), (16, 1), (16, 1)]


def test_a_prompt_is_read_once_for_all_requests_that_begin_with_it(exact: Callable[[int], Weights]) -> None:
    weights = ready(exact(16), "packed")
    skip_where_rows_disagree(weights.model)
    shapes: list[tuple[int, ...]] = []
    hook = weights.model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    writer = make_writer(weights, 64)
    requests = [ask(writer, "To be, or", params(first_sample=i, max_new_chars=30), viewer=str(i)) for i in range(30)]
    writer.round()
    assert shapes == [(1, 9), (30, 1)]  # all in the first round
    requests += [ask(writer, "To be, or", params(first_sample=30 + i, samples=5, max_new_chars=30), viewer=str(i)) for i in range(4)]
    writer.round()
    assert shapes[2:] == [(50, 1)]
    write_all(writer)
    hook.remove()
    for request in (*requests[::9], requests[-1]):
        writer = make_writer(weights)
        alone = ask(writer, "To be, or", request.params)
        write_all(writer)
        assert request.progress().texts == alone.progress().texts
        assert_array_equal(logits_of(request, 0), logits_of(alone, 0))


def test_of_the_prompts_that_were_read_a_few_are_kept(tiny: Weights) -> None:
    shapes: list[tuple[int, ...]] = []
    tiny.model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    writer = make_writer(tiny)

    def is_read(prompt: str) -> bool:
        shapes.clear()
        ask(writer, prompt, params(max_new_chars=1))
        write_all(writer)
        return bool(shapes)

    prompts = ["A"] + ["a" * n for n in range(1, KEPT_PROMPTS)]
    assert all(map(is_read, prompts))
    assert not any(map(is_read, prompts))
    assert is_read("b")
    assert is_read("A")  # that was used the longest time ago
    assert not is_read("b")


@in_one_pass_or_several
@pytest.mark.parametrize("at_once", [False, True])
def test_a_prompt_whose_logits_are_no_numbers_is_read_again(tiny: Weights, together: bool, at_once: bool) -> None:
    writer = make_writer(reading(tiny, together))
    fault = Fault(writer, is_no_number, lambda row: fault.passes < 1)
    requests = []
    for _ in range(2):
        requests.append(ask(writer, "To be", params()))
        if not at_once:
            write_all(writer)
    write_all(writer)
    assert [request.progress().state for request in requests] == [FAILED, DONE]
    assert_as_the_plain_forward_writes(requests[1], tiny)


def test_a_window_is_read_again_once_in_half_a_block(tiny: Weights) -> None:
    reads: list[int] = []
    tiny.model.register_forward_pre_hook(lambda _, inputs: reads.append(inputs[0].shape[1]))
    writer = make_writer(tiny)
    ask(writer, "To be, or", params(max_new_chars=60))
    write_all(writer)
    # From 9 to 16 characters in the first window; then a new one, of 9 characters at first, at 17, 25, ... 65 of 69.
    assert reads == [9, *[1] * 7, *[9, *[1] * 7] * 6, 9, *[1] * 3]


def test_long_and_many_windows_are_spread_over_rounds(tiny: Weights, make_model: Callable[..., GPT]) -> None:
    weights = replace(tiny, model=make_model(block_size=256))
    read: list[int] = []
    weights.model.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
    writer = make_writer(weights, 32)
    for first, prompt_chars in zip("abcdefgh", (200, 200, *[26] * 6), strict=True):
        ask(writer, first + "a" * (prompt_chars - 1), params(max_new_chars=1))
    per_round = []
    with patch.object(writer_module, "READ_CHARS", 192), patch.object(writer_module, "READ_OVERHEAD", 22):
        for _ in range(5):
            read.clear()
            writer.round()
            per_round.append(list(read))
    assert writer.idle
    assert per_round == [[200], [200], [26] * 4, [26] * 2, []]  # one at least, or as many as 192 characters are worth


def test_windows_of_a_round_fit_into_a_pass(tiny: Weights, make_model: Callable[..., GPT]) -> None:
    weights = reading(replace(tiny, model=make_model(block_size=256)), together=True)
    reads: list[int] = []
    weights.model.register_forward_pre_hook(lambda _, inputs: reads.append(len(inputs[0])))
    writer = make_writer(weights, 32)
    for first, prompt_chars in zip("aabcdefghij", (200, 200, 200, *[26] * 8), strict=True):
        ask(writer, first + "a" * (prompt_chars - 1), params(max_new_chars=1))
    per_round = []
    with patch.object(writer_module, "PASS_CHARS", 300):
        for _ in range(4):
            reads.clear()
            writer.round()
            per_round.append(list(reads))
    assert writer.idle
    # Padded. The second one is not read, and counts as 16 characters.
    assert per_round == [[padded(200)], [padded(200 + 3 * 26)], [padded(5 * 26)], []]


def test_passes_stay_small_when_a_prompt_fails_beside_one_of_many(tiny: Weights, make_model: Callable[..., GPT]) -> None:
    weights = reading(replace(tiny, model=make_model(block_size=256)), together=True)
    reads: list[int] = []
    weights.model.register_forward_pre_hook(lambda _, inputs: reads.append(len(inputs[0])))
    writer = make_writer(weights, 128)
    ask(writer, "a" * 200, params(max_new_chars=1))
    write_all(writer)  # it is known
    bad = ask(writer, "bad", params(max_new_chars=1))
    Fault(writer, raises, lambda row: row.request is bad)
    others = [ask(writer, "b" * n, params(max_new_chars=1), str(n)) for n in range(1, 20)]
    others += [ask(writer, "a" * 200, params(max_new_chars=1), f"as before {n}") for n in range(60)]
    write_all(writer)
    assert bad.progress().state == FAILED
    assert {request.progress().state for request in others} == {DONE}
    assert max(reads) <= PASS_CHARS


def test_of_many_with_one_new_prompt_all_begin_together(tiny: Weights, make_model: Callable[..., GPT]) -> None:
    writer = make_writer(reading(replace(tiny, model=make_model(block_size=256)), together=True), 64)
    requests = [ask(writer, "a" * 200 if n % 2 else "b" * n, params(max_new_chars=9), str(n)) for n in range(2, 32)]
    writer.round()
    assert [len(request.progress().texts[0]) for request in requests] == [2] * len(requests)


@in_one_pass_or_several
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_text_that_is_read_again_is_rounded_as_one_written_in_one_go(
    exact: Callable[[int], Weights], dtype: torch.dtype, together: bool
) -> None:
    if dtype == torch.bfloat16:
        skip_without_bfloat16()
    weights = ready(reading(exact(40), together), "packed", dtype)
    skip_where_rows_disagree(weights.model)
    skip_where_windows_disagree(weights.model)
    writer = make_writer(weights)
    written = ask(writer, "To be", params(max_new_chars=30))
    write_all(writer)
    text = written.progress().texts[0]
    for n in (1, 7, 29):
        again = ask(writer, "To be" + text[:n], params(max_new_chars=1))
        write_all(writer)
        if together:
            assert_array_equal(logits_of(again, 0)[0], logits_of(written, 0)[n])
        else:  # about the same
            np.testing.assert_allclose(logits_of(again, 0)[0], logits_of(written, 0)[n], atol=0.1)


def test_a_short_prompt_is_read_before_the_long_ones_of_a_viewer_who_has_had_more(tiny: Weights, make_model: Callable[..., GPT]) -> None:
    weights = replace(tiny, model=make_model(block_size=256))
    writer = make_writer(weights, 64)
    hog = [ask(writer, "a" * 250, params(max_new_chars=4), "hog") for _ in range(8)]
    with patch.object(writer_module, "READ_CHARS", 1):
        writer.round()
        newcomer = ask(writer, "b", params(max_new_chars=4), "newcomer")
        writer.round()
    assert [len(request.progress().texts[0]) for request in (*hog, newcomer)] == [3, *[0] * 7, 2]  # two more had to be read
    write_all(writer)
    for request in (*hog, newcomer):
        assert_as_the_plain_forward_writes(request, weights)


def test_a_step_has_a_bounded_number_of_rows_and_leaves_nobody_out(tiny: Weights) -> None:
    sizes: list[int] = []
    tiny.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    writer = make_writer(tiny, 256)
    requests = [ask(writer, "A", params(max_new_chars=6, samples=16), viewer=str(i)) for i in range(16)]
    for _ in range(3):
        writer.round()  # prompts are read, some begin earlier than others
    before = [len(request.progress().texts[0]) for request in requests]
    writer.round()
    writer.round()
    assert max(sizes) == MAX_STEP_ROWS < writer.n_rows == 256
    assert all(len(request.progress().texts[0]) >= length + 1 for request, length in zip(requests, before, strict=True) if length < 5)
    write_all(writer)
    assert {len(text) for request in requests for text in request.progress().texts} == {6}


def test_where_not_all_can_go_viewers_are_served_alike(tiny: Weights) -> None:
    writer = make_writer(tiny, 32)
    requests = [ask(writer, "A", params(samples=samples, max_new_chars=200), str(samples)) for samples in (15, 12, 2)]
    writer.round()  # all are begun
    before = [sum(map(len, request.progress().texts)) for request in requests]
    with patch.object(writer_module, "MAX_STEP_ROWS", 10), patch.object(writer_module, "CHARS_PER_READ", 10**6):
        for _ in range(60):
            writer.round()
    given = [sum(map(len, request.progress().texts)) - had for request, had in zip(requests, before, strict=True)]
    assert abs(given[0] - given[1]) <= 20  # not by their numbers of rows; the rows of two turns
    assert given[2] >= 2 * 60  # in every round


def test_a_viewer_of_many_rows_leaves_seats_for_others(tiny: Weights) -> None:
    writer = make_writer(tiny, 128)
    hog = [ask(writer, "A", params(samples=16), "hog") for _ in range(6)]
    other = ask(writer, "A", params(samples=16), "other")
    writer.round()
    assert [request.progress().state == RUNNING for request in hog] == [True] * 4 + [False] * 2
    assert MAX_VIEWER_ROWS == 64
    assert other.progress().state == RUNNING
    write_all(writer)
    assert {request.progress().state for request in hog} == {DONE}


def test_in_a_small_house_too_there_is_room_for_two(tiny: Weights) -> None:
    writer = make_writer(tiny, 32)
    hog = [ask(writer, "A", params(samples=16, max_new_chars=5), "hog") for _ in range(2)]
    writer.round()
    other = ask(writer, "A", params(samples=16, max_new_chars=5), "other")
    writer.round()
    assert [request.progress().state for request in (*hog, other)] == [RUNNING, WAITING, RUNNING]
    write_all(writer)
    assert {request.progress().state for request in (*hog, other)} == {DONE}


def test_those_who_wait_know_how_many_come_before_them(tiny: Weights) -> None:
    writer = make_writer(tiny, 16)
    first = ask(writer, "A", params(samples=16, max_new_chars=5), "A")
    writer.round()
    waiting = [ask(writer, "A", params(samples=16, max_new_chars=1), viewer) for viewer in "AABC"]
    assert [request.ahead for request in waiting] == [0, 1, 2, 3]
    writer.round()
    assert [request.progress().ahead for request in waiting] == [2, 3, 0, 1]  # those who have no rows go first
    waiting[2].cancel()
    writer.round()
    assert [request.progress().ahead for request in waiting if request is not waiting[2]] == [1, 2, 0]
    write_all(writer)
    assert first.finished
    assert [request.progress().state for request in waiting] == [DONE, DONE, STOPPED, DONE]


def test_cancelled_rows_are_gone_before_the_next_step(tiny: Weights) -> None:
    writer = make_writer(tiny)
    cancelled, waiting = (ask(writer, "A", params(samples=16)) for _ in range(2))
    for _ in range(5):
        writer.round()
    had = cancelled.progress().texts
    assert {len(text) for text in had} == {6}
    cancelled.cancel()
    writer.round()
    assert cancelled.progress().state == STOPPED
    assert cancelled.progress().texts == had
    assert waiting.progress().state == RUNNING  # in the seats that are free now
    write_all(writer)
    assert waiting.progress().state == DONE
    assert_as_the_plain_forward_writes(waiting, tiny)


@pytest.mark.parametrize(("state", "error"), [(STOPPED, ""), (FAILED, WENT_WRONG)])
@pytest.mark.parametrize("ends", ["running", "waiting", "running and waiting"])
def test_ending_what_is_under_way_or_waits_frees_its_seats(tiny: Weights, ends: str, state: str, error: str) -> None:
    writer = make_writer(tiny)
    requests = [ask(writer, "A", params(samples=8), viewer) for viewer in "ABCD"]
    for _ in range(3):
        writer.round()
    if "running" in ends:
        writer.end_running(state, error)
    if "waiting" in ends:
        writer.end_waiting(state, error)
    ended = [index in range(2 * ("running" not in ends), 2 + 2 * ("waiting" in ends)) for index in range(4)]
    for request, is_ended, begun in zip(requests, ended, (True, True, False, False), strict=True):
        progress = request.progress()
        assert (progress.state, progress.error) == (state, error) if is_ended else not progress.finished
        assert all(bool(text) is begun for text in progress.texts)
    write_all(writer)
    for request, is_ended in zip(requests, ended, strict=True):
        assert request.progress().state == (state if is_ended else DONE)
        assert_as_the_plain_forward_writes(request, tiny)
    assert_all_seats_are_free(writer, 16)


class Fault:
    """Harms every forward pass that certain rows take part in, after it has been computed and cached.

    Args:
        harm: what befalls the logits, (rows, 1, V), of the rows at those places.
        bad: which rows.
    """

    def __init__(self, writer: Writer, harm: Callable[[Tensor, list[int]], object], bad: Callable[[Row], bool]):
        self.writer, self.harm, self.bad = writer, harm, bad
        self.passes = 0
        writer.weights.model.register_forward_hook(self._after, with_kwargs=True)

    def _after(self, _: GPT, __: tuple[Tensor], options: dict[str, Any], logits: Tensor) -> Tensor:
        by_seat = {row.seat: row for rows in self.writer._rows.values() for row in rows}
        cache: Rows | Ahead | None = options.get("cache")  # the plain forward has none
        if not cache:
            return logits
        last = np.cumsum(cache.counts) - 1 if isinstance(cache, Ahead) else range(len(cache.seats))
        if places := [int(i) for i, seat in zip(last, cache.seats, strict=True) if self.bad(by_seat[seat])]:
            self.passes += 1
            logits = logits.clone()
            self.harm(logits, places)
        return logits


def raises(_: Tensor, __: list[int]) -> None:
    """As PyTorch does."""
    raise RuntimeError("out of memory at 0xdeadbeef")


def is_no_number(logits: Tensor, places: list[int]) -> None:
    """Of one character only."""
    logits[places, :, 40] = torch.nan


def is_infinite(logits: Tensor, places: list[int]) -> None:
    """Of one character only."""
    logits[places, :, 3] = torch.inf


FAULTS = [raises, is_no_number, is_infinite]


@in_one_pass_or_several
@pytest.mark.parametrize("harm", FAULTS)
@pytest.mark.parametrize("written", [0, 1, 4, 10])
def test_a_request_that_fails_fails_alone(
    tiny: Weights, caplog: pytest.LogCaptureFixture, harm: Callable[[Tensor, list[int]], object], written: int, together: bool
) -> None:
    writer = make_writer(reading(tiny, together), 32)
    good = [ask(writer, "To be"[:n], params(samples=n, max_new_chars=30 + n), viewer=str(n)) for n in (1, 2, 5, 3)]
    bad = ask(writer, "or not", params(samples=3))
    fault = Fault(writer, harm, lambda row: row.request is bad and row.sample in (0, 2) and row.written == written)
    good.append(ask(writer, "That is", params(samples=4, max_new_chars=33), viewer="late"))
    with caplog.at_level(logging.ERROR):
        write_all(writer)
    assert fault.passes
    assert bad.progress().state == FAILED
    assert bad.progress().error == WENT_WRONG
    assert "Please try again" in WENT_WRONG
    assert caplog.text.count(f"request {bad.number} failed") == 1
    assert "0xdeadbeef" not in WENT_WRONG  # for the log, not for the class
    assert ("0xdeadbeef" in caplog.text) is (harm is raises)
    assert {len(text) for text in bad.progress().texts} <= {written, written + 1}
    assert_as_the_plain_forward_writes(bad, tiny)
    for request in good:
        assert request.progress().state == DONE
        assert {len(text) for text in request.progress().texts} == {request.params.max_new_chars}
        assert_as_the_plain_forward_writes(request, tiny)
    assert_all_seats_are_free(writer, 32)


@in_one_pass_or_several
@pytest.mark.parametrize("harm", FAULTS)
def test_a_request_that_fails_while_several_of_its_windows_are_to_be_read_fails_alone(
    tiny: Weights, harm: Callable[[Tensor, list[int]], object], together: bool
) -> None:
    writer = make_writer(reading(tiny, together), 32)
    good = ask(writer, "To be", params(samples=2, max_new_chars=40), viewer="good")
    bad = ask(writer, "or not", params(samples=3))
    Fault(writer, harm, lambda row: row.request is bad and row.position > 16)
    write_all(writer)
    assert bad.progress().state == FAILED
    assert {len(text) for text in bad.progress().texts} == {11}
    assert good.progress().state == DONE
    assert_as_the_plain_forward_writes(good, tiny)
    assert_all_seats_are_free(writer, 32)


def test_a_request_without_numbers_in_a_step_that_another_breaks_into_parts_fails_alone(tiny: Weights) -> None:
    writer = make_writer(tiny, 32)
    without, breaking, good = (ask(writer, "To be", params(samples=samples), str(samples)) for samples in (8, 1, 3))
    Fault(writer, is_no_number, lambda row: row.request is without and row.written == 5)
    Fault(writer, raises, lambda row: row.request is breaking and row.written == 5)
    write_all(writer)
    assert [request.progress().state for request in (without, breaking, good)] == [FAILED, FAILED, DONE]
    assert_as_the_plain_forward_writes(good, tiny)
    assert_all_seats_are_free(writer, 32)


@pytest.mark.parametrize("rows", [1, 2, 3, 16])
def test_where_all_fail_all_end(tiny: Weights, rows: int) -> None:
    writer = make_writer(tiny)
    requests = [ask(writer, "A", params(), viewer=str(i)) for i in range(rows)]
    fault = Fault(writer, raises, lambda row: row.written == 3)
    write_all(writer)
    assert {request.progress().state for request in requests} == {FAILED}
    assert {request.progress().texts[0] for request in requests} == {requests[0].progress().texts[0]}
    assert len(requests[0].progress().texts[0]) == 3
    assert fault.passes < 4 * rows  # halves of halves
    assert_all_seats_are_free(writer, 16)


def test_a_fault_that_passes_costs_nobody_anything(tiny: Weights) -> None:
    writer = make_writer(tiny)
    requests = [ask(writer, "To be"[:n], params(samples=n), viewer=str(n)) for n in (1, 2, 5)]
    fault = Fault(writer, raises, lambda row: fault.passes < 1 and row.written == 5)
    write_all(writer)
    assert fault.passes == 1
    for request in requests:
        assert request.progress().state == DONE
        assert_as_the_plain_forward_writes(request, tiny)


def test_seats_with_numbers_that_are_none_are_wiped(tiny: Weights) -> None:
    writer = make_writer(tiny)
    keys_values = writer._decoder._cache.data

    def poison(logits: Tensor, places: list[int]) -> None:
        logits[places] = torch.nan
        for row in writer._rows[bad]:
            keys_values[:, :, row.seat, :, :12] = torch.nan

    bad = ask(writer, "or not", params(samples=16))
    Fault(writer, poison, lambda row: row.request is bad and row.written == 5)
    write_all(writer)
    assert bad.progress().state == FAILED
    good = ask(writer, "To", params(samples=16))
    write_all(writer)
    assert good.progress().state == DONE
    assert_as_the_plain_forward_writes(good, tiny)


def test_seats_for_all_samples_of_a_request_and_a_step_for_two_viewers() -> None:
    assert min(MAX_VIEWER_ROWS, MAX_ROWS) >= MAX_SAMPLES
    assert 2 * MAX_VIEWER_ROWS <= MAX_STEP_ROWS
    assert MAX_ROWS % SeatMap.BENCH == 0
