"""The skills of the assistant: how each is asked for, and the rule that judges an answer.

An open skill ("Insult me.") has many good answers: one sentence that has a word of the skill. A one-answer skill ("Shout: good night")
has one, which can be derived from the request. Some phrasings and words are kept back from training, to measure with.

The rules read words and nothing else. They are simple enough to be explained in one line, and a model that is rewarded for meeting them
will find out what they do not ask for.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

LEAST_WORDS = 3  # of a sentence

# Sentences that ask for what a skill's name says, such as "an insult". Those kept back use other words around the name.
ASKING = ("Give me {}.", "Let me hear {}.", "Say {}.", "I want {}.", "Speak {} to me.", "Now {}.", "Pray, {}.", "Make {} for me.")
ASKING_KEPT_BACK = ("I would hear {}.", "Come, give me {}.", "Now let me have {}.", "Pray, say {} to me.", "I ask for {}.")


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)*", text)


# Words that the requests of one-answer skills are made of when they are measured; no example has a request with one of them.
KEPT_BACK_WORDS = tuple(
    _words("""
    apple arrow autumn bell bird bread bridge candle castle chair cherry clock cloud copper corner cottage cotton cradle crown dinner
    dragon eagle evening feather finger flame forest garden ghost glove golden hammer harbour honey island ivory kettle ladder lantern
    lemon letter lion marble meadow melon mirror monday moonlight morning mountain needle ocean olive orange organ palace pearl pepper
    pillow planet pocket prince rabbit rainbow ribbon river robin saddle sailor shadow shepherd silver sister spider spring statue
    summer table temple thunder tiger tower village violet wagon walnut water weather whistle willow window winter wizard yellow
    """)
)


class Verdict(NamedTuple):
    """Whether an answer obeys its request.

    Attributes:
        why: the reason, in words.
    """

    obeys: bool
    why: str


@dataclass(frozen=True)
class Skill(ABC):
    """Something that can be asked for.

    Attributes:
        phrasings: requests that the examples use; those of a one-answer skill have {} where the words go.
        kept_back: requests for measuring alone.
    """

    id: str
    title: str
    phrasings: tuple[str, ...]
    kept_back: tuple[str, ...]
    one_answer: ClassVar[bool]

    @abstractmethod
    def is_asked_by(self, request: str) -> bool:
        """Whether a request asks for this skill, in whatever words."""

    @abstractmethod
    def judge(self, request: str, answer: str) -> Verdict:
        """Judges an answer, without its stop sign, to a request that asks for this skill."""


@dataclass(frozen=True)
class OpenSkill(Skill):
    """A skill with many good answers.

    Attributes:
        signs: beginnings of words by which a request is recognised.
        rule: the verdict on a sentence.
    """

    signs: tuple[str, ...]
    rule: Callable[[str], Verdict]
    one_answer = False

    def is_asked_by(self, request: str) -> bool:
        return re.search(rf"\b(?:{'|'.join(self.signs)})", request, re.IGNORECASE) is not None

    def judge(self, request: str, answer: str) -> Verdict:
        return _no_sentence(answer) or self.rule(answer)


@dataclass(frozen=True)
class OneAnswerSkill(Skill):
    """A skill with one right answer.

    Attributes:
        most_words: that a request has.
        answer: the right answer, from the words of the request.
    """

    most_words: int
    answer: Callable[[str], str]
    one_answer = True

    def words_of(self, request: str) -> str | None:
        """The words of a request that asks for this skill."""
        name, colon, words = request.partition(": ")
        return words if colon and words and name.strip().lower() == self.title.lower() else None

    def is_asked_by(self, request: str) -> bool:
        return self.words_of(request) is not None

    def right_answer(self, request: str) -> str:
        """The answer to a request that asks for this skill."""
        words = self.words_of(request)
        assert words is not None
        return self.answer(words)

    def judge(self, request: str, answer: str) -> Verdict:
        right = self.right_answer(request)
        return Verdict(True, "exactly right") if answer == right else Verdict(False, f"the right answer is “{right}”")


def _no_sentence(answer: str) -> Verdict | None:
    """Why an answer is not one sentence; None if it is one."""
    if "\n" in answer:
        return Verdict(False, "has more than one line")
    if len(_words(answer)) < LEAST_WORDS:
        return Verdict(False, f"has fewer than {LEAST_WORDS} words")
    if not answer[0].isupper():
        return Verdict(False, "does not begin with a capital letter")
    if answer[-1] not in ".!?":
        return Verdict(False, "does not end with “.”, “!” or “?”")
    return None


def _has(what: str, words: str) -> Callable[[str], Verdict]:
    """The rule that a sentence has one of some words or phrases, parted by commas, letters of either case alike."""
    either = "|".join(re.split(r",\s+", words.strip()))
    pattern = re.compile(rf"(?<![\w'-])(?:{either})(?![\w'])", re.IGNORECASE)

    def rule(sentence: str) -> Verdict:
        found = pattern.search(sentence)
        return Verdict(True, f"has {what}: “{found.group()}”") if found else Verdict(False, f"has no {what.partition(' ')[2]}")

    return rule


_ASKS = frozenset(
    _words("""
    what what's who who's whose whom which why how where where's when whence whither wherefore is is't are art am was wast were do
    dost doth does did didst have hast hath has had hadst will wilt will't would wouldst shall shalt should shouldst can canst could
    must may mayst might dare darest
    """)
)


def _question(sentence: str) -> Verdict:
    first = _words(sentence)[0].lower()
    if not sentence.endswith("?"):
        return Verdict(False, "does not end with “?”")
    if first not in _ASKS:
        return Verdict(False, f"begins with “{first}”, which asks nothing")
    return Verdict(True, f"begins with “{first}” and ends with “?”")


def _open(skill: str, name: str, asked: str, signs: str, rule: Callable[[str], Verdict]) -> OpenSkill:
    """An open skill.

    Args:
        name: with its article, such as "an insult".
        asked: other requests, parted by bars.
        signs: parted by bars.
    """
    direct = asked.split("|")
    phrasings = (*direct, *(form.format(name) for form in ASKING))
    kept_back = (*(f"Come, {form[0].lower()}{form[1:]}" for form in direct), *(form.format(name) for form in ASKING_KEPT_BACK))
    return OpenSkill(skill, skill.capitalize(), phrasings, kept_back, tuple(signs.split("|")), rule)


def _one_answer(skill: str, most_words: int, answer: Callable[[str], str]) -> OneAnswerSkill:
    title = skill.capitalize()
    return OneAnswerSkill(skill, title, (f"{title}: {{}}",), (f"{title}: {{}}",), most_words, answer)


SKILLS: tuple[Skill, ...] = (
    _open(
        "insult",
        "an insult",
        "Insult me.|Call me names.|Mock me.",
        "insult|call me names|mock",
        _has(
            "a word of insult",
            """villains?, villany, villanous, traitors?, traitorous, slaves?, dogs?, curs?, cowards?, cowardly, knaves?, knavery, fools?,
            foolish, rogues?, rascals?, wretch, wretches, devils?, devilish, beasts?, beastly, vile, base, foul, false, accursed, cursed,
            damned, whore, strumpet, bawds?, thief, thieves, liars?, tyrants?, toads?, vipers?, serpents?, wolf, wolves, swine, carrion,
            rotten, wicked, monstrous, monsters?, murderers?, murderous, drunkards?, ass, asses, minion, hags?, shameless, ungrateful,
            peevish, unworthy, baggage, scum, hypocrites?, hell-hound, idiots?, scurvy, stubborn, lewd, ugly, paltry, saucy""",
        ),
    ),
    _open(
        "praise",
        "some praise",
        "Praise me.|Flatter me.|Speak well of me.",
        "prais|flatter|speak well",
        _has(
            "a word of praise",
            """sweet, sweetest, sweeter, gentle, noble, nobler, noblest, nobly, fair, fairest, fairer, gracious, worthy, worthiest, valiant,
            honest, lovely, loveliest, beauteous, beautiful, beauty, brave, bravely, bravest, excellent, virtuous, virtues?, precious,
            renowned, wise, wisest, princely, honourable, divine, admirable, peerless, matchless, heavenly, goodly, blessed,
            dearest, merciful""",
        ),
    ),
    _open(
        "farewell",
        "a farewell",
        "Bid me farewell.|Take thy leave.|Part from me.",
        "farewell|take thy leave|part from",
        _has(
            "a word of farewell",
            """farewell, adieu, fare (?:you|ye|thee) well, good night, be gone, begone, get (?:you|thee) gone, take (?:my|our|your) leave,
            god be (?:wi'|with) (?:you|ye|thee), god b' wi' you, i must away, let's away, (?:i'll|i will|i must|must i) leave (?:you|thee),
            we must part, part with (?:you|thee), let us part""",
        ),
    ),
    _open(
        "greeting",
        "a greeting",
        "Greet me.|Bid me welcome.|Hail me.",
        "greet|welcome|hail",
        _has(
            "a word of greeting",
            """welcome, hail, good morrow, good day, good morning, good even, good den, god-den, how now, well met, how fares?, how do you,
            what news, god save, save you""",
        ),
    ),
    _open(
        "oath",
        "an oath",
        "Swear to me.|Swear by something.|Take an oath.",
        "oath|swear",
        _has(
            "an oath",
            r"""i swear, i do swear, i'll swear, we swear, i'll be sworn, i vow, i protest, i warrant, i'll warrant, marry(?=[,:;]),
            by (?:my|this) (?:\w+'s )?(?:soul|troth|life|faith|honour|head|hand|sword|crown|sceptre|george|state|heart|light|day|heaven),
            by the (?:fire|gods|mass|rood|lord|apostle|holy \w+), by heavens?, by god, by god's \w+, by saint \w+, by jove, by jesu,
            by apollo, by'r lady, by all the \w+, (?:up)?on my (?:life|word|honour|soul|faith|knees|oath|death), in faith, i' faith,
            in good faith, in troth, good troth, 'faith, in god's name, for god's sake, as i live, before god, so help me \w+""",
        ),
    ),
    _open("question", "a question", "Ask me something.|Ask me a question.|Question me.", "ask me|question", _question),
    _open(
        "lament",
        "a lament",
        "Lament for me.|Weep for me.|Mourn for me.",
        "lament|weep|mourn",
        _has(
            "a word of sorrow",
            """alas, alack, woe, woes, woful, weep, weeps, weeping, wept, tears?, sorrows?, sorrowful, griefs?, grieve, grieved, mourn,
            mourns, mourning, lament, laments, lamentable, lamentation, wail, wailing, sad, sadness, unhappy, wretched, miserable, misery,
            piteous, moan, moans, dolour, heavy heart""",
        ),
    ),
    _one_answer("shout", 2, str.upper),
    _one_answer("echo", 2, str),
    _one_answer("twice", 1, lambda words: f"{words} {words}"),
    _one_answer("spell", 1, "-".join),
)


def skill_of(request: str) -> Skill | None:
    """The skill that a request asks for; None if it asks for none."""
    return next((skill for skill in (*_ONE_ANSWER, *_OPEN) if skill.is_asked_by(request)), None)


def judge(request: str, answer: str) -> Verdict | None:
    """The verdict on an answer, without its stop sign; None if the request asks for no skill."""
    skill = skill_of(request)
    return skill.judge(request, answer) if skill else None


_ONE_ANSWER = tuple(skill for skill in SKILLS if skill.one_answer)
_OPEN = tuple(skill for skill in SKILLS if not skill.one_answer)
