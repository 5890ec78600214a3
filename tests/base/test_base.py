"""The base: manifest, digest, weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit

from e2gan.base import Base, find_base, write_base
from e2gan.errors import BaseModelError
from e2gan.files import read_toml
from e2gan.models.layout import GeneratorConfig

CONFIG = GeneratorConfig(prompt_dim=16, width=8, res_blocks=1, tb_positions=(1,))


def write(folder: Path, **changes: Any) -> Base:
    whole: dict[str, Any] = {
        "id": "tiny",
        "title": "Tiny",
        "version": "1.0.0",
        "license": "apache-2.0",
        "config": CONFIG,
        "generator": {"weight": np.ones((2, 2), np.float32)},
    }
    return write_base(folder, **{**whole, **changes})


def test_written_and_read(tmp_path: Path) -> None:
    state = {"weight": np.ones(3, np.float32)}
    base = write(tmp_path / "b", discriminator=state, recipe={"seed": 1}, training={"device": "cpu"})
    assert (base.id, base.version, base.config) == ("tiny", "1.0.0", CONFIG)
    assert base.manifest["recipe"] == {"seed": 1}
    assert base.discriminator_path.is_file()
    assert {f.name for f in base.path.iterdir()} == {"base.toml", "generator.safetensors", "discriminator.safetensors"}


def test_generator_loads_in_single_precision(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from e2gan.models.generator import Generator

    generator = Generator(CONFIG)
    base = write(tmp_path / "b", generator=generator.state_dict())
    loaded = base.generator()
    assert not loaded.training
    for name, value in generator.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        assert torch.equal(loaded.state_dict()[name], value.half().float())


def test_other_weights_are_refused(tmp_path: Path) -> None:
    base = write(tmp_path / "b", discriminator={"weight": np.ones(3, np.float32)})
    for file in (base.path / "generator.safetensors", base.path / "discriminator.safetensors"):
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(BaseModelError, match=r"generator\.safetensors: SHA-256 is"):
        base.generator()
    with pytest.raises(BaseModelError, match=r"discriminator\.safetensors: SHA-256 is"):
        _ = base.discriminator_path
    base.generator_path.unlink()
    with pytest.raises(BaseModelError, match=r"generator\.safetensors is missing"):
        base.generator()


def test_no_discriminator(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="without a discriminator"):
        _ = write(tmp_path / "b").discriminator_path


def test_writing_anew_keeps_the_recipe(tmp_path: Path) -> None:
    base = write(tmp_path / "b", discriminator={"weight": np.ones(3, np.float32)})
    (base.path / "recipe.toml").write_text("# mine")
    write(base.path)
    assert {f.name for f in base.path.iterdir()} == {"base.toml", "generator.safetensors", "recipe.toml"}
    assert (base.path / "recipe.toml").read_text() == "# mine"


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_weights_must_fit_half_precision(tmp_path: Path, value: float) -> None:
    with pytest.raises(BaseModelError, match="'weight' is not finite in half precision"):
        write(tmp_path / "b", generator={"weight": np.full(2, value, np.float32)})
    assert os.listdir(tmp_path) == []


def test_does_not_replace_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BaseModelError, match=r"thesis\.tex"):
        write(tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema": 2}, "schema must be"),
        ({"id": "../x"}, "id must be"),
        ({"sha256": "x"}, "sha256 must be"),
        ({"generator": {"width": 0}}, r"\[generator\]: .*width must be"),
        ({"generator": {"heads": "8"}}, r"\[generator\]: .*heads must be"),
        ({"generator": {"tb_positions": 2}}, r"\[generator\]: "),
        ({"generator": 1}, "generator must be a table"),
        ({"shar256": "x"}, "unknown key 'shar256'"),
        ({"recipe": {"a": float("nan")}}, r"\[recipe\]: numbers must be finite"),
    ],
)
def test_bad_manifest(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    base = write(tmp_path / "b")
    manifest = read_toml(base.path / "base.toml")
    (base.path / "base.toml").write_text(tomlkit.dumps({**manifest, **changes}))
    with pytest.raises(BaseModelError, match=rf"base\.toml: .*{match}"):
        Base.read(base.path)


def test_found_by_folder(tmp_path: Path) -> None:
    base = write(tmp_path / "b")
    assert find_base(base.path).sha256 == base.sha256
    assert find_base(str(base.path)).sha256 == base.sha256


@pytest.mark.parametrize("name", ["nowhere", "", "../bases", "a\0b", "x" * 5000])
def test_not_found(name: str) -> None:
    with pytest.raises(BaseModelError, match="no base ") as caught:
        find_base(name)
    assert caught.value.hint


def test_reading_imports_no_heavy_package(tmp_path: Path) -> None:
    base = write(tmp_path / "b")
    code = f"import sys; from e2gan.base import find_base; find_base({str(base.path)!r}); print(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    modules = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert {"torch", "numpy", "safetensors"}.isdisjoint(modules.stdout.split())
