"""The page's scripts: how modules are joined, compressed and addressed."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.testclient import TestClient

from tests.conftest import ROOT
from ui.document import APP, END_OF_HEAD, MANIFEST, RESIZER, Document
from ui.gradio_files import FRONTEND, GradioFiles
from ui.web.assets import FIRST_BUNDLE, FOLDER, PLAN, SCRIPTS, SHEETS, first_styles, head, script, start_script
from ui.web.bundle import BASE64, Plan, is_module
from ui.web.http import addresses, get

MODULES = {
    "shared/dom.js": "export const make = () => 1;\nexport async function later() {}\nexport class Box {}\nconst own = 2;\n",
    "tab/main.js": '// The tab.\nimport {\n  make as create,\n  Box,\n} from "../shared/dom.js";\nimport { bars } from "./bars.js";\n'
    "export function start() {}\n",
    "tab/bars.js": 'import { later } from "../shared/dom.js";\nconst bars = () => later();\nexport { bars, later as after };\n',
}


@pytest.fixture
def client() -> TestClient:
    """A server with the page's scripts, Gradio's, and a document in place of Gradio's."""

    async def answer(http: Request) -> Response:
        return JSONResponse({"default": "<key>"})

    async def other_files(http: Request) -> Response:
        return PlainTextResponse("other", 404)

    files = GradioFiles({"button", "slider", "of a later version"})
    page = Document(HTMLResponse(f"<head>{MANIFEST}</head><gradio-app></gradio-app>{'page ' * 1000}"), files, [get("/models", answer)])

    async def document(http: Request) -> Document:
        return page

    table = [get("/", document), get(f"/{FOLDER}/{{name:path}}", script), get("/assets/{name:file}", files.or_else(other_files))]
    return TestClient(Starlette(routes=addresses(table)))


def test_a_bundle_holds_a_folder_and_finds_the_others_in_the_register() -> None:
    joined = Plan(MODULES).join("../")
    assert set(joined) == {"shared.js", "shared.js.map", "tab.js", "tab.js.map"}
    assert 'modules["shared/dom.js"]' in joined["shared.js"]
    assert "return { make, later, Box };" in joined["shared.js"]
    tab = joined["tab.js"]
    assert "import" not in tab  # one that failed could not be loaded again
    assert 'const { later } = load("shared/dom.js");' in tab
    assert 'make: create,\nBox,\n} = load("shared/dom.js");' in tab
    assert 'const { bars } = load("tab/bars.js");' in tab
    assert "return { bars: bars, after: later };" in tab


def test_what_the_page_begins_with_shares_a_bundle() -> None:
    assert {"first.js", "tab.js"} < set(Plan(MODULES, ["shared/dom.js"]).join("../"))
    assert Plan(MODULES, ["shared/dom.js"]).needed("tab/main.js") == ["first", "tab"]
    assert Plan(MODULES, ["tab/main.js"]).needed("tab/main.js") == ["first"]
    assert Plan(MODULES, []).needed("shared/dom.js") == ["shared"]
    assert Plan(MODULES, [], ["shared/dom.js"]).needed("tab/main.js") == ["next", "tab"]
    plan = Plan(MODULES, ["shared/dom.js"], ["tab/bars.js"])
    assert plan.places == {"shared/dom.js": "first", "tab/bars.js": "next", "tab/main.js": "tab"}
    assert Plan(MODULES, ["tab/bars.js"]).places == {"shared/dom.js": "first", "tab/bars.js": "first", "tab/main.js": "tab"}


def test_what_is_imported_later_has_a_bundle_of_its_own_and_its_style_sheets() -> None:
    later = {
        "shared/chart.js": "export const chart = 1;\n",
        "sample/next/view.js": 'import { chart } from "../../shared/chart.js";\nimport { make } from "../../shared/dom.js";\n'
        "export const next = 1;\n",
        "sample/main.js": '/** @type {import("./next/view.js").View} */\nexport const get = () => import("./next/view.js");\n'
        'import { make } from "../shared/dom.js";\n',
    }
    modules = MODULES | later
    plan = Plan(modules, ["sample/main.js"])
    assert {path: plan.places[path] for path in later} == {
        "shared/chart.js": "shared",
        "sample/next/view.js": "sample-next",
        "sample/main.js": "first",
    }
    sheets = {"page.css": "a", "shared/chart.css": "b", "sample/next/next.css": "c", "sample/tab.css": "d", "tab/tab.css": "e"}
    assert {sheet: plan.place_of_sheet(sheet) for sheet in sheets} == {
        "page.css": "first",
        "shared/chart.css": "shared",
        "sample/next/next.css": "sample-next",
        "sample/tab.css": "first",
        "tab/tab.css": "tab",
    }
    joined = plan.join("../", sheets)
    assert 'const get = () => soliloquy.bring("sample/next/view.js", ["first", "shared", "sample-next"]);' in joined["first.js"]
    assert 'export const styles = "c";' in joined["sample-next.js"]
    assert "styles" not in joined["first.js"]  # the document has them
    with pytest.raises(ValueError, match=r"sample/main\.js imports sample/gone\.js, which does not exist"):
        Plan(modules | {"sample/main.js": 'export const get = () => import("./gone.js");'})


def test_the_first_load_has_no_view_that_is_not_shown_and_no_other_tab() -> None:
    first = SCRIPTS["bundles/first.js"].decode()
    for name in ("attention", "learning", "assistant", "meaning", "train", "sample/next", "sample/tree", "sample/locked", "sample/score"):
        assert f'modules["{name}/' not in first
        for sheet in (sheet for path, sheet in SHEETS.items() if path.startswith(f"{name}/")):
            assert sheet not in first_styles()
    assert all(SHEETS[path] in first_styles() for path in ("page.css", "shared/bar.css", "sample/tab.css", "sample/texts/texts.css"))
    assert len(gzip.compress(SCRIPTS["bundles/first.js"])) + len(gzip.compress(first_styles().encode())) < 50_000
    assert PLAN.needed("following/start.js") == ["first", "next"]  # a page that nobody leads only listens
    assert len(gzip.compress(SCRIPTS["bundles/next.js"])) < 5_000
    assert PLAN.needed("following/main.js") == ["first", "next", "following"]


def test_comments_are_left_out_and_texts_are_not() -> None:
    source = "/**\n * Said. */\nexport const a = `\n// b\n/** c */`; // d\n  // e\n/** f */\n/** @type {*} */ (a).b = `/**`;\n"
    assert Plan({"a.js": source}).join("../")["a.js.js"].split("\n")[3:-4] == [
        "const a = `",
        "// b",
        "/** c */`; // d",
        "/** @type {*} */ (a).b = `/**`;",
    ]


def test_a_source_map_leads_every_line_back_to_its_module() -> None:
    joined = Plan(MODULES).join("../")
    source_map = json.loads(joined["tab.js.map"])
    lines, found = joined["tab.js"].split("\n"), set()
    for line, (source, number) in positions(source_map["mappings"]).items():
        path = source_map["sources"][source].removeprefix("../")
        before = MODULES[path].split("\n")[number]
        found.add((path, number))
        assert lines[line] == before.strip() or before.startswith(("import", "export", "}", "  make"))
    assert found == {
        (path, number)
        for path in ("tab/main.js", "tab/bars.js")
        for number, line in enumerate(MODULES[path].split("\n")[:-1])
        if not line.startswith("//")
    }


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
        Plan(MODULES | {"tab/main.js": source}).join("../")


def test_missing_and_circular_imports_are_named() -> None:
    with pytest.raises(ValueError, match=r"tab/main\.js imports tab/gone\.js, which does not exist"):
        Plan(MODULES | {"tab/main.js": 'import { a } from "./gone.js";'})
    circle = {"a.js": 'import { b } from "./b.js";\nexport const a = 1;', "b.js": 'import { a } from "./a.js";\nexport const b = 1;'}
    with pytest.raises(ValueError, match=r"a\.js.*b\.js"):
        Plan(circle).join("../")


def test_every_module_is_reached_from_a_tab() -> None:
    sources = {path: content.decode() for path, content in SCRIPTS.items() if "bundles/" not in path}
    reached = {
        path
        for name, content in SCRIPTS.items()
        if name.startswith("bundles/")
        for path in re.findall(r'\b(?:load|bring)\("([^"]+\.js)"', content.decode())
    }
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
def test_the_document_names_all_that_the_page_needs_and_brings_its_first_answers(client: TestClient, root_path: str) -> None:
    behind_a_path = TestClient(client.app, root_path=root_path)
    response = behind_a_path.get("/", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.text == behind_a_path.get("/", headers={"Accept-Encoding": "identity"}).text
    head, _, body = response.text.partition("</head>")
    assert MANIFEST not in head
    assert "--paper:" in head  # before any style sheet has come
    assert body.index('id="opening"') < body.index("<gradio-app>")
    assert 'soliloquy.answers = {"./models": {"default": "\\u003ckey>"}}' in head  # no text of a model ends the script
    scripts = re.findall(r'<link rel="modulepreload" crossorigin href="([^"]+)">', head)
    assert scripts[-1] == FIRST_BUNDLE  # relative, so that it works under a path
    assert len(scripts) > 10
    for address in scripts:
        answer = client.get(f"/{address.removeprefix('./')}", headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.text != "other"
    assert client.get("/assets/unknown.js").text == "other"


def test_gradios_style_sheets_come_as_one() -> None:
    files = GradioFiles({"button", "slider"})
    joined = files._files[files.all_styles].decode()
    assert len(files.styles) > 5
    for name in files.styles:
        assert files._files[name].decode() in joined
    assert "url(." not in joined  # no address would be right in another folder


def test_a_start_script_names_its_own_bundle_last() -> None:
    assert start_script("train/main.js").endswith('"train"], element, props);')
    assert start_script("sample/main.js") == 'soliloquy.start("sample/main.js", ["first"], element, props);'
    assert f'soliloquy.bundles = "{FIRST_BUNDLE.removesuffix("first.js")}";' in head()


def test_scripts_have_the_same_version_at_each_start() -> None:
    """Otherwise every phone would load all of them again after a restart."""
    asked = [sys.executable, "-c", "from ui.web.assets import VERSION; print(VERSION)"]
    told = {subprocess.check_output(asked, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed)}) for seed in (1, 2, 3)}
    assert len(told) == 1


def test_gradios_document_has_what_is_replaced_in_it() -> None:
    """A new version of Gradio may have another document; then it is served as it is, more slowly."""
    document = (FRONTEND / "index.html").read_text(encoding="utf-8")
    assert [piece for piece in (MANIFEST, RESIZER, END_OF_HEAD, APP) if piece not in document] == []
    assert re.search(r'<link rel="stylesheet" crossorigin href="\./assets/[^"]+">', document)


@pytest.mark.parametrize("path", sorted((ROOT / "ui").rglob("*.css")), ids=lambda path: path.name)
def test_every_block_of_a_style_sheet_is_closed_once(path: Path) -> None:
    """A brace too many makes a browser drop the rule after it without a word."""
    depth = 0
    for brace in re.findall(r"[{}]", re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0


def test_no_script_relies_on_the_styles_of_another_tab() -> None:
    """They may not be there yet, and change its looks when they come. The Sample tab's come with the page."""
    folders: dict[str, set[str]] = {}
    for sheet in (ROOT / "ui").rglob("*.css"):
        path = sheet.relative_to(ROOT / "ui")
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.S)
        for name in {name for selector in re.findall(r"[^{}]+(?={)", text) for name in re.findall(r"\.([a-z][\w-]*)", selector)}:
            folders.setdefault(name, set()).add(path.parts[0] if len(path.parts) > 1 else "shared")
    for file in (ROOT / "ui").rglob("*.js"):
        own = {file.relative_to(ROOT / "ui").parts[0], "shared", "sample"}
        for classes in re.findall(r'(?:make|makeText|button)\("(?:\w+", ")?([a-z][\w -]*-[\w -]*)"', file.read_text(encoding="utf-8")):
            for name in classes.split():
                assert "-" not in name or name not in folders or folders[name] & own, f"{file.name} uses .{name} of {folders[name]}"


def test_marked_characters_are_styled_only_where_texts_are_marked() -> None:
    """A rule for all elements would give each of them a style of its own for each name, whenever its own style changes."""
    sheets = {path: path.read_text(encoding="utf-8") for end in ("css", "js") for path in (ROOT / "ui").rglob(f"*.{end}")}
    assert any("::highlight(" in sheet for sheet in sheets.values())
    assert [path for path, sheet in sheets.items() if re.search(r"(?<![\w\])])::highlight\(", sheet)] == []
