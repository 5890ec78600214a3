"""``e2gan clean``: what killed runs left is listed, removed on demand, and nothing else is touched."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from e2gan import plugins
from e2gan.cli import cli
from e2gan.files import PLAN
from e2gan.hookspecs import hookimpl
from e2gan.plugins import Registry
from tests.dead import dead_name, foreign_name, own_name


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and system's temporary files, of the test's own; no plugins."""
    for name in ("place", "temporary", "store"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    return tmp_path / "place"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["clean", *arguments])


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in folder.rglob("*")}


@pytest.fixture
def left(place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Something left in each place that is looked at; beside it, what is not to be touched."""
    store = place.parent / "store"
    plugin: Any = ModuleType("storing")
    plugin.register_folders = hookimpl(lambda register: register(store, lambda: [store / "half"]))
    plugins.use_registry(lambda: Registry.load([plugin]))
    (store / "half").mkdir()
    (store / "half" / "file").write_bytes(b"123")
    found = {
        "here": place / dead_name(".png"),
        "run": place / "runs" / "a" / "pairs" / dead_name(".jpg"),
        "given": place / "out" / "deep" / dead_name(),
        "temporary": place.parent / "temporary" / dead_name(),
        "stored": store / "x" / dead_name(".toml"),
    }
    for name, path in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "temporary":
            path.mkdir()
            (path / "inside").write_bytes(b"12345")
        else:
            path.write_bytes(b"12")
        for other in ("mine.tmp", ".x.old", own_name(), foreign_name(".png")):
            (path.parent / other).write_text("precious")
    (place / "deep").mkdir()
    (place / "deep" / dead_name()).touch()  # a folder that nobody named
    (place / "out" / "link").symlink_to(place / "deep")
    return {**found, "half": store / "half"}


def test_without_yes_nothing_happens(left: dict[str, Path], place: Path) -> None:
    before = everything(place.parent)
    result = run("out")
    assert result.exit_code == 0
    assert everything(place.parent) == before
    for path in left.values():
        assert str(path) in result.stdout
    assert "deep/.e2gan" not in result.stdout.replace("out/deep/.e2gan", "")
    assert "6 can be removed" in result.stderr
    assert "e2gan clean --yes" in result.stderr


def test_with_yes_it_goes_and_nothing_else_does(left: dict[str, Path], place: Path) -> None:
    before = everything(place.parent)
    assert run("out", "--yes").exit_code == 0
    gone = {str(path.relative_to(place.parent)) for path in left.values()}
    after = everything(place.parent)
    assert {name for name in before if name not in after} == gone | {
        name for name in before if any(name.startswith(f"{folder}/") for folder in gone)
    }
    assert {name: before[name] for name in after} == after
    again = run("out", "--yes", "--json")
    assert not [row for row in json.loads(again.stdout) if row["removable"]]


def test_json(left: dict[str, Path], place: Path) -> None:
    rows = {row["path"]: row for row in json.loads(run("--json").stdout)}
    assert rows[str(left["temporary"])] == {
        "path": str(left["temporary"]),
        "what": "left by a killed run",
        "bytes": 5,
        "removable": True,
        "removed": False,
    }
    assert str(left["given"]) not in rows
    kinds = {row["what"]: row["removable"] for row in rows.values()}
    assert kinds == {
        "left by a killed run": True,
        "unfinished": True,
        "being written": False,
        "written on another machine": False,
    }
    assert all(row["removed"] for row in json.loads(run("--json", "--yes").stdout) if row["removable"])


def test_what_another_machine_wrote_goes_on_demand(place: Path) -> None:
    (place / foreign_name()).touch()
    assert "written on another machine" in run("--yes").stdout
    assert len(os.listdir(place)) == 1
    run("--yes", "--other-machines")
    assert not os.listdir(place)


def test_nothing(place: Path) -> None:
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing was left behind\n")
    assert run("--json").stdout == "[]\n"
    assert run("-q").stderr == ""
    assert run("nowhere").exit_code == 2


@pytest.mark.parametrize("changed", [False, True])
def test_an_interrupted_replacement_is_finished(place: Path, changed: bool) -> None:
    swap = place / "runs" / dead_name(kind="swap")
    (swap / "new").mkdir(parents=True)
    (swap / "was").mkdir()
    (swap / "was" / "a").write_text("old")
    (swap / "new" / "c").write_text("new")
    (swap / PLAN).write_text(json.dumps({"folder": "concept", "old": ["a"], "new": ["b", "c"]}))
    (place / "runs" / "concept").mkdir()
    (place / "runs" / "concept" / "b").write_text("new")
    if changed:
        (place / "runs" / "concept" / "c").write_text("somebody's")
    before = everything(place)
    result = run("--yes")
    assert result.exit_code == 0
    if changed:
        assert "changed since" in result.stdout
        assert everything(place) == before
    else:
        assert "an interrupted replacement of concept" in result.stdout
        assert everything(place) == {
            "runs": None,
            "runs/concept": None,
            "runs/concept/b": b"new",
            "runs/concept/c": b"new",
        }


def test_a_finder_that_breaks_spares_the_rest(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(register: Callable[..., None]) -> None:
        register(place / "none", lambda: 1 / 0)

    plugin: Any = ModuleType("broken")
    plugin.register_folders = hookimpl(broken)
    plugins.use_registry(lambda: Registry.load([plugin]))
    (place / dead_name()).touch()
    assert run("--yes").exit_code == 0
    assert not os.listdir(place)
