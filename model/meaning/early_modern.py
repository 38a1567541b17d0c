"""Modern English into early modern English by rule, and lines of the plays into modern English.

    early_modern("Are you sure that your friend has it?")   "Art thou sure that thy friend hath it?"

The rules look at a word and its neighbours and know no grammar, so what they say is "right" may be odd English; but they give every text
one answer, so that a translation is right or wrong. `modern` undoes them where the plays have such words, so that lines of the plays
become sources; what is right for such a source is again what `early_modern` says, even if the poet wrote otherwise.
"""

from __future__ import annotations

import re

# After "you", and, for those of the first line, before it.
ASKING = {"are": "art", "were": "wert", "have": "hast", "had": "hadst", "do": "dost", "did": "didst", "will": "wilt", "shall": "shalt"}
ASKING |= {"can": "canst", "would": "wouldst", "should": "shouldst", "could": "couldst", "may": "mayst"}
SAYING = {"know": "knowest", "say": "sayest", "see": "seest", "think": "thinkest", "love": "lovest", "speak": "speakest", "come": "comest"}
SAYING |= {"go": "goest", "make": "makest", "take": "takest", "give": "givest", "hear": "hearest", "stand": "standest", "seem": "seemest"}
THOU = ASKING | SAYING
# Wherever they stand.
WORDS = {"has": "hath", "does": "doth", "says": "saith", "comes": "cometh", "goes": "goeth", "makes": "maketh", "takes": "taketh"}
WORDS |= {"gives": "giveth", "knows": "knoweth", "loves": "loveth", "speaks": "speaketh", "stands": "standeth", "seems": "seemeth"}
WORDS |= {"hears": "heareth", "thinks": "thinketh", "sees": "seeth", "brings": "bringeth", "keeps": "keepeth"}
WORDS |= {"yours": "thine", "yourself": "thyself", "perhaps": "perchance", "often": "oft", "between": "betwixt", "over": "o'er"}
WORDS |= {"never": "ne'er", "before": "ere", "yes": "ay", "nothing": "naught", "truly": "verily", "soon": "anon"}
IT = {"is": "'tis", "was": "'twas", "will": "'twill"}  # after "it"
# "you" after one of these, or at the beginning of a clause, is the one who acts; elsewhere it is "thee".
BEFORE_THOU = {"that", "if", "when", "as", "and", "but", "or", "than", "what", "how", "though", "since", "because", "where", "why", "who"}
SUBJECTS = {"i", "he", "she", "it", "we", "they", "who", "that", "to"}  # before a verb: then the "you" after it is not its subject

PIECE = re.compile(r"[A-Za-z']+|[^A-Za-z']+")
MODERN = {early: modern for rule in (THOU, WORDS) for modern, early in rule.items() if early not in ("art", "thine")}
MODERN |= {
    "thou": "you",
    "thee": "you",
    "thy": "your",
    "thine": "your",
    "ye": "you",
    "'tis": "it is",
    "'twas": "it was",
    "'twill": "it will",
}


def early_modern(text: str) -> str:
    """The text in early modern English, by these rules alone."""
    pieces = PIECE.findall(text)
    given = [piece.lower() for piece in pieces]
    done: set[int] = set()  # places of verbs that belong to a "you", and of those that went into the word before
    for place, word in enumerate(given):
        before, after = _beside(given, place, -2), _beside(given, place, 2)
        if word == "you":
            if before in ASKING and place - 2 not in done and _beside(given, place - 2, -2) not in SUBJECTS:
                pieces[place - 2] = _as(pieces[place - 2], ASKING[before])
                pieces[place] = _as(pieces[place], "thou")
            elif after in THOU:
                pieces[place], pieces[place + 2] = _as(pieces[place], "thou"), _as(pieces[place + 2], THOU[after])
                done.add(place + 2)
            else:
                pieces[place] = _as(pieces[place], "thou" if before in BEFORE_THOU or before == "" else "thee")
        elif word == "your":
            pieces[place] = _as(pieces[place], "thine" if after[:1] in [*"aeiou"] else "thy")
        elif word == "it" and after in IT:
            pieces[place] = _as(pieces[place], IT[after])
            pieces[place + 1] = pieces[place + 2] = ""
        elif word in WORDS:
            pieces[place] = _as(pieces[place], WORDS[word])
    return "".join(pieces)


def modern(text: str) -> str:
    """A line of the plays with these words made modern: "art" only beside "thou", and "thine" to "yours" at the end of a clause."""
    pieces = PIECE.findall(text)
    given = [piece.lower() for piece in pieces]
    for place, word in enumerate(given):
        before, after = _beside(given, place, -2), _beside(given, place, 2)
        if word == "art" and "thou" in (before, after):
            pieces[place] = _as(pieces[place], "are")
        elif word == "thine" and not after:
            pieces[place] = _as(pieces[place], "yours")
        elif word in MODERN:
            pieces[place] = _as(pieces[place], MODERN[word])
    return "".join(pieces)


def _beside(words: list[str], place: int, step: int) -> str:
    """The word before (-2) or after (2) a place, if only a space is between; otherwise ""."""
    other = place + step
    return words[other] if 0 <= other < len(words) and words[place + step // 2] == " " else ""


def _as(word: str, other: str) -> str:
    """Another word with a capital where the word has one."""
    if not word[:1].isupper():
        return other
    first = next(place for place, char in enumerate(other) if char.isalpha())
    return other[:first] + other[first].upper() + other[first + 1 :]
