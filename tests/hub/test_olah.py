"""The repositories that the test server writes are read by another program: olah, a mirror of the Hub by others."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, constants, snapshot_download

from e2gan_hub.devserver import HubServer
from tests.hub.bundles import Run, listed

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("olah") is None, reason="needs olah: pip install olah"),
    pytest.mark.skipif(shutil.which("git") is None, reason="olah needs git"),
]

SETTINGS = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{cache}"
mirrors-path = ["{mirrored}"]

[accessibility]
offline = true
"""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Start olah, offline, on the repositories in a folder, and give its address."""
    running = []

    def start(folder: Path) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = tmp_path / "olah.toml"
        settings.write_text(SETTINGS.format(port=port, cache=tmp_path / "olah", mirrored=folder))
        command = [sys.executable, "-m", "olah.server", "--config", str(settings), "--log-path", str(tmp_path / "log")]
        olah = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        running.append(olah)
        while olah.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.05)
        assert olah.stdout
        raise AssertionError(f"olah did not start: {olah.stdout.read().decode()}")

    yield start
    for olah in running:
        olah.terminate()
        olah.communicate()


def test_olah_serves_the_same_repository(hub: HubServer, mirror: Callable[[Path], str], tmp_path: Path) -> None:
    weights = bytes(range(256)) * 4096
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "README.md").write_text("---\nlicense: apache-2.0\ntags: [e2gan]\n---\n# Van Gogh\n")
    (bundle / "concept.toml").write_text('id = "vangogh"\n')
    (bundle / "adapter_model.safetensors").write_bytes(weights)
    api = hub.api("alice")
    api.create_repo("alice/vangogh")
    first = api.upload_folder(repo_id="alice/vangogh", folder_path=bundle).oid
    api.create_tag("alice/vangogh", tag="v1.0.0")
    (bundle / "concept.toml").write_text('id = "vangogh-2"\n')
    second = api.upload_folder(repo_id="alice/vangogh", folder_path=bundle).oid
    hub.stop()

    endpoint = mirror(hub.folder)
    other = HfApi(endpoint=endpoint, token=False)
    assert other.model_info("alice/vangogh", revision="main").sha == second
    assert other.model_info("alice/vangogh", revision="v1.0.0").sha == first
    assert [tag.name for tag in other.list_repo_refs("alice/vangogh").tags] == ["v1.0.0"]
    for revision, id in (("v1.0.0", "vangogh"), ("main", "vangogh-2")):
        folder = Path(snapshot_download("alice/vangogh", revision=revision, endpoint=endpoint))
        assert (folder / "concept.toml").read_text() == f'id = "{id}"\n'
        assert (folder / "adapter_model.safetensors").read_bytes() == weights
        assert (folder / "README.md").read_bytes() == (bundle / "README.md").read_bytes()


def test_olah_serves_a_pull(
    hub: HubServer, mirror: Callable[[Path], str], published: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.stop()
    endpoint = mirror(hub.folder)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    close_session()
    result = run("pull", "alice/dusk@v1.2.0")
    assert result.exit_code == 0, result.stderr
    assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
