"""Writing bundles: sound, whole or not at all, and readable by PEFT."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2gan.base import Base
from e2gan.concept import FILES, Concept, record_quality, render_card, write_concept
from e2gan.errors import ConceptError, RecipeError
from e2gan.models.layout import crucial_layers


def test_writes_the_whole_file_set(write: Callable[..., Concept], base: Base) -> None:
    concept = write()
    assert {file.name for file in concept.path.iterdir()} == set(FILES)
    assert list(concept.path.parent.iterdir()) == [concept.path]
    concept.load(base)


def test_equal_bundles_are_equal_bytes(write: Callable[..., Concept], tmp_path: Path) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert all((one.path / name).read_bytes() == (two.path / name).read_bytes() for name in FILES)


def test_header_repeats_what_the_adapter_was_made_from(write: Callable[..., Concept], base: Base) -> None:
    from safetensors import safe_open

    concept = write()
    with safe_open(concept.path / "adapter_model.safetensors", "np") as file:
        header = file.metadata()
    assert header == {
        "format": "pt",
        "id": "vangogh",
        "base_sha256": base.sha256,
        "recipe_sha256": concept.recipe_digest,
    }


def test_recipe_digest_follows_recipe_prompt_and_base_only(
    write: Callable[..., Concept], manifest: dict[str, Any]
) -> None:
    def digest(change: Callable[[dict[str, Any]], Any]) -> str:
        changed = copy.deepcopy(manifest)
        change(changed)
        return write(manifest=changed).recipe_digest

    same = write().recipe_digest
    assert digest(lambda m: m.update(title="Vincent", quality={}, version="2.0.0")) == same
    assert digest(lambda m: m.update(prompt="a sketch")) != same
    assert digest(lambda m: m["base"].update(sha256="0" * 64)) != same
    assert digest(lambda m: m["recipe"]["training"].update(seed=1)) != same


def test_tensors_of_torch_are_taken(write: Callable[..., Concept], base: Base, tensors: dict[str, np.ndarray]) -> None:
    torch = pytest.importorskip("torch")
    concept = write(tensors={name: torch.from_numpy(value) for name, value in tensors.items()})
    assert concept.load(base).tensors.keys() == tensors.keys()


def test_untrained(tmp_path: Path, manifest: dict[str, Any]) -> None:
    concept = write_concept(tmp_path / "new", manifest=manifest)
    assert not concept.trained
    assert {file.name for file in concept.path.iterdir()} == {"concept.toml", "README.md"}


def test_training_replaces_the_untrained(
    write: Callable[..., Concept], tmp_path: Path, manifest: dict[str, Any], base: Base
) -> None:
    untrained = write_concept(tmp_path / "new", manifest=manifest)
    assert write(untrained.path).load(base)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"tensors": {"a.lora_B.weight": np.full((1, 1), np.nan, "f4")}}, ConceptError),
        ({"tensors": {"a.lora_B.weight": np.ones((1, 1), "f8")}}, ConceptError),
        ({"prompt": np.full((1, 16), np.inf, "f4")}, ConceptError),
        ({"preview": b"GIF89a"}, ConceptError),
        ({"card": "x" * (FILES["README.md"] + 1)}, ConceptError),
        ({"manifest": {"schema": 1}}, ConceptError),
    ],
)
def test_failure_leaves_what_was_there(
    write: Callable[..., Concept], base: Base, changes: dict[str, Any], error: type[Exception]
) -> None:
    concept = write()
    with pytest.raises(error):
        write(**changes)
    assert list(concept.path.parent.iterdir()) == [concept.path]
    assert Concept.read(concept.path).load(base)


def test_failure_leaves_nothing_where_nothing_was(
    write: Callable[..., Concept], tmp_path: Path, manifest: dict[str, Any]
) -> None:
    manifest["recipe"]["training"]["epoch"] = 3
    with pytest.raises(RecipeError, match=r"\[recipe\.training\]: unknown key 'epoch'"):
        write(manifest=manifest)
    assert list(tmp_path.iterdir()) == []


def test_does_not_replace_a_folder_of_something_else(write: Callable[..., Concept], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(ConceptError, match=r"holiday\.jpg"):
        write(tmp_path / "photos")
    assert (tmp_path / "photos" / "holiday.jpg").exists()


def test_quality_is_recorded_without_touching_the_adapter(write: Callable[..., Concept], base: Base) -> None:
    concept = write()
    adapter = (concept.path / "adapter_model.safetensors").read_bytes()
    measured = record_quality(concept, {"l1_ratio": 0.61, "features": {"dinov2": {"fid_ratio": 0.3}}})
    assert measured.quality == {"l1_ratio": 0.61, "features": {"dinov2": {"fid_ratio": 0.3}}}
    assert measured.load(base)
    assert adapter == (concept.path / "adapter_model.safetensors").read_bytes()
    assert "0.61" in (concept.path / "README.md").read_text()


def test_peft_reads_the_configuration(write: Callable[..., Concept], base: Base) -> None:
    peft = pytest.importorskip("peft")
    from peft.utils.other import get_pattern_key

    concept = write()
    config = peft.PeftConfig.from_pretrained(str(concept.path))
    assert isinstance(config, peft.LoraConfig)
    assert config.target_modules == {layer.name for layer in crucial_layers(base.config)}
    for layer in crucial_layers(base.config):
        assert config.rank_pattern[get_pattern_key(config.rank_pattern, layer.name)] == layer.rank(concept.ranks)
    assert config.alpha_pattern == config.rank_pattern
    assert json.loads((concept.path / "adapter_config.json").read_text()).keys() <= config.to_dict().keys()


class TestCard:
    def test_says_what_a_user_needs(self, write: Callable[..., Concept], base: Base) -> None:
        card = render_card(write())
        assert card.startswith('---\nlicense: "apache-2.0"\n')
        for text in ("# Van Gogh", "preview.webp", "e2gan apply vangogh", base.sha256, "style = 19", "l1 ratio | 0.5"):
            assert text in card

    def test_text_of_the_manifest_is_no_markup(self, write: Callable[..., Concept], manifest: dict[str, Any]) -> None:
        manifest.update(title="<script>", description="[x](http://evil) | ![y](z)\n# h")
        card = render_card(write(manifest=manifest))
        assert "<script>" not in card.replace("\\<script\\>", "")
        assert "[x]" not in card.replace("\\[x\\]", "")
        assert "\n# h" not in card

    def test_untrained_says_so(self, tmp_path: Path, manifest: dict[str, Any]) -> None:
        assert "not trained yet" in render_card(write_concept(tmp_path / "new", manifest=manifest))

    def test_tables_lists_and_flags_are_no_python(
        self, write: Callable[..., Concept], manifest: dict[str, Any]
    ) -> None:
        options = {"style": 19, "dark": True, "colours": ["red", "blue"], "a": {"b": 0.25}}
        manifest["recipe"]["teacher_options"] = options
        trials = [{"rank": 1, "fid": 0.123456}, {"rank": 2, "found": {"ok": False}}]
        manifest["training"] = {"trials": trials, "x": [[1, 2], [3]]}
        card = render_card(write(manifest=manifest)).replace("\\", "")
        for line in (
            "| teacher | `magenta-multistyle` style = 19, dark = true, colours = [red, blue], a = {b = 0.25} |",
            "| trials 1 fid | 0.1235 |",
            "| trials 2 found ok | false |",
            "| x | 1, 2, 3 |",
        ):
            assert line in card
