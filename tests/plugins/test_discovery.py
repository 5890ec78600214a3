"""Discovery: distributions on the path, the allow-list, the process's registry."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from e2gan import plugins
from e2gan.errors import PluginError
from e2gan.plugins import Registry

CONCEPT = """
from pathlib import Path

from e2gan.hookspecs import hookimpl


@hookimpl
def register_concepts(register):
    register(Path(__file__).parent / "bundle")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: Callable[..., Path]) -> Callable[..., Path]:
    """Put a concept's distribution on the path, as pip would."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.delenv("E2GAN_LOAD_PLUGINS")

    def install(id: str, *, distribution: str | None = None, code: str = CONCEPT) -> Path:
        distribution = distribution or f"e2gan-concept-{id}"
        package = distribution.replace("-", "_")
        bundle(id, folder=site / package / "bundle")
        (site / package / "__init__.py").write_text(code)
        info = site / f"{package}-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n\nName: no\n")
        (info / "entry_points.txt").write_text(f"[e2gan]\n{id} = {package}\n")
        return site

    return install


def ours(registry: Registry) -> dict[str, str]:
    """Status by name of the plugins these tests installed."""
    return {p.name: p.status for p in registry.plugins if p.distribution.startswith("e2gan-concept-test")}


def test_installed_concept_is_found_and_gone_again(install: Callable[..., Path]) -> None:
    site = install("test-a")
    concept = Registry.load().get("concept", "test-a")
    assert concept.distribution == "e2gan-concept-test-a"
    (info,) = [p for p in Registry.load().plugins if p.name == "test-a"]
    assert (info.distribution, info.version, info.hooks) == ("e2gan-concept-test-a", "2.0", ("register_concepts",))
    for file in site.glob("*.dist-info/*"):
        file.unlink()
    assert ours(Registry.load()) == {}


@pytest.mark.parametrize(
    "code", ["raise RuntimeError('no')", "import nothing_of_this_name", "syntax error", "import sys; sys.exit(1)"]
)
def test_a_module_that_cannot_be_imported(install: Callable[..., Path], code: str) -> None:
    install("test-bad", code=code)
    install("test-good")
    registry = Registry.load()
    assert ours(registry) == {"test-bad": "broken", "test-good": "ok"}
    (bad,) = [p for p in registry.plugins if p.name == "test-bad"]
    assert "Traceback" in str(bad.traceback)
    assert registry.get("concept", "test-good")


def test_strict_raises_at_once(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    install("test-bad", code="raise RuntimeError('no')")
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "test-bad")
    monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="plugin 'test-bad': RuntimeError: no"):
        Registry.load()


def test_two_distributions_of_one_concept(install: Callable[..., Path]) -> None:
    install("test-a", distribution="e2gan-concept-test-a")
    install("test-a", distribution="e2gan-concept-test-fork")
    with pytest.raises(PluginError, match="'e2gan-concept-test-a' and by 'e2gan-concept-test-fork'"):
        Registry.load().get("concept", "test-a")


def test_damaged_metadata(install: Callable[..., Path]) -> None:
    site = install("test-a")
    (site / "e2gan_concept_test_a-2.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    assert Registry.load().get("concept", "test-a").distribution == "test-a"


class TestAllowList:
    @pytest.mark.parametrize("allowed", ["test-a", "e2gan-concept-test-a", "E2GAN_Concept.Test_A", " test-a , "])
    def test_by_either_name(self, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
        install("test-a")
        install("test-b", code="raise RuntimeError('must not be imported')")
        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", allowed)
        registry = Registry.load()
        assert ours(registry) == {"test-a": "ok", "test-b": "skipped"}
        assert list(registry.all("concept")) == ["test-a"]
        assert registry.problems == []

    def test_empty_is_none(self, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
        install("test-a")
        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
        assert ours(Registry.load()) == {"test-a": "skipped"}

    def test_name_of_nothing(self, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
        install("test-a")
        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "tets-a")
        (problem,) = Registry.load().problems
        assert (problem.plugin, problem.hint) == ("tets-a", "did you mean 'test-a'?")


def test_registry_is_loaded_once() -> None:
    assert plugins.registry() is plugins.registry()
    plugins.register_commands(click.Group())


def test_core_plugins_load_without_torch() -> None:
    code = (
        "import sys; from e2gan.plugins import registry; assert 'efficientnet-lite0' in registry().all('embedder');"
        "assert not registry().problems; print(*sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "E2GAN_LOAD_PLUGINS": ""}
    modules = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert {"torch", "peft", "transformers"}.isdisjoint(modules.stdout.split())


@pytest.mark.parametrize(
    "content", [b"[console_scripts]\nthis is malformed\n", b"\xff\xfe", b"no section = 1\n[e2gan]\nx\n"]
)
def test_a_damaged_distribution_stops_nothing(
    install: Callable[..., Path], content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor whatever else asks for entry points, as torch does when it is imported."""
    monkeypatch.setattr("e2gan.distributions._faults", {})
    install("sound")
    info = tmp_path / "site" / "evil-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(content)
    importlib.invalidate_caches()
    registry = Registry.load()
    assert "sound" in registry.all("concept")
    (problem,) = [each for each in registry.problems if each.distribution == "evil-1.0.dist-info"]
    assert "its entry points cannot be read" in problem.message
    assert next(each for each in registry.plugins if each.name == "evil-1.0.dist-info").status == "broken"
    importlib.metadata.entry_points(group="torch.backends")
