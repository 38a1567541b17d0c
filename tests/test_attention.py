"""What heads are said to do, beside plain loops over rows and characters, and beside patterns made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor
from torch.testing import assert_close

from model.attention import most_shown, read
from model.config import GPTConfig
from model.errors import ParameterError
from model.head_measures import LABEL_FLOOR, MEASURES, MIXED, SHARES, Measured, describe, excess, label, measure, targets
from model.limits import MAX_CAPTURE_NUMBERS
from model.network.gpt import GPT, Capture
from model.weights import Weights

pytestmark = pytest.mark.usefixtures("one_thread")

SCENE = "ROMEO:\nBut, soft! what light\nbreaks?\n\nJULIET:\nAy me!\n\nROMEO:\nShe speaks:\nO, speak again, bright angel!\n"
TEXTS = st.text(alphabet="ab: \n", min_size=1, max_size=40)


def random_weights(n_head: int, n: int, seed: int = 0) -> Tensor:
    """Random attention, some of it sharp, (n_head, n, n)."""
    scores = 3 * torch.randn(n_head, n, n, generator=torch.Generator().manual_seed(seed))
    return torch.softmax(scores + torch.full((n, n), -torch.inf).triu(1), dim=-1)


def meant(name: str, text: str, i: int) -> set[int]:
    """The characters that a measure means for row i, as the module's description says it."""
    space = max((p for p in range(i) if text[p] in " \n"), default=None)
    newline = max((p for p in range(i) if text[p] == "\n"), default=None)
    if name == "previous":
        return {i - 1} if i else set()
    if name == "first":
        return {0} if i else set()
    if name == "space":
        return set() if space is None else {space}
    if name == "word":
        return set() if space is None else set(range(space + 1, i))
    if name == "word_start":
        return set() if space is None or space + 1 == i else {space + 1}
    if name == "newline":
        return {j for j in range(i) if text[j] == "\n"}
    if name == "line_start":
        return set() if newline is None or newline + 1 == i else {newline + 1}
    if name == "same":
        return {j for j in range(i) if text[j] == text[i]}
    if name == "induction":
        return {j + 1 for j in range(i - 1) if text[j] == text[i]}
    assert name == "speaker"
    return speaker(text, i)


def speaker(text: str, i: int) -> set[int]:
    """The latest name whose line has ended at row i or before."""
    found: set[int] = set()
    begin, lines = 0, text.split("\n")
    for number, line in enumerate(lines[:-1]):  # the last has not ended
        end = begin + len(line)
        if len(line) > 1 and line.endswith(":") and (number == 0 or lines[number - 1] == "") and end <= i:
            found = set(range(begin, end))
        begin = end + 1
    return found


def by_loops(weights: Tensor, text: str) -> dict[str, tuple[float, float] | None]:
    """Measure -> its mean for one head, and what uniform attention has, (n, n)."""
    n, w = len(text), weights.double().tolist()
    found: dict[str, tuple[float, float] | None] = dict.fromkeys(MEASURES)
    if n > 1:
        entropies = [-sum(p * math.log2(p) for p in w[i][: i + 1] if p > 0) for i in range(1, n)]
        distances = [sum(w[i][j] * (i - j) for j in range(i + 1)) for i in range(1, n)]
        found["entropy"] = float(np.mean(entropies)), float(np.mean([math.log2(i + 1) for i in range(1, n)]))
        found["distance"] = float(np.mean(distances)), float(np.mean([i / 2 for i in range(1, n)]))
    for name in SHARES:
        rows = {i: columns for i in range(n) if (columns := meant(name, text, i))}
        if rows:
            given = np.mean([sum(w[i][j] for j in columns) for i, columns in rows.items()])
            found[name] = float(given), float(np.mean([len(columns) / (i + 1) for i, columns in rows.items()]))
    return found


@given(TEXTS, st.integers(0, 2**32))
def test_measures_are_those_of_plain_loops(text: str, seed: int) -> None:
    weights = random_weights(2, len(text), seed)
    measured = measure(weights, text)
    uniform = measured.uniform_means()
    for head, numbers in enumerate(measured.means()):
        assert tuple(numbers) == MEASURES
        for name, expected in by_loops(weights[head], text).items():
            if expected is None:
                assert numbers[name] is None
                assert uniform[name] is None
            else:
                assert_allclose([numbers[name], uniform[name]], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SHARES)
def test_a_scene_has_what_each_measure_means(name: str) -> None:
    wanted = targets(SCENE)[MEASURES.index(name) - 1]
    for i in range(len(SCENE)):
        assert set(wanted[i].nonzero().flatten().tolist()) == meant(name, SCENE, i), (i, SCENE[: i + 1])
    assert wanted.any()


def test_the_speaker_is_who_speaks_and_not_what_ends_with_a_colon() -> None:
    wanted = targets(SCENE)[MEASURES.index("speaker") - 1]
    names = ["".join(SCENE[j] for j in row.nonzero().flatten().tolist()) for row in wanted]
    changes = [(i, now) for i, (before, now) in enumerate(zip(["", *names], names, strict=False)) if now != before]
    assert [name for _, name in changes] == ["ROMEO:", "JULIET:", "ROMEO:"]  # `She speaks:` is none
    assert all(SCENE[i] == "\n" and SCENE[i - 1] == ":" for i, _ in changes)  # known once its line ends


@pytest.mark.parametrize("name", SHARES)
def test_a_head_that_does_one_thing_alone_scores_one_and_has_its_label(name: str) -> None:
    text = SCENE * 2
    wanted = targets(text)[MEASURES.index(name) - 1]
    weights = torch.where(wanted.any(-1, keepdim=True), wanted, torch.ones_like(wanted).tril())
    weights = (weights / weights.sum(-1, keepdim=True))[None]
    described = describe(measure(weights, text))[0]
    assert described[name] == 1.0
    assert described["label"] == name
    assert described["excess"] == 1.0


def test_uniform_attention_is_what_uniform_attention_has_and_is_mixed() -> None:
    weights = torch.ones(1, len(SCENE), len(SCENE)).tril()
    measured = measure(weights / weights.sum(-1, keepdim=True), SCENE)
    uniform = measured.uniform_means()
    for name, value in measured.means()[0].items():
        assert value == pytest.approx(uniform[name], abs=1e-5)
    assert label(measured.means()[0], uniform)[0] == MIXED


def test_a_head_that_looks_at_itself_alone_has_no_entropy_and_no_distance() -> None:
    described = describe(measure(torch.eye(len(SCENE))[None], SCENE))[0]
    assert (described["entropy"], described["distance"], described["label"]) == (0.0, 0.0, MIXED)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"previous": 0.9, "word": 0.9}, "previous"),  # the word holds the character before
        ({"previous": 0.5, "word": 0.9}, "word"),
        ({"same": LABEL_FLOOR + 0.06 * (1 - LABEL_FLOOR)}, "same"),
        ({"same": LABEL_FLOOR + 0.04 * (1 - LABEL_FLOOR)}, MIXED),
        ({}, MIXED),
    ],
)
def test_a_label_is_the_share_farthest_beyond_uniform_or_a_narrower_one_nearly_as_far(shares: dict[str, float], expected: str) -> None:
    uniform = dict.fromkeys(MEASURES, 0.02) | {"word": 0.05, "same": 0.05}
    numbers = dict(uniform) | shares
    name, most = label(numbers, uniform)
    assert name == expected
    if name != MIXED:
        assert most == pytest.approx(excess(shares[name], uniform[name]))


def test_one_character_has_nothing_to_measure() -> None:
    described = describe(measure(torch.ones(3, 1, 1), "a"))
    assert described == [dict.fromkeys(MEASURES) | {"label": MIXED, "excess": 0.0}] * 3


def test_texts_add_up_row_by_row() -> None:
    one, other = "ab ab\nab", "b:\na a"
    parts = [measure(random_weights(2, len(text)), text) for text in (one, other)]
    both = parts[0] + parts[1]
    assert_close(both.rows, parts[0].rows + parts[1].rows, rtol=0, atol=0)
    for head in range(2):
        loops = [by_loops(random_weights(2, len(text))[head], text) for text in (one, other)]
        for k, name in enumerate(MEASURES):
            means = [loop[name] for loop in loops]
            sums = [mean[0] * float(part.rows[k]) for mean, part in zip(means, parts, strict=True) if mean]
            assert both.means()[head][name] == pytest.approx(sum(sums) / float(both.rows[k]), abs=1e-5)


def test_leading_shapes_are_kept() -> None:
    weights = random_weights(6, len(SCENE)).view(2, 3, len(SCENE), len(SCENE))
    measured = measure(weights, SCENE)
    assert isinstance(measured, Measured)
    assert measured.heads.shape == (2, 3, len(MEASURES))
    for layer in range(2):
        assert_close(measure(weights[layer], SCENE).heads, measured.heads[layer], rtol=0, atol=1e-4)


# A reading.


@pytest.mark.parametrize("n", [1, 2, 7, 16])
@pytest.mark.parametrize("off", [(), ((0, 1), (1, 0)), (("mlp", 0), ("positions",))], ids=str)
def test_a_reading_is_what_the_forward_captures(tiny: Weights, make_ids: Callable[..., Tensor], n: int, off: tuple) -> None:
    ids, capture = make_ids(1, n), Capture()
    text = tiny.tokenizer.decode(ids[0].tolist())
    with torch.no_grad():
        logits = tiny.model(ids, capture=capture, off=off)
    reading = read(tiny.model, ids[0].tolist(), text, off)
    assert (reading.n_layer, reading.n_head, reading.n_chars) == (2, 2, n)
    assert reading.precision == "float32"
    for layer in range(2):
        for head in range(2):
            for row in range(n):
                assert_array_equal(reading.row(layer, head, row), capture.attention[layer][0, head, row, : row + 1])
        assert_array_equal(reading.queries[layer], capture.queries[layer][0])
        assert_array_equal(reading.keys[layer], capture.keys[layer][0])
        assert_array_equal(reading.values[layer], capture.values[layer][0])
        described = describe(measure(capture.attention[layer][0], text))
        for ours, alone in zip(reading.stats[layer], described, strict=True):
            assert ours == pytest.approx(alone, abs=2e-5)
    assert_array_equal(reading.lens[-1], logits[0])
    if n == 1:
        assert reading.loss is None
    else:
        losses = -torch.log_softmax(logits[0].double(), -1)[torch.arange(n - 1), ids[0, 1:]]
        assert reading.loss == pytest.approx(losses.mean().item(), abs=1e-5)


def test_a_row_comes_from_its_vectors(shipped: Weights) -> None:
    reading = read(shipped.model, shipped.tokenizer.encode(SCENE), SCENE)
    for layer, head, row in ((0, 2, 50), (3, 5, 90), (5, 0, 7)):
        scores = reading.keys[layer, head, : row + 1].astype(np.float64) @ reading.queries[layer, head, row] / math.sqrt(64)
        weights = np.exp(scores - scores.max())
        assert_allclose(reading.row(layer, head, row), weights / weights.sum(), rtol=0, atol=1e-5)


@torch.no_grad()
def test_what_the_heads_write_is_what_attention_adds_to_the_stream(shipped: Weights) -> None:
    ids, capture, block = shipped.tokenizer.encode(SCENE), Capture(), shipped.model.transformer.h[3]
    reading = read(shipped.model, ids, SCENE)
    shipped.model(torch.tensor([ids]), capture=capture, off=[("mlp", 3)])
    added = (capture.stream[4] - capture.stream[3])[0]
    for row in (0, 50, len(ids) - 1):
        written = [reading.project(3, head, reading.output(3, head, row)[None])[0] for head in range(6)]
        assert_allclose(np.sum(written, 0), added[row], rtol=0, atol=1e-4)
        one_by_one = reading.project(3, 5, reading.row(3, 5, row)[:, None] * reading.values[3, 5, : row + 1])
        assert_allclose(one_by_one.sum(0), written[5], rtol=0, atol=1e-4)
    torch.testing.assert_close(reading.projections[3], block.attn.c_proj.weight, rtol=0, atol=0)
    assert reading.projections[3].data_ptr() != block.attn.c_proj.weight.data_ptr()  # it would keep a model that is dropped


def test_in_bfloat16_rows_sum_to_one_and_come_from_the_vectors_that_were_used(make_model: Callable[..., GPT]) -> None:
    model = make_model(block_size=64).to(torch.bfloat16)
    ids = torch.randint(65, (64,), generator=torch.Generator().manual_seed(0)).tolist()
    reading = read(model, ids, "x" * 64)
    assert reading.precision == "bfloat16"
    assert_array_equal(reading.queries, torch.from_numpy(reading.queries).bfloat16().float().numpy())
    for row in range(64):
        weights = reading.row(1, 1, row)
        scores = reading.keys[1, 1, : row + 1].astype(np.float64) @ reading.queries[1, 1, row] / math.sqrt(16)
        expected = np.exp(scores - scores.max())
        assert_allclose(weights, expected / expected.sum(), rtol=0, atol=1e-5)
        assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_the_shipped_model_has_a_head_that_looks_at_the_character_before(shipped: Weights) -> None:
    text = (SCENE * 3)[:256]
    stats = read(shipped.model, shipped.tokenizer.encode(text), text).stats
    assert stats[0][2]["label"] == "previous"
    assert float(str(stats[0][2]["previous"])) > 0.95


def test_a_head_that_does_not_exist_cannot_be_off(tiny: Weights) -> None:
    with pytest.raises(ParameterError, match=r"There is no layer 2\. Valid layers: 0 to 1"):
        read(tiny.model, [1, 2], "ab", [(2, 0)])


def test_a_network_that_has_gone_wrong_is_not_shown(make_model: Callable[..., GPT]) -> None:
    model = make_model()
    model.transformer.ln_f.weight[0] = torch.nan
    with pytest.raises(FloatingPointError, match="not finite"):
        read(model, [1, 2], "ab")


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64), st.integers(1, 4096), st.integers(1, 2048))
def test_what_is_shown_is_bounded(n_layer: int, n_head: int, head_dim: int, vocab_size: int, half: int) -> None:
    config = GPTConfig(2 * half, vocab_size, n_layer, n_head, n_head * head_dim)

    def numbers(n: int) -> int:
        return n_layer * n_head * n * (n + 1) // 2 + 3 * n_layer * n * config.n_embd + (n_layer + 1) * n * vocab_size

    n = most_shown(config)
    assert 1 <= n <= config.block_size
    assert numbers(n) <= MAX_CAPTURE_NUMBERS
    assert n == config.block_size or numbers(n + 1) > MAX_CAPTURE_NUMBERS


def test_of_the_shipped_model_a_whole_block_is_shown(shipped: Weights) -> None:
    assert most_shown(shipped.model.config) == 256
