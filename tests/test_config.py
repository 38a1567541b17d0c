"""Settings: the window rule, limits and types."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import GPTConfig, TrainConfig, check_prompt, check_score_text, describe
from model.errors import ParameterError, SoliloquyError
from model.limits import MAX_SCORE_CHARS
from model.sampling import SamplingParams

CLASSES = (GPTConfig, SamplingParams, TrainConfig)
NUMBERS = [pytest.param(c, f.name, id=f"{c.__name__}.{f.name}") for c in CLASSES for f in fields(c) if f.metadata["low"] is not None]
WHOLE = [pytest.param(c, f.name, id=f"{c.__name__}.{f.name}") for c in CLASSES for f in fields(c) if type(f.default) is int]
NO_NUMBERS = {
    "NaN": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "10**400": 10**400,
    "-10**400": -(10**400),
    "1e300": 1e300,
    "text": "4",
    "empty": "",
    "True": True,
    "False": False,
    "None": None,
    "list": [4],
    "complex": 4j,
}


def nested(depth: int) -> list:
    """[[[...]]]"""
    return [nested(depth - 1)] if depth else []


block_sizes = st.integers(1, 2_048).map(lambda half: 2 * half)
positions = st.one_of(st.integers(1, 20_000), st.integers(1, 10**15))


def made(config_class: type, name: str, value: Any) -> Any:
    """A configuration with one field set; one head fits any number of channels."""
    others = {"n_head": 1} if config_class is GPTConfig else {}
    return config_class(**others | {name: value})


def label(config_class: type, name: str) -> str:
    """What users know a field by."""
    return next(f.metadata["label"] or f.name for f in fields(config_class) if f.name == name)


@given(block_sizes, positions)
def test_context_is_never_empty_nor_longer_than_the_block(block_size: int, position: int) -> None:
    context = position - GPTConfig(block_size=block_size).window_start(position)
    assert 1 <= context <= block_size
    assert context > block_size // 2 or context == position  # a moved window keeps half a block to look back on


@given(block_sizes, positions)
def test_window_starts_at_multiples_of_half_a_block(block_size: int, position: int) -> None:
    assert GPTConfig(block_size=block_size).window_start(position) % (block_size // 2) == 0


@given(block_sizes, positions)
def test_window_moves_by_nothing_or_half_a_block(block_size: int, position: int) -> None:
    config = GPTConfig(block_size=block_size)
    assert config.window_start(position + 1) - config.window_start(position) in (0, block_size // 2)


@given(block_sizes, st.floats(0, 1))
def test_window_stays_at_0_while_the_text_fits(block_size: int, share: float) -> None:
    config = GPTConfig(block_size=block_size)
    assert config.window_start(round(share * block_size)) == 0
    assert config.window_start(block_size) == 0
    assert config.window_start(block_size + 1) == block_size // 2


@given(block_sizes, positions)
def test_window_follows_the_formula(block_size: int, position: int) -> None:
    half = block_size // 2
    expected = 0 if position <= block_size else half * math.ceil(Fraction(position - block_size, half))
    assert GPTConfig(block_size=block_size).window_start(position) == expected


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS.keys())
@pytest.mark.parametrize(("config_class", "name"), NUMBERS)
def test_what_is_no_number_is_refused_by_name(config_class: type, name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^{label(config_class, name)} must be .*not "):
        made(config_class, name, value)


def test_a_number_too_long_to_print_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match=r"^seed must be"):
        SamplingParams(seed=10**5_000)
    with pytest.raises(ParameterError, match=r"^temperature must be"):
        SamplingParams(temperature=10**5_000)


@pytest.mark.parametrize(("config_class", "name"), NUMBERS)
def test_limits_are_included_and_what_lies_past_them_is_refused(config_class: type, name: str) -> None:
    limits = next(f.metadata for f in fields(config_class) if f.name == name)
    low, high = limits["low"], limits["high"]
    assert getattr(made(config_class, name, low), name) == low
    assert getattr(made(config_class, name, high), name) == high
    whole = type(low) is int
    for past in (low - 1, high + 1) if whole else (math.nextafter(low, -math.inf), math.nextafter(high, math.inf)):
        with pytest.raises(ParameterError, match=rf"^{label(config_class, name)} must be between "):
            made(config_class, name, past)


@pytest.mark.parametrize(("config_class", "name"), WHOLE)
def test_a_whole_float_is_taken_as_an_int_and_a_broken_one_refused(config_class: type, name: str) -> None:
    value = getattr(made(config_class, name, 4.0), name)
    assert value == 4
    assert type(value) is int
    with pytest.raises(ParameterError, match=rf"^{label(config_class, name)} must be a whole number, not 4.5"):
        made(config_class, name, 4.5)


def test_an_int_is_taken_as_a_float() -> None:
    temperature = SamplingParams(temperature=1).temperature
    assert temperature == 1.0
    assert type(temperature) is float


@pytest.mark.parametrize("value", ["sgd", "", "MUON", None, 3, True, ["muon"]], ids=repr)
def test_a_choice_that_is_not_offered_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"^optimizer must be"):
        TrainConfig(optimizer=value)


def test_public_limits_are_those_of_the_page() -> None:
    SamplingParams(temperature=2.0, max_new_chars=2_000, samples=16, seed=2**53 - 1, top_k=0, top_p=0.0)
    SamplingParams(temperature=0.0, max_new_chars=1, samples=1, seed=0, top_p=1.0)
    too_much = {"temperature": 2.01, "max_new_chars": 2_001, "samples": 17, "seed": 2**53, "top_p": 1.01, "top_k": -1}
    for name, value in too_much.items():
        with pytest.raises(ParameterError, match=rf"^{label(SamplingParams, name)} must be between"):
            SamplingParams(**{name: value})


def test_a_setting_is_called_what_the_page_calls_it() -> None:
    with pytest.raises(ParameterError, match=r"^length must be between 1 and 2,000, not 2001\."):
        SamplingParams(max_new_chars=2_001)


def test_a_prompt_of_the_greatest_length_is_one_and_a_longer_one_is_refused_with_its_length() -> None:
    check_prompt("")
    check_prompt("x" * 10_000)
    with pytest.raises(ParameterError, match="The prompt has 10,001 characters; the maximum is 10,000"):
        check_prompt("x" * 10_001)


@pytest.mark.parametrize("prompt", [None, 5, b"ROMEO", ["R"], {}, True], ids=repr)
def test_a_prompt_that_is_no_text_is_refused(prompt: object) -> None:
    with pytest.raises(ParameterError, match="The prompt must be a string"):
        check_prompt(prompt)


def test_a_text_to_score_has_its_own_limit_and_name() -> None:
    check_score_text("")
    check_score_text("x" * MAX_SCORE_CHARS)
    with pytest.raises(ParameterError, match="The text has 1,048,576 characters; the maximum is 12,000"):
        check_score_text("x" * 2**20)
    with pytest.raises(ParameterError, match="The text must be a string"):
        check_score_text(None)


def test_channels_must_divide_among_the_heads() -> None:
    with pytest.raises(ParameterError, match=r"n_embd \(32\) must be a multiple of n_head \(5\)"):
        GPTConfig(n_embd=32, n_head=5)


def test_block_size_must_be_even() -> None:
    with pytest.raises(ParameterError, match="block_size must be even, not 255"):
        GPTConfig(block_size=255)


def test_a_changed_copy_is_checked_again_and_the_original_cannot_be_changed() -> None:
    params = SamplingParams()
    with pytest.raises(ParameterError, match="samples"):
        replace(params, samples=0)
    with pytest.raises(FrozenInstanceError):
        params.samples = 0  # type: ignore[misc]


def test_a_parameter_error_is_both_the_projects_and_a_value_error() -> None:
    assert issubclass(ParameterError, SoliloquyError)
    assert issubclass(ParameterError, ValueError)


@pytest.mark.parametrize("config_class", CLASSES)
def test_every_setting_is_described_once(config_class: type) -> None:
    words = describe(config_class)
    assert list(words) == [f.name for f in fields(config_class)]
    assert all(words.values())
    assert len(set(words.values())) == len(words)
