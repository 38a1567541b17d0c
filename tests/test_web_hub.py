"""Models from the Hub over real HTTP: the admin fetches them by name, and every page sees them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import catalogue as catalogue_module
from model.catalogue import NO_SUCH_MODEL, Catalogue
from model.hub.download import HubModel
from model.network.gpt import GPT
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.weights import load_weights, save_weights
from tests.conftest import VOCABULARY
from tests.support.admin import Admin, wait_for
from tests.support.client import host_and_port
from tests.support.fake_hub import FakeHub, Fault
from tests.support.routes import serving_routes
from tests.support.viewing import PATIENCE_S, Viewer
from ui.web.admin import LOCKED
from ui.web.hub import IN_USE

ROUTES = ("fetch", "use", "remove")


@pytest.fixture
def url(hub: FakeHub, tmp_path: Path, make_model: Callable[..., GPT], one_thread: None) -> Iterator[str]:
    """An app with the model "first"."""
    save_weights(tmp_path / "weights" / "first", make_model(), CharTokenizer(VOCABULARY), {})
    catalogue = Catalogue(tmp_path / "weights")
    with serving_routes(Engine(load_weights(tmp_path / "weights" / "first"), catalogue), catalogue) as url:
        yield url


@pytest.fixture
def admin(url: str) -> Admin:
    return Admin.logged_in(url)


@pytest.fixture
def put(hub: FakeHub, tmp_path: Path, make_model: Callable[..., GPT]) -> Callable[..., str]:
    """Puts a small model on the Hub; its commit."""

    def put(name: str, seed: int = 5) -> str:
        save_weights(folder := tmp_path / "there", make_model(seed), CharTokenizer(VOCABULARY), {"best": {"step": 3, "val_loss": 2.5}})
        return hub.put("model", name, {file: (folder / file).read_bytes() for file in ("config.json", "model.safetensors")}).sha

    return put


def fetch(admin: Admin, model: Any) -> list[dict[str, Any]]:
    """All lines of a fetch."""
    connection = http.client.HTTPConnection(*host_and_port(admin.url), timeout=PATIENCE_S)
    connection.request("POST", "/hub/fetch", json.dumps({"model": model}), {"Content-Type": "application/json", **admin.headers})
    response = connection.getresponse()
    lines = [json.loads(line) for line in response]
    connection.close()
    return lines


def models(url: str) -> list[dict[str, Any]]:
    return Admin(url).get("/models")[1]["models"]


def test_a_fetched_model_is_listed_writes_and_becomes_the_default(admin: Admin, url: str, put: Callable[..., str]) -> None:
    commit = put("ada/tiny")
    lines = fetch(admin, "hub:ada/tiny")
    assert all(line["state"] == "fetching" and line["done"] <= line["total"] for line in lines[:-1])
    done, name = lines[-1], f"ada/tiny@{commit[:7]}"
    assert (done["state"], done["id"], done["name"], done["commit"]) == ("done", f"hub:{name}", name, commit)
    assert (done["notice"], done["same_as"]) == ("", None)
    listed = models(url)[1]
    assert (listed["key"], listed["id"], listed["name"], listed["source"]) == (done["key"], done["id"], name, "hub")
    assert (listed["val_loss"], listed["run"], listed["trouble"]) == (2.5, None, "")
    with Viewer(url) as viewer:
        viewer.ask(prompt="R", length=3, model=done["key"])
        assert viewer.rest()[-1]["state"] == "done"
    admin.do("/hub/use", id=done["id"])
    told = Admin(url).get("/models")[1]
    assert told["default"] == done["key"]
    assert told["models"][0]["source"] == "hub"
    assert Admin(url).get(f"/models/{done['key']}")[1]["facts"][0] == name
    assert admin.post("/hub/remove", id=done["id"]) == (400, {"error": IN_USE})
    admin.do("/train/shipped/use")
    admin.do("/hub/remove", id=done["id"])
    assert [model["id"] for model in models(url)] == ["first"]
    assert admin.post("/hub/use", id=done["id"]) == (400, {"error": NO_SUCH_MODEL})
    assert admin.post("/hub/remove", id=done["id"]) == (404, {"error": NO_SUCH_MODEL})


@pytest.mark.parametrize("path", ROUTES)
def test_only_the_admin_may_fetch_use_and_remove(url: str, path: str) -> None:
    assert Admin(url).post(f"/hub/{path}", model="ada/tiny") == (401, {"error": LOCKED})


def test_bad_input_is_said(admin: Admin) -> None:
    for model in ("", "tiny", "../x", None, 5, ["ada/tiny"], "a" * 10_000):
        status, told = admin.post("/hub/fetch", model=model)
        assert (status, "USER/NAME" in told["error"]) == (400, True), model
    for path in ("use", "remove"):
        assert admin.post(f"/hub/{path}", id=5)[0] == 400
        assert admin.post(f"/hub/{path}", id="hub:none/none@1234567")[0] in (400, 404)


def test_what_cannot_be_fetched_is_said_in_the_last_line(admin: Admin, hub: FakeHub, url: str) -> None:
    last = fetch(admin, "ada/none")[-1]
    assert last["state"] == "failed"
    assert "there is no such repository, or it is private" in last["error"]
    hub.put("model", "ada/tiny", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    assert "is a pickle, which is never loaded" in fetch(admin, "ada/tiny")[-1]["error"]
    assert len(models(url)) == 1


def test_weights_that_are_listed_already_are_not_listed_twice(admin: Admin, hub: FakeHub, url: str, tmp_path: Path) -> None:
    first = tmp_path / "weights" / "first"
    hub.put("model", "ada/first", {file: (first / file).read_bytes() for file in ("config.json", "model.safetensors")})
    last = fetch(admin, "ada/first")[-1]
    assert (last["state"], last["same_as"], last["key"]) == ("done", "first", models(url)[0]["key"])
    assert len(models(url)) == 1


def test_no_more_are_listed_than_the_limit(admin: Admin, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "MAX_HUB_MODELS", 1)
    put("ada/one", seed=1)
    put("ada/two", seed=2)
    one = fetch(admin, "ada/one")[-1]
    assert fetch(admin, "ada/one")[-1]["state"] == "done"
    last = fetch(admin, "ada/two")[-1]
    assert (last["state"], "Remove one first." in last["error"]) == ("failed", True)
    admin.do("/hub/remove", id=one["id"])
    assert fetch(admin, "ada/two")[-1]["state"] == "done"


def test_closing_the_connection_stops_a_fetch(admin: Admin, hub: FakeHub, url: str, put: Callable[..., str], cache_home: Path) -> None:
    put("ada/tiny")
    hub.faults.append(Fault("GET /ada/tiny/resolve", cut=True, after=1, times=2))  # the client waits a second after each
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    connection.request("POST", "/hub/fetch", json.dumps({"model": "ada/tiny"}), {"Content-Type": "application/json", **admin.headers})
    assert json.loads(connection.getresponse().readline())["state"] == "fetching"
    wait_for(lambda: hub.faults[0].times < 2)
    connection.sock.close()
    connection.close()
    wait_for(lambda: not [*cache_home.rglob("*.part")])
    assert not [*cache_home.rglob("model.safetensors")]
    assert len(models(url)) == 1


def test_a_model_of_the_hub_that_the_app_was_started_with_is_one_of_the_hub(tmp_path: Path, make_model: Callable[..., GPT]) -> None:
    save_weights(folder := tmp_path / "tiny@123456789abc", make_model(), CharTokenizer(VOCABULARY), {})
    model = HubModel("ada/tiny", "123456789abc" + "0" * 28, folder)
    catalogue = Catalogue(tmp_path / "none")
    catalogue.add_from_hub(model.name, folder)
    with serving_routes(Engine(replace(load_weights(folder), name=model.name), catalogue), catalogue) as url:
        (only,) = models(url)
        assert (only["id"], only["source"], only["name"]) == ("hub:ada/tiny@1234567", "hub", "ada/tiny@1234567")
