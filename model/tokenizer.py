"""The tokenizer: characters <-> ids, the normal form of texts, and replacements for characters that are not in the vocabulary.

One character is one token and one Unicode code point, as in the lecture. Corpora and prompts go through one `normal_form`, so that what a
model learned can be typed. A prompt typed on a phone or pasted from a book also contains curly quotes, dashes and accents;
`CharTokenizer.normalise` replaces them with characters of the vocabulary and reports those that it has to leave out.
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
    "\n": ("\r", " "),  # "\r" is the newline in models of texts that were not brought to the normal form
    **dict.fromkeys("\u00a0\u2007\u202f", (" ",)),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\u00ad", ("",)),
    "Æ": ("AE",),
    "æ": ("ae",),
    "Œ": ("OE",),
    "œ": ("oe",),
    "ß": ("ss",),
    "Ø": ("O",),
    "ø": ("o",),
}

_CONTROLS = {"\n": "newline", "\r": "carriage return", "\t": "tab"}  # which Unicode leaves without a name

_NEWLINE = re.compile("\r\n|[\n\r\v\f\u0085\u2028\u2029]")  # Unicode's newline functions (The Unicode Standard, section 5.8)

# Marks that follow a letter, such as accents. Bringing them in order takes time that grows with the square of their number, so no more than
# 30 in a row are kept: far more than any language needs (Unicode Standard Annex 15, Stream-Safe Text Format).
_MARKS = "".join(char for char in map(chr, range(0x300, 0x20000)) if unicodedata.combining(char))
_SURPLUS_MARKS = re.compile(f"(?<=[{_MARKS}]{{30}})[{_MARKS}]+")


def normal_form(text: str) -> str:
    """A text with its letters composed (Unicode's NFC), a newline for every line ending, and without byte order marks."""
    return "\n".join(map(_composed, _NEWLINE.split(text.replace("\ufeff", ""))))


def _composed(line: str) -> str:
    """A line in NFC, without surplus marks. Composing may bring marks together that were apart."""
    if line.isascii():
        return line
    return _SURPLUS_MARKS.sub("", unicodedata.normalize("NFC", _SURPLUS_MARKS.sub("", line)))


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
        """Brings a text to its normal form and replaces typographic characters with characters of the vocabulary.

        Returns:
            the text in the vocabulary, and the characters that were left out, each once, in order of appearance.
        """
        kept, replaced = self.replace(text)
        return kept, [char for char, plain in replaced.items() if plain is None]

    def replace(self, text: str) -> tuple[str, dict[str, str | None]]:
        """As `normalise`, with what replaced each character that the vocabulary lacks, in order of appearance; None: it was left out."""
        spelled = self._spelled(text)
        replaced = {char: self._plain(char) for char in dict.fromkeys(spelled) if char not in self._ids}
        return self._spelled(spelled.translate({ord(char): plain for char, plain in replaced.items()})), replaced

    def _spelled(self, text: str) -> str:
        """The normal form of a text; the text as it is, if the vocabulary has it and not its normal form. That is so in models of texts
        that were not brought to the normal form."""
        normal = normal_form(text)
        return text if self._has(text) and not self._has(normal) else normal

    def _plain(self, char: str) -> str | None:
        """The replacement for a character in the vocabulary; None if there is none."""
        if char in self._ids:
            return char
        if char not in _PLAIN and unicodedata.is_normalized("NFKD", char) and not unicodedata.combining(char):
            return None  # at once: a text may have tens of thousands of them
        decomposed = unicodedata.normalize("NFD", char)
        without_accents = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
        candidates = (decomposed, *_PLAIN.get(char, ()), without_accents)
        return next((candidate for candidate in candidates if self._has(candidate)), None)

    def _has(self, text: str) -> bool:
        """Whether the vocabulary has all characters of a text."""
        return self._ids.keys() >= set(text)


def name(char: str) -> str:
    """A readable name of a character: the character in quotes, or its Unicode name if it cannot be printed by itself."""
    if char.isprintable() and not char.isspace() and not unicodedata.combining(char):
        return f"‘{char}’"
    return _CONTROLS.get(char) or unicodedata.name(char, f"U+{ord(char):04X}").lower()
