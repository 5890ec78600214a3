"""A baseline trained on a concept's pairs, measured, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.concept import Concept
from e2gan.data.make_pairs import distilled_pairs, write_pairs
from e2gan.data.pairs import Pairs
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, DataError
from e2gan.recipe import Recipe, TeacherChoice
from e2gan.training.trainer import Trainer
from e2gan_baselines import baseline
from e2gan_baselines.baseline import find_baseline, read_baseline, train_baseline
from tests.training import concepts

OPTIONS = {"width": 4, "blocks": 1}

GOOD = {
    "model": "pix2pix",
    "shape": OPTIONS,
    "stride": 4,
    "longest": 0,
    "concept": "negative",
    "version": "1.0.0",
    "tokens": 3,
    "prompt_dim": 6,
    "sha256": "0" * 64,
}
"""What of a manifest is made use of."""


@pytest.fixture
def concept(tmp_path: Path) -> Concept:
    return Concept.read(concepts.distribution(tmp_path / "negative"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return concepts.photos(tmp_path / "photos")


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    concepts.stand_in(monkeypatch.setattr)
    monkeypatch.setattr(baseline, "PromptEncoder", concepts.Encoder)
    # The stand-in for a teacher cannot be sent to another process.
    monkeypatch.setattr(baseline, "distilled_pairs", partial(distilled_pairs, workers=1))
    yield


def trained(concept: Concept, photos: Path, folder: Path, **more: object) -> dict[str, Any]:
    return train_baseline(
        "pix2pix", concept, photos, folder, steps=2, options=OPTIONS, networks={"tiny": concepts.Tiny()}, **more
    )  # type: ignore[arg-type]


def test_it_is_trained_on_all_pairs_measured_and_read_back(concept: Concept, photos: Path, tmp_path: Path) -> None:
    quality = trained(concept, photos, tmp_path / "run")
    assert quality["pictures"] == 2
    assert quality["headline"] == "tiny"
    generator, manifest = read_baseline(tmp_path / "run")
    assert manifest["pairs"] == 6, "not the four that a concept would select"
    assert manifest["quality"] == json.loads(json.dumps(quality))
    assert quality["cost"]["trained_parameters"] == manifest["parameters"]
    # A training step's discriminator alone takes more than an edit.
    assert quality["cost"]["training_flops"] > 2 * 2 * quality["cost"]["macs"] > 0
    assert (manifest["model"], manifest["shape"], manifest["training"]["steps"]) == ("pix2pix", OPTIONS, 2)
    test = sorted((photos / "test").glob("*.jpg"))
    edited = Editor(device="cpu").apply(test[0], find_baseline(tmp_path / "run"))
    assert not np.array_equal(edited, Image.open(test[0]))
    assert generator.prompt.shape == (1, manifest["tokens"], manifest["prompt_dim"])
    assert Image.open(tmp_path / "run/sheet.png").width > 3 * 256


def test_a_second_run_trains_nothing(
    concept: Concept, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trained(concept, photos, tmp_path / "run")

    def refuse(trainer: Trainer) -> None:
        raise AssertionError("a step is trained")

    monkeypatch.setattr(Trainer, "train_step", refuse)
    assert trained(concept, photos, tmp_path / "run") == first


def test_pairs_may_be_given(concept: Concept, photos: Path, tmp_path: Path) -> None:
    write_pairs(photos, tmp_path / "pairs", concept.recipe, workers=1)
    of_given = replace(concept, recipe=Recipe((TeacherChoice("given"),)))
    trained(of_given, tmp_path / "pairs", tmp_path / "run")
    assert read_baseline(tmp_path / "run")[1]["pairs"] == len(Pairs.open(tmp_path / "pairs").split("train"))
    assert not (tmp_path / "run/pairs").exists()


def test_too_few_test_photos(concept: Concept, tmp_path: Path) -> None:
    photos = concepts.photos(tmp_path / "photos", test=1)
    with pytest.raises(DataError, match="1 test photos"):
        trained(concept, photos, tmp_path / "run")


class TestReading:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(BaseModelError) as caught:
            read_baseline(tmp_path)
        assert caught.value.hint == "e2gan train-baseline makes one"

    @settings(max_examples=60, deadline=None)
    @given(
        text=st.one_of(
            st.text(max_size=30),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=5),
                lambda inner: st.dictionaries(st.sampled_from([*GOOD]), inner),
                max_leaves=4,
            ).map(json.dumps),
            st.sampled_from([*GOOD]).map(lambda name: json.dumps({**GOOD, name: [0]})),
        )
    )
    def test_a_damaged_manifest_is_one_known_error(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        folder = tmp_path_factory.mktemp("damaged")
        (folder / "baseline.json").write_text(text, encoding="utf-8")
        with pytest.raises(BaseModelError, match=r"baseline\.json: damaged"):
            read_baseline(folder)

    def test_weights_of_another_shape(self, concept: Concept, photos: Path, tmp_path: Path) -> None:
        trained(concept, photos, tmp_path / "run")
        manifest = json.loads((tmp_path / "run/baseline.json").read_text())
        manifest["shape"]["width"] = 8
        (tmp_path / "run/baseline.json").write_text(json.dumps(manifest))
        with pytest.raises(BaseModelError, match=r"generator\.safetensors: the tensor"):
            read_baseline(tmp_path / "run")
