"""What CI is made of: without a browser it is not green."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
def test_page(browser):
    raise AssertionError("there is none")
"""


@pytest.mark.parametrize(("ci", "outcome"), [("1", "1 error"), ("", "1 skipped")])
def test_a_test_that_misses_the_browser_fails_in_ci(repository: Path, tmp_path: Path, ci: str, outcome: str) -> None:
    shutil.copy(repository / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_page.py").write_text(TEST)
    nowhere = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "none"), "CI": ci}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", str(tmp_path)],
        env={**os.environ, **nowhere, "PYTHONPATH": str(repository)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert outcome in done.stdout, done.stdout
    assert "there is no Chromium on this machine" in done.stdout


@pytest.mark.parametrize(("root", "browser"), [(True, False), (False, False), (True, True)])
def test_the_run_brings_a_browser(repository: Path, tmp_path: Path, root: bool, browser: bool) -> None:
    """With Debian's package, as root and where there is none; and it says to the tests that it is CI."""
    commands = {
        "id": f"echo {0 if root else 1000}",
        "apt-get": f'echo "apt-get $*" >> {tmp_path}/said',
        "make": f'echo "make $* CI=$CI" >> {tmp_path}/said',
    }
    commands |= {"chromium": ""} if browser else {}
    for name, body in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "dirname", "sh", "env"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    subprocess.run([str(repository / ".ci" / "run")], env={"PATH": str(tmp_path)}, check=True)
    brought = [
        "apt-get -q update",
        "apt-get -q install -y --no-install-recommends chromium",
    ]
    expected = [*(brought if root and not browser else []), "make test CI=1"]
    assert (tmp_path / "said").read_text().splitlines() == expected
