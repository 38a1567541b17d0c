"""Training over real HTTP: what anyone may watch, what only the admin may do, and what nobody may."""

from __future__ import annotations

import http.client
import io
import json
import os
import pickle
import random
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from gradio_client import Client

from model.ladder import RUNGS
from model.limits import MAX_CORPUS_BYTES
from model.serving.engine import Engine
from model.training.presets import ASSISTANT, EMBED, LADDER, MEANING, POLICY, REWARD, SFT, TRANSLATE
from model.weights import Weights, load_weights
from tests.support.admin import PASSWORD, Admin, runs_ended, wait_for
from tests.support.client import host_and_port
from tests.support.killing import synthetic_text
from tests.support.killing_app import BOTH, TRAINER, train_and_kill
from tests.support.routes import serving_routes
from tests.support.viewing import PATIENCE_S, Viewer, answer, app_with_log, texts_of
from ui.web.admin import SESSION_S, Lock
from ui.web.client_log import CLIENT_LINES

TEXT = synthetic_text().encode()
RUN_ROUTES = ("stop", "resume", "rename", "delete", "use")
ADMIN_POSTS = ["/train/corpus", "/train/start", "/train/pace", "/train/shipped/use", *(f"/train/runs/RUN/{name}" for name in RUN_ROUTES)]
ADMIN_GETS = ["/train/runs/RUN/log", "/train/runs/RUN/weights"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """The app's password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADMIN_PASSWORD", PASSWORD)
        patch.delenv("SPACE_ID", raising=False)
        yield


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with runs_ended(folder / "runs") as runs, app_with_log(folder / "stderr", "--runs", str(runs)) as url:
        yield url


def start(admin: Admin, **settings: Any) -> str:
    """Starts the smallest preset on an uploaded text."""
    return admin.do("/train/start", preset="tiny", corpus=admin.upload(TEXT), settings=settings)["run"]["id"]


@pytest.fixture(scope="module")
def admin(url: str) -> Admin:
    return Admin.logged_in(url)


@pytest.fixture(scope="module")
def finished(admin: Admin) -> str:
    """A run that is done."""
    run = start(admin, steps=30, eval_interval=10)
    admin.until(run, "finished")
    return run


@pytest.fixture(autouse=True)
def nothing_went_wrong(url: str, folder: Path) -> Iterator[None]:
    yield
    assert "Traceback" not in (folder / "stderr").read_text()


def test_everybody_may_watch(url: str, finished: str) -> None:
    anybody = Admin(url)
    told = anybody.get("/train/runs")[1]
    run = told["runs"][0]
    assert (run["id"], run["state"], run["name"], run["step"]) == (finished, "finished", "tiny, synthetic.txt", 30)
    assert told["model"] == anybody.get("/models")[1]["default"]
    assert ".shipped" not in [run["id"] for run in told["runs"]]
    curve = anybody.get(f"/train/runs/{finished}/metrics")[1]
    assert (curve["from"], curve["next"]) == (0, 34)
    assert curve["steps"]["step"] == list(range(1, 31))
    assert [sample["step"] for sample in curve["samples"]] == curve["evaluations"]["step"] == [0, 10, 20, 30]
    rest = anybody.get(f"/train/runs/{finished}/metrics?from=34&edition={curve['edition']}")[1]
    assert (rest["from"], rest["steps"]["step"], rest["samples"]) == (34, [], [])
    other = anybody.get(f"/train/runs/{finished}/metrics?from=34&edition=another")[1]
    assert (other["from"], len(other["steps"]["step"])) == (0, 30)
    assert anybody.get("/train/runs/none/metrics")[0] == 404
    assert anybody.get(f"/train/runs/{finished}/metrics?from=-1")[0] == 400


def test_the_training_of_the_shipped_model_is_a_recording_that_nothing_can_be_done_with(url: str, admin: Admin) -> None:
    told = Admin(url).get("/train/runs")[1]["recording"]
    assert (told["id"], told["state"], told["step"], told["steps"]) == (".shipped", "recorded", 8_000, 8_000)
    assert (told["best_loss"], told["best_step"], told["has_weights"]) == (1.413139, 8_000, False)
    curve = Admin(url).curve(".shipped")
    assert curve["run"] == told
    assert (len(curve["steps"]["step"]), curve["steps"]["step"][-1]) == (400, 8_000)
    assert curve["evaluations"]["step"] == list(range(200, 8_001, 200))
    assert curve["samples"] == []  # its texts were not kept
    assert len(json.dumps(curve)) < 30_000
    rest = Admin(url).get(f"/train/runs/.shipped/metrics?from={curve['next']}&edition={curve['edition']}")[1]
    assert (rest["from"], rest["steps"]["step"]) == (curve["next"], [])
    for name in RUN_ROUTES:
        assert admin.post(f"/train/runs/.shipped/{name}", **{"delete": {"id": ".shipped"}, "rename": {"name": "x"}}.get(name, {}))[0] == 404
    assert admin.get("/train/runs/.shipped/weights")[0] == 404


def test_where_the_runs_are_is_for_the_admin_alone(url: str, admin: Admin, folder: Path) -> None:
    assert "runs" not in Admin(url).get("/train/presets")[1]
    assert admin.get("/train/presets")[1]["runs"] == str(folder / "runs")


def test_settings_come_with_their_ranges(url: str) -> None:
    told = Admin(url).get("/train/presets")[1]
    settings = {setting["name"]: setting for setting in told["settings"]}
    assert (settings["n_layer"]["low"], settings["n_layer"]["high"], settings["n_layer"]["type"]) == (1, 64, "int")
    assert settings["optimizer"]["choices"] == ["muon", "adamw"]
    assert "vocab_size" not in settings
    assert told["default"] in [preset["id"] for preset in told["presets"]]
    of_presets = [preset["network"].keys() | preset["recipe"].keys() for preset in told["presets"]]
    assert set().union(*of_presets) == settings.keys()
    pretraining = [(preset["id"], names) for preset, names in zip(told["presets"], of_presets, strict=True) if preset["task"] == "pretrain"]
    assert [name for name, names in pretraining if "n_layer" not in names] == [
        "bigram",
        "ladder-one-head",
        "ladder-four-heads",
        "ladder-feed-forward",
    ]
    of_groups = {group: [preset["id"] for preset in told["presets"] if preset["group"] == group] for group in (LADDER, ASSISTANT)}
    assert of_groups[LADDER] == [rung.preset for rung in RUNGS[:-1]]
    assert of_groups[ASSISTANT] == [preset["id"] for preset in told["presets"] if preset["task"] in (SFT, REWARD, POLICY)]
    assert {preset["group"] for preset in told["presets"] if preset["task"] in (EMBED, TRANSLATE)} == {MEANING}


@pytest.mark.parametrize("token", ["", "made-up", "logged out"])
def test_without_a_session_nothing_is_done(url: str, finished: str, folder: Path, token: str) -> None:
    if token == "logged out":
        leaving = Admin.logged_in(url)
        assert leaving.get("/admin/session")[1]["admin"]
        leaving.do("/admin/logout")
        assert not leaving.get("/admin/session")[1]["admin"]
    else:
        leaving = Admin(url, token)
    logged = (folder / "stderr").stat().st_size
    for path in ADMIN_POSTS:
        assert leaving.post(path.replace("RUN", finished), id=finished)[0] == 401, path
        assert leaving.send(path.replace("RUN", finished), b"\xff" * 1000)[0] == 401, path
    for path in ADMIN_GETS:
        assert leaving.get(path.replace("RUN", finished))[0] == 401, path
    lines = (folder / "stderr").read_text()[logged:].splitlines()
    assert all(line.startswith("refused ") for line in lines)  # as many as a minute may have: tests/test_client_log.py
    assert Admin(url).run(finished)["state"] == "finished"


def test_a_session_that_has_ended_opens_nothing(tiny: Weights, tmp_path: Path) -> None:
    now = [0.0]
    with serving_routes(Engine(tiny), runs=tmp_path / "runs", lock=Lock(PASSWORD, clock=lambda: now[0])) as url:
        leaving = Admin.logged_in(url)
        assert leaving.post("/train/runs/none/stop")[0] == 404  # the session still lasts
        now[0] += SESSION_S
        assert not leaving.get("/admin/session")[1]["admin"]
        assert {leaving.post(path.replace("RUN", "none"))[0] for path in ADMIN_POSTS} == {401}
        assert {leaving.get(path.replace("RUN", "none"))[0] for path in ADMIN_GETS} == {401}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"preset": "none"}, "There is no preset 'none'"),
        ({"settings": {"steps": 0}}, "steps must be between 1"),
        ({"settings": {"steps": 1_000_000}}, "up to 200,000 steps"),
        ({"name": "\u200f"}, "A name is 1 to 60 characters"),
        ({"name": "good"}, "nowhere.txt"),
    ],
)
def test_what_is_asked_is_checked_before_a_text_is_loaded(
    tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "nowhere.txt"))
    with serving_routes(Engine(tiny), runs=tmp_path / "runs") as url:
        status, told = Admin.logged_in(url).post("/train/start", **{"preset": "tiny"} | asked)
    assert (status, message in told["error"]) == (400, True), told


def test_an_upload_over_the_limit_is_refused_and_without_a_session_any(url: str, admin: Admin) -> None:
    for sender, size, status in ((Admin(url), 2, 401), (admin, MAX_CORPUS_BYTES + 1, 413)):
        connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
        connection.putrequest("POST", "/train/corpus")
        for name, value in (sender.headers | {"Content-Length": str(size)}).items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()
    status, told = admin.send("/train/corpus?name=long", TEXT * 150)  # 3 MB
    assert (status, told["characters"]) == (200, 150 * len(TEXT))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\xff\x00", "is not UTF-8"),
        (b"a\0b", "has NUL bytes"),
        (b"x" * 10_000, "one character repeated"),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 5_000))).encode(), "5,000 different characters"),
    ],
)
def test_what_is_no_corpus_is_said(admin: Admin, body: bytes, message: str) -> None:
    status, told = admin.send("/train/corpus", body)
    assert status == 400
    assert message in told["error"]


def test_a_corpus_is_told_before_it_is_trained_on(admin: Admin) -> None:
    told = admin.send("/train/corpus?name=abc.txt", b"abcab\n" * 10)[1]
    assert (told["name"], told["characters"], told["alphabet"]) == ("abc.txt", 60, ["\n", "a", "b", "c"])
    status, refused = admin.post("/train/start", preset="tiny", corpus=told["corpus"], settings={"block_size": 64})
    assert status == 400
    assert "needs at least" in refused["error"]
    assert admin.post("/train/start", preset="tiny", corpus="another")[0] == 400
    assert admin.post("/train/start", preset="tiny", settings={"n_head": 5})[0] == 400
    assert admin.post("/train/start", preset="tiny", device="cuda")[0] == 400


def test_what_a_run_learned_can_be_typed_in_any_form(url: str, admin: Admin) -> None:
    """A text in decomposed Unicode with the line endings of an old Macintosh; every keyboard gives composed letters and newlines."""
    learned = "The gr\u00fc\u00dfe caf\u00e9,\nna\u00efve fa\u00e7ade.\n" * 40
    typed = "caf\u00e9,\nna\u00efve"
    corpus = admin.send("/train/corpus?name=old.txt", unicodedata.normalize("NFD", learned).replace("\n", "\r").encode())[1]
    assert (corpus["characters"], corpus["alphabet"]) == (len(learned), sorted(set(learned)))
    run = admin.do("/train/start", preset="tiny", corpus=corpus["corpus"], settings={"steps": 4, "eval_interval": 2})["run"]["id"]
    admin.until(run, "finished")
    entry = next(model for model in admin.get("/models")[1]["models"] if model["run"] == run)
    for form in (typed, unicodedata.normalize("NFD", typed), typed.replace("\n", "\r\n")):
        with Viewer(url) as viewer:
            first = viewer.ask(prompt=form, length=1, model=entry["key"])
        assert (first["prompt"], first["notice"]) == (typed, "")
        for path in ("/score", "/write_without"):
            with Viewer(url, path=path) as viewer:
                first = viewer.ask(**{"text" if path == "/score" else "prompt": form}, model=entry["key"])
            assert (first["text" if path == "/score" else "prompt"], first["notice"]) == (typed, "")
        for path in ("/attention", "/next"):
            asked = {"text" if path == "/attention" else "prompt": form, "model": entry["key"]}
            status, told = answer(url, "POST", path, json.dumps(asked).encode(), Content_Type="application/json")
            assert (status, told["notice"]) == (200, "")
            assert told["text" if path == "/attention" else "prompt"] == typed
    written = Client(url, verbose=False).predict(unicodedata.normalize("NFD", typed), length=1, model=entry["key"], api_name="/generate")
    assert (written["prompt"], written["notice"]) == (typed, "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\u00adb\u200f.txt", "ab.txt"),
        ("two\nlines\u2028and\u3000\u00a0spaces ", "two lines and spaces"),
        ("\x1b[31mred\x7f", "[31mred"),
        ("x" * 59 + "😀.txt", "x" * 59 + "😀"),
        ("😀" * 61, "😀" * 60),
        ("שיר השירים.txt", "שיר השירים.txt"),
        ("\u202e\u200b", "pasted text"),
        ("", "pasted text"),
    ],
)
def test_a_texts_name_is_cleaned(admin: Admin, name: str, shown: str) -> None:
    assert admin.send(f"/train/corpus?{urlencode({'name': name})}", b"abcab\n" * 10)[1]["name"] == shown


def test_ids_that_are_paths_are_unknown(admin: Admin, folder: Path) -> None:
    victim = folder / "victim"
    victim.mkdir(exist_ok=True)
    (victim / "config.json").write_text("{}")
    for run in ("..", "%2e%2e", "..%2fvictim", "%2e%2e%2fvictim", ".lock", "%00", "victim"):
        for name in RUN_ROUTES:
            asked = {"delete": {"id": "../victim"}, "rename": {"name": "x"}}.get(name, {})
            assert admin.post(f"/train/runs/{run}/{name}", **asked)[0] in (404, 405), (run, name)
    assert (victim / "config.json").exists()


def test_names_are_text_and_deleting_wants_the_id_again(admin: Admin, folder: Path) -> None:
    run = start(admin, steps=4, eval_interval=2)
    admin.until(run, "finished")
    told = admin.do(f"/train/runs/{run}/rename", name="../../<b>x</b>")
    assert told["run"]["name"] == "../../<b>x</b>"
    assert admin.do(f"/train/runs/{run}/rename", name=" \x1b[31mred\u200f\n😀 ")["run"]["name"] == "[31mred 😀"
    assert admin.do(f"/train/runs/{run}/rename", name="😀" * 60)["run"]["name"] == "😀" * 60
    for name in ("", "\u00ad\n", "x" * 61, None, 7):
        assert admin.post(f"/train/runs/{run}/rename", name=name)[0] == 400
    for asked in ({}, {"id": "another"}):
        assert admin.post(f"/train/runs/{run}/delete", **asked)[0] == 400
    assert admin.do(f"/train/runs/{run}/delete", id=run) == {}
    assert not (folder / "runs" / run).exists()
    assert admin.post(f"/train/runs/{run}/delete", id=run)[0] == 404


@pytest.mark.slow
def test_a_run_is_stopped_and_resumed_and_a_second_start_names_it(url: str, admin: Admin) -> None:
    run = start(admin, steps=100_000, eval_interval=10)
    wait_for(lambda: admin.run(run)["step"] > 20)
    status, told = admin.post("/train/start", preset="tiny", corpus=admin.upload(TEXT))
    assert status == 400
    assert "tiny, synthetic.txt is being trained" in told["error"]
    watched = Admin(url).run(run)
    assert watched["left_s"] > 0
    assert watched["chars_per_s"] > 0
    admin.do(f"/train/runs/{run}/stop")
    stopped = admin.until(run, "stopped")
    admin.do(f"/train/runs/{run}/resume")
    wait_for(lambda: admin.run(run)["step"] > stopped["step"])
    admin.do(f"/train/runs/{run}/stop", firmly=True)
    admin.until(run, "stopped")
    assert any("Stopped after step" in line for line in admin.get(f"/train/runs/{run}/log")[1]["last_lines"])


def test_a_runs_model_becomes_the_default_and_the_first_one_again(url: str, admin: Admin, finished: str) -> None:
    shipped = admin.get("/models")[1]
    first = shipped["default"]
    with Viewer(url) as in_progress:
        assert in_progress.ask(prompt="ROMEO:", length=400, samples=4, seed=7)["model"] == first
        admin.do(f"/train/runs/{finished}/use")
        lines = in_progress.rest()
        assert lines[-1]["state"] == "done"
        assert all(len(text) == 400 for text in texts_of(lines))
    now = admin.get("/models")[1]
    key = now["default"]
    assert now["models"][0]["key"] == key != first
    assert (now["models"][0]["run"], now["models"][0]["source"], now["models"][0]["loaded"]) == (finished, "run", True)
    assert now["models"][0]["vocabulary"] == sorted(set(TEXT.decode()))
    assert now["models"][0]["val_loss"] == admin.run(finished)["best_loss"]
    runs = admin.get("/train/runs")[1]
    assert (runs["in_use"], runs["model"], runs["step_in_use"]) == (finished, key, admin.run(finished)["best_step"])
    with Viewer(url) as viewer:
        assert viewer.ask(prompt="the king", length=50)["model"] == key
        assert set("".join(texts_of(viewer.rest()))) <= set(TEXT.decode())
    assert answer(url, "POST", "/attention", b'{"text": "the king"}', Content_Type="application/json")[1]["n_layer"] == 2
    admin.do("/train/shipped/use")
    assert admin.get("/models")[1]["default"] == first
    assert admin.get("/train/runs")[1]["in_use"] is None


def test_a_pickle_posing_as_safetensors_is_refused_and_not_run(admin: Admin, finished: str, folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "sprung"),)

    path = folder / "runs" / finished / "best.safetensors"
    good = path.read_bytes()
    path.write_bytes(pickle.dumps(Trap()))
    try:
        for act in (lambda: admin.post(f"/train/runs/{finished}/use"), lambda: admin.get(f"/train/runs/{finished}/weights")):
            status, told = act()
            assert status == 400
            assert "not a safetensors file" in told["error"]
    finally:
        path.write_bytes(good)
    assert not (folder / "sprung").exists()


def test_the_best_weights_come_as_a_folder_that_can_be_loaded(url: str, admin: Admin, finished: str, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
    connection.request("GET", f"/train/runs/{finished}/weights", headers=admin.headers)
    zipfile.ZipFile(io.BytesIO(connection.getresponse().read())).extractall(tmp_path)
    connection.close()
    weights = load_weights(tmp_path / finished)
    assert weights.val_loss == admin.run(finished)["best_loss"]


@pytest.mark.parametrize(
    ("run", "header"),
    [
        ("кот", "attachment; filename=\"soliloquy-___.zip\"; filename*=UTF-8''soliloquy-%D0%BA%D0%BE%D1%82.zip"),
        ('a"; b\\', "attachment; filename=\"soliloquy-a__ b_.zip\"; filename*=UTF-8''soliloquy-a%22%3B%20b%5C.zip"),
    ],
)
def test_weights_of_a_run_of_any_name_can_be_saved(url: str, admin: Admin, finished: str, folder: Path, run: str, header: str) -> None:
    shutil.copytree(folder / "runs" / finished, folder / "runs" / run)
    try:
        connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S)
        connection.request("GET", f"/train/runs/{quote(run)}/weights", headers=admin.headers)
        response = connection.getresponse()
        assert (response.status, response.headers["Content-Disposition"]) == (200, header)
        assert f"{run}/config.json" in zipfile.ZipFile(io.BytesIO(response.read())).namelist()
        connection.close()
    finally:
        shutil.rmtree(folder / "runs" / run)


@pytest.mark.parametrize("name", ["config.json", "best.safetensors"])
def test_weights_of_a_damaged_run_are_refused_with_the_name_of_the_file_alone(admin: Admin, finished: str, folder: Path, name: str) -> None:
    damaged = folder / "runs" / "damaged"
    shutil.copytree(folder / "runs" / finished, damaged)
    try:
        (damaged / name).write_text("")
        status, told = admin.get("/train/runs/damaged/weights")
        assert status == 400
        assert told["error"].startswith(f"{name} is")
        assert str(folder) not in told["error"]
        (damaged / "config.json").unlink()
        assert admin.get("/train/runs/damaged/weights")[0] == 400
        assert "/" not in admin.get("/train/runs/damaged/weights")[1]["error"]
    finally:
        shutil.rmtree(damaged)


def test_wrong_passwords_hold_up_their_client_alone(url: str, folder: Path) -> None:
    def log_in_from(host: str, password: str, spoofed: str) -> int:
        connection = http.client.HTTPConnection(*host_and_port(url), timeout=PATIENCE_S, source_address=(host, 0))
        headers = {"Content-Type": "application/json", "X-Forwarded-For": spoofed}
        connection.request("POST", "/admin/login", json.dumps({"password": password}), headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    logged = (folder / "stderr").stat().st_size
    statuses = [log_in_from("127.0.0.2", f"guess {number}", f"10.0.0.{number % 250}") for number in range(1_000)]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 20
    assert log_in_from("127.0.0.2", PASSWORD, "") == 429  # not looked at
    assert log_in_from("127.0.0.3", PASSWORD, "127.0.0.2") == 200
    told = (folder / "stderr").read_text()[logged:]
    assert CLIENT_LINES <= told.count("refused POST") <= 2 * CLIENT_LINES  # of one minute, or of two
    assert "guess" not in told
    assert PASSWORD not in told


@pytest.mark.slow
def test_kills_of_app_and_trainer_leave_nothing_out(tmp_path: Path) -> None:
    hits, differing = train_and_kill(tmp_path, [TRAINER, BOTH], random.Random(0))
    assert (hits, differing) == (2, [])
