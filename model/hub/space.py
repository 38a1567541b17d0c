"""A Space after an upload: waiting until it runs, its log where it does not, and a first request to the app."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.request
from collections.abc import Callable
from typing import NoReturn

from huggingface_hub import HfApi, SpaceInfo

from model.errors import HubError
from model.files import clean_name
from model.hub.client import TIMEOUT_S, endpoint, own_token, plain_words

WAITING = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING")
RUNNING = "RUNNING"  # this version, or still the one before
ASLEEP = ("PAUSED", "STOPPED", "SLEEPING")
POLL_S = 3.0
BUILD_LIMIT_S = 1_800.0
PATIENCE = 20  # tries in a row that may fail while it is waited for, and of the first request: a minute
LOG_LINES = 40
MAX_ANSWER_BYTES = 2**20
ASKED = {"prompt": "ROMEO:", "length": 20}


def page(name: str) -> str:
    """The address of a Space's page on the Hub."""
    return f"{endpoint()}/spaces/{name}"


def wait_until_running(api: HfApi, name: str, commit: str, say: Callable[[str], None]) -> None:
    """Waits until the Space runs this commit, and says what it is doing meanwhile.

    Raises:
        HubError: it does not; the end of its log was said.
    """
    deadline, before, was_woken = time.monotonic() + BUILD_LIMIT_S, "", False
    while True:
        stage, sha, reason = _runtime(api, name)
        if stage != before:
            say(f"{_in_words(stage).capitalize()} ...")
        before = stage
        if stage == RUNNING and sha in (commit, ""):
            return
        if stage in ASLEEP and not was_woken:
            was_woken = True
            with plain_words(f"starting {name}"):
                api.restart_space(name)
        elif stage not in (*WAITING, RUNNING):
            _fail(api, name, stage, reason, say)
        if time.monotonic() > deadline:
            raise HubError(f"The Space is still in the stage {_in_words(stage)} after {BUILD_LIMIT_S / 60:.0f} minutes. See {page(name)}")
        time.sleep(POLL_S)


def try_out(api: HfApi, name: str) -> str:
    """Lets the app write a text, and returns its address.

    Raises:
        HubError: it does not answer, or not as it should.
    """
    with plain_words(f"reading the address of {name}"):
        space = api.space_info(name)
    address = (space.host or f"https://{space.subdomain}.hf.space").rstrip("/")
    for tries_left in reversed(range(PATIENCE)):
        try:
            answer = _ask(address, space)
            break
        except (OSError, http.client.HTTPException) as error:  # the first seconds, its name may not be known everywhere
            if not tries_left:
                raise HubError(f"The Space runs, but the app at {address} does not answer ({error}). See {page(name)}") from error
            time.sleep(POLL_S)
    if b'"state": "done"' not in answer:
        raise HubError(f"The Space runs, but what answers at {address} is not this app. See {page(name)}")
    return address


def _ask(address: str, space: SpaceInfo) -> bytes:
    """The app's answer to a request for a text."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {own_token()}"} if space.private else {})
    request = urllib.request.Request(f"{address}/write", json.dumps(ASKED).encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return answer.read(MAX_ANSWER_BYTES)


def _runtime(api: HfApi, name: str) -> tuple[str, str, str]:
    """The Space's stage, the commit that it runs ("" if the Hub does not say), and what is wrong with it."""
    for tries_left in reversed(range(PATIENCE)):
        try:
            with plain_words(f"waiting for {name}"):
                runtime = api.get_space_runtime(name)
        except HubError as error:
            if not tries_left:
                raise HubError(f"{error} All files have arrived, and the Space goes on by itself: {page(name)}") from error
            time.sleep(POLL_S)
        else:
            about = runtime.raw
            return str(about.get("stage")), str(about.get("sha") or ""), str(about.get("errorMessage") or "")
    raise AssertionError("unreachable")


def _fail(api: HfApi, name: str, stage: str, reason: str, say: Callable[[str], None]) -> NoReturn:
    """Shows the end of a Space's log.

    Raises:
        HubError: always.
    """
    with contextlib.suppress(HubError), plain_words(f"reading the log of {name}"):
        lines = "".join(api.fetch_space_logs(name, build=stage == "BUILD_ERROR")).splitlines()
        for line in lines[-LOG_LINES:]:
            say(f"    {clean_name(line)}")
    why = f" ({clean_name(reason)})" if reason else ""
    raise HubError(f"All files have arrived, but the Space does not run: {_in_words(stage)}{why}. See {page(name)}")


def _in_words(stage: str) -> str:
    return clean_name(stage).replace("_", " ").lower()
