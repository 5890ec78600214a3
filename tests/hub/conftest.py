"""A Hub of one's own for each test, for huggingface_hub in this process and for programs started from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2gan_hub.devserver import HubServer
from tests.hub.bundles import base_there, dusk, machine, measured, published, push, run

__all__ = ["base_there", "dusk", "hub", "machine", "measured", "published", "push", "run"]

TOKENS = {"alice": "hf_alice", "bob": "hf_bob"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running server on a free port, with the accounts alice and bob. alice is signed in, as by ``HF_TOKEN``.

    The environment is for programs that the test starts. huggingface_hub read its own when it was imported, so that
    is set right in this process too: it is online, talks to this server and keeps its caches in ``tmp_path``.
    """
    from huggingface_hub import close_session, constants

    server = HubServer(tmp_path / "hub", TOKENS).start()
    home = tmp_path / "hf-home"
    for name, value in server.environment(home, "alice").items():
        monkeypatch.setenv(name, value)
    read_at_import = {
        "ENDPOINT": server.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "AGENT_HARNESSES_PATH": str(home / ".agent_harnesses.json"),
    }
    for name, value in read_at_import.items():
        assert hasattr(constants, name), name
        monkeypatch.setattr(constants, name, value)
    close_session()  # its connections are to the server of the test before
    yield server
    close_session()
    server.kill()
