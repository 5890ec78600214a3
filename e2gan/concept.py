"""The concept bundle: a folder of data, never code, that is read, checked, loaded and written here.

========================== ====================================================
concept.toml               identity, prompt, pinned base, recipe, quality
adapter_config.json        PEFT's own format, so that PEFT can read the bundle
adapter_model.safetensors  the LoRA factors, float32 or float16
prompt.safetensors         the prompt's token embeddings, one tensor "prompt"
preview.webp               before and after (may be absent)
README.md                  the model card
========================== ====================================================

Reading is cheap and imports neither torch nor numpy: the manifest, the file set
and the sizes.  Loading checks everything else before a model is touched.  An
untrained concept is ``concept.toml`` alone, or with a ``README.md``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from e2gan.base import Base
from e2gan.errors import ConceptError
from e2gan.files import TOML_LIMIT, atomic_folder, atomic_write, interrupted, parse_json, read_bytes, read_toml
from e2gan.leftovers import kind, names
from e2gan.models.layout import (
    ADAPTER_PREFIX,
    KEEPS,
    MAX_NOISE,
    NEUTRAL,
    NO_SKIPS,
    GeneratorConfig,
    Ranks,
    Skips,
    Tone,
    adapter_shapes,
    crucial_layers,
)
from e2gan.recipe import GIVEN, Framing, Recipe, TeacherChoice
from e2gan.tables import Table, canonical_json, shown
from e2gan.terminal import one_line

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FILES", "Adapter", "Concept", "record_quality", "render_card", "write_concept"]

SCHEMA = 1
MANIFEST, CONFIG, ADAPTER = "concept.toml", "adapter_config.json", "adapter_model.safetensors"
PROMPT, PREVIEW, CARD = "prompt.safetensors", "preview.webp", "README.md"

FILES = {
    MANIFEST: TOML_LIMIT,
    CONFIG: 64 * 1024,
    ADAPTER: 32 * 1024**2,
    PROMPT: 1024**2,
    PREVIEW: 2 * 1024**2,
    CARD: 256 * 1024,
}
"""The files a bundle may hold, and the most bytes each may have."""

TRAINED = (CONFIG, ADAPTER, PROMPT)
"""The files that training adds: all of them, or none."""

HEADER_LIMIT = 256 * 1024
"""Most bytes of a safetensors header; the default adapter's has 5,000."""

MAX_DIMENSIONS = 8
"""Most dimensions of a tensor; a convolution's factors have 4."""

MAX_TOKENS = 512
"""Most prompt tokens."""

CHANNELS = ("red", "green", "blue")
"""The rows of ``[tone]``, each over the photo's red, green, blue, and 1."""

MAX_TONE = 16.0
"""Largest magnitude of a tone's numbers; a grade's are below 2."""

_WIDTHS = {"F32": 4, "F16": 2}

_DAMAGED = "the bundle is damaged, or e2gan did not write it: get it again from where it came from"


@dataclass(frozen=True, eq=False)
class Adapter:
    """What a concept changes in its base."""

    tensors: dict[str, np.ndarray]
    """LoRA factors by PEFT's names, float32; their scale is 1."""
    prompt: np.ndarray
    """(T, D) float32: the prompt's token embeddings."""


@dataclass(frozen=True, eq=False)
class Concept:
    """A concept on disk, its manifest read and checked, its weights not yet loaded."""

    id: str
    title: str
    version: str
    prompt: str
    license: str
    authors: tuple[str, ...]
    description: str
    base_id: str
    base_sha256: str
    """Of the base's ``generator.safetensors``; no other base will do."""
    keeps: str
    """What of the photo its edits keep: one of :data:`~e2gan.models.layout.KEEPS`."""
    tone: Tone
    """In which colours they keep it: the teacher's as far as one affine map goes; training fits it."""
    skips: Skips
    """How much goes round the generator's bottleneck: 0 for paintings that redraw everything, 1 for drawings."""
    noise: float
    """Strength of the noise that its strokes begin at; 0 is none."""
    recipe: Recipe
    quality: dict[str, Any]
    """What the evaluation measured; empty before."""
    training: dict[str, Any]
    """The record of the training run: device, seconds, steps."""
    trained: bool
    path: Path
    """The folder."""
    distribution: str | None
    """The installed distribution it came with, or None."""
    source: str | None
    """Where it was got if not with that distribution, such as ``hub:OWNER/NAME@COMMIT``, or None."""
    manifest: dict[str, Any] = field(repr=False)
    """The whole of ``concept.toml``."""

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], *, distribution: str | None = None, source: str | None = None
    ) -> Concept:
        """Read the bundle in the folder ``path``: manifest, file set and sizes.

        Raises:
            ConceptError: there is no bundle, or it is malformed.
            RecipeError: its recipe is.
        """
        folder = Path(path)
        trained = _check_files(folder)
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
            authors=table.texts("authors", ()),
            description=table.text("description", "", limit=2000, lines=True),
            base_id=base.id("id"),
            base_sha256=base.digest("sha256"),
            keeps=table.choice("keeps", KEEPS, KEEPS[0]),
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
    def ranks(self) -> Ranks:
        return self.recipe.training.adapter_ranks

    @property
    def recipe_digest(self) -> str:
        """SHA-256 over what the adapter is made from: the recipe as written, the prompt, what is kept of the photo and
        goes round the bottleneck, the noise, the base's digest."""
        made_from = {"base": self.base_sha256, "prompt": self.prompt, "recipe": self.manifest["recipe"]}
        if self.keeps != KEEPS[0]:  # so that bundles written before there was a choice keep their digest
            made_from["keeps"] = self.keeps
        if self.skips != NO_SKIPS:
            made_from["skips"] = list(self.skips)
        if self.noise:
            made_from["noise"] = self.noise
        return hashlib.sha256(canonical_json(made_from)).hexdigest()

    @property
    def preview(self) -> Path | None:
        """The preview picture, where there is one."""
        file = self.path / PREVIEW
        return file if file.is_file() else None

    def load(self, base: Base) -> Adapter:
        """Check every file of the bundle against ``base`` and load the weights.

        Raises:
            ConceptError: it is untrained, made for another base, or a file is damaged, unsafe or inconsistent.
        """
        self._check_trained()
        if self.base_sha256 != base.sha256:
            raise ConceptError(
                f"{self.path / MANIFEST}: made for the base '{self.base_id}' ({self.base_sha256[:12]}…), "
                f"not for '{base.id}' ({base.sha256[:12]}…)",
                hint="install the version of the concept for this base, or train it again with e2gan train",
            )
        self.check_base(base)
        _check_files(self.path)
        _check_adapter_config(self.path / CONFIG, adapter_config(base.config, self.ranks))
        _check_preview(self.path / PREVIEW)
        _check_card(self.path / CARD)
        tensors = self._read_tensors(ADAPTER, adapter_shapes(base.config, self.ranks))
        prompt = self._read_tensors(PROMPT, {"prompt": (None, base.config.prompt_dim)})
        return Adapter(tensors, prompt["prompt"])

    def check_base(self, base: Base) -> None:
        """Raise ConceptError where the base's generator cannot do what the concept asks of it."""
        if self.skips != NO_SKIPS and not base.config.skips:
            _refuse(
                self.path / MANIFEST,
                f"it has skips, but the generator of the base '{base.id}' has none",
                "leave skips out, or take a base that has them",
            )

    def check(self) -> None:
        """Check every file of the bundle as far as that goes without its base, for who has not got that.

        Names and shapes of the tensors, and PEFT's configuration, follow from the base: :meth:`load` checks them.

        Raises:
            ConceptError: it is untrained, or a file is damaged, unsafe or inconsistent.
        """
        self._check_trained()
        _check_files(self.path)
        _parse_json(self.path / CONFIG, read_bytes(self.path / CONFIG, limit=FILES[CONFIG], error=ConceptError))
        _check_preview(self.path / PREVIEW)
        _check_card(self.path / CARD)
        self._read_tensors(ADAPTER)
        self._read_tensors(PROMPT)

    def header(self) -> dict[str, str]:
        """What the headers of both safetensors files repeat of the manifest."""
        return {"id": self.id, "base_sha256": self.base_sha256, "recipe_sha256": self.recipe_digest}

    def _check_trained(self) -> None:
        if not self.trained:
            raise ConceptError(
                f"{self.path}: the concept '{self.id}' is not trained yet", hint=f"e2gan train {self.path}"
            )

    def _read_tensors(
        self, name: str, shapes: Mapping[str, tuple[int | None, ...]] | None = None
    ) -> dict[str, np.ndarray]:
        """The tensors of a safetensors file, which must be exactly those of ``shapes`` where it is given, as float32.

        The header is checked before the safetensors library sees the file.
        """
        file = self.path / name
        data = read_bytes(file, limit=FILES[name], error=ConceptError, hint=_DAMAGED)
        header = _safetensors_header(file, data)
        metadata = header.pop("__metadata__", None)
        if not isinstance(metadata, dict):
            _refuse(file, "its header has no metadata")
        for key, promised in self.header().items():
            if metadata.get(key) != promised:
                _refuse(file, f"its header says {key} {shown(metadata.get(key))}, but {MANIFEST} gives '{promised}'")
        for tensor in sorted(header.keys() - shapes.keys() if shapes is not None else ()):
            _refuse(file, f"unexpected tensor {shown(tensor)}")
        for tensor in sorted(header if shapes is None else shapes):
            if tensor not in header:
                _refuse(file, f"the tensor {shown(tensor)} is missing")
            _check_tensor(file, tensor, header[tensor], None if shapes is None else shapes[tensor])

        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as fault:
            _refuse(file, f"not a sound safetensors file: {fault}")
        for tensor, value in tensors.items():
            if not np.isfinite(value).all():
                _refuse(file, f"the tensor {shown(tensor)} holds values that are not finite")
        return {tensor: value.astype(np.float32) for tensor, value in tensors.items()}


def _refuse(file: Path, fault: str, hint: str = _DAMAGED) -> NoReturn:
    raise ConceptError(f"{file}: {fault}", hint=hint)


def _tone(table: Table) -> Tone:
    rows = dict(zip(CHANNELS, NEUTRAL))
    tone = tuple(table.numbers(channel, row, low=-MAX_TONE, high=MAX_TONE) for channel, row in rows.items())
    table.done()
    return tone  # type: ignore[return-value]


def _check_files(folder: Path) -> bool:
    """Check names, kinds and sizes of a bundle's files; True if it is trained."""
    present = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if kind(entry.name):  # what a killed process left: the next to write here removes it
                    continue
                if entry.name not in FILES:
                    hint = f"only {', '.join(FILES)} may stand there; move it elsewhere"
                    _refuse(folder, f"unexpected file {shown(entry.name)}", hint)
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(info.st_mode):
                    _refuse(folder / entry.name, "is a symbolic link", "copy the file itself into the folder")
                if not stat.S_ISREG(info.st_mode):
                    _refuse(folder / entry.name, "is not a regular file")
                if info.st_size > FILES[entry.name]:
                    _refuse(
                        folder / entry.name, f"has {info.st_size:,} bytes; at most {FILES[entry.name]:,} are allowed"
                    )
                present.add(entry.name)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ConceptError(f"no concept in {folder}: {reason}", hint=f"give a folder with a {MANIFEST}") from fault
    if MANIFEST not in present and interrupted(folder):
        raise ConceptError(
            f"{folder}: the last write of this concept was interrupted",
            hint=f"run it again, or finish it with: e2gan clean --yes {folder.parent}",
        )
    if MANIFEST not in present:
        raise ConceptError(f"no concept in {folder}: {MANIFEST} is missing", hint="e2gan new makes one")
    if present <= {MANIFEST, CARD}:
        return False
    for name in TRAINED:
        if name not in present:
            _refuse(folder / name, "the file is missing")
    return True


def adapter_config(config: GeneratorConfig, ranks: Ranks) -> dict[str, Any]:
    """The content of ``adapter_config.json``: PEFT's LoRA on exactly the crucial layers, at scale 1.

    It follows wholly from the base and the ranks, so that a bundle has no say in what PEFT does with it.
    """
    return _adapter_config({layer.name: layer.rank(ranks) for layer in crucial_layers(config)}, ranks.transformer)


def render_adapter_config(config: GeneratorConfig, ranks: Ranks) -> str:
    """The ``adapter_config.json`` that :func:`write_concept` writes for an adapter of this base and these ranks."""
    return _pretty(adapter_config(config, ranks))


def _pretty(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _adapter_config(ranks: Mapping[str, int], default: int) -> dict[str, Any]:
    # PEFT matches pattern keys as regular expressions against the end of a module's name.
    pattern = {"^" + name.replace(".", r"\."): rank for name, rank in ranks.items()}
    return {
        "peft_type": "LORA",
        "r": default,
        "lora_alpha": default,
        "rank_pattern": pattern,
        "alpha_pattern": pattern,
        "target_modules": sorted(ranks),
        "bias": "none",
    }


def _check_adapter_config(file: Path, expected: Mapping[str, Any]) -> None:
    found = _parse_json(file, read_bytes(file, limit=FILES[CONFIG], error=ConceptError, hint=_DAMAGED))
    if isinstance(found.get("target_modules"), list):  # a set, to PEFT
        found["target_modules"] = sorted(found["target_modules"], key=str)
    for key in found:
        if key not in expected:
            _refuse(file, f"unexpected key {shown(key)}")
    for key, value in expected.items():
        if key not in found:
            _refuse(file, f"the key '{key}' is missing")
        # Compared as text, for 1 == True == 1.0.
        if json.dumps(found[key], sort_keys=True) != json.dumps(value, sort_keys=True):
            _refuse(file, f"'{key}' does not fit the base and the recipe's ranks")


def _parse_json(file: Path, data: bytes, *, check: bool = True) -> dict[str, Any]:
    """The object that JSON from outside holds."""
    try:
        found = parse_json(data, check=check)
    except ValueError as fault:
        _refuse(file, f"not valid JSON: {fault}")
    if not isinstance(found, dict):
        _refuse(file, "not a JSON object")
    return found


def _safetensors_header(file: Path, data: bytes) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, little-endian, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{":
        _refuse(file, "not a safetensors file")
    if length > HEADER_LIMIT:
        _refuse(file, f"not a safetensors file, or its header is larger than {HEADER_LIMIT:,} bytes")
    if 8 + length > len(data):
        _refuse(file, "cut off in its header")
    return _parse_json(file, data[8 : 8 + length], check=False)  # for all of it is, by its shape


def _check_tensor(file: Path, name: str, entry: Any, shape: tuple[int | None, ...] | None) -> None:
    """Check one tensor's header entry; None in ``shape`` stands for 1 to MAX_TOKENS, None for any shape."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(file, f"the header's entry for {shown(name)} is malformed")
    if entry["dtype"] not in ("F32", "F16"):
        _refuse(file, f"the tensor {shown(name)} is {shown(entry['dtype'])}; it must be F32 or F16")
    found, offsets = entry["shape"], entry["data_offsets"]
    whole = isinstance(found, list) and isinstance(offsets, list) and len(offsets) == 2
    if not whole or len(found) > MAX_DIMENSIONS or any(type(n) is not int for n in (*found, *offsets)):
        _refuse(file, f"the header's entry for {shown(name)} is malformed")
    if shape is None:
        shape = tuple(found)
    fits = len(found) == len(shape) and all(
        1 <= n <= MAX_TOKENS if wanted is None else n == wanted for n, wanted in zip(found, shape)
    )
    if not fits:
        wanted_shape = tuple("T" if n is None else n for n in shape)
        _refuse(
            file, f"the tensor {shown(name)} has the shape {shown(found)}; the base and the ranks need {wanted_shape}"
        )
    if offsets[1] - offsets[0] != math.prod(found) * _WIDTHS[entry["dtype"]]:
        _refuse(file, f"the tensor {shown(name)} has as many bytes as does not fit its shape")


def _check_preview(file: Path) -> None:
    if file.exists():
        data = read_bytes(file, limit=FILES[PREVIEW], error=ConceptError, hint=_DAMAGED)
        if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
            _refuse(file, "not a WebP picture")
        if int.from_bytes(data[4:8], "little") + 8 != len(data):
            _refuse(file, "a WebP picture cut off, or with more behind it")


def _check_card(file: Path) -> None:
    if file.exists():
        try:
            read_bytes(file, limit=FILES[CARD], error=ConceptError, hint=_DAMAGED).decode()
        except UnicodeDecodeError:
            _refuse(file, "not UTF-8 text")


def write_concept(
    folder: str | os.PathLike[str],
    *,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray] | None = None,
    prompt: np.ndarray | None = None,
    preview: bytes | None = None,
    card: str | None = None,
) -> Concept:
    """Write a bundle into ``folder``, whole or not at all, and read it back; a bundle already there is replaced.

    Args:
        manifest: the content of ``concept.toml``; as tomlkit's document it keeps its maker's comments.
        tensors: the adapter's factors by PEFT's names, float32 or float16 arrays (or CPU tensors).
        prompt: (T, D) token embeddings.  Without ``tensors`` and ``prompt`` the concept is an untrained one.
        preview: a WebP picture.
        card: the ``README.md``; without one, :func:`render_card`'s.

    Raises:
        ConceptError: the folder holds something else, or what would be written is no sound bundle.
        RecipeError: the manifest's recipe is wrong.
    """
    import tomlkit

    target = Path(folder)
    foreign = [name for name in names(target) if name not in FILES] if target.is_dir() else []
    if foreign:
        _refuse(target / foreign[0], "no part of a concept, so its folder is not written to", "choose an empty folder")
    with atomic_folder(target) as new:
        atomic_write(new / MANIFEST, tomlkit.dumps(manifest))
        concept = Concept.read(new)
        if tensors is not None and prompt is not None:
            atomic_write(new / ADAPTER, _to_safetensors(tensors, concept.header()))
            atomic_write(new / PROMPT, _to_safetensors({"prompt": prompt}, concept.header()))
            ranks = {
                name.removeprefix(ADAPTER_PREFIX).removesuffix(".lora_B.weight"): value.shape[1]
                for name, value in tensors.items()
                if name.endswith(".lora_B.weight")
            }
            config = _adapter_config(ranks, concept.ranks.transformer)
            atomic_write(new / CONFIG, _pretty(config))
            if preview is not None:
                atomic_write(new / PREVIEW, preview)
                _check_preview(new / PREVIEW)
        atomic_write(new / CARD, render_card(Concept.read(new)) if card is None else card)
        Concept.read(new)
    return Concept.read(target)


def _to_safetensors(tensors: Mapping[str, np.ndarray], header: Mapping[str, str]) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    arrays = {}
    for name, value in tensors.items():
        array = np.asarray(value)
        if array.dtype not in (np.float32, np.float16) or not np.isfinite(array).all():
            raise ConceptError(f"the tensor '{name}' must be finite float32 or float16")
        arrays[name] = np.ascontiguousarray(array)
    data = save(arrays, {"format": "pt", **header})
    # The library writes the metadata in a random order: sort it, so that equal bundles are equal bytes.
    length = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + length])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":")).encode().ljust(length)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def record_quality(concept: Concept, quality: Mapping[str, Any]) -> Concept:
    """Write what an evaluation measured into the concept's manifest and its card; gives the concept anew."""
    import tomlkit

    file = concept.path / MANIFEST
    manifest = tomlkit.parse(file.read_text("utf-8"))  # with its maker's comments
    manifest["quality"] = dict(quality)
    atomic_write(file, tomlkit.dumps(manifest))
    measured = Concept.read(concept.path, distribution=concept.distribution, source=concept.source)
    atomic_write(concept.path / CARD, render_card(measured))
    return measured


def render_card(concept: Concept, metadata: str | None = None, name: str | None = None) -> str:
    """The ``README.md`` of a concept: a Hugging Face model card.

    Args:
        metadata: the card's YAML; by default what follows from the bundle alone.
        name: how the concept is named on the command line; by default its id.
    """
    recipe = concept.recipe
    own = [
        f"license: {json.dumps(concept.license)}",
        "library_name: e2gan",
        "pipeline_tag: image-to-image",
        "tags: [e2gan, e2gan-concept, lora, image-to-image]",
    ]
    lines = ["---", *(own if metadata is None else metadata.splitlines()), "---", ""]
    lines += [f"# {_escape(concept.title)}", ""]
    if concept.description:
        lines += [_escape(concept.description), ""]
    if concept.preview:
        lines += [f"![before and after]({PREVIEW})", ""]
    lines += [
        f"A concept for the E²GAN base `{concept.base_id}`: it edits a photo to *{_escape(concept.prompt)}*.",
        "",
        "```sh",
        f"e2gan apply {name or concept.id} photo.jpg -o edited.jpg",
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| id, version | `{concept.id}` {concept.version} |",
        f"| base | `{concept.base_id}`, generator SHA-256 `{concept.base_sha256}` |",
        *(f"| teacher | {_teacher(teacher)} |" for teacher in recipe.teachers),
        f"| of the photo it keeps | {concept.keeps} |",
        *(
            [f"| round the bottleneck | {', '.join(map(_figure, concept.skips))} |"]
            if concept.skips != NO_SKIPS
            else []
        ),
        *([f"| noise | {_figure(concept.noise)} |"] if concept.noise else []),
        f"| photos | {_escape(recipe.source) or 'not stated'} |",
        *([f"| pictures | {recipe.pictures} |"] if recipe.pictures != Framing() else []),
        f"| pairs kept | {recipe.selection.method}"
        + (f", {recipe.selection.clusters}" if recipe.selection.method != "all" else "")
        + " |",
        f"| ranks | {', '.join(map(str, concept.ranks.sampling))}; transformer {concept.ranks.transformer} |",
        f"| recipe digest | `{concept.recipe_digest}` |",
    ]
    if concept.authors:
        lines.append(f"| authors | {_escape(', '.join(concept.authors))} |")
    for title, table in (("Quality", concept.quality), ("Training", concept.training)):
        if table:
            lines += ["", f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {_escape(name)} | {_escape(value)} |" for name, value in _flat(table)]
    if not concept.trained:
        lines += ["", "Not trained yet."]
    return "\n".join(lines) + "\n"


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as rows: {"l1": {"ratio": 0.5}} gives [("l1 ratio", "0.5")]."""
    rows = []
    for name, value in table.items():
        name = f"{prefix}{name.replace('_', ' ')}"
        rows += _flat(value, f"{name} ") if isinstance(value, Mapping) else [(name, _figure(value))]
    return rows


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_figure, value))
    return str(value)


def _teacher(teacher: TeacherChoice) -> str:
    return str(teacher) if teacher.id == GIVEN else f"`{teacher.id}` {_escape(_inline(teacher.options))}"


def _inline(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in options.items())


def _escape(text: str) -> str:
    """Text from a manifest as plain text in Markdown: no markup, no table cells, no HTML."""
    return re.sub(r"([\\`*_\[\]<>#|~!])", r"\\\1", one_line(text))
