"""A text as the numbers that a network reads, and back.

    POST /learning/encode
    {"model": "e63aab5d", "text": "hii there"}

    {"model": "e63aab5d", "text": "hii there", "ids": [46, 47, 47, 1, 58, 46, 43, 56, 43], "train_chars": 8, "notice": ""}

    POST /learning/decode
    {"model": "e63aab5d", "numbers": "46, 47 47"}        separated by spaces, line ends or , ; : [ ] ( ) { }

Both answer with a text in the vocabulary and its numbers. "train_chars" is how much of it /learning/chunks draws from. "notice" says which
characters were replaced or left out, and which numbers were left out because the vocabulary has no such number. "model" and "viewer" are
optional, as in /write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from model.config import check_encoded_text
from model.data import train_chars
from model.errors import ParameterError
from model.files import printable
from model.limits import MAX_ENCODED_CHARS
from model.serving.admission import Admission
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.tokenizer import name as name_of
from ui.web.fields import NAMED_AT_MOST, left_out_notice, read_model_key, read_viewer
from ui.web.http import MAX_DIGITS, MAX_SETTINGS_BYTES, Body, Respond, model_header, takes_json
from ui.web.loading import find_tokenizer
from ui.web.stream import for_its_client

MAX_ENCODED_BYTES = 12 * MAX_ENCODED_CHARS + MAX_SETTINGS_BYTES  # the longest text, with every character escaped as two surrogates
WORD = re.compile(r"[^\s,;:\[\](){}]+")
MAX_WORD_CHARS = 20  # of what is named as no number

Encoded = tuple[str, list[int], str]  # a text in the vocabulary, its ids, and a notice


def encode(engine: Engine) -> Respond:
    """The handler of POST /learning/encode."""
    return _handler(engine, "text", encode_text)


def decode(engine: Engine) -> Respond:
    """The handler of POST /learning/decode."""
    return _handler(engine, "numbers", decode_numbers)


def _handler(engine: Engine, name: str, convert: Callable[[object, CharTokenizer], Encoded]) -> Respond:
    admission = Admission(1, "converted")  # one at a time: a long text takes the time of the engine

    @for_its_client
    async def answer(body: Body, http: HTTPRequest) -> Response:
        key, tokenizer = await find_tokenizer(engine, read_model_key(body))
        with admission.admit(read_viewer(body, http)) as ticket:
            async with ticket.turn():
                text, ids, notice = await asyncio.to_thread(convert, body.get(name, ""), tokenizer)
        content = {"model": key, "text": text, "ids": ids, "train_chars": train_chars(len(ids)), "notice": notice}
        return JSONResponse(content, headers=model_header(key))

    return takes_json({"model", name}, answer)


def encode_text(typed: object, tokenizer: CharTokenizer) -> Encoded:
    """Encodes what was typed, as far as the vocabulary has it.

    Raises:
        ParameterError: it is not a text, or too long.
    """
    check_encoded_text(typed)
    text, replacements = tokenizer.replace(str(typed))
    check_encoded_text(text)  # some characters become several
    replaced = [f"{_shown(char)} → {_shown(plain)}" for char, plain in replacements.items() if plain is not None]
    left_out = [char for char, plain in replacements.items() if plain is None]
    notices = [f"Replaced: {_listed(replaced, ' · ')}" if replaced else "", left_out_notice(left_out)]
    return text, tokenizer.encode(text), "\n".join(filter(None, notices))


def decode_numbers(typed: object, tokenizer: CharTokenizer) -> Encoded:
    """Decodes the numbers in what was typed, as far as the vocabulary has them.

    Raises:
        ParameterError: it is not a text, or has too many numbers.
    """
    if not isinstance(typed, str):
        raise ParameterError("The numbers must be a text, such as '46 47 47'.")
    words = WORD.findall(typed)
    if len(words) > MAX_ENCODED_CHARS:
        raise ParameterError(f"There are {len(words):,} numbers; the maximum is {MAX_ENCODED_CHARS:,}. Remove some and try again.")
    ids = [_id_of(word, len(tokenizer)) for word in words]
    wrong = [
        f"{printable(word[:MAX_WORD_CHARS])} (at position {at:,})"
        for at, (word, id) in enumerate(zip(words, ids, strict=True), 1)
        if id is None
    ]
    known = [id for id in ids if id is not None]
    notice = f"Left out: {_listed(wrong)}. The vocabulary has the numbers 0 to {len(tokenizer) - 1}." if wrong else ""
    return tokenizer.decode(known), known, notice


def _id_of(word: str, n_ids: int) -> int | None:
    """The id that a word stands for; None if it is none."""
    if not (word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS):
        return None
    number = int(word)
    return number if number < n_ids else None


def _shown(text: str) -> str:
    """A character or what replaces it: without quotes, which may be what is replaced."""
    if text.isspace() and len(text) > 1:
        return f"{len(text)} spaces"
    if len(text) == 1 and not (named := name_of(text)).startswith("‘"):
        return named
    return text or "nothing"


def _listed(things: list[str], between: str = ", ") -> str:
    """The first of some things, and how many more there are."""
    more = f" and {len(things) - NAMED_AT_MOST:,} more" if len(things) > NAMED_AT_MOST else ""
    return between.join(things[:NAMED_AT_MOST]) + more
