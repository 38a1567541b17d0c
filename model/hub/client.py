"""The Hub's client: where the Hub is, whose token is used, and what went wrong, in plain words.

HF_ENDPOINT names another Hub than https://huggingface.co, HF_TOKEN a token; without it, the one that `hf auth login` stored is used.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import httpx2
from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from model.errors import HubError, ParameterError
from model.files import clean_name

TOKENS = "https://huggingface.co/settings/tokens"
MAX_ANSWER_CHARS = 400  # of the Hub's own words in a message
TIMEOUT_S = 60.0


def hub() -> HfApi:
    """The Hub. Its requests carry the user's token, if there is one."""
    return HfApi(endpoint=endpoint())


def endpoint() -> str:
    """The Hub's address, as https://huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def own_token() -> str:
    """The user's token.

    Raises:
        HubError: there is none.
    """
    if token := get_token():
        return token
    raise HubError(f"There is no Hugging Face token. Make one that may write at {TOKENS}, then run: hf auth login (or set HF_TOKEN).")


def check_repository(name: str) -> str:
    """Checks and returns the name of a repository, USER/NAME.

    Raises:
        ParameterError: it is not such a name.
    """
    try:
        validate_repo_id(name)
    except HFValidationError:
        is_valid = False
    else:
        is_valid = name.count("/") == 1
    if not is_valid:
        raise ParameterError(
            f"{clean_name(name)!r} is not the name of a repository. It is USER/NAME, each of letters, digits, '-', '_' and '.', "
            "not beginning or ending with '-' or '.', and without '--' and '..'."
        )
    return name


@contextlib.contextmanager
def plain_words(doing: str) -> Iterator[None]:
    """Turns what the Hub's client raises into one sentence for the user, with a remedy.

    Args:
        doing: what is being done, in words that follow "while", as "creating the Space ada/soliloquy".

    Raises:
        HubError: the Hub could not be reached, or did not do it.
    """
    try:
        yield
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise HubError(f"The Hub cannot be reached while {doing}: {_why_offline()}") from error
    except HfHubHTTPError as error:
        raise HubError(f"The Hub refused while {doing}: {_refusal(error)}") from error
    except (httpx2.HTTPError, OSError) as error:
        raise HubError(f"The Hub cannot be reached while {doing}: {_cause(error)}. Check the network and try again.") from error
    except RuntimeError as error:  # what the client raises for a large file that could not be sent
        if isinstance(error.__cause__, Exception):
            with plain_words(doing):
                raise error.__cause__ from error
        raise HubError(f"The transfer failed while {doing}: {_short(str(error))}. Check the network and try again.") from error
    except ValueError as error:  # an answer that is not what the client expects, or front matter that the Hub does not take
        raise HubError(f"The Hub gave an unexpected answer while {doing}: {_short(str(error))}") from error


def status(error: BaseException) -> int:
    """The HTTP status of the Hub's refusal behind an error; 0 if there is none."""
    cause = error.__cause__
    return cause.response.status_code if isinstance(cause, HfHubHTTPError) and cause.response is not None else 0


def _refusal(error: HfHubHTTPError) -> str:
    """What a refusal means and what to do about it."""
    code = error.response.status_code if error.response is not None else 0
    said = _said(error)
    if isinstance(error, GatedRepoError):
        return "its owner gives access on request. Ask for it on the repository's page, then try again."
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such revision. Leave the part after @ out, or name a branch, a tag or a commit."
    if isinstance(error, RemoteEntryNotFoundError):
        return "the repository has no such file."
    if isinstance(error, RepositoryNotFoundError) or code == 404:
        return "there is no such repository, or it is private and your token may not read it. Check the name and the token."
    if code == 401:
        return f"it does not accept your token. Make a new one at {TOKENS}, then run: hf auth login (or set HF_TOKEN)."
    if code == 403:
        return f"your token may not do this ({said}). Give it the right to write, or use another one: {TOKENS}."
    if code == 429:
        return "it has had too many requests. Try again in some minutes."
    if code >= 500:
        return f"it has a fault of its own at the moment ({code}). Try again later: https://status.huggingface.co tells how it is."
    return f"{said} (status {code})."


def _said(error: HfHubHTTPError) -> str:
    """The Hub's own words."""
    return _short(error.server_message or str(error)).rstrip(".")


def _why_offline() -> str:
    return "HF_HUB_OFFLINE is set. Unset it." if constants.is_offline_mode() else "check the network and try again."


def _cause(error: Exception) -> str:
    """Why a connection failed."""
    if isinstance(error, httpx2.TimeoutException):
        return "it did not answer in time"
    return _short(str(error)).rstrip(".") or type(error).__name__


def _short(words: str) -> str:
    """Words of another program on one line, not too long, without anything that looks like a token."""
    return re.sub(r"hf_\w+", "hf_...", clean_name(words))[:MAX_ANSWER_CHARS]
