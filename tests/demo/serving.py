"""The page on a tiny base, served in this process."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import e2gan
from e2gan.base import Base
from e2gan.concept import PREVIEW, Concept
from e2gan.editor import Editor
from e2gan.plugins import Registry
from e2gan_demo import page
from e2gan_demo.studio import Studio
from tests.editor.tiny import photo, write_tiny_concept

PATIENCE = 60_000
"""Milliseconds to wait for what should be there at once; a busy machine may need them."""


@dataclass
class Served:
    """A running page."""

    url: str
    studio: Studio
    editor: Editor
    blocks: Any


def tiny_concepts(folder: Path, base: Base) -> list[Concept]:
    """Dusk, which has a preview, and dawn, which has none."""
    made = [write_tiny_concept(folder / name, base, seed=seed) for seed, name in enumerate(("dusk", "dawn"), start=1)]
    picture = Image.fromarray(photo(96, 32))
    picture.save(made[0].path / PREVIEW)
    return [Concept.read(concept.path) for concept in made]


class Shelf:
    """A registry of given concepts, in place of the installed ones."""

    def __init__(self, concepts: list[Concept]) -> None:
        class Plugin:
            @staticmethod
            @e2gan.hookimpl
            def register_concepts(register: Any) -> None:
                for concept in concepts:
                    register(concept.path)

        def load() -> Registry:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("E2GAN_LOAD_PLUGINS", "")
                return Registry.load([Plugin])

        self._load = functools.cache(load)
        self.cache_clear = self._load.cache_clear

    def __call__(self) -> Registry:
        return self._load()


def serve(base: Base, folder: Path) -> Served:
    """Start the page at a free port, as for strangers; ``folder`` is an empty one."""
    editor = Editor(base, device="cpu", dtype=torch.float32)
    studio = page.make_studio(editor, folder, public=True)
    blocks = page.build(studio, folder)
    options = page.launching(folder)
    _, url, _ = blocks.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    return Served(url, studio, editor, blocks)


def png(width: int = 256, height: int = 192, seed: int = 0) -> bytes:
    """A photo's file."""
    buffer = io.BytesIO()
    Image.fromarray(photo(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
