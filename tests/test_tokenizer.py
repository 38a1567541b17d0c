"""Characters <-> ids, the normal form of texts, and what happens to characters that the vocabulary lacks."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.errors import UnknownCharacterError
from model.tokenizer import CharTokenizer, name, normal_form
from tests.conftest import VOCABULARY

SHAKESPEARE = CharTokenizer(VOCABULARY)

# Any character, lone surrogates too, and often one with a story: accents, digraphs, joiners, compatibility forms.
characters = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from("eéE\u0301\u0308\u212b\u0340\u0958ﬁ½Æß…—’“\r\n\t\v\f\u0085\u2028\u00a0\u200b\u200d\ufeff\u00ad中가😀👩\ufe0f"),
)
texts = st.text(characters, max_size=40)


@given(st.text(VOCABULARY))
def test_decoding_gives_back_what_was_encoded(text: str) -> None:
    ids = SHAKESPEARE.encode(text)
    assert len(ids) == len(text)
    assert SHAKESPEARE.decode(ids) == text


def test_an_id_is_the_place_in_the_vocabulary() -> None:
    assert len(SHAKESPEARE) == 65
    assert SHAKESPEARE.encode("\n z") == [0, 1, 64]
    assert CharTokenizer("ba").encode("ab") == [1, 0]


def test_an_empty_prompt_begins_with_a_newline_or_else_the_first_character() -> None:
    assert SHAKESPEARE.encode_prompt("") == SHAKESPEARE.encode("\n")
    assert SHAKESPEARE.encode_prompt("To") == SHAKESPEARE.encode("To")
    assert CharTokenizer("ab\n").encode_prompt("") == [2]
    assert CharTokenizer("ab").encode_prompt("") == [0]


def test_a_texts_vocabulary_is_its_characters_sorted() -> None:
    assert CharTokenizer.from_text("hello, héllo").vocabulary == (" ", ",", "e", "h", "l", "o", "é")


@pytest.mark.parametrize("vocabulary", [["a", "a"], ["ab"], [""]], ids=repr)
def test_a_vocabulary_that_is_not_single_characters_once_each_is_refused(vocabulary: list[str]) -> None:
    with pytest.raises(ValueError, match="single characters, each once"):
        CharTokenizer(vocabulary)


def test_encoding_names_each_unknown_character_once() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        SHAKESPEARE.encode("ROMEO: é\u00a0né中")
    assert str(caught.value) == "The model's vocabulary has no ‘é’, no-break space, ‘中’."


def test_names_can_be_read_out() -> None:
    assert name("é") == "‘é’"
    assert name("\u00a0") == "no-break space"
    assert name("\u200b") == "zero width space"
    assert name("\x07") == "u+0007"
    assert name("\n") == "newline"
    assert name("\u0301") == "combining acute accent"


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("\u2018tis love\u2019s \u201cname\u201d", "'tis love's 'name'"),  # Tiny Shakespeare has no double quotes
        ('say "no"', "say 'no'"),
        ("don\u00b4t \u0060tis 3\u2032 3\u2033", "don't 'tis 3' 3'"),  # an acute alone is a space with an accent
        ("stay\u2014go \u2013 now \u2212 well\u2010a\u2011day \u2015", "stay--go - now - well-a-day --"),
        ("and so\u2026", "and so..."),
        ("caf\u00e9 na\u00efve \u00c5ngstr\u00f6m \u00d8re", "cafe naive Angstrom Ore"),  # precomposed
        ("cafe\u0301 nai\u0308ve a\u0302\u0301", "cafe naive a"),  # combining
        ("\u00c6sop \u0153uvre stra\u00dfe \ufb01n", "AEsop oeuvre strasse fin"),
        ("one\r\ntwo\rthree\x0bfour\x0cfive\u2028six\u2029\u0085", "one\ntwo\nthree\nfour\nfive\nsix\n\n"),
        ("\tindent", "    indent"),
        ("a\u00a0b\u202fc\u2007d\u3000e", "a b c d e"),
        ("\ufeffze\u200bro\u200d wi\u200cdth\u2060\u00ad", "zero width"),
        ("\uff21\uff42\uff1a", "Ab:"),  # full width
    ],
    ids=[
        "quotes",
        "double",
        "accents alone",
        "dashes",
        "ellipsis",
        "accents",
        "combining",
        "letters",
        "lines",
        "tab",
        "spaces",
        "zero width",
        "wide",
    ],
)
def test_typographic_characters_become_plain_ones(typed: str, plain: str) -> None:
    assert SHAKESPEARE.normalise(typed) == (plain, [])


def test_the_most_faithful_character_that_the_vocabulary_has_is_taken() -> None:
    assert CharTokenizer("\"'").normalise("“”") == ('""', [])
    assert CharTokenizer("-").normalise("—") == ("--", [])
    assert CharTokenizer("\t").normalise("\t") == ("\t", [])
    assert CharTokenizer("é").normalise("e\u0301") == ("é", [])
    assert CharTokenizer(" ").normalise("\v\u2028") == ("  ", [])
    assert CharTokenizer("ab").normalise("…") == ("", ["…"])


def test_decomposed_hangul_is_composed() -> None:
    assert CharTokenizer("가각").normalise("\u1100\u1161\u1100\u1161\u11a8") == ("가각", [])  # its parts are letters, not accents


def test_chinese_and_emoji_are_left_out_and_named_once_each_in_order() -> None:
    assert SHAKESPEARE.normalise("To 😀be中 or 文not中 to 😀be") == ("To be or not to be", ["😀", "中", "文"])


@given(texts)
@example("\r\n\r")
@example("e\u0301\u0301")
def test_a_normalised_text_can_always_be_encoded(text: str) -> None:
    plain, _ = SHAKESPEARE.normalise(text)
    assert SHAKESPEARE.decode(SHAKESPEARE.encode(plain)) == plain
    assert SHAKESPEARE.normalise(plain) == (plain, [])


@given(texts)
def test_what_is_left_out_is_named_once_in_order_of_appearance(text: str) -> None:
    _, left_out = SHAKESPEARE.normalise(text)
    assert not set(left_out) & set(VOCABULARY)
    assert left_out == sorted(set(left_out), key=normal_form(text).index)


@given(st.text(VOCABULARY))
def test_a_text_in_shakespeares_vocabulary_is_unchanged(text: str) -> None:
    assert SHAKESPEARE.normalise(text) == (text, [])


# The normal form


@given(texts)
@example("a" + "\u0301" * 100)
@example("a" + "\u0344" * 40)  # a mark that becomes two
@example("a" + "\u0316\u0301" * 40)  # marks in an order that is not the normal one
@example("a" + "\u0301" * 20 + "\ufeff" + "\u0301" * 20)
def test_the_normal_form_is_composed_has_newlines_alone_and_does_not_change_any_more(text: str) -> None:
    normal = normal_form(text)
    assert normal_form(normal) == normal
    assert unicodedata.is_normalized("NFC", normal)
    assert not set(normal) & set("\r\v\f\u0085\u2028\u2029\ufeff")


def test_every_line_ending_is_one_newline() -> None:
    for ending in ("\n", "\r\n", "\r", "\v", "\f", "\u0085", "\u2028", "\u2029"):
        assert normal_form(f"one{ending}two{ending}{ending}three{ending}") == "one\ntwo\n\nthree\n"
    assert normal_form("\ufeffone\ufeff") == "one"


@given(texts)
@example("cafe\u0301 q\u0303 \u1100\u1161 \u0627\u0654 \u304b\u3099 \u09c7\u09be \u212b \u0958")  # accents of many scripts
@example("x\u0301 e\u0301 \u00e9")  # the accent is a character of its own too
@example("one\rtwo\r\n")
def test_what_was_learned_can_be_typed_in_any_form(text: str) -> None:
    """A corpus goes through the normal form before it is learned."""
    learned = normal_form(text)
    tokenizer = CharTokenizer.from_text(learned)
    for form in ("NFC", "NFD"):
        typed = unicodedata.normalize(form, learned).replace("\n", "\r\n")
        assert tokenizer.normalise(typed) == (learned, [])
    assert tokenizer.normalise(text) == (learned, [])


@given(texts)
@example("ﬁ\u0301")
def test_a_prompt_that_is_sent_again_stays_what_it_was(text: str) -> None:
    tokenizer = CharTokenizer("\n abefiíé\u0301")
    plain, _ = tokenizer.normalise(text)
    assert tokenizer.normalise(plain) == (plain, [])


@pytest.mark.parametrize(
    ("alphabet", "written", "typed"),
    [
        ("ce\u0301", "ce\u0301", "c\u00e9"),  # a corpus in decomposed Unicode, as macOS writes file names
        ("\rab", "a\rb", "a\nb"),  # a corpus with the line endings of an old Macintosh
        (" \u212b\u0958", "\u212b \u0958", "\u212b \u0958"),  # characters that composing takes apart or replaces
    ],
)
def test_models_of_texts_that_were_not_in_the_normal_form_are_still_read_and_typed(alphabet: str, written: str, typed: str) -> None:
    tokenizer = CharTokenizer(alphabet)
    assert tokenizer.normalise(written) == (written, [])  # so that "continue from here" goes on with the same text
    assert tokenizer.normalise(typed) == (written, [])


def test_marks_without_number_on_one_letter_are_not_brought_in_order() -> None:
    """The time for that grows with the square of their number: for these it would be hours."""
    assert len(normal_form("a" + "\u0316\u0301" * 5_000_000)) <= 31
