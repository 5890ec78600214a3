"""Throwaway plugins: as modules, and as installed distributions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from e2gan import plugins
from tests import throwaway


@pytest.fixture(autouse=True)
def only_these_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that happens to be installed here, nor the core's own."""
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    monkeypatch.delenv("E2GAN_STRICT_PLUGINS", raising=False)
    monkeypatch.setattr(plugins, "DEFAULT_PLUGINS", ())


@pytest.fixture
def plugin() -> Callable[..., Any]:
    """Make a plugin module of a name and hook functions given by keyword."""

    return throwaway.plugin


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Path]:
    """Write an untrained concept's folder."""

    def write(id: str, *, folder: Path | None = None, **changes: Any) -> Path:
        path = folder or tmp_path / f"bundle-{id}"
        path.mkdir(parents=True, exist_ok=True)
        manifest = {
            "schema": 1,
            "id": id,
            "title": id.title(),
            "version": "1.0.0",
            "prompt": f"a picture of {id}",
            "license": "apache-2.0",
            "base": {"id": "tiny", "sha256": "0" * 64},
            "recipe": {"teacher": "grade"},
            **changes,
        }
        (path / "concept.toml").write_text(tomlkit.dumps(manifest))
        return path

    return write
