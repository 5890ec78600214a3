"""Public means public: what one distribution imports of another stands in its module's ``__all__``.

Read from the source, so that a private name is found where it is used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOMES = {
    "e2gan": "e2gan",
    "e2gan_hub": "hub/e2gan_hub",
    "e2gan_demo": "spaces/demo/e2gan_demo",
    "benchmarks": "benchmarks",
    **{f"e2gan_{name}": f"plugins/{name}/e2gan_{name}" for name in ("baselines", "catalogue", "coreml")},
    **{
        f"e2gan_{name}": f"plugins/{name}/e2gan_{name}"
        for name in ("gmic", "litert", "onnx", "openvino", "reproduce", "ssd", "teachers")
    },
}
"""Packages of ours by their folders."""

PLACES = ("hub", "plugins", "spaces", "benchmarks", "samples", "concepts")


def private(source: str, package: str, root: Path) -> list[str]:
    """What of our other packages a module uses that they do not offer."""
    return [
        f"line {line}: {module}{f'.{name}' if name else ''}"
        for line, module, name in _used(ast.parse(source), root)
        if module.partition(".")[0] != package and not _is_public(root, module, name)
    ]


def _used(tree: ast.Module, root: Path) -> Iterator[tuple[int, str, str]]:
    """(line, module, name in it or "") of each import of ours, and of each attribute taken of an imported module."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in HOMES:
                    yield node.lineno, alias.name, ""
                    modules[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in HOMES:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if _file(root, whole):
                    yield node.lineno, whole, ""
                    modules[alias.asname or alias.name] = whole
                else:
                    yield node.lineno, node.module, alias.name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        module = modules.get(_dotted(node.value))
        if module and not _file(root, f"{module}.{node.attr}"):
            yield node.lineno, module, node.attr


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def _file(root: Path, module: str) -> Path | None:
    package, _, rest = module.partition(".")
    path = root / HOMES[package] / rest.replace(".", "/") if rest else root / HOMES[package]
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _is_public(root: Path, module: str, name: str) -> bool:
    if any(part.startswith("_") for part in module.split(".")) or (file := _file(root, module)) is None:
        return False
    return not name or name == "__version__" or name in _offered(file)


@cache
def _offered(file: Path) -> frozenset[str]:
    """The names in a module's ``__all__``."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def test_every_package_of_ours_is_known(repository: Path) -> None:
    folders = [
        *repository.glob("plugins/*/e2gan_*"),
        *repository.glob("hub/e2gan_*"),
        *repository.glob("spaces/*/e2gan_*"),
    ]
    assert {folder.relative_to(repository).as_posix() for folder in folders} <= set(HOMES.values())


def test_others_use_public_names_only(repository: Path) -> None:
    faults = {}
    for place in PLACES:
        for file in sorted((repository / place).rglob("*.py")):
            path = file.relative_to(repository)
            package = next((name for name, home in HOMES.items() if path.is_relative_to(home)), "")
            if lines := private(file.read_text("utf-8"), package, repository):
                faults[path.as_posix()] = lines
    assert not faults


def test_what_is_offered_is_there(repository: Path) -> None:
    """A name in ``__all__`` that its module does not have would let anything pass."""
    for home in HOMES.values():
        for file in (repository / home).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
            bound = {node.id for node in nodes if isinstance(node, ast.Name)}
            bound |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
            imports = (node.names for node in nodes if isinstance(node, ast.ImportFrom))
            bound |= {alias.asname or alias.name for names in imports for alias in names}
            assert _offered(file) <= bound, file


@pytest.mark.parametrize(
    "source",
    [
        "from e2gan.files import _replace",
        "from e2gan.files import BLOCK_SIZE_THAT_NOBODY_OFFERS",
        "from e2gan import files\nfiles._replace",
        "import e2gan.files\ne2gan.files._replace",
        "import e2gan.files as f\nf._replace()",
        "from e2gan._version import x",
        "def f():\n    from e2gan.nowhere import x",
        "from e2gan_onnx.graph import _x",
    ],
)
def test_a_private_name_is_found(source: str, repository: Path) -> None:
    assert private(source, "e2gan_hub", repository)


@pytest.mark.parametrize(
    "source",
    [
        "import e2gan\ne2gan.registry()\ne2gan.__version__",
        "from e2gan.files import atomic_write",
        "from e2gan import files\nfiles.atomic_write",
        "from e2gan_hub.client import _x",
        "from os import _exit\nimport numpy as np\nnp._x",
    ],
)
def test_what_is_allowed(source: str, repository: Path) -> None:
    assert not private(source, "e2gan_hub", repository)
