"""Pairs of texts that belong together: the halves of a speech, and neighbouring windows of the plays.

Nobody has to say which texts are alike: what stands side by side was written to go together (Neelakantan et al., "Text and Code Embeddings
by Contrastive Pre-Training", 2022).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.data import train_chars
from model.errors import CorpusError
from model.meaning.speeches import speeches_of

LEAST_SPEECH_CHARS = 80  # shorter ones have no two halves that say something
HALF_CHARS = range(60, 111)  # the most characters of the texts that are learned; of those that are measured, the last of these
CUTS = (0.3, 0.7)  # where speeches are cut that are learned from; those that are measured are cut in the middle
NO_SPEECHES = (
    "The text has {n:,} speeches of {least} characters or more in its {part}; at least 2 are needed. A speech is a speaker's name with a "
    "colon on a line of its own, and the words on the lines after it."
)
MAX_TRIES = 100  # to draw a pair, on average: with few speeches, most have a text that was drawn already
TOO_FEW = "The text has too few different speeches for {n:,} pairs at a time. Choose a longer text or a lower batch_size."


class Pair(NamedTuple):
    """Two texts that belong together, as they stand in the plays, without speakers' names."""

    first: str
    second: str


def held_out_halves(text: str) -> list[Pair]:
    """The halves of each speech of the last tenth of a text: the end of the first half and the beginning of the second.

    Raises:
        CorpusError: there are fewer than two speeches.
    """
    speeches = [speech.words for speech in speeches_of(text, train_chars(len(text)))]
    return [cut(words, 0.5, HALF_CHARS[-1]) for words in _long(speeches, "last tenth")]


class TrainingPairs:
    """Pairs from the first nine tenths of a text. Which, depends on a generator of random numbers alone.

    Args:
        windows: share of the pairs that are neighbouring windows, rather than halves of one speech.

    Raises:
        CorpusError: there are fewer than two speeches.
    """

    def __init__(self, text: str, windows: float):
        speeches = [speech.words for speech in speeches_of(text[: train_chars(len(text))])]
        self.speeches, self.windows = _long(speeches, "first nine tenths"), windows
        self.words = "\n".join(speeches)

    def draw(self, n: int, rng: np.random.Generator) -> list[Pair]:
        """Some pairs, without those that share a text. All have one length at most: those of a batch are padded to the longest.

        Raises:
            CorpusError: so many different ones were not found.
        """
        most = int(rng.choice(HALF_CHARS))
        found: dict[str, Pair] = {}
        for _ in range(n * MAX_TRIES):
            is_window = rng.random() < self.windows
            pair = self._neighbours(most, rng) if is_window else self._halves(most, rng)
            if pair:
                found.setdefault(pair.first, pair)
            if len(found) == n:
                return [*found.values()]
        raise CorpusError(TOO_FEW.format(n=n))

    def _halves(self, most: int, rng: np.random.Generator) -> Pair:
        return cut(self.speeches[rng.integers(len(self.speeches))], rng.uniform(*CUTS), most)

    def _neighbours(self, most: int, rng: np.random.Generator) -> Pair | None:
        """None where a long word leaves no place to cut."""
        around = 2 * most
        start = int(rng.integers(max(1, len(self.words) - around)))
        words = self.words[start : start + around]
        return cut(words, 0.5, most) if len(words.split()) > 1 else None


def _long(speeches: Sequence[str], part: str) -> list[str]:
    found = [words for words in speeches if len(" ".join(words.split())) >= LEAST_SPEECH_CHARS and len(words.split()) > 1]
    if len(found) < 2:
        raise CorpusError(NO_SPEECHES.format(n=len(found), least=LEAST_SPEECH_CHARS, part=part))
    return found


def cut(words: str, share: float, most: int) -> Pair:
    """Two texts from both sides of the space between words that is nearest to a share of a text's length.

    Args:
        words: at least two.
        most: characters of each text. They are cut between words, too.
    """
    words = words.strip()
    place = min((gap.start() for gap in re.finditer(r"\s", words)), key=lambda at: abs(at - share * len(words)))
    return Pair(ending(words[:place].rstrip(), most), beginning(words[place:].lstrip(), most))


def beginning(text: str, most: int) -> str:
    """The whole words at the beginning of a text that have at most so many characters together; of a longer word, its beginning."""
    if len(text) <= most:
        return text
    kept = re.match(rf"(?s).{{1,{most}}}(?=\s)", text)
    return kept[0].rstrip() if kept else text[:most]


def ending(text: str, most: int) -> str:
    """As `beginning`, at the end of a text."""
    return beginning(text[::-1], most)[::-1]
