"""Reading a bundle: the manifest, the file set and the sizes first, everything else when it is loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from e2gan.base import Base
from e2gan.concept.checks import (
    check_adapter_config,
    check_card,
    check_files,
    check_preview,
    check_tensor,
    parse_object,
    refuse,
    safetensors_header,
)
from e2gan.concept.layout import (
    ADAPTER,
    CARD,
    CHANNELS,
    CONFIG,
    DAMAGED,
    FILES,
    MANIFEST,
    MAX_TONE,
    PREVIEW,
    PROMPT,
    SCHEMA,
    adapter_config,
)
from e2gan.errors import ConceptError
from e2gan.files import read_bytes, read_toml
from e2gan.models.layout import MAX_NOISE, NEUTRAL, NO_SKIPS, Keeps, Ranks, Skips, Tone, adapter_shapes
from e2gan.recipe import Recipe
from e2gan.tables import Table, canonical_json, shown

if TYPE_CHECKING:
    import numpy as np


__all__ = ["Adapter", "Concept", "Licenses"]


@dataclass(frozen=True, eq=False)
class Adapter:
    """What a concept changes in its base."""

    tensors: dict[str, np.ndarray]
    """LoRA factors by PEFT's names, float32; their scale is 1."""
    prompt: np.ndarray
    """(T, D) float32: the prompt's token embeddings."""


class Licenses(NamedTuple):
    """The licences of what a concept was made from, in words or as SPDX expressions; empty if not stated."""

    teacher: str = ""
    photos: str = ""


@dataclass(frozen=True, eq=False)
class Concept:
    """A concept on disk: its manifest is read and checked, its weights are not loaded yet."""

    id: str
    title: str
    version: str
    prompt: str
    license: str
    licenses: Licenses
    """The licences of what it was made from."""
    authors: tuple[str, ...]
    description: str
    base_id: str
    base_sha256: str
    """Digest of the base's ``generator.safetensors``; the concept works with no other base."""
    keeps: Keeps
    """What its edits keep of the photo."""
    tone: Tone
    """The colours in which they keep it: an affine map that training fits to the teacher's colours."""
    skips: Skips
    """How much bypasses the generator's bottleneck: 0 for paintings that redraw everything, 1 for drawings."""
    noise: float
    """Strength of the noise from which its strokes start; 0 turns it off."""
    recipe: Recipe
    quality: dict[str, Any]
    """What the evaluation measured; empty before it ran."""
    training: dict[str, Any]
    """The record of the training run: device, seconds, steps."""
    trained: bool
    path: Path
    """The folder."""
    distribution: str | None
    """The installed distribution that contains it, or None."""
    source: str | None
    """Where it came from if not from that distribution, such as ``hub:OWNER/NAME@COMMIT``, or None."""
    manifest: dict[str, Any] = field(repr=False)
    """All of ``concept.toml``."""
    other_name: str | None = None
    """The name that it is installed under if its id means another concept, such as ``hub:OWNER/NAME``."""
    others: tuple[Concept, ...] = field(default=(), repr=False)
    """The same concept for other bases, from the same distribution."""

    @property
    def name(self) -> str:
        """What names it on this machine's command line, once it is installed: its id, or its other name."""
        return self.other_name or self.id

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], *, distribution: str | None = None, source: str | None = None
    ) -> Concept:
        """Read the bundle in the folder ``path``: manifest, file set and sizes.

        Raises:
            ConceptError: the folder holds no bundle, or the bundle is malformed.
            RecipeError: its recipe is malformed.
        """
        folder = Path(path)
        trained = check_files(folder)
        manifest = read_toml(folder / MANIFEST)
        table = Table(manifest, str(folder / MANIFEST), ConceptError)
        table.whole("schema", low=SCHEMA, high=SCHEMA)
        base = table.sub("base")
        concept = cls(
            id=table.id("id"),
            title=table.text("title", limit=100),
            version=table.version("version"),
            prompt=table.text("prompt", limit=300),
            license=table.license("license"),
            licenses=_licenses(table.sub("licenses", {})),
            authors=table.texts("authors", ()),
            description=table.text("description", "", limit=2000, lines=True),
            base_id=base.id("id"),
            base_sha256=base.digest("sha256"),
            keeps=Keeps(table.choice("keeps", map(str, Keeps), str(Keeps.NOTHING))),
            tone=_tone(table.sub("tone", {})),
            skips=table.numbers("skips", NO_SKIPS, low=0, high=1),  # type: ignore[arg-type]
            noise=table.number("noise", 0.0, low=0, high=MAX_NOISE),
            recipe=Recipe.from_dict(table.sub("recipe").data, table.where),
            quality=table.plain("quality"),
            training=table.plain("training"),
            trained=trained,
            path=folder,
            distribution=distribution,
            source=source,
            manifest=manifest,
        )
        base.done()
        table.done()
        return concept

    @property
    def for_all_bases(self) -> tuple[Concept, ...]:
        """Itself and the `others`."""
        return self, *self.others

    def on(self, base: str | None) -> Concept:
        """This concept for a base, given by its id or its generator's digest; itself if there is none for that base."""
        fitting = (one for one in self.for_all_bases if base in (one.base_id, one.base_sha256))
        return next(fitting, self)

    @property
    def ranks(self) -> Ranks:
        return self.recipe.training.adapter_ranks

    @property
    def recipe_digest(self) -> str:
        """SHA-256 over what the adapter is made from: the recipe as written, the prompt, what is kept of the photo,
        what bypasses the bottleneck, the noise, and the base's digest."""
        made_from = {"base": self.base_sha256, "prompt": self.prompt, "recipe": self.manifest["recipe"]}
        if self.keeps != Keeps.NOTHING:  # so that bundles from before this setting keep their digest
            made_from["keeps"] = self.keeps.value
        if self.skips != NO_SKIPS:
            made_from["skips"] = list(self.skips)
        if self.noise:
            made_from["noise"] = self.noise
        return hashlib.sha256(canonical_json(made_from)).hexdigest()

    @property
    def preview(self) -> Path | None:
        """The preview picture, or None."""
        file = self.path / PREVIEW
        return file if file.is_file() else None

    def load(self, base: Base) -> Adapter:
        """Check every file of the bundle against ``base`` and load the weights.

        Raises:
            ConceptError: it is untrained, made for another base, or a file is damaged, unsafe or inconsistent.
        """
        self.check_trained()
        if self.base_sha256 != base.sha256:
            raise ConceptError(
                f"{self.path / MANIFEST}: made for the base '{self.base_id}' ({self.base_sha256[:12]}…), "
                f"not for '{base.id}' ({base.sha256[:12]}…)",
                hint="install the version of the concept for this base, or train it again with e2gan train",
            )
        self.check_base(base)
        check_files(self.path)
        check_adapter_config(self.path / CONFIG, adapter_config(base.config, self.ranks))
        check_preview(self.path / PREVIEW)
        check_card(self.path / CARD)
        tensors = self._read_tensors(ADAPTER, adapter_shapes(base.config, self.ranks))
        prompt = self._read_tensors(PROMPT, {"prompt": (None, base.config.prompt_dim)})
        return Adapter(tensors, prompt["prompt"])

    def check_base(self, base: Base) -> None:
        """Raise ConceptError if the base's generator cannot do what the concept needs."""
        if self.skips != NO_SKIPS and not base.config.skips:
            refuse(
                self.path / MANIFEST,
                f"it has skips, but the generator of the base '{base.id}' has none",
                "remove skips, or use a base that has them",
            )

    def check(self) -> None:
        """Check every file of the bundle as far as possible without its base, for callers that do not have the base.

        Names and shapes of the tensors, and PEFT's configuration, follow from the base: :meth:`load` checks them.

        Raises:
            ConceptError: it is untrained, or a file is damaged, unsafe or inconsistent.
        """
        self.check_trained()
        check_files(self.path)
        parse_object(self.path / CONFIG, read_bytes(self.path / CONFIG, limit=FILES[CONFIG], error=ConceptError))
        check_preview(self.path / PREVIEW)
        check_card(self.path / CARD)
        self._read_tensors(ADAPTER)
        self._read_tensors(PROMPT)

    def header(self) -> dict[str, str]:
        """The values of the manifest that the headers of both safetensors files repeat."""
        return {"id": self.id, "base_sha256": self.base_sha256, "recipe_sha256": self.recipe_digest}

    def check_trained(self) -> None:
        """Raise ConceptError if it is not trained yet."""
        if not self.trained:
            around = self.path.parent.parent  # the folder that people know, if it is that of a distribution
            folder = around if self.path.name == "bundle" and (around / "pyproject.toml").is_file() else self.path
            raise ConceptError(
                f"{folder}: the concept '{self.id}' is not trained yet", hint=f"e2gan train {folder} --data PHOTOS"
            )

    def _read_tensors(
        self, name: str, shapes: Mapping[str, tuple[int | None, ...]] | None = None
    ) -> dict[str, np.ndarray]:
        """The tensors of a safetensors file as float32; if ``shapes`` is given, they must be exactly those.

        The header is checked before the safetensors library sees the file.
        """
        file = self.path / name
        data = read_bytes(file, limit=FILES[name], error=ConceptError, hint=DAMAGED)
        header = safetensors_header(file, data)
        metadata = header.pop("__metadata__", None)
        if not isinstance(metadata, dict):
            refuse(file, "its header has no metadata")
        for key, promised in self.header().items():
            if metadata.get(key) != promised:
                refuse(file, f"its header says {key} {shown(metadata.get(key))}, but {MANIFEST} gives '{promised}'")
        for tensor in sorted(header.keys() - shapes.keys() if shapes is not None else ()):
            refuse(file, f"unexpected tensor {shown(tensor)}")
        for tensor in sorted(header if shapes is None else shapes):
            if tensor not in header:
                refuse(file, f"the tensor {shown(tensor)} is missing")
            check_tensor(file, tensor, header[tensor], None if shapes is None else shapes[tensor])

        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as fault:
            refuse(file, f"not a valid safetensors file: {fault}")
        for tensor, value in tensors.items():
            if not np.isfinite(value).all():
                refuse(file, f"the tensor {shown(tensor)} holds values that are not finite")
        return {tensor: value.astype(np.float32) for tensor, value in tensors.items()}


def _licenses(table: Table) -> Licenses:
    licenses = Licenses(*(table.text(name, "", limit=300) for name in Licenses._fields))
    table.done()
    return licenses


def _tone(table: Table) -> Tone:
    rows = dict(zip(CHANNELS, NEUTRAL))
    tone = tuple(table.numbers(channel, row, low=-MAX_TONE, high=MAX_TONE) for channel, row in rows.items())
    table.done()
    return tone  # type: ignore[return-value]
