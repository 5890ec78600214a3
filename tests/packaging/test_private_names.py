"""Private names of other libraries: what they are, who needs them, and that the installed versions have them.

They may go with any release.  At an upgrade this test says which is gone, and which of our modules asks for it.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

NEEDED: Mapping[str, tuple[str, str]] = {
    "accelerate.state.AcceleratorState._reset_state": (
        "e2gan/training/trainer.py",
        "each run has its own precision, and accelerate keeps a process's first",
    ),
    "coremltools.converters.mil.frontend.torch.ops._get_inputs": (
        "plugins/coreml/e2gan_coreml/convert.py",
        "coremltools cannot convert an unflatten to sizes that are computed",
    ),
    "diffusers.DiffusionPipeline._execution_device": (
        "plugins/teachers/e2gan_teachers/diffusion/null_text.py",
        "where a pipeline computes whose parts are moved in and out of a GPU",
    ),
    "importlib.metadata.PathDistribution._path": (
        "e2gan/distributions.py",
        "a distribution whose entry points cannot be read is named by its place",
    ),
    "peft.LoraConfig._register_custom_module": (
        "e2gan/models/lora.py",
        "PEFT has no LoRA for transposed convolutions",
    ),
    "peft.tuners.lora.layer._ConvNd": (
        "e2gan/models/lora.py",
        "LoRA for transposed convolutions is a subclass",
    ),
    "torch._foreach_lerp_": (
        "e2gan/training/trainer.py",
        "the moving average of all weights at once",
    ),
    "torch.cpu._is_avx512_bf16_supported": (
        "e2gan/models/device.py",
        "whether a processor computes in bfloat16",
    ),
}
"""By name in full: the module that needs it, and what for."""

PLACES = ("e2gan", "hub", "plugins", "spaces", "concepts")

DOCUMENTED = ("_exit", "_asdict", "_fields")
"""Names that only look private: Python documents `os._exit`, and these two of named tuples."""


def sources(root: Path) -> dict[str, ast.Module]:
    files = (file for place in PLACES for file in (root / place).rglob("*.py"))
    return {file.relative_to(root).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(trees: Mapping[str, ast.Module]) -> set[str]:
    """What our own code defines or sets."""
    names = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def foreign(tree: ast.Module, own: set[str]) -> Iterator[tuple[int, str]]:
    """The private names of others that a module imports, takes as attributes or asks for with getattr."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("e2gan"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            names = [str(word.value) for word in node.args[1:2] if isinstance(word, ast.Constant)]
        imported = isinstance(node, (ast.Import, ast.ImportFrom))
        for name in names:
            if is_private(name) and name not in DOCUMENTED and (imported or name not in own):
                yield getattr(node, "lineno", 0), name


def find(name: str) -> Any:
    """The object of a dotted name; raises ImportError where its package is not installed."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if part == "_path" and found is importlib.metadata.PathDistribution:
                found = found(Path())  # its instances have it
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", NEEDED)
def test_the_installed_version_has_it(name: str) -> None:
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    user, purpose = NEEDED[name]
    try:
        find(name)
    except (AttributeError, ModuleNotFoundError):
        version = "Python" if package == "importlib" else f"{package} {importlib.metadata.version(package)}"
        pytest.fail(f"{version} has no {name} any more, which {user} needs: {purpose}")


def test_each_that_is_used_is_listed_with_its_user(repository: Path) -> None:
    trees = sources(repository)
    own = own_names(trees)
    listed = {(user, name.rpartition(".")[2]) for name, (user, _) in NEEDED.items()}
    used = {(file, name): line for file, tree in trees.items() for line, name in foreign(tree, own)}
    unknown = [f"{file}:{line}: {name}" for (file, name), line in used.items() if (file, name) not in listed]
    assert not unknown, "list them in NEEDED, with what they are for"
    assert not listed - set(used), "no longer used"


@pytest.mark.parametrize(
    "line",
    [
        "import torch._dynamo",
        "from torch._subclasses.fake_tensor import FakeTensorMode",
        "from peft.tuners.lora.layer import _ConvNd",
        "torch._foreach_lerp_(a, b, 1)",
        "pipeline._execution_device",
        "getattr(torch.cpu, '_is_avx512_bf16_supported', None)",
    ],
)
def test_a_private_name_is_seen(line: str) -> None:
    assert [*foreign(ast.parse(line), {"_own"})]


@pytest.mark.parametrize("line", ["self._own", "os._exit(1)", "torch.__version__", "from e2gan._version import x"])
def test_our_own_and_documented_ones_are_not_meant(line: str) -> None:
    assert not [*foreign(ast.parse(line), {"_own"})]
