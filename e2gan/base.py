"""The base model: the pinned generator that every concept is a small change to.

A base is a folder: ``base.toml``, ``generator.safetensors`` and, for training,
``discriminator.safetensors``.  A concept pins its base by the SHA-256 of the
generator's file, so the loader never trusts the folder's manifest: it hashes the file
before loading it.  This module imports torch only when it loads a generator.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2gan.errors import BaseModelError
from e2gan.files import atomic_folder, atomic_write, read_toml, sha256_file
from e2gan.leftovers import names
from e2gan.models.layout import GeneratorConfig, generator_shapes
from e2gan.recipe import read_generator_config
from e2gan.tables import ID_PATTERN, Table, did_you_mean, shown

if TYPE_CHECKING:
    import numpy as np

    from e2gan.models.generator import Generator

__all__ = [
    "BUNDLED",
    "DEFAULT",
    "DISCRIMINATOR",
    "GENERATOR",
    "KEPT",
    "MANIFEST",
    "Base",
    "find_base",
    "find_lite",
    "preferred",
    "write_base",
]

SCHEMA = 1
DEFAULT = "everyday"
"""The bundled base's id."""
PREFERRED = "E2GAN_BASE"
BUNDLED = Path(__file__).parent / "bases"
MANIFEST, GENERATOR, DISCRIMINATOR = "base.toml", "generator.safetensors", "discriminator.safetensors"
KEPT = ("recipe.toml", "README.md")
"""Other files that the folder may hold; they stay when the base is rewritten."""


@dataclass(frozen=True, eq=False)
class Base:
    """A base model on disk: its manifest is read and checked, its weights are not loaded yet."""

    id: str
    title: str
    version: str
    license: str
    sha256: str
    """Digest of ``generator.safetensors``, which concepts pin."""
    discriminator_sha256: str
    """Digest of ``discriminator.safetensors``; empty if the base has no discriminator."""
    config: GeneratorConfig
    path: Path
    """The folder."""
    manifest: dict[str, Any] = field(repr=False)
    """All of ``base.toml``, including the free tables ``[recipe]`` and ``[training]``."""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Base:
        """Read the manifest of the base in the folder ``path``.

        Raises:
            BaseModelError: the folder holds no base, or its manifest is malformed.
        """
        folder = Path(path)
        manifest = read_toml(folder / MANIFEST, error=BaseModelError)
        table = Table(manifest, str(folder / MANIFEST), BaseModelError)
        table.whole("schema", low=SCHEMA, high=SCHEMA)
        base = cls(
            id=table.id("id"),
            title=table.text("title", limit=100),
            version=table.version("version"),
            license=table.license("license"),
            sha256=table.digest("sha256"),
            discriminator_sha256=table.digest("discriminator_sha256", ""),
            config=read_generator_config(table.sub("generator")),
            path=folder,
            manifest=manifest,
        )
        table.plain("recipe")
        table.plain("training")
        table.done()
        return base

    @property
    def generator_path(self) -> Path:
        return self.path / GENERATOR

    @property
    def discriminator_path(self) -> Path:
        """For training; raises BaseModelError if it is missing or not the one the manifest promises."""
        if not self.discriminator_sha256:
            raise BaseModelError(f"the base '{self.id}' comes without a discriminator")
        self._verify(DISCRIMINATOR, self.discriminator_sha256)
        return self.path / DISCRIMINATOR

    def generator(self) -> Generator:
        """Load the generator: float32, in evaluation mode, on the CPU.

        Raises:
            BaseModelError: the file is missing, or is not the one that the manifest promises.
        """
        self._verify(GENERATOR, self.sha256)
        from e2gan.models.generator import load_generator

        return load_generator(self.generator_path, self.config)

    def weights(self) -> dict[str, np.ndarray]:
        """The generator's tensors by name, float32, without PyTorch: for a runtime of its own.

        Raises:
            BaseModelError: the file is missing, or is not the one that the manifest promises.
        """
        self._verify(GENERATOR, self.sha256)
        from e2gan.models.weights import read_weights

        return read_weights(self.generator_path, generator_shapes(self.config))

    def verify(self) -> None:
        """Compare the base's files with its manifest.

        Raises:
            BaseModelError: a file is missing, or is not the one that the manifest promises.
        """
        self._verify(GENERATOR, self.sha256)
        if self.discriminator_sha256:
            self._verify(DISCRIMINATOR, self.discriminator_sha256)

    def _verify(self, name: str, sha256: str) -> None:
        file = self.path / name
        if not file.is_file():
            raise BaseModelError(f"the base '{self.id}' is incomplete: {file} is missing", hint="install it again")
        actual = sha256_file(file)
        if actual != sha256:
            raise BaseModelError(
                f"{file}: SHA-256 is {actual[:12]}…, but {MANIFEST} promises {sha256[:12]}…",
                hint="the file is damaged or was replaced; install the base again",
            )


def preferred() -> str | None:
    """The id or folder of the base that the environment names in ``E2GAN_BASE``, if it does."""
    return os.environ.get(PREFERRED) or None


def find_base(name: str | os.PathLike[str] | None = None) -> Base:
    """Find a base by its id, among those that come with the package, or by its folder; if None, the environment's
    (`preferred`), or else the bundled default.

    Raises:
        BaseModelError: there is no such base, or it is malformed.
    """
    asked = PREFERRED if name is None and preferred() else ""
    if name is None:
        name = preferred() or DEFAULT
    if isinstance(name, str) and ID_PATTERN.fullmatch(name) and (BUNDLED / name / MANIFEST).is_file():
        return Base.read(BUNDLED / name)
    try:
        if (Path(name) / MANIFEST).is_file():
            return Base.read(name)
    except (OSError, ValueError):  # a name no file can have
        pass
    ids = sorted(folder.parent.name for folder in BUNDLED.glob(f"*/{MANIFEST}"))
    raise BaseModelError(
        f"{asked and f'{asked}: '}no base {shown(os.fspath(name))}",
        hint=did_you_mean(os.fspath(name), ids) or f"give a folder with a {MANIFEST}, or one of: {', '.join(ids)}",
    )


def find_lite(base: Base) -> Base | None:
    """The smaller and faster base beside one, named ID-lite, if it comes with the package.

    Raises:
        BaseModelError: it is malformed.
    """
    folder = BUNDLED / f"{base.id}-lite"
    return Base.read(folder) if (folder / MANIFEST).is_file() else None


def write_base(
    folder: str | os.PathLike[str],
    *,
    id: str,
    title: str,
    version: str,
    license: str,
    config: GeneratorConfig,
    generator: Mapping[str, np.ndarray],
    discriminator: Mapping[str, np.ndarray] | None = None,
    recipe: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Base:
    """Write a base into ``folder``, whole or not at all; weights are stored in half precision.

    ``generator`` and ``discriminator`` are state dicts of arrays (or CPU tensors).  A base that is already
    there is replaced, except for ``recipe.toml`` and ``README.md``.

    Raises:
        BaseModelError: a weight is not finite in half precision, the folder holds something else, or the
            manifest is malformed.
    """
    import tomlkit

    target = Path(folder)
    present = set(names(target)) if target.is_dir() else set()
    if foreign := sorted(present - {MANIFEST, GENERATOR, DISCRIMINATOR, *KEPT}):
        raise BaseModelError(
            f"{target} holds {shown(foreign[0])}, which does not belong to a base", hint="choose an empty folder"
        )
    with atomic_folder(target) as new:
        for name in present.intersection(KEPT):
            atomic_write(new / name, (target / name).read_bytes())
        atomic_write(new / GENERATOR, _half(generator, GENERATOR))
        if discriminator is not None:
            atomic_write(new / DISCRIMINATOR, _half(discriminator, DISCRIMINATOR))
        manifest: dict[str, Any] = {
            "schema": SCHEMA,
            "id": id,
            "title": title,
            "version": version,
            "license": license,
            "sha256": sha256_file(new / GENERATOR),
        }
        if discriminator is not None:
            manifest["discriminator_sha256"] = sha256_file(new / DISCRIMINATOR)
        manifest["generator"] = config.to_dict()
        manifest.update({k: dict(v) for k, v in (("recipe", recipe), ("training", training)) if v})
        atomic_write(new / MANIFEST, tomlkit.dumps(manifest))
        Base.read(new)
    return Base.read(target)


def _half(state: Mapping[str, np.ndarray], name: str) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    tensors = {}
    with np.errstate(over="ignore"):
        for key, value in state.items():
            tensors[key] = np.ascontiguousarray(np.asarray(value), dtype=np.float16)
            if not np.isfinite(tensors[key]).all():
                raise BaseModelError(f"{name}: the tensor {shown(key)} is not finite in half precision")
    return save(tensors)
