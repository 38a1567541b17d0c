"""Models from the Hub, against a Hub on localhost: fetched, kept, offline, resumed, and refused."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from model.__main__ import main
from model.config import LoRAConfig
from model.errors import CheckpointError, HubError, ParameterError
from model.formats import transformers
from model.hub import download
from model.hub.address import HubAddress, read_address
from model.hub.download import fetch
from model.network.gpt import GPT
from model.network.lora import with_adapters
from model.tokenizer import CharTokenizer
from model.weights import Adapter, Weights, load_weights, save_weights
from tests.conftest import VOCABULARY
from tests.support.fake_hub import FakeHub, Fault
from tests.support.server import running_app
from tests.support.viewing import answer

TINY = HubAddress("ada/tiny")
Files = dict[str, bytes]


def content(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(tmp_path: Path, make_model: Callable[..., GPT]) -> Files:
    """A small model's files."""
    save_weights(tmp_path / "tiny", make_model(), CharTokenizer(VOCABULARY), {"best": {"step": 3, "val_loss": 2.5}})
    return content(tmp_path / "tiny")


def fetched(hub: FakeHub) -> list[str]:
    """The files that were asked for."""
    return [line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /ada/tiny/resolve/")]


def config(files: Files, **changed: Any) -> Files:
    """The files with another config.json."""
    return files | {"config.json": json.dumps(json.loads(files["config.json"]) | changed).encode()}


# What is named.


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("hub:ada/tiny", TINY),
        (" ada/tiny ", TINY),
        ("hub:ada/tiny@v2.1", HubAddress("ada/tiny", "v2.1")),
        ("ada/tiny@refs/pr/1", HubAddress("ada/tiny", "refs/pr/1")),
        ("https://huggingface.co/ada/tiny", TINY),
        ("https://huggingface.co/ada/tiny/tree/v2", HubAddress("ada/tiny", "v2")),
        ("https://huggingface.co/ada/tiny/blob/v2/config.json", HubAddress("ada/tiny", "v2")),
    ],
)
def test_a_name_is_read_as_it_is_typed_or_pasted(typed: str, address: HubAddress) -> None:
    assert read_address(typed) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "typed",
    ["", "hub:", "tiny", "ada/", "ada/tiny/more", "../tiny", "ada/..", "ada/tiny@../x", "ada/tiny@-x", "a\0/b", "x" * 500, None, {}],
)
def test_what_is_no_name_is_said(typed: object) -> None:
    with pytest.raises(ParameterError, match=r"USER/NAME|is not a branch, a tag or a commit"):
        read_address(typed)


# Fetched and kept.


def test_a_model_is_fetched_once_and_is_the_same(hub: FakeHub, files: Files, cache_home: Path) -> None:
    repo = hub.put("model", "ada/tiny", files | {"README.md": b"# Tiny", "big/data.bin": b"x", "heads.json": b"{}", "train.py": b"evil()"})
    seen: list[tuple[int, int]] = []
    model = fetch(TINY, lambda *progress: seen.append(progress))
    assert (model.commit, model.name, model.notice) == (repo.sha, f"ada/tiny@{repo.sha[:7]}", "")
    assert model.folder == cache_home / "hub" / "ada" / f"tiny@{repo.sha}"
    assert content(model.folder) == files | {"heads.json": b"{}"}
    assert set(fetched(hub)) == {"config.json", "heads.json", "model.safetensors"}
    assert seen[-1] == (len(files["model.safetensors"]),) * 2
    hub.asked.clear()
    assert fetch(TINY).folder == model.folder
    assert fetched(hub) == []
    assert {path.name for path in model.folder.parent.iterdir()} == {model.folder.name, "tiny.json", "tiny.lock"}


def test_a_revision_is_a_commit_and_a_new_commit_is_another_model(hub: FakeHub, files: Files) -> None:
    first = hub.put("model", "ada/tiny", files).sha
    old = fetch(TINY)
    second = hub.put("model", "ada/tiny", config(files, about={})).sha
    assert fetch(HubAddress("ada/tiny", first)).folder == old.folder
    new = fetch(TINY)
    assert (old.commit, new.commit) == (first, second)
    assert load_weights(new.folder).about == {}
    with pytest.raises(HubError, match="has no such revision"):
        fetch(HubAddress("ada/tiny", "v9"))


@pytest.mark.parametrize("how", ["offline", "gone", "down"])
def test_what_is_kept_works_without_the_hub(hub: FakeHub, files: Files, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    kept = fetch(HubAddress("ada/tiny", hub.put("model", "ada/tiny", files).sha)), fetch(TINY)
    if how == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    elif how == "gone":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    else:
        hub.faults.append(Fault("/api/models", status=503, times=1_000))
    hub.asked.clear()
    assert fetch(HubAddress("ada/tiny", kept[0].commit)) == kept[0]
    assert hub.asked == []
    again = fetch(TINY)
    assert again.folder == kept[1].folder
    assert again.notice.endswith(f"This is the copy of commit {kept[1].commit[:7]}.")
    with pytest.raises(HubError, match="while looking for hub:ada/other"):
        fetch(HubAddress("ada/other"))


def test_what_is_private_by_now_is_not_taken_from_the_cache(hub: FakeHub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = hub.put("model", "ada/tiny", files)
    fetch(TINY)
    repo.private = True
    hub.add_account("bob", token="hf_bob")
    monkeypatch.setenv("HF_TOKEN", "hf_bob")
    with pytest.raises(HubError, match="there is no such repository, or it is private"):
        fetch(TINY)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    assert fetch(TINY).notice == ""


def test_an_interrupted_download_leaves_nothing_behind_and_can_be_made_again(hub: FakeHub, files: Files, cache_home: Path) -> None:
    hub.put("model", "ada/tiny", files)

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        fetch(TINY, stop)
    assert [path.name for path in cache_home.rglob("*") if path.is_file()] == ["tiny.lock"]
    hub.faults.append(Fault("GET /ada/tiny/resolve", status=404))
    with pytest.raises(HubError, match=r"The Hub refused while fetching config\.json of ada/tiny@"):
        fetch(TINY)
    assert content(fetch(TINY).folder) == files


def test_a_connection_that_breaks_is_taken_up_again(hub: FakeHub, files: Files) -> None:
    hub.put("model", "ada/tiny", files)
    hub.faults.append(Fault("GET /ada/tiny/resolve", cut=True, after=40))
    assert content(fetch(TINY).folder) == files


def test_a_gpt2_of_transformers_becomes_a_model(hub: FakeHub, tiny: Weights, tmp_path: Path) -> None:
    transformers.write(tiny, tmp_path / "gpt2")
    hub.put("model", "ada/tiny", content(tmp_path / "gpt2"))
    model = fetch(TINY)
    found = load_weights(model.folder)
    assert found.about == {"imported_from": f"hub:ada/tiny@{model.commit}"}
    assert found.tokenizer.vocabulary == tiny.tokenizer.vocabulary
    for name, tensor in tiny.model.state_dict().items():
        assert found.model.state_dict()[name].equal(tensor), name
    assert {path.name for path in model.folder.iterdir()} == {"config.json", "model.safetensors"}


def test_adapters_find_a_base_that_was_fetched_before(hub: FakeHub, files: Files, tmp_path: Path) -> None:
    base = load_weights(tmp_path / "tiny")
    adapter = Adapter(LoRAConfig(rank=2), base.origin)
    network = with_adapters(base.model, base.model.config, adapter.shape, torch.Generator())
    save_weights(tmp_path / "tuned", network, base.tokenizer, adapter.about())
    hub.put("model", "ada/tuned", content(tmp_path / "tuned"))
    tuned = HubAddress("ada/tuned")
    with pytest.raises(CheckpointError, match=r"fine-tuned from, tiny .*Put its folder there"):
        fetch(tuned)
    hub.put("model", "ada/base", files)
    fetch(HubAddress("ada/base"))
    assert load_weights(fetch(tuned).folder).adapter == adapter


# The command line.


def test_commands_take_a_model_of_the_hub(hub: FakeHub, files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo = hub.put("model", "ada/tiny", files)
    assert main(["sample", "--weights", "hub:ada/tiny", "--prompt", "R", "--length", "3", "--seed", "1", "--device", "cpu"]) == 0
    told = capsys.readouterr()
    assert f"hub:ada/tiny is commit {repo.sha}." in told.err
    assert len(told.out) == len("R") + 3 + 1
    assert main(["import", "hub:ada/tiny", str(tmp_path / "theirs")]) == 0
    assert content(tmp_path / "theirs")["model.safetensors"] == files["model.safetensors"]
    assert main(["export", "hub:ada/tiny@main", str(tmp_path / "nano"), "--format", "nanogpt"]) == 0
    capsys.readouterr()
    assert main(["eval", "--weights", "hub:ada/none"]) == 2
    assert "error: The Hub refused while looking for hub:ada/none: there is no such repository" in capsys.readouterr().err
    assert main(["sample", "--weights", "hub:tiny"]) == 2
    assert "'tiny' is not the name of a repository" in capsys.readouterr().err


@pytest.mark.slow
def test_the_app_starts_with_a_model_of_the_hub_and_again_offline(hub: FakeHub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ada/tiny@{hub.put('model', 'ada/tiny', files).sha[:7]}"
    for offline in ("0", "1"):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        hub.asked.clear()
        with running_app("--device", "cpu", "--weights", "hub:ada/tiny") as url:
            (default, *_) = answer(url, "GET", "/models")[1]["models"]
            assert (default["name"], default["id"], default["source"]) == (name, f"hub:{name}", "hub")
            assert answer(url, "POST", "/next", b'{"prompt": "R"}', Content_Type="application/json")[0] == 200
        assert bool(hub.asked) is (offline == "0")


# Hostile repositories.


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def header(n_bytes: int, tensors: object) -> bytes:
    """The beginning of a safetensors file that claims a header of this size."""
    return n_bytes.to_bytes(8, "little") + json.dumps(tensors).encode()


HUGE = {"transformer.wte.weight": {"dtype": "F32", "shape": [65, 2**24], "data_offsets": [0, 65 * 2**26]}}
NETWORK = {"block_size": 16, "vocab_size": len(VOCABULARY), "n_layer": 2, "n_head": 2, "n_embd": 32}
HOSTILE: dict[str, tuple[Callable[[Files], Files], str]] = {
    "no-config": (lambda files: {"model.safetensors": b"x"}, r"has no config\.json"),
    "no-weights": (lambda files: {"config.json": files["config.json"]}, r"has no model\.safetensors\.$"),
    "up": (lambda files: files | {"../../.bashrc": b"x"}, r"a file whose name leads out of its folder: '\.\./\.\./\.bashrc'"),
    "absolute": (lambda files: files | {"/etc/passwd": b"x"}, r"leads out of its folder: '/etc/passwd'"),
    "windows": (lambda files: files | {"..\\x": b"x"}, "leads out of its folder"),
    "drive": (lambda files: files | {"C:x": b"x"}, "leads out of its folder"),
    "control-name": (lambda files: files | {"a\x1b[2Jb": b"x"}, r"leads out of its folder: 'a\[2Jb'"),
    "layers": (lambda files: config(files, network=NETWORK | {"n_layer": 10**6}), r"n_layer must be between 1 and 64, not 1000000"),
    "channels": (lambda files: config(files, network=NETWORK | {"n_embd": 10**9}), r"n_embd must be between 1 and 4,096"),
    "wider": (lambda files: config(files, network=NETWORK | {"n_embd": 64}), r"has shape .* but config\.json requires"),
    "header": (lambda files: files | {"model.safetensors": header(3 * 2**30, {})}, r"not a safetensors file.*header too large"),
    "tensor": (lambda files: files | {"model.safetensors": header(len(json.dumps(HUGE)), HUGE)}, r"not a safetensors file"),
    "many": (lambda files: files | {"model.safetensors": header(2**22 + 1, {})}, r"not a safetensors file.*header too large"),
    "empty": (lambda files: files | {"model.safetensors": b""}, r"model\.safetensors is damaged .* it is empty"),
    "cut": (lambda files: files | {"model.safetensors": files["model.safetensors"][:-100]}, r"not a safetensors file"),
    "link": (lambda files: files | {"config.json": b"../../../etc/passwd"}, r"config\.json is a symbolic link"),
    "linked-weights": (lambda files: files | {"model.safetensors": b"other.safetensors"}, r"model\.safetensors is a symbolic link"),
    "controls": (lambda files: config(files, vocabulary=f"\x1b\x07{VOCABULARY[2:]}"), r"2 control characters, such as u\+001b"),
    "override": (
        lambda files: config(files, vocabulary=f"\u202e{VOCABULARY[1:]}"),
        "such as right-to-left override",
    ),
    "surrogate": (lambda files: config(files, vocabulary=f"\ud800{VOCABULARY[1:]}"), r"not a valid config\.json"),
    "nested": (lambda files: files | {"config.json": b"[" * 100_000}, r"nested too deeply"),
    "large-config": (lambda files: files | {"config.json": b" " * (2**20 + 1)}, r"config\.json has 1,048,577 bytes; at most 1,048,576"),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_repository_is_refused_in_words(hub: FakeHub, files: Files, cache_home: Path, way: str) -> None:
    change, words = HOSTILE[way]
    repo = hub.put("model", "ada/tiny", change(files))
    with pytest.raises(CheckpointError, match=words) as refused:
        fetch(TINY)
    assert str(refused.value).startswith(f"ada/tiny@{repo.sha[:7]} cannot be used: ")
    assert str(cache_home) not in str(refused.value)
    assert str(refused.value).isprintable()
    assert not [path for path in cache_home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not (cache_home.parent / ".bashrc").exists()


def test_a_pickle_is_not_even_fetched(hub: FakeHub, files: Files, tmp_path: Path) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    hub.put("model", "ada/tiny", {"config.json": files["config.json"], "pytorch_model.bin": trap})
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors\. pytorch_model\.bin is a pickle, which is never loaded"):
        fetch(TINY)
    assert fetched(hub) == []
    hub.put("model", "ada/tiny", files | {"model.safetensors": trap})
    with pytest.raises(CheckpointError, match="it is a pickle"):
        fetch(TINY)
    assert not (tmp_path / "sprung").exists()
    hub.put("model", "ada/tiny", files | {"pytorch_model.bin": trap})
    assert "pytorch_model.bin" not in content(fetch(TINY).folder)


def test_weights_larger_than_the_network_are_not_fetched(hub: FakeHub, files: Files) -> None:
    repo = hub.put("model", "ada/tiny", files)
    repo.claims["model.safetensors"] = 3 * 2**30
    with pytest.raises(CheckpointError, match=r"model\.safetensors has 3,221,225,472 bytes; at most"):
        fetch(TINY)
    assert fetched(hub) == ["config.json"]


def test_no_more_is_taken_than_the_disk_has(hub: FakeHub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put("model", "ada/tiny", files)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 5, 5))  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="the disk has only 5 left"):
        fetch(TINY)


def test_commits_that_begin_alike_are_not_taken_for_one_another(hub: FakeHub, files: Files) -> None:
    """Whoever owns a repository can make two: of one of them everybody has seen what is in it."""
    repo = hub.put("model", "ada/tiny", files)
    alike = f"{repo.sha[:12]}{'0' * 28}"
    repo.commits.append((alike, config(files, about={})))
    assert fetch(TINY).commit == alike
    seen = fetch(HubAddress("ada/tiny", repo.commits[0][0]))
    assert seen.commit == repo.commits[0][0]
    assert content(seen.folder) == files


def test_half_a_surrogate_pair_is_no_character(hub: FakeHub, tiny: Weights, tmp_path: Path) -> None:
    transformers.write(tiny, tmp_path / "gpt2")
    gpt2 = content(tmp_path / "gpt2")
    tokenizer = {"model": {"vocab": {chr(0xD800 + i): i for i in range(len(tiny.tokenizer))}}}
    hub.put("model", "ada/tiny", gpt2 | {"tokenizer.json": json.dumps(tokenizer).encode()})
    with pytest.raises(CheckpointError, match="half a surrogate pair in its vocabulary"):
        fetch(TINY)


def test_words_that_are_no_characters_are_said(hub: FakeHub, tiny: Weights, tmp_path: Path) -> None:
    transformers.write(tiny, tmp_path / "gpt2")
    gpt2 = content(tmp_path / "gpt2")
    words = {"model": {"vocab": {"Hello": 0, "world": 1}}}
    hub.put("model", "ada/tiny", gpt2 | {"tokenizer.json": json.dumps(words).encode()})
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not a tokenizer with one token for each character"):
        fetch(TINY)
    about = json.loads(gpt2["config.json"]) | {"vocab_size": 50_257}
    hub.put("model", "ada/tiny", gpt2 | {"config.json": json.dumps(about).encode()})
    with pytest.raises(CheckpointError, match="vocab_size must be between 1 and 4,096, not 50257"):
        fetch(TINY)
    del gpt2["tokenizer.json"]
    hub.put("model", "ada/tiny", gpt2)
    with pytest.raises(CheckpointError, match=r"has no tokenizer\.json"):
        fetch(TINY)
    assert "model.safetensors" not in fetched(hub)


def test_values_that_are_not_finite_are_refused(hub: FakeHub, files: Files) -> None:
    tensors = safetensors.torch.load(files["model.safetensors"])
    tensors["transformer.ln_f.weight"] = torch.full_like(tensors["transformer.ln_f.weight"], torch.nan)
    hub.put("model", "ada/tiny", files | {"model.safetensors": safetensors.torch.save(tensors)})
    with pytest.raises(CheckpointError, match=r"transformer\.ln_f\.weight has values that are not finite"):
        fetch(TINY)
