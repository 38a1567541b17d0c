"""Minimal pairs made from a text: a line or two as they stand, and the same with something put wrong.

Each rule gives a context, the right text and the wrong one for every piece of the text that it fits, in random order.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Iterator, Sequence

from model.meaning.likelihood import BLANK_LINE
from model.meaning.pairs_by_rule import Texts

LINE_CHARS = range(20, 71)
VERSE_CHARS = range(30, 53)
VOWELS = "aeiou"
SPEECH = re.compile(r"(?<=\n\n)([A-Z][A-Za-z ]+):\n((?:.+\n)+)(?=\n)")  # a name and what it says
LAST_LINES = 120  # most characters of a speech's last line
MOVED = 2  # words


def letters_swapped(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """Two neighbouring letters of a word change places, and give no word."""
    for line in _shuffled(_lines(text), rng):
        if spans := _long_words(line):
            start, end = rng.choice(spans)
            i = rng.randrange(start, end - 1)
            wrong = line[:i] + line[i + 1] + line[i] + line[i + 2 :]
            if wrong[start:end] not in words:
                yield BLANK_LINE, line, wrong


def vowel_replaced(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """A vowel of a word becomes another one, which gives no word."""
    for line in _shuffled(_lines(text), rng):
        if spans := _long_words(line):
            start, end = rng.choice(spans)
            places = [i for i in range(start, end) if line[i] in VOWELS]
            if places:
                i = rng.choice(places)
                wrong = line[:i] + rng.choice(VOWELS.replace(line[i], "")) + line[i + 1 :]
                if wrong[start:end] not in words:
                    yield BLANK_LINE, line, wrong


def words_exchanged(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """Two words that are not neighbours change places."""
    for line in _shuffled(_lines(text), rng):
        parts = line.split(" ")
        plain = [i for i, part in enumerate(parts) if i and part.isalpha() and part.islower()]
        if places := [(i, j) for i in plain for j in plain if j - i > 1 and parts[i] != parts[j]]:
            i, j = rng.choice(places)
            parts[i], parts[j] = parts[j], parts[i]
            yield BLANK_LINE, line, " ".join(parts)


def capital(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """A sentence within a line begins with a small letter. Not after !, where the plays have small letters, too."""
    places = [(line, found.start(1)) for line in text.split("\n") for found in re.finditer(r"\w[.?] ([A-HJ-Z]|I[a-z])", line)]
    for line, i in _shuffled(places, rng):
        yield BLANK_LINE, line, line[:i] + line[i].lower() + line[i + 1 :]


def line_broken(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """The first of two verses ends some words too early or too late; the second begins with a capital all the same."""
    verses = [pair for speech in SPEECH.finditer(text) for pair in _neighbours(speech[2].splitlines()) if _are_verses(*pair)]
    for first, second in _shuffled(verses, rng):
        early, late = first.split(" "), second.split(" ")
        k = rng.choice((len(early) - MOVED, len(early) + MOVED))
        parts = [*early, _inside(late[0]), *late[1:]]
        if early[-1].isalpha() and MOVED < k < len(parts) - 1:
            parts[k] = parts[k][0].upper() + parts[k][1:]
            yield BLANK_LINE, f"{first}\n{second}", f"{' '.join(parts[:k])}\n{' '.join(parts[k:])}"


def speech_closed(text: str, words: Collection[str], rng: random.Random) -> Iterator[Texts]:
    """The empty line stands after the next speaker's name instead of before it."""
    speeches = [(found[1], found[2].splitlines()) for found in SPEECH.finditer(text)]
    for (_, before), (name, after) in _shuffled(_neighbours(speeches), rng):
        if len(before[-1]) < LAST_LINES:
            yield f"{BLANK_LINE}{before[-1]}", f"\n\n{name}:\n{after[0]}", f"\n{name}:\n\n{after[0]}"


def _lines(text: str) -> list[str]:
    """Lines that are neither very short nor very long, without those that name a speaker."""
    return [line for line in dict.fromkeys(text.split("\n")) if len(line) in LINE_CHARS and not line.endswith(":")]


def _shuffled(items: Sequence, rng: random.Random) -> list:
    return rng.sample(items, len(items))


def _neighbours(items: Sequence) -> list[tuple]:
    return [*itertools.pairwise(items)]


def _long_words(line: str) -> list[tuple[int, int]]:
    """Where words of at least four small letters begin and end."""
    return [found.span() for found in re.finditer(r"\b[a-z]{4,}\b", line)]


def _are_verses(first: str, second: str) -> bool:
    return len(first) in VERSE_CHARS and len(second) in VERSE_CHARS and second[0].isupper()


def _inside(word: str) -> str:
    """A verse's first word, as it would stand inside a line."""
    return word if re.match(r"(I|O)\b", word) else word[0].lower() + word[1:]
