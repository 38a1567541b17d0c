"""Who said it? A speech is given to the speaker after whose name it is likeliest.

Of speeches that a model learned from, this measures what it remembers. The last tenth of Tiny Shakespeare begins within a play, so a model
has met some of its speakers, too; there, speakers are also asked for with a speech of each in the context, as an example.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from model.data import train_chars
from model.errors import CorpusError
from model.meaning.likelihood import BLANK_LINE, Read, log_probs
from model.meaning.pairs_from_plays import SPEECH
from model.statistics import wilson
from model.weights import Weights

# Those who speak most in the training part of Tiny Shakespeare, in characters.
NAMES = (
    "GLOUCESTER",
    "DUKE VINCENTIO",
    "KING RICHARD II",
    "LEONTES",
    "CORIOLANUS",
    "ROMEO",
    "JULIET",
    "MENENIUS",
    "QUEEN MARGARET",
    "WARWICK",
)
SPEECH_CHARS = range(40, 101)  # of the speeches that are asked for
EXAMPLE_CHARS = range(20, 51)  # of those in the context, so that all of it fits a block of the shipped model
EACH = 15  # speeches of each speaker
UNKNOWN = 5  # speakers of the last tenth: of those with enough speeches, the ones who speak most
EXAMPLES = 150  # questions with examples
SEED = 1337


class Question(NamedTuple):
    """A speech, what stands before it for each of the speakers who may have said it, and which of them did."""

    speech: str
    contexts: tuple[str, ...]
    right: int


def heading(name: str) -> str:
    """What stands before a speech: an empty line and the speaker's name."""
    return f"{BLANK_LINE}{name}:\n"


def by_speaker(text: str) -> dict[str, list[str]]:
    """The speeches of each speaker of a play, in order; the speaker with the most characters first."""
    found: dict[str, list[str]] = {}
    for name, speech in SPEECH.findall(text):
        found.setdefault(name, []).append(speech.rstrip("\n"))
    size = Counter({name: sum(map(len, speeches)) for name, speeches in found.items()})
    return {name: found[name] for name, _ in size.most_common()}


def held_out(speeches: dict[str, list[str]]) -> list[str]:
    """The UNKNOWN speakers who are asked for in the last tenth, of its speeches."""
    return [name for name, some in speeches.items() if sum(len(speech) in SPEECH_CHARS for speech in some) >= EACH][:UNKNOWN]


def by_name(speeches: dict[str, list[str]], names: Sequence[str], rng: random.Random) -> list[Question]:
    """Who of some speakers said it, by their names alone: the same number of speeches of each.

    Raises:
        CorpusError: one of them has too few.
    """
    contexts = tuple(map(heading, names))
    questions = []
    for i, name in enumerate(names):
        some = [speech for speech in speeches.get(name, ()) if len(speech) in SPEECH_CHARS]
        if len(some) < EACH:
            raise CorpusError(f"{name} has {len(some)} speeches of a fitting length in this text; {EACH} are needed.")
        questions += [Question(speech, contexts, i) for speech in rng.sample(some, EACH)]
    return questions


def with_examples(speeches: dict[str, list[str]], rng: random.Random) -> list[Question]:
    """Which of two speakers said it, each of whom has said something else before.

    Raises:
        CorpusError: too few speakers have two speeches of a fitting length.
    """
    shorts = {name: [speech for speech in some if len(speech) in EXAMPLE_CHARS] for name, some in speeches.items()}
    able = [name for name, some in shorts.items() if len(some) > 1 and any(len(speech) in SPEECH_CHARS for speech in speeches[name])]
    if len(able) < 2:
        raise CorpusError("The text has fewer than two speakers with several short speeches.")
    questions = []
    for _ in range(EXAMPLES):
        pair = rng.sample(able, 2)
        right = rng.randrange(2)
        speech = rng.choice([speech for speech in speeches[pair[right]] if len(speech) in SPEECH_CHARS])
        examples = [rng.choice([short for short in shorts[name] if short != speech]) for name in pair]
        shown = "".join(f"{heading(name)}{example}" for name, example in zip(pair, examples, strict=True))
        questions.append(Question(speech, tuple(shown + heading(name) for name in pair), right))
    return questions


def measure_speakers(weights: Weights, text: str, each: Callable[[int], object] = lambda n: None) -> dict[str, Any]:
    """How often the likeliest speaker is the right one, for three questions; see ui/web/meaning_zeroshot.py for the form.

    Args:
        text: the corpus that the model learned from the first nine tenths of.
        each: as in `log_probs`.

    Raises:
        CorpusError: the text has too few speeches.
        UnknownCharacterError: the model's vocabulary lacks characters of the text.
    """
    rng = random.Random(SEED)
    cut = train_chars(len(text))
    before, last = by_speaker(text[:cut]), by_speaker(text[cut:])
    asked = {
        "trained": by_name(before, NAMES, rng),
        "held_out": by_name(last, held_out(last), rng),
        "examples": with_examples(last, rng),
    }
    return {question: _answer(weights, questions, each) for question, questions in asked.items()}


def _answer(weights: Weights, questions: Sequence[Question], each: Callable[[int], object]) -> dict[str, Any]:
    encode = weights.tokenizer.encode
    reads = [Read(encode(context), encode(question.speech)) for question in questions for context in question.contexts]
    sums = np.array([found.sum() for found in log_probs(weights.model, reads, each)]).reshape(len(questions), -1)
    right = float((sums.argmax(1) == [question.right for question in questions]).mean())
    low, high = wilson(right, len(questions))
    candidates = sums.shape[1]
    return {
        "candidates": candidates,
        "n": len(questions),
        "right": round(right, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "chance": round(1 / candidates, 4),
    }
