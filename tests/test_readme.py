"""The README's promises: its front matter, its commands, its files."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from model.__main__ import make_parser
from model.config import GPTConfig, TrainConfig
from model.training.presets import PRESETS
from model.weights import SHIPPED_WEIGHTS
from ui.connections import BODY_S, HEAD_S, UNREAD_S
from ui.gradio_events import MAX_CLIENT_EVENTS, UNHEARD_S

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRONT_MATTER = yaml.safe_load(README.split("---")[1])
MODEL_LINES = re.findall(r"^python -m model ([^#\n]+)", README, re.M)
BENCHMARKS = sorted(set(re.findall(r"`python -m benchmarks\.(\w+)`", README)))


def requirements(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip() and not line.startswith("-r")]
    return {requirement.name: requirement for requirement in found}


def test_front_matter_is_a_gradio_space_of_this_app() -> None:
    assert FRONT_MATTER["sdk"] == "gradio"
    assert (ROOT / FRONT_MATTER["app_file"]).exists()
    assert len(FRONT_MATTER["short_description"]) <= 60
    assert {FRONT_MATTER["colorFrom"], FRONT_MATTER["colorTo"]} <= {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_requirements_admit_the_gradio_that_a_space_installs() -> None:
    assert requirements("requirements.txt")["gradio"].specifier.contains(Version(FRONT_MATTER["sdk_version"]))


def test_every_requirement_is_bounded_and_says_what_for() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for requirement in requirements(name).values():
            assert any(part.operator in ("<", "<=") for part in requirement.specifier), requirement
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert "#" in line or line.startswith("-r"), line


@pytest.mark.parametrize("line", MODEL_LINES)
def test_commands_are_understood(line: str) -> None:
    assert callable(make_parser().parse_args(shlex.split(line)).command)


def test_readme_names_commands() -> None:
    assert len(MODEL_LINES) >= 5


def test_readme_names_every_benchmark() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__"} == set(BENCHMARKS)


def test_shakespeare_preset_is_the_shipped_recipe() -> None:
    config = json.loads((SHIPPED_WEIGHTS / "config.json").read_text(encoding="utf-8"))
    preset = PRESETS["shakespeare"]
    assert TrainConfig(**config["about"]["recipe"]) == preset.recipe  # settings that came later have their defaults
    assert GPTConfig(**config["network"]) == preset.network  # likewise


def test_linked_files_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    headings = {f"#{heading.lower().replace(' ', '-')}" for heading in re.findall(r"^#+ (.+)$", README, re.M)}
    for link in links:
        assert link in headings or (ROOT / link).exists(), link


def test_shipped_weights_are_the_ones_described() -> None:
    folder = SHIPPED_WEIGHTS
    file = folder / "model.safetensors"
    described = (folder / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in described
    assert file.stat().st_size <= 22e6
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))["about"]
    assert f"{about['best']['val_loss']:.4f}" in described


def test_the_bounds_of_programs_are_those_of_the_app() -> None:
    assert f"{MAX_CLIENT_EVENTS} such requests" in README
    assert f"nobody reads for {UNHEARD_S:.0f} seconds" in README


def test_the_times_after_which_connections_are_closed_are_those_of_the_app() -> None:
    assert f"send nothing of a request for {HEAD_S:.0f} seconds" in README
    assert f"read nothing of an answer for {UNREAD_S:.0f}." in README
    assert HEAD_S == BODY_S
