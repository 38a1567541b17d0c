"""Several models over real HTTP: each route writes and reads with the model that it is asked for, and every answer says which it was."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from model.catalogue import NO_SUCH_MODEL, Catalogue
from model.config import BigramConfig, GPTConfig
from model.head_measures import MEASURES
from model.network import Network
from model.network.gpt import GPT
from model.network.ladder import Bigram
from model.parts import NO_HEADS
from model.sampling import SamplingParams
from model.serving import engine as engine_module
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.training.jobs import Jobs
from model.weights import load_weights, save_tensors, save_weights
from tests.conftest import TINY, VOCABULARY
from tests.support.admin import PASSWORD, Admin, wait_for
from tests.support.client import host_and_port
from tests.support.viewing import IDLE, PATIENCE_S, Viewer, answer, serving, texts_of, wait_until
from ui.server import create_routes, create_server
from ui.web.admin import Lock
from ui.web.first_screen import PROMPT
from ui.web.http import EVERYONE

DIGITS = "\n 0123456789"
LETTERS = "\n abcdefghij"
RUN = "20261126-101500-ab12"
POSTS: dict[str, dict[str, Any]] = {
    "/write": {"prompt": "1", "length": 4, "seed": 7},
    "/next": {"prompt": "1"},
    "/score": {"text": "12"},
    "/attention": {"text": "12"},
    "/write_without": {"prompt": "1", "length": 4, "seed": 7},
}


def gpt(vocabulary: str, seed: int) -> GPT:
    """A small random network whose parts all show in its logits."""
    generator = torch.Generator().manual_seed(seed)
    network = GPT(GPTConfig(**TINY | {"vocab_size": len(vocabulary)}), generator).requires_grad_(False)
    for parameter in network.parameters():
        parameter.normal_(0.0, 0.25, generator=generator)
    return network


def save(folder: Path, network: Network, vocabulary: str) -> str:
    """Saves a model; its key."""
    save_weights(folder, network, CharTokenizer(vocabulary), {"best": {"val_loss": 2.5}})
    return load_weights(folder).key


@dataclass
class App:
    """An app with models of several kinds and vocabularies.

    Attributes:
        keys: of the models, by name.
    """

    url: str
    folder: Path
    keys: dict[str, str]
    engine: Engine

    def model(self, name: str) -> dict[str, Any]:
        """What the list says of a model."""
        return next(model for model in fetch(self.url, "/models")[2]["models"] if model["name"] == name)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The whole app, Gradio's page included. Models that a test deletes or damages it makes for itself."""
    folder = tmp_path_factory.mktemp("app")
    weights, runs = folder / "weights", folder / "runs"
    keys = {
        "first": save(weights / "first", gpt(VOCABULARY, 0), VOCABULARY),
        "digits": save(weights / "digits", gpt(DIGITS, 1), DIGITS),
        "bigram": save(weights / "ladder" / "bigram", Bigram(BigramConfig(vocab_size=len(LETTERS))), LETTERS),
    }
    save(runs / RUN, gpt(LETTERS, 2), LETTERS)
    (runs / RUN / "model.safetensors").unlink()
    save_tensors(runs / RUN / "best.safetensors", gpt(LETTERS, 2).state_dict(), {"step": 1200, "val_loss": 2.25})
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # of networks this small two threads make short work only where nothing else runs
        catalogue = Catalogue(weights, runs)
        engine = Engine(load_weights(weights / "first"), catalogue)
        stack.callback(engine.stop)
        url = stack.enter_context(serving(create_server(engine, catalogue, Jobs(runs), Lock(PASSWORD))))
        yield App(url, folder, keys, engine)


@pytest.fixture(autouse=True)
def left_as_found(app: App) -> Iterator[None]:
    """After every test the first model is the default, and nothing is being written."""
    yield
    app.engine.use(app.keys["first"])
    wait_until(IDLE, app.url)


def fetch(url: str, path: str, method: str = "GET", body: Any = None) -> tuple[int, http.client.HTTPMessage, Any]:
    """Status, headers and content: JSON, the first line of JSON, or bytes."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    try:
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Content-Type": "application/json"} if sent else {})
        response = connection.getresponse()
        content = response.read()
        kind = response.headers["Content-Type"]
        if content and kind in ("application/json", "application/x-ndjson"):
            content = json.loads(content.splitlines()[0])
        return response.status, response.headers, content
    finally:
        connection.close()


def post(url: str, path: str, **body: Any) -> tuple[int, http.client.HTTPMessage, Any]:
    """Sends what a route takes."""
    return fetch(url, path, "POST", POSTS[path] | body)


def write(url: str, **asked: Any) -> tuple[dict[str, Any], list[str]]:
    """The first line of a generation, and its texts."""
    with Viewer(url) as viewer:
        first, rest = viewer.ask(**asked), viewer.rest()
    assert rest[-1]["state"] == "done"
    return first, texts_of(rest)


# The list.


def test_models_are_listed_with_the_default_first(app: App) -> None:
    status, headers, told = fetch(app.url, "/models")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert told["default"] == told["models"][0]["key"] == app.keys["first"]
    assert [(model["id"], model["source"], model["kind"]) for model in told["models"][:4]] == [
        ("first", "shipped", "gpt"),
        ("digits", "shipped", "gpt"),
        ("ladder/bigram", "ladder", "bigram"),
        (f"runs/{RUN}", "run", "gpt"),
    ]
    first, digits, bigram, run = told["models"][:4]
    assert first["loaded"]
    assert (first["device"], first["precision"], first["trouble"], first["run"], first["step"]) == ("CPU", "float32", "", None, None)
    assert digits["vocabulary"] == sorted(DIGITS)
    assert (digits["start"], digits["block_size"], digits["val_loss"]) == ("\n", 16, 2.5)
    assert digits["shows"] == ["attention", "lens", "heads"]
    assert (bigram["shows"], bigram["n_params"]) == ([], len(LETTERS) ** 2)
    assert (run["run"], run["step"], run["val_loss"]) == (RUN, 1200, 2.25)


def test_a_model_is_loaded_and_described(app: App) -> None:
    status, headers, told = fetch(app.url, f"/models/{app.keys['bigram']}")
    assert (status, headers["X-Model"]) == (200, app.keys["bigram"])
    assert told["loaded"]
    assert (told["heads"], told["first_screen"]) == (None, None)
    assert told["facts"] == ["bigram", f"{len(LETTERS) ** 2} parameters", "CPU", told["precision"]]
    run = fetch(app.url, f"/models/{app.model(RUN)['key']}")[2]
    assert run["facts"][0] == f"{RUN}, step 1,200"


def test_limits_come_from_the_settings_themselves(app: App) -> None:
    told = fetch(app.url, "/limits")[2]
    sampling, defaults = told["sampling"], SamplingParams()
    assert sampling.keys() == {"prompt", "temperature", "length", "samples", "seed", "top_k", "top_p"}
    assert all(setting.keys() == {"default", "low", "high", "help"} for setting in sampling.values())
    assert (sampling["prompt"]["default"], sampling["prompt"]["high"]) == (PROMPT, 10_000)
    assert (sampling["temperature"]["default"], sampling["temperature"]["high"]) == (defaults.temperature, 2.0)
    assert (sampling["length"]["default"], sampling["length"]["high"]) == (defaults.max_new_chars, 2_000)
    assert (sampling["samples"]["default"], sampling["seed"]["default"]) == (4, None)
    assert (told["score_chars"], told["heads_off_chars"]) == (12_000, 300)
    assert {measure["name"] for measure in told["measures"]} == {*MEASURES, "worth"}
    assert all(measure.keys() == {"name", "words", "short", "target", "unit"} for measure in told["measures"])
    assert told["lecture"][0] == [2.5, "bigram"]


# Each with its own model.


def test_two_models_of_different_vocabularies_are_written_at_once(app: App) -> None:
    asked = {
        "digits": {"prompt": "12", "seed": 5, "length": 200, "samples": 3, "model": app.keys["digits"]},
        "bigram": {"prompt": "ab", "seed": 5, "length": 200, "samples": 3, "model": app.keys["bigram"]},
        "first": {"prompt": "RO", "seed": 5, "length": 200, "samples": 3},
    }
    alone = {name: write(app.url, **settings)[1] for name, settings in asked.items()}
    with contextlib.ExitStack() as stack:
        viewers = {name: stack.enter_context(Viewer(app.url)).send(**settings, viewer=name) for name, settings in asked.items()}
        firsts = {name: viewer.line() for name, viewer in viewers.items()}
        together = {name: texts_of(viewer.rest()) for name, viewer in viewers.items()}
    assert together == alone
    assert {name: first["model"] for name, first in firsts.items()} == {name: app.keys[name] for name in asked}
    assert set("".join(together["digits"])) <= set(DIGITS)
    assert set("".join(together["bigram"])) <= set(LETTERS)
    assert all(len(text) == 200 for texts in together.values() for text in texts)


def test_settings_fit_the_model_that_is_asked_for(app: App) -> None:
    for name, vocabulary in (("digits", DIGITS), ("first", VOCABULARY)):
        first, _ = write(app.url, prompt="R1", length=2, top_k=4_000, model=app.keys[name])
        assert first["top_k"] == len(vocabulary)
        assert first["precision"] in ("float32", "bfloat16")
        assert ("R" in first["notice"], "1" in first["notice"]) == (name == "digits", name == "first")
    next_json = post(app.url, "/next", model=app.keys["digits"])[2]
    assert len(next_json["logits"]) == len(DIGITS)
    assert post(app.url, "/score", model=app.keys["bigram"], text="ab")[2]["vocab_size"] == len(LETTERS)


@pytest.mark.parametrize("path", POSTS)
def test_every_answer_names_its_model_and_the_default(app: App, path: str) -> None:
    for model, body in (("digits", {"model": app.keys["digits"]}), ("first", {}), ("first", {"model": None})):
        status, headers, told = post(app.url, path, **body, **({"text": "A"} if model == "first" and "text" in POSTS[path] else {}))
        assert status == 200, told
        assert told["model"] == headers["X-Model"] == app.keys[model]
        assert headers["X-Default-Model"] == app.keys["first"]


def test_numbers_name_their_model_too(app: App) -> None:
    key, model = write(app.url, prompt="1", length=3, model=app.keys["digits"])[0]["key"], app.keys["digits"]
    reading = post(app.url, "/attention", model=model)[2]["key"]
    for path in (
        f"/logits/{key}/0",
        f"/character/{key}/0/0",
        *(f"/attention/{reading}/{part}" for part in ("weights", "head/0/0", "average/0", "lens", "cell/0/0/1/0")),
    ):
        status, headers, _ = fetch(app.url, path)
        assert (status, headers["X-Model"], headers["X-Default-Model"]) == (200, model, app.keys["first"]), path


@pytest.mark.parametrize("path", ["/healthz", "/models", "/limits", "/train/runs", "/logits/none/0", "/write", "/", "/admin/session"])
def test_every_answer_names_the_default_model(app: App, path: str) -> None:
    assert fetch(app.url, path)[1]["X-Default-Model"] == app.keys["first"]
    app.engine.use(app.keys["digits"])
    assert fetch(app.url, path)[1]["X-Default-Model"] == app.keys["digits"]


def test_the_named_endpoint_takes_a_model(app: App) -> None:
    client = Client(app.url, verbose=False)
    view = client.predict("12", length=20, seed=3, model=app.keys["digits"], api_name="/generate")
    assert (view["model"], view["state"]) == (app.keys["digits"], "done")
    assert view["texts"] == write(app.url, prompt="12", length=20, seed=3, model=app.keys["digits"])[1]
    with pytest.raises(AppError, match="no such model"):
        client.predict("12", model="none", api_name="/generate")


# What a model cannot do, or is not there for.


def test_what_a_model_lacks_is_said(app: App) -> None:
    bigram = app.keys["bigram"]
    assert post(app.url, "/attention", model=bigram, text="ab")[::2] == (400, {"error": NO_HEADS})
    assert post(app.url, "/write_without", model=bigram, heads_off=[["positions"]])[::2] == (400, {"error": NO_HEADS})
    texts = write(app.url, prompt="ab", length=30, seed=4, model=bigram)[1]
    with Viewer(app.url, path="/write_without") as viewer:
        viewer.ask(prompt="ab", length=30, seed=4, model=bigram)
        assert texts_of(viewer.rest()) == texts


def refusals(app: App, key: object) -> set[tuple[int, str]]:
    """What each route that takes a model says to a key."""
    said = {(status, told.get("error", "")) for status, _, told in (post(app.url, path, model=key) for path in POSTS)}
    if isinstance(key, str):
        status, _, told = fetch(app.url, f"/models/{key}")
        said.add((status, told["error"]))
    return said


@pytest.mark.parametrize("key", ["none", "00000000", "../first", " ", "x" * 5_000], ids=lambda key: key[:10])
def test_an_unknown_key_is_refused_at_each_route(app: App, key: str) -> None:
    for path in POSTS:
        assert post(app.url, path, model=key)[::2] == (404, {"error": NO_SUCH_MODEL})
    if key.isalnum():
        assert fetch(app.url, f"/models/{key}")[::2] == (404, {"error": NO_SUCH_MODEL})


@pytest.mark.parametrize("key", [5, True, [], {}, 1.5])
def test_a_key_that_is_not_a_text_is_refused(app: App, key: object) -> None:
    assert refusals(app, key) == {(400, "The model must be a key from the list of models, as a text.")}


def test_a_deleted_model_is_unknown_unless_it_is_loaded(app: App) -> None:
    folders = [app.folder / "weights" / name for name in ("deleted", "deleted while loaded")]
    keys = [save(folder, gpt(DIGITS, seed), DIGITS) for seed, folder in enumerate(folders, 10)]
    assert fetch(app.url, f"/models/{keys[1]}")[0] == 200
    for folder in folders:
        shutil.rmtree(folder)
    assert refusals(app, keys[0]) == {(404, NO_SUCH_MODEL)}
    assert write(app.url, prompt="1", length=5, model=keys[1])[0]["model"] == keys[1]
    assert fetch(app.url, f"/models/{keys[1]}")[2]["loaded"]


def test_a_damaged_model_is_listed_with_its_trouble_and_refused_at_each_route(app: App) -> None:
    folder = app.folder / "weights" / "damaged"
    save(folder, gpt(DIGITS, 20), DIGITS)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1_000])
    try:
        wait_for(lambda: any(model["id"] == "damaged" for model in fetch(app.url, "/models")[2]["models"]))  # lists are a second old
        told = app.model("damaged")
        (said,) = refusals(app, told["key"])
        assert said[0] == 400
        assert "damaged" in said[1]
        assert str(app.folder) not in said[1]
        assert not told["loaded"]
    finally:
        shutil.rmtree(folder)


def test_a_model_for_which_there_is_no_memory_is_refused_for_now(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = app.folder / "weights" / "large"
    key = save(folder, gpt(DIGITS, 30), DIGITS)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(engine_module, "free_bytes", lambda device: 1_000)
            for status, error in refusals(app, key):
                assert status == 503
                assert "memory" in error
        assert fetch(app.url, f"/models/{key}")[0] == 200
    finally:
        shutil.rmtree(folder)


# Another default model.


def test_a_run_becomes_the_default_and_the_first_model_again(app: App) -> None:
    admin, run = Admin.logged_in(app.url), app.model(RUN)["key"]
    admin.do(f"/train/runs/{RUN}/use")
    told = fetch(app.url, "/models")[2]
    assert (told["default"], told["models"][0]["key"], told["models"][0]["run"]) == (run, run, RUN)
    assert len({model["key"] for model in told["models"]}) == len(told["models"])
    runs = admin.get("/train/runs")[1]
    assert (runs["model"], runs["in_use"], runs["step_in_use"]) == (run, RUN, 1200)
    assert write(app.url, prompt="ab", length=5)[0]["model"] == run
    assert write(app.url, prompt="RO", length=5, model=app.keys["first"])[0]["model"] == app.keys["first"]
    admin.do("/train/shipped/use")
    assert fetch(app.url, "/models")[2]["default"] == app.keys["first"]


def test_a_default_whose_run_has_learned_on_is_still_listed(app: App) -> None:
    admin, file = Admin.logged_in(app.url), app.folder / "runs" / RUN / "best.safetensors"
    before, old = file.read_bytes(), app.model(RUN)["key"]
    admin.do(f"/train/runs/{RUN}/use")
    try:
        save_tensors(file, gpt(LETTERS, 3).state_dict(), {"step": 1300, "val_loss": 2.0})
        models = fetch(app.url, "/models")[2]["models"]
        assert [(model["key"] == old, model["step"]) for model in models if model["run"] == RUN] == [(True, 1200), (False, 1300)]
    finally:
        file.write_bytes(before)
        admin.do("/train/shipped/use")


def test_a_change_of_the_default_under_load_loses_nothing(app: App) -> None:
    vocabularies = {app.keys["first"]: VOCABULARY, app.keys["digits"]: DIGITS, app.keys["bigram"]: LETTERS}
    ended = threading.Event()

    def swap() -> None:
        for key in itertools.cycle(vocabularies):
            if ended.wait(0.02):
                return
            app.engine.use(key)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(5):
            with contextlib.ExitStack() as stack:
                viewers = [stack.enter_context(Viewer(app.url)) for _ in range(12)]
                for number, viewer in enumerate(viewers):
                    viewer.send(prompt="a1", length=60, samples=2, viewer=str(number))
                for viewer in viewers:
                    first, lines = viewer.line(), viewer.rest()
                    assert lines[-1]["state"] == "done"
                    texts = texts_of(lines)
                    assert [len(text) for text in texts] == [60, 60]
                    assert set("".join(texts)) <= set(vocabularies[first["model"]])
            for path in ("/next", "/score", "/attention"):
                status, headers, told = post(app.url, path, **({"text": "a1"} if "text" in POSTS[path] else {}))
                assert (status, told) == (400, {"error": NO_HEADS}) or (status == 200 and headers["X-Model"] == told["model"])
    finally:
        ended.set()
        swapping.join()


# The table of routes.


def test_everyone_may_watch_and_the_admin_alone_may_act(app: App) -> None:
    lock = Lock(PASSWORD)
    table = create_routes(app.engine, Catalogue(app.folder / "weights"), Jobs(app.folder / "runs"), lock)
    assert {route.path for route in table if route.method == "POST" and route.access is EVERYONE} == {
        *POSTS,
        "/follow",
        "/learning/encode",
        "/learning/decode",
        "/learning/chunks",
        "/learning/heads",
        "/learning/copied",
        "/assistant/judge",
        "/assistant/reward",
        "/meaning/nearest",
        "/meaning/similarity",
        "/meaning/pairs",
        "/meaning/choices",
        "/meaning/speakers",
        "/meaning/translate",
        "/class/join",
        "/class/throw",
        "/class/vote",
        "/lecture/file",
        "/lecture/download",
        "/admin/login",
        "/admin/logout",
    }
    assert {route.access for route in table} == {lock, EVERYONE}
    for route in table:
        if route.access is lock:
            path = route.path.replace("{run}", RUN)
            assert answer(app.url, route.method, path)[0] == 401
            assert answer(app.url, "DELETE", path)[0] == 401


def test_another_method_is_refused_at_each_route(app: App) -> None:
    table = create_routes(app.engine, Catalogue(app.folder / "weights"), Jobs(app.folder / "runs"), Lock(PASSWORD))
    for route in table:
        if route.access is EVERYONE:
            other = "GET" if route.method == "POST" else "POST"
            path = route.path.replace("{", "").replace("}", "").replace(":path", "")
            assert answer(app.url, other, path) == (405, {"error": f"Send a {route.method} request."}), path
