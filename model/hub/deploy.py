"""Puts the app online as a Hugging Face Space, or brings the Space up to date.

python -m model deploy USER/NAME --dry-run     says what would be done
python -m model deploy USER/NAME               checks, creates or updates, waits until the app runs, and lets it write a text

Everything is checked before anything is changed. All files arrive in one commit, so that a Space never runs half of them. The same command
continues an interrupted upload: large files that have arrived are not sent again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceInfo, get_token
from huggingface_hub.utils import get_session, hf_raise_for_status

from model.errors import HubError, ParameterError
from model.files import clean_name
from model.hub.checkout import CHECKOUT, RESTORE, changed_files, check_versions, files_to_deploy, listed
from model.hub.client import TIMEOUT_S, TOKENS, check_repository, endpoint, hub, own_token, plain_words, status
from model.hub.space import page, try_out, wait_until_running

Say = Callable[[str], None]

OURS = {"app.py", "model/program.py"}  # in every Space of this app
FROM_THE_HUB = {".gitattributes", "README.md"}  # in a new Space
SECRET = "ADMIN_PASSWORD"
ZERO_GPU = "zero-a10g"
OFFERED = 6  # kinds of hardware in a message


@dataclass(frozen=True)
class Plan:
    """What is going to be done.

    Attributes:
        name: of the Space, USER/NAME.
        files: of the checkout, by their path in the Space.
        exists: whether the Space exists; None if the Hub was not asked.
        stale: files in the Space that are not among `files`.
        hardware: that was asked for; "" leaves it to the Hub, or as it is.
        about_hardware: the same with its price.
        password: for the Train tab, to be set as a secret; "" leaves what is there.
        about_password: in words.
        notes: what else the user should know.
    """

    name: str
    files: dict[str, Path]
    exists: bool | None
    stale: tuple[str, ...]
    hardware: str
    about_hardware: str
    private: bool
    password: str
    about_password: str
    notes: tuple[str, ...]

    def in_words(self, with_files: bool) -> Iterator[str]:
        """The plan, line by line."""
        begins = {None: "new or not: the Hub was not asked", True: "an update", False: "new"}[self.exists]
        settings = ", ".join([begins, *["private"] * self.private, *[f"on {self.about_hardware}"] * bool(self.hardware)])
        yield f"Space:    {self.name} ({settings})"
        sizes = {path: file.stat().st_size for path, file in self.files.items()}
        yield f"Upload:   {len(sizes):,} files, {sum(sizes.values()) / 1e6:.1f} MB"
        if with_files:
            yield from (f"          {size:>10,}  {path}" for path, size in sizes.items())
        if self.stale:
            yield f"Delete:   {listed(self.stale)}, from an earlier deploy"
        yield f"Password: {self.about_password}"
        yield from (f"Note:     {note}" for note in self.notes)


def deploy(name: str, hardware: str = "", private: bool = False, dry_run: bool = False, say: Say = print) -> str:
    """Deploys the checkout that this file is part of.

    Args:
        name: of the Space, USER/NAME.
        hardware: as the Hub calls it, such as zero-a10g; "" leaves it to the Hub.
        private: whether only its owner sees the Space; one that exists is made private.
        dry_run: only says what would be done.
        say: shows a line to the user.

    Returns:
        The app's address; "" after a dry run.

    Raises:
        ParameterError: something here is not ready, or the name is taken by something else.
        HubError: the Hub refuses or cannot be reached, or the app does not run there. What was done by then has been said.
    """
    check_repository(name)
    files = files_to_deploy(CHECKOUT)
    check_versions(CHECKOUT, hardware.startswith("zero"))
    api = hub()
    is_asked = not dry_run or get_token() is not None
    space = _check_with_the_hub(api, name) if is_asked else None
    about_hardware = _with_price(api, hardware) if is_asked and hardware else hardware
    exists = space is not None if is_asked else None
    password, about = _password(api, name, exists, dry_run)
    stale = tuple(sorted(_paths(space) - set(files) - FROM_THE_HUB)) if space else ()
    plan = Plan(name, files, exists, stale, hardware, about_hardware, private, password, about, tuple(_notes(is_asked)))
    for line in plan.in_words(with_files=dry_run):
        say(line)
    if dry_run:
        return ""
    if space is None:
        _create(api, plan)
        say(f"Created {page(name)}")
    with _saying_what_is_left(plan, say):
        if space is not None:
            _update_settings(api, plan, space)
        commit = _upload(api, plan, say)
    wait_until_running(api, name, commit, say)
    return try_out(api, name)


def _check_with_the_hub(api: HfApi, name: str) -> SpaceInfo | None:
    """Checks the token and the front matter, and returns the Space if it exists.

    Raises:
        HubError: the token is missing, or it may not deploy there.
        ParameterError: the name is taken by something else.
    """
    own_token()
    _check_rights(api, name)
    _check_front_matter()
    try:
        with plain_words(f"looking for the Space {name}"):
            space = api.space_info(name)
    except HubError as error:
        if status(error) not in (401, 404):  # the Hub says either of what is not there; the token itself was checked before
            raise
        return None
    found = _paths(space)
    if not (found >= OURS or found <= FROM_THE_HUB):
        raise ParameterError(f"{page(name)} has something else in it ({listed(sorted(found))}). Choose another name.")
    return space


def _check_rights(api: HfApi, name: str) -> None:
    """
    Raises:
        HubError: the token may not write Spaces of this user or organisation.
    """
    with plain_words("checking your token"):
        account = api.whoami()
    user, namespace = str(account.get("name")), name.partition("/")[0]
    token = account.get("auth", {}).get("accessToken", {})
    remedy = f"Make one that may write at {TOKENS}, then run: hf auth login (or set HF_TOKEN)."
    if namespace not in {user, *(org.get("name") for org in account.get("orgs", ()))}:
        raise HubError(f"Your token is {user}'s, who does not belong to {namespace}. Deploy to {user}/NAME, or use another token.")
    if token.get("role") == "read":
        raise HubError(f"Your token may only read. {remedy}")
    if token.get("role") == "fineGrained" and not _may_write(token.get("fineGrained", {}), namespace):
        raise HubError(f"Your fine-grained token may not write the repositories of {namespace}. {remedy}")


def _may_write(rights: dict[str, Any], namespace: str) -> bool:
    """Whether a fine-grained token may write the repositories of a user or organisation."""
    scopes = rights.get("scoped", ())
    return any("repo.write" in scope.get("permissions", ()) and scope.get("entity", {}).get("name") == namespace for scope in scopes)


def _check_front_matter() -> None:
    """
    Raises:
        ParameterError: the Hub finds something wrong with the front matter of the README.
    """
    content = {"content": (CHECKOUT / "README.md").read_text(encoding="utf-8"), "repoType": "space"}
    with plain_words("checking the front matter of README.md"):
        answer = get_session().post(f"{endpoint()}/api/validate-yaml", json=content, timeout=TIMEOUT_S)
        errors = answer.json().get("errors", ()) if answer.status_code == 400 else ()
        if not errors:
            hf_raise_for_status(answer)
    if errors:
        said = "; ".join(clean_name(str(error.get("message"))) for error in errors)
        raise ParameterError(f"The Hub does not take the front matter of README.md: {said}. {RESTORE}")


def _offers(api: HfApi) -> dict[str, str]:
    """The hardware that the Hub has, each with its price."""
    with plain_words("reading what hardware there is"):
        offers = api.list_spaces_hardware()
    return {offer.name: f"{offer.name} ({_price(offer.unit_cost_usd, offer.unit_label)})" for offer in offers}


def _with_price(api: HfApi, hardware: str) -> str:
    """A kind of hardware with its price.

    Raises:
        ParameterError: there is no such hardware.
    """
    offers = _offers(api)
    if hardware not in offers:
        raise ParameterError(f"The Hub has no hardware {clean_name(hardware)!r}. It has {', '.join(offers.values())}.")
    return offers[hardware]


def _price(dollars: float, unit: str) -> str:
    hourly = dollars * {"minute": 60}.get(unit, 1)
    return f"${hourly:.2f} an hour" if hourly else "no charge"


def _password(api: HfApi, name: str, exists: bool | None, dry_run: bool) -> tuple[str, str]:
    """The password to set, and what is said about it. One that is drawn is shown before anything is done: it is not lost if that fails."""
    if given := os.environ.get(SECRET, "").strip():
        return given, f"the one in {SECRET}. It unlocks the Train tab."
    if exists:
        with plain_words(f"reading which secrets {name} has"):
            secrets_there = api.get_space_secrets(name)
        if SECRET in secrets_there:
            return "", f"as it is. To change it, set {SECRET} and deploy again."
    if dry_run:
        return "", f"a new one will be drawn, unless you set {SECRET}."
    drawn = "-".join(secrets.token_hex(2) for _ in range(3))
    return drawn, f"{drawn} unlocks the Train tab. Write it down: it is shown only now."


def _notes(is_asked: bool) -> Iterator[str]:
    """What else the user should know."""
    changed, unknown = changed_files(CHECKOUT)
    if changed:
        yield f"not committed, but deployed as they are: {listed(changed)}"
    if unknown:
        yield f"not deployed, since git does not know them (git add): {listed(unknown)}"
    if not is_asked:
        yield f"without a token, the Hub was not asked whether it takes this. Make one at {TOKENS}, then run: hf auth login"


def _create(api: HfApi, plan: Plan) -> None:
    """Creates the Space with its secret, so that it never runs without.

    Raises:
        HubError: it was not created.
    """
    try:
        with plain_words(f"creating the Space {plan.name}"):
            api.create_repo(
                plan.name,
                repo_type="space",
                space_sdk="gradio",
                private=plan.private or None,
                space_hardware=plan.hardware or None,  # type: ignore[arg-type]  # any name that the Hub knows
                space_secrets=[_secret(plan)],
            )
    except HubError as error:
        done = "Nothing was created." if status(error) else f"If {page(plan.name)} is there by now, the same command goes on with it."
        raise HubError(f"{_with_offers(api, error)} {done}") from error


def _update_settings(api: HfApi, plan: Plan, space: SpaceInfo) -> None:
    """Brings secret, hardware and visibility of a Space up to date."""
    try:
        with plain_words(f"changing the settings of {plan.name}"):
            if plan.private and not space.private:
                api.update_repo_settings(plan.name, repo_type="space", private=True)
            if plan.password:
                api.add_space_secret(plan.name, **_secret(plan))
            if plan.hardware and plan.hardware != api.get_space_runtime(plan.name).requested_hardware:
                api.request_space_hardware(plan.name, plan.hardware)  # type: ignore[arg-type]
    except HubError as error:
        raise HubError(_with_offers(api, error)) from error


def _with_offers(api: HfApi, error: HubError) -> str:
    """What the Hub refused, and what it has for how much where it wants to be paid."""
    if status(error) != 402:
        return str(error)
    paid = [words for words in _offers(api).values() if "$" in words][:OFFERED]
    return (
        f"{error} A free account may have two Spaces on ZeroGPU, where this app uses the CPU: add --hardware {ZERO_GPU}. "
        f"With credit at {endpoint()}/settings/billing, --hardware takes one of {', '.join(paid)}."
    )


def _secret(plan: Plan) -> dict[str, str]:
    return {"key": SECRET, "value": plan.password, "description": "Unlocks the Train tab"}


@contextlib.contextmanager
def _saying_what_is_left(plan: Plan, say: Say) -> Iterator[None]:
    """Says how the Space is left when an upload fails or is interrupted, in whatever way."""
    try:
        yield
    except BaseException:
        state = "still has the files that it had" if plan.exists else "is there, but empty"
        say(f"The deploy did not finish: {page(plan.name)} {state}. The same command goes on; files that have arrived are not sent again.")
        raise


def _upload(api: HfApi, plan: Plan, say: Say) -> str:
    """Sends the files, and deletes what an earlier deploy left, in one commit. Returns the commit."""
    say("Uploading ...")
    with plain_words(f"uploading to {plan.name}"):
        operations: list[CommitOperationAdd | CommitOperationDelete] = [CommitOperationDelete(path) for path in plan.stale]
        operations += [CommitOperationAdd(path, file) for path, file in plan.files.items()]
        return str(api.create_commit(plan.name, operations, commit_message="Deploy Soliloquy", repo_type="space").oid)


def _paths(space: SpaceInfo) -> set[str]:
    """The files of a Space."""
    return {sibling.rfilename for sibling in space.siblings or ()}
