"""The page's scripts: how modules are joined, compressed and addressed."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys

import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.testclient import TestClient

from tests.conftest import ROOT
from ui.web.assets import FIRST_BUNDLES, FOLDER, SCRIPTS, FirstLoad, script, start_script
from ui.web.bundle import BASE64, bundles, is_module

MODULES = {
    "shared/dom.js": "export const make = () => 1;\nexport async function later() {}\nexport class Box {}\nconst own = 2;\n",
    "tab/main.js": '// The tab.\nimport {\n  make as create,\n  Box,\n} from "../shared/dom.js";\nimport { bars } from "./bars.js";\n'
    "export function start() {}\n",
    "tab/bars.js": 'import { later } from "../shared/dom.js";\nconst bars = () => later();\nexport { bars, later as after };\n',
}


@pytest.fixture
def client() -> TestClient:
    """A server with the page's scripts and, in the page's place, a page."""
    server = FastAPI()
    server.add_route(f"/{FOLDER}/{{name:path}}", script)
    server.add_middleware(FirstLoad)
    server.get("/")(lambda: HTMLResponse("page " * 1000))
    server.get("/other")(lambda: PlainTextResponse("other " * 1000))
    return TestClient(server)


def test_a_bundle_holds_a_folder_and_imports_the_others() -> None:
    joined = bundles(MODULES, sources="../")
    assert set(joined) == {"shared.js", "shared.js.map", "tab.js", "tab.js.map"}
    assert 'modules["shared/dom.js"]' in joined["shared.js"]
    assert "return { make, later, Box };" in joined["shared.js"]
    tab = joined["tab.js"]
    assert tab.startswith('import { load as load_shared } from "./shared.js";\n')
    assert 'const { later } = load_shared("shared/dom.js");' in tab
    assert 'make: create,\n  Box,\n} = load_shared("shared/dom.js");' in tab
    assert 'const { bars } = load("tab/bars.js");' in tab
    assert "return { bars: bars, after: later };" in tab


def test_a_source_map_leads_every_line_back_to_its_module() -> None:
    joined = bundles(MODULES, sources="../")
    source_map = json.loads(joined["tab.js.map"])
    lines, found = joined["tab.js"].split("\n"), set()
    for line, (source, number) in positions(source_map["mappings"]).items():
        path = source_map["sources"][source].removeprefix("../")
        before = MODULES[path].split("\n")[number]
        found.add((path, number))
        assert lines[line] == before or before.startswith(("import", "export", "}", "  make"))
    assert found == {(path, number) for path in ("tab/main.js", "tab/bars.js") for number in range(MODULES[path].count("\n"))}


def positions(mappings: str) -> dict[int, tuple[int, int]]:
    """Source and line of each line that a source map of whole lines mentions."""
    found, source, number = {}, 0, 0
    for line, segment in enumerate(mappings.split(";")):
        if not segment:
            continue
        values, shift, value = [], 0, 0
        for digit in map(BASE64.index, segment):
            value |= (digit & 31) << shift
            shift += 5
            if not digit & 32:
                values.append(-(value >> 1) if value & 1 else value >> 1)
                shift = value = 0
        assert len(values) == 4
        assert values[0] == values[3] == 0
        source, number = source + values[1], number + values[2]
        found[line] = (source, number)
    return found


@pytest.mark.parametrize(
    "source",
    [
        'import * as dom from "../shared/dom.js";',
        'import dom from "../shared/dom.js";',
        'import "../shared/dom.js";',
        'export { make } from "../shared/dom.js";',
        "export default 1;",
        "export let changing = 1;",
        "await fetch('./limits');",
        "export const here = import.meta.url;",
    ],
)
def test_syntax_that_a_bundle_cannot_hold_is_named(source: str) -> None:
    with pytest.raises(ValueError, match=r"tab/main\.js.*cannot hold this line"):
        bundles(MODULES | {"tab/main.js": source}, sources="../")


def test_missing_and_circular_imports_are_named() -> None:
    with pytest.raises(ValueError, match=r"tab/main\.js imports tab/gone\.js, which does not exist"):
        bundles(MODULES | {"tab/main.js": 'import { a } from "./gone.js";'}, sources="../")
    circle = {"a.js": 'import { b } from "./b.js";\nexport const a = 1;', "b.js": 'import { a } from "./a.js";\nexport const b = 1;'}
    with pytest.raises(ValueError, match=r"a\.js.*b\.js"):
        bundles(circle, sources="../")


def test_every_module_is_reached_from_a_tab() -> None:
    sources = {path: content.decode() for path, content in SCRIPTS.items() if "bundles/" not in path}
    loads = r'load\w*\("([^"]+)"\)'
    reached = {path for name, content in SCRIPTS.items() if name.startswith("bundles/") for path in re.findall(loads, content.decode())}
    starts = {path for path, source in sources.items() if re.search(r"^export (async )?function start\b", source, re.MULTILINE)}
    assert {path for path, source in sources.items() if is_module(source)} == reached | starts


def test_scripts_are_served_compressed_and_kept_for_ever(client: TestClient) -> None:
    for name, content in SCRIPTS.items():
        response = client.get(f"/{FOLDER}/{name}", headers={"Accept-Encoding": "gzip"})
        assert response.status_code == 200
        assert response.content == content  # the client decompresses
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in response.headers["Cache-Control"]
        assert len(gzip.compress(content)) + 100 > int(response.headers["Content-Length"])
        plain = client.get(f"/{FOLDER}/{name}", headers={"Accept-Encoding": "identity"})
        assert plain.content == content
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["Vary"] == "Accept-Encoding"


def test_a_script_that_does_not_exist_is_not_found(client: TestClient) -> None:
    assert client.get(f"/{FOLDER}/sample/gone.js").status_code == 404
    assert client.get(f"/{FOLDER}/../server.py").status_code == 404
    assert client.get("/assets/000000000000/sample/main.js").status_code == 404


@pytest.mark.parametrize("root_path", ["", "/soliloquy"])
def test_the_page_is_compressed_and_names_its_first_bundles(client: TestClient, root_path: str) -> None:
    behind_a_path = TestClient(client.app, root_path=root_path)
    response = behind_a_path.get("/", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    links = re.findall(r"<([^>]+)>; rel=modulepreload", response.headers["Link"])
    assert links == [f"{FOLDER}/bundles/{folder}.js" for folder in FIRST_BUNDLES]  # relative, so that they work under a path
    for link in links:
        assert client.get(f"/{link}").status_code == 200
    other = behind_a_path.get("/other", headers={"Accept-Encoding": "gzip"})
    assert "Link" not in other.headers
    assert "Content-Encoding" not in other.headers


def test_a_start_script_loads_its_own_tab() -> None:
    assert start_script("sample/main.js").startswith(f'import(new URL("{FOLDER}/bundles/sample.js", document.baseURI))')
    assert 'load("sample/main.js").start(element, props)' in start_script("sample/main.js")


def test_scripts_have_the_same_version_at_each_start() -> None:
    """Otherwise every phone would load all of them again after a restart."""
    asked = [sys.executable, "-c", "from ui.web.assets import VERSION; print(VERSION)"]
    told = {subprocess.check_output(asked, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed)}) for seed in (1, 2, 3)}
    assert len(told) == 1
