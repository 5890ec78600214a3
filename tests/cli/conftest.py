"""A machine with a tiny base and installed concepts, in this process and for others started from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import e2gan
from e2gan import plugins
from e2gan.base import Base
from e2gan.cli import cli
from tests.editor.tiny import photo, write_tiny_concept

Run = Callable[..., Result]


def install(site: Path, name: str, plugin: str) -> None:
    """A distribution ``e2gan-NAME`` of one module with the source ``plugin``, its files where pip would put them."""
    module = f"e2gan_{name}"
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: e2gan-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[e2gan]\n{name} = {module}\n")
    (site / f"{module}.py").write_text(f"from pathlib import Path\nimport e2gan\n\n{plugin}")


CONCEPT = """
@e2gan.hookimpl
def register_concepts(register):
    register(Path({!r}))
"""


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Path:
    """A site-packages folder with the concepts dusk and dawn."""
    site = tmp_path_factory.mktemp("site")
    for seed, name in enumerate(["dusk", "dawn"]):
        concept = write_tiny_concept(site / "bundles" / name, base, seed=seed)
        install(site, name, CONCEPT.format(str(concept.path)))
    return site


@pytest.fixture
def site(machine: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The machine, in use: its concepts installed and no others, its bases bundled."""
    monkeypatch.syspath_prepend(str(machine))
    monkeypatch.setattr("e2gan.base.BUNDLED", bases)
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-dusk,e2gan-dawn")
    plugins.reload_registry()
    yield machine
    plugins.reload_registry()


@pytest.fixture
def run(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder; its result has ``exit_code``, ``stdout``, ``stderr``."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | os.PathLike[str], input: bytes | None = None) -> Result:
        return CliRunner().invoke(cli, [os.fspath(word) for word in words], input=input, prog_name="e2gan")

    return run


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Three photos: a JPEG, a PNG and a GIF, in the folder ``photos``."""
    (tmp_path / "photos").mkdir()
    names = [f"photos/{name}" for name in ("a.jpg", "b.png", "c.gif")]
    for seed, name in enumerate(names):
        Image.fromarray(photo(48, 40, seed)).save(tmp_path / name)
    return names


@pytest.fixture(scope="session")
def environment(machine: Path) -> dict[str, str]:
    """For another process: the program and the machine's concepts can be imported."""
    source = Path(e2gan.__file__).parents[1]
    return {
        **os.environ,
        "PYTHONPATH": f"{source}{os.pathsep}{machine}",
        "E2GAN_LOAD_PLUGINS": "e2gan-dusk,e2gan-dawn",
    }
