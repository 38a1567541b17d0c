"""Examples for supervised fine-tuning, made from the plays; and requests kept back from them, to measure with.

The answers of open skills are short sentences and clauses of the plays that the skill's rule accepts for a word near the beginning. A
clause that ends in a colon or a semicolon is ended with a full stop. The last tenth of the text is not used: models are evaluated on it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.assistant.answers import ANSWER_CHARS as MOST_CHARS
from model.assistant.pairs import MOST_NAMED, prompt_of
from model.assistant.skills import KEPT_BACK_WORDS, SKILLS, OneAnswerSkill, Skill
from model.data import TRAIN_SHARE, train_chars
from model.errors import CorpusError, ParameterError
from model.tokenizer import CharTokenizer
from model.tokenizer import name as name_of_character

EXAMPLES_PER_SKILL = 1_000
ANSWER_CHARS = range(15, 61)
EARLY_CHARS = 30  # the beginning of an answer, which must have the word of its skill: what comes late is hard to learn
WORD_CHARS = range(3, 10)  # of words in the requests of one-answer skills


@dataclass(frozen=True)
class Example:
    """A request and its answer. `skill` is the skill's id."""

    skill: str
    request: str
    answer: str


@dataclass(frozen=True)
class Request:
    """A request to measure with. `skill` is the skill's id.

    Attributes:
        right_answer: of a one-answer skill.
    """

    skill: str
    request: str
    right_answer: str | None


def make_examples(text: str, seed: int, per_skill: int = EXAMPLES_PER_SKILL) -> list[Example]:
    """Examples from a corpus, the same number for each skill, in random order. Sentences in the last tenth are not in those before.

    Raises:
        CorpusError: the text has too few answers for a skill.
    """
    rng = random.Random(seed)
    sentences = list(dict.fromkeys(sentences_of(text[: train_chars(len(text))])))
    words = _plain_words(sentences)
    rng.shuffle(sentences)
    cut, n_train = int(TRAIN_SHARE * len(sentences)), int(TRAIN_SHARE * per_skill)
    return _part(sentences[:cut], words, n_train, rng) + _part(sentences[cut:], words, per_skill - n_train, rng)


def _part(sentences: Sequence[str], words: Sequence[str], per_skill: int, rng: random.Random) -> list[Example]:
    """Examples whose answers are some sentences, or are made of some words."""
    examples: list[Example] = []
    for skill in SKILLS:
        if isinstance(skill, OneAnswerSkill):
            examples += [_ask(skill, words, rng) for _ in range(per_skill)]
            continue
        answers = [sentence for sentence in sentences if skill.judge("", sentence).obeys and _obeys_early(skill, sentence)]
        if not answers:
            raise CorpusError(
                f"The text has too few answers for “{skill.phrasings[0]}” to make examples. Use a longer text, or name a file of pairs."
            )
        examples += [Example(skill.id, rng.choice(skill.phrasings), answers[i % len(answers)]) for i in range(per_skill)]
    rng.shuffle(examples)
    return examples


def _obeys_early(skill: Skill, sentence: str) -> bool:
    """Whether a sentence would obey if it ended after its beginning."""
    return skill.judge("", sentence[:EARLY_CHARS].rstrip(" .!?") + sentence[-1]).obeys


def to_json_lines(examples: Sequence[Example]) -> bytes:
    """The examples as a file of pairs (`model.assistant.pairs`)."""
    return "".join(json.dumps({"request": e.request, "answer": e.answer}) + "\n" for e in examples).encode()


def kept_back(per_skill: int, seed: int) -> list[Request]:
    """Requests in phrasings and with words that no example has, `per_skill` of each skill, skill by skill."""
    rng = random.Random(seed)
    requests = []
    for skill in SKILLS:
        for _ in range(per_skill):
            if isinstance(skill, OneAnswerSkill):
                made = _ask(skill, KEPT_BACK_WORDS, rng)
                requests.append(Request(skill.id, made.request, made.answer))
            else:
                requests.append(Request(skill.id, rng.choice(skill.kept_back), None))
    return requests


def check_can_be_asked(name: str, tokenizer: CharTokenizer, block_size: int) -> None:
    """Checks that a model can read the requests of the skills and has room for an answer.

    Raises:
        ParameterError: it lacks characters, or its context is too short.
    """
    longest_word = " ".join(["x" * WORD_CHARS[-1]] * max(skill.most_words for skill in SKILLS if isinstance(skill, OneAnswerSkill)))
    prompts = [prompt_of(form.format(longest_word)) for skill in SKILLS for form in (*skill.phrasings, *skill.kept_back)]
    unknown = sorted(set("".join(prompts)) - {*tokenizer.vocabulary})
    if unknown:
        shown = ", ".join(map(name_of_character, unknown[:MOST_NAMED]))
        raise ParameterError(f"{name} does not know {shown}, which requests are written with. Choose another parent.", "parent")
    if (need := max(map(len, prompts)) + MOST_CHARS) > block_size:
        raise ParameterError(
            f"{name} has a context of {block_size} characters; a request with its answer needs {need}. Choose another parent.", "parent"
        )


def sentences_of(text: str) -> Iterator[str]:
    """Sentences and clauses of plays, without the speakers' names."""
    for speech in text.split("\n\n"):
        speaker, _, lines = speech.partition("\n")
        if speaker.endswith(":"):
            for part in re.split(r"(?<=[.!?;:])\s+", lines):
                words = " ".join(part.split())
                clause = re.sub("[;:]$", ".", words[:1].upper() + words[1:])
                if len(clause) in ANSWER_CHARS and clause[0].isalpha() and clause[-1] in ".!?" and "--" not in clause:
                    yield clause


def _plain_words(sentences: Sequence[str]) -> list[str]:
    """Plain words of some sentences, each once, without those kept back."""
    found = dict.fromkeys(word for sentence in sentences for word in re.findall(r"(?<![\w'-])[a-z]+(?![\w'-])", sentence))
    return [word for word in found if len(word) in WORD_CHARS and word not in KEPT_BACK_WORDS]


def _ask(skill: OneAnswerSkill, words: Sequence[str], rng: random.Random) -> Example:
    chosen = " ".join(rng.choice(words) for _ in range(rng.randint(1, skill.most_words)))
    request = skill.phrasings[0].format(chosen)
    return Example(skill.id, request, skill.right_answer(request))
