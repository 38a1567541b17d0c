"""Models to the Hub, against a Hub on localhost that checks what the real one checks."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from model.__main__ import main
from model.config import LoRAConfig
from model.errors import HubError, ParameterError
from model.hub.address import HubAddress
from model.hub.card import SAMPLE, make_card
from model.hub.download import fetch
from model.hub.picture import loss_curve
from model.hub.push import AGAIN, push
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.weights import SHIPPED_WEIGHTS, Adapter, Origin, Weights, load_weights, save_tensors, save_weights
from tests.conftest import VOCABULARY
from tests.support.fake_hub import FakeHub, Fault


@pytest.fixture(autouse=True)
def quick_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards with a few characters of the model's text, and a picture that is not smoothed."""
    monkeypatch.setattr("model.hub.card.SAMPLE", replace(SAMPLE, max_new_chars=10))
    monkeypatch.setattr("model.hub.picture.SCALE", 1)


@pytest.fixture
def folder(tmp_path: Path, make_model: Callable[..., GPT]) -> Path:
    """A small model with a recipe and the curve of its training."""
    about = {
        "recipe": {"steps": 20, "optimizer": "muon"},
        "corpus": {"name": "a | <b>text</b>", "characters": 1_000, "sha256": "ab" * 32},
        "best": {"step": 20, "val_loss": 2.5},
    }
    save_weights(tmp_path / "tiny", make_model(), CharTokenizer(VOCABULARY), about)
    lines: list[dict[str, Any]] = [{"step": step, "loss": 4.0 - step / 10} for step in range(1, 21)]
    lines += [{"step": 10, "val_loss": 3.1}, {"step": 20, "val_loss": 2.5}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 21, "lo'
    (tmp_path / "tiny" / "metrics.jsonl").write_text(text, encoding="utf-8")
    return tmp_path / "tiny"


def front_matter(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---")[1])


def test_a_model_is_sent_and_comes_back_as_it_was(hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(folder), "ada/tiny"]) == 0
    repo = hub.model("ada/tiny")
    told = capsys.readouterr().out
    assert f"{hub.url}/ada/tiny, commit {repo.sha}." in told
    assert "--weights hub:ada/tiny" in told
    assert set(repo.files) == {".gitattributes", "README.md", "config.json", "loss.png", "metrics.jsonl", "model.safetensors"}
    model = fetch(HubAddress("ada/tiny"))
    assert model.commit == repo.sha
    for name in ("config.json", "model.safetensors"):
        assert (model.folder / name).read_bytes() == (folder / name).read_bytes()
    assert not repo.private


def test_the_same_again_makes_no_commit_and_a_change_makes_one(hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = push(folder, "ada/tiny")
    assert main(["push", str(folder), "ada/tiny"]) == 0
    assert "There is nothing new: the Hub has" in capsys.readouterr().out
    assert len(hub.model("ada/tiny").commits) == 2  # its beginning, and what was sent
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["about"]["best"]["val_loss"] = 2.25
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    again = push(folder, "ada/tiny")
    assert (again.is_new, again.commit != first.commit) == (True, True)
    assert b"2.2500" in hub.model("ada/tiny").files["README.md"]


@pytest.mark.parametrize("where", ["/api/repos/create", "/commit/", "/preupload/", "/objects/batch", "/lfs/"])
def test_interrupted_it_says_so_and_the_same_command_finishes_it(hub: FakeHub, folder: Path, where: str) -> None:
    hub.faults.append(Fault(where, cut=True, times=100))
    with pytest.raises(HubError, match=r"The Hub cannot be reached while (creating|sending)") as failed:
        push(folder, "ada/tiny")
    assert str(failed.value).endswith(AGAIN) is (where != "/api/repos/create")
    there = hub.repos.get(("model", "ada/tiny"))
    assert there is None or set(there.files) == {".gitattributes"}  # nothing half done
    hub.faults.clear()
    hub.asked.clear()
    assert push(folder, "ada/tiny").is_new
    assert "model.safetensors" in hub.model("ada/tiny").files
    assert any("PUT /lfs/" in asked for asked in hub.asked) is (where != "/commit/")  # then they had arrived


def test_a_private_repository_is_private_and_a_public_one_is_not_taken_for_one(hub: FakeHub, folder: Path) -> None:
    assert push(folder, "ada/tiny", private=True).is_private
    assert hub.model("ada/tiny").private
    assert push(folder, "ada/tiny").is_private  # it stays so
    push(folder, "ada/open")
    with pytest.raises(HubError, match="ada/open is there already, and public"):
        push(folder, "ada/open", private=True)


def test_what_the_hub_refuses_is_said(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(folder), "bob/tiny"]) == 2
    assert "The Hub refused while creating bob/tiny: your token may not do this" in capsys.readouterr().err
    hub.add_account("ada", token="hf_read", role="read")
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    assert main(["push", str(folder), "ada/tiny"]) == 2
    assert "Give it the right to write" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", "hf_gone")
    assert main(["push", str(folder), "ada/tiny"]) == 2
    assert "it does not accept your token" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    assert main(["push", str(folder), "ada/tiny"]) == 2
    assert "There is no Hugging Face token." in capsys.readouterr().err
    assert hub.repos == {}


def test_what_cannot_be_sent_is_said_before_anything_is_made(hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(folder / "none"), "ada/tiny"]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert main(["push", str(folder), "tiny"]) == 2
    assert "is not the name of a repository" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="A licence is named as on the Hub"):
        push(folder, "ada/tiny", license="Beer: free\n")
    run = folder.with_name("run")
    shutil.copytree(folder, run)
    (run / "model.safetensors").unlink()
    save_tensors(run / "best.safetensors", load_weights(folder).model.state_dict(), {"step": 20, "val_loss": 2.5})
    assert main(["push", str(run), "ada/tiny"]) == 2
    assert f"{run} is a run. Export it first: python -m model export" in capsys.readouterr().err
    assert hub.repos == {}


def test_the_card_has_the_losses_the_recipe_and_the_licence(hub: FakeHub, folder: Path) -> None:
    push(folder, "ada/tiny", license="cc-by-4.0")
    card = hub.model("ada/tiny").files["README.md"].decode()
    about = front_matter(card)
    assert (about["license"], about["pipeline_tag"]) == ("cc-by-4.0", "text-generation")
    ((result,),) = [index["results"] for index in about["model-index"]]
    assert result["metrics"] == [{"type": "loss", "value": 2.5, "name": "Validation loss while training (nats per character)"}]
    assert "| Validation loss while training | 2.5000 | 3.6067 |" in card
    assert "| optimizer | muon |" in card
    assert r"a \| \<b\>text\</b\>, 1,000 characters" in card
    assert "![The loss while the model trained](loss.png)" in card
    assert "hub:ada/tiny" in card


def test_the_card_of_a_fine_tuned_model_says_what_it_obeys_and_what_it_is_based_on(tiny: Weights) -> None:
    best = {"step": 20, "val_loss": 0.275, "answer_loss": 0.5, "obeys": 0.725, "plays_loss": 1.75}
    adapter = Adapter(LoRAConfig(rank=2), Origin("48cbfdbe", "48cbfdbe" * 8, "base"))
    card = make_card(replace(tiny, about={"task": "sft", "best": best}, adapter=adapter), "ada/tiny", "", has_picture=False)
    ((*losses, obeys),) = [index["results"][0]["metrics"] for index in front_matter(card)["model-index"]]
    assert [metric["value"] for metric in losses] == [0.5, 1.75]
    assert (obeys["type"], obeys["value"]) == ("accuracy", 0.725)
    assert "It obeys 72% of the requests that were kept back." in card
    assert f"Fine-tuned from {adapter.base}: these are the adapters alone." in card
    assert "license" not in front_matter(card)
    assert "loss.png" not in card


def test_the_shipped_models_card_is_its_own(shipped: Weights) -> None:
    card = make_card(shipped, "ada/shakespeare", "mit", has_picture=True)
    about = front_matter(card)
    values = {
        metric["name"]: metric["value"] for index in about["model-index"] for result in index["results"] for metric in result["metrics"]
    }
    assert values == {
        "Validation loss (nats per character)": 1.413133,
        "Validation loss while training (nats per character)": 1.413139,
    }
    assert about["datasets"] == ["karpathy/tiny_shakespeare"]
    assert (
        "10,745,088 parameters: 256 characters of context, 65 characters in the vocabulary, 6 layers, 6 heads in each, 384 channels" in card
    )
    assert card == make_card(shipped, "ada/shakespeare", "mit", has_picture=True)  # so that sending it again changes nothing


def test_without_a_curve_there_is_no_picture(folder: Path, tmp_path: Path) -> None:
    picture = loss_curve(folder / "metrics.jsonl")
    assert picture is not None
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.size) == ("PNG", (1200, 640))
    assert len(image.convert("RGB").getcolors(2**24) or []) > 10
    assert loss_curve(tmp_path / "none") is None
    (tmp_path / "odd.jsonl").write_bytes(b'\xff\n[]\n{"step": "x", "val_loss": NaN}\n{"step": 1, "val_loss": 2.0}\n')
    assert loss_curve(tmp_path / "odd.jsonl") is None
    assert loss_curve(SHIPPED_WEIGHTS / "metrics.jsonl") is not None
