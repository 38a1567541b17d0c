"""The engine with several models: loaded when asked for, written with at once, dropped when idle, and fair to each other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from model import precision
from model.catalogue import SHIPPED, Catalogue
from model.config import BigramConfig
from model.errors import BusyError, CheckpointError, UnknownModelError
from model.limits import MAX_LOADED_MODELS, MAX_ROWS, MAX_SNAPSHOT_ROWS, MAX_STEP_ROWS, MAX_VIEWER_ROWS, MAX_VIEWER_WAITING
from model.network.gpt import GPT
from model.network.kinds import make_network
from model.serving import engine as engine_module
from model.serving.decoder import KEPT_PROMPTS
from model.serving.engine import Engine
from model.serving.request import DONE, Request
from model.tokenizer import CharTokenizer
from model.weights import Weights, config_json, save_tensors, save_weights, snapshot_path
from tests.support.serving import PATIENCE_S, assert_as_the_plain_forward_writes, finished, params

LETTERS = CharTokenizer("\nabcd")


@pytest.fixture(autouse=True)
def home(cache_home: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The choices of precision are this test's own: float32, whose logits are those of the plain forward pass, however busy the machine."""
    monkeypatch.setattr(precision, "_measure_writing", lambda model: torch.float32)
    return cache_home


@pytest.fixture
def folder(tmp_path: Path, make_model: Callable[..., GPT]) -> Path:
    """A GPT of five characters and a bigram of the same."""
    save_weights(tmp_path / "small", make_model(seed=3, vocab_size=5), LETTERS, {})
    save_weights(tmp_path / "ladder" / "bigram", make_network(BigramConfig(vocab_size=5), torch.Generator().manual_seed(1)), LETTERS, {})
    return tmp_path


@pytest.fixture
def engine(tiny: Weights, folder: Path) -> Iterator[Engine]:
    engine = Engine(tiny, Catalogue(folder))
    yield engine
    engine.close()


def keys(folder: Path) -> dict[str, str]:
    """id -> key"""
    return {entry.id: entry.key for entry in Catalogue(folder).entries()}


def test_models_are_loaded_when_they_are_asked_for(engine: Engine, folder: Path) -> None:
    key = keys(folder)["small"]
    assert engine.loaded(key) is None
    with pytest.raises(UnknownModelError):
        engine.submit("ab", params(), model=key)
    weights = engine.load(key)
    assert engine.loaded(key) is engine.load(key) is weights
    assert engine.run(lambda weights: weights.name, weights).result(PATIENCE_S) == "small"
    assert engine.run(lambda weights: weights.name).result(PATIENCE_S) == "tiny"
    assert engine.load(None) is engine.weights


def test_two_vocabularies_are_written_at_once_each_as_alone(engine: Engine, folder: Path, tiny: Weights) -> None:
    for key in (found := keys(folder)).values():
        engine.load(key)
    asked = [None, found["small"], found["ladder/bigram"]]
    requests = [engine.submit("abc", params(samples=3, max_new_chars=60, top_k=50), str(n), model=key) for n, key in enumerate(asked * 4)]
    for request in requests:
        assert finished(request).state == DONE
        weights = engine.load(None if request.model == tiny.key else request.model)
        assert request.model == weights.key
        assert request.params.top_k == min(50, weights.model.config.vocab_size)
        assert {*"".join(request.progress().texts)} <= {*weights.tokenizer.vocabulary}
        assert_as_the_plain_forward_writes(request, weights)
    assert requests[1].progress().texts == requests[4].progress().texts  # the same seed


@pytest.mark.parametrize("prompt", ["", "a", "abcd" * 10])
def test_a_network_without_a_cache_writes_on_past_its_block(engine: Engine, folder: Path, prompt: str) -> None:
    weights = engine.load(keys(folder)["ladder/bigram"])
    request = engine.submit(prompt, params(samples=16, max_new_chars=50), model=weights.key)
    assert finished(request).state == DONE
    assert_as_the_plain_forward_writes(request, weights)


def test_the_same_dice_do_not_depend_on_which_model_is_the_default(engine: Engine, folder: Path) -> None:
    small = engine.load(keys(folder)["small"])
    before = finished(engine.submit("abc", params(), model=small.key)).texts
    engine.use(small.key)
    assert engine.default_key == small.key
    assert finished(engine.submit("abc", params())).texts == before


def test_a_change_of_the_default_under_load_loses_nothing(engine: Engine, folder: Path, tiny: Weights) -> None:
    found, requests = [tiny.key, *keys(folder).values()], list[Request]()
    swapping = threading.Thread(target=lambda: [engine.use(found[n % 3]) for n in range(30)])
    swapping.start()
    while swapping.is_alive() or len(requests) < 40:
        requests.append(engine.submit("abc", params(max_new_chars=5), f"viewer {len(requests)}"))
        if len(requests) % 20 == 0:
            finished(requests[-1])
    swapping.join(PATIENCE_S)
    for request in requests:
        assert finished(request).state == DONE
        assert len(request.progress().texts[0]) == 5


def test_texts_of_two_models_grow_alike(engine: Engine, folder: Path) -> None:
    small = engine.load(keys(folder)["small"])
    crowd = [engine.submit("abc", params(samples=16, max_new_chars=1_000), str(n)) for n in range(9)]  # more rows than a round writes
    alone = engine.submit("abc", params(max_new_chars=60), "alone", model=small.key)
    finished(alone)
    written = [len(text) for request in crowd for text in request.progress().texts]
    for request in crowd:
        request.cancel()
    assert 30 < sum(written) / len(written) < 120


def many_models(folder: Path, make_model: Callable[..., GPT], number: int) -> list[str]:
    """Keys of small models that are alike."""
    for seed in range(number):
        save_weights(folder / f"{seed:02d}", make_model(seed=seed, vocab_size=5), LETTERS, {})
    return [*keys(folder).values()]


def test_the_least_recently_used_idle_model_is_dropped_first(
    tiny: Weights, tmp_path: Path, make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_LOADED_MODELS", 8)
    found = many_models(tmp_path, make_model, 16)
    engine = Engine(tiny, Catalogue(tmp_path))
    for number, key in enumerate(found):
        engine.load(key)
        engine.load(found[0])  # used again and again: it stays
        assert sum(engine.loaded(other) is not None for other in [None, *found]) == min(number + 2, 8)
    assert engine.loaded() is tiny  # the default stays
    assert [number for number, key in enumerate(found) if engine.loaded(key)] == [0, *range(10, 16)]
    assert finished(engine.submit("ab", params(), model=found[-1])).state == DONE
    engine.close()


def test_as_many_models_stay_as_fit_into_the_memory_set_aside(
    tiny: Weights, tmp_path: Path, make_model: Callable[..., GPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = many_models(tmp_path, make_model, 6)
    engine = Engine(tiny, Catalogue(tmp_path))
    engine.load(found[0])
    each = engine._held_bytes()
    writer = engine._writers[found[0]]
    n_params = writer.weights.model.n_params()
    assert each == 4 * n_params + (MAX_STEP_ROWS + KEPT_PROMPTS) * writer.weights.model.cache_bytes_per_seat()
    monkeypatch.setattr(engine, "_others_bytes", 3 * each + 1)
    monkeypatch.setattr(engine_module, "CACHE_SHARES", 1)
    for key in found:
        engine.load(key)
    assert [number for number, key in enumerate(found) if engine.loaded(key)] == [3, 4, 5]
    assert engine._held_bytes() <= 3 * each + 1
    monkeypatch.setattr(engine, "_others_bytes", 1)  # as on a machine with very little memory: one model still works
    engine.load(found[0])
    assert [number for number, key in enumerate(found) if engine.loaded(key)] == [0]
    assert finished(engine.submit("ab", params(), model=found[0])).state == DONE
    busy = engine.submit("abc", params(samples=4, max_new_chars=2_000), model=found[0])
    with pytest.raises(BusyError, match=r"^The models in use take all the memory that is set aside for them\. Try again"):
        engine.load(found[1])
    busy.cancel()
    finished(busy)
    monkeypatch.setattr(engine, "_others_bytes", 0)
    assert engine.load(found[1]).key == found[1]  # nothing is in use: one model always works
    engine.close()


def test_a_whole_runs_snapshots_stay_loaded_and_have_one_measured_precision(
    engine: Engine, folder: Path, home: Path, make_model: Callable[..., GPT]
) -> None:
    run = folder / "runs" / "quick"
    for step in range(16):
        network = make_model(seed=step, vocab_size=5)
        save_tensors(snapshot_path(run, step), {name: tensor.half() for name, tensor in network.state_dict().items()}, {"step": step})
    (run / "config.json").write_bytes(config_json(network.config, LETTERS, {}))
    found = [entry.key for entry in Catalogue(folder).snapshots(SHIPPED, "quick").values()]
    requests = [engine.submit("abc", params(max_new_chars=5), model=engine.load(key).key) for key in found]
    assert {finished(request).state for request in requests} == {DONE}
    assert all(engine.loaded(key) for key in found)
    assert {engine._writers[key].seats for key in found} == {MAX_SNAPSHOT_ROWS}
    assert len(json.loads((home / "precision.json").read_text(encoding="utf-8"))) == 1


def test_models_that_write_are_not_dropped(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = keys(folder)
    monkeypatch.setattr(engine_module, "MAX_LOADED_MODELS", 2)
    engine.load(found["small"])
    request = engine.submit("abc", params(samples=4, max_new_chars=2_000), model=found["small"])
    with pytest.raises(BusyError, match=r"models are in use, which is the maximum\. Try again"):
        engine.load(found["ladder/bigram"])
    request.cancel()
    finished(request)
    assert engine.load(found["ladder/bigram"]).name == "bigram"
    assert engine.loaded(found["small"]) is None


def test_without_memory_a_model_is_refused_and_the_rest_goes_on(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keys(folder)["small"]
    monkeypatch.setattr(engine_module, "free_bytes", lambda _: 1_000)
    with pytest.raises(BusyError, match=r"This model needs about .* GiB of memory, but only 0\.0 GiB is free"):
        engine.load(key)
    monkeypatch.undo()

    def no_memory(_: Catalogue, __: str) -> Weights:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(Catalogue, "load", no_memory)
    with pytest.raises(BusyError, match=r"There is not enough memory"):
        engine.load(key)
    monkeypatch.undo()
    assert finished(engine.submit("abc", params())).state == DONE
    assert engine.load(key).name == "small"


def test_damaged_and_unknown_models_are_refused_and_the_rest_goes_on(engine: Engine, folder: Path) -> None:
    (folder / "small" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"small/model\.safetensors is damaged"):
        engine.load(keys(folder)["small"])
    with pytest.raises(UnknownModelError):
        engine.use("deadbeef")
    assert engine.default_key == engine.weights.key
    assert finished(engine.submit("abc", params())).state == DONE


def test_a_former_default_gives_its_large_cache_back(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch, tiny: Weights) -> None:
    monkeypatch.setattr(engine, "_cache_bytes", MAX_ROWS * tiny.model.cache_bytes_per_seat())
    for key in [*keys(folder).values(), tiny.key, *keys(folder).values(), tiny.key]:
        engine.use(key)
    assert engine._writers[tiny.key].seats == MAX_ROWS
    assert engine._writers[keys(folder)["small"]].seats == MAX_STEP_ROWS
    assert finished(engine.submit("a", params())).state == DONE


def test_a_damaged_model_drops_no_other(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = keys(folder)
    monkeypatch.setattr(engine_module, "MAX_LOADED_MODELS", 2)
    engine.load(found["ladder/bigram"])
    (folder / "small" / "config.json").write_text("{")
    with pytest.raises(CheckpointError):
        engine.load(found["small"])
    assert engine.loaded(found["ladder/bigram"])


def test_everyone_who_asks_for_a_model_waits_for_one_load(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, opened, load = [], threading.Event(), Catalogue.load

    def slow(catalogue: Catalogue, key: str) -> Weights:
        loaded.append(key)
        assert opened.wait(PATIENCE_S)
        return load(catalogue, key)

    monkeypatch.setattr(Catalogue, "load", slow)
    key = keys(folder)["small"]
    futures = [engine.load_later(engine.find_model(key)) for _ in range(MAX_LOADED_MODELS)]
    with pytest.raises(BusyError, match="models are being loaded already"):
        engine.load_later(engine.find_model(key))
    assert finished(engine.submit("abc", params())).state == DONE  # meanwhile
    opened.set()
    assert {future.result(PATIENCE_S).key for future in futures} == {key}
    assert loaded == [key]


def test_one_viewer_does_not_wait_more_often_for_asking_several_models(engine: Engine, folder: Path) -> None:
    asked = [None, engine.load(keys(folder)["small"]).key]
    accepted = list[Request]()
    with pytest.raises(BusyError, match=r"of your requests are already waiting"):  # noqa: PT012
        for number in range(200):
            accepted.append(engine.submit("abc", params(samples=16, max_new_chars=2_000), "many", model=asked[number % 2]))
    at_once = len(asked) * MAX_VIEWER_ROWS // 16
    assert len(accepted) <= at_once + MAX_VIEWER_WAITING
    engine.stop()
