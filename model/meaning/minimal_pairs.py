"""Minimal pairs: two texts that differ in one thing, of which one is right. A model that finds the right one likelier knows that thing,
without ever having been asked (the form of BLiMP: A. Warstadt et al., 2020).

Pairs are made by rule from lists of words, or from the last tenth of a corpus, which no model here has learned from.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from model.data import train_chars
from model.errors import CorpusError
from model.meaning import pairs_by_rule, pairs_from_plays
from model.meaning.pairs_by_rule import Texts

PAIRS = 100  # of each kind
DRAWS = 100  # of a rule, for each pair that is wanted: it draws the same again sometimes
SEED = 1337


class Pair(NamedTuple):
    """Two texts after the same context. `kind` is the kind's id."""

    kind: str
    right: str
    wrong: str
    context: str


@dataclass(frozen=True)
class Kind:
    """What pairs differ in.

    Attributes:
        about: a sentence for the reader.
        is_far: whether what decides is further away than an n-gram model sees.
        is_counted: whether it belongs to the mean. Those that do not were found to be beyond the shipped model in a first trial; they are
            shown beside.
        example: right and wrong, in a few words.
        rule: draws a pair; or `plays`: finds pairs in a text.
    """

    id: str
    title: str
    about: str
    is_far: bool
    example: tuple[str, str]
    rule: Callable[[random.Random], Texts] | None = None
    plays: Callable[[str, Collection[str], random.Random], Iterator[Texts]] | None = None
    is_counted: bool = True

    @property
    def source(self) -> str:
        """Where the pairs come from: "rule" or "plays"."""
        return "rule" if self.rule else "plays"


KINDS = (
    Kind(
        "letters",
        "Two letters swapped",
        "A word with two of its letters swapped is no word.",
        False,
        ("the matter", "the mattre"),
        plays=pairs_from_plays.letters_swapped,
    ),
    Kind(
        "vowel",
        "A wrong vowel",
        "A word with another vowel is no word.",
        False,
        ("the occasion", "the occusion"),
        plays=pairs_from_plays.vowel_replaced,
    ),
    Kind("article", "a, an", "The article fits the sound of the next word.", False, ("an enemy", "a enemy"), pairs_by_rule.article),
    Kind(
        "capital",
        "A capital begins a sentence",
        "After a full stop or a question mark, a sentence begins with a capital.",
        False,
        ("Ay, sir. Come in.", "Ay, sir. come in."),
        plays=pairs_from_plays.capital,
    ),
    Kind(
        "closed",
        "A speech is closed",
        "The empty line stands before the next speaker's name, not after it.",
        False,
        ("Good night.\n\nROMEO:\n", "Good night.\nROMEO:\n\n"),
        plays=pairs_from_plays.speech_closed,
    ),
    Kind(
        "number",
        "king is, kings are",
        "The verb agrees with the noun beside it.",
        False,
        ("My good kings are here.", "My good kings is here."),
        pairs_by_rule.number,
    ),
    Kind(
        "thou",
        "thou wilt, you will",
        "The verb agrees with thou or you, although a word stands between them.",
        True,
        ("Thou never wilt see the king.", "Thou never will see the king."),
        pairs_by_rule.thou,
    ),
    Kind(
        "thy",
        "thou ... thy, you ... your",
        "A sentence that begins with thou goes on with thy.",
        True,
        ("Thou hast lost the duke and thy good son.", "Thou hast lost the duke and your good son."),
        pairs_by_rule.thy,
    ),
    Kind(
        "thee",
        "thou ... thee, you ... you",
        "A sentence that begins with thou goes on with thee.",
        True,
        ("Thou art true, and I thank thee.", "Thou art true, and I thank you."),
        pairs_by_rule.thee,
    ),
    Kind(
        "than",
        "more ... than, as ... as",
        "A comparison ends as it began.",
        True,
        ("He is more brave and true than the king.", "He is more brave and true as the king."),
        pairs_by_rule.than,
    ),
    Kind(
        "question",
        "Question or statement",
        "The mark at the end fits the beginning of the sentence.",
        True,
        ("Where is my old friend?", "Where is my old friend."),
        pairs_by_rule.question,
    ),
    Kind(
        "verse",
        "Where a verse ends",
        "A verse has about ten syllables: it does not end two words earlier or later.",
        True,
        ("What light through yonder window breaks?\nIt is the east", "What light through yonder\nWindow breaks? it is the east"),
        plays=pairs_from_plays.line_broken,
    ),
    Kind(
        "order",
        "Two words exchanged",
        "Two words of a line have changed places.",
        True,
        ("I never saw the king", "I king saw the never"),
        plays=pairs_from_plays.words_exchanged,
    ),
    Kind(
        "number-of",
        "kings of France are",
        "The verb agrees with its noun, and not with the name beside it.",
        True,
        ("The brave kings of France are dead.", "The brave kings of France is dead."),
        pairs_by_rule.number_of,
        is_counted=False,
    ),
    Kind(
        "oneself",
        "himself, herself",
        "The pronoun fits the person it refers to.",
        True,
        ("The good queen hath hurt herself.", "The good queen hath hurt himself."),
        pairs_by_rule.oneself,
        is_counted=False,
    ),
    Kind(
        "rhyme",
        "Rhyme",
        "The last word of a verse rhymes with that of the verse before.",
        True,
        ("I never saw such night,\nAnd so farewell the light.", "I never saw such night,\nAnd so farewell the crown."),
        pairs_by_rule.rhyme,
        is_counted=False,
    ),
    Kind(
        "new-name",
        "A new name",
        "A made-up name that has spoken before speaks again, rather than one never heard.",
        True,
        ("DALOMA:\nBe it so.\n\nDALOMA:", "DALOMA:\nBe it so.\n\nSOVEKA:"),
        pairs_by_rule.new_name,
        is_counted=False,
    ),
)


def make_pairs(text: str | None, seed: int = SEED, per_kind: int = PAIRS) -> list[Pair]:
    """Pairs, kind by kind, each different from the others; the same for a seed.

    Args:
        text: a corpus, whose last tenth is used. Without one, the kinds from plays are left out.

    Raises:
        CorpusError: the text has too few pairs for a kind.
    """
    cut = train_chars(len(text or ""))
    words = {*re.findall("[a-z]+", text or "")}
    pairs = []
    for kind in KINDS:
        rng = random.Random(f"{seed} {kind.id}")
        if kind.rule:
            found = _some(map(kind.rule, [rng] * DRAWS * per_kind), per_kind)
        elif kind.plays and text:
            found = _some(kind.plays(text[cut:], words, rng), per_kind)
        else:
            continue
        if len(found) < per_kind:
            raise CorpusError(f"The last tenth of the text has {len(found)} pairs of the kind “{kind.title}”; {per_kind} are needed.")
        pairs += [Pair(kind.id, right, wrong, context) for context, right, wrong in found]
    return pairs


def digest(pairs: Iterable[Pair]) -> str:
    """A hash of pairs, by which results name what was measured."""
    return hashlib.sha256("\0".join(part for pair in pairs for part in pair).encode()).hexdigest()


def _some(found: Iterable[Texts], n: int) -> list[Texts]:
    """The first n that differ."""
    different: dict[Texts, None] = {}
    for texts in found:
        different[texts] = None
        if len(different) == n:
            break
    return [*different]
