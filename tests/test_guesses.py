"""Characters guessed before the network writes them: sooner written, and to the last bit as without guesses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from model.__main__ import main
from model.continuations import LEAST_CONTEXT, LEAST_COUNT, Continuations
from model.errors import ParameterError
from model.network import Network
from model.network.kv_cache import Ahead
from model.precision import guesses_agree, packed_to_agree
from model.sampling import SamplingParams, dice
from model.serving.draft import LEARNS_FROM, Draft
from model.serving.guessing import MOST_GUESSES, MOST_ROWS, PAUSE, Guessing
from model.serving.request import DONE, NO_GUESS, STOPPED, Request
from model.weights import DRAFT_FILE, SHIPPED_WEIGHTS, Weights, load_tensors, read_draft, save_draft, save_tensors
from tests.support.serving import ask, logits_of, make_writer, params, skip_without_bfloat16, write_all

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = ("\n", "ROMEO:", "The king", "O ")


@pytest.fixture(autouse=True)
def restore_onednn() -> Iterator[None]:
    enabled = torch.backends.mkldnn.enabled
    yield
    torch.backends.mkldnn.enabled = enabled


def ready(weights: Weights, dtype: torch.dtype) -> Weights:
    """A copy that writes in a precision, packed as the app packs it, on a machine where it can guess."""
    model, _, _ = packed_to_agree(weights.model, dtype)
    if not guesses_agree(model):
        pytest.skip("on this machine, the last bits depend on how many characters of a row are read at once")
    return replace(weights, model=model)


def written(weights: Weights, seeds: range, chars: int, together: int, guess: bool) -> list[Request]:
    """Texts of as many seeds, so many at a time."""
    weights.model.guesses_agree = guess
    writer = make_writer(weights, 32)
    writer.wait()
    requests = []
    for first in range(seeds.start, seeds.stop, together):
        for seed in seeds[first - seeds.start : first - seeds.start + together]:
            settings = params(seed=seed, max_new_chars=chars, temperature=(0.8, 1.0, 0.5, 0.0)[seed % 4], top_k=(0, 10)[seed % 3 == 0])
            requests.append(ask(writer, PROMPTS[seed % 4], settings, viewer=str(seed)))
        write_all(writer)
    return requests


def n_right(request: Request) -> int:
    """How many of a text's guesses were right."""
    progress = request.progress()
    vocabulary = request._vocabulary
    return sum(guess >= 0 and vocabulary[guess] == char for char, guess in zip(progress.texts[0], progress.guesses[0], strict=True))


def check_same(weights: Weights, n_seeds: int, chars: int, shares: dict[int, int]) -> None:
    """Compares texts without guesses and with them, so many at a time and of this part of the seeds."""
    plain = written(weights, range(n_seeds), chars, 16, guess=False)
    for together, share in shares.items():
        guessed = written(weights, range(n_seeds // share), chars, together, guess=True)
        assert sum(n_right(request) for request in guessed) > 0 or together == 16  # which are too many to guess for
        for one, other in zip(guessed, plain, strict=False):
            assert one.progress().state == DONE
            assert one.progress().texts == other.progress().texts
            assert_array_equal(logits_of(one, 0), logits_of(other, 0))
            for i in range(chars):
                was, is_ = other.character(0, i), one.character(0, i)
                assert was
                assert is_
                assert (is_.char, is_.die) == (was.char, was.die)
                assert (is_.low, is_.high) == pytest.approx((was.low, was.high), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_guesses_change_nothing_about_a_text(shipped: Weights, dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16:
        skip_without_bfloat16()
    check_same(ready(shipped, dtype), 16, 16, {1: 8, 3: 4, 16: 1})


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_thousand_seeds_give_the_same_texts_with_guesses(shipped: Weights, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    if dtype == torch.bfloat16:
        skip_without_bfloat16()
    monkeypatch.setattr(Guessing, "choose", lambda _, texts, most: min(most, MOST_ROWS // texts - 1))  # as many as there may be
    check_same(ready(shipped, dtype), 1_000, 6, {8: 1, 1: 8})


def test_a_text_with_guesses_goes_on_past_its_window(shipped: Weights) -> None:
    weights = ready(shipped, torch.float32)
    texts = []
    for guess in (False, True):
        weights.model.guesses_agree = guess
        writer = make_writer(weights)
        writer.wait()
        request = ask(writer, "a " * 122, params(max_new_chars=25))
        write_all(writer)
        texts.append(request.progress().texts)
    assert texts[0] == texts[1]
    assert n_right(request) > 0


@pytest.mark.parametrize("fault", ["raises", "not finite"])
def test_where_a_step_with_guesses_fails_the_text_is_written_without_them(
    shipped: Weights, fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    weights = ready(shipped, torch.float32)
    (plain,) = written(weights, range(1), 40, 1, guess=False)
    forward, failed = type(weights.model).forward, []

    def faulty(model: Network, ids: torch.Tensor, *, cache: Any = None, **settings: Any) -> torch.Tensor:
        logits = forward(model, ids, cache=cache, **settings)
        if isinstance(cache, Ahead) and len(failed) < 1:
            failed.append(cache)
            cache.cache.data[:, :, int(cache.seats[-1]), :, int(cache.cache.lengths[cache.seats[-1]]) - 1] = (
                torch.nan
            )  # of a wrong guess, say
            if fault == "raises":
                raise MemoryError
            logits[-1] = torch.nan
        return logits

    monkeypatch.setattr(type(weights.model), "forward", faulty)
    (guessed,) = written(weights, range(1), 40, 1, guess=True)
    assert len(failed) == 1
    assert "a step with guesses failed" in caplog.text
    assert guessed.progress().state == DONE
    assert guessed.progress().texts == plain.progress().texts
    assert guessed.progress().guesses == ([NO_GUESS] * 40,)  # none for a while
    assert_array_equal(logits_of(guessed, 0), logits_of(plain, 0))


def test_a_text_with_guesses_can_be_stopped(shipped: Weights) -> None:
    weights = ready(shipped, torch.float32)
    weights.model.guesses_agree = True
    writer = make_writer(weights, 16)
    stopped = ask(writer, "\n", params(max_new_chars=200))
    other = ask(writer, "\n", params(max_new_chars=60), viewer="other")
    for _ in range(5):
        writer.round()
    stopped.cancel()
    write_all(writer)
    assert stopped.progress().state == STOPPED
    assert other.progress().state == DONE
    assert n_right(other) > 0
    weights.model.guesses_agree = False
    alone = ask(writer, "\n", params(max_new_chars=60))
    write_all(writer)
    assert other.progress().texts == alone.progress().texts
    assert alone.progress().texts[0].startswith(stopped.progress().texts[0][:60])


def test_guesses_are_thrown_with_the_same_dice() -> None:
    draft = Draft(Continuations.count(np.array([0, 1, 2] * 200), 4), 4)
    throws = dice(7, 0, 6)
    assert draft.guess([0, 1, 2], throws.tolist(), SamplingParams(temperature=0)) == [0, 1, 2, 0, 1, 2]
    assert draft.guess([0, 1, 2], [0.99999999], SamplingParams(temperature=2.0)) == [3]
    assert draft.guess([0, 1, 2], [0.99999999], SamplingParams(temperature=2.0, top_k=1)) == [0]


def test_without_a_text_a_draft_learns_from_what_is_written() -> None:
    draft = Draft(None, 3)
    assert draft.guess([0], [0.5], SamplingParams()) == []
    draft.learn([0, 1] * (LEARNS_FROM // 2))
    draft.wait()
    assert draft.guess([1, 0, 1, 0], [0.5, 0.5], SamplingParams(temperature=0)) == [1, 0]


def test_guesses_are_made_while_they_pay() -> None:
    guessing = Guessing()
    assert guessing.choose(1) >= 2
    assert guessing.choose(MOST_ROWS) == 0
    assert guessing.choose(1, most=0) == 0
    for _ in range(2_000):
        guessing.met([[0] * MOST_GUESSES], [0])
    assert guessing.choose(1) == 0
    for _ in range(2_000):
        guessing.met([[0] * MOST_GUESSES], [MOST_GUESSES])
    assert guessing.choose(1) == MOST_GUESSES
    for _ in range(50):
        guessing.took(1, 0, 0.001)
        for guesses in range(1, MOST_GUESSES + 1):
            guessing.took(1, guesses, 0.01)
    assert guessing.choose(1) == 0


def test_no_guesses_are_made_for_a_while_after_a_step_failed() -> None:
    guessing = Guessing()
    guessing.pause()
    assert not any(guessing.choose(1) for _ in range(PAUSE))
    assert guessing.choose(1) > 0


TEXT = np.random.default_rng(0).integers(0, 6, 3_000).tolist()


def test_counts_are_those_of_the_text() -> None:
    counts = Continuations.count(np.array([0, 1, 2, 0, 1, 3]), 5)
    assert_array_equal(counts.after(()), [2, 2, 1, 1, 0])
    assert_array_equal(counts.after((0, 1)), [0, 0, 1, 1, 0])
    assert_array_equal(counts.after((0, 1, 2, 0, 1)), [0, 0, 0, 1, 0])
    assert counts.after((3,)) is None  # nothing follows it
    assert counts.after((4, 4)) is None


def test_a_draft_is_kept_beside_the_weights_without_what_is_rare(tmp_path: Path) -> None:
    assert read_draft(tmp_path, 6) is None
    assert save_draft(tmp_path, TEXT, 6) == tmp_path / DRAFT_FILE
    kept, counted = read_draft(tmp_path, 6), Continuations.count(np.array(TEXT), 6)
    assert kept
    left_out = 0
    for length in range(6):
        for context in {tuple(TEXT[i : i + length]) for i in range(0, 2_000, 7)}:
            counts, read = counted.after(context), kept.after(context)
            assert counts is not None
            common = np.where((counts >= LEAST_COUNT) & (counts.sum() >= LEAST_CONTEXT), counts, 0)
            assert_allclose(np.zeros(6) if read is None else read, common, rtol=0.03)
            left_out += read is None
    assert left_out > 0
    with pytest.raises(ParameterError, match="at most 255 characters"):
        save_draft(tmp_path, TEXT, 256)


def test_a_damaged_draft_is_no_draft(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = save_draft(tmp_path, TEXT, 6)
    whole, tensors = path.read_bytes(), {name: tensor.clone() for name, tensor in load_tensors(path)[0].items()}

    def refused(because: str) -> None:
        caplog.clear()
        assert read_draft(tmp_path, 6) is None
        assert f"{path} is ignored: " in caplog.text
        assert because in caplog.text

    for content, because in ((b"no draft", "not a safetensors file"), (whole[:-9], "damaged"), (bytes(2**21), "more than 1,048,576")):
        path.write_bytes(content)
        refused(because)
    for changed, because in (
        ({"chars": tensors["chars"] + 1}, "another vocabulary"),
        ({"chars": tensors["chars"].long()}, "not those of a draft"),
        ({"chars": tensors["chars"][:, None]}, "not those of a draft"),
        ({"more": tensors["chars"] + 1}, "not those of a draft"),
        ({"counts": tensors["counts"][1:]}, "do not fit"),
        ({"followers": tensors["followers"][1:]}, "do not fit"),
        ({"followers": 0 * tensors["followers"]}, "do not fit"),
        ({"contexts": tensors["contexts"].flip(0)}, "not in order"),
        ({"contexts": tensors["contexts"] - 1}, "not in order"),
        ({"contexts": tensors["contexts"] * 7}, "not in order"),
        ({name: tensor[:0] for name, tensor in tensors.items()}, "not in order"),
    ):
        save_tensors(path, tensors | changed)
        refused(because)
    path.write_bytes(whole)
    assert read_draft(tmp_path, 6)
    assert read_draft(tmp_path, 5) is None


def test_the_shipped_draft_is_small_and_has_no_long_stretch_of_text(shipped: Weights) -> None:
    assert (SHIPPED_WEIGHTS / DRAFT_FILE).stat().st_size < 1_000_000
    assert shipped.draft
    text, stretch = shipped.tokenizer.encode("\n"), 0
    while stretch < 100:  # what follows for certain
        counts = shipped.draft.after(tuple(text[-5:]))
        if counts is None or np.count_nonzero(counts) > 1:
            break
        text, stretch = [*text, int(counts.argmax())], stretch + 1
    assert stretch < 30


def test_the_command_writes_the_shipped_draft(tmp_path: Path, corpus_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("model.safetensors", "config.json"):
        shutil.copy(SHIPPED_WEIGHTS / name, tmp_path)
    assert main(["draft", "--weights", str(tmp_path), "--corpus", str(corpus_path)]) == 0
    assert f"Wrote {tmp_path / DRAFT_FILE}: " in capsys.readouterr().out
    assert (tmp_path / DRAFT_FILE).read_bytes() == (SHIPPED_WEIGHTS / DRAFT_FILE).read_bytes()
