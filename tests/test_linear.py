"""Packed products beside the plain one, and what becomes of them when parameters change."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from model.limits import MAX_STEP_ROWS
from model.network.gpt import GPT
from model.network.linear import FBGEMM, ROW_BLOCK, InBlocks, Linear, OneDNN, packed
from model.precision import set_up_writing
from tests.support.pairwise import pairwise
from tests.support.serving import held_by_float16, skip_where_rows_disagree, skip_without_bfloat16

FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16
WAYS = [("packed", FLOAT32), ("in blocks", FLOAT32), ("packed", BFLOAT16), ("in blocks", BFLOAT16)]


@pytest.fixture(autouse=True)
def restore_onednn() -> Iterator[None]:
    """A choice of precision is also one for oneDNN, for the whole process."""
    enabled = torch.backends.mkldnn.enabled
    yield
    torch.backends.mkldnn.enabled = enabled


@pytest.fixture(params=[1, 5, os.cpu_count() or 1], ids="{} threads".format)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Products are shared among threads, or not. Five do not get parts of whole rows."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def make_linear(n_in: int, n_out: int, way: str = "plain", dtype: torch.dtype = FLOAT32, seed: int = 0) -> Linear:
    """A matrix that float16 holds exactly, as it does those that ship, for sums of about 1."""
    if dtype == BFLOAT16:
        skip_without_bfloat16()
    set_up_writing(dtype)
    linear = Linear(n_in, n_out, bias=False, dtype=dtype).requires_grad_(False)
    linear.weight.normal_(0.0, n_in**-0.5, generator=torch.Generator().manual_seed(seed))
    linear.weight.copy_(linear.weight.half())
    if way != "plain":
        linear.product = packed(linear.weight, in_blocks=way == "in blocks")
    return linear


def numbers(*shape: int, dtype: torch.dtype = FLOAT32, seed: int = 1) -> Tensor:
    """Random, about 1."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def exactly(linear: Linear, x: Tensor, gelu: bool, plus: Tensor | None) -> Tensor:
    """The same in float64."""
    y = x.double() @ linear.weight.double().T
    y = 0.5 * y * (1 + torch.erf(y / math.sqrt(2))) if gelu else y
    return y if plus is None else y + plus.double()


@pytest.mark.parametrize(
    ("shape", "kind", "added", "gelu"),
    pairwise(
        [(1, 1), (7, 1), (2, 5), (1, 40), (16, 1), (130, 1)],
        [("plain", FLOAT32), ("plain", BFLOAT16), *WAYS],
        [False, True],
        [False, True],
    ),
    ids=str,
)
def test_every_product_is_the_plain_one(shape: tuple[int, int], kind: tuple[str, torch.dtype], added: bool, gelu: bool) -> None:
    way, dtype = kind
    linear = make_linear(96, 72, way, dtype)
    x, plus = numbers(*shape, 96, dtype=dtype), numbers(*shape, 72, dtype=dtype, seed=2) if added else None
    before = None if plus is None else plus.clone()
    with torch.inference_mode():
        y = linear(x, "gelu" if gelu else "", plus)
    assert y.dtype == dtype
    assert y.shape == (*shape, 72)
    # bfloat16 keeps eight binary digits, of the product, of GELU's outcome and of the sum.
    tolerance = {"rtol": 0, "atol": 1e-5} if dtype == FLOAT32 else {"rtol": 2**-7, "atol": 2**-6}
    assert_close(y.double(), exactly(linear, x, gelu, plus), **tolerance)
    if plus is not None:
        assert_close(plus, before, rtol=0, atol=0)


@pytest.mark.parametrize(("way", "kind"), [("packed", FBGEMM), ("in blocks", InBlocks)])
def test_a_product_is_packed_as_it_should_be_in_float32(way: str, kind: type) -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this PyTorch has no FBGEMM")
    assert type(make_linear(32, 32, way).product) is kind


@pytest.mark.parametrize(("way", "kind"), [("packed", OneDNN), ("in blocks", InBlocks)])
def test_a_product_is_packed_as_it_should_be_in_bfloat16(way: str, kind: type) -> None:
    assert type(make_linear(32, 32, way, BFLOAT16).product) is kind


@pytest.mark.parametrize("change", [1 + 2**-12, 2.0**17, 2.0**-40], ids=["rounded", "too large", "too small"])
def test_what_float16_cannot_hold_is_not_packed(change: float) -> None:
    weight = make_linear(32, 32).weight.clone()
    assert packed(weight, in_blocks=False) is not None
    weight[3, 5] = change
    assert packed(weight, in_blocks=False) is None
    assert isinstance(packed(weight, in_blocks=True), InBlocks)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_there_is_no_packed_product_where_nothing_beats_the_plain_one(dtype: torch.dtype) -> None:
    assert packed(numbers(32, 32, dtype=dtype), in_blocks=False) is None


def assert_rows_agree(linear: Linear, counts: list[int], gelu: bool = False, added: bool = False) -> None:
    """The first and the last so many rows come out as each does alone."""
    most = max(counts)
    x, plus = numbers(most, 1, linear.in_features, dtype=linear.weight.dtype), None
    if added:
        plus = numbers(most, 1, linear.out_features, dtype=linear.weight.dtype, seed=2)

    def product(rows: slice) -> Tensor:
        return linear(x[rows], "gelu" if gelu else "", None if plus is None else plus[rows])

    with torch.inference_mode():
        alone = torch.cat([product(slice(i, i + 1)) for i in range(most)])
        for count in counts:
            assert torch.equal(product(slice(count)), alone[:count]), f"the first {count} rows"
            assert torch.equal(product(slice(most - count, most)), alone[most - count :]), f"the last {count} rows"


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("way", "dtype"), WAYS, ids=str)
def test_a_row_is_the_same_to_the_last_bit_whatever_the_number_of_rows(
    make_model: Callable[..., GPT], way: str, dtype: torch.dtype
) -> None:
    vocabulary, hidden = make_linear(96, 65, way, dtype), make_linear(96, 64, way, dtype)
    skip_where_rows_disagree(held_by_float16(make_model()).to(dtype).pack(in_blocks=way == "in blocks"))
    assert_rows_agree(vocabulary, [*range(1, 301)])
    assert_rows_agree(hidden, [*range(1, 40), 100, 128, 300], gelu=True)
    assert_rows_agree(hidden, [*range(1, 40), 100, 128, 300], added=True)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    "shape",
    [(384, 1536), (384, 65), *(pytest.param(shape, marks=pytest.mark.slow) for shape in [(384, 1152), (384, 384), (1536, 384)])],
    ids=str,
)
@pytest.mark.parametrize(("way", "dtype"), WAYS, ids=str)
def test_a_row_is_the_same_to_the_last_bit_at_the_shipped_size(
    make_model: Callable[..., GPT], shape: tuple[int, int], way: str, dtype: torch.dtype
) -> None:
    linear = make_linear(*shape, way, dtype)
    shipped_width = make_model(n_layer=1, n_head=6, n_embd=384)
    skip_where_rows_disagree(held_by_float16(shipped_width).to(dtype).pack(in_blocks=way == "in blocks"))
    assert_rows_agree(linear, [2, 15, 33, MAX_STEP_ROWS], gelu=shape == (384, 1536), added=shape[1] == 384)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("width", [65, 1536])
@pytest.mark.parametrize("way", ["packed", "in blocks"])
def test_a_row_is_the_same_to_the_last_bit_at_any_width(way: str, width: int) -> None:
    assert_rows_agree(make_linear(32, width, way), [1, 2, 3, 33, 128], gelu=True)


def test_a_block_is_filled_up_with_rows_that_leave_no_trace() -> None:
    seen: list[tuple[int, ...]] = []
    linear, multiply = make_linear(32, 24, "in blocks"), F.linear
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(F, "linear", lambda x, *matrix: seen.append(tuple(x.shape)) or multiply(x, *matrix))
        for rows in (1, 15, 16, 17, 40):
            seen.clear()
            assert linear(numbers(rows, 1, 32)).shape == (rows, 1, 24)
            assert seen == [(ROW_BLOCK, 32)] * -(-rows // ROW_BLOCK)


@pytest.mark.parametrize("change", [lambda m: m.to(torch.float64), lambda m: m.bfloat16(), lambda m: m.half().float(), lambda m: m.cpu()])
@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize("anew", [False, True], ids=["in place", "anew"])
def test_parameters_that_change_leave_no_packed_copy(
    make_model: Callable[..., GPT], make_ids: Callable[..., Tensor], change: Callable[[GPT], GPT], in_blocks: bool, anew: bool
) -> None:
    torch.__future__.set_overwrite_module_params_on_conversion(anew)  # as it is done for another device
    try:
        assert_change_leaves_no_copy(make_model, make_ids, change, in_blocks)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def assert_change_leaves_no_copy(
    make_model: Callable[..., GPT], make_ids: Callable[..., Tensor], change: Callable[[GPT], GPT], in_blocks: bool
) -> None:
    """A changed model multiplies by what its parameters are now."""
    ids, plain = make_ids(3, 16), change(held_by_float16(make_model()))
    model = held_by_float16(make_model()).pack(in_blocks)
    with torch.inference_mode():
        model(ids)
        assert all(module.product is not None for module in model.modules() if isinstance(module, Linear))
        changed = change(model)
        assert all(module.product is None for module in model.modules() if isinstance(module, Linear))
        assert_close(changed(ids), plain(ids), rtol=0, atol=0)


def test_packing_leaves_the_parameters_as_they_are(make_model: Callable[..., GPT], make_ids: Callable[..., Tensor]) -> None:
    plain, model = (held_by_float16(make_model()) for _ in range(2))
    model.pack()
    expected = plain.state_dict()
    assert model.state_dict().keys() == expected.keys()
    for name, tensor in model.state_dict().items():
        assert_close(tensor, expected[name], rtol=0, atol=0)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert model.n_params() == plain.n_params()


def test_a_packed_model_may_be_packed_again(make_model: Callable[..., GPT], make_ids: Callable[..., Tensor]) -> None:
    ids, model = make_ids(3, 16), held_by_float16(make_model())
    with torch.inference_mode():
        expected = model(ids)
        for in_blocks in (False, True, False):
            assert_close(model.pack(in_blocks)(ids), expected, rtol=0, atol=1e-4)


def test_unpacked_products_learn_as_pytorchs_own() -> None:
    ours, theirs = make_linear(16, 24).requires_grad_(True), nn.Linear(16, 24, bias=False)
    theirs.load_state_dict(ours.state_dict())
    x, plus = numbers(3, 5, 16), numbers(3, 5, 24, seed=2)
    ours(x, "gelu", plus).square().sum().backward()
    (F.gelu(theirs(x)) + plus).square().sum().backward()
    assert ours.weight.grad is not None
    assert theirs.weight.grad is not None
    assert_close(ours.weight.grad, theirs.weight.grad, rtol=0, atol=0)


def test_a_product_is_cast_to_the_precision_of_what_it_multiplies_and_its_gradient_is_not() -> None:
    linear = make_linear(16, 24).requires_grad_(True)
    y = linear(numbers(3, 16, dtype=BFLOAT16))
    assert y.dtype == BFLOAT16
    y.float().square().sum().backward()
    assert linear.weight.grad is not None
    assert linear.weight.grad.dtype == FLOAT32


def test_a_model_that_learns_is_the_same_before_and_after_another_was_packed(
    make_model: Callable[..., GPT], make_ids: Callable[..., Tensor]
) -> None:
    def gradients(model: GPT) -> list[Tensor]:
        model.requires_grad_(True)
        logits = model(make_ids(3, 16))
        F.cross_entropy(logits.flatten(0, 1), make_ids(3, 16, seed=1).flatten()).backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    model = make_model()
    copy.deepcopy(model).pack()
    learned, expected = gradients(model), gradients(make_model())
    assert len(learned) == len(expected) == len([*model.parameters()])
    for ours, theirs in zip(learned, expected, strict=True):
        assert_close(ours, theirs, rtol=0, atol=0)
