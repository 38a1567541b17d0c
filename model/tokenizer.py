"""The tokenizer: characters <-> ids, and replacements for characters that are not in the vocabulary.

One character is one token and one Unicode code point, as in the lecture. A prompt typed on a phone or pasted from a book contains curly
quotes, dashes and accents; `normalise` replaces them with characters of the vocabulary and reports those that it has to leave out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from model.errors import UnknownCharacterError

# Typographic characters and their plain-text replacements, the most faithful first.
_PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys("‘’‚‛′`´", ("'",)),
    **dict.fromkeys('“”„‟″«»"', ('"', "'")),
    **dict.fromkeys("‐‑‒–−", ("-",)),
    **dict.fromkeys("—―", ("--", "-")),
    "…": ("...",),
    "\t": ("    ", " "),
    **dict.fromkeys("\r\v\f\u0085\u2028\u2029", ("\n", " ")),
    **dict.fromkeys("\u00a0\u2007\u202f", (" ",)),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ("",)),
    "Æ": ("AE",),
    "æ": ("ae",),
    "Œ": ("OE",),
    "œ": ("oe",),
    "ß": ("ss",),
    "Ø": ("O",),
    "ø": ("o",),
}

# A character with the accents (or Hangul parts) that follow it: at most eight, because the time to compose them grows with the square.
_CLUSTER = re.compile(r".[\u0300-\u036f\u1160-\u11ff]{0,8}", re.S)


class CharTokenizer:
    """Characters <-> ids. The id of a character is its index in `vocabulary`."""

    def __init__(self, vocabulary: Iterable[str]):
        self.vocabulary = tuple(vocabulary)
        self._ids = {char: i for i, char in enumerate(self.vocabulary)}
        if any(len(char) != 1 for char in self.vocabulary) or len(self._ids) != len(self.vocabulary):
            raise ValueError("a vocabulary must contain single characters, each once")

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """A tokenizer whose vocabulary is the sorted characters of a text."""
        return cls(sorted(set(text)))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of a text.

        Raises:
            UnknownCharacterError: names the characters that are not in the vocabulary.
        """
        try:
            return [self._ids[char] for char in text]
        except KeyError:
            unknown = dict.fromkeys(char for char in text if char not in self._ids)
            raise UnknownCharacterError(f"The model's vocabulary has no {', '.join(map(name, unknown))}.") from None

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of a prompt. An empty prompt becomes a newline, as in the lecture, or the first character of a vocabulary without
        one."""
        return self.encode(text) or [self._ids.get("\n", 0)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids."""
        return "".join(self.vocabulary[i] for i in ids)

    def normalise(self, text: str) -> tuple[str, list[str]]:
        """Replaces typographic characters with characters of the vocabulary.

        Returns:
            the text in the vocabulary, and the characters that were left out, each once, in order of appearance.
        """
        kept, left_out = [], {}
        for cluster in _CLUSTER.findall(text.replace("\r\n", "\n")):
            known = all(char in self._ids for char in cluster)
            for char in cluster if known else unicodedata.normalize("NFC", cluster):
                plain = self._plain(char)
                if plain is None:
                    left_out[char] = True
                else:
                    kept.append(plain)
        return "".join(kept), list(left_out)

    def _plain(self, char: str) -> str | None:
        """The replacement for a character in the vocabulary; None if there is none."""
        if char in self._ids:
            return char
        without_accents = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        candidates = (*_PLAIN.get(char, ()), without_accents)
        for candidate in candidates:
            if all(c in self._ids for c in candidate):
                return candidate
        return None


def name(char: str) -> str:
    """A readable name of a character: the character in quotes, or its Unicode name if it is not printable."""
    return f"‘{char}’" if char.isprintable() and not char.isspace() else unicodedata.name(char, f"U+{ord(char):04X}").lower()
