"""The documentation is built, strictly: every link, anchor and name in it leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import e2gan


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if "INFO" not in line)
    return folder


def text(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = (site / "reference/index.html").read_text(encoding="utf-8")
    names = [name for name in e2gan.__all__ if not name.startswith("_")]
    assert [name for name in names if not re.search(rf'id="e2gan\.([\w.]+\.)?{name}"', page)] == []


def test_no_role_of_another_format_is_shown(site: Path) -> None:
    assert not re.search(r":(class|func|mod|meth|data|attr):", text(site / "reference/index.html"))


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text(encoding="utf-8")):
            address = re.search(r'(?:src|href)="((?:https?:)?//[^"]+)"', tag)
            assert not address or 'rel="canonical"' in tag, f"{page.relative_to(site)}: {tag}"


def test_the_beginners_path_uses_commands_that_exist(repository: Path) -> None:
    from e2gan.cli import cli

    page = (repository / "docs/getting-started.md").read_text(encoding="utf-8")
    commands = re.findall(r"^e2gan ([a-z-]+)", page, re.M)
    assert len(commands) > 10
    assert [name for name in commands if name not in cli.commands and cli.get_command(None, name) is None] == []  # type: ignore[arg-type]
