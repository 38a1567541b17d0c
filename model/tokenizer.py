"""Characters <-> ids, and what to do with characters that the vocabulary lacks.

One character is one token, as in the lecture. A prompt typed on a phone or pasted from a book brings curly quotes, dashes and
accents; `normalise` brings them back to what the corpus has, and names what it must leave out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from model.errors import UnknownCharacterError

# Typographic characters and what a plain-text corpus writes for them, most faithful first.
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

# A character with the accents (or Hangul parts) that follow it; not more than eight, for composing takes the square of their number.
_CLUSTER = re.compile(r".[\u0300-\u036f\u1160-\u11ff]{0,8}", re.S)


class CharTokenizer:
    """Characters <-> ids. The id of a character is its place in `vocabulary`."""

    def __init__(self, vocabulary: Iterable[str]):
        self.vocabulary = tuple(vocabulary)
        self._ids = {char: i for i, char in enumerate(self.vocabulary)}
        if any(len(char) != 1 for char in self.vocabulary) or len(self._ids) != len(self.vocabulary):
            raise ValueError("a vocabulary is made of single characters, each once")

    @classmethod
    def from_text(cls, text: str) -> CharTokenizer:
        """The vocabulary of a text: its characters, sorted."""
        return cls(sorted(set(text)))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Ids of a text.

        Raises:
            UnknownCharacterError: names the characters that the vocabulary lacks.
        """
        try:
            return [self._ids[char] for char in text]
        except KeyError:
            unknown = dict.fromkeys(char for char in text if char not in self._ids)
            raise UnknownCharacterError(f"The model's vocabulary has no {', '.join(map(name, unknown))}.") from None

    def encode_prompt(self, text: str) -> list[int]:
        """Ids to continue: of the text, or of a newline if there is none, as the lecture does (the first character of a
        vocabulary that has no newline)."""
        return self.encode(text) or [self._ids.get("\n", 0)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids."""
        return "".join(self.vocabulary[i] for i in ids)

    def normalise(self, text: str) -> tuple[str, list[str]]:
        """Brings typographic characters to what the vocabulary has.

        Returns:
            the text in the vocabulary, and the characters that had to be left out, each once, in order of appearance.
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
        """What the vocabulary writes for a character, or None."""
        if char in self._ids:
            return char
        without_accents = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        candidates = (*_PLAIN.get(char, ()), without_accents)
        for candidate in candidates:
            if all(c in self._ids for c in candidate):
                return candidate
        return None


def name(char: str) -> str:
    """A character as it can be read out: itself in quotes, or its Unicode name."""
    return f"‘{char}’" if char.isprintable() and not char.isspace() else unicodedata.name(char, f"U+{ord(char):04X}").lower()
