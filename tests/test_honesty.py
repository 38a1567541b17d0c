"""The characters that are written come as often as the page says, over real HTTP and by a chi-squared test."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from model.limits import MAX_SAMPLES
from model.sampling import Floats, distribution
from model.weights import SHIPPED_WEIGHTS, load_weights
from tests.support.client import host_and_port
from tests.support.viewing import PATIENCE_S, answer, texts_of

PROMPT = "What "  # much may follow
CONNECTIONS = 10
PRESSES = 126  # on each connection
DRAWN = CONNECTIONS * PRESSES * MAX_SAMPLES  # a little over 20,000
LEAST_EXPECTED = 5.0  # in a cell of the test; rarer characters are counted together
UNLIKELY = 0.001


@pytest.fixture(scope="module")
def vocabulary() -> tuple[str, ...]:
    """The model's characters in order."""
    return load_weights(SHIPPED_WEIGHTS, torch.device("cpu")).tokenizer.vocabulary


@pytest.fixture(scope="module")
def logits(url: str) -> Floats:
    """What the page is told of the character after the prompt, (V,)."""
    body = json.dumps({"prompt": PROMPT}).encode()
    status, told = answer(url, "POST", "/next", body, Content_Type="application/json")
    assert status == 200
    return np.array(told["logits"])


def first_characters(url: str, connection: int, **settings: float) -> str:
    """The first characters of samples that no other connection asks for."""
    http_connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    drawn = []
    for press in range(connection * PRESSES, (connection + 1) * PRESSES):
        which = {"first_sample": press * MAX_SAMPLES, "samples": MAX_SAMPLES, "length": 1, "viewer": f"connection {connection}"}
        http_connection.request("POST", "/write", json.dumps({"prompt": PROMPT, **which, **settings}), {"Content-Type": "application/json"})
        lines = [json.loads(line) for line in http_connection.getresponse()]
        assert lines[-1]["state"] == "done"
        drawn += texts_of(lines)
    http_connection.close()
    return "".join(drawn)


def p_value(counts: Floats, expected: Floats) -> float:
    """How probable counts this far from what was expected are, or farther: the chi-squared test."""
    if counts[expected == 0].any():
        return 0.0  # what cannot come came
    rare = expected < LEAST_EXPECTED
    if 0 < expected[rare].sum() < LEAST_EXPECTED:
        rare |= expected == expected[~rare].min()
    cells = [*zip(counts[~rare], expected[~rare], strict=True)]
    if expected[rare].any():
        cells.append((counts[rare].sum(), expected[rare].sum()))
    chi_squared = sum((count - mean) ** 2 / mean for count, mean in cells)
    half = torch.tensor([(len(cells) - 1) / 2, chi_squared / 2], dtype=torch.float64)
    return torch.special.gammaincc(half[0], half[1]).item()


def test_the_chi_squared_test_knows_its_tables() -> None:
    even = np.full(10, 1_000.0)
    off = even + np.sqrt(16.919 * 1_000 / 10) * np.tile([1, -1], 5)  # 9 degrees of freedom: 16.919 is exceeded once in 20
    assert p_value(off, even) == pytest.approx(0.05, abs=1e-4)
    assert p_value(np.array([50.0, 49, 1]), np.array([50.0, 50, 0])) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "settings"),
    [(1, {"temperature": 0.8}), (2, {"temperature": 1.3, "top_k": 20}), (3, {"temperature": 1.0, "top_p": 0.9})],
    ids=["temperature", "top-k", "top-p"],
)
def test_characters_come_as_often_as_is_shown(
    url: str, vocabulary: tuple[str, ...], logits: Floats, seed: int, settings: dict[str, float]
) -> None:
    shown = distribution(logits[None], **settings)[0]
    entropy = -sum(p * np.log2(p) for p in shown if p)
    assert entropy > 3, "few characters may follow: the test would see little"
    with ThreadPoolExecutor(CONNECTIONS) as crowd:
        drawn = "".join(crowd.map(lambda connection: first_characters(url, connection, seed=seed, **settings), range(CONNECTIONS)))
    assert len(drawn) == DRAWN >= 20_000
    seen = Counter(drawn)
    counts = np.array([seen[char] for char in vocabulary], dtype=float)
    assert p_value(counts, DRAWN * shown) > UNLIKELY
    for off in (-0.1, 0.1):
        other = distribution(logits[None], **settings | {"temperature": settings["temperature"] + off})[0]
        assert p_value(counts, DRAWN * other) < UNLIKELY, "the test does not see a temperature that is a tenth off"
