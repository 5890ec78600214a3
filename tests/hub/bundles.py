"""A tiny base and measured concepts for it, a machine of one's own, and the program in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import e2gan
import e2gan_hub
from e2gan import plugins
from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import CONFIG, Concept, record_quality, render_adapter_config
from e2gan_hub import pull, store
from e2gan_hub.devserver import HubServer
from e2gan_hub.store import Record
from tests.editor.tiny import write_tiny_concept

QUALITY = {
    "l1": 0.1685,
    "headline": "dinov2",
    "efficientnet-lite0": {"features": "EfficientNet features", "fid": 153.5, "kid": 0.17},
    "dinov2": {"features": "DINOv2 features", "fid": 63.17},
}

BASE_REPO = "alice/tiny"

Run = Callable[..., Result]
Push = Callable[..., Result]


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    """A concept that may be published: ``dusk`` 1.2.0."""
    concept = write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dusk", base)
    return record_quality(concept, QUALITY)


@pytest.fixture
def dusk(tmp_path: Path, measured: Concept) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(measured.path, tmp_path / "dusk"))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing has been pulled, with the tiny base and no plugin but the hub; its home folder."""
    home = tmp_path / "home"
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-hub")
    monkeypatch.setattr("e2gan.base.BUNDLED", bases)
    pull._concept_from.cache_clear()
    plugins.reload_registry()
    return home


@pytest.fixture
def run() -> Run:
    """Run a command line in this process; what was installed before is looked for anew."""

    def run(*words: str | os.PathLike[str]) -> Result:
        plugins.reload_registry()
        pull._concept_from.cache_clear()
        result = CliRunner().invoke(cli, [os.fspath(word) for word in words], prog_name="e2gan")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return run


@pytest.fixture
def base_there(hub: HubServer, base: Base) -> str:
    """The base's repository on the Hub, which a push looks for."""
    put_base(hub, BASE_REPO, base)
    hub.requests.clear()
    return BASE_REPO


def put_base(hub: HubServer, repo: str, base: Base) -> None:
    card = b"---\ntags: [e2gan, e2gan-base]\n---\n"
    hub.put(repo, {"generator.safetensors": base.generator_path.read_bytes(), "README.md": card})


@pytest.fixture
def push(run: Run, base_there: str) -> Push:
    """Publish a folder, which must go well."""

    def push(folder: Path, repo: str = "alice/dusk", *more: str) -> Result:
        result = run("push", folder, "--repo", repo, "--base-model", BASE_REPO, *more)
        assert result.exit_code == 0, result.stderr
        return result

    return push


@pytest.fixture
def published(hub: HubServer, measured: Concept, base: Base) -> str:
    """``alice/dusk`` as a push leaves it, but for the card, with the tag v1.2.0; its commit."""
    files = {name: (measured.path / name).read_bytes() for name in pull.NEEDED}
    files[CONFIG] = render_adapter_config(base.config, measured.ranks).encode()
    return hub.put("alice/dusk", files, tags=["v1.2.0"])


def listed(run: Run) -> dict[str, str]:
    """What ``e2gan list`` shows: source by name."""
    return {concept["name"]: concept["source"] for concept in json.loads(run("list", "--json").stdout)}


def visible() -> bool:
    """Whether anything that was pulled is there for anybody."""
    return any(isinstance(record, Record) and record.commits for record in store.records())


def program(*words: str | os.PathLike[str], **options: Any) -> subprocess.Popen[str]:
    """The program in a process of its own, with this one's environment; its base is not there."""
    path = os.pathsep.join(str(Path(package.__file__ or "").parents[1]) for package in (e2gan, e2gan_hub))
    return subprocess.Popen(
        [sys.executable, "-m", "e2gan", *map(os.fspath, words)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def kill(process: subprocess.Popen[str]) -> None:
    """End it as a power cut would."""
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.communicate(timeout=60)
