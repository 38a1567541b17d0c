"""Clients that hang up over real HTTP: nothing is begun for them, and what they alone waited for is ended."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from model.catalogue import Catalogue
from model.errors import CheckpointError, TrainingError
from model.network.gpt import GPT
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.training.estimate import Pace, pace_key
from model.training.jobs import Jobs, Measurement
from model.training.presets import pretraining_presets
from model.weights import Weights, save_weights
from tests.conftest import VOCABULARY
from tests.support.admin import PASSWORD, Admin, wait_for
from tests.support.client import host_and_port
from tests.support.viewing import PATIENCE_S, answer, serving
from ui.server import create_routes, make_app
from ui.web.admin import Lock
from ui.web.loading import LOADS
from ui.web.shared_answers import MAKERS, SharedAnswers
from ui.web.shared_work import SharedWork

NAMES = ("one", "two", "three")
ROUTES: dict[str, dict[str, Any]] = {
    "/write": {"prompt": "a"},
    "/next": {"prompt": "a"},
    "/score": {"text": "ab"},
    "/attention": {"text": "ab"},
    "/write_without": {"prompt": "a"},
    "/models/": {},
}


@dataclass
class Served:
    """An app whose models load when a test lets them.

    Attributes:
        keys: of the models, by name.
        loaded: keys of the models whose loading has begun.
        may_load: cleared, loading waits for it.
    """

    url: str
    engine: Engine
    jobs: Jobs
    keys: dict[str, str]
    loaded: list[str]
    may_load: threading.Event

    def get(self, name: str) -> http.client.HTTPConnection:
        """Asks for a model to be loaded, without waiting for it."""
        return send(self.url, "GET", f"/models/{self.keys[name]}")

    def ask(self, route: str, name: str) -> http.client.HTTPConnection:
        """Asks a route for something that needs a model, without waiting for it."""
        if route == "/models/":
            return self.get(name)
        return send(self.url, "POST", route, ROUTES[route] | {"model": self.keys[name]})

    def loads(self, name: str) -> bool:
        """Whether the model is being loaded, or waits to be."""
        return (self.engine, self.keys[name]) in LOADS._tasks


@pytest.fixture
def served(tiny: Weights, make_model: Any, one_thread: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for seed, name in enumerate(NAMES, 1):
        model: GPT = make_model(seed=seed)
        save_weights(tmp_path / "weights" / name, model, CharTokenizer(VOCABULARY), {})
    loaded, may_load, load = list[str](), threading.Event(), Catalogue.load

    def slow(catalogue: Catalogue, key: str) -> Weights:
        loaded.append(key)
        assert may_load.wait(PATIENCE_S)
        return load(catalogue, key)

    monkeypatch.setattr(Catalogue, "load", slow)
    catalogue, jobs, lock = Catalogue(tmp_path / "weights"), Jobs(tmp_path / "runs"), Lock(PASSWORD)
    engine = Engine(tiny, catalogue)
    server = make_app(create_routes(engine, catalogue, jobs, lock), engine)
    keys = {entry.name: entry.key for entry in catalogue.entries()}
    try:
        with serving(server) as url:
            yield Served(url, engine, jobs, keys, loaded, may_load)
            may_load.set()
    finally:
        may_load.set()
        engine.stop()


def send(url: str, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPConnection:
    """Sends a request without waiting for the answer."""
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    sent = None if body is None else json.dumps(body).encode()
    connection.request(method, path, sent, headers | ({"Content-Type": "application/json"} if sent else {}))
    return connection


def status_of(connection: http.client.HTTPConnection) -> int:
    """The status of the answer."""
    response = connection.getresponse()
    response.read()
    return response.status


# Loads.


@pytest.mark.parametrize("route", ROUTES)
def test_a_model_that_nobody_waits_for_any_more_is_not_loaded(served: Served, route: str) -> None:
    first = served.get("one")
    wait_for(lambda: served.loaded)
    gone = served.ask(route, "two")
    wait_for(lambda: served.loads("two"))
    gone.close()
    wait_for(lambda: not served.loads("two"))
    last = served.get("three")
    wait_for(lambda: served.loads("three"))
    served.may_load.set()
    assert (status_of(first), status_of(last)) == (200, 200)
    assert served.loaded == [served.keys["one"], served.keys["three"]]


def test_a_model_that_somebody_still_waits_for_is_loaded(served: Served) -> None:
    first = served.get("one")
    wait_for(lambda: served.loaded)
    gone, staying = served.ask("/write", "two"), served.ask("/next", "two")
    waiting = LOADS._waiting
    wait_for(lambda: sorted(waiting.values()) == [1, 2])
    gone.close()
    wait_for(lambda: sorted(waiting.values()) == [1, 1])
    served.may_load.set()
    assert (status_of(first), status_of(staying)) == (200, 200)
    assert served.loaded == [served.keys["one"], served.keys["two"]]
    assert not served.engine._loads
    assert not waiting


def test_a_load_that_fails_after_its_client_has_gone_is_not_logged(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(catalogue: Catalogue, key: str) -> Weights:
        served.loaded.append(key)
        assert served.may_load.wait(PATIENCE_S)
        raise CheckpointError("It is damaged.")

    monkeypatch.setattr(Catalogue, "load", fail)
    for route in ROUTES:
        served.may_load.clear()
        gone = served.ask(route, "one")
        wait_for(lambda: served.loads("one"))
        gone.close()
        wait_for(lambda: not served.loads("one"))
        served.may_load.set()
        wait_for(lambda: not served.engine._loads)
    assert answer(served.url, "GET", f"/models/{served.keys['one']}")[0] == 400  # whoever waits is told
    gc.collect()
    assert answer(served.url, "GET", "/healthz")[0] == 200
    assert "never retrieved" not in caplog.text
    assert "damaged" not in caplog.text


# Measurements of a pace.


def pace(admin: Admin, preset: str) -> http.client.HTTPConnection:
    """Asks how long a run would take, without waiting for the answer."""
    return send(admin.url, "POST", "/train/pace", {"preset": preset}, **admin.headers)


def is_known(jobs: Jobs, name: str) -> bool:
    """Whether a preset's pace was measured to the end."""
    preset = pretraining_presets()[name]
    return jobs.known_pace(preset.network, preset.recipe) is not None


def test_a_measurement_ends_with_its_client_and_one_that_waits_never_begins(served: Served) -> None:
    admin, jobs, tiny = Admin.logged_in(served.url), served.jobs, pretraining_presets()["tiny"]
    jobs._paces[pace_key(tiny.network, tiny.recipe)] = Pace(3.0, 0.01, 1e-6, 0.1)  # measured before
    measured = pace(admin, "lesson")
    wait_for(lambda: jobs._measurement)
    waiting = pace(admin, "quick")
    assert admin.get("/healthz")[0] == 200
    waiting.close()
    assert admin.get("/healthz")[0] == 200
    measured.close()
    wait_for(lambda: not jobs._measurement)  # its process has ended
    assert admin.do("/train/pace", preset="tiny")["takes_s"] > 3  # comes after both, had they stayed
    assert not jobs._measurement
    assert not is_known(jobs, "lesson")
    assert not is_known(jobs, "quick")


def test_measurements_whose_clients_have_gone_hold_no_threads_of_others(served: Served) -> None:
    admin = Admin.logged_in(served.url)
    with served.jobs._measuring:  # as while a measurement ends
        for _ in range(20):  # more than there are threads
            gone = pace(admin, "lesson")
            time.sleep(0.05)
            gone.close()
        assert admin.get("/train/runs/none/log")[0] == 404
    assert not is_known(served.jobs, "lesson")


def test_a_measurement_that_was_cancelled_before_it_began_is_none(tmp_path: Path) -> None:
    jobs, measurement = Jobs(tmp_path), Measurement()
    measurement.cancel()
    with pytest.raises(TrainingError):
        jobs.measure_pace("tiny", {}, 65, measurement)
    assert not is_known(jobs, "tiny")


# Work that is shared.


def test_few_answers_are_made_at_a_time_however_many_clients_hang_up() -> None:
    begun, opened = list[int](), threading.Event()

    def make(number: int) -> dict[str, Any]:
        begun.append(number)
        assert opened.wait(PATIENCE_S)
        return {}

    async def act() -> None:
        answers = SharedAnswers()

        def ask(number: int) -> asyncio.Task[Response]:
            http = HTTPRequest({"type": "http", "headers": []})
            return asyncio.create_task(answers.give(http, (number,), lambda: make(number)))

        for number in range(5 * MAKERS):
            gone = ask(number)
            await asyncio.sleep(0.02)
            gone.cancel()
            await asyncio.wait([gone])
        assert begun == [*range(MAKERS)]
        last = ask(100)
        await asyncio.sleep(0)
        opened.set()
        assert (await last).status_code == 200

    asyncio.run(act())
    assert begun == [*range(MAKERS), 100]


def test_shared_work_is_done_once_and_ends_with_the_last_who_waits(caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = list[str](), list[str]()

    async def work(name: str, opened: asyncio.Event, error: Exception | None = None) -> str:
        begun.append(name)
        try:
            await opened.wait()
        except asyncio.CancelledError:
            ended.append(name)
            raise
        if error:
            raise error
        return name

    async def act() -> None:
        shared, opened = SharedWork[str, str](), asyncio.Event()
        waiting = [asyncio.create_task(shared.result(name, lambda name=name: work(name, opened))) for name in "aab"]
        failing = asyncio.create_task(shared.result("c", lambda: work("c", opened, ValueError("c"))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.wait([waiting[0], waiting[2]])
        opened.set()
        assert await waiting[1] == "a"
        with pytest.raises(ValueError, match="c"):
            await failing

    asyncio.run(act())
    gc.collect()
    assert (sorted(begun), ended) == (["a", "b", "c"], ["b"])
    assert "never retrieved" not in caplog.text
