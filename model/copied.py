"""What of a text is copied: its longest stretches that stand word for word in the text that a network learned from.

The longest stretch is marked first, then the longest in what is left on either side of it, and so on, down to LEAST_CHARS. So stretches do
not overlap, and none of them can be made longer by a character that is still free.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Shorter stretches come about by chance: people repeat themselves as well. Of 1,000 characters that Shakespeare wrote and the network never
# saw (the mean of all 111 pieces of the last tenth of Tiny Shakespeare), so many also stand in the part that it learned from, in stretches
# of at least N characters:
#     N                                10      12      14      16      18      20      24      30    longest
#     in its first 30,000 characters   99      27     8.2     2.6     1.0     0.4       0       0    21
#     in all 1,003,854 of them        553     364     201      88      35      15     3.1     0.8    31
LEAST_CHARS = 20

PIECE_CHARS = 2**16  # of the training text, looked at together
TABLE_BITS = 20
FACTOR = np.uint32(0x9E3779B1)


class Stretch(NamedTuple):
    """A stretch of a text, and where it stands in the training text; all three in characters."""

    start: int
    length: int
    at: int

    @property
    def end(self) -> int:
        """The place after its last character."""
        return self.start + self.length


def copied_stretches(text: str, source: str, least: int = LEAST_CHARS) -> list[Stretch]:
    """The longest stretches of a text that stand in another one, from first to last. Of equally long ones that overlap, the first counts.

    Args:
        text: what was written.
        source: what was learned from.
        least: characters that a stretch has at least.
    """
    left, chosen = [*_maximal(text, source, least)], []
    while left:
        best = max(left, key=lambda stretch: (stretch.length, -stretch.start))
        chosen.append(best)
        left = [part for stretch in left for part in _outside(stretch, best) if part.length >= least]
    return sorted(chosen)


def line_numbers(source: str, places: Iterable[int]) -> dict[int, int]:
    """The number of the line with each of these characters, from 1."""
    numbers, line, before = {}, 1, 0
    for at in sorted(places):
        line += source.count("\n", before, at)
        numbers[at], before = line, at
    return numbers


def _outside(stretch: Stretch, best: Stretch) -> Iterator[Stretch]:
    """What of a stretch lies before and after another one."""
    start, length, at = stretch
    before, skipped = min(length, best.start - start), max(0, best.end - start)
    yield Stretch(start, before, at)
    yield Stretch(start + skipped, length - skipped, at + skipped)


def _maximal(text: str, source: str, least: int) -> Iterator[Stretch]:
    """All stretches of at least so many characters that cannot be made longer at either end. They may overlap."""
    first_place = _first_places(text, source, least)
    start = 0
    while start + least <= len(text):
        if (at := first_place.get(text[start : start + least])) is None:
            start += 1
            continue
        at, length = _longest(text, start, source, at, least)
        yield Stretch(start, length, at)
        if (end := start + length + 1) > len(text):
            return
        # The next one ends later. It begins at the first place from which the text up to there is found.
        starts = range(start + 1, max(start, end - least) + 1)
        is_known = text[end - least : end] in first_place
        start += 1 + bisect_left(starts, True, key=lambda begin: is_known and text[begin:end] in source)


def _longest(text: str, start: int, source: str, at: int, length: int) -> tuple[int, int]:
    """Where the longest stretch from a place on stands in the source, and its length.

    Args:
        at, length: the first place of a shorter one. The longer one is there or later.
    """
    while True:
        while start + length < len(text) and source[at + length : at + length + 1] == text[start + length]:
            length += 1
        later = source.find(text[start : start + length + 1], at + 1) if start + length < len(text) else -1
        if later < 0:
            return at, length
        at, length = later, length + 1


def _first_places(text: str, source: str, n: int) -> dict[str, int]:
    """The pieces of n characters that both texts have, each with its first place in the source.

    Their hashes are compared first, many at a time: a million characters take some hundredths of a second, and nothing has to be kept.
    """
    missing = {text[i : i + n] for i in range(len(text) - n + 1)}
    wanted = _table(missing, n)
    places: dict[str, int] = {}
    for first in range(0, len(source) - n + 1, PIECE_CHARS):
        hits = np.flatnonzero(wanted[_hashes(source[first : first + PIECE_CHARS + n - 1], n)])
        before = len(places)
        for i in hits.tolist():
            if (gram := source[first + i : first + i + n]) in missing:
                places.setdefault(gram, first + i)
        if len(places) > before:  # what was found is not looked for again, however often it is repeated
            missing -= places.keys()
            wanted = _table(missing, n)
    return places


def _table(grams: Collection[str], n: int) -> NDArray[np.bool_]:
    """For each hash, whether one of the pieces has it."""
    table = np.zeros(2**TABLE_BITS, bool)
    table[_hashes("".join(grams), n)[::n]] = True
    return table


def _hashes(text: str, n: int) -> NDArray[np.uint32]:
    """A number below 2^TABLE_BITS for each n characters that follow each other."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    hashes = np.zeros(max(0, len(codes) - n + 1), np.uint32)
    for i in range(n):
        hashes = hashes * FACTOR + codes[i : i + len(hashes)]
    return hashes >> np.uint32(32 - TABLE_BITS)
