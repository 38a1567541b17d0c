"""What small networks learn to translate: by rules that give every source one right answer, so that an answer is right or wrong.

Sources are drawn while a network trains, as a function of the dice, and never end. Some strings are kept back: no training draws them, so
that a measurement on them shows what was learned and not what was remembered.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.config import EARLY_MODERN, REVERSAL
from model.data import TINY_SHAKESPEARE_ALPHABET, Corpus, train_chars
from model.errors import CorpusError
from model.meaning.early_modern import early_modern, modern

SIGN = "\n"  # begins and ends a target, and ends a source
VOCABULARY = [*TINY_SHAKESPEARE_ALPHABET]  # of every network here
CHARS = TINY_SHAKESPEARE_ALPHABET.replace(SIGN, "")
KEPT_BACK = 10  # of so many strings one
MAX_TRIES = 1_000  # to find a string that is kept back, on average: of short ones there are few
LEAST_LINE_CHARS = 8
CHANGED_SHARE = 0.5  # of the lines drawn for training: those that the rules change are fewer in the plays


@dataclass(frozen=True)
class Rule:
    """A rule of translation.

    Attributes:
        id: a value of `TranslateConfig.rule`.
        answer: the right answer to a source.
        learned: what networks learn from, in words.
        reads_lines: whether sources are lines of a corpus; otherwise they are random strings.
    """

    id: str
    title: str
    about: str
    answer: Callable[[str], str]
    learned: str
    reads_lines: bool
    examples: tuple[str, ...]


RULES = {
    rule.id: rule
    for rule in (
        Rule(
            REVERSAL,
            "Reversal",
            "the same characters from the last to the first",
            lambda source: source[::-1],
            "random strings",
            reads_lines=False,
            examples=("To be, or not to be", "Attention", "stressed desserts", "abcdefgh", "Never odd or even"),
        ),
        Rule(
            EARLY_MODERN,
            "Early modern English",
            "you are becomes thou art, has becomes hath, your becomes thy",
            early_modern,
            "lines of the plays in modern English",
            reads_lines=True,
            examples=(
                "You are my friend.",
                "Do you know what your brother has?",
                "It is nothing; he never speaks.",
                "If you love me, give me your hand.",
                "Perhaps she knows it before you.",
            ),
        ),
    )
}


@dataclass(frozen=True)
class Sources:
    """What sources are drawn from.

    Attributes:
        longest: characters of the longest source.
        changed, unchanged: of a rule that reads lines: those that it changes, and those that it leaves as they are.
    """

    rule: Rule
    longest: int
    changed: Sequence[str] = ()
    unchanged: Sequence[str] = ()

    def draw(self, n: int, rng: random.Random) -> list[str]:
        """Sources to learn."""
        if self.rule.reads_lines:
            return [rng.choice(self.changed if rng.random() < CHANGED_SHARE else self.unchanged) for _ in range(n)]
        drawn: list[str] = []
        while len(drawn) < n:
            string = random_string(rng.randint(1, self.longest), rng)
            if not is_kept_back(string):
                drawn.append(string)
        return drawn


def training_sources(rule: Rule, longest: int, corpus: Corpus | None) -> Sources:
    """What a network learns from.

    Args:
        corpus: of a rule that reads lines: the first nine tenths of it are used.

    Raises:
        CorpusError: the corpus has too few lines.
    """
    if not rule.reads_lines:
        return Sources(rule, longest)
    assert corpus
    lines = [line for line in modern_lines(_parts(corpus)[0]) if len(line) <= longest]
    changed, unchanged = ([line for line in lines if (rule.answer(line) != line) is is_changed] for is_changed in (True, False))
    if not changed or not unchanged:
        raise CorpusError(
            f"{corpus.name} has {len(changed):,} lines of {LEAST_LINE_CHARS} to {longest} characters that the rules change and "
            f"{len(unchanged):,} that they leave; both are needed. Choose a longer English text."
        )
    return Sources(rule, longest, changed, unchanged)


def kept_back(rule: Rule, lengths: range, n: int, seed: int, corpus: Corpus | None) -> list[str]:
    """Sources of some lengths that no training draws: random strings, or lines of the last tenth of the corpus that are not in the rest.

    Args:
        n: how many; fewer if there are no more.
    """
    rng = random.Random(f"{seed} {rule.id} {lengths}")
    if rule.reads_lines:
        assert corpus
        seen, last = ({*modern_lines(part)} for part in _parts(corpus))
        found = sorted(line for line in last - seen if len(line) in lengths)
        return rng.sample(found, min(n, len(found)))
    strings: dict[str, None] = {}
    for _ in range(n * MAX_TRIES):
        string = random_string(rng.choice(lengths), rng)
        if is_kept_back(string):
            strings[string] = None
        if len(strings) == n:
            break
    return [*strings]


def is_kept_back(string: str) -> bool:
    """Whether no training draws this string."""
    return zlib.crc32(string.encode()) % KEPT_BACK == 0


def random_string(n: int, rng: random.Random) -> str:
    return "".join(rng.choices(CHARS, k=n))


def modern_lines(text: str) -> list[str]:
    """The lines of a text in modern English, each once, in order: without names of speakers, and without characters that the networks'
    vocabulary lacks."""
    lines = dict.fromkeys(modern(line) for line in text.split("\n") if not line.endswith(":"))
    return [line for line in lines if len(line) >= LEAST_LINE_CHARS and not set(line) - set(CHARS)]


def _parts(corpus: Corpus) -> tuple[str, str]:
    n = train_chars(len(corpus.text))
    return corpus.text[:n], corpus.text[n:]
