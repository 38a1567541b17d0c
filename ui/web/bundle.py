"""Joins the page's ES modules into a few scripts, so that a new visitor makes a few requests instead of one per file.

The modules need no build: each stays a plain ES module with static named imports, and can still be imported alone. In a bundle each module
becomes a function that runs once, when its exports are first needed. The functions of all bundles are in one register of the page; so a
bundle that could not be loaded can be loaded again from another address, and none of them imports another. `import("./module.js")` in a
module becomes a call that fetches the bundles of that module when it is made (ui/load.js). A bundle brings the style sheets of its modules.
Comments that fill their lines are left out, and indentation: a quarter of all bytes. Every other line is kept, so that the source map is
one entry per line.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
LATER = re.compile(r'\bimport\("([^"]+)"\)(?!\.)')  # with a dot it is a type, in a comment
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"^export \{([^}]*)\};", re.MULTILINE)
UNSUPPORTED = re.compile(r"^(?:import|export|await)\b|\bimport\.meta\b")  # in a line

COMMENT = re.compile(r"\s*(//.*|/\*\*(?!.*\*/).*|/\*\*.*\*/\s*)$")  # a line that is one, or begins one

REGISTER = [
    "const { modules, loaded } = (globalThis.soliloquyModules ??= { modules: {}, loaded: {} });",
    "export const load = (path) => (loaded[path] ??= modules[path]());",
]

FIRST, NEXT = "first", "next"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def is_module(source: str) -> bool:
    """Whether a script is an ES module that exports something."""
    return bool(re.search(r"^export\b", source, re.MULTILINE))


class Plan:
    """Which bundle each module is in.

    A module is in "first" if it is one of those that the page begins with, or if they import it; in "next" likewise if it is one of those
    that every page fetches then; otherwise in the bundle of its folder, for instance attention/lens/view.js in attention. A folder with a
    module that is imported later has its own: sample/next/bars.js is in sample-next.

    Attributes:
        places: the bundle of each module.
    """

    def __init__(self, modules: Mapping[str, str], first: Iterable[str] = (), then: Iterable[str] = ()):
        """Takes each module's path and source, where imports are relative paths, and those that the page begins and goes on with.

        Raises:
            ValueError: an import is missing.
        """
        self._modules, self._graph = modules, _graph(modules)
        begins, goes_on = _reached(first, self._graph), _reached(then, self._graph)
        later = {posixpath.dirname(_resolve(path, target)) for path, source in modules.items() for target in LATER.findall(source)}

        def own(path: str) -> str:
            if path in begins:
                return FIRST
            if path in goes_on:
                return NEXT
            folder = posixpath.dirname(path)
            return folder.replace("/", "-") if folder in later else path.partition("/")[0]

        self.places = {path: own(path) for path in self._graph}

    def needed(self, path: str) -> list[str]:
        """The bundles with a module and all that it imports, its own last."""
        own = self.places[path]
        return [*sorted({self.places[module] for module in _reached([path], self._graph)} - {own}), own]

    def place_of_sheet(self, path: str) -> str:
        """The bundle that brings a style sheet: that of the module of the same name, else of the modules beside it."""
        if own := self.places.get(path.removesuffix("css") + "js"):
            return own
        beside = sorted({bundle for module, bundle in self.places.items() if posixpath.dirname(module) == posixpath.dirname(path)})
        return FIRST if FIRST in beside or not beside else beside[0]

    def join(self, sources: str, sheets: Mapping[str, str] | None = None) -> dict[str, str]:
        """Joins the modules.

        Args:
            sources: the address of the modules' own files, relative to the bundles'.
            sheets: style sheets in their order; those of the bundle "first" are left to the document.

        Returns:
            For each bundle a script `name.js`, and `name.js.map`, its source map. The script exports `load(path)`, which gives the exports
            of a module of any bundle that is there, and `styles`, where it brings any.

        Raises:
            ValueError: a module uses syntax that a bundle cannot hold, or imports are circular.
        """
        order = list(TopologicalSorter(self._graph).static_order())  # raises CycleError, a ValueError that names the modules
        styles = dict.fromkeys(sorted({*self.places.values()}), "")
        for path, sheet in (sheets or {}).items():
            styles[self.place_of_sheet(path)] += sheet
        joined: dict[str, str] = {}
        for name, sheet in styles.items():
            own = {path: self._modules[path] for path in order if self.places[path] == name}
            joined |= _bundle(name, own, sources, "" if name == FIRST else sheet, self.needed)
        return joined


def _reached(starts: Iterable[str], graph: Mapping[str, list[str]]) -> set[str]:
    """Modules and all that they import."""
    reached, left = set[str](), [*starts]
    while left:
        reached.add(module := left.pop())
        left += [target for target in graph[module] if target not in reached]
    return reached


def _graph(modules: Mapping[str, str]) -> dict[str, list[str]]:
    """What each module imports, in the same order at each start: browsers keep scripts by their hash."""
    imports = {path: sorted({_resolve(path, target) for _, target in IMPORT.findall(source)}) for path, source in sorted(modules.items())}
    for path, targets in imports.items():
        later = [_resolve(path, target) for target in LATER.findall(modules[path])]
        if missing := [target for target in targets + later if target not in modules]:
            raise ValueError(f"{path} imports {', '.join(missing)}, which does not exist")
    return imports


def _bundle(name: str, modules: dict[str, str], sources: str, styles: str, needed: Callable[[str], list[str]]) -> dict[str, str]:
    """One script and its source map."""
    lines = [*REGISTER, *([f"export const styles = {json.dumps(styles)};"] if styles else [])]
    mappings, before = [""] * len(lines), (0, 0)
    for number, (path, source) in enumerate(modules.items()):
        body, exports = _function_body(path, source, needed)
        lines.append(f"modules[{json.dumps(path)}] = () => {{")
        mappings.append("")
        for line, code in _code(body):
            lines.append(code)
            mappings.append("A" + _vlq(number - before[0]) + _vlq(line - before[1]) + "A")
            before = (number, line)
        lines += [f"return {{ {', '.join(exports)} }};", "};"]
        mappings += ["", ""]
    lines.append(f"//# sourceMappingURL={name}.js.map\n")
    source_map = {"version": 3, "sources": [sources + path for path in modules], "names": [], "mappings": ";".join(mappings)}
    return {f"{name}.js": "\n".join(lines), f"{name}.js.map": json.dumps(source_map)}


def _resolve(path: str, target: str) -> str:
    """A module's path from the path of the module that imports it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _function_body(path: str, source: str, needed: Callable[[str], list[str]]) -> tuple[list[str], list[str]]:
    """A module's lines as those of a function, and what the function is to return."""

    def bring_later(match: re.Match[str]) -> str:
        target = _resolve(path, match[1])
        return f"soliloquy.bring({json.dumps(target)}, {json.dumps(needed(target))})"

    def take_imports(match: re.Match[str]) -> str:
        return f"const {{{re.sub(r' as ', ': ', match[1])}}} = load({json.dumps(_resolve(path, match[2]))});"

    exports = EXPORT.findall(source)
    for names in EXPORT_LIST.findall(source):
        exports += [f"{new or name}: {name}" for name, _, new in (each.strip().partition(" as ") for each in names.split(",")) if name]
    body = EXPORT.sub("", EXPORT_LIST.sub("", LATER.sub(bring_later, IMPORT.sub(take_imports, source))))
    lines = body.removesuffix("\n").split("\n")
    if unsupported := next(filter(UNSUPPORTED.search, lines), None):
        raise ValueError(f"{path}: a bundle cannot hold this line: {unsupported}")
    return lines, exports


def _code(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that are not comments as a whole, with their numbers and without their indentation. Text between backticks, which may go
    over several lines, stays as it is."""
    in_text = in_comment = False
    for number, line in enumerate(lines):
        comment = None if in_text else COMMENT.match(line)
        if in_comment or comment:
            in_comment = (comment is None or comment[1].startswith("/**")) and "*/" not in line
        else:
            yield number, line if in_text else line.lstrip()
            in_text ^= line.count("`") % 2 == 1


def _vlq(number: int) -> str:
    """A number as source maps write it: base 64, five bits a digit, the lowest bit for the sign."""
    rest, digits = (abs(number) << 1) | (number < 0), ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += BASE64[digit | 32 if rest else digit]
        if not rest:
            return digits
