"""What a release publishes: its rules, and the workflows that publish it and check others' concepts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2gan.installing import DISTRIBUTIONS


@pytest.fixture(scope="module")
def check(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("release_check", repository / "release" / "check.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of e2gan, one plugin and one concept that keeps the rules."""

    def project(folder: str, name: str, version: str, *requirements: str) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = {list(requirements)}\n'
            'description = "x"\nlicense = "MIT"\nreadme = "README.md"\nrequires-python = ">=3.10"\n'
            'authors = [{ name = "Ada" }]\n'
        )

    project(".", "e2gan", "0.2.0", "numpy")
    project("plugins/ink", "e2gan-ink", "0.2.0", "e2gan>=0.2,<0.3")
    project("concepts/dusk", "e2gan-concept-dusk", "1.1.0", "e2gan>=0.2,<0.3")
    (tmp_path / "concepts/dusk/p/bundle").mkdir(parents=True)
    (tmp_path / "concepts/dusk/p/bundle/concept.toml").write_text('version = "1.1.0"\n')
    (tmp_path / "e2gan").mkdir()
    (tmp_path / "e2gan/installing.py").write_text("PUBLISHED = True\n")
    return tmp_path


def test_the_repository_keeps_the_rules(check: Any, repository: Path) -> None:
    assert list(check.faults(repository)) == []
    assert {project["name"] for project in check.projects(repository).values()} == DISTRIBUTIONS.keys()


def test_a_repository_that_is_ready(check: Any, small: Path) -> None:
    dist = small / "dist"
    dist.mkdir()
    for stem in ("e2gan-0.2.0", "e2gan_ink-0.2.0", "e2gan_concept_dusk-1.1.0"):
        (dist / f"{stem}.tar.gz").touch()
        (dist / f"{stem}-py3-none-any.whl").touch()
    assert list(check.faults(small, dist, "v0.2.0")) == []
    (dist / "e2gan-0.2.0.tar.gz").unlink()
    (dist / "e2gan-0.1.0.tar.gz").touch()
    assert [fault.partition("dist/")[2] for fault in check.faults(small, dist)] == [
        "e2gan-0.2.0.tar.gz is missing",
        "e2gan-0.1.0.tar.gz is not part of a release",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("plugins/ink/pyproject.toml", '"e2gan-ink"', '"e2gan-blot"', "by its folder it is e2gan-ink"),
        ("plugins/ink/pyproject.toml", '"0.2.0"', '"0.1.0"', "they are released together"),
        ("plugins/ink/pyproject.toml", "<0.3", "<0.2", "but e2gan has the version 0.2.0"),
        ("plugins/ink/pyproject.toml", ",<0.3", "", "without an upper bound"),
        ("plugins/ink/pyproject.toml", 'description = "x"', "", "description is missing"),
        ("concepts/dusk/pyproject.toml", '"1.1.0"', '"1.2.0"', "the bundle's is 1.1.0"),
        ("concepts/dusk/pyproject.toml", '"1.1.0"', '"1.1.0rc1"', "not final"),
        ("concepts/dusk/pyproject.toml", '"1.1.0"', '"one"', "one is no version"),
        ("concepts/dusk/pyproject.toml", "concept-dusk", "concept_dusk", "is not normalised"),
        ("e2gan/installing.py", "True", "False", "PUBLISHED is not True"),
        ("pyproject.toml", '"0.2.0"', '"0.2.1"', "the tag is v0.2.0"),
    ],
)
def test_a_broken_rule_is_named(check: Any, small: Path, file: str, old: str, new: str, fault: str) -> None:
    text = (small / file).read_text()
    assert old in text
    (small / file).write_text(text.replace(old, new))
    assert any(fault in line for line in check.faults(small, tag="v0.2.0"))


def test_a_release_is_built_and_found_sound(repository: Path, tmp_path: Path) -> None:
    for words in (
        ["build", "--no-isolation", "--outdir", str(tmp_path), str(repository / "concepts/dusk")],
        ["twine", "check", "--strict", *(str(tmp_path / name) for name in ("*.whl", "*.tar.gz"))],
    ):
        done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.iterdir())) == 2


def test_the_workflow_publishes_every_distribution_from_its_own_environment(repository: Path) -> None:
    jobs = yaml.safe_load((repository / ".github/workflows/release.yml").read_text())["jobs"]
    publish = jobs["publish"]
    assert publish["strategy"]["matrix"]["distribution"] == list(DISTRIBUTIONS)
    assert publish["environment"] == "${{ matrix.distribution }}"
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in (repository / ".github/workflows/release.yml").read_text()


def test_the_workflow_takes_each_distributions_own_files(repository: Path, tmp_path: Path) -> None:
    steps = yaml.safe_load((repository / ".github/workflows/release.yml").read_text())["jobs"]["publish"]["steps"]
    script = next(step["run"] for step in steps if "cp" in step.get("run", ""))
    names = [f"{name.replace('-', '_')}-1.0{end}" for name in DISTRIBUTIONS for end in (".tar.gz", "-py3-none-any.whl")]
    for name in DISTRIBUTIONS:
        place = tmp_path / name
        (place / "all").mkdir(parents=True)
        for file in names:
            (place / "all" / file).touch()
        environment = {**os.environ, "DISTRIBUTION": name}
        subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=place, env=environment, check=True)
        stem = f"{name.replace('-', '_')}-1.0"
        assert {file.name for file in (place / "dist").iterdir()} == {f"{stem}.tar.gz", f"{stem}-py3-none-any.whl"}


@pytest.mark.parametrize(
    ("changes", "asked", "code"),
    [
        (["concepts/dusk/concept.toml", "concepts/dusk/README.md"], ["concepts/dusk"], 0),
        (["concepts/bad one/x", "concepts/dusk/y"], ["concepts/bad one", "concepts/dusk"], 1),
        (["concepts/$(touch oops)/x"], ["concepts/$(touch oops)"], 0),
        (["README.md", "concepts/README.md"], [], 0),
    ],
)
def test_the_communitys_workflow_checks_what_a_pull_request_changes(
    repository: Path, tmp_path: Path, changes: list[str], asked: list[str], code: int
) -> None:
    workflow = yaml.safe_load((repository / "community/.github/workflows/check-concepts.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert list(workflow[True]) == ["pull_request"]  # YAML reads the key `on` as true
    script = workflow["jobs"]["check"]["steps"][-1]["run"]
    assert "${{" not in script  # nothing of a pull request becomes part of a script

    clone, tools = tmp_path / "clone", tmp_path / "tools"
    tools.mkdir()
    (tools / "e2gan").write_text(f'#!/bin/sh\necho "$2" >> {tmp_path}/asked\ncase "$2" in *bad*) exit 1;; esac\n')
    (tools / "e2gan").chmod(0o755)

    def git(*words: str) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *words], cwd=clone, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (clone / "concepts/old").mkdir(parents=True)
    (clone / "concepts/old/concept.toml").touch()
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "base")
    base = git("rev-parse", "HEAD")
    shutil.rmtree(clone / "concepts/old")  # what is taken away is not checked
    for name in changes:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("x")
    git("add", "-A")
    git("commit", "-qm", "change")
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "BASE": base,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=clone, env=environment)
    found = (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []
    assert (found, done.returncode) == (asked, code)
    assert not (clone / "oops").exists()
