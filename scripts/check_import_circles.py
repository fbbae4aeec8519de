#!/usr/bin/env python3
"""Finds circles of imports between the source files of each crate, and fails if there is one.

An arrow goes from file A to file B when A names something of B by `crate::`, `super::` or `self::`, or by a module that
A declares. Test code (`#[cfg(test)]` items and modules) is left out, as are `mod` and `pub use` lines: they say what a
file contains or publishes, not what it needs. A path that ends in the crate's root is an arrow to `lib.rs`: an import
names the module in which a type lives, not its re-export.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def source_files(source: pathlib.Path) -> dict[tuple[str, ...], pathlib.Path]:
    """The files of a crate by their module paths; the root is the empty path."""
    files = {}
    for path in sorted(source.rglob("*.rs")):
        parts = list(path.relative_to(source).with_suffix("").parts)
        if parts[-1] in ("lib", "main") and len(parts) == 1:
            parts = []
        elif parts[-1] == "mod":
            parts.pop()
        files[tuple(parts)] = path
    for_tests = {
        (*module, name)
        for module, path in files.items()
        for name in re.findall(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod\s+(\w+)\s*;", path.read_text(encoding="utf-8"))
    }
    return {
        module: path
        for module, path in files.items()
        if not any(module[: len(ancestor)] == ancestor for ancestor in for_tests)
    }


def without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def without_tests(text: str) -> str:
    """Removes each item that follows `#[cfg(test)]`."""
    while match := re.search(r"#\[cfg\((?:all\()?test\b[^\]]*\]", text):
        end = match.end()
        depth = 0
        while end < len(text):
            character = text[end]
            end += 1
            if character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
            if depth == 0 and character in ";}":
                break
        text = text[: match.start()] + text[end:]
    return text


def with_inline_modules_unwrapped(text: str) -> str:
    """Replaces `super::` within an inline module by `self::`, because both name the file that contains the module."""
    for match in reversed(list(re.finditer(r"\bmod\s+\w+\s*\{", text))):
        end, depth = match.end(), 1
        while end < len(text) and depth > 0:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        body = re.sub(r"\bsuper::(?!super\b)", "self::", text[match.end() : end])
        text = text[: match.end()] + body + text[end:]
    return text


def expand(tree: str) -> list[str]:
    """The paths of one use tree: `a::{b, c::d}` is `a::b` and `a::c::d`."""
    tree = tree.strip()
    opening = tree.find("{")
    if opening < 0:
        return [re.sub(r"\s+as\s+\w+$", "", tree)]
    prefix, inner = tree[:opening], tree[opening + 1 : tree.rindex("}")]
    parts, depth, start = [], 0, 0
    for index, character in enumerate(inner):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            parts.append(inner[start:index])
            start = index + 1
    parts.append(inner[start:])
    return [prefix + path for part in parts if part.strip() for path in expand(part)]


def paths_named(text: str) -> list[str]:
    """Every path that a file names, in its imports and in its code."""
    paths = []

    def collect_import(match: re.Match[str]) -> str:
        if match.group("visibility") is None:
            paths.extend(expand(match.group("tree")))
        return ""

    text = re.sub(r"(?P<visibility>\bpub(?:\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);", collect_import, text)
    text = re.sub(r"(?:\bpub(?:\([^)]*\))?\s+)?\bmod\s+\w+\s*;", "", text)
    paths += re.findall(r"(?<![\w:])(?:\w+::)+\w+", text)
    return [re.sub(r"\s+", "", path) for path in paths]


def resolve(path: str, here: tuple[str, ...], files: dict[tuple[str, ...], pathlib.Path]) -> tuple[str, ...] | None:
    """The module of this crate that a path leads to, or None for a path of another crate."""
    parts = path.split("::")
    if parts[0] == "crate":
        base, parts = (), parts[1:]
    elif parts[0] == "super":
        base = here
        while parts and parts[0] == "super":
            base, parts = base[:-1], parts[1:]
    elif parts[0] == "self":
        base, parts = here, parts[1:]
    elif here + (parts[0],) in files:
        base = here
    else:
        return None
    target = base
    for part in parts:
        if target + (part,) not in files:
            break
        target += (part,)
    return target


def arrows(files: dict[tuple[str, ...], pathlib.Path]) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    found = {}
    for module, path in files.items():
        text = with_inline_modules_unwrapped(without_tests(without_comments(path.read_text(encoding="utf-8"))))
        targets = {resolve(named, module, files) for named in paths_named(text)}
        found[module] = {target for target in targets if target is not None and target != module}
    # The root contains all modules, so a file that imports from it depends on each of them.
    if () in found:
        found[()] |= {module for module in files if len(module) == 1}
    return found


def circles(graph: dict[tuple[str, ...], set[tuple[str, ...]]]) -> list[list[tuple[str, ...]]]:
    """The strongly connected components of more than one file, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(node: tuple[str, ...]) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main() -> int:
    wrong = 0
    for source in sorted(ROOT.glob("crates/*/src")):
        files = source_files(source)
        graph = arrows(files)
        for circle in circles(graph):
            wrong += 1
            print(f"{source.relative_to(ROOT)}: {len(circle)} files import each other in a circle:", file=sys.stderr)
            for module in circle:
                for target in sorted(graph[module] & set(circle)):
                    names = ["::".join(("crate", *path)) for path in (module, target)]
                    print(f"  {names[0]} -> {names[1]}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
