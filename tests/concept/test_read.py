"""Reading and loading: what a sound bundle gives, and the one clear error of each bad one."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from safetensors.numpy import save

from e2gan.base import Base
from e2gan.concept import FILES, Concept
from e2gan.errors import ConceptError, RecipeError
from e2gan.models.layout import Ranks

ADAPTER, PROMPT, CONFIG = "adapter_model.safetensors", "prompt.safetensors", "adapter_config.json"
DOWN1 = "base_model.model.down1.lora_A.weight"


def refused(folder: Path, base: Base, match: str) -> None:
    """The bundle gives one error for people, with the file and a hint, and reading changes nothing."""
    before = sorted(os.listdir(folder))
    with pytest.raises((ConceptError, RecipeError), match=match) as caught:
        Concept.read(folder).load(base)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(folder)) == before


def rewrite_header(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the JSON header of a safetensors file, and leave its data."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(change(header) or header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def replace_tensors(concept: Concept, change: Callable[[dict[str, np.ndarray]], Any], name: str = ADAPTER) -> None:
    """Change a file's tensors, with a header that is right in everything else."""
    from safetensors.numpy import load

    file = concept.path / name
    tensors = dict(load(file.read_bytes()))
    tensors = change(tensors) or tensors
    file.write_bytes(save(tensors, concept.header()))


class TestSound:
    def test_trained_bundle_reads_and_loads(
        self, write: Callable[..., Concept], base: Base, tensors: dict[str, np.ndarray], prompt: np.ndarray
    ) -> None:
        concept = write()
        assert (concept.id, concept.title, concept.version) == ("vangogh", "Van Gogh", "1.0.0")
        assert concept.prompt == "a painting in the style of Vincent van Gogh"
        assert (concept.base_id, concept.base_sha256) == ("tiny", base.sha256)
        assert concept.recipe.teachers[0].options == {"style": 19}
        assert concept.ranks == Ranks((1, 2, 2, 2), 1)
        assert concept.quality["l1_ratio"] == 0.5
        assert concept.trained
        assert concept.distribution is None
        adapter = concept.load(base)
        assert adapter.tensors.keys() == tensors.keys()
        assert all(np.array_equal(adapter.tensors[name], tensors[name]) for name in tensors)
        assert np.array_equal(adapter.prompt, prompt)

    def test_skips_and_noise(self, write: Callable[..., Concept], base: Base, manifest: dict[str, Any]) -> None:
        plain = write()
        assert (plain.skips, plain.noise) == ((0, 0, 0), 0)
        concept = write(manifest={**manifest, "skips": [0, 0.25, 1], "noise": 0.06})
        assert (concept.skips, concept.noise) == ((0, 0.25, 1), 0.06)
        skipping = replace(base, config=replace(base.config, skips=True))
        assert concept.load(skipping)

    def test_skips_need_a_base_that_has_them(
        self, write: Callable[..., Concept], base: Base, manifest: dict[str, Any]
    ) -> None:
        concept = write(manifest={**manifest, "skips": [0, 0, 0.5]})
        refused(concept.path, base, r"concept\.toml: it has skips, but the generator of the base 'tiny' has none")

    def test_the_digest_is_that_of_older_bundles_where_there_are_none(
        self, write: Callable[..., Concept], manifest: dict[str, Any]
    ) -> None:
        digest = "620c669621dc4bf33d5979d9894c3900d002479f96cf9adb35567ccec4c523d2"
        told = {"base": {"id": "tiny", "sha256": "0" * 64}}
        assert write(manifest={**manifest, **told}).recipe_digest == digest
        assert write(manifest={**manifest, **told, "skips": [0, 0, 0], "noise": 0}).recipe_digest == digest
        changed = [{"skips": [0, 0, 1]}, {"skips": [0, 1, 0]}, {"noise": 0.1}, {"noise": 0.1, "skips": [1, 0, 0]}]
        digests = {write(manifest={**manifest, **told, **each}).recipe_digest for each in changed}
        assert len(digests - {digest}) == len(changed)

    def test_half_precision_is_read_as_single(self, write: Callable[..., Concept], base: Base, tensors: Any) -> None:
        adapter = write(tensors={name: value.astype(np.float16) for name, value in tensors.items()}).load(base)
        assert {value.dtype.name for value in adapter.tensors.values()} == {"float32"}

    def test_without_preview_and_card(self, write: Callable[..., Concept], base: Base) -> None:
        concept = write(preview=None)
        (concept.path / "README.md").unlink()
        assert Concept.read(concept.path).load(base)
        assert Concept.read(concept.path).preview is None

    @pytest.mark.parametrize("card", [False, True])
    def test_untrained(self, tmp_path: Path, manifest: dict[str, Any], base: Base, card: bool) -> None:
        (tmp_path / "concept.toml").write_text(tomlkit.dumps(manifest))
        if card:
            (tmp_path / "README.md").write_text("mine")
        concept = Concept.read(tmp_path)
        assert not concept.trained
        with pytest.raises(ConceptError, match="not trained") as caught:
            concept.load(base)
        assert "e2gan train" in str(caught.value.hint)

    def test_folder_itself_may_be_a_link(self, bundle: Path, base: Base, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(bundle)
        assert Concept.read(tmp_path / "link").load(base)

    def test_reading_imports_no_heavy_package(self, bundle: Path) -> None:
        code = f"import sys; from e2gan.concept import Concept; Concept.read({str(bundle)!r}); print(*sys.modules)"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        modules = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert {"torch", "numpy", "safetensors", "peft"}.isdisjoint(modules.stdout.split())


class TestFiles:
    def test_no_folder(self, tmp_path: Path, base: Base) -> None:
        with pytest.raises(ConceptError, match="no concept in"):
            Concept.read(tmp_path / "nowhere")
        with pytest.raises(ConceptError, match=r"concept\.toml is missing"):
            Concept.read(tmp_path)
        with pytest.raises(ConceptError):
            Concept.read("nul\0byte")

    @pytest.mark.parametrize("name", [CONFIG, ADAPTER, PROMPT])
    def test_missing(self, bundle: Path, base: Base, name: str) -> None:
        (bundle / name).unlink()
        refused(bundle, base, f"{re.escape(name)}: the file is missing")

    @pytest.mark.parametrize(
        "name", ["adapter_model.bin", "__init__.py", ".DS_Store", "evil\x1b[2Jname", "CONCEPT.TOML"]
    )
    def test_extra(self, bundle: Path, base: Base, name: str) -> None:
        (bundle / name).write_text("")
        refused(bundle, base, "unexpected file")

    @pytest.mark.parametrize("name", ["__pycache__", "preview.webp"])
    def test_folder_inside(self, bundle: Path, base: Base, name: str) -> None:
        (bundle / name).unlink(missing_ok=True)
        (bundle / name).mkdir()
        refused(bundle, base, "unexpected file|not a regular file")

    @pytest.mark.parametrize("name", [*FILES])
    def test_symbolic_link(self, bundle: Path, base: Base, tmp_path: Path, name: str) -> None:
        (bundle / name).rename(tmp_path / name)
        (bundle / name).symlink_to(tmp_path / name)
        refused(bundle, base, f"{re.escape(name)}: is a symbolic link")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_named_pipe(self, bundle: Path, base: Base) -> None:
        (bundle / PROMPT).unlink()
        os.mkfifo(bundle / PROMPT)
        refused(bundle, base, "not a regular file")

    @pytest.mark.parametrize("name", [*FILES])
    def test_oversized(self, bundle: Path, base: Base, name: str) -> None:
        with open(bundle / name, "r+b") as file:
            file.truncate(FILES[name] + 1)
        refused(bundle, base, f"{re.escape(name)}: has .* bytes; at most")

    @pytest.mark.parametrize(
        "change", [lambda data: b"GIF89a" + data, lambda data: data[:-1], lambda data: data + b"MZ", lambda data: b""]
    )
    def test_preview_that_is_none(self, bundle: Path, base: Base, change: Callable[[bytes], bytes]) -> None:
        file = bundle / "preview.webp"
        file.write_bytes(change(file.read_bytes()))
        refused(bundle, base, r"preview\.webp: .*WebP")

    def test_card_not_text(self, bundle: Path, base: Base) -> None:
        (bundle / "README.md").write_bytes(b"\xff\xfe")
        refused(bundle, base, r"README\.md: not UTF-8")


class TestManifest:
    """Each fault names concept.toml and the key."""

    @pytest.mark.parametrize(
        ("key", "value", "match"),
        [
            ("schema", 2, "schema must be"),
            ("schema", True, "schema must be"),
            ("id", "../../etc/passwd", "id must be"),
            ("id", "/abs", "id must be"),
            ("id", "C:\\x", "id must be"),
            ("id", "VanGogh", "id must be"),
            ("id", "-x", "id must be"),
            ("id", "vangogh\n", "id must be"),
            ("id", "a" * 65, "id must be"),
            ("id", "", "id must be"),
            ("id", 3, "id must be"),
            ("title", "", "title must not be empty"),
            ("title", "a\x1b[31mred", "cannot be printed"),
            ("title", "x" * 101, "title has 101"),
            ("title", ["a"], "title must be text"),
            ("prompt", "x" * 301, "prompt has 301"),
            ("version", "latest", "version must be"),
            ("license", "see <b>file</b>", "license must be"),
            ("authors", "me", "authors must be a list"),
            ("authors", [1], r"authors\[0\] must be text"),
            ("base", "tiny", "base must be a table"),
            ("recipe", 1, "recipe must be a table"),
            ("quality", [], "quality must be a table"),
            ("quality", {"fid": float("nan")}, "must be finite"),
            ("tone", [1, 0, 0, 0], "tone must be a table"),
            ("tone", {"red": [1, 0, 0]}, "red must be a list of 4 numbers"),
            ("tone", {"red": [1, 0, 0, "0"]}, r"red\[3\] must be a number from -16 to 16"),
            ("tone", {"green": [0, float("inf"), 0, 0]}, r"green\[1\] must be a number"),
            ("tone", {"grey": [1, 0, 0, 0]}, "unknown key 'grey'"),
            ("skips", 1, "skips must be a list of 3 numbers"),
            ("skips", [0.5, 0.5], "skips must be a list of 3 numbers"),
            ("skips", [0, 0, 0, 0], "skips must be a list of 3 numbers"),
            ("skips", [0, 0, 1.01], r"skips\[2\] must be a number from 0 to 1"),
            ("skips", [-0.01, 0, 0], r"skips\[0\] must be a number from 0 to 1"),
            ("skips", [0, float("nan"), 0], r"skips\[1\] must be a number"),
            ("skips", [0, 0, float("inf")], r"skips\[2\] must be a number"),
            ("skips", [True, 0, 0], r"skips\[0\] must be a number"),
            ("noise", 0.26, "noise must be a number from 0 to 0.25"),
            ("noise", -0.01, "noise must be a number from 0 to 0.25"),
            ("noise", float("nan"), "noise must be a number"),
            ("noise", [0.1], "noise must be a number"),
            ("versoin", "1", "unknown key 'versoin'"),
        ],
    )
    def test_wrong_value(
        self, bundle: Path, base: Base, manifest: dict[str, Any], key: str, value: Any, match: str
    ) -> None:
        (bundle / "concept.toml").write_text(tomlkit.dumps({**manifest, key: value}))
        refused(bundle, base, rf"concept\.toml: .*{match}")

    @pytest.mark.parametrize("key", ["schema", "id", "title", "version", "prompt", "license", "base", "recipe"])
    def test_missing_key(self, bundle: Path, base: Base, manifest: dict[str, Any], key: str) -> None:
        del manifest[key]
        (bundle / "concept.toml").write_text(tomlkit.dumps(manifest))
        refused(bundle, base, rf"concept\.toml: {key} is missing")

    def test_misspelt_key_gets_a_hint(self, bundle: Path, manifest: dict[str, Any]) -> None:
        (bundle / "concept.toml").write_text(tomlkit.dumps({**manifest, "qualty": {}}))
        with pytest.raises(ConceptError) as caught:
            Concept.read(bundle)
        assert caught.value.hint == "did you mean 'quality'?"

    def test_base_table_is_strict(self, bundle: Path, base: Base, manifest: dict[str, Any]) -> None:
        manifest["base"]["sha256"] = "0" * 63
        (bundle / "concept.toml").write_text(tomlkit.dumps(manifest))
        refused(bundle, base, r"\[base\]: sha256 must be")

    def test_other_base(self, bundle: Path, base: Base, manifest: dict[str, Any]) -> None:
        manifest["base"]["sha256"] = "0" * 64
        (bundle / "concept.toml").write_text(tomlkit.dumps(manifest))
        refused(bundle, base, "made for the base 'tiny' .000000000000…., not for 'tiny'")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"", "schema is missing"),
            (b"\xff\xfe", "not UTF-8"),
            (b"schema = ", "not valid TOML"),
            (b"a = 1\na = 2", "not valid TOML"),
            (b"a = " + b"[" * 3000, "nested too deeply|not valid TOML"),
            (b"a" + b".a" * 1000 + b" = 1", "nested too deeply"),
            (b"a" + b".a" * 5000 + b" = 1", "longer than"),
            (b"schema = " + b"1" * 4000, "schema must be"),
            (b"quality = {when = 2024-01-01}\n", "is missing"),
            (b"#" * (FILES["concept.toml"] + 1), "at most"),
        ],
    )
    def test_hostile_toml(self, bundle: Path, base: Base, content: bytes, match: str) -> None:
        (bundle / "concept.toml").write_bytes(content)
        refused(bundle, base, match)

    def test_recipe_changed_after_training(self, bundle: Path, base: Base, manifest: dict[str, Any]) -> None:
        manifest["recipe"]["teacher_options"]["style"] = 20
        (bundle / "concept.toml").write_text(tomlkit.dumps(manifest))
        refused(bundle, base, "header says recipe_sha256")


class TestAdapterConfig:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"auto_mapping": {"base_model_class": "X", "parent_library": "os"}}, "unexpected key 'auto_mapping'"),
            ({"modules_to_save": ["up1"]}, "unexpected key 'modules_to_save'"),
            ({"trust_remote_code": True}, "unexpected key 'trust_remote_code'"),
            ({"base_model_name_or_path": "evil/model"}, "unexpected key"),
            ({"peft_type": "VERA"}, "'peft_type' does not fit"),
            ({"bias": "all"}, "'bias' does not fit"),
            ({"r": 2}, "'r' does not fit"),
            ({"r": True}, "'r' does not fit"),
            ({"lora_alpha": 64}, "'lora_alpha' does not fit"),
            ({"alpha_pattern": {}}, "'alpha_pattern' does not fit"),
            ({"rank_pattern": {"^down1": 64}}, "'rank_pattern' does not fit"),
            ({"target_modules": ["res_blocks.0.conv1"]}, "'target_modules' does not fit"),
            ({"target_modules": [["down1"], None]}, "'target_modules' does not fit"),
        ],
    )
    def test_disagrees(self, bundle: Path, base: Base, change: dict[str, Any], match: str) -> None:
        file = bundle / CONFIG
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        refused(bundle, base, rf"adapter_config\.json: {match}")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"", "not valid JSON"),
            (b"[]", "not a JSON object"),
            (b"{}", "'peft_type' is missing"),
            (b'{"r": 1, "r": 1}', "twice"),
            (b'{"r": NaN}', "not a number"),
            (b'{"r": ' + b"[" * 50_000, "nested too deeply|not valid JSON"),
            (b'{"r": ' + b"9" * 5000 + b"}", "not valid JSON"),
            (b'{"\\ud800": 1}', "unexpected key"),
            (b"\xff{}", "not UTF-8"),
        ],
    )
    def test_hostile_json(self, bundle: Path, base: Base, content: bytes, match: str) -> None:
        (bundle / CONFIG).write_bytes(content)
        refused(bundle, base, match)

    def test_order_of_target_modules_is_free(self, bundle: Path, base: Base) -> None:
        file = bundle / CONFIG
        config = json.loads(file.read_text())
        config["target_modules"].reverse()
        file.write_text(json.dumps(config))
        assert Concept.read(bundle).load(base)


class TestWithoutItsBase:
    """What :meth:`Concept.check` finds."""

    def test_sound(self, bundle: Path) -> None:
        Concept.read(bundle).check()

    @pytest.mark.parametrize("name", [ADAPTER, PROMPT, CONFIG, "preview.webp", "README.md"])
    def test_damaged(self, bundle: Path, name: str) -> None:
        (bundle / name).write_bytes(b"\xff" + (bundle / name).read_bytes()[:-1])
        with pytest.raises(ConceptError, match=re.escape(name)):
            Concept.read(bundle).check()

    @pytest.mark.parametrize("name", [ADAPTER, PROMPT])
    def test_not_finite(self, bundle: Path, name: str) -> None:
        concept = Concept.read(bundle)
        replace_tensors(concept, lambda t: {key: value * np.nan for key, value in t.items()}, name)
        with pytest.raises(ConceptError, match="not finite"):
            concept.check()

    def test_of_another_concept(self, bundle: Path) -> None:
        text = (bundle / "concept.toml").read_text()
        (bundle / "concept.toml").write_text(text.replace('id = "vangogh"', 'id = "other"'))
        with pytest.raises(ConceptError, match="its header says id 'vangogh'"):
            Concept.read(bundle).check()

    def test_untrained(self, tmp_path: Path, manifest: dict[str, Any]) -> None:
        (tmp_path / "concept.toml").write_text(tomlkit.dumps(manifest))
        with pytest.raises(ConceptError, match="not trained yet"):
            Concept.read(tmp_path).check()


class Bomb:
    """A pickle of this would write a file when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('the pickle was run')",))


class TestTensors:
    @pytest.mark.parametrize("name", [ADAPTER, PROMPT])
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda data: b"", "not a safetensors file"),
            (lambda data: pickle.dumps(Bomb()), "not a safetensors file"),
            (lambda data: b"PK\x03\x04" + data, "not a safetensors file"),
            (lambda data: data[:7], "not a safetensors file"),
            (lambda data: data[:100], "cut off"),
            (lambda data: data[:-1], "not a valid safetensors file"),
            (lambda data: data + b"\0", "not a valid safetensors file"),
            (lambda data: b"\xff" * 8 + data[8:], "header is larger"),
            (lambda data: (300 * 1024).to_bytes(8, "little") + data[8:], "header is larger"),
            (lambda data: data[:8] + b"{" * 8 + data[16:], "not valid JSON"),
        ],
    )
    def test_not_safetensors(
        self, bundle: Path, base: Base, name: str, change: Callable[[bytes], bytes], match: str
    ) -> None:
        (bundle / name).write_bytes(change((bundle / name).read_bytes()))
        refused(bundle, base, f"{re.escape(name)}: .*{match}")

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda t: {name: value for name, value in t.items() if name != DOWN1}, f"'{re.escape(DOWN1)}' is missing"),
            (lambda t: {**t, "res.weight": np.ones(1, "f4")}, r"unexpected tensor 'res\.weight'"),
            (lambda t: {**t, DOWN1: t[DOWN1][:, :-1]}, "has the shape"),
            (lambda t: {**t, DOWN1: t[DOWN1].reshape(-1)}, "has the shape"),
            (lambda t: {**t, DOWN1: np.concatenate([t[DOWN1]] * 2)}, "has the shape"),
            (lambda t: {**t, DOWN1: t[DOWN1].astype("f8")}, "is 'F64'"),
            (lambda t: {**t, DOWN1: t[DOWN1].astype("i4")}, "is 'I32'"),
            (lambda t: {**t, DOWN1: t[DOWN1] * np.nan}, "not finite"),
            (lambda t: {**t, DOWN1: t[DOWN1] + np.inf}, "not finite"),
        ],
    )
    def test_wrong_tensor(self, bundle: Path, base: Base, change: Callable[..., Any], match: str) -> None:
        replace_tensors(Concept.read(bundle), change)
        refused(bundle, base, rf"adapter_model\.safetensors: .*{match}")

    @pytest.mark.parametrize(
        ("found", "match"),
        [
            ({"prompt": np.ones((3, 17), "f4")}, "has the shape"),
            ({"prompt": np.ones((0, 16), "f4")}, "has the shape"),
            ({"prompt": np.ones((513, 16), "f4")}, "has the shape"),
            ({"prompt": np.ones(16, "f4")}, "has the shape"),
            ({"prompt": np.full((3, 16), np.nan, "f4")}, "not finite"),
            ({"tokens": np.ones((3, 16), "f4")}, "unexpected tensor 'tokens'"),
            ({}, "'prompt' is missing"),
        ],
    )
    def test_wrong_prompt(self, bundle: Path, base: Base, found: dict[str, np.ndarray], match: str) -> None:
        replace_tensors(Concept.read(bundle), lambda tensors: tensors.clear() or found, PROMPT)
        refused(bundle, base, rf"prompt\.safetensors: .*{match}")

    @pytest.mark.parametrize("name", [ADAPTER, PROMPT])
    @pytest.mark.parametrize("key", ["id", "base_sha256", "recipe_sha256"])
    def test_header_of_another_concept(self, bundle: Path, base: Base, name: str, key: str) -> None:
        rewrite_header(bundle / name, lambda header: header["__metadata__"].update({key: "other"}))
        refused(bundle, base, f"{re.escape(name)}: its header says {key} 'other'")

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda h: h.pop("__metadata__") and None, "no metadata"),
            (lambda h: h.update({DOWN1: []}), "malformed"),
            (lambda h: h[DOWN1].update(dtype=["F32"]), "must be F32"),
            (lambda h: h[DOWN1].update(shape="abc"), "malformed"),
            (lambda h: h[DOWN1].update(shape=[True, 8, 3, 3]), "malformed"),
            (lambda h: h[DOWN1].update(shape=[2.0, 8, 3, 3]), "malformed"),
            (lambda h: h[DOWN1].update(data_offsets=[0]), "malformed"),
            (lambda h: h[DOWN1].update(data_offsets=[0, 10**30]), "byte count"),
            (lambda h: h[DOWN1].update(data_offsets=[-576, 0]), "byte count|not a valid"),
            (lambda h: h[DOWN1].update(data_offsets=[10**6, 10**6 + 2 * 8 * 9 * 4]), "not a valid"),
            (lambda h: h[DOWN1].update(more=1), "malformed"),
        ],
    )
    def test_hostile_header(self, bundle: Path, base: Base, change: Callable[..., Any], match: str) -> None:
        rewrite_header(bundle / ADAPTER, change)
        refused(bundle, base, rf"adapter_model\.safetensors: .*{match}")

    def test_ranks_other_than_the_recipe_says(
        self, write: Callable[..., Concept], base: Base, manifest: dict[str, Any]
    ) -> None:
        manifest["recipe"]["training"]["ranks"] = [1, 4, 8, 8]
        refused(write(manifest=manifest).path, base, "does not fit the base and the recipe's ranks")
