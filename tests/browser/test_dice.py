"""The page's own distribution and dice give the server's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from model.limits import MAX_SEED
from model.sampling import dice, distribution, draw

UI = Path(__file__).parents[2] / "ui"
VOCAB_SIZE = 65
LARGEST_THROW = 1 - 2**-53
TEMPERATURES = [0, 0.01, 0.05, 0.3, 0.8, 1, 1.37, 2]
TOP_K = [0, 1, 2, 5, 64, 65, 66, 1000]
TOP_P = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1]


@contextmanager
def empty_page_at(browser: Browser) -> Iterator[Page]:
    """An empty page that may import the modules as they are in this directory."""
    page = browser.new_page()
    page.route("**/*.js", lambda route: route.fulfill(path=UI / urlparse(route.request.url).path[1:], content_type="text/javascript"))
    page.route("**/", lambda route: route.fulfill(body="", content_type="text/html"))
    page.goto("http://localhost/")
    yield page
    page.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with empty_page_at(browser) as page:
        yield page


def evaluate(page: Page, module: str, code: str, argument: object) -> Any:
    """What an expression gives that sees a module as `module` and the argument as `argument`."""
    address = f"/shared/{module}.js"
    return page.evaluate(f"async ([address, argument]) => {{ const module = await import(address); return {code}; }}", [address, argument])


def cases() -> list[tuple[list[float], dict[str, float]]]:
    """Logits of all kinds with settings of all kinds."""
    rng = np.random.default_rng(0)
    kinds = [
        lambda: rng.normal(0, 3, VOCAB_SIZE),
        lambda: rng.normal(0, 30, VOCAB_SIZE),
        lambda: rng.integers(-3, 4, VOCAB_SIZE).astype(float),  # ties
        lambda: np.zeros(VOCAB_SIZE),
        lambda: np.where(np.arange(VOCAB_SIZE) % 16 == 3, 0.0, -1000.0),  # ties, and nothing else
        lambda: rng.normal(0, 3, VOCAB_SIZE).astype(np.float32).astype(float),
    ]
    settings = [
        {"temperature": float(rng.choice(TEMPERATURES)), "top_k": int(rng.choice(TOP_K)), "top_p": float(rng.choice(TOP_P))}
        for _ in range(600)
    ]
    return [(kinds[i % len(kinds)]().tolist(), each) for i, each in enumerate(settings)]


def test_the_pages_distribution_is_the_servers(page: Page) -> None:
    asked = cases()
    code = "argument.map(([logits, settings]) => Array.from(module.distribution(logits, settings)))"
    for (logits, settings), ours in zip(asked, evaluate(page, "distribution", code, asked), strict=True):
        np.testing.assert_allclose(ours, distribution([logits], **settings)[0], rtol=0, atol=1e-12, err_msg=str(settings))


def test_a_throw_lands_where_the_servers_does(page: Page) -> None:
    rng = np.random.default_rng(1)
    asked = []
    for logits, settings in cases()[:300]:
        probabilities = distribution([logits], **settings)[0]
        edges = np.cumsum(probabilities)
        on_edges = (edges / edges[-1])[rng.integers(0, VOCAB_SIZE, 3)]
        throws = [0.0, LARGEST_THROW, *rng.random(5), *on_edges[on_edges < 1]]
        asked.append((probabilities.tolist(), [float(throw) for throw in throws]))
    landed = evaluate(page, "distribution", "argument.flatMap(([p, dice]) => dice.map((die) => module.land(p, die)))", asked)
    expected = draw(np.array([p for p, throws in asked for _ in throws]), [throw for _, throws in asked for throw in throws])
    assert [hit["id"] for hit in landed] == expected.ids.tolist()
    assert [(hit["low"], hit["high"]) for hit in landed] == list(zip(expected.low.tolist(), expected.high.tolist(), strict=True))


def test_the_pages_dice_are_numpys(page: Page) -> None:
    rng = np.random.default_rng(2)
    seeds = [0, 1, 7, 48213, 2**31, 2**32, 2**32 + 1, MAX_SEED - 1, MAX_SEED, *rng.integers(0, MAX_SEED, 40).tolist()]
    samples = [0, 1, 15, 200, 2**31 - 1]
    steps = [0, 1, 2, 3, 4, 5, 7, 8, 100, 1999]
    asked = [(seed, int(rng.choice(samples)), int(rng.choice(steps))) for seed in seeds for _ in range(8)]
    ours = evaluate(page, "dice", "argument.map(([seed, sample, step]) => module.die(seed, sample, step))", asked)
    assert ours == [dice(seed, sample, 1, step)[0] for seed, sample, step in asked]


def test_drawn_seeds_are_short_enough_to_be_read_out(page: Page) -> None:
    drawn = evaluate(page, "dice", "Array.from({ length: argument }, () => module.drawSeed())", 200)
    assert all(isinstance(seed, int) and 0 <= seed < 1_000_000 for seed in drawn)
    assert len(set(drawn)) > 150


@pytest.mark.parametrize("probabilities", [np.full(VOCAB_SIZE, 1 / VOCAB_SIZE), np.eye(VOCAB_SIZE)[7]], ids=["flat", "certain"])
def test_entropy_in_bits(page: Page, probabilities: NDArray[np.float64]) -> None:
    expected = np.log2(VOCAB_SIZE) if probabilities.max() < 1 else 0
    assert evaluate(page, "distribution", "module.entropy(argument)", probabilities.tolist()) == pytest.approx(expected)


def test_a_throw_is_never_written_beside_its_interval(page: Page) -> None:
    asked = [(0.5731, 0.412, 0.655), (0.41204, 0.41202, 0.41206), (0.99999999, 0.9, 1.0), (0.3, 0.3, 0.4), (0.29999999, 0.2, 0.3)]
    words = evaluate(page, "strip", "argument.map((numbers) => module.inDigits(...numbers))", asked)
    assert words[0] == {"die": "0.5731", "low": "0.412", "high": "0.655"}
    assert all(float(each["low"]) <= float(each["die"]) < float(each["high"]) for each in words)
