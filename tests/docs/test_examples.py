"""What the documents show works: files parse, code runs, commands and options exist."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest
from PIL import Image

from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.plugins import Registry

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


def test_the_shown_teacher_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (code,) = (block for block in blocks(ROOT / "docs/plugins.md", "python") if "register_teachers" in block)
    (tmp_path / "e2gan_posters.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
    import e2gan_posters  # type: ignore[import-not-found]

    teacher = Registry.load([e2gan_posters]).get("teacher", "poster").factory(colours=2)
    picture = teacher(Image.linear_gradient("L").convert("RGB"))
    assert (picture.mode, picture.size) == ("RGB", (256, 256))
    assert len(picture.getcolors()) == 2


def test_the_hooks_are_all_described() -> None:
    from e2gan import hookspecs

    page = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("register_"):
            assert f"`{name}({', '.join(inspect.signature(function).parameters)})`" in page
