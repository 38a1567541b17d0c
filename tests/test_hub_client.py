"""What the Hub's client says when something is wrong, against a Hub on localhost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from model.errors import HubError, ParameterError
from model.hub.client import check_repository, hub, own_token, plain_words, status
from tests.support.fake_hub import FakeHub, Fault, fake_hub, use_hub


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub with ada's account, whose token is used."""
    with fake_hub() as server:
        server.add_account("ada")
        use_hub(server, monkeypatch)
        yield server


def said(name: str, revision: str | None = None) -> tuple[str, int]:
    """The message and the status when a model's information is asked for."""
    with pytest.raises(HubError) as refused, plain_words(f"reading {name}"):
        hub().model_info(name, revision=revision)
    return str(refused.value), status(refused.value)


def test_what_the_hub_refuses_is_said_with_a_remedy(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put("model", "bo/tiny", {"config.json": b"{}"})
    server.put("model", "bo/secret", {}, private=True)
    for name in ("bo/nothing", "bo/secret"):
        message, code = said(name)
        assert message.startswith(f"The Hub refused while reading {name}: there is no such repository, or it is private")
        assert code == 404
    assert "has no such revision" in said("bo/tiny", "v9")[0]
    for code, words in (
        (403, "Give it the right to write"),
        (429, "too many requests"),
        (503, "fault of its own"),
        (418, "tea (status 418)."),
    ):
        server.faults = [Fault("GET /api/models", status=code, message="tea")]
        assert words in said("bo/tiny")[0]
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    message, code = said("bo/tiny")
    assert "it does not accept your token" in message
    assert "hf_made_up" not in message
    assert code == 401


def test_a_network_that_fails_is_not_the_hubs_refusal(server: FakeHub) -> None:
    server.faults = [Fault("GET /api/models", cut=True)]
    message, code = said("bo/tiny")
    assert message.startswith("The Hub cannot be reached while reading bo/tiny: ")
    assert message.endswith("Check the network and try again.")
    assert code == 0


def test_without_a_token_it_is_said_where_to_get_one(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_token() == "hf_write"
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="hf auth login"):
        own_token()


def test_the_name_of_a_repository_is_a_user_and_a_name() -> None:
    assert check_repository("ada/tiny-gpt_2.0") == "ada/tiny-gpt_2.0"
    for name in ("tiny", "ada/", "/tiny", "a/b/c", "ada/..", "ada/-x", "ada/x--y", "ada/x y", "ada/x.git", "ada/\x1b[2J", ""):
        with pytest.raises(ParameterError, match="is not the name of a repository"):
            check_repository(name)
