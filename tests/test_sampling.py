"""Logits -> distribution -> character, and the dice."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from model.limits import MAX_SEED
from model.sampling import DRAWN_SEEDS, dice, distribution, draw, draw_seed
from tests.conftest import ROOT

Array = NDArray[np.float64]
JUST_UNDER_1 = math.nextafter(1.0, 0.0)

widths = st.lists(st.one_of(st.just(0.0), st.floats(1e-12, 1.0)), min_size=1, max_size=70).filter(any)
throws = st.one_of(st.floats(0.0, 1.0, exclude_max=True), st.sampled_from([0.0, JUST_UNDER_1]))


def random_logits(rows: int, seed: int = 0, V: int = 65) -> Array:
    """Logits about as far apart as a trained network's."""
    return np.random.default_rng(seed).normal(0.0, 3.0, (rows, V))


def slow_distribution(logits: Array, temperature: float, top_k: int, top_p: float) -> list[float]:
    """One row, in plain Python, from the words of the docstring."""
    ranked = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if temperature == 0:
        return [float(i == ranked[0]) for i in range(len(logits))]
    weights = {i: math.exp((logits[i] - logits[ranked[0]]) / temperature) for i in ranked[: top_k or None]}
    reached, kept = 0.0, {}
    for i in ranked[: top_k or None]:
        if kept and top_p < 1 and reached >= top_p * math.fsum(weights.values()):
            break
        kept[i] = weights[i]
        reached += weights[i]
    return [kept.get(i, 0.0) / math.fsum(kept.values()) for i in range(len(logits))]


def test_dice_are_philox_keyed_by_seed_and_sample() -> None:
    # python -c "import numpy as n; print(n.random.Generator(n.random.Philox(key=[7, 3])).random(4).tolist())"  (numpy 2.4.6, x86-64)
    golden = [0.4821286018761155, 0.7241355726248441, 0.05025403948627161, 0.31612687235830494]
    assert_array_equal(dice(7, 3, 4), golden)
    largest = np.random.Philox(key=np.array([MAX_SEED, 2**31 - 1], dtype=np.uint64))
    assert_array_equal(dice(MAX_SEED, 2**31 - 1, 4), np.random.Generator(largest).random(4))


def test_every_seed_and_every_sample_has_dice_of_its_own() -> None:
    first = [tuple(dice(seed, sample, 3)) for seed in (0, 1, 2, 2**32, MAX_SEED) for sample in (0, 1, 2, 15)]
    assert len(set(first)) == len(first)


@given(st.integers(0, MAX_SEED), st.integers(0, 50), st.integers(0, 50))
def test_start_slices_the_dice(seed: int, start: int, count: int) -> None:
    assert_array_equal(dice(seed, 2, count, start), dice(seed, 2, 100)[start : start + count])


@given(st.integers(0, MAX_SEED), st.integers(0, 2**31 - 1), st.integers(0, 5_000), st.integers(0, 9))
def test_later_throws_are_those_that_come_after_all_before_them(seed: int, sample: int, start: int, count: int) -> None:
    plain = np.random.Generator(np.random.Philox(key=[seed, sample])).random(start + count)
    assert_array_equal(dice(seed, sample, count, start), plain[start:])


def test_a_far_throw_is_had_without_those_before_it() -> None:
    whole = np.random.Generator(np.random.Philox(key=[7, 3])).random(1_000_100)
    for start in range(1_000_000, 1_000_010):
        assert_array_equal(dice(7, 3, 20, start), whole[start : start + 20])
    assert dice(7, 3, 1, 10**15).shape == (1,)  # more than there is memory for


def test_dice_are_numbers_from_0_to_1_and_even() -> None:
    thrown = dice(11, 0, 100_000)
    assert thrown.min() >= 0
    assert thrown.max() < 1
    counts = np.bincount((thrown * 20).astype(int), minlength=20)
    assert_allclose(counts, 5_000, atol=5 * math.sqrt(5_000))


def test_the_distribution_is_that_of_the_words_row_by_row() -> None:
    rng = np.random.default_rng(4)
    rows = 300
    logits = random_logits(rows, seed=5)
    logits[::3] = np.round(logits[::3])  # ties
    temperature = rng.choice([0.0, 0.05, 0.3, 0.8, 1.0, 1.7, 2.0], rows)
    top_k = rng.choice([0, 1, 2, 5, 40, 65, 4_000], rows)
    top_p = rng.choice([0.0, 0.1234, 0.5678, 0.9012, 0.9991, 1.0], rows)
    expected = [slow_distribution(*row) for row in zip(logits, temperature, top_k, top_p, strict=True)]
    assert_allclose(distribution(logits, temperature, top_k, top_p), expected, rtol=1e-12, atol=1e-15)


def test_one_setting_serves_all_rows() -> None:
    logits = random_logits(5)
    together = distribution(logits, 0.7, 9, 0.8)
    assert_array_equal(together, np.concatenate([distribution(row[None], [0.7], [9], [0.8]) for row in logits]))


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
    st.one_of(st.just(0.0), st.floats(5e-324, 2.0)),
    st.integers(0, 25),
    st.floats(0.0, 1.0),
)
def test_any_setting_gives_probabilities_that_sum_to_1(logits: list[float], temperature: float, top_k: int, top_p: float) -> None:
    before = np.array([logits])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probabilities = distribution(before, temperature, top_k, top_p)
    assert_allclose(probabilities.sum(), 1.0, rtol=1e-12)
    assert probabilities.min() >= 0
    assert probabilities[0, np.argmax(logits)] == probabilities.max()
    assert_array_equal(before, [logits])  # the caller's logits are left alone


def test_half_precision_logits_give_double_probabilities() -> None:
    logits = random_logits(2).astype(np.float16)
    probabilities = distribution(logits)
    assert probabilities.dtype == np.float64
    assert_array_equal(probabilities, distribution(logits.astype(np.float64)))


def test_temperature_0_takes_the_likeliest_and_of_several_the_lowest_id() -> None:
    logits = [[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0], [-5.0, -4.0, -3.0, -2.0]]
    expected = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert_array_equal(distribution(logits, 0.0), expected)
    assert_array_equal(distribution(logits, -0.0), expected)
    assert_array_equal(distribution(logits, 0.0, top_k=3, top_p=0.1), expected)


@pytest.mark.parametrize("temperature", [1e-300, 5e-324])
def test_a_temperature_next_to_0_is_no_accident(temperature: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(distribution([[1.0, 30.0, -20.0, 30.0]], temperature), [[0, 0.5, 0, 0.5]])


def test_top_k_keeps_the_k_likeliest_and_of_equals_the_lower_ids() -> None:
    logits = [[0.0, 1.0, 1.0, 1.0, 0.0]]
    assert_array_equal(distribution(logits, 1.0, top_k=2), [[0, 0.5, 0.5, 0, 0]])
    assert_allclose(distribution(logits, 1.0, top_k=4), [[1 / (1 + 3 * math.e)] + [math.e / (1 + 3 * math.e)] * 3 + [0]], rtol=1e-12)
    assert_array_equal(distribution(logits, 1.0, top_k=0), distribution(logits, 1.0, top_k=5))
    assert_array_equal(distribution(logits, 1.0, top_k=4_096), distribution(logits, 1.0))


def test_top_p_includes_the_character_that_crosses() -> None:
    logits = np.log([[0.2, 0.5, 0.3]])
    assert_allclose(distribution(logits, top_p=0.6), [[0, 0.625, 0.375]], rtol=1e-12)
    assert_allclose(distribution(logits, top_p=0.4), [[0, 1, 0]], rtol=1e-12)
    assert_allclose(distribution(logits, top_p=0.81), [[0.2, 0.5, 0.3]], rtol=1e-12)
    equal = [[0.0, 0.0, 0.0, 0.0]]  # sums of quarters are exact
    assert_array_equal(distribution(equal, top_p=0.5), [[0.5, 0.5, 0, 0]])
    assert_array_equal(distribution(equal, top_p=math.nextafter(0.5, 1)), [[1 / 3, 1 / 3, 1 / 3, 0]])


def test_top_p_0_keeps_one() -> None:
    assert_array_equal(distribution([[1.0, 2.0, 2.0], [5.0, 2.0, 2.0]], top_p=0.0), [[0, 1, 0], [1, 0, 0]])


def test_top_p_1_keeps_what_no_sum_can_see() -> None:
    for probabilities in (distribution([[0.0, -60.0]], top_p=1.0), distribution([[0.0, -60.0]] * 2, top_p=[1.0, 0.5])):
        assert_allclose(probabilities[0, 1], math.exp(-60), rtol=1e-12)


def test_top_k_comes_before_top_p() -> None:
    logits = np.log([[0.5, 0.3, 0.1, 0.1]])
    # Of the two likeliest the first has 0.625, enough for 0.6. Of all it has 0.5, and top-p first would keep the second too.
    assert_allclose(distribution(logits, top_k=2, top_p=0.6), [[1, 0, 0, 0]], rtol=1e-12)


def test_temperature_comes_before_top_p() -> None:
    logits = np.log([[0.5, 0.3, 0.2]])
    assert_allclose(distribution(logits, 0.5, top_p=0.6), [[1, 0, 0]], rtol=1e-12)  # squared: 25 of 38


@given(widths, throws)
def test_a_throw_lands_where_a_right_sided_search_says(given_widths: list[float], throw: float) -> None:
    probabilities = np.array(given_widths) / sum(given_widths)
    drawn = draw(probabilities[None], [throw])
    edges = np.cumsum(probabilities)
    edges /= edges[-1]
    assert drawn.ids[0] == np.searchsorted(edges, throw, side="right")
    assert probabilities[drawn.ids[0]] > 0
    assert drawn.low[0] <= throw < drawn.high[0]
    assert_allclose(drawn.high[0] - drawn.low[0], probabilities[drawn.ids[0]], rtol=0, atol=1e-14)


def test_a_throw_on_an_edge_belongs_to_the_next_character() -> None:
    probabilities = np.tile([0.25, 0.25, 0.5], (4, 1))
    drawn = draw(probabilities, [0.0, 0.25, 0.5, math.nextafter(0.5, 0)])
    assert_array_equal(drawn.ids, [0, 1, 2, 1])
    assert_array_equal(drawn.low, [0, 0.25, 0.5, 0.25])
    assert_array_equal(drawn.high, [0.25, 0.5, 1, 0.5])


def test_characters_without_probability_are_never_drawn() -> None:
    probabilities = np.tile([0.0, 0.0, 0.5, 0.0, 0.5, 0.0], (4, 1))
    assert_array_equal(draw(probabilities, [0.0, math.nextafter(0.5, 0), 0.5, JUST_UNDER_1]).ids, [2, 2, 4, 4])


def test_a_throw_just_under_1_takes_the_last_character_with_probability() -> None:
    probabilities = np.array([[0.1] * 9 + [0.1, 0.0], [1.0] + [0.0] * 10, [1 / 3, 1 / 3, 1 / 3] + [0.0] * 8])
    drawn = draw(probabilities, [JUST_UNDER_1] * 3)
    assert_array_equal(drawn.ids, [9, 0, 2])
    assert_array_equal(drawn.high, [1, 1, 1])
    assert_array_equal(draw(probabilities, [1.0] * 3).ids, [9, 0, 2])  # and so would a 1, which dice never show


def test_a_sum_that_rounding_left_under_1_is_no_gap() -> None:
    probabilities = np.array([[0.3, 0.3, 0.4 - 1e-9, 0.0]])
    drawn = draw(probabilities, [JUST_UNDER_1])
    assert drawn.ids[0] == 2
    assert drawn.high[0] == 1


def test_rows_are_drawn_each_by_its_own() -> None:
    probabilities = distribution(random_logits(50))
    thrown = dice(1, 1, 50)
    together = draw(probabilities, thrown)
    alone = [draw(probabilities[i : i + 1], thrown[i : i + 1]) for i in range(50)]
    assert_array_equal(together.ids, [d.ids[0] for d in alone])
    assert_array_equal(together.low, [d.low[0] for d in alone])
    assert_array_equal(together.high, [d.high[0] for d in alone])


def excess(counts: NDArray[np.int64], probabilities: Array, false_alarm: float = 1e-3) -> float:
    """Chi-squared over its critical value (Wilson and Hilferty 1931): above 1 says that the counts are not of these probabilities.

    Characters expected fewer than five times are counted together, with as many of the next as make that five.
    """
    expected = probabilities * counts.sum()
    assert counts[expected == 0].sum() == 0
    order = np.argsort(expected)
    rare, common = np.split(order, [max((expected < 5).sum(), (np.cumsum(expected[order]) < 5).sum() + 1)])
    cells = np.append(expected[common], expected[rare].sum())
    seen = np.append(counts[common], counts[rare].sum())
    k = len(cells) - 1
    critical = k * (1 - 2 / (9 * k) + NormalDist().inv_cdf(1 - false_alarm) * math.sqrt(2 / (9 * k))) ** 3
    return float(((seen - cells) ** 2 / cells).sum() / critical)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.8, 0, 1.0), (0.3, 0, 1.0), (2.0, 0, 1.0), (1.0, 10, 1.0), (0.8, 0, 0.9), (1.5, 20, 0.7)],
)
def test_20_000_draws_have_the_shown_distribution_and_not_one_at_another_temperature(temperature: float, top_k: int, top_p: float) -> None:
    logits = random_logits(1, seed=8)

    def shown(temperature: float) -> Array:
        return distribution(logits, temperature, top_k, top_p)[0]

    thrown = dice(1337, 0, 20_000)
    counts = np.bincount(draw(np.tile(shown(temperature), (len(thrown), 1)), thrown).ids, minlength=65)
    assert excess(counts, shown(temperature)) < 1
    for other in (0.9 * temperature, 1.1 * temperature):
        probabilities = distribution(logits, other, top_k, 1.0)[0] * (shown(temperature) > 0)
        assert excess(counts, probabilities / probabilities.sum()) > 1


def test_drawn_seeds_differ_and_can_be_typed() -> None:
    seeds = [draw_seed() for _ in range(200)]
    assert all(0 <= seed < DRAWN_SEEDS for seed in seeds)
    assert len(set(seeds)) > 150  # of a million: a dozen alike would be a wonder


def test_sampling_needs_no_torch() -> None:
    script = "import sys, model.sampling; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
