"""``e2gan check``: the checklist, its exit code, and its JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def dusk(site: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site / "bundles" / "dusk", tmp_path / "dusk"))


def test_each_line_says_what_was_found_and_what_to_do(run: Run, dusk: Path) -> None:
    result = run("check", "./dusk")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "dusk: Dusk (dusk 1.2.0)"
    assert "  passed       bundle               every file is sound and fits the base" in lines
    assert '  failed       authors              concept.toml names no authors: it needs authors = ["…"]' in lines
    assert "                                    hint: e2gan eval dusk --data PHOTOS --record" in lines
    assert "  not checked  better than nothing  nothing is measured" in lines
    assert "  not checked  reproducible         not asked for" in lines and "--reproduce" not in result.stdout
    assert lines[-1] == "  5 passed, 4 failed, 2 not checked"


def test_as_json(run: Run, dusk: Path) -> None:
    result = run("check", "dusk", "nowhere", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["id"], first["version"], first["passed"]) == ("dusk", "1.2.0", False)
    assert first["checks"][0] == {
        "name": "bundle",
        "status": "passed",
        "detail": "every file is sound and fits the base",
        "hint": None,
    }
    assert (second["id"], second["checks"][0]["status"]) == (None, "failed")


def test_a_distribution_s_bundles_for_other_bases_get_their_checklists(run: Run, dusk: Path, tmp_path: Path) -> None:
    package = tmp_path / "whole" / "e2gan_concept_dusk"
    for name in ("bundle", "bundle-lite"):
        shutil.copytree(dusk, package / name)
    (package / "bundle-lite" / "prompt.safetensors").write_bytes(b"{}")
    reports = json.loads(run("check", "whole", "--json").stdout)
    assert [report["folder"] for report in reports] == ["whole", "whole/e2gan_concept_dusk/bundle-lite"]
    assert [report["checks"][0]["status"] for report in reports] == ["passed", "failed"]


def test_quietly(run: Run, dusk: Path) -> None:
    assert "passed       " not in run("check", "dusk", "-q").stdout


def test_misuse(run: Run, dusk: Path) -> None:
    assert run("check").exit_code == 2
    result = run("check", "dusk", "--data", "photos")
    assert (result.exit_code, "--data is for --reproduce" in result.stderr) == (2, True)


def test_what_cannot_be_reproduced_fails(run: Run, dusk: Path) -> None:
    result = run("check", "dusk", "--reproduce", "--data", "nowhere")
    assert result.exit_code == 1
    assert "  failed       reproducible         " in result.stdout
