"""The distributions, built and installed for real: into an environment of their own, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CONCEPTS = sorted(file.parent.name for file in Path(__file__).parents[2].glob("concepts/*/pyproject.toml"))


def run(*command: str | Path) -> str:
    """Run a command away from the working tree; its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=Path(sys.prefix), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(project: Path, out: Path) -> Path:
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, project)
    (wheel,) = out.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment that sees this one's packages, but for the installed concepts."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=os.name != "nt")
        here, there = (
            Path(sysconfig.get_path("purelib", vars=paths))
            for paths in ({}, {"base": str(folder), "platbase": str(folder)})
        )
        for package in here.iterdir():
            if not package.name.startswith(("e2gan_concept_", "pip", "_virtualenv", "distutils-precedence")):
                (there / package.name).symlink_to(package)
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"

    def pip(self, *arguments: str | Path) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, "-q", *arguments)

    def listed(self) -> set[str]:
        """The ids that ``e2gan list`` shows."""
        program = "import sys; from e2gan.cli import main; sys.argv[0] = 'e2gan'; main()"
        return {concept["id"] for concept in json.loads(run(self.python, "-c", program, "list", "--json"))}


@pytest.fixture(scope="module")
def wheels(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The built wheel of each shipped concept."""
    return {name: build(repository / "concepts" / name, tmp_path_factory.mktemp(name)) for name in CONCEPTS}


def test_concepts_are_there_once_installed_and_gone_once_uninstalled(wheels: dict[str, Path], tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    assert environment.listed() == set()
    environment.pip("install", "--no-deps", "--no-index", *wheels.values())
    assert environment.listed() == set(CONCEPTS)
    environment.pip("uninstall", "-y", "e2gan-concept-vangogh")
    assert environment.listed() == set(CONCEPTS) - {"vangogh"}


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_concepts_wheel_is_its_bundles_and_the_hook(name: str, wheels: dict[str, Path], repository: Path) -> None:
    wheel = zipfile.ZipFile(wheels[name])
    package = repository / "concepts" / name / f"e2gan_concept_{name.replace('-', '_')}"
    files = [package / "__init__.py", *package.glob("bundle*/*")]
    expected = {file.relative_to(package.parent).as_posix(): file.read_bytes() for file in files}
    assert {file: wheel.read(file) for file in wheel.namelist() if ".dist-info/" not in file} == expected


def test_the_cores_wheel_has_the_bases_and_no_more_packages(repository: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(build(repository, tmp_path)).namelist()
    bases = {file.relative_to(repository).as_posix() for file in (repository / "e2gan/bases").rglob("*.*")}
    assert bases <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"e2gan"}
