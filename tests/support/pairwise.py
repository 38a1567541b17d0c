"""Fewer cases than a full product, with every pair of values together in at least one of them."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any


def pairwise(*factors: list[Any]) -> list[tuple[Any, ...]]:
    """Cases with one value of each factor, such that any two values of different factors meet. The same cases every time."""
    columns = list(combinations(range(len(factors)), 2))
    rows = list(product(*map(range, map(len, factors))))
    open_pairs = {(a, b, row[a], row[b]) for row in rows for a, b in columns}
    cases = []
    while open_pairs:
        best = max(rows, key=lambda row: sum((a, b, row[a], row[b]) in open_pairs for a, b in columns))
        open_pairs -= {(a, b, best[a], best[b]) for a, b in columns}
        cases.append(tuple(factor[i] for factor, i in zip(factors, best, strict=True)))
    return cases
