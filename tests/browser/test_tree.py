"""The tree of all samples on the page: its data, its counts, its probabilities, and how it is walked."""

from __future__ import annotations

import json
import random
import re
import struct
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from model.sampling import distribution
from tests.browser.conftest import open_page
from ui.web.first_screen import PROMPT

Branch = dict[str, Any]

# The nodes of the module's tree for some samples, in the order in which they are drawn, and the rows of the same tree folded.
GROW = """async ({ script, samples, order, most }) => {
  const { prefixTree, pathTo, unfold, find } = await import(`${script}shared/prefix_tree.js`);
  const root = prefixTree(samples, (code) => order.indexOf(String.fromCodePoint(code)));
  const all = (node) => [node, ...node.children.flatMap(all)];
  const nodes = all(root).map((node) => ({
    begins: pathTo(node).map(({ text }) => text).join(""),
    from: node.from,
    to: node.to,
    count: node.count,
    ends: node.ends.length,
    live: node.live,
    next: node.children.map(({ text }) => [...text][0]).join(""),
    found: node.to === node.from || find(root, (sample) => sample === node.samples.at(-1), node.from) === node,
  }));
  const folds = unfold(root, most);
  const complete = ([node, { shown, hidden }]) => shown.length + hidden.length === node.children.length;
  const kept = [...folds].every(complete) && [...folds.values()].every(({ shown, hidden }) => !shown.length || hidden.length !== 1);
  const rows = [...folds.values()].reduce((sum, { shown, hidden }) => sum + (shown.length ? Number(hidden.length > 0) : 1), 0);
  return { nodes, kept, rows };
}"""

# A tree of its own for texts that no server has written: what it draws, and what the card says of each branch that is walked to.
DRAW = """async ({ script, runs, keys, start = "\\n" }) => {
  const modules = ["sample/tree/view.js", "shared/generations.js"].map((name) => import(`${script}${name}`));
  const [{ createTree }, { Generation, Generations }] = await Promise.all(modules);
  const { vocabulary } = (await (await fetch("./models")).json()).models[0];
  const model = { key: "tree", name: "tree", vocabulary, start, idOf: (char) => vocabulary.indexOf(char) };
  const models = { list: [model], writers: [model], primary: model, find: () => null };
  const app = { models, generations: new Generations(models), address: { get: () => "", keep: () => {} } };
  const generation = (view, samples) => new Generation({ samples, state: "done", ...view }, model);
  const written = ({ texts, ...view }) => Object.assign(generation(view, texts.length), { texts });
  app.generations.list = runs.map(written);
  for (const one of app.generations.list) one.logits = one.texts.map((text) => new Float32Array(vocabulary.length * text.length));
  const panel = document.createElement("section");
  document.querySelector(".panels").append(panel);
  const view = createTree(panel, app);
  view.show();
  const frame = () => new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame));
  await frame();
  const canvas = panel.querySelector("canvas");
  const said = [panel.querySelector(".tree-card").textContent];
  for (const key of keys) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await frame();
    await new Promise((done) => setTimeout(done, 30));
    said.push(panel.querySelector(".tree-said").textContent);
  }
  const [branches, folded] = [canvas.branches(), panel.querySelector(".tree-folded").innerText];
  view.keys.find(([key]) => key === "o")[2]();
  await frame();
  return { branches, folded, said, all: canvas.branches() };
}"""


@pytest.fixture
def tree(page: Page) -> Locator:
    """The canvas of the view, shown."""
    return show_tree(page)


def show_tree(page: Page) -> Locator:
    """Goes to the view."""
    page.wait_for_selector("[data-ready]")
    page.get_by_role("tab", name="Tree").click()
    canvas = page.get_by_test_id("tree")
    expect(canvas).to_have_attribute("aria-label", re.compile("^Tree of 4 samples"))
    return canvas


def scripts(page: Page) -> str:
    """Where the page has its scripts from."""
    page.wait_for_selector("[data-ready]")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    return next(match[0] for name in loaded if (match := re.match(r".*/assets/\w+/", name)))


def branches(tree: Locator) -> list[Branch]:
    """What is drawn."""
    return tree.evaluate("canvas => canvas.branches()")


def card(tree: Locator) -> Locator:
    """What is said of a branch."""
    return tree.page.get_by_test_id("tree-card")


def set_up(page: Page, **values: object) -> None:
    """Fills in the controls, by their labels."""
    for label, value in values.items():
        if label in ("prompt", "seed"):
            page.get_by_label(label.capitalize()).fill(str(value))
            continue
        field = page.get_by_label(f"number input for {label.capitalize()}")
        field.fill(str(value))
        field.blur()


def write(tree: Locator, count: int, button: str = "Generate") -> None:
    """Presses a button and waits until the tree has so many samples and nothing is written any more."""
    tree.page.get_by_role("button", name=button, exact=True).click()
    expect(tree).to_have_attribute("aria-label", re.compile(f"^Tree of {count} samples"))
    expect(tree.page.get_by_role("button", name="Stop")).to_be_disabled(timeout=30_000)
    tree.page.wait_for_function("!document.querySelector('.tree-canvas').branches().some(({ live }) => live)")


def cards(page: Page) -> list[str]:
    """All texts on the page, whatever view is shown."""
    return page.locator("#panel-texts .card-text").all_text_contents()


def spoken(p: float) -> str:
    """A probability as the page writes it."""
    return f"{100 * p:.0f} %" if p >= 0.1 else f"{100 * p:.1f} %" if p >= 0.01 else f"{100 * p:.2f} %"


def plain_tree(samples: list[dict[str, Any]], order: str) -> list[Branch]:
    """The nodes of the tree by their definition: a place where texts part or one ends, and where all of them begin to differ."""
    texts = [sample["start"] + sample["text"] for sample in samples]
    ends = sorted({text[:n] for text in texts for n in range(len(text) + 1)}, key=len)
    nodes: list[Branch] = []

    def walk(prefix: str, parent: str | None) -> None:
        through = [text for text in texts if text.startswith(prefix)]
        here = next(end for end in ends if end.startswith(prefix) and (end in texts or len({text[: len(end) + 1] for text in through}) > 1))
        following = [text[len(here)] for text in through if len(text) > len(here)]
        chars = sorted(set(following), key=lambda char: (-following.count(char), order.index(char)))
        live = any(sample["live"] for sample, text in zip(samples, texts, strict=True) if text.startswith(here))
        node = {"begins": here, "from": len(parent or ""), "to": len(here), "count": len(through), "ends": through.count(here)}
        nodes.append(node | {"live": live, "next": "".join(chars), "found": True})
        for char in chars:
            walk(here + char, here)

    walk("", None)
    return nodes


def test_the_prefix_tree_is_what_its_definition_says(kept_page: Page) -> None:
    rng = random.Random(7)
    for round in range(60):
        alphabet = "ab" if round % 2 else "ab\n cdXY"
        prompts = ["".join(rng.choices(alphabet, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 3))]
        samples = [
            {"start": rng.choice(prompts), "text": "".join(rng.choices(alphabet, k=rng.randint(0, 7))), "live": rng.random() < 0.2}
            for _ in range(rng.randint(1, 30))
        ]
        most = rng.randint(2, 20)
        order = "".join(rng.sample(alphabet, len(alphabet)))
        grown = kept_page.evaluate(GROW, {"script": scripts(kept_page), "samples": samples, "order": order, "most": most})
        assert grown["nodes"] == plain_tree(samples, order)
        leaves = sum(not node["next"] for node in grown["nodes"])
        assert grown["rows"] <= max(most, 2) or grown["rows"] == leaves, "folding takes more rows than it may"
        assert grown["rows"] == leaves or leaves > most, "folded without need"
        assert grown["kept"]


def test_the_first_screen_is_a_tree_at_once(tree: Locator) -> None:
    root, *forks = branches(tree)
    assert root["begins"].startswith(PROMPT)
    assert forks[0]["label"].endswith(" of 4")
    begins = root["begins"].replace("\n", "↵")
    expect(tree).to_have_attribute("aria-label", re.compile(f"all begin with “{re.escape(begins)}”; after that"))
    tree.focus()
    tree.page.keyboard.press("ArrowRight")
    expect(card(tree)).to_contain_text(f"All 4 samples start with “{begins}”.")


def test_counts_are_those_of_the_texts_and_again_adds(tree: Locator) -> None:
    page = tree.page
    set_up(page, prompt="ROMEO:", seed=5, samples=12, length=40)
    write(tree, 12)
    write(tree, 24, "Again")
    texts = cards(page)
    assert len(texts) == 24
    drawn = [branch for branch in branches(tree) if not branch["hidden"]]
    assert len(drawn) > 24
    for branch in drawn:
        assert branch["count"] == sum(text.startswith(branch["begins"]) for text in texts)
        of = sum(len(text) > branch["from"] and text.startswith(branch["begins"][: branch["from"]]) for text in texts)
        assert branch["isRoot"] or branch["label"] in ("", f"{branch['count']} of {of}")
    assert {text for text in texts if sum(text == other["begins"] for other in drawn) != 1} == set()


def test_a_branch_tells_the_probability_that_it_was_drawn_with(tree: Locator, url: str) -> None:
    page = tree.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/logits/" in request.url else None)
    set_up(page, seed=5, samples=16, length=40)
    write(tree, 16)
    vocabulary = page.evaluate("fetch('./models').then((answer) => answer.json()).then(({ models }) => models[0].vocabulary)")
    root = branches(tree)[0]
    branch = next(branch for branch in branches(tree) if branch["from"] > root["from"] + len(root["begins"]) and not branch["hidden"])
    page.mouse.move(branch["x"], branch["y"])
    char = branch["begins"][branch["from"]]
    expect(card(tree)).to_contain_text(f"{branch['count']} of ")
    expect(card(tree)).to_contain_text("before temperature")
    key, sample = re.search(r"/logits/([^/]+)/(\d+)", asked[-1]).groups()

    def probability(place: int, temperature: float) -> float:
        with urllib.request.urlopen(f"{url}/character/{key}/{sample}/{place - len(PROMPT)}") as answer:
            logits = json.load(answer)["logits"]
        return float(distribution([logits], temperature)[0][vocabulary.index(branch["begins"][place])])

    drawn, raw = probability(branch["from"], 0.8), probability(branch["from"], 1)
    path = 1.0
    for place in range(len(root["begins"]), branch["from"] + 1):
        path *= probability(place, 0.8)
    said = card(tree).inner_text()
    name = {" ": "space", "\n": "newline"}.get(char, f"‘{char}’")
    assert f"{spoken(drawn)} for {name} at temperature 0.8, {spoken(raw)} before temperature" in said
    one_in = f"{1 / path:.1f}" if path > 0.1 else f"{1 / path:.0f}"
    assert f"the whole path from the first fork: 1 in {one_in}." in said


def test_each_setting_has_a_probability_of_its_own(tree: Locator) -> None:
    page = tree.page
    set_up(page, seed=5, samples=16, length=20)
    write(tree, 16)
    set_up(page, temperature=0.5)
    write(tree, 32, "Again")
    first = branches(tree)[1]
    page.mouse.move(first["x"], first["y"])
    lines = page.locator(".tree-chance")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("at temperature 0.8")
    expect(lines.last).to_contain_text("at temperature 0.5")
    assert lines.first.locator("b").first.inner_text() != lines.last.locator("b").first.inner_text()


def test_the_tree_grows_while_samples_are_written(tree: Locator) -> None:
    page = tree.page
    set_up(page, prompt="ROMEO:", samples=4, length=2000)
    page.evaluate("""() => {
      window.sizes = new Set();
      const look = () => {
        const branches = document.querySelector(".tree-canvas").branches();
        if (branches.some(({ live }) => live)) window.sizes.add(branches.map(({ begins }) => begins.length).join());
        requestAnimationFrame(look);
      };
      look();
    }""")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("window.sizes.size >= 5")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("!document.querySelector('.tree-canvas').branches().some(({ live }) => live)")
    assert set(cards(page)) <= {branch["begins"] for branch in branches(tree)}


def test_the_keyboard_walks_the_tree_and_goes_on_from_a_branch(tree: Locator) -> None:
    page = tree.page
    set_up(page, prompt="ROMEO:", seed=5, samples=8, length=30)
    write(tree, 8)
    tree.focus()
    page.keyboard.press("ArrowRight")
    expect(card(tree)).to_contain_text("All 8 samples")
    page.keyboard.press("ArrowRight")
    _, first, *others = branches(tree)
    expect(card(tree)).to_contain_text(f"{first['count']} of 8 continued with ‘{first['begins'][first['from']]}’")
    second = next(branch for branch in others if branch["from"] == first["from"])
    page.keyboard.press("ArrowDown")
    expect(card(tree)).to_contain_text(f"{second['count']} of 8 continued with ‘{second['begins'][second['from']]}’")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Texts")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Prompt")).to_have_value(first["begins"])
    page.wait_for_function("document.querySelectorAll('#panel-texts .card').length === 16")
    assert all(text.startswith(first["begins"]) for text in cards(page)[:8])


def test_what_was_not_drawn_gets_no_probability(kept_page: Page) -> None:
    settings = {"temperature": 0.8}
    by_hand = {"prompt": "ROMEO:\nX", "forced": {"chosen": "X"}, "texts": ["yz"], **settings}
    typed = {"prompt": "ROMEO:\nI am", "texts": ["bc"], **settings}
    drawn = {"prompt": "ROMEO:", "texts": ["\nI do", "\nI do", "\nWe"], **settings}
    keys = ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"]
    shown = kept_page.evaluate(DRAW, {"script": scripts(kept_page), "runs": [drawn, typed, by_hand], "keys": keys})
    root, both, do, am, we, x = shown["said"][1:]
    assert "All 5 samples" in root
    assert "3 of 5 continued with ‘I’, 1 of them given by the prompt." in both
    assert "at temperature 0.8" in both
    assert "2 of 3 continued with ‘d’." in do
    assert "continued with ‘a’, given by the prompt: not drawn." in am
    assert "%" not in am
    assert "1 of 5 continued with ‘W’." in we
    assert "continued with ‘X’, chosen by hand: not drawn." in x
    assert "%" not in x


def test_samples_of_two_prompts_and_identical_ones_are_told_so(kept_page: Page) -> None:
    one = {"prompt": "ROMEO:", "temperature": 0, "texts": ["\nThe"] * 3}
    same = kept_page.evaluate(DRAW, {"script": scripts(kept_page), "runs": [one], "keys": []})
    assert [branch["count"] for branch in same["branches"]] == [3]
    assert "All 3 samples are the same." in same["said"][0]
    two = kept_page.evaluate(DRAW, {"script": scripts(kept_page), "runs": [one, one | {"prompt": "JULIET:"}], "keys": []})
    assert [(branch["begins"], branch["count"]) for branch in two["branches"]] == [("", 6), ("JULIET:\nThe", 3), ("ROMEO:\nThe", 3)]
    assert "begin differently" in two["said"][0]
    alone = kept_page.evaluate(DRAW, {"script": scripts(kept_page), "runs": [one | {"texts": ["\nI"]}], "keys": []})
    assert "One sample" in alone["said"][0]


def test_many_samples_are_folded_and_say_so(kept_page: Page) -> None:
    rng = random.Random(3)
    texts = ["\n" + "".join(rng.choices("abcdefgh ", k=300)) for _ in range(200)]
    shown = kept_page.evaluate(
        DRAW, {"script": scripts(kept_page), "runs": [{"prompt": "A", "temperature": 1, "texts": texts}], "keys": []}
    )
    away = [branch for branch in shown["branches"] if branch["hidden"]]
    folded = sum(branch["count"] for branch in away)
    assert f"{folded} samples folded away in {len(away)} places. Show all" in shown["folded"]
    assert len(shown["branches"]) < 150
    alone = sum(branch["count"] == 1 and not branch["hidden"] for branch in shown["branches"])
    assert alone + folded == 200
    assert sum(branch["count"] == 1 and not branch["hidden"] for branch in shown["all"]) == 200


def test_a_server_that_does_not_answer_is_told_beside_the_branch(context: BrowserContext, url: str) -> None:
    page = context.new_page()  # its console may tell what goes wrong outside it
    open_page(page, url)
    tree = show_tree(page)
    set_up(page, seed=5, samples=4, length=20)
    write(tree, 4)
    page.route("**/logits/**", lambda route: route.abort())
    first = branches(tree)[1]
    page.mouse.move(first["x"], first["y"])
    expect(page.locator(".tree-card [role=alert]")).to_have_text("The server cannot be reached. Nothing is lost.")
    expect(card(tree)).to_contain_text(f"{first['count']} of 4")
    page.unroute("**/logits/**")
    page.mouse.move(first["x"], first["y"] + 200)
    page.mouse.move(first["x"], first["y"])
    expect(card(tree)).to_contain_text("before temperature")
    expect(page.locator(".tree-card [role=alert]")).to_have_count(0)
    page.close()


def test_the_picture_is_the_whole_tree_in_high_resolution(tree: Locator) -> None:
    page = tree.page
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture of the tree (PNG)").click()
    data = download.value.path().read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 3000
    assert 600 < height < 1200
    assert len(data) > 20_000, "it is empty"


def test_an_empty_page_says_what_will_grow_here(tree: Locator) -> None:
    tree.page.get_by_role("button", name="Clear").click()
    expect(tree.page.get_by_text("No samples yet. Press Generate")).to_be_visible()
    expect(tree).to_be_hidden()
    set_up(tree.page, samples=2, length=20)
    write(tree, 2)
    expect(tree).to_be_visible()


def test_a_text_without_a_prompt_begins_where_the_model_does(kept_page: Page) -> None:
    generations = [{"prompt": "", "temperature": 1, "texts": ["bc"]}]
    shown = kept_page.evaluate(
        DRAW, {"script": scripts(kept_page), "runs": generations, "keys": [], "start": "a"}
    )  # of a vocabulary without newlines
    assert shown["branches"][0]["begins"] == "abc"


def test_only_what_is_certain_has_all_the_probability(kept_page: Page) -> None:
    words = {1: "100 %", 0.9996: "> 99.9 %", 0.9994: "99.9 %", 0.414: "41 %", 0.0316: "3.2 %", 0.0008: "0.08 %", 1e-9: "< 0.01 %", 0: "0 %"}
    module = f"{scripts(kept_page)}shared/dom.js"
    said = kept_page.evaluate("async ([module, all]) => all.map((await import(module)).percent)", [module, [*words]])
    assert said == [*words.values()]
