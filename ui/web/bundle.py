"""Joins the page's ES modules into one script per folder, so that a new visitor makes a few requests instead of one per file.

The modules need no build: each stays a plain ES module with static named imports, and can still be imported alone. In a bundle each module
becomes a function that runs once, when its exports are first needed. Every module keeps its line breaks, so that the source map is one
entry per line.
"""

from __future__ import annotations

import json
import posixpath
import re
from graphlib import TopologicalSorter

IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"^export \{([^}]*)\};", re.MULTILINE)
UNSUPPORTED = re.compile(r"^(?:import|export)\b.*|^await\b.*|.*\bimport\.meta\b.*", re.MULTILINE)

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def is_module(source: str) -> bool:
    """Whether a script is an ES module that exports something."""
    return bool(re.search(r"^export\b", source, re.MULTILINE))


def folder_of(path: str) -> str:
    """The folder whose bundle holds a module: sample/next/bars.js -> sample."""
    return path.partition("/")[0]


def bundles(modules: dict[str, str], sources: str) -> dict[str, str]:
    """Joins modules.

    Args:
        modules: each module's path and source; imports are relative paths.
        sources: the address of the modules' own files, relative to the bundles'.

    Returns:
        For each folder a script `folder.js`, whose one export `load(path)` gives a module's exports, and `folder.js.map`, its source map.

    Raises:
        ValueError: a module uses syntax that a bundle cannot hold, or imports are missing or circular.
    """
    imports = {path: {_resolve(path, target) for _, target in IMPORT.findall(source)} for path, source in modules.items()}
    for path, targets in imports.items():
        if missing := targets - modules.keys():
            raise ValueError(f"{path} imports {', '.join(sorted(missing))}, which does not exist")
    graph = {
        path: sorted(imports[path]) for path in sorted(imports)
    }  # in the same order at each start: browsers keep scripts by their hash
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, a ValueError that names the modules
    joined: dict[str, str] = {}
    for folder in sorted({folder_of(path) for path in modules}):
        own = {path: modules[path] for path in order if folder_of(path) == folder}
        others = sorted({folder_of(target) for path in own for target in imports[path]} - {folder})
        joined |= _bundle(folder, own, others, sources)
    return joined


def imported_bundles(script: str) -> list[str]:
    """The folders whose bundles a bundle imports."""
    return re.findall(r'^import \{ load as \w+ \} from "\./(\w+)\.js";', script, re.MULTILINE)


def _bundle(folder: str, modules: dict[str, str], others: list[str], sources: str) -> dict[str, str]:
    """One folder's script and source map."""
    lines, before = [f'import {{ load as load_{other} }} from "./{other}.js";' for other in others], (0, 0)
    lines += ["const modules = {};", "const loaded = {};", "export const load = (path) => (loaded[path] ??= modules[path]());"]
    mappings = [""] * len(lines)
    for number, (path, source) in enumerate(modules.items()):
        body, exports = _function_body(path, source)
        lines += [f"modules[{json.dumps(path)}] = () => {{", *body, f"return {{ {', '.join(exports)} }};", "};"]
        mappings.append("")
        for line in range(len(body)):
            mappings.append("A" + _vlq(number - before[0]) + _vlq(line - before[1]) + "A")
            before = (number, line)
        mappings += ["", ""]
    lines.append(f"//# sourceMappingURL={folder}.js.map\n")
    source_map = {"version": 3, "sources": [sources + path for path in modules], "names": [], "mappings": ";".join(mappings)}
    return {f"{folder}.js": "\n".join(lines), f"{folder}.js.map": json.dumps(source_map)}


def _resolve(path: str, target: str) -> str:
    """A module's path from the path of the module that imports it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _function_body(path: str, source: str) -> tuple[list[str], list[str]]:
    """A module's lines as those of a function, and what the function is to return."""

    def take_imports(match: re.Match[str]) -> str:
        target = _resolve(path, match[2])
        load = "load" if folder_of(target) == folder_of(path) else f"load_{folder_of(target)}"
        return f"const {{{re.sub(r' as ', ': ', match[1])}}} = {load}({json.dumps(target)});"

    exports = EXPORT.findall(source)
    for names in EXPORT_LIST.findall(source):
        exports += [f"{new or name}: {name}" for name, _, new in (each.strip().partition(" as ") for each in names.split(",")) if name]
    body = EXPORT.sub("", EXPORT_LIST.sub("", IMPORT.sub(take_imports, source)))
    if unsupported := UNSUPPORTED.search(body):
        raise ValueError(f"{path}: a bundle cannot hold this line: {unsupported[0]}")
    return body.removesuffix("\n").split("\n"), exports


def _vlq(number: int) -> str:
    """A number as source maps write it: base 64, five bits a digit, the lowest bit for the sign."""
    rest, digits = (abs(number) << 1) | (number < 0), ""
    while True:
        rest, digit = rest >> 5, rest & 31
        digits += BASE64[digit | 32 if rest else digit]
        if not rest:
            return digits
