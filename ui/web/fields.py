"""Reads the fields of a request: who asks, which model is meant, how to sample, which text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

from starlette.requests import Request as HTTPRequest

from model.config import check_score_text
from model.errors import ParameterError
from model.sampling import SamplingParams, draw_seed
from model.serving.viewer import Viewer
from model.tokenizer import CharTokenizer
from model.tokenizer import name as name_of
from ui.web.clients import client_of
from ui.web.http import MAX_DIGITS, Body

MAX_VIEWER_CHARS = 64
EMPTY = "An empty text is read as a newline, as in the lecture."
NAMED_AT_MOST = 8  # characters that a notice names

# What a request calls a sampling setting -> the field of SamplingParams.
SAMPLING = {field.metadata["label"] or field.name: field.name for field in fields(SamplingParams)}


def read_viewer(body: Body, http: HTTPRequest) -> Viewer:
    """The viewer: the client, and the name that it gave, if any.

    Raises:
        ParameterError: the name is not a string, or is too long.
    """
    name = body.get("viewer", "")
    if not isinstance(name, str) or len(name) > MAX_VIEWER_CHARS:
        raise ParameterError(f"The viewer must be a string of at most {MAX_VIEWER_CHARS} characters.")
    return Viewer(client_of(http), name)


def read_shared(body: Body) -> bool:
    """Whether clients that ask for the same are to be given one text. Without a seed, no two ask for the same.

    Raises:
        ParameterError: it is neither true nor false.
    """
    is_shared = body.get("shared", False)
    if not isinstance(is_shared, bool):
        raise ParameterError("shared must be true or false.")
    return is_shared and body.get("seed") is not None


def read_model_key(body: Body) -> str | None:
    """The key of the model that is meant; None for the default one.

    Raises:
        ParameterError: it is not a text.
    """
    key = body.get("model")
    if key is not None and not isinstance(key, str):
        raise ParameterError("The model must be a key from the list of models, as a text.")
    return key


def read_params(body: Body, names: Collection[str] = tuple(SAMPLING)) -> SamplingParams:
    """The sampling settings of a request.

    Args:
        names: those that the route takes.

    Raises:
        ParameterError: a setting is of the wrong type or out of range.
    """
    settings = {SAMPLING[name]: body[name] for name in names if name in body and name != "seed"}
    return SamplingParams(seed=read_seed(body.get("seed")), **settings)


def read_seed(typed: object) -> int:
    """A seed that was typed, or sent as a number; a new one where there is none.

    Raises:
        ParameterError: it is not a whole number.
    """
    if typed is None:
        return draw_seed()
    if isinstance(typed, int) and not isinstance(typed, bool):
        return typed
    if not isinstance(typed, str):
        raise ParameterError("The seed must be a whole number, or empty for a new one each time.", "seed")
    digits = typed.strip()
    if not digits:
        return draw_seed()
    if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= MAX_DIGITS):
        raise ParameterError(f"The seed must be a whole number, or empty for a new one each time, not {typed[:40]!r}.", "seed")
    return int(digits)


def read_index(digits: str) -> int:
    """A whole number from an address, 0 or more; -1 for anything else."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS else -1


def read_text(typed: object, tokenizer: CharTokenizer) -> tuple[str, str]:
    """A text in a model's vocabulary, and the notice that names the characters left out.

    Raises:
        ParameterError: it is not a text, is too long, or none of its characters is in the vocabulary.
    """
    check_score_text(typed)
    text, left_out = tokenizer.normalise(str(typed))
    check_score_text(text)  # some characters become several
    notice = left_out_notice(left_out)
    if not text:
        raise ParameterError(f"There is no text to read. {notice}".rstrip())
    return text, notice


def read_text_or_newline(typed: object, tokenizer: CharTokenizer) -> tuple[str, str]:
    """As `read_text`; an empty text is read as a newline.

    Raises:
        ParameterError: as `read_text`.
    """
    return (tokenizer.decode(tokenizer.encode_prompt("")), EMPTY) if typed == "" else read_text(typed, tokenizer)


def check_known(what: str, text: str, left_out: Sequence[str], field: str) -> None:
    """Checks that something is left of what was typed: a text that the model knows nothing of is not empty.

    Args:
        what: was typed, in words.
        text, left_out: what the tokenizer's `normalise` made of it.

    Raises:
        ParameterError: only characters that the vocabulary lacks were typed.
    """
    if left_out and not text.strip():
        raise ParameterError(
            f"The model does not know the characters of {what}: {_named(left_out)}. Use letters that it was trained on.", field
        )


def left_out_notice(chars: Sequence[str]) -> str:
    """A notice that names characters which the vocabulary lacks; empty if there are none."""
    if not chars:
        return ""
    return f"Left out, because the model does not know them: {_named(chars)}."


def _named(chars: Sequence[str]) -> str:
    more = f" and {len(chars) - NAMED_AT_MOST} more" if len(chars) > NAMED_AT_MOST else ""
    return f"{', '.join(map(name_of, chars[:NAMED_AT_MOST]))}{more}"
