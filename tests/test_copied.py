"""What of a text is copied: against a slow version that is plainly right, and on the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.copied import LEAST_CHARS, PIECE_CHARS, Stretch, copied_stretches, line_numbers
from model.data import TRAIN_SHARE, load_corpus

TEXTS = st.text("ab\n😀", max_size=40)


def slow(text: str, source: str, least: int, offset: int = 0) -> list[tuple[int, int]]:
    """The longest stretch, then those before and after it: (start, length)."""
    for length in range(len(text), least - 1, -1):
        for start in range(len(text) - length + 1):
            if text[start : start + length] in source:
                before, after = text[:start], text[start + length :]
                later = slow(after, source, least, offset + start + length)
                return [*slow(before, source, least, offset), (offset + start, length), *later]
    return []


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 6))
@example("aaaaaa", "aaaa", 3)
@example("abab", "ab\nba", 2)
def test_the_longest_stretches_are_found(text: str, source: str, least: int) -> None:
    found = copied_stretches(text, source, least)
    assert [(stretch.start, stretch.length) for stretch in found] == slow(text, source, least)
    for start, length, at in found:
        assert source[at : at + length] == text[start : start + length]


def test_a_stretch_is_found_across_the_pieces_of_a_long_source() -> None:
    source = "".join(f"{i:08d}" for i in range(2 * PIECE_CHARS // 8))  # nothing of 16 characters is repeated
    for at in range(PIECE_CHARS - 20, PIECE_CHARS + 3):
        assert copied_stretches(source[at : at + 20], source) == [Stretch(0, 20, at)]


def test_text_that_is_repeated_takes_no_time() -> None:
    """Each of these would take minutes or gigabytes if every pair of places were looked at."""
    source = "a" * 300_000
    assert copied_stretches("a" * 12_000, source) == [Stretch(0, 12_000, 0)]
    assert copied_stretches("ab" * 6_000, source) == []
    assert copied_stretches("a" * 5_000 + "b" + "a" * 5_000, source) == [Stretch(0, 5_000, 0), Stretch(5_001, 5_000, 0)]


@pytest.mark.parametrize("text", ["", "a", "a" * (LEAST_CHARS - 1), "\ud800" * 30])
def test_a_text_that_is_too_short_or_unknown_copies_nothing(text: str) -> None:
    assert copied_stretches(text, "a" * 100) == []
    assert copied_stretches("a" * 100, text) == []


def test_lines_are_counted_from_one() -> None:
    source = "one\ntwo\n\nfour"
    places = [source.index(word) for word in ("four", "one", "two")]
    assert [line_numbers(source, places)[at] for at in places] == [4, 1, 2]
    assert line_numbers(source, [3]) == {3: 1}  # a newline ends its line


def test_shakespeare_repeats_himself_seldom(corpus_path: Path) -> None:
    """Why LEAST_CHARS is what it is: the figures of model/copied.py, from every tenth of their pieces."""
    text = load_corpus(corpus_path).text
    n_train = int(TRAIN_SHARE * len(text))
    train, unseen = text[:n_train], text[n_train:]
    pieces = [unseen[i : i + 1_000] for i in range(0, len(unseen) - 999, 10_000)]

    def share(source: str) -> float:
        return sum(stretch.length for piece in pieces for stretch in copied_stretches(piece, source)) / (1_000 * len(pieces))

    assert share(train[:30_000]) < 0.002
    assert 0.005 < share(train) < 0.03
    assert copied_stretches(train[700_000:702_000], train) == [Stretch(0, 2_000, 700_000)]
