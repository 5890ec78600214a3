"""What the documents show works: files parse, code runs, commands and options exist."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import e2gan
from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.plugins import Registry, use_registry
from tests.editor.tiny import write_tiny_concept

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for page in PAGES
        for block in blocks(page, "sh")
        for line in re.findall(r"\be2gan [a-z].*", block)
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_shown_command_is_understood(line: str) -> None:
    words = shlex.split(line.split("|")[0].split(">")[0])[1:]
    command, context = cli, click.Context(cli, **cli.context_settings)
    while isinstance(command, click.Group):
        word = words.pop(0)
        found = command.get_command(context, word)
        assert found, f"there is no command {word}"
        command, context = found, click.Context(found, context, word)
    # Reads the arguments and checks them, but runs nothing.
    command.make_context(command.name, words, parent=context.parent)


@pytest.mark.parametrize("page", ["make-a-concept.md", "bundle.md"])
def test_a_shown_manifest_can_be_read(page: str, tmp_path: Path) -> None:
    (text,) = (block for block in blocks(ROOT / "docs" / page, "toml") if "schema = 1" in block)
    (tmp_path / "concept.toml").write_text(text.replace('sha256 = "…"', f'sha256 = "{"0" * 64}"'), encoding="utf-8")
    assert not Concept.read(tmp_path).trained


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], ModuleType]:
    """Imports the plugin of docs/plugins.md that has a hook, under a name of its own."""

    def plugin(hook: str) -> ModuleType:
        (code,) = (block for block in blocks(ROOT / "docs/plugins.md", "python") if f"def {hook}(" in block)
        (tmp_path / f"shown_{hook}.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(f"shown_{hook}")

    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
    return plugin


def test_the_shown_teacher_works(shown: Callable[[str], ModuleType]) -> None:
    teacher = Registry.load([shown("register_teachers")]).get("teacher", "poster").factory(colours=2)
    picture = teacher(Image.linear_gradient("L").convert("RGB"))
    assert (picture.mode, picture.size) == ("RGB", (256, 256))
    assert len(picture.getcolors()) == 2


class Shelf:
    """A plugin with one concept."""

    def __init__(self, concept: Concept) -> None:
        self._concept = concept

    @e2gan.hookimpl
    def register_concepts(self, register: Callable[..., object]) -> None:
        register(self._concept.path)


def test_the_shown_command_works(shown: Callable[[str], ModuleType], base: Base, tmp_path: Path) -> None:
    dusk = write_tiny_concept(tmp_path / "dusk", base)
    use_registry(lambda: Registry.load([Shelf(dusk)]))
    shown("register_commands").register_commands(cli)
    size = sum(file.stat().st_size for file in dusk.path.iterdir())
    assert json.loads(CliRunner().invoke(cli, ["weigh", "--json"]).stdout) == {"dusk": size}
    assert f"dusk     {size / 1000:,.0f} kB" in CliRunner().invoke(cli, ["weigh"]).stdout
    assert "weigh" in CliRunner().invoke(cli, ["--help"]).stdout


def test_the_shown_exporter_works(
    shown: Callable[[str], ModuleType], base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e2gan.base.BUNDLED", base.path.parent)
    dusk = write_tiny_concept(tmp_path / "dusk", base)
    plugins = [Shelf(dusk), shown("register_exporters")]
    use_registry(lambda: Registry.load(plugins))
    result = CliRunner().invoke(cli, ["export", "npz", "dusk", "-o", str(tmp_path / "weights")])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"wrote {tmp_path / 'weights/dusk.npz'}\n"
    weights = np.load(tmp_path / "weights/dusk.npz")
    plain = base.generator().state_dict()
    assert weights.keys() == {*plain, "prompt"}
    assert np.abs(weights["down1.weight"] - plain["down1.weight"].numpy()).max() > 0.01
    result = CliRunner().invoke(cli, ["export", "npz", "nowhere", "-o", str(tmp_path / "more")])
    assert result.exit_code == 1 and not (tmp_path / "more").exists()


def test_the_hooks_are_all_described() -> None:
    from e2gan import hookspecs

    page = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("register_"):
            assert f"`{name}({', '.join(inspect.signature(function).parameters)})`" in page
