"""The structure, drawn from the imports: no circle, and no arrow up."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

BELOW = {
    "cli": {"training", "evaluation", "data", "moving", "concept", "images", "models", "core"},
    "training": {"evaluation", "data", "concept", "images", "models", "core"},
    "evaluation": {"data", "concept", "images", "models", "core"},
    "data": {"concept", "images", "models", "core"},
    "concept": {"models", "core"},
    "moving": {"images", "core"},
    "images": {"core"},
    "models": {"core"},
    "web": set(),
    "core": {"concept", "images", "models"},
}
"""Which rooms a room may import from; ``core`` is the modules that lie directly in ``e2gan/``."""


def imports(root: Path) -> dict[str, set[str]]:
    """Each module of the package by its dotted name, with those that it imports, in its functions as well."""
    files = {_name(file.relative_to(root)): file for file in sorted((root / "e2gan").rglob("*.py"))}
    return {name: set(_imported(file.read_text("utf-8"), files)) - {name} for name, file in files.items()}


def _name(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def _imported(source: str, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module


def room(module: str, root: Path) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (root / "e2gan" / parts[1]).is_dir() else "core"


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The modules that import each other, directly or by way of others; Tarjan's strongly connected components."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in numbers:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], numbers[other])
        if lowest[module] == numbers[module]:
            place = stack.index(module)
            members = stack[place:]
            del stack[place:]
            if len(members) > 1:
                found.append(sorted(members))

    for module in sorted(graph):
        if module not in numbers:
            visit(module)
    return found


@pytest.fixture(scope="module")
def graph(repository: Path) -> dict[str, set[str]]:
    graph = imports(repository)
    # The package itself imports its public names when they are asked for.
    return {
        module: {other for other in others if other != "e2gan"} for module, others in graph.items() if module != "e2gan"
    }


def test_no_module_imports_itself_by_way_of_others(graph: dict[str, set[str]]) -> None:
    assert circles(graph) == []


def test_arrows_point_down(graph: dict[str, set[str]], repository: Path) -> None:
    up = []
    for module, others in graph.items():
        here = room(module, repository)
        for other in others:
            there = room(other, repository)
            if there != here and there not in BELOW[here] and module != "e2gan.__main__":
                up.append(f"{module} imports {other}")
    assert up == []


def test_every_room_is_known(repository: Path) -> None:
    rooms = {file.parent.name for file in (repository / "e2gan").glob("*/*.py")}
    assert rooms <= set(BELOW)


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
