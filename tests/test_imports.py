"""Imports point one way. Read from the source, so that no import is missed for not being reached."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted([ROOT / "app.py", *(ROOT / "model").rglob("*.py"), *(ROOT / "ui").rglob("*.py")])

# What each part of `model` stands on: only on parts with a lower number, and on its own folder.
LAYERS = {
    "errors": 0,
    "limits": 0,
    "clock": 0,
    "program": 0,
    "attached": 1,
    "files": 1,
    "config": 1,
    "lecture": 1,
    "qr": 1,
    "copied": 1,
    "statistics": 1,
    "continuations": 2,
    "parts": 2,
    "tokenizer": 2,
    "sampling": 2,
    "classroom": 3,
    "data": 3,
    "network": 3,
    "decode": 4,
    "evaluation": 4,
    "attention": 5,
    "head_measures": 4,
    "weights": 4,
    "formats": 5,
    "machine": 2,
    "precision": 4,
    "assistant": 5,
    "meaning": 5,
    "catalogue": 5,
    "heads": 6,
    "ladder": 4,
    "serving": 6,
    "training": 6,
    "hub": 7,
    "__main__": 8,
}


def module_name(path: Path) -> str:
    """model/serving/engine.py -> model.serving.engine"""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(source: str) -> set[str]:
    """Modules that a source imports, anywhere in it; `from a import b` gives a and a.b, for b may be a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


IMPORTS = {module_name(path): imports_of(path.read_text(encoding="utf-8")) for path in FILES}


def importers(package: str) -> set[str]:
    """Our modules that import a package or anything in it."""
    return {name for name, imported in IMPORTS.items() if any(i == package or i.startswith(f"{package}.") for i in imported)}


def test_every_kind_of_import_is_seen() -> None:
    source = "import a.b as c\nfrom d.e import f, g\ndef late():\n    import h\n    if True:\n        from i import j"
    assert imports_of(source) == {"a.b", "d.e", "d.e.f", "d.e.g", "h", "i", "i.j"}
    assert {"app", "model.network.gpt", "model.serving.engine", "model.training.trainer"} <= IMPORTS.keys()
    assert {"model.network.gpt", "model.precision"} <= importers("torch")


def test_gradio_is_imported_by_the_page_alone() -> None:
    assert importers("gradio")
    assert {name.partition(".")[0] for name in importers("gradio")} <= {"ui", "app"}


@pytest.mark.parametrize("package", ["ui", "app", "tests", "benchmarks"])
def test_the_model_knows_nothing_of_what_stands_on_it(package: str) -> None:
    assert not {name for name in importers(package) if name.partition(".")[0] == "model"}


def test_the_routes_know_nothing_of_gradio_and_of_the_page() -> None:
    assert not {name for name in importers("gradio") if name.startswith("ui.web")}
    assert not {name for name in importers("ui.page") | importers("ui.server") if name.startswith("ui.")} - {"ui.server"}


def test_the_table_of_routes_alone_gives_routes_to_a_server() -> None:
    assert importers("ui.web.http.addresses") == {"ui.server", "ui.document"}  # which asks the routes what the page would ask first
    assert {name for name in importers("fastapi") if name.startswith("ui.")} == {"ui.server"}  # which mounts Gradio


def test_the_page_does_not_import_the_app() -> None:
    assert not importers("app")


def test_nothing_imports_the_command_line() -> None:
    assert not importers("model.__main__")


@pytest.mark.parametrize(
    "module",
    [
        "model.sampling",
        "model.config",
        "model.errors",
        "model.tokenizer",
        "model.serving.request",
        "model.serving.scheduler",
        "model.serving.recent_requests",
        "model.serving.admission",
    ],
)
def test_what_needs_no_network_imports_no_torch(module: str) -> None:
    assert module in IMPORTS
    assert module not in importers("torch")


def test_the_scheduler_knows_no_clock_and_no_threads() -> None:
    assert not {name for name in ("time", "threading", "asyncio", "numpy", "random") if "model.serving.scheduler" in importers(name)}


@pytest.mark.parametrize(
    "package", ["torch.optim", "model.training", "model.serving", "model.weights", "model.files", "threading", "pathlib"]
)
def test_the_network_has_no_optimizer_no_files_and_no_threads(package: str) -> None:
    assert "model.network.gpt" not in importers(package)


def test_serving_and_training_do_not_know_each_other() -> None:
    assert not {name for name in importers("model.training") if name.startswith("model.serving")}
    assert not {name for name in importers("model.serving") if name.startswith("model.training")}


@pytest.mark.parametrize("module", ["model.training.jobs", "model.training.job", "model.training.curve", "model.training.estimate"])
def test_what_watches_a_training_does_not_train(module: str) -> None:
    assert module in IMPORTS
    assert module not in importers("model.training.trainer")


@pytest.mark.parametrize("package", ["fastapi", "starlette", "uvicorn"])
def test_the_model_knows_nothing_of_the_web(package: str) -> None:
    assert not {name for name in importers(package) if name.partition(".")[0] == "model"}


@pytest.mark.parametrize("package", ["huggingface_hub", "httpx2"])
def test_one_package_alone_speaks_to_the_hub(package: str) -> None:
    assert importers(package)
    assert all(name.startswith("model.hub.") for name in importers(package))


@pytest.mark.parametrize("name", [name for name in IMPORTS if name.startswith("model.")])
def test_imports_in_the_model_point_downwards(name: str) -> None:
    part = name.split(".")[1]
    assert part in LAYERS, f"give model/{part} its place in LAYERS"
    for imported in IMPORTS[name]:
        package, _, rest = imported.partition(".")
        below = rest.partition(".")[0]
        if package == "model" and below in LAYERS and below != part:
            assert LAYERS[below] < LAYERS[part], f"{name} imports {imported}"
