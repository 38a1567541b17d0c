"""Minimal pairs made from lists of words: each rule draws a context, a right text and a wrong one.

The rules are balanced where they can be: what is right in one pair is wrong in another, so that a liking for one of the words gains
nothing.
"""

from __future__ import annotations

import random

from model.meaning.likelihood import BLANK_LINE

Texts = tuple[str, str, str]  # a context, a right text and a wrong one


def _words(text: str) -> list[str]:
    return text.split()


NOUNS = _words("king queen duke father mother brother sister son daughter friend servant soldier lady knight captain")
MEN = _words("king duke prince father brother husband son knight lord")
WOMEN = _words("queen duchess princess mother sister wife daughter lady maid")
ADJECTIVES = _words("noble gentle good old young poor brave sweet wicked proud")
QUALITIES = _words("noble proud gentle brave cold white dear strange true foul")
PLACES = _words("France England Rome Verona Naples Milan Padua York")
STATES = [*_words("dead gone come here weary welcome ready asleep afraid"), "too proud", "in the tower", "much deceived", "at the gate"]
DEEDS = _words("love thank pray hate follow leave kill hear")
OWNERS = ("my", "thy", "your", "our", "his", "the")
ENDS = (".", ", sir.", ", my lord.", ", I say.")
LINES = (
    "What news, my lord?",
    "I cannot tell.",
    "Come hither, sir.",
    "Where is the king?",
    "He is not here.",
    "I pray you, tell me.",
    "Good morrow to you.",
    "What say you to this?",
    "I will not go.",
    "Be it so.",
)
RHYMES = [
    _words(rhyming)
    for rhyming in (
        "sight night light right",
        "day way say stay",
        "heart part art start",
        "face grace place disgrace",
        "tears years fears ears",
        "hand land stand command",
        "mine thine divine shine",
        "head dead bed led",
        "king bring thing sing",
        "crown down town frown",
        "eyes lies dies skies",
        "woe go foe so",
    )
]
SYLLABLES = _words("ba be bo da do fa fe ga go ka la le lo ma me mo na ne no pa re ro sa se so ta te to va vo za")
THOU_VERBS = (
    ("art", "are", ""),
    ("hast", "have", ""),
    ("dost", "do", "love"),
    ("wilt", "will", "see"),
    ("shalt", "shall", "hear"),
    ("canst", "can", "find"),
)  # as thou has it, as you has it, and the verb that follows
THOU_AND_YOU = (
    ("Thou knowest", "You know"),
    ("Thou hast lost", "You have lost"),
    ("Thou dost forget", "You do forget"),
    ("Thou shalt see", "You shall see"),
    ("Thou wilt forsake", "You will forsake"),
)
AFTER_A = _words("king man soldier lady traitor prince word sword tongue gentleman brother friend")
AFTER_AN = [*_words("enemy oath eye hour ass army arm angel end answer ear apple"), "honest man", "old man", "idle word"]
VERSES = (
    "And thus I speak of",
    "I never saw such",
    "O, let me have thy",
    "So shall I find the",
    "There is no greater",
    "What can I say of",
    "Then let us see the",
    "And so farewell the",
)


def thou(rng: random.Random) -> Texts:
    """Thou never wilt | will see the king. You never will | wilt ..."""
    verb, plain, what = rng.choice(THOU_VERBS)
    rest = f"{what} the {rng.choice(NOUNS)}" if what else f"my {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}"
    start, adverb = rng.choice(("", "And ", "But ", "If ", "For ")), rng.choice(("not", "never", "still", "now"))
    subject, forms = rng.choice((("thou", (verb, plain)), ("you", (plain, verb))))
    sentence = f"{start}{subject} {adverb} {{}} {rest}."
    return _pair(sentence[0].upper() + sentence[1:], *forms)


def thy(rng: random.Random) -> Texts:
    """Thou hast lost the king and thy | your brave queen. You have lost ..."""
    thou, you = rng.choice(THOU_AND_YOU)
    subject, forms = rng.choice(((thou, ("thy", "your")), (you, ("your", "thy"))))
    first, second = rng.sample(NOUNS, 2)
    return _pair(f"{subject} the {first} {rng.choice(('and', 'or', 'with'))} {{}} {rng.choice(ADJECTIVES)} {second}.", *forms)


def thee(rng: random.Random) -> Texts:
    """If thou art honest, therefore I love thee | you. If you are ..."""
    thou, you = rng.choice((("Thou art", "You are"), ("If thou art", "If you are"), ("Since thou art", "Since you are")))
    subject, forms = rng.choice(((thou, ("thee", "you")), (you, ("you", "thee"))))
    after, verb = rng.choice(("and I", "therefore I", "and we", "and they")), rng.choice(DEEDS)
    return _pair(f"{subject} {rng.choice(('welcome', *QUALITIES))}, {after} {verb} {{}}.", *forms)


def number(rng: random.Random) -> Texts:
    """The brave kings are | is dead. The brave king is | are dead."""
    one = rng.choice(NOUNS)
    noun, forms = rng.choice(((one, ("is", "are")), (plural(one), ("are", "is"))))
    return _pair(f"{rng.choice(('The', 'My', 'Our', 'His'))} {rng.choice(ADJECTIVES)} {noun} {{}} {rng.choice(STATES)}.", *forms)


def article(rng: random.Random) -> Texts:
    """I have a | an sword."""
    noun, forms = rng.choice(((rng.choice(AFTER_AN), ("an", "a")), (rng.choice(AFTER_A), ("a", "an"))))
    start = rng.choice(("I see", "He is", "Give me", "Thou art", "This is", "I have", "There is", "She hath"))
    return _pair(f"{start} {{}} {noun}{rng.choice(ENDS)}", *forms)


def than(rng: random.Random) -> Texts:
    """He is more brave and foul than | as the king. He is as brave and foul as | than the king."""
    degree, forms = rng.choice((("more", ("than", "as")), ("as", ("as", "than"))))
    subject, (first, second) = rng.choice(("He is", "Thou art", "She was", "I am", "They are")), rng.sample(QUALITIES, 2)
    return _pair(f"{subject} {degree} {first} and {second} {{}} {rng.choice(OWNERS)} {rng.choice(NOUNS)}.", *forms)


def question(rng: random.Random) -> Texts:
    """Where is my old friend? | . Here is my old friend. | ?"""
    asks, tells = (
        ("Where is", "Who is", "What is", "Why is", "Is this", "How is"),
        ("Here is", "There is", "This is", "It is", "Here comes"),
    )
    starts, forms = rng.choice(((asks, ("?", ".")), (tells, (".", "?"))))
    return _pair(f"{rng.choice(starts)} {rng.choice(OWNERS)} {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}{{}}", *forms)


def rhyme(rng: random.Random) -> Texts:
    """What rhymes with the end of the line before."""
    ours, theirs = rng.sample(RHYMES, 2)
    before, right = rng.sample(ours, 2)
    first, second = rng.sample(VERSES, 2)
    return _pair(f"{second} {{}}.", right, rng.choice(theirs), f"{BLANK_LINE}{first} {before},\n")


def number_of(rng: random.Random) -> Texts:
    """The brave kings of France are | is dead: what is next to the verb is not what it agrees with."""
    context, right, wrong = number(rng)
    place = f" of {rng.choice(PLACES)}"
    return context, _after_noun(right, place), _after_noun(wrong, place)


def oneself(rng: random.Random) -> Texts:
    """The queen hath hurt herself | himself."""
    people, forms = rng.choice(((MEN, ("himself", "herself")), (WOMEN, ("herself", "himself"))))
    verb = rng.choice(("hath hurt", "doth love", "hath slain", "will undo", "shall betray", "cannot help", "hath forgot"))
    who = f"{rng.choice(('The', 'My', 'Your', 'Our'))} {rng.choice(ADJECTIVES)} {rng.choice(people)}"
    return _pair(f"{who} {verb} {{}}{rng.choice(ENDS)}", *forms)


def new_name(rng: random.Random) -> Texts:
    """A made-up name that has just spoken | another one."""
    names = ["".join(rng.sample(SYLLABLES, 3)).upper() for _ in range(3)]
    first, second, third = rng.sample(LINES, 3)
    context = f"{BLANK_LINE}{names[0]}:\n{first}\n\n{names[1]}:\n{second}\n\n"
    return _pair(f"{{}}:\n{third}", names[0], names[2], context)


def plural(noun: str) -> str:
    """The plural of one of the nouns."""
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _pair(sentence: str, right: str, wrong: str, context: str = BLANK_LINE) -> Texts:
    return context, sentence.format(right), sentence.format(wrong)


def _after_noun(sentence: str, what: str) -> str:
    """A sentence of `number` with something after its noun, the third word."""
    words = sentence.split(" ")
    return " ".join(words[:3]) + what + " " + " ".join(words[3:])
