"""The wall's statistics give SciPy's numbers, which stand here with the calls that gave them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.test_dice import empty_page_at

MODULE = "/classroom/wall/statistics.js"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with empty_page_at(browser) as page:
        yield page


def call(page: Page, function: str, *arguments: Any) -> Any:
    return page.evaluate("async ([address, name, given]) => (await import(address))[name](...given)", [MODULE, function, list(arguments)])


@pytest.mark.parametrize(  # scipy.stats.chi2.sf(x, degrees)
    ("x", "degrees", "p"),
    [
        (1.7, 2, 0.4274149319487268),
        (10, 3, 0.01856613546304325),
        (300, 200, 5.924540335483916e-06),
        (80, 5, 8.391825114831597e-16),
        (0, 4, 1),
    ],
)
def test_the_tail_of_chi_squared(page: Page, x: float, degrees: int, p: float) -> None:
    assert call(page, "chiSquaredTail", x, degrees) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(  # scipy.stats.binom.ppf([0.025, 0.975], n, p)
    ("n", "p", "expected"),
    [(40, 0.15, [2, 11]), (300, 0.02, [2, 11]), (7, 0.5, [1, 6]), (1000, 0.9, [881, 918]), (5, 1, [5, 5])],
)
def test_the_range_that_a_count_is_expected_in(page: Page, n: int, p: float, expected: list[int]) -> None:
    assert call(page, "expectedRange", n, p) == expected


@pytest.mark.parametrize(  # scipy.stats.chisquare(counts, expected), with small cells as one
    ("counts", "probabilities", "statistic", "degrees", "p"),
    [
        ([30, 14, 6], [0.5, 0.3, 0.2], 2.666666666666667, 2, 0.2635971381157267),
        ([50, 30, 20], [0.4, 0.4, 0.2], 5.0, 2, 0.0820849986238988),
        ([50, 30, 8, 8, 4], [0.4, 0.4, 0.12, 0.04, 0.04], 5.0 + (8 - 12) ** 2 / 12 + (12 - 8) ** 2 / 8, 3, None),
    ],
)
def test_counts_against_probabilities(
    page: Page, counts: list[int], probabilities: list[float], statistic: float, degrees: int, p: float | None
) -> None:
    told = call(page, "chiSquared", counts, probabilities)
    assert (told["statistic"], told["degrees"], told["impossible"]) == (pytest.approx(statistic), degrees, 0)
    assert p is None or told["p"] == pytest.approx(p)


def test_too_few_counts_are_not_tested_and_impossible_ones_are_counted(page: Page) -> None:
    assert call(page, "chiSquared", [2, 1], [0.5, 0.5]) is None
    assert call(page, "chiSquared", [30, 30, 2], [0.5, 0.5, 0])["impossible"] == 2
