"""What every test stands on: no network, no settings and no caches of the person who runs it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

# Before torch is imported: tests run side by side, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hugging Face's libraries read these when they are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from e2gan.cli import cli
from e2gan.plugins import use_registry

if TYPE_CHECKING:
    from e2gan.base import Base

# Slow machines and cold imports are no failures, and a run that passed passes again.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take the program's environment variables away, point every cache into a folder of this run, forget plugins."""
    for name in [name for name in os.environ if name.startswith("E2GAN_")]:
        monkeypatch.delenv(name)
    cache = tmp_path_factory.getbasetemp() / "cache"
    for name in ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(cache / name.lower()))
    # The program looks for plugins' commands once in a process: earlier tests may have had other plugins.
    own = {name: command for name, command in cli.commands.items() if command.callback.__module__.startswith("e2gan.")}
    monkeypatch.setattr(cli, "commands", own)
    monkeypatch.setattr(cli, "_plugins_loaded", False)
    use_registry()
    yield
    use_registry()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines: what a test needs, it makes."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test asked for {address[0]}: tests do without a network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases with a tiny one in it."""
    from tests.editor.tiny import write_tiny_base

    folder = tmp_path_factory.mktemp("bases")
    write_tiny_base(folder / "tiny")
    return folder


@pytest.fixture(scope="session")
def base(bases: Path) -> Base:
    from e2gan.base import Base

    return Base.read(bases / "tiny")


@pytest.fixture
def two_bases(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Base, Base]:
    """``tiny`` and ``lite``, the bases that come with the package in this test."""
    from e2gan.base import Base
    from tests.editor.tiny import write_tiny_base

    folder = tmp_path / "two-bases"
    shutil.copytree(bases, folder)
    monkeypatch.setattr("e2gan.base.BUNDLED", folder)
    return Base.read(folder / "tiny"), write_tiny_base(folder / "lite", id="lite", seed=1)


def missing(what: str) -> NoReturn:
    """Skip a test for want of something that .ci/run brings; there it fails."""
    if os.environ.get("CI", "") not in ("", "0", "false"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def new_base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A tiny one with skips, smoothing and whatever else the paper's layout has not."""
    from tests.editor.tiny import NEW, write_tiny_base

    return write_tiny_base(tmp_path_factory.mktemp("bases") / "new", NEW)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, the system's or Playwright's own, whose webcam shows a test picture.

    One for all tests of a process, for Playwright can be started only once in it.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)
        if not os.path.exists(program):
            missing("there is no Chromium on this machine, neither the system's nor Playwright's")
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()
