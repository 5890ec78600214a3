"""Training again: the same adapter each time, or an error that says so; the bundle stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import TrainingError
from e2gan.training import again
from tests.training import concepts


@pytest.fixture
def concept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Concept:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    monkeypatch.setattr(again, "STEPS", 3)
    concepts.stand_in(monkeypatch.setattr)
    base: Base = concepts.tiny_base(tmp_path / "bases" / "tiny")
    monkeypatch.setattr("e2gan.base.BUNDLED", base.path.parent)
    return Concept.read(concepts.distribution(tmp_path / "negative"))


def test_the_same_adapter_twice(concept: Concept, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in concept.path.iterdir()}
    digest = again.train_again(concept, concepts.photos(tmp_path / "photos"), workers=1)
    assert len(digest) == 64
    assert {file.name: file.read_bytes() for file in concept.path.iterdir()} == before
    assert again.train_again(concept, tmp_path / "photos", workers=1) == digest


def test_a_teacher_with_moods_is_found_out(concept: Concept, tmp_path: Path) -> None:
    def moody(photo: Image.Image) -> Image.Image:
        return ImageChops.offset(photo, int.from_bytes(os.urandom(1), "big"))

    concepts.install({"negative": moody})
    with pytest.raises(TrainingError, match="two trainings of 3 steps give different adapters"):
        again.train_again(concept, concepts.photos(tmp_path / "photos"), workers=1)
