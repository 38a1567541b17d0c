"""Which parts of a network can be named, to be switched off."""

from __future__ import annotations

import math
from typing import Any

import pytest

from model.config import BigramConfig, GPTConfig
from model.errors import ParameterError
from model.parts import NO_HEADS, Part, check_parts, part_name, read_part


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], ()),
        ([[1, 2], (0, 0), [1, 2]], ((0, 0), (1, 2))),
        ({(2, 3), (0, 3)}, ((0, 3), (2, 3))),
        ([["positions"], ["mlp", 2], (2, 0), ("mlp", 0), ["mlp", 2]], ((2, 0), ("mlp", 0), ("mlp", 2), ("positions",))),
        ([(2, 3)] * 100_000, ((2, 3),)),
    ],
    ids=["none", "lists", "a set", "all kinds", "many"],
)
def test_parts_are_taken_in_order_and_once(parts: Any, expected: tuple) -> None:
    assert check_parts(parts, GPTConfig(n_layer=3, n_head=4)) == expected


@pytest.mark.parametrize("parts", [None, 5, math.nan, "0.1", b"01", {"0": 1}, True], ids=repr)
def test_what_is_no_list_is_refused(parts: Any) -> None:
    with pytest.raises(ParameterError, match="The parts to switch off must be a list, not "):
        check_parts(parts, GPTConfig())


def nested(depth: int) -> list:
    """A list in a list in a list ..."""
    inner: list = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "part",
    [
        None,
        0,
        [],
        [0],
        [0, 1, 2],
        [0, 1.0],
        [0, math.nan],
        [True, 0],
        ["0", "1"],
        "01",
        "positions",
        ["mlp"],
        ["mlp", "0"],
        ["mlp", 0, 0],
        ["MLP", 0],
        ["mlp", True],
        ["positions", 0],
        [["positions"]],
        [[0], [1]],
        {"0": 1},
        {0, 1},
        nested(900),
        [0, None],
    ],
    ids=lambda part: repr(part)[:20],
)
def test_what_is_no_part_is_refused(part: Any) -> None:
    with pytest.raises(ParameterError, match=r'must be \[layer, head\], \["mlp", layer\] or \["positions"\], not .{1,40}\.$'):
        check_parts([[0, 0], part], GPTConfig())


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ([6, 0], "There is no layer 6. Valid layers: 0 to 5."),
        ([-1, 0], "There is no layer -1. Valid layers: 0 to 5."),
        ([10**5000, 0], "There is no layer a number with thousands of digits. Valid layers: 0 to 5."),
        ([5, 6], "There is no head 6 in layer 5. Valid heads: 0 to 5."),
        ([0, -(10**30)], f"There is no head -{10**30} in layer 0. Valid heads: 0 to 5."),
        (["mlp", 6], "There is no layer 6. Valid layers: 0 to 5."),
        (["mlp", -1], "There is no layer -1. Valid layers: 0 to 5."),
    ],
    ids=["layer", "negative layer", "huge layer", "head", "negative head", "MLP", "negative MLP"],
)
def test_a_part_that_does_not_exist_is_named_with_what_does(part: list, message: str) -> None:
    with pytest.raises(ParameterError) as refused:
        check_parts([part], GPTConfig())
    assert str(refused.value) == message


def test_where_there_is_one_head_it_is_head_0() -> None:
    with pytest.raises(ParameterError, match=r"There is no head 1 in layer 0\. Valid heads: only 0"):
        check_parts([[0, 1]], GPTConfig(n_layer=1, n_head=1))


@pytest.mark.parametrize("part", [[0, 0], ["mlp", 0], ["positions"]], ids=str)
def test_a_network_without_heads_has_no_parts(part: list) -> None:
    assert check_parts([], BigramConfig()) == ()
    with pytest.raises(ParameterError, match=NO_HEADS):
        check_parts([part], BigramConfig())


@pytest.mark.parametrize(("part", "name"), [((0, 2), "0.2"), (("mlp", 13), "mlp.13"), (("positions",), "positions")])
def test_a_part_is_read_by_its_name(part: Part, name: str) -> None:
    assert part_name(part) == name
    assert read_part(name) == part
