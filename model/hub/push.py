"""Models to the Hub: weights, config, heads, the curve of the training, and a model card, in one commit.

What is sent is what the folder has; before that it is loaded and checked like any folder of weights. A commit is made as a whole or not at
all. If the connection breaks, run the command again: large files that have arrived are not sent a second time, and a folder that is there
already makes no commit.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from model.config import shown
from model.errors import CheckpointError, HubError, ParameterError
from model.hub.card import default_license, make_card
from model.hub.client import check_repository, endpoint, hub, own_token, plain_words, status
from model.hub.picture import loss_curve
from model.weights import CONFIG_FILE, HEADS_FILE, Weights, load_weights, weights_path

WEIGHTS_FILE, METRICS_FILE, CARD_FILE, PICTURE_FILE = "model.safetensors", "metrics.jsonl", "README.md", "loss.png"
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,39}")
EXISTS = 409
AGAIN = "Run the same command again: what has arrived is not sent twice."


@dataclass(frozen=True)
class Pushed:
    """A model that is on the Hub now.

    Attributes:
        commit: 40 digits.
        is_new: whether there was something to send.
        files: their names.
    """

    url: str
    commit: str
    is_new: bool
    is_private: bool
    files: list[str]


def push(folder: Path, repo: str, private: bool = False, license: str | None = None) -> Pushed:
    """Sends a folder of weights to a repository, which is made if there is none.

    Args:
        repo: USER/NAME.
        license: the Hub's name of one, such as "mit"; None for that of what is trained on Tiny Shakespeare, else none.

    Raises:
        CheckpointError: the folder cannot be used.
        ParameterError: the name or the licence is none.
        HubError: there is no token, or the Hub refuses or cannot be reached.
    """
    check_repository(repo)
    if license is not None and not LICENSE.fullmatch(license):
        raise ParameterError(f"A licence is named as on the Hub, such as mit, apache-2.0 or cc-by-4.0, not {shown(license)}.")
    own_token()
    weights = load_weights(folder)
    if weights_path(folder).name != WEIGHTS_FILE:
        raise CheckpointError(f"{folder} is a run. Export it first: python -m model export {folder} weights/{weights.name}")
    with tempfile.TemporaryDirectory(prefix="soliloquy-") as name:
        files = _gather(folder, Path(name), weights, repo, default_license(weights) if license is None else license)
        before, is_private = _made(repo, private)
        try:
            with plain_words(f"sending {', '.join(files)} to {repo}"):
                commit = hub().upload_folder(repo_id=repo, folder_path=name, commit_message=f"Upload {weights.name}").oid
        except HubError as error:
            raise HubError(f"{error} {AGAIN}") from error
    return Pushed(f"{endpoint()}/{repo}", commit, commit != before, is_private, files)


def _gather(folder: Path, target: Path, weights: Weights, repo: str, license: str) -> list[str]:
    """Puts what is sent into a folder; the names of the files."""
    chosen = [WEIGHTS_FILE, CONFIG_FILE, *([HEADS_FILE] if weights.heads else [])]
    if (folder / METRICS_FILE).is_file():
        chosen.append(METRICS_FILE)
    for file in chosen:
        shutil.copyfile(folder / file, target / file)
    picture = None if "task" in weights.about else loss_curve(folder / METRICS_FILE)  # others have other curves
    if picture:
        (target / PICTURE_FILE).write_bytes(picture)
    (target / CARD_FILE).write_text(make_card(weights, repo, license, has_picture=bool(picture)), encoding="utf-8")
    return [*chosen, CARD_FILE, *([PICTURE_FILE] if picture else [])]


def _made(repo: str, private: bool) -> tuple[str, bool]:
    """The newest commit of a repository, which is made if there is none, and whether it is private.

    Raises:
        HubError: it cannot be made, or is public and should not be.
    """
    try:
        with plain_words(f"creating {repo}"):
            hub().create_repo(repo, private=private or None)
    except HubError as error:
        if status(error) != EXISTS:
            raise
    with plain_words(f"looking for {repo}"):
        info = hub().model_info(repo)
    if private and not info.private:
        raise HubError(f"{repo} is there already, and public. Make it private at {endpoint()}/{repo}/settings, or choose another name.")
    return str(info.sha), bool(info.private)
