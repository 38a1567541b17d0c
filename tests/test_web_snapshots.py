"""The routes of runs that kept snapshots: the list, the curve, and the heads of each snapshot as they are read."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from model.attention import Reading, read
from model.catalogue import Catalogue
from model.config import BigramConfig, GPTConfig, TrainConfig
from model.data import Corpus
from model.errors import BusyError, CheckpointError
from model.head_measures import MEASURES
from model.network import Network
from model.network.kinds import make_network
from model.serving.admission import Ticket
from model.serving.engine import Engine
from model.tokenizer import CharTokenizer
from model.training.run import Run
from model.training.tasks.pretrain import Pretrain
from model.training.trainer import Trainer
from model.weights import SHIPPED_WEIGHTS, config_json, hash_file, load_weights, save_tensors, save_weights, snapshot_path
from tests.support.client import host_and_port
from tests.support.killing import synthetic_text
from tests.support.routes import serving_routes
from tests.support.viewing import PATIENCE_S
from ui.web import snapshots as snapshots_module
from ui.web.snapshots import CURVE_POINTS, NO_SNAPSHOTS, NO_SUCH_RUN

STEPS = [0, 1, 3, 5, 10, 20]
TEXT = "the king and\nmy lord"


@dataclass
class App:
    """An app with a shipped run, a run that was stopped, and others that are harder to watch."""

    url: str
    folder: Path
    engine: Engine

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, list[dict[str, Any]]]:
        """Status and lines of an answer."""
        connection = http.client.HTTPConnection(*host_and_port(self.url), timeout=PATIENCE_S)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, [json.loads(line) for line in response.read().splitlines()]
        finally:
            connection.close()

    def runs(self) -> dict[str, dict[str, Any]]:
        """The list of runs, by id."""
        ((status, (content,))) = self.ask("/learning/runs")
        assert status == 200
        return {run["id"]: run for run in content["runs"]}


def train(folder: Path, text: str, **settings: Any) -> None:
    recipe = {"steps": 20, "batch_size": 4, "micro_batch_size": 4, "warmup_steps": 2, "eval_interval": 5, "snapshots": 8} | settings
    stop = recipe.pop("stop", 20)
    network = GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=16, dropout=0.1)
    trainer = Trainer.start(
        Run(folder), Pretrain(Corpus("Verona", text), network, TrainConfig(**recipe)), torch.device("cpu"), torch.float32
    )
    for metrics in trainer.steps():
        if metrics["step"] == stop:
            break


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    weights, runs = folder / "weights", folder / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        train(runs / "quick", synthetic_text(4_000))
        (weights / "runs").mkdir(parents=True)
        shutil.move(runs / "quick", weights / "runs" / "quick")
        train(runs / "stopped", synthetic_text(4_000).replace("k", "\u00e9"), stop=10, train_chars=500)
        train(runs / "without", synthetic_text(4_000), steps=5, snapshots=0)
        train(runs / "damaged", synthetic_text(4_000), stop=10, seed=2)
        snapshot_path(runs / "damaged", 0).write_bytes(b"damaged")
        snapshot_path(runs / "damaged", 3).write_bytes(snapshot_path(runs / "damaged", 3).read_bytes()[:-4] + b"\xff\x7f\xff\x7f")
        shutil.copytree(runs / "stopped", runs / "nameless")
        shutil.copytree(runs / "stopped", runs / "torn")
        snapshot_path(runs / "torn", 3).unlink()
        (runs / "nameless" / "config.json").write_text("{")
        bigram = make_network(BigramConfig(vocab_size=5))
        (runs / "table").mkdir()
        (runs / "table" / "config.json").write_bytes(
            config_json(bigram.config, CharTokenizer("\nabcd"), {"recipe": {"steps": 5}, "precision": "float32"})
        )
        save_tensors(snapshot_path(runs / "table", 5), bigram.state_dict(), {"step": 5})
        save_weights(
            weights / "shakespeare",
            make_network(GPTConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5)),
            CharTokenizer("\nabcd"),
            {},
        )
        catalogue = Catalogue(weights, runs)
        engine = Engine(load_weights(weights / "shakespeare"), catalogue)
        with serving_routes(engine, catalogue, runs) as url:
            yield App(url, folder, engine)
        torch.set_num_threads(threads)


def test_runs_with_snapshots_are_listed_shipped_ones_first(app: App) -> None:
    runs = app.runs()
    assert next(iter(runs)) == "quick"
    assert {*runs} == {"quick", "stopped", "damaged", "nameless", "table", "torn"}
    quick, stopped = runs["quick"], runs["stopped"]
    assert {name: quick[name] for name in ("source", "name", "state", "trouble", "kind", "n_layer", "n_head", "block_size", "steps")} == {
        "source": "shipped",
        "name": "quick",
        "state": "finished",
        "trouble": "",
        "kind": "gpt",
        "n_layer": 1,
        "n_head": 2,
        "block_size": 16,
        "steps": 20,
    }
    assert (quick["train_chars"], quick["dropout"], quick["corpus"], quick["vocabulary"][0]) == (0, 0.1, "Verona", "\n")
    assert [snapshot["step"] for snapshot in quick["snapshots"]] == STEPS
    assert [snapshot["val_loss"] is not None for snapshot in quick["snapshots"]] == [True, False, False, True, True, True]
    lines = Run(app.folder / "weights" / "runs" / "quick").metrics()
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert [snapshot["loss"] for snapshot in quick["snapshots"]] == [losses[max(1, step)] for step in STEPS]
    averages = {line["step"]: line.get("val_loss_average", line["val_loss"]) for line in lines if "val_loss" in line}
    assert quick["snapshots"][-1]["val_loss"] == averages[20]
    assert quick["best_step"] == min((loss, step) for step, loss in averages.items())[1]
    assert (stopped["source"], stopped["train_chars"]) == ("run", 500)
    assert "\u00e9" in stopped["vocabulary"]
    assert [snapshot["step"] for snapshot in stopped["snapshots"]] == [0, 1, 3, 5, 10]


def test_snapshots_are_models_for_other_routes_and_not_in_the_list_of_models(app: App) -> None:
    (_, (models,)) = app.ask("/models")
    listed = {model["key"] for model in models["models"]}
    for run in ("quick", "stopped"):
        snapshot = app.runs()[run]["snapshots"][-1]
        key = snapshot["key"]
        assert key not in listed
        (status, (model,)) = app.ask(f"/models/{key}")
        assert (status, model["source"], model["name"]) == (200, "snapshot", f"{run}, step {snapshot['step']}")
        status, lines = app.ask("/write", {"model": key, "prompt": "the ", "length": 5, "seed": 1})
        assert (status, lines[0]["model"], lines[-1]["state"]) == (200, key, "done")
        assert app.ask("/next", {"model": key, "prompt": "the "})[1][0]["model"] == key
        assert app.ask("/attention", {"model": key, "text": TEXT})[1][0]["n_head"] == 2


def test_the_heads_of_every_snapshot_are_those_of_its_weights(app: App) -> None:
    status, (first, *lines, last) = app.ask("/learning/heads", {"source": "shipped", "run": "quick", "text": TEXT})
    assert (status, last) == (200, {"state": "done"})
    assert (first["text"], first["from"], first["total"], first["notice"]) == (TEXT[-16:], len(TEXT) - 16, len(TEXT), "")
    assert [line["step"] for line in lines] == STEPS
    assert [line["key"] for line in lines] == [snapshot["key"] for snapshot in app.runs()["quick"]["snapshots"]]
    folder = app.folder / "weights" / "runs" / "quick"
    for line in lines:
        weights = load_weights(folder, snapshot=snapshot_path(folder, line["step"]))
        reading = read(weights.model, weights.tokenizer.encode(first["text"]), first["text"])
        assert first["uniform"] == reading.uniform
        ((ours, theirs),) = zip(line["stats"], reading.stats, strict=True)
        for head, expected in zip(ours, theirs, strict=True):
            assert {name: head[name] for name in MEASURES} == pytest.approx({name: expected[name] for name in MEASURES}, abs=0.02)
    assert lines[0]["stats"] != lines[-1]["stats"]


def test_a_text_is_read_once_for_all_who_ask(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(snapshots_module, "read", lambda *args: (calls.append(args[2]), read(*args))[1])
    asked = {"source": "run", "run": "stopped", "text": "my lord, the "}
    answers = [app.ask("/learning/heads", asked) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert calls == ["my lord, the "] * 5


def test_closing_the_connection_stops_the_reading(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, left, released, calls, leave = threading.Event(), threading.Event(), threading.Event(), list[str](), Ticket.leave

    def slow(model: Network, ids: Sequence[int], text: str) -> Reading:
        calls.append(text)
        begun.set()
        assert released.wait(PATIENCE_S)
        return read(model, ids, text)

    monkeypatch.setattr(snapshots_module, "read", slow)
    monkeypatch.setattr(Ticket, "leave", lambda ticket: (leave(ticket), left.set()))
    body = json.dumps({"source": "shipped", "run": "quick", "text": "thou art"})
    connection = http.client.HTTPConnection(*host_and_port(app.url), timeout=PATIENCE_S)
    connection.request("POST", "/learning/heads", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert json.loads(response.readline())["text"] == "thou art"
    assert begun.wait(PATIENCE_S)
    assert connection.sock
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    assert left.wait(PATIENCE_S)
    released.set()
    app.engine.run(lambda _: None).result(PATIENCE_S)  # whatever was queued before it is done
    assert calls == ["thou art"]


@pytest.mark.parametrize(
    ("text", "read_as", "notice"), [("", "\n", "read as a newline"), ("k", "", "There is no text"), ("a" * 9_000, "a" * 16, "")]
)
def test_texts_of_any_length_are_read(app: App, text: str, read_as: str, notice: str) -> None:
    status, lines = app.ask("/learning/heads", {"source": "run", "run": "stopped", "text": text})
    first = lines[0]
    if not read_as:
        assert (status, len(lines)) == (400, 1)
        assert notice in first["error"]
        return
    assert (status, first["text"]) == (200, read_as)
    assert notice in first["notice"]
    assert (len(lines), lines[-1]) == (7, {"state": "done"})


def test_damaged_snapshots_are_named_and_skipped(app: App) -> None:
    snapshots = app.runs()["damaged"]["snapshots"]
    assert [bool(snapshot["trouble"]) for snapshot in snapshots] == [True, False, False, False, False]
    assert (snapshots[0]["key"], snapshots[0]["trouble"].split(":")[0]) == (
        "",
        "runs/damaged/snapshots/0.safetensors is damaged or not a safetensors file",
    )
    _, (_, *lines, last) = app.ask("/learning/heads", {"source": "run", "run": "damaged", "text": TEXT})
    assert ["stats" in line for line in lines] == [False, True, False, True, True]
    assert last == {"state": "done"}
    assert "has values that are not finite" in lines[2]["trouble"]
    assert not any(str(app.folder) in json.dumps(line) for line in [*lines, *snapshots])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_snapshot_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "300.safetensors")
    with pytest.raises(CheckpointError, match="is not a file"):
        hash_file(tmp_path / "300.safetensors")


def test_a_snapshot_that_is_missing_is_named(app: App) -> None:
    snapshots = {snapshot["step"]: snapshot for snapshot in app.runs()["torn"]["snapshots"]}
    assert [*snapshots] == [0, 1, 3, 5, 10]
    assert (snapshots[3]["key"], snapshots[3]["trouble"]) == ("", "runs/torn/snapshots/3.safetensors is missing.")
    assert {step for step, snapshot in snapshots.items() if snapshot["trouble"]} == {3}


def test_a_server_that_is_busy_ends_the_reading_with_the_reason(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> Future[Any]:
        raise BusyError("Too much work is waiting.")

    asked = {"source": "shipped", "run": "quick", "text": "busy"}
    monkeypatch.setattr(app.engine, "run", busy)
    status, (first, last) = app.ask("/learning/heads", asked)
    assert (status, first["text"], last) == (200, "busy", {"state": "failed", "error": "Too much work is waiting."})
    monkeypatch.undo()
    assert app.ask("/learning/heads", asked)[1][-1] == {"state": "done"}


def test_a_run_whose_config_is_damaged_is_listed_with_the_reason(app: App) -> None:
    run = app.runs()["nameless"]
    assert (run["state"], run["n_params"], run["vocabulary"]) == ("damaged", None, [])
    assert run["trouble"].startswith("config.json is not a valid config.json")
    assert {snapshot["key"] for snapshot in run["snapshots"]} == {""}
    (status, (content,)) = app.ask("/learning/heads", {"source": "run", "run": "nameless", "text": TEXT})
    assert status == 400
    assert content["error"].startswith("runs/nameless/config.json is not a valid config.json")


def test_a_network_without_heads_is_refused(app: App) -> None:
    (status, (content,)) = app.ask("/learning/heads", {"source": "run", "run": "table", "text": "abc"})
    assert status == 400
    assert "heads" in content["error"]
    assert app.runs()["table"]["n_head"] is None


def test_a_run_without_snapshots_is_refused_with_the_reason(app: App) -> None:
    assert app.ask("/learning/heads", {"source": "run", "run": "without", "text": TEXT}) == (400, [{"error": NO_SNAPSHOTS}])
    assert app.ask("/learning/runs/run/without/curve")[0] == 200


@pytest.mark.parametrize(
    ("source", "run"), [("shipped", "stopped"), ("run", "quick"), ("run", "nowhere"), ("elsewhere", "quick"), ("run", "..")]
)
def test_a_run_that_does_not_exist_is_unknown(app: App, source: str, run: str) -> None:
    assert app.ask("/learning/heads", {"source": source, "run": run, "text": TEXT}) == (404, [{"error": NO_SUCH_RUN}])
    if run != "..":
        assert app.ask(f"/learning/runs/{source}/{run}/curve") == (404, [{"error": NO_SUCH_RUN}])


def test_a_run_must_be_named(app: App) -> None:
    (status, (content,)) = app.ask("/learning/heads", {"source": "run", "run": 3})
    assert (status, content["error"]) == (400, "Name a run by its source and its id, as texts.")


def test_a_curve_has_the_numbers_of_the_run(app: App) -> None:
    (status, (curve,)) = app.ask("/learning/runs/shipped/quick/curve")
    run = Run(app.folder / "weights" / "runs" / "quick")
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    assert status == 200
    assert curve["steps"] == {"step": [*range(1, 21)], "loss": losses}
    kept = [line.get("val_loss_average", line["val_loss"]) for line in run.metrics() if "val_loss" in line]
    assert curve["evaluations"] == {"step": [0, 5, 10, 15, 20], "val_loss": kept}  # of the weights that the snapshots hold
    assert curve["best_step"] == min(zip(kept, [0, 5, 10, 15, 20], strict=True))[1] == app.runs()["quick"]["best_step"]
    assert curve["samples"] == run.samples()


def test_a_long_curve_is_thinned(app: App) -> None:
    (status, (curve,)) = app.ask("/learning/runs/run/long/curve")
    assert status == 404
    folder = app.folder / "runs" / "long"
    shutil.copytree(app.folder / "runs" / "without", folder)
    lines = [{"step": step, "loss": float(step)} for step in range(1, 2_003)]
    lines += [{"step": step, "val_loss": abs(step - 1_234.0) + 1} for step in range(2_003)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (status, (curve,)) = app.ask("/learning/runs/run/long/curve")
    steps, losses = curve["steps"]["step"], curve["steps"]["loss"]
    assert status == 200
    assert len(steps) <= CURVE_POINTS
    assert len(curve["evaluations"]["step"]) <= CURVE_POINTS + 2
    assert {1_234, 2_002} < {*curve["evaluations"]["step"]}
    assert curve["best_step"] == 1_234
    assert steps[-1] == 2_002
    assert losses[-1] == sum(range(1_998, 2_003)) / 5
    assert sum(loss * (step - before) for loss, step, before in zip(losses, steps, [0, *steps], strict=False)) == sum(range(2_003))
    shutil.rmtree(folder)


def test_what_ships_is_whole() -> None:
    shipped = Catalogue(SHIPPED_WEIGHTS.parent)
    folders = shipped.shipped_runs()
    assert [folder.name for folder in folders] == ["overfit", "overfit-dropout", "quick"]
    for folder in folders:
        for entry in shipped.snapshots("shipped", folder.name).values():
            assert not entry.trouble
            assert shipped.load(entry.key).model.n_params() < 1_000_000
    assert len(shipped.snapshots("shipped", "quick")) >= 10
    sizes = {folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) for folder in folders}
    assert sizes["quick"] <= 16 * 2**20
    assert max(sizes["overfit"], sizes["overfit-dropout"]) <= 3.5 * 2**20


def test_a_previous_character_head_forms_in_the_shipped_run() -> None:
    shipped = Catalogue(SHIPPED_WEIGHTS.parent)
    snapshots = shipped.snapshots("shipped", "quick")
    text, shares = "First Citizen:\nBefore we proceed any further, hear me speak.\n", []
    for entry in (snapshots[0], snapshots[max(snapshots)]):
        weights = shipped.load(entry.key)
        reading = read(weights.model, weights.tokenizer.encode(text), text)
        shares.append(max(float(head["previous"] or 0) for layer in reading.stats for head in layer))
    assert shares[0] < 0.1
    assert shares[1] > 0.6
