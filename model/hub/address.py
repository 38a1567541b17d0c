"""Names of models on the Hub, as people type and paste them.

hub:ada/tiny            the newest commit of the branch main
hub:ada/tiny@v2         a branch, a tag or a commit
ada/tiny                the same without the prefix, where nothing but the Hub can be meant
https://huggingface.co/ada/tiny/tree/v2, or the page of a file there
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.config import shown
from model.errors import ParameterError
from model.hub import PREFIX
from model.hub.client import check_repository, endpoint

MAIN = "main"
SHORT_COMMIT = 7  # digits of a commit that are shown
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
MAX_CHARS = 400


@dataclass(frozen=True)
class HubAddress:
    """A model on the Hub.

    Attributes:
        repo: USER/NAME.
        revision: a branch, a tag or a commit.
    """

    repo: str
    revision: str = MAIN

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision != MAIN else "")


def read_address(text: object) -> HubAddress:
    """Reads a name as it was typed or pasted.

    Raises:
        ParameterError: it is not one.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARS:
        raise ParameterError(f"A model on the Hub is named as USER/NAME or USER/NAME@REVISION, not {shown(text)}.")
    name = text.strip().removeprefix(PREFIX)
    for site in ("https://huggingface.co", "https://hf.co", endpoint()):
        if name.startswith(f"{site}/"):
            name = re.sub(r"/(?:blob|resolve)/([^/]+)/.*", r"@\1", name.removeprefix(f"{site}/"))  # the page of a file
            name = re.sub(r"/(?:tree|commit)/", "@", name.rstrip("/"), count=1)
    repo, _, revision = name.partition("@")
    check_repository(repo)
    if revision and (not REVISION.fullmatch(revision) or ".." in revision):
        raise ParameterError(f"{shown(revision)} is not a branch, a tag or a commit. Leave the part after @ out for the newest commit.")
    return HubAddress(repo, revision or MAIN)
